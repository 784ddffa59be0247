//! Files of every version of every format open for ever: each one in `data/golden` was written by the program that
//! first knew its version, and all tell the history of `data/typed-by-hand.cede`.

use std::fs;
use std::path::{Path, PathBuf};

use cede::storage::{Kind, LogFile};
use cede::{Chars, Document, Saved};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(data("golden").join(name)).unwrap_or_else(|error| panic!("data/golden/{name}: {error}"))
}

/// The history that all of them tell, from a log file of version 1.
fn history() -> Document {
    let (records, torn) = LogFile::read(&data("typed-by-hand.cede")).expect("a log file");
    assert_eq!(torn, None);
    let mut document = Document::new();
    for record in records.iter().filter(|record| record.kind == Kind::Events) {
        document.import::<Chars>(&record.payload).expect("a good update");
    }
    document
}

fn assert_same(document: &Document, name: &str) {
    let expected = history();
    assert_eq!(document.text(), expected.text(), "{name}");
    assert_eq!(document.text().to_string().as_bytes(), golden("text.txt"), "{name}");
    assert_eq!((document.frontier(), document.summary()), (expected.frontier(), expected.summary()), "{name}");
    assert_eq!(document.groups(), expected.groups(), "{name}");
    assert!(document.operations().eq(expected.operations()), "{name}: other operations");
}

#[test]
fn updates_of_all_versions_are_read() {
    for (name, version) in [("update-1.bin", 1), ("update-2.bin", 2)] {
        let bytes = golden(name);
        assert_eq!(bytes[4], version, "{name}");
        assert_same(&Document::decode(&bytes).expect(name), name);
        let mut document = Document::new();
        document.import::<Chars>(&bytes).expect(name);
        assert_same(&document, name);
    }
}

#[test]
fn saved_documents_of_all_versions_are_read() {
    let bytes = golden("saved-1.bin");
    let mut saved = Saved::open(&bytes[..]).expect("a saved document");
    assert_eq!((saved.text(), saved.frontier()), (history().text(), &history().frontier()));
    assert_same(&saved.document().expect("its history"), "saved-1.bin");
}

/// Version 1 is `typed-by-hand.cede` itself; in the others most of it was saved, and the rest appended live. Version 3 has
/// seals.
#[test]
fn log_files_of_all_versions_are_read() {
    for (name, version) in [("log-2.cede", 2), ("log-3.cede", 3)] {
        assert_eq!(golden(name)[7], version, "{name}");
        let (records, torn) = LogFile::read(&data("golden").join(name)).expect("a log file");
        assert_eq!((records[0].kind, records.len(), torn), (Kind::Saved, 18, None), "{name}");
        let mut saved = Saved::open(&records[0].payload[..]).expect("a saved document");
        let mut document = saved.document().expect("its history");
        for record in records.iter().filter(|record| record.kind == Kind::Events) {
            document.import::<Chars>(&record.payload).expect("a good update");
        }
        assert_same(&document, name);
    }
}

#[test]
fn what_is_written_now_is_read_back_and_the_same_each_time() {
    let document = history();
    let bytes = document.encode();
    assert_eq!(document.encode(), bytes);
    let again = Document::decode(&bytes).expect("what was encoded");
    assert_same(&again, "encoded and decoded");
    assert_eq!(again.encode(), bytes, "encoded again");
}
