//! What a document gives out: chunks, spans, versions; and that nothing a caller passes makes it panic or hang.

use cede::{
    AgentId, AuthorError, Chars, Clock, Document, EventId, EventSpan, Frontier, Patch, Session, Summary, VersionError,
    WriteError,
};
use cede_tests::forge::{number, sealed};
use cede_tests::live::{name_of, parents_of, patch_of, span_of};
use cede_tests::oracle::{Graph, scattered_graph};
use cede_tests::random::{Random, seeds};

/// An oracle's graph as a document, an event at a time.
fn document_of(graph: &Graph) -> Document {
    let mut document = Document::new();
    for event in graph.events() {
        let agent = AgentId::new(event.id().agent);
        let made = document.author(agent, &parents_of(event), &[patch_of(event.op())]).expect("an event of the oracle");
        assert_eq!(made, Frontier::from(name_of(event.id())));
    }
    document
}

#[test]
fn a_document_and_a_session_are_plain_data() {
    fn plain<T: Send + Sync + Clone + 'static>() {}
    plain::<Document>();
    plain::<Session>();
    plain::<Summary>();
    fn shared<T: Send + Sync + 'static>() {}
    shared::<cede::storage::LogFile>();
    shared::<cede::ImportError>();
}

#[test]
fn clones_go_their_own_ways() {
    let mut one = Session::new(AgentId::new(1));
    one.insert(Chars(0), "ab").expect("the start");
    let document = one.document().clone();
    let mut two = one.clone();
    one.insert(Chars(1), "-").expect("in the text");
    two.undo::<Chars>().expect("a step");
    assert_eq!(
        (one.text().to_string(), two.text().to_string(), document.to_string()),
        ("a-b".into(), "".into(), "ab".into())
    );
    assert!(one.undo::<Chars>().is_some() && two.redo::<Chars>().is_some());
    assert_eq!((one.text().to_string(), two.text().to_string()), ("ab".into(), "ab".into()));
}

#[test]
fn every_version_has_its_text_and_versions_are_compared_as_by_the_oracle() {
    for seed in seeds(60) {
        let mut random = Random::from_seed(seed);
        let graph = scattered_graph(&mut random, 40);
        let document = document_of(&graph);
        let ids: Vec<_> = graph.events().map(|event| event.id()).collect();
        let mut version =
            || graph.minimal(&[*random.pick(&ids), *random.pick(&ids), *random.pick(&ids)]).expect("known");
        for _ in 0..10 {
            let (a, b) = (version(), version());
            let named = |ids: &[cede_tests::oracle::Id]| Frontier::from_ids(ids.iter().copied().map(name_of).collect());
            assert_eq!(document.checkout(&named(&a)).expect("known"), graph.text_at(&a).expect("known").as_str());
            let join = graph.minimal(&[a.clone(), b.clone()].concat()).expect("known");
            assert_eq!(document.join(&named(&a), &named(&b)), Ok(named(&join)));
            let (only_a, only_b) = document.diff(&named(&a), &named(&b)).expect("known");
            for &id in &ids {
                let seen = |version: &[_]| {
                    version.contains(&id) || version.iter().any(|&head| graph.happened_before(id, head))
                };
                assert_eq!(only_a.contains(name_of(id)), seen(&a) && !seen(&b), "{id} of seed {seed}");
                assert_eq!(only_b.contains(name_of(id)), seen(&b) && !seen(&a), "{id} of seed {seed}");
            }
        }
        let unknown = EventId::new(AgentId::new(77), Clock(0));
        assert_eq!(document.checkout(&unknown.into()), Err(VersionError::UnknownEvent { id: unknown }));
        let (first, second) = (name_of(ids[0]), name_of(ids[1]));
        if graph.happened_before(ids[0], ids[1]) {
            let version = Frontier::from_ids(vec![first, second]);
            assert_eq!(document.checkout(&version), Err(VersionError::NotConcurrent { id: first }));
        }
    }
}

/// The patches of the history, one after the other, make the text; the operations, authored again, the document.
#[test]
fn histories_and_operations_tell_everything() {
    for seed in seeds(60) {
        let document = document_of(&scattered_graph(&mut Random::from_seed(seed), 40));
        let mut host = cede_tests::live::Host::default();
        for step in document.history() {
            step.patches.iter().for_each(|patch| host.apply(patch));
        }
        assert_eq!(*document.text(), host.0.iter().collect::<String>().as_str(), "seed {seed}");
        let mut again = Document::new();
        for run in document.operations() {
            again.author(run.span.agent, &run.parents, &run.edits).expect("an operation of a document");
        }
        assert_eq!((again.text(), again.groups()), (document.text(), document.groups()), "seed {seed}");
        assert_eq!(again.encode(), document.encode(), "seed {seed}");
    }
}

/// Chunks of whatever size, each taken in as it comes, and in any order; from nothing and from a part.
#[test]
fn chunks_bring_what_is_lacking() {
    for seed in seeds(60) {
        let mut random = Random::from_seed(seed);
        let document = document_of(&scattered_graph(&mut random, 60));
        let max =
            *random.pick(&[0, 1, 4, 5, 17, 64, 1000, 1 << 20, 1 << 34, (1 << 34) + 4, usize::MAX / 4, usize::MAX]);
        let mut half = Document::new();
        let some = document.chunks_since(&Summary::new(), 16);
        for chunk in &some[..random.below(some.len() + 1)] {
            half.import::<Chars>(chunk).expect("a chunk");
            assert_eq!(half.waiting(), 0, "parents come first");
        }
        let mut chunks = document.chunks_since(&half.summary(), max);
        if random.percent(50) {
            random.shuffle(&mut chunks);
        }
        for chunk in &chunks {
            half.import::<Chars>(chunk).expect("a chunk");
        }
        assert_eq!((half.text(), half.groups()), (document.text(), document.groups()), "seed {seed}, {max} bytes");
        assert_eq!((half.waiting(), half.summary()), (0, document.summary()));
        assert_eq!(document.encode_since(&half.summary()), None);
        assert!(document.chunks_since(&half.summary(), max).is_empty());
    }
}

/// Spans may begin where nothing is held, and reach over the gaps between groups and beyond the end.
#[test]
fn the_known_ones_of_any_spans_are_encoded() {
    for seed in seeds(60) {
        let mut random = Random::from_seed(seed);
        let document = document_of(&scattered_graph(&mut random, 40));
        let mut agents: Vec<AgentId> = document.summary().spans().map(|span| span.agent).collect();
        agents.push(AgentId::new(99));
        for _ in 0..10 {
            let start = random.below(30) as u32;
            let end = if random.percent(20) { u32::MAX } else { start + random.below(40) as u32 };
            let span = EventSpan { agent: *random.pick(&agents), start: Clock(start), end: Clock(end) };
            let expected: Vec<EventSpan> = {
                let mut known = Summary::new();
                for held in document.summary().spans().filter(|held| held.agent == span.agent) {
                    let (start, end) = (held.start.max(span.start), held.end.min(span.end));
                    known.insert(EventSpan { agent: held.agent, start, end: end.max(start) });
                }
                known.spans().collect()
            };
            let Some(bytes) = document.encode_spans(&[span]) else {
                assert!(expected.is_empty(), "nothing of {span:?} is encoded, expected {expected:?}, seed {seed}");
                continue;
            };
            let mut receiver = document.clone();
            assert_eq!(receiver.import::<Chars>(&bytes), Ok(vec![]), "what is known is skipped");
            // All of it waits or is taken in where nothing is known.
            let mut empty = Document::new();
            empty.import::<Chars>(&bytes).expect("events of a document");
            let count: u64 = expected.iter().map(|span| u64::from(span.len())).sum();
            assert_eq!(empty.event_count() + empty.waiting() as u64, count, "{span:?} of seed {seed}");
        }
    }
    let document = document_of(&scattered_graph(&mut Random::from_seed(1), 5));
    let first = document.summary().spans().next().expect("an event");
    let backwards = EventSpan { agent: first.agent, start: Clock(3), end: Clock(1) };
    assert_eq!(document.encode_spans(&[backwards]), None);
    assert!(document.encode_spans(&[span_of(EventId::new(first.agent, first.start))]).is_some());
}

#[test]
fn history_that_cannot_be_is_not_authored() {
    let insert = |at: usize, text: &str| Patch { start: Chars(at), deleted: Chars(0), inserted: text.to_owned() };
    let delete = |at: usize, count: usize| Patch { start: Chars(at), deleted: Chars(count), inserted: String::new() };
    let (ann, ben) = (AgentId::new(1), AgentId::new(2));
    let mut document = Document::new();
    let first = document.author(ann, &Frontier::root(), &[insert(0, "abc")]).expect("the start");
    let second = document.author(ben, &first, &[delete(0, 1), insert(2, "!")]).expect("in the text");
    let before = document.encode();
    let most = (1usize << 31) - 1;
    let refused: &[&[Patch<Chars>]] = &[
        &[insert(5, "?")],
        &[insert(0, "fine"), insert(8, "?")],
        &[delete(3, 1)],
        &[delete(0, 4)],
        &[delete(0, most), delete(0, most), delete(0, most)],
        &[insert(most, "?"), delete(most, most), insert(usize::MAX, "?")],
        &[delete(usize::MAX, usize::MAX)],
        &[insert(usize::MAX, "")],
    ];
    for edits in refused {
        let error = document.author(ben, &second, edits);
        // An edit that does nothing may stand anywhere.
        let nothing = edits.iter().all(|edit| edit.inserted.is_empty() && edit.deleted == Chars(0));
        assert!(error.is_err() || nothing, "{edits:?}");
        assert_eq!(document.encode(), before, "{edits:?} left a trace");
    }
    assert_eq!(
        document.author(ben, &first, &[insert(0, "?")]),
        Err(AuthorError::At(WriteError::OwnPastUnseen { last: second.ids()[0] }))
    );
    assert_eq!(document.author(ann, &first, &[insert(9, "?")]), Err(AuthorError::OutOfRange { index: 9, len: 3 }));
    assert_eq!(document.text(), "bc!");
    assert_eq!(document.encode(), before);
}

/// A record of the undo history whose checksum is right, but in which characters replace each other in a circle.
#[test]
fn an_undo_record_that_goes_in_circles_ends() {
    let mut record = vec![1, 2];
    record.extend(1u128.to_be_bytes());
    record.extend(2u128.to_be_bytes());
    // One step on the undo stack: typed 0..2 of the first agent. None to do again.
    for value in [0, 1, 1, 0, 0, 0, 2, 0, 0] {
        number(&mut record, value);
    }
    // Two replacements: 1/0..2 by 2/0, and 2/0..2 by 1/0.
    for value in [2, 0, 0, 2, 1, 0, 1, 0, 2, 0, 0] {
        number(&mut record, value);
    }
    let mut writer = Session::new(AgentId::new(1));
    writer.insert(Chars(0), "ab").expect("the start");
    let mut session = Session::with_document(writer.into_document(), AgentId::new(3));
    if session.restore_undo(&sealed(record)).is_ok() {
        assert!(session.undo::<Chars>().is_some());
    }
}
