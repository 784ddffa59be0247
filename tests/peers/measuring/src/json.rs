//! JSON documents to measure with: scripts of edits that every engine can make, and the figures of whoever makes them.
//!
//! A document has a list `items` of flat maps and a map `settings`. What it must end as is computed here, plainly.

use crate::figures::Figure;
use crate::report::{Answer, Report};
use crate::trace::{Recording, Trace};
use std::collections::BTreeMap;
use std::hint::black_box;

/// A scalar.
#[derive(Clone, PartialEq, Debug)]
pub enum Leaf {
    /// A string.
    Text(String),
    /// A number.
    Number(i64),
    /// A truth value.
    Flag(bool),
}

/// One edit of a document.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    /// A new map `{"title": …, "done": false}` in the list.
    InsertItem {
        /// At most the length of the list.
        index: usize,
        /// Its title.
        title: String,
    },
    /// An item goes.
    DeleteItem {
        /// Below the length of the list.
        index: usize,
    },
    /// A key of an item is set.
    SetItem {
        /// Below the length of the list.
        index: usize,
        /// The key.
        key: &'static str,
        /// The value.
        value: Leaf,
    },
    /// A key of the settings is set.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: Leaf,
    },
}

/// Edits of one author, and the document that they end with.
#[derive(Clone, Debug)]
pub struct Script {
    /// One after the other.
    pub edits: Vec<Edit>,
    /// As JSON without white space, keys ascending.
    pub end: String,
}

/// A replica of an engine.
pub trait Documents: Sized {
    /// A document with an empty list and empty settings.
    fn begin(identity: u32) -> Self;
    /// A document without anything, to receive others' messages.
    fn empty(identity: u32) -> Self;
    /// Makes an edit.
    fn apply(&mut self, edit: &Edit);
    /// What was made since the last time, as a message.
    fn commit(&mut self) -> Vec<u8>;
    /// Takes a message in.
    fn receive(&mut self, message: &[u8]);
    /// How many items the list has.
    fn count(&self) -> usize;
    /// The whole history.
    fn encode(&mut self) -> Vec<u8>;
    /// A document from its whole history.
    fn decode(bytes: &[u8]) -> Self;
    /// As [`Script::end`].
    fn read(&self) -> String;
}

/// The scripts by their names: `random-N`, and `todo-N`.
pub fn recording(name: &str) -> Option<Recording> {
    let trace = Trace { start_content: String::new(), end_content: Script::named(name)?.end, transactions: Vec::new() };
    Some(Recording::made(name, trace))
}

impl Script {
    /// The script of this name: `random-N` are N edits anywhere in a growing document, `todo-N` N edits of a list that people work at.
    pub fn named(name: &str) -> Option<Self> {
        let (kind, count) = name.split_once('-')?;
        let count = count.parse().ok()?;
        match kind {
            "random" => Some(Self::made(count, [40, 10, 30])),
            "todo" => Some(Self::made(count, [25, 10, 65])),
            _ => None,
        }
    }

    /// So many edits, of a hundred so many each insert an item, delete one, or change one; the rest are settings.
    fn made(count: usize, [insert, delete, change]: [u64; 3]) -> Self {
        const WORDS: [&str; 8] = ["buy", "milk", "call", "Ada", "water", "the", "plants", "again"];
        let mut state = count as u64;
        let mut random = move |below: u64| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % below
        };
        let (mut edits, mut model) = (Vec::with_capacity(count), Model::default());
        for _ in 0..count {
            let len = model.items.len() as u64;
            let title = (0..2 + random(3)).map(|_| WORDS[random(8) as usize]).collect::<Vec<_>>().join(" ");
            let edit = match random(100) {
                kind if kind < insert || len == 0 => Edit::InsertItem { index: random(len + 1) as usize, title },
                kind if kind < insert + delete => Edit::DeleteItem { index: random(len) as usize },
                kind if kind < insert + delete + change => {
                    let (key, value) = match random(4) {
                        0 => ("title", Leaf::Text(title)),
                        1 => ("priority", Leaf::Number(random(10) as i64)),
                        _ => ("done", Leaf::Flag(random(2) == 0)),
                    };
                    Edit::SetItem { index: random(len) as usize, key, value }
                }
                _ => Edit::Set { key: format!("key {}", random(1000)), value: Leaf::Number(random(1 << 20) as i64) },
            };
            model.apply(&edit);
            edits.push(edit);
        }
        Self { edits, end: model.read() }
    }
}

/// The plain document.
#[derive(Default)]
struct Model {
    items: Vec<BTreeMap<String, Leaf>>,
    settings: BTreeMap<String, Leaf>,
}

impl Model {
    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::InsertItem { index, title } => {
                let item = [("title", Leaf::Text(title.clone())), ("done", Leaf::Flag(false))];
                self.items.insert(*index, item.map(|(key, value)| (key.to_owned(), value)).into());
            }
            Edit::DeleteItem { index } => drop(self.items.remove(*index)),
            Edit::SetItem { index, key, value } => drop(self.items[*index].insert((*key).to_owned(), value.clone())),
            Edit::Set { key, value } => drop(self.settings.insert(key.clone(), value.clone())),
        }
    }

    fn read(&self) -> String {
        let json = |leaf: &Leaf| match leaf {
            Leaf::Text(text) => serde_json::Value::from(text.as_str()),
            Leaf::Number(number) => (*number).into(),
            Leaf::Flag(flag) => (*flag).into(),
        };
        let map = |map: &BTreeMap<String, Leaf>| -> serde_json::Value {
            serde_json::Value::Object(map.iter().map(|(key, leaf)| (key.clone(), json(leaf))).collect())
        };
        let items: Vec<serde_json::Value> = self.items.iter().map(map).collect();
        serde_json::json!({"items": items, "settings": map(&self.settings)}).to_string()
    }
}

/// A figure of one engine on a script.
pub fn measure<D: Documents>(peer: &str, figure: Figure, recording: &Recording, report: &mut Report) {
    let Some(script) = Script::named(&recording.name) else { return };
    let made = || {
        let mut document = D::begin(1);
        script.edits.iter().for_each(|edit| document.apply(edit));
        document.commit();
        document
    };
    match figure {
        Figure::JsonEdit => {
            let job = |()| made();
            report.time(peer, recording, || (), job, |document| Answer::Text(document.read()));
        }
        Figure::JsonOpen => {
            let bytes = made().encode();
            let job = |()| D::decode(&bytes);
            report.time(peer, recording, || (), job, |document| Answer::Text(document.read()));
        }
        Figure::JsonSize => report.size(peer, recording, made().encode().len()),
        Figure::JsonLive => {
            let mut author = D::begin(1);
            let mut messages = vec![author.commit()];
            messages.extend(script.edits.iter().map(|edit| {
                author.apply(edit);
                author.commit()
            }));
            let job = |mut replica: D| {
                for message in &messages {
                    replica.receive(message);
                    black_box(replica.count());
                }
                replica
            };
            report.size_as("json-live bytes", peer, recording, messages.iter().map(Vec::len).sum());
            let read = |replica: &D| Answer::Text(replica.read());
            report.time_each(peer, recording, messages.len(), || D::empty(2), job, read);
        }
        _ => {}
    }
}
