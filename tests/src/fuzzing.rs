//! What is fuzzed: readers of bytes that strangers send or leave, inputs to begin with, and how to make checksums right
//! again, so that what stands behind them is read.
//!
//! Two programs share it: `cede-fuzz` changes inputs at random, `../fuzz` is guided by what the engine does with them.

use crate::forge::{crc32, sealed};
use crate::random::Random;
use cede::storage::{Kind, LogFile, Record};
use cede::sync::Message;
use cede::{AgentId, AnyDocument, Chars, Dict, Document, Json, MetaJson, Saved, Sender, Session};
#[cfg(feature = "programs")]
use cede_net::wire::{ClientControl, ServerControl};
use serde_json::json;
use std::sync::OnceLock;

/// What is read, and how its checksums are made right.
#[derive(Clone, Debug)]
pub struct Target {
    /// Inputs to begin with.
    pub corpus: Vec<Vec<u8>>,
    /// The same bytes with their checksums right.
    pub seal: fn(Vec<u8>) -> Vec<u8>,
    /// Reads them, and tells what came of it.
    pub read: fn(&[u8]) -> String,
}

/// The target of a name: `update`, `saved`, `file`, `frame`, `json`, `dict`, and `meta`, documents as JSON with their
/// history; of the programs beside the engine, `control` and `trace`.
pub fn target(name: &str) -> Option<Target> {
    let documents: Vec<Document> = (1..6).map(|seed| typed(seed, 30 * seed as usize * seed as usize)).collect();
    let updates = || documents.iter().map(Document::encode);
    Some(match name {
        "update" => Target { corpus: updates().collect(), seal: |bytes| resealed(bytes, 0), read: read_update },
        "saved" => {
            Target { corpus: documents.iter().map(Document::save).collect(), seal: seal_saved, read: read_saved }
        }
        "file" => Target {
            corpus: updates().flat_map(|update| [2, 3].map(|version| log_of(version, &update))).collect(),
            seal: seal_log,
            read: read_log,
        },
        "frame" => {
            let metas = documents.iter().flat_map(|document| [document.meta(), document.summary()]).map(Message::Meta);
            let all = metas.chain(updates().map(Message::Data)).chain([Message::Done]);
            Target {
                corpus: all.map(|message| message.encode()).collect(),
                seal: |bytes| resealed(bytes, 1),
                read: read_frame,
            }
        }
        "json" => Target {
            corpus: (0..24).map(|seed| edited(seed, 4 * seed as usize * seed as usize).encode()).collect(),
            seal: |bytes| resealed(bytes, 0),
            read: read_json,
        },
        "dict" => Target {
            corpus: (0..24).map(|seed| set(seed, 4 * seed as usize * seed as usize).encode()).collect(),
            seal: |bytes| resealed(bytes, 0),
            read: read_dict,
        },
        "meta" => Target {
            corpus: (0..12)
                .flat_map(|seed| {
                    let json = AnyDocument::Json(Box::new(edited(seed, 3 * seed as usize)));
                    let dict = AnyDocument::Dict(Box::new(set(seed, 3 * seed as usize)));
                    [json, dict].map(|document| MetaJson::from(document).to_text().expect("no text").into_bytes())
                })
                .collect(),
            seal: |bytes| bytes,
            read: read_meta,
        },
        #[cfg(feature = "programs")]
        "control" => Target { corpus: controls(), seal: |bytes| bytes, read: read_control },
        #[cfg(feature = "programs")]
        "trace" => Target { corpus: traces(), seal: |bytes| bytes, read: read_trace },
        _ => return None,
    })
}

/// All but the last four bytes, and behind them the checksum of what stands from `from` on.
fn resealed(mut bytes: Vec<u8>, from: usize) -> Vec<u8> {
    if bytes.len() < from + 4 {
        return bytes;
    }
    let body = bytes.split_off(from);
    bytes.extend(sealed(body[..body.len() - 4].to_vec()));
    bytes
}

fn seal_saved(bytes: Vec<u8>) -> Vec<u8> {
    let len = bytes.get(5..9).and_then(|len| len.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let Some((head, history)) = bytes.split_at_checked(len.saturating_add(9)) else { return resealed(bytes, 0) };
    [resealed(head.to_vec(), 0), resealed(history.to_vec(), 0)].concat()
}

/// A log file of some records, and in the later version a seal before the last one.
fn log_of(version: u8, update: &[u8]) -> Vec<u8> {
    let mut bytes = [&b"CEDElog"[..], &[version]].concat();
    for kind in [1, 2, 3, 4, 1] {
        if kind == 4 {
            let offset = bytes.len() as u64;
            if version > 2 {
                bytes.extend([4, 8, 0, 0, 0, 0, 0, 0, 0]);
                bytes.extend(offset.to_le_bytes());
            }
            continue;
        }
        bytes.push(kind);
        bytes.extend((update.len() as u32).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(update);
    }
    seal_log(bytes)
}

fn seal_log(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while let Some(&[kind, a, b, c, d, ..]) = bytes.get(at..at + 9) {
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        let end = (at + 9 + len).min(bytes.len());
        if kind == 4 && end == at + 9 + 8 {
            bytes[at + 9..end].copy_from_slice(&(at as u64).to_le_bytes());
        }
        let crc = crc32(&[&[kind, a, b, c, d], &bytes[at + 9..end]].concat());
        bytes[at + 5..at + 9].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    bytes
}

fn read_update(bytes: &[u8]) -> String {
    let fresh = Document::decode(bytes);
    static BEGUN: OnceLock<Document> = OnceLock::new();
    let begun = BEGUN.get_or_init(|| typed(1, 30));
    let mut session = Session::with_document(begun.clone(), AgentId::new(77));
    let before = session.document().encode();
    let merged = session.merge_from::<Chars>(Sender(1), bytes);
    if merged.is_err() {
        assert_eq!(session.document().encode(), before, "a refused update has changed the document");
    }
    let mut answer = format!("{:?} {:?}", fresh.as_ref().err(), merged.as_ref().err());
    answer.push_str(if session.document().waiting() > 0 { " waits" } else { "" });
    if let Ok(document) = fresh {
        let again = Document::decode(&document.encode()).expect("what was encoded");
        assert_eq!(again.text(), document.text(), "a history that was read and written is another one");
    }
    answer
}

/// A document of two who have edited at random, some of it concurrently.
fn edited(seed: u64, edits: usize) -> Json {
    let mut random = Random::from_seed(seed);
    let mut replicas = [1, 2].map(|agent| Json::new(AgentId::new(agent)));
    for _ in 0..edits {
        let json = &mut replicas[random.below(2)];
        let value =
            [json!({}), json!([]), json!({"a": [1, -2, 2.5]}), json!("é"), json!(null)][random.below(5)].clone();
        let name = ["a", "b", "todo"][random.below(3)];
        // What cannot be done there is not.
        let _ = match random.below(5) {
            0 => json.edit().get(name).push(&value).map(drop),
            1 => json.edit().get(name).get("b").set(&value),
            2 => json.edit().get(name).at(random.below(3)).delete(),
            3 => json.edit().get(name).delete(),
            _ => json.edit().get(name).set(&value),
        };
        if random.percent(10) {
            let [a, b] = replicas.each_ref().map(Json::encode);
            replicas[0].import(&b).expect("what the other has");
            replicas[1].import(&a).expect("what the other has");
        }
    }
    let [mut json, other] = replicas;
    json.import(&other.encode()).expect("what the other has");
    json
}

fn read_json(bytes: &[u8]) -> String {
    static BEGUN: OnceLock<Json> = OnceLock::new();
    let mut json = BEGUN.get_or_init(|| edited(5, 40)).clone();
    let before = (json.encode(), json.full());
    let fresh = Json::decode(AgentId::new(77), bytes);
    let merged = json.import(bytes);
    if merged.is_err() {
        assert_eq!((json.encode(), json.full()), before, "a refused update has changed the document");
    }
    if let Ok(fresh) = &fresh {
        let again = Json::decode(AgentId::new(78), &fresh.encode()).expect("what was encoded");
        assert_eq!(again.full(), fresh.full(), "a history that was read and written is another one");
    }
    format!("{:?} {:?} {}", fresh.err(), merged.as_ref().err(), json.waiting() > 0)
}

/// A dictionary of two who have set and removed at random; of some, what was overwritten is dropped.
fn set(seed: u64, edits: usize) -> Dict {
    let mut random = Random::from_seed(seed);
    let mut replicas = [1, 2].map(|agent| Dict::new(AgentId::new(agent)));
    for _ in 0..edits {
        let dict = &mut replicas[random.below(2)];
        let key = ["a", "b", "ключ"][random.below(3)];
        let wall = random.bits() >> 20;
        match random.percent(70) {
            true => dict.set(key, &json!({"n": random.below(100)}), wall),
            false => dict.remove(key, wall),
        }
        .expect("short");
    }
    let [mut dict, other] = replicas;
    dict.import(&other.encode()).expect("what the other has");
    if seed.is_multiple_of(3) { dict.drop_overwritten() } else { dict }
}

fn read_dict(bytes: &[u8]) -> String {
    static BEGUN: OnceLock<Dict> = OnceLock::new();
    let mut dict = BEGUN.get_or_init(|| set(5, 40)).clone();
    let before = (dict.encode(), dict.to_value());
    let fresh = Dict::decode(AgentId::new(77), bytes);
    let merged = dict.import(bytes);
    if merged.is_err() {
        assert_eq!((dict.encode(), dict.to_value()), before, "a refused update has changed the dictionary");
    }
    if let Ok(fresh) = &fresh {
        let again = Dict::decode(AgentId::new(78), &fresh.encode()).expect("what was encoded");
        assert_eq!(again.to_value(), fresh.to_value(), "a history that was read and written is another one");
    }
    format!("{:?} {:?} {}", fresh.err(), merged.as_ref().err(), dict.waiting() > 0)
}

fn read_meta(bytes: &[u8]) -> String {
    match MetaJson::parse(AgentId::new(77), bytes) {
        Ok(meta) => {
            let text = meta.to_text().expect("it was JSON");
            let again = MetaJson::parse(AgentId::new(78), text.as_bytes()).expect("what was written");
            assert_eq!(again.to_text().expect("it was JSON"), text, "read and written it is another one");
            "whole".to_owned()
        }
        Err(error) => error.to_string(),
    }
}

fn read_saved(bytes: &[u8]) -> String {
    match Saved::open(bytes) {
        Ok(mut saved) => saved.document().map_or_else(|error| error.to_string(), |_| "whole".to_owned()),
        Err(error) => error.to_string(),
    }
}

fn read_log(bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("cede-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("a temporary file");
    let read = LogFile::read(&path);
    drop(std::fs::remove_file(&path));
    match read {
        Ok((records, torn)) => {
            let events = |record: &Record| record.kind == Kind::Events;
            let mut document = Document::new();
            let imported: Vec<bool> = records
                .iter()
                .filter(|record| events(record))
                .map(|record| document.import::<Chars>(&record.payload).is_ok())
                .collect();
            format!("{} {} {imported:?}", records.len(), torn.is_some())
        }
        Err(error) => error.to_string(),
    }
}

fn read_frame(bytes: &[u8]) -> String {
    let document = typed(3, 60);
    match Message::decode(bytes) {
        Ok(Message::Meta(theirs)) => {
            let chunks = document.chunks_since(&theirs, 1 << 10);
            format!("{:?} {}", document.check_meta(&theirs).is_ok(), chunks.is_empty())
        }
        Ok(Message::Data(events)) => read_update(&events),
        Ok(Message::Done) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[cfg(feature = "programs")]
fn controls() -> Vec<Vec<u8>> {
    [
        r##"{"type":"hello","protocol":1,"name":"Ann","color":"#0a64ff","agent":"1"}"##,
        r#"{"type":"presence","caret":"1/5","selection":["1/5","2/7"]}"#,
        r#"{"type":"report","version":"0123456789abcdef","text":"0123456789abcdef"}"#,
        r##"{"type":"welcome","you":1,"peers":[{"id":2,"name":"Ben","color":"#0a64ff","agent":"2"}]}"##,
        r#"{"type":"ack","frames":18446744073709551615}"#,
        r#"{"type":"refused","code":"full","reason":"no room"}"#,
    ]
    .map(|json| json.as_bytes().to_vec())
    .to_vec()
}

#[cfg(feature = "programs")]
fn read_control(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (client, server) = (ClientControl::from_json(&text), ServerControl::from_json(&text));
    format!("{:?} {:?}", client.err().map(|error| error.to_string()), server.err().map(|error| error.to_string()))
}

#[cfg(feature = "programs")]
fn traces() -> Vec<Vec<u8>> {
    [
        r#"{"startContent":"","endContent":"abé","txns":[{"time":"2021-04-19T06:06:43.883Z","patches":[[0,0,"ab"],[2,0,"é"]]},{"patches":[[1,1,"x"]]}]}"#,
        r#"{"kind":"concurrent","endContent":"ab","numAgents":2,"txns":[{"parents":[],"numChildren":1,"agent":0,"patches":[[0,0,"a"]]},{"parents":[],"agent":1,"patches":[[0,0,"b"]]},{"parents":[0,1],"agent":0,"patches":[[1,1,""]]}]}"#,
    ]
    .map(|json| json.as_bytes().to_vec())
    .to_vec()
}

#[cfg(feature = "programs")]
fn read_trace(bytes: &[u8]) -> String {
    match cede_tui::tools::trace::Trace::parse(bytes) {
        Ok(trace) => format!("{} transactions", trace.transactions.len()),
        Err(error) => error.to_string(),
    }
}

/// Two people who type, delete and merge.
fn typed(seed: u64, keys: usize) -> Document {
    let mut random = Random::from_seed(seed);
    let mut sessions = [1, 2].map(|agent| Session::new(AgentId::new(agent)));
    for _ in 0..keys {
        let who = random.below(2);
        let len = sessions[who].text().len::<Chars>().0;
        let edited = match random.below(12) {
            0 => sessions[who].move_caret(Chars(random.below(len + 1))).map_err(|error| error.to_string()),
            1 => {
                let bytes = sessions[1 - who].document().encode();
                sessions[who].merge::<Chars>(&bytes).map(drop).map_err(|error| error.to_string())
            }
            2..5 if len > 0 => {
                let at = random.below(len);
                sessions[who].delete(Chars(at)..Chars(at + 1)).map_err(|error| error.to_string())
            }
            _ => {
                let caret = sessions[who].caret::<Chars>();
                let word = random.pick(&["a", "é", "漢", "word "]);
                sessions[who].insert(caret, word).map_err(|error| error.to_string())
            }
        };
        edited.expect("an edit of the text");
    }
    let [mut first, second] = sessions;
    first.merge::<Chars>(&second.document().encode()).expect("what a session made");
    first.document().clone()
}
