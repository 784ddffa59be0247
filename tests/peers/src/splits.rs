//! Words stay whole, or not: two people type at the same spot, and the final text shows whose letters stand between whose.
//!
//! Knows two scenarios, each a trial that its seed decides wholly: identities (which decide ties), lengths, moments, delays. Ann types in lower
//! case, Ben in upper case, each with separators of their own, so a text tells who typed what.
//!
//! ```text
//! race        Ann types  h e ┊ l l o        Ben, who has seen "he", answers  Y E S  right behind it
//!             heYESllo is split, helloYES is whole
//! ```

use crate::Engine;
use crate::random::Random;
use std::collections::VecDeque;

/// What a trial showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Whether a letter of one stands between two letters that the other typed one after the other in one word.
    pub torn: bool,
    /// The text of each replica at the end.
    pub texts: Vec<String>,
}

impl Outcome {
    fn of<E: Engine>(replicas: &[&E], typed: &[&str; 2]) -> Self {
        let texts: Vec<String> = replicas.iter().map(|replica| replica.text()).collect();
        let torn = texts.iter().any(|text| is_torn(text, typed[0], is_of_ann) || is_torn(text, typed[1], is_of_ben));
        Self { torn, texts }
    }

    /// Whether all replicas show the same text.
    pub fn converged(&self) -> bool {
        self.texts.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// The race for a word: Ann types it letter by letter and never moves her caret; Ben receives a part of it and answers right behind
/// that, while Ann, who has not seen him, types on. Two readers get everything in opposite orders.
pub fn race<E: Engine>(seed: u64) -> Outcome {
    let random = &mut Random::from_seed(seed);
    let [mut ann, mut ben, mut early, mut late] = std::array::from_fn(|_| replica::<E>(random));
    let (word, answer) = (letters(random, 'a', 2, 8), letters(random, 'A', 1, 6));
    let (seen, unseen) = word.split_at(random.between(1, word.len() - 1));

    let mut from_ann = Vec::new();
    if random.percent(50) {
        ann.insert(0, SHARED);
        from_ann.extend(ann.export());
        ann.move_caret(random.between(0, SHARED.len()));
    }
    from_ann.extend(type_in_messages(&mut ann, seen, random));
    from_ann.iter().for_each(|update| ben.import(update));

    ben.move_caret(ann.caret());
    let from_ben = type_in_messages(&mut ben, &answer, random);
    let unseen = type_in_messages(&mut ann, unseen, random);

    from_ben.iter().for_each(|update| ann.import(update));
    unseen.iter().for_each(|update| ben.import(update));
    from_ann.extend(unseen);
    from_ann.iter().chain(&from_ben).for_each(|update| early.import(update));
    from_ben.iter().chain(&from_ann).for_each(|update| late.import(update));
    Outcome::of(&[&ann, &ben, &early, &late], &[&word, &answer])
}

/// What stands there before; neither Ann's letters nor Ben's.
const SHARED: &str = "1-2-3";

/// Types letter by letter at the caret; what goes out together is random.
fn type_in_messages<E: Engine>(replica: &mut E, text: &str, random: &mut Random) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for letter in text.chars() {
        type_letter(replica, letter);
        if random.percent(70) {
            messages.extend(replica.export());
        }
    }
    messages.extend(replica.export());
    messages
}

/// A conversation: both write sentences, each one begun at the end of the text that its writer sees, letters on their way for a random while.
/// Nobody moves a caret within a sentence.
pub fn conversation<E: Engine>(seed: u64) -> Outcome {
    let random = &mut Random::from_seed(seed);
    let mut writers = [Writer::<E>::new(random, 'a', [' ', '.']), Writer::<E>::new(random, 'A', ['_', '!'])];
    let typed = writers.each_ref().map(|writer| writer.to_type.iter().collect::<String>());
    // How fast the network is, against typing.
    let delivered = random.between(10, 60);
    while writers.iter().any(|writer| !writer.to_type.is_empty()) {
        let [ann, ben] = &mut writers;
        let (writer, other) = if random.percent(50) { (ann, ben) } else { (ben, ann) };
        writer.type_next();
        other.arriving.extend(writer.replica.export());
        for writer in [writer, other] {
            if random.percent(delivered) {
                writer.receive(random.between(1, 6));
            }
        }
    }
    writers.iter_mut().for_each(|writer| writer.receive(usize::MAX));
    Outcome::of(&writers.each_ref().map(|writer| &writer.replica), &typed.each_ref().map(String::as_str))
}

struct Writer<E> {
    replica: E,
    to_type: VecDeque<char>,
    /// Ends a sentence; the caret is moved before the next one.
    full_stop: char,
    is_between_sentences: bool,
    typed_last: Option<char>,
    /// What the other has sent.
    arriving: VecDeque<Vec<u8>>,
}

impl<E: Engine> Writer<E> {
    fn new(random: &mut Random, first: char, [space, full_stop]: [char; 2]) -> Self {
        let mut to_type = VecDeque::new();
        for _ in 0..random.between(1, 3) {
            for word in 0..random.between(2, 5) {
                to_type.extend((word > 0).then_some(space));
                to_type.extend(letters(random, first, 1, 8).chars());
            }
            to_type.push_back(full_stop);
        }
        Self {
            replica: replica(random),
            to_type,
            full_stop,
            is_between_sentences: true,
            typed_last: None,
            arriving: VecDeque::new(),
        }
    }

    fn type_next(&mut self) {
        let Some(letter) = self.to_type.pop_front() else { return };
        if self.is_between_sentences {
            self.replica.move_caret(self.replica.text().chars().count());
        }
        type_letter(&mut self.replica, letter);
        self.typed_last = Some(letter);
        self.is_between_sentences = letter == self.full_stop;
    }

    fn receive(&mut self, most: usize) {
        let count = most.min(self.arriving.len());
        self.arriving.drain(..count).for_each(|update| self.replica.import(&update));
        self.check_caret();
    }

    /// A caret that drifted off would tear words by our fault, not by the engine's.
    fn check_caret(&self) {
        let Some(typed) = self.typed_last.filter(|_| !self.is_between_sentences) else { return };
        let left = self.replica.caret().checked_sub(1).and_then(|left| self.replica.text().chars().nth(left));
        assert_eq!(left, Some(typed), "{}: left of the caret is not what was typed last", E::NAME);
    }
}

fn replica<E: Engine>(random: &mut Random) -> E {
    E::replica(u128::from(random.bits()) << 64 | u128::from(random.bits()))
}

fn type_letter<E: Engine>(replica: &mut E, letter: char) {
    replica.insert(replica.caret(), letter.encode_utf8(&mut [0; 4]));
}

/// A word in the case of `first`.
fn letters(random: &mut Random, first: char, least: usize, most: usize) -> String {
    (0..random.between(least, most)).map(|_| char::from(first as u8 + random.between(0, 25) as u8)).collect()
}

fn is_of_ann(letter: char) -> bool {
    letter.is_ascii_lowercase() || " .".contains(letter)
}

fn is_of_ben(letter: char) -> bool {
    letter.is_ascii_uppercase() || "_!".contains(letter)
}

/// Whether something stands between two letters that one of them typed one after the other.
///
/// # Panics
/// When what was typed is not there in the order of typing: then the engine lost or moved text, which no trial is about.
fn is_torn(text: &str, typed: &str, is_own: fn(char) -> bool) -> bool {
    let own: Vec<(usize, char)> = text.chars().enumerate().filter(|&(_, letter)| is_own(letter)).collect();
    assert!(own.iter().map(|&(_, letter)| letter).eq(typed.chars()), "{typed:?} was typed, {text:?} came of it");
    own.windows(2).any(|pair| {
        let [(before, left), (after, right)] = [pair[0], pair[1]];
        left.is_alphabetic() && right.is_alphabetic() && after != before + 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_between_letters_tears_a_word() {
        assert!(is_torn("heYESllo", "hello", is_of_ann));
        assert!(!is_torn("helloYES", "hello", is_of_ann));
        assert!(!is_torn("heYESllo", "YES", is_of_ben));
        assert!(!is_torn("see YES_you.", "see you.", is_of_ann), "between two words there is room");
    }
}
