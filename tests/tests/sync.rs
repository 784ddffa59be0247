//! META, DATA, DONE between two and three replicas over networks that lose, repeat and reorder.

use cede::sync::{Action, Exchange, Message, Replica};
use cede::{AgentId, AnyDocument, Chars, Document, EventSpan, Lacking, Refusal, Rule, Session, Summary};
use cede_tests::forge::{self, Op};
use cede_tests::growth::SHAPES;
use cede_tests::random::{Random, seeds};
use cede_tests::tell;
use std::cell::Cell;

fn typing(agent: u128, text: &str) -> Session {
    let mut session = Session::new(AgentId::new(agent));
    session.insert(Chars(0), text).expect("the start");
    session
}

fn edit(random: &mut Random, session: &mut Session) {
    let len = session.text().len::<Chars>().0;
    let at = random.below(len + 1);
    let edited = if random.percent(25) {
        session.delete(Chars(at)..Chars((at + 2).min(len)))
    } else {
        session.insert(Chars(at), &"abcdé漢".chars().skip(random.below(4)).take(3).collect::<String>())
    };
    edited.expect("in the text");
}

/// Replicas joined two by two; each end of each link has an exchange. Messages travel as bytes.
struct Network {
    sessions: Vec<Session>,
    /// From, to, and the exchange at `from`.
    ends: Vec<(usize, usize, Exchange)>,
    underway: Vec<(usize, Vec<u8>)>,
}

impl Network {
    fn of(sessions: Vec<Session>, links: &[(usize, usize)], max_bytes: usize) -> Self {
        let both = links.iter().flat_map(|&(a, b)| [(a, b), (b, a)]);
        let ends = both.map(|(a, b)| (a, b, Exchange::new(max_bytes))).collect();
        Self { sessions, ends, underway: Vec::new() }
    }

    fn other_end(&self, end: usize) -> usize {
        end ^ 1
    }

    fn start(&mut self, end: usize) {
        let (from, _, exchange) = &mut self.ends[end];
        let meta = exchange.start(self.sessions[*from].document());
        self.underway.push((self.other_end(end), meta.encode()));
    }

    /// Sends what has been made since.
    fn poll(&mut self, end: usize) {
        let (from, _, exchange) = &mut self.ends[end];
        for message in exchange.poll(self.sessions[*from].document()) {
            self.underway.push((end ^ 1, message.encode()));
        }
    }

    fn deliver(&mut self, at: usize) {
        let (end, bytes) = self.underway.remove(at);
        let message = Message::decode(&bytes).expect("what was encoded");
        let (replica, _, exchange) = &mut self.ends[end];
        for action in exchange.receive(self.sessions[*replica].document(), message) {
            match action {
                Action::Send(message) => self.underway.push((end ^ 1, message.encode())),
                Action::Refuse(refusal) => panic!("{refusal}"),
                Action::Import(events) => {
                    self.sessions[*replica].merge::<Chars>(&events).expect("what a session made");
                }
            }
        }
    }

    fn settle(&mut self) {
        while !self.underway.is_empty() || self.ends_have_news() {
            while !self.underway.is_empty() {
                self.deliver(0);
            }
            (0..self.ends.len()).for_each(|end| self.poll(end));
        }
    }

    fn ends_have_news(&mut self) -> bool {
        (0..self.ends.len()).for_each(|end| self.poll(end));
        !self.underway.is_empty()
    }

    fn assert_equal(&self, what: &str) {
        let (first, rest) = self.sessions.split_first().expect("a replica");
        for session in rest {
            assert_eq!(session.document().summary(), first.document().summary(), "{what}");
            assert_eq!(session.text(), first.text(), "{what}");
        }
        assert!(self.sessions.iter().all(|session| session.document().waiting() == 0), "{what}");
    }
}

#[test]
fn two_replicas_hold_the_same_afterwards() {
    for max_bytes in [0, 1, 7, 100, 1 << 20, usize::MAX] {
        let mut network = Network::of(vec![typing(1, "ann writes"), typing(2, "ben writes")], &[(0, 1)], max_bytes);
        (0..2).for_each(|end| network.start(end));
        network.settle();
        network.assert_equal("after an exchange");
        assert!(network.ends.iter().all(|(_, _, exchange)| exchange.is_done()));
        // From then on each sends what is made.
        network.sessions[0].insert(Chars(0), "more ").expect("in the text");
        network.settle();
        network.assert_equal("after more was made");
    }
}

#[test]
fn an_empty_replica_and_two_empty_ones() {
    for sessions in [vec![typing(1, "all"), Session::new(AgentId::new(2))], vec![typing(1, ""), typing(2, "")]] {
        let mut network = Network::of(sessions, &[(0, 1)], 1 << 16);
        (0..2).for_each(|end| network.start(end));
        network.settle();
        network.assert_equal("after an exchange");
        assert!(network.ends.iter().all(|(_, _, exchange)| exchange.is_done()));
    }
}

/// What lies outside the other's ranges goes without a look at events: each sends exactly what the other lacks, and
/// nothing twice.
#[test]
fn disjoint_ranges_are_sent_as_they_are() {
    let (ann, ben) = (typing(1, "ann"), typing(2, "ben"));
    let mut exchange = Exchange::new(1 << 16);
    assert!(exchange.poll(ann.document()).is_empty(), "nothing is sent before the other's META");
    let actions = exchange.receive(ann.document(), Message::Meta(ben.document().summary()));
    let sent = Action::Send(Message::Data(ann.document().encode()));
    assert_eq!(actions, [sent, Action::Send(Message::Done)]);
    assert!(exchange.poll(ann.document()).is_empty(), "nothing is sent twice");

    // Events that came from the other end are not sent back.
    let mut ann = ann;
    ann.merge::<Chars>(&ben.document().encode()).expect("what a session made");
    exchange.holds(ben.document().summary().spans().collect::<Vec<_>>());
    assert!(exchange.poll(ann.document()).is_empty());
    assert_eq!(exchange.theirs(), Some(&ann.document().summary()));

    // A replica that only counts is never asked for what the other holds.
    struct Counting(Summary);
    impl Replica for Counting {
        fn meta(&self) -> Summary {
            self.0.clone()
        }
        fn check_meta(&self, _: &Summary) -> Result<(), Refusal> {
            Ok(())
        }
        fn event_count(&self) -> u64 {
            self.0.event_count()
        }
        fn lacking_in(&self, theirs: &Summary) -> Lacking {
            assert!(!theirs.covers(&self.0), "asked although nothing is lacking");
            self.0.lacking_in(theirs)
        }
        fn come_since(&self, _: u64) -> Vec<EventSpan> {
            unreachable!("nothing has come")
        }
        fn chunks_of(&self, spans: &[EventSpan], _: usize) -> Vec<Vec<u8>> {
            assert!(!spans.is_empty(), "asked for nothing");
            vec![b"opaque".to_vec()]
        }
    }
    let mut exchange = Exchange::new(1 << 16);
    let actions = exchange.receive(&Counting(ann.document().summary()), Message::Meta(ben.document().summary()));
    assert_eq!(actions[0], Action::Send(Message::Data(b"opaque".to_vec())));
}

/// An agent's events are taken in order, so META says of each up to which one they are held: whoever comes back to an old
/// document sends a few bytes for each agent, and what the other end lacks is found without going through all groups.
///
/// A planted bug that it catches: `Log::meta` says the ranges (`Graph::summary`), 4,078 bytes here.
#[test]
fn meta_grows_with_agents_and_not_with_groups() {
    fn key(writer: &mut Session, reader: &mut Session) {
        writer.insert(Chars(0), "k").expect("the start");
        let update = writer.take_outgoing().expect("a key");
        reader.merge::<Chars>(&update).expect("what a session made");
    }
    let (mut ann, mut ben) = (Session::new(AgentId::new(1)), Session::new(AgentId::new(2)));
    for _ in 0..1_000 {
        key(&mut ann, &mut ben);
        key(&mut ben, &mut ann);
    }
    let (groups, meta) = (ann.document().groups().len(), ann.document().meta());
    assert!(groups >= 2_000, "{groups} groups");
    let bytes = Message::Meta(meta.clone()).encode().len();
    assert!(bytes <= 100, "{bytes} bytes for {groups} groups of two agents");
    assert!(meta.covers(&ann.document().summary()));

    ben.insert(Chars(0), "new").expect("the start");
    let lacking = ben.document().lacking_in(&meta);
    let fresh: u32 = lacking.spans.iter().map(|span| span.len()).sum();
    assert_eq!(fresh, 3, "{lacking:?}");
    assert!(lacking.comparisons <= 30, "{} comparisons among {groups} groups", lacking.comparisons);
}

/// After each key only what has come since is looked at; the whole is compared after META alone.
#[test]
fn a_key_costs_no_look_at_the_whole_history() {
    struct Watched<'a>(&'a Document, &'a Cell<usize>);
    impl Replica for Watched<'_> {
        fn meta(&self) -> Summary {
            self.0.meta()
        }
        fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal> {
            self.0.check_meta(theirs)
        }
        fn event_count(&self) -> u64 {
            self.0.event_count()
        }
        fn lacking_in(&self, theirs: &Summary) -> Lacking {
            self.1.set(self.1.get() + 1);
            self.0.lacking_in(theirs)
        }
        fn come_since(&self, count: u64) -> Vec<EventSpan> {
            self.0.come_since(count)
        }
        fn chunks_of(&self, spans: &[EventSpan], max_bytes: usize) -> Vec<Vec<u8>> {
            self.0.chunks_of(spans, max_bytes)
        }
    }
    let compared = Cell::new(0);
    let (mut ann, mut ben) = (typing(1, "ann"), typing(2, "ben"));
    let mut exchange = Exchange::new(1 << 16);
    exchange.receive(&Watched(ann.document(), &compared), Message::Meta(ben.document().summary()));
    ben.merge::<Chars>(&ann.document().encode()).expect("what a session made");
    for round in 0..40 {
        let end = Chars(ann.text().len::<Chars>().0);
        ann.insert(end, "a").expect("the end");
        if round % 3 == 0 {
            // Theirs comes in between, and is not sent back.
            ben.insert(Chars(0), "b").expect("the start");
            let theirs = ben.document().encode_since(&ann.document().summary()).expect("a key");
            let before = ann.document().event_count();
            ann.merge::<Chars>(&theirs).expect("what a session made");
            exchange.holds(ann.document().come_since(before));
        }
        for message in exchange.poll(&Watched(ann.document(), &compared)) {
            let Message::Data(update) = message else { panic!("{message:?}") };
            let before = ben.document().event_count();
            ben.merge::<Chars>(&update).expect("what a session made");
            assert_eq!(ben.document().event_count(), before + 1, "what the other end did not hold, and nothing else");
        }
        assert_eq!(ben.text(), ann.text());
    }
    assert_eq!(compared.get(), 1, "all is compared after META");
}

/// What META says of ranges decides as much as it can. `n` and `m` count the ranges of events that the two logs hold:
/// where no agent is in both, none of them is compared, however their clocks lie; otherwise fewer than `n + m`, in a conversation
/// as in a union of what is held.
///
/// A planted bug that it catches: `rle::beyond` goes through theirs from the start for each of ours.
#[test]
fn logs_without_a_common_agent_are_merged_without_comparing_a_range() {
    let (mut apart, mut together) = ((0, 0), (0, 0));
    for seed in seeds(60) {
        let mut random = Random::from_seed(seed);
        // Four people in two rooms, of whom two know both rooms. Typing by turns gives everybody many groups.
        let mut people: Vec<Session> = (1..=4).map(|agent| Session::new(AgentId::new(agent))).collect();
        let shared = random.percent(50);
        for _ in 0..random.between(4, 60) {
            let who = random.below(4);
            edit(&mut random, &mut people[who]);
            let with = if shared && random.percent(10) { (who + 1) % 4 } else { who ^ 1 };
            let events = people[who].document().encode();
            people[with].merge::<Chars>(&events).expect("what a session made");
        }
        let ranges = |session: &Session| session.document().summary().spans().count() as u64;
        let agents = |session: &Session| {
            session.document().summary().spans().map(|span| span.agent).collect::<std::collections::BTreeSet<_>>()
        };
        let mut sessions = [people.swap_remove(2), people.swap_remove(0)];
        let (n, m) = (ranges(&sessions[0]), ranges(&sessions[1]));
        let disjoint = agents(&sessions[0]).is_disjoint(&agents(&sessions[1]));
        let mut union = sessions[0].document().summary();
        let merged = union.merge(&sessions[1].document().summary());

        let mut ends = [Exchange::new(64), Exchange::new(64)];
        let metas = [0, 1].map(|end| ends[end].start(sessions[end].document()));
        let mut underway = Vec::new();
        for (end, meta) in [1, 0].into_iter().zip(metas) {
            let actions = ends[end].receive(sessions[end].document(), meta);
            let compared = ends[end].comparisons();
            if disjoint {
                assert_eq!((compared, merged), (0, 0), "seed {seed}: {n} and {m} ranges, no common agent");
                apart.0 += n + m;
                apart.1 += compared;
            } else {
                assert!(compared < n + m && merged < n + m, "seed {seed}: {compared} and {merged} of {n} + {m}");
                together.0 += n + m;
                together.1 += compared;
            }
            underway.extend(actions.into_iter().map(|action| (1 - end, action)));
        }
        for (to, action) in underway {
            if let Action::Send(Message::Data(events)) = action {
                sessions[to].merge::<Chars>(&events).expect("what a session made");
            }
        }
        assert_eq!(sessions[0].text(), sessions[1].text(), "seed {seed}");
        assert_eq!(sessions[0].document().summary(), union, "seed {seed}");
    }
    assert!(apart.0 > 500 && together.1 > 100, "{apart:?} {together:?}");
    tell(format_args!(
        "no common agent: {} comparisons of {} ranges; common agents: {} of {}",
        apart.1, apart.0, together.1, together.0
    ));
}

/// Messages are lost, repeated and overtaken while people type on; then the network heals, and a fresh META asks for
/// what is missing.
#[test]
fn replicas_converge_once_the_network_heals() {
    for seed in seeds(150) {
        let mut random = Random::from_seed(seed);
        let (count, links): (usize, &[(usize, usize)]) =
            *random.pick(&[(2, &[(0, 1)][..]), (3, &[(0, 1), (1, 2)]), (3, &[(0, 1), (1, 2), (2, 0)])]);
        let sessions = (0..count).map(|agent| Session::new(AgentId::new(agent as u128 + 1))).collect();
        let max_bytes = *random.pick(&[8, 40, 1 << 16]);
        let mut network = Network::of(sessions, links, max_bytes);
        (0..network.ends.len()).for_each(|end| network.start(end));
        for _ in 0..random.between(10, 120) {
            let end = random.below(network.ends.len());
            match random.below(10) {
                0..3 => edit(&mut random, &mut network.sessions[end % count]),
                3..5 => network.poll(end),
                5 => network.start(end),
                _ if network.underway.is_empty() => {}
                6 => drop(network.underway.swap_remove(random.below(network.underway.len()))),
                7 => {
                    let again = random.pick(&network.underway).clone();
                    network.underway.push(again);
                }
                _ => {
                    let at = if random.percent(70) { 0 } else { random.below(network.underway.len()) };
                    network.deliver(at);
                }
            }
        }
        network.underway.clear();
        (0..network.ends.len()).for_each(|end| network.start(end));
        network.settle();
        // In a chain the middle learns first.
        (0..network.ends.len()).for_each(|end| network.start(end));
        network.settle();
        network.assert_equal(&format!("seed {seed}"));
        let decoded = Document::decode(&network.sessions[0].document().encode()).expect("what was encoded");
        assert_eq!(decoded.text(), network.sessions[0].text(), "seed {seed}");
    }
}

/// META and messages that were damaged on the way are errors, whatever is in them.
#[test]
fn damaged_messages_are_refused_or_another_message() {
    let session = typing(1, "words stay whole");
    let messages = [
        Message::Meta(session.document().summary()).encode(),
        Message::Meta(session.document().meta()).encode(),
        Message::Data(session.document().encode()).encode(),
        Message::Done.encode(),
    ];
    for bytes in &messages {
        for at in 0..bytes.len() {
            assert!(
                Message::decode(&bytes[..at]).is_err() || at > 0 && bytes[0] == messages[2][0],
                "the first {at} bytes"
            );
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let Ok(message) = Message::decode(&damaged) else { continue };
                // DATA is checked when it is imported.
                let Message::Data(events) = message else { panic!("{message:?} of damaged bytes") };
                assert!(Document::new().import::<Chars>(&events).is_err(), "byte {at}");
            }
        }
    }
}

/// A summary from a stranger: random ranges in any number are met by what lies outside of them.
#[test]
fn any_summary_is_answered() {
    let mut session = typing(1, "words stay whole");
    session.merge::<Chars>(&typing(2, "others").document().encode()).expect("what a session made");
    session.move_caret(Chars(0)).expect("the start");
    session.insert(Chars(0), "more").expect("the start");
    let document = session.document();
    for seed in seeds(500) {
        let mut random = Random::from_seed(seed);
        let mut theirs = Summary::new();
        for _ in 0..random.below(12) {
            let start = if random.percent(10) { u32::MAX - 5 } else { random.below(30) as u32 };
            let end = start.saturating_add(random.below(6) as u32);
            let agent = AgentId::new(random.between(1, 3) as u128);
            theirs.insert(cede::EventSpan { agent, start: cede::Clock(start), end: cede::Clock(end) });
        }
        let theirs = Summary::decode(&theirs.encode()).expect("what was encoded");
        let lacking: u64 = document
            .summary()
            .spans()
            .flat_map(|span| theirs.missing(span).collect::<Vec<_>>())
            .map(|span| u64::from(span.len()))
            .sum();
        let mut receiver = document.clone();
        let mut count = 0;
        for chunk in document.chunks_since(&theirs, 20) {
            assert_eq!(receiver.import::<Chars>(&chunk), Ok(vec![]));
            let mut empty = Document::new();
            empty.import::<Chars>(&chunk).expect("events of a document");
            count += empty.event_count() + empty.waiting() as u64;
        }
        assert_eq!(count, lacking, "seed {seed}");
    }
}

/// Two sessions by one name, as when somebody restores a copy: whatever each of them has written, the one that holds more
/// of that agent's events refuses the other's META, and neither takes anything in.
///
/// A planted bug that it catches: `Contents::tell` of operations leaves out the position of a deletion.
#[test]
fn other_events_under_the_same_names_are_found_by_meta_alone() {
    let shared = typing(1, "shared ");
    let written = |text: &str| {
        let mut session = shared.clone();
        session.insert(session.caret::<Chars>(), text).expect("at the caret");
        session
    };
    let moved = |text: &str, other: &str| {
        let mut session = shared.clone();
        session.merge::<Chars>(&typing(2, other).document().encode()).expect("what a session made");
        session.move_caret(Chars(0)).expect("the start");
        session.insert(Chars(0), text).expect("the start");
        session
    };
    let deleted = |from: usize, to: usize| {
        let mut session = shared.clone();
        session.delete(Chars(from)..Chars(to)).expect("in the text");
        session
    };
    let pairs = [
        ("other letters", written("tea"), written("coffee")),
        ("as many letters", written("tea"), written("tee")),
        ("another place", deleted(0, 1), deleted(1, 2)),
        ("backwards and forwards", deleted(6, 7), deleted(5, 6)),
        ("a letter and a deletion", written("t"), deleted(6, 7)),
        ("other parents", moved("t", "a"), moved("t", "ab")),
        ("a group that goes on and one that starts", written("tea"), moved("t", "a")),
    ];
    for (what, a, b) in pairs {
        let (a, b) = (a.document(), b.document());
        let refused = [a.check_meta(&b.meta()), b.check_meta(&a.meta())];
        let refused: Vec<Refusal> = refused.into_iter().filter_map(Result::err).collect();
        assert!(!refused.is_empty(), "{what}: neither has noticed");
        assert!(refused.iter().all(|refusal| refusal.rule == Rule::Forked && refusal.event.agent.get() == 1), "{what}");

        let ((mut one, mut other), mut refusals) = ((Exchange::new(1 << 16), Exchange::new(1 << 16)), 0);
        let metas =
            [one.start(a), other.start(b)].map(|meta| Message::decode(&meta.encode()).expect("what was encoded"));
        let [from_a, from_b] = metas;
        for (exchange, replica, meta) in [(&mut one, a, from_b), (&mut other, b, from_a)] {
            if let [Action::Refuse(refusal)] = &exchange.receive(replica, meta)[..] {
                refusals += 1;
                assert!(exchange.poll(replica).is_empty(), "{what}: something is sent after a refusal");
                let more = exchange.receive(replica, Message::Data(b.encode()));
                assert_eq!(more, [Action::Refuse(refusal.clone())], "{what}: something is taken in after a refusal");
            }
        }
        assert_eq!(refusals, refused.len(), "{what}");
    }
    // Who only holds less, or more, is nobody to refuse; nor is one who says nothing of what the events are.
    let (less, more) = (shared.document(), written("tea"));
    for (a, b) in [(less, more.document()), (more.document(), less)] {
        assert_eq!(a.check_meta(&b.meta()), Ok(()));
        assert_eq!(a.check_meta(&written("coffee").document().summary()), Ok(()));
    }
}

/// What the events are does not depend on how they came: fingerprints asked for early, late or after a refused update are
/// the same as those of a document read in one go, at every clock.
#[test]
fn fingerprints_are_the_same_however_the_events_came() {
    for seed in seeds(150) {
        let mut random = Random::from_seed(seed);
        let mut sessions: Vec<Session> = (1..=3).map(|agent| Session::new(AgentId::new(agent))).collect();
        for _ in 0..random.between(10, 80) {
            let who = random.below(3);
            edit(&mut random, &mut sessions[who]);
            if random.percent(30) {
                let from = sessions[random.below(3)].document().encode();
                sessions[who].merge::<Chars>(&from).expect("what a session made");
            }
            if random.percent(20) {
                let meta = sessions[random.below(3)].document().meta();
                assert_eq!(sessions[who].document().check_meta(&meta), Ok(()), "seed {seed}");
                let bad = forge::piece(9, 0, Some(&[]), &[Op::Delete(900, 1)]);
                sessions[who].merge::<Chars>(&forge::update(&[bad])).expect_err("beyond the text");
            }
        }
        let mut whole = Document::new();
        for session in &sessions {
            whole.import::<Chars>(&session.document().encode()).expect("what a session made");
        }
        let fresh = Document::decode(&whole.encode()).expect("what was encoded");
        assert_eq!(Message::Meta(fresh.meta()).encode(), Message::Meta(whole.meta()).encode(), "seed {seed}");
        // One event after the other, and a session that was told nothing but that.
        let mut late = Session::new(AgentId::new(7));
        for chunk in whole.chunks_since(&Summary::new(), 0) {
            late.merge::<Chars>(&chunk).expect("events of a document");
            assert_eq!(fresh.check_meta(&late.document().meta()), Ok(()), "seed {seed}");
        }
        assert_eq!(Message::Meta(late.document().meta()).encode(), Message::Meta(whole.meta()).encode(), "seed {seed}");
    }
}

/// A META as it was before it said what events are: read, believed and answered.
#[test]
fn a_meta_without_fingerprints_is_understood() {
    let session = typing(1, "words stay whole");
    let plain = Message::Meta(session.document().summary());
    assert_eq!(plain.encode()[0], 1, "the first form");
    let vouched = Message::Meta(session.document().meta());
    assert_eq!(vouched.encode()[0], 4, "the form with fingerprints");
    let read = Message::decode(&vouched.encode()).expect("what was encoded");
    assert_eq!(read.encode(), vouched.encode());
    let mut exchange = Exchange::new(1 << 16);
    let actions = exchange.receive(session.document(), Message::decode(&plain.encode()).expect("what was encoded"));
    assert_eq!(actions, [Action::Send(Message::Done)]);
}

/// As a server sends to who reads slowly: a chunk at a time, whatever the other end has already.
#[test]
fn chunks_that_are_gone_on_with_bring_all_that_is_lacking_and_nothing_twice() {
    for shape in SHAPES {
        let whole = Document::decode(&shape.history(600, 1).update()).expect("a history that breaks no rule");
        let mut other = Document::new();
        for chunk in whole.each_chunk_since(&Summary::new(), 512).step_by(2).take(4) {
            other.import::<Chars>(&chunk).expect("what is known, or waits");
        }
        let theirs = other.summary();
        let (document, mut from, mut brought) = (AnyDocument::Text(Box::new(whole.clone())), 0, 0);
        while let Some((end, chunk)) = document.each_chunk_from(from, &theirs, 512).next() {
            assert!(end > from, "{shape:?}");
            let held = other.event_count() + other.waiting() as u64;
            other.import::<Chars>(&chunk).expect("what is lacking");
            brought += other.event_count() + other.waiting() as u64 - held;
            from = end;
        }
        assert_eq!(other.summary(), whole.summary(), "{shape:?}");
        assert!(brought + theirs.event_count() <= whole.event_count(), "{shape:?}");
        assert_eq!(other.text().to_string(), whole.text().to_string(), "{shape:?}");
    }
}
