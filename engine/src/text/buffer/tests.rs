use super::*;
use crate::random::{Random, seeds};
use crate::text::unit::Utf16;

/// The plain text that the buffer must equal: every answer is a scan.
struct Plain(Vec<char>);

impl Plain {
    fn text(&self) -> String {
        self.0.iter().collect()
    }

    /// For each position in `kind`, the number of chars before it, or `None` inside a character.
    fn positions(&self, kind: UnitKind) -> Vec<Option<usize>> {
        let mut positions = vec![Some(0)];
        for (index, c) in self.0.iter().enumerate() {
            let width = match kind {
                UnitKind::Chars => 1,
                UnitKind::Bytes => c.len_utf8(),
                UnitKind::Utf16 => c.len_utf16(),
            };
            positions.extend(vec![None; width - 1]);
            positions.push(Some(index + 1));
        }
        positions
    }

    fn line_of(&self, char: usize) -> usize {
        self.0[..char].iter().filter(|&&c| c == '\n').count()
    }
}

impl Random {
    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn text(&mut self, alphabet: &[char], len: usize) -> String {
        (0..len).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

const ASCII: &[char] = &['a', 'b', ' ', '\n', '\r'];
const MIXED: &[char] = &['a', 'z', '\n', '\r', 'é', '\u{301}', '漢', '🙂', '\u{200D}', '\u{10FFFF}'];

/// Every read in one unit, at every position and at two beyond the end.
fn check_unit<U: Unit>(buffer: &Buffer, plain: &Plain) {
    let positions = plain.positions(U::KIND);
    let len = positions.len() - 1;
    assert_eq!(buffer.len::<U>(), U::at(len));
    let text = plain.text();
    assert_eq!(U::count(&text), U::at(len));
    for (position, char) in positions.iter().enumerate() {
        let at = U::at(position);
        match *char {
            Some(char) => check_position(buffer, plain, at, char),
            None => {
                let error = PositionError::InsideCharacter { position, unit: U::KIND };
                check_refused(buffer, at, error);
                assert_eq!(buffer.slice(U::at(0)..at), Err(error));
                assert_eq!(buffer.slice(at..U::at(len)), Err(error));
            }
        }
    }
    for position in [len + 1, len + 2, usize::MAX] {
        assert_eq!(buffer.char_at(Chars(position)), None);
        let error = PositionError::OutOfRange { position, len, unit: U::KIND };
        check_refused(buffer, U::at(position), error);
        assert_eq!(buffer.slice(U::at(0)..U::at(position)), Err(error));
    }
    let lines = plain.line_of(plain.0.len()) + 1;
    for line in 0..lines {
        let char = (0..).find(|&char| plain.line_of(char) == line).expect("a line");
        let position = positions.iter().position(|&at| at == Some(char)).expect("a start");
        assert_eq!(buffer.line_start::<U>(line), Some(U::at(position)), "line {line}");
    }
    assert_eq!(buffer.line_start::<U>(lines), None);
    assert_eq!(buffer.line_start::<U>(usize::MAX), None);
}

fn check_position<U: Unit>(buffer: &Buffer, plain: &Plain, at: U, char: usize) {
    let before: String = plain.0[..char].iter().collect();
    assert_eq!(buffer.convert(at), Ok(Chars(char)));
    assert_eq!(buffer.convert(at), Ok(Bytes(before.len())));
    assert_eq!(buffer.convert(at), Ok(Utf16(before.encode_utf16().count())));
    assert_eq!(buffer.line_of(at), Ok(plain.line_of(char)));
    assert_eq!(buffer.char_at(Chars(char)), plain.0.get(char).copied());
    let from: String = plain.0[char..].iter().collect();
    assert_eq!(buffer.chars_from(at).expect("valid").collect::<String>(), from);
    assert_eq!(buffer.chunks_from(at).expect("valid").collect::<String>(), from);
    let backwards: String = before.chars().rev().collect();
    assert_eq!(buffer.chars_before(at).expect("valid").collect::<String>(), backwards);
    assert_eq!(buffer.slice(at..buffer.len::<U>()), Ok(from));
}

fn check_refused<U: Unit>(buffer: &Buffer, at: U, error: PositionError) {
    assert_eq!(buffer.convert::<U, Chars>(at), Err(error));
    assert_eq!(buffer.convert::<U, U>(at), Err(error));
    assert_eq!(buffer.line_of(at), Err(error));
    assert_eq!(buffer.chunks_from(at).err(), Some(error));
    assert_eq!(buffer.chars_from(at).err(), Some(error));
    assert_eq!(buffer.chars_before(at).err(), Some(error));
}

fn check_whole(buffer: &Buffer, plain: &Plain) {
    buffer.assert_invariants();
    let text = plain.text();
    assert_eq!(buffer.to_string(), text);
    assert_eq!(String::from(buffer), text);
    assert_eq!(*buffer, text.as_str());
    assert_eq!(*buffer, Buffer::from(text.as_str()));
    assert_eq!(buffer.hash64(), Buffer::from(text.as_str()).hash64());
    assert_eq!(buffer.is_empty(), text.is_empty());
    assert_eq!(buffer.line_count(), text.split('\n').count());
    assert!(buffer.chunks().all(|chunk| !chunk.is_empty()));
}

/// Edits that mostly stay near the edit before, as people's do; `caret` is where that was.
fn random_edit(random: &mut Random, caret: &mut usize, plain: &Plain) -> (Range<usize>, usize) {
    let len = plain.0.len();
    if random.one_in(6) {
        *caret = random.below(len + 1);
    } else if random.one_in(4) {
        *caret = (*caret + random.below(5)).saturating_sub(2).min(len);
    }
    let (start, end) = match random.below(4) {
        0 => (caret.saturating_sub(1 + random.below(4)), *caret),
        1 => (*caret, (*caret + 1 + random.below(4)).min(len)),
        2 => (caret.saturating_sub(random.below(3)), (*caret + random.below(3)).min(len)),
        _ => (*caret, *caret),
    };
    let inserted = if start < end && !random.one_in(4) { 0 } else { 1 + random.below(3) };
    *caret = start + inserted;
    (start..end, inserted)
}

fn apply(buffer: &mut Buffer, plain: &mut Plain, range: Range<usize>, text: &str) {
    let chars = Chars(range.start)..Chars(range.end);
    let done = match (range.is_empty(), text.is_empty()) {
        (true, _) => buffer.insert(chars.start, text),
        (false, true) => buffer.remove(chars),
        (false, false) => buffer.replace(chars, text),
    };
    assert_eq!(done, Ok(()));
    plain.0.splice(range, text.chars());
}

#[test]
fn every_read_after_every_edit_equals_a_scan_of_the_plain_text() {
    for seed in seeds(60) {
        println!("SEED={seed}");
        let mut random = Random(seed);
        let alphabet = if seed % 3 == 0 { ASCII } else { MIXED };
        let start = random.text(alphabet, random_len(seed));
        let (mut buffer, mut plain) = (Buffer::from(&*start), Plain(start.chars().collect()));
        let mut caret = 0;
        for _ in 0..40 {
            let (range, len) = random_edit(&mut random, &mut caret, &plain);
            let text = random.text(alphabet, len);
            apply(&mut buffer, &mut plain, range, &text);
            check_whole(&buffer, &plain);
            check_unit::<Chars>(&buffer, &plain);
            check_unit::<Bytes>(&buffer, &plain);
            check_unit::<Utf16>(&buffer, &plain);
        }
    }
}

fn random_len(seed: u64) -> usize {
    (seed % 5) as usize * 10
}

/// Texts of many pages, and edits of many pages: reads at random positions.
#[test]
fn long_texts_equal_the_plain_text() {
    for seed in seeds(8) {
        println!("SEED={seed}");
        let mut random = Random(seed);
        let alphabet = if seed % 2 == 0 { ASCII } else { MIXED };
        let start = random.text(alphabet, 20_000);
        let (mut buffer, mut plain) = (Buffer::from(&*start), Plain(start.chars().collect()));
        let mut caret = 0;
        for step in 0..2_000 {
            let (mut range, mut len) = random_edit(&mut random, &mut caret, &plain);
            if random.one_in(40) {
                range.end = (range.end + random.below(1_500)).min(plain.0.len());
                len = random.below(1_500);
                caret = range.start + len;
            }
            let text = random.text(alphabet, len);
            apply(&mut buffer, &mut plain, range, &text);
            if step % 50 == 0 {
                check_whole(&buffer, &plain);
                check_near(&buffer, &plain, caret);
                check_near(&buffer, &plain, random.below(plain.0.len()));
            }
        }
    }
}

fn check_near(buffer: &Buffer, plain: &Plain, char: usize) {
    let start = char.saturating_sub(3);
    for char in start..(char + 3).min(plain.0.len()) {
        check_position(buffer, plain, Chars(char), char);
    }
}

#[test]
fn a_refused_edit_changes_nothing() {
    let unit = UnitKind::Chars;
    let mut buffer = Buffer::from("é漢");
    buffer.insert(Chars(2), "🙂").expect("valid");
    let beyond = |position| Err(PositionError::OutOfRange { position, len: 3, unit });
    assert_eq!(buffer.insert(Chars(4), "x"), beyond(4));
    assert_eq!(buffer.remove(Chars(1)..Chars(5)), beyond(5));
    assert_eq!(buffer.replace(Chars(7)..Chars(9), "x"), beyond(9));
    assert_eq!(buffer.insert(Chars(usize::MAX), ""), beyond(usize::MAX));
    let backwards = Err(PositionError::Backwards { start: 2, end: 1, unit });
    let range = Chars(2)..Chars(1);
    assert_eq!(buffer.remove(range.clone()), backwards);
    assert_eq!(buffer.replace(range, "x"), backwards);
    assert_eq!(buffer, "é漢🙂");
    buffer.assert_invariants();
}

fn pages(buffer: &Buffer) -> Vec<String> {
    let mut closed = buffer.clone();
    closed.close_page();
    closed.rope.chunks(0..closed.rope.len(UnitKind::Bytes)).map(str::to_owned).collect()
}

#[test]
fn edits_within_a_page_do_not_touch_the_rope() {
    let mut buffer = Buffer::from("fox, the quick");
    buffer.insert(Chars(4), "!").expect("valid");
    let opened = buffer.open.expect("a page was opened").before;
    for (index, key) in ["r", "e", "t"].iter().enumerate() {
        buffer.insert(Chars(5 + index), key).expect("valid");
    }
    buffer.remove(Chars(7)..Chars(8)).expect("backspace");
    buffer.insert(Chars(7), "d").expect("valid");
    buffer.remove(Chars(8)..Chars(10)).expect("delete forward");
    buffer.insert(Chars(0), "a").expect("valid");
    assert_eq!(buffer, "afox,!redhe quick");
    assert_eq!(buffer.open.map(|open| open.before), Some(opened));
}

#[test]
fn backspacing_through_the_start_of_a_page_goes_on_in_the_one_before() {
    let mut buffer = Buffer::from("漢字🙂é 漢字🙂é");
    assert!(pages(&buffer).len() > 1, "{:?} is one page", pages(&buffer));
    for end in (1..=9).rev() {
        buffer.remove(Chars(end - 1)..Chars(end)).expect("backspace");
        buffer.assert_invariants();
    }
    assert!(buffer.is_empty());
    assert_eq!(pages(&buffer), [""; 0]);
    assert_eq!(buffer.len::<Utf16>(), Utf16(0));
}

#[test]
fn pages_that_shrink_are_joined() {
    let mut buffer = Buffer::from(&*"0123456789".repeat(100));
    for kept in 0..250 {
        buffer.remove(Chars(kept)..Chars(kept + 3)).expect("valid");
        buffer.assert_invariants();
    }
    let pages = pages(&buffer);
    assert_eq!(pages.concat(), buffer.to_string());
    assert!(pages.len() < 60, "{} pages for {} bytes", pages.len(), buffer.len::<Bytes>());
}

#[test]
fn a_clone_goes_its_own_way() {
    let mut one = Buffer::from("ab");
    one.insert(Chars(1), "-").expect("valid");
    let mut two = one.clone();
    two.insert(Chars(2), "+").expect("valid");
    one.remove(Chars(0)..Chars(1)).expect("valid");
    assert_eq!((one.to_string(), two.to_string()), ("-b".into(), "a-+b".into()));
    assert_ne!(one, two);
}

/// Peers of different versions compare these: the numbers must never change.
#[test]
fn the_hash_of_a_text_is_fixed() {
    let hash = |text: &str| Buffer::from(text).hash64();
    assert_eq!(hash(""), 0xDF44_2D22_110C_749B);
    assert_eq!(hash("a"), 0x0B0C_2E62_941F_354E);
    assert_eq!(hash("words stay whole 🙂"), 0x71EA_5473_5673_BF22);
}

#[test]
fn the_hash_sees_the_length_and_every_byte() {
    let hash = |text: &str| Buffer::from(text).hash64();
    assert_ne!(hash("\0"), hash(""));
    assert_ne!(hash("a"), hash("b\0"));
    assert_ne!(hash("\0\0"), hash("\0"));
    let text = "0123456789abcdef0123";
    for index in 0..text.len() {
        let mut other = text.to_string();
        other.replace_range(index..=index, "x");
        assert_ne!(hash(text), hash(&other), "byte {index}");
    }
}

#[test]
fn a_buffer_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Buffer>();
}
