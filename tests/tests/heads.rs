//! More people than one event can name have written without having seen each other: whoever goes on is understood.
//!
//! An event has at most 4,096 parents. What is made here has to keep the rules that what comes in is held to; before it
//! did, one more key in such a document was refused by everybody, and its own file could not be read again.

use cede::{
    AgentId, AuthorError, Chars, Deed, Dict, DictError, Document, Frontier, Json, JsonError, Mutation, Patch, Place,
    Session, WriteError,
};
use serde_json::json;

const WRITERS: u128 = 9_000;
const ME: AgentId = AgentId::new(1 << 100);

#[test]
fn a_key_in_a_text_of_many_heads_is_taken_by_everybody() {
    let mut document = Document::new();
    let insert = Patch { start: Chars(0), deleted: Chars(0), inserted: "x".to_owned() };
    for agent in 0..WRITERS {
        document.author(AgentId::new(agent), &Frontier::root(), std::slice::from_ref(&insert)).expect("a new agent");
    }
    let crowd = document.encode();
    let too_many = document.author(ME, &document.frontier(), std::slice::from_ref(&insert));
    assert!(matches!(too_many, Err(AuthorError::At(WriteError::TooManyParents { .. }))), "{too_many:?}");

    let mut session = Session::with_document(document, ME);
    for (at, word) in [(4_000, "here"), (0, "there"), (8_000, "!")] {
        session.insert(Chars(at), word).expect("a position in the text");
        assert_eq!(&session.text().to_string()[at..at + word.len()], word);
        let mut other = Document::decode(&crowd).expect("as many heads as there are");
        other.import::<Chars>(&session.document().encode()).expect("events that keep the rules");
        assert!(other.text() == session.text(), "{word}");
    }
    session.delete(Chars(0)..Chars(5)).expect("a range of the text");
    session.undo::<Chars>();
    let sent = session.take_outgoing().expect("own events");
    let mut other = Document::decode(&crowd).expect("as many heads as there are");
    other.import::<Chars>(&sent).expect("what is sent keeps the rules as well");
    assert!(other.text() == session.text() && other.text().len::<Chars>().0 == WRITERS as usize + 10);
    let again = Document::decode(&session.document().encode()).expect("its own file");
    assert_eq!((again.frontier(), again.frontier().ids().len()), (session.document().frontier(), 1));
}

#[test]
fn a_dictionary_of_many_heads_goes_on() {
    let mut dict = Dict::new(ME);
    for agent in 0..WRITERS {
        let agent = AgentId::new(agent);
        dict.author(agent, &Frontier::root(), "key", Some(&json!(0)), 0).expect("a new agent");
    }
    let too_many = dict.author(ME, &dict.frontier(), "key", None, 0);
    assert!(matches!(too_many, Err(DictError::At(WriteError::TooManyParents { .. }))), "{too_many:?}");
    for value in 1..4 {
        dict.set("key", &json!(value), 0).expect("a short key");
        assert_eq!(dict.get("key"), Some(json!(value)), "what is set last counts");
        let again = Dict::decode(ME, &dict.encode()).expect("its own file");
        assert_eq!(again.get("key"), Some(json!(value)));
    }
}

#[test]
fn a_json_document_of_many_heads_goes_on() {
    let mut json = Json::new(ME);
    let assign = |key: String| Deed::Assign { place: Place::Key(key), value: json!(1) };
    for agent in 0..WRITERS {
        let mutation = Mutation { path: Vec::new(), deed: assign(format!("key {agent}")) };
        json.author(AgentId::new(agent), &Frontier::root(), &[mutation]).expect("a new agent");
    }
    let before = json.to_value();
    let too_many = json.author(ME, &json.frontier(), &[Mutation { path: Vec::new(), deed: assign("mine".into()) }]);
    assert!(matches!(too_many, Err(JsonError::At(WriteError::TooManyParents { .. }))), "{too_many:?}");
    json.mutate(&Mutation { path: Vec::new(), deed: assign("mine".into()) }).expect("a key of the root");
    let mut expected = before;
    expected["mine"] = json!(1);
    assert_eq!(json.to_value(), expected, "nothing else has changed");
    let again = Json::decode(ME, &json.encode()).expect("its own file");
    assert_eq!(again.to_value(), expected);
    let sent = json.take_outgoing().expect("own events");
    assert!(!sent.is_empty());
}

/// Catches chunks that are counted without the parents that they name: a server takes no message of more than 256 KiB.
#[test]
fn what_brings_heads_together_is_sent_in_pieces_of_the_size_asked_for() {
    let mut document = Document::new();
    let insert = Patch { start: Chars(0), deleted: Chars(0), inserted: "x".to_owned() };
    for agent in 0..4 * WRITERS {
        document.author(AgentId::new(agent << 80), &Frontier::root(), std::slice::from_ref(&insert)).expect("new");
    }
    let held = document.summary();
    let mut session = Session::with_document(document, ME);
    session.insert(Chars(5), "y").expect("a position in the text");
    let chunks = session.document().chunks_since(&held, 64 << 10);
    let largest = chunks.iter().map(Vec::len).max();
    // A group that names 4,096 parents of agents who are not in the message is larger, and cannot be cut.
    assert!(largest.is_some_and(|largest| largest <= 96 << 10), "{largest:?} bytes");
}
