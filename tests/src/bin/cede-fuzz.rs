//! `cede-fuzz update|saved|file|frame|control|trace SECONDS [SEED]`: reads inputs that were changed at random until the time is
//! over, and stops at the first panic, the first input that takes more than 2 seconds, and the first that takes more than
//! 512 MiB.
//!
//! Structured and mutational: it starts from a corpus that the engine makes, changes bits, bytes, numbers and stretches, splices
//! inputs, and makes the checksums right again, so that what stands behind them is read. It keeps inputs that led to an answer that
//! was not seen before (the error without its numbers). It is *not* guided by coverage.

use cede::storage::{Kind, LogFile, Record};
use cede::sync::Message;
use cede::{AgentId, Chars, Document, Saved, Session};
use cede_net::wire::{ClientControl, ServerControl};
use cede_tests::forge::{crc32, sealed};
use cede_tests::random::Random;
use peak_alloc::PeakAlloc;
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MEMORY: usize = 512 << 20;
const TIME: Duration = Duration::from_secs(2);

/// What is read, and how its checksums are made right.
struct Target {
    corpus: Vec<Vec<u8>>,
    seal: fn(Vec<u8>) -> Vec<u8>,
    read: fn(&[u8]) -> String,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let target = words.first().and_then(|name| target(name));
    let seconds = words.get(1).and_then(|seconds| seconds.parse().ok());
    let seed = words.get(2).map_or(Some(1), |seed| seed.parse().ok());
    let (Some(target), Some(seconds), Some(seed)) = (target, seconds, seed) else {
        eprintln!("cede-fuzz update|saved|file|frame|control|trace SECONDS [SEED]");
        return ExitCode::FAILURE;
    };
    fuzz(target, Duration::from_secs(seconds), seed)
}

fn target(name: &str) -> Option<Target> {
    let documents: Vec<Document> = (1..6).map(|seed| typed(seed, 30 * seed as usize * seed as usize)).collect();
    let updates = || documents.iter().map(Document::encode);
    Some(match name {
        "update" => Target { corpus: updates().collect(), seal: |bytes| resealed(bytes, 0), read: read_update },
        "saved" => {
            Target { corpus: documents.iter().map(Document::save).collect(), seal: seal_saved, read: read_saved }
        }
        "file" => Target { corpus: updates().map(|update| log_of(&update)).collect(), seal: seal_log, read: read_log },
        "frame" => {
            let metas = documents.iter().flat_map(|document| [document.meta(), document.summary()]).map(Message::Meta);
            let all = metas.chain(updates().map(Message::Data)).chain([Message::Done]);
            Target {
                corpus: all.map(|message| message.encode()).collect(),
                seal: |bytes| resealed(bytes, 1),
                read: read_frame,
            }
        }
        "control" => Target { corpus: controls(), seal: |bytes| bytes, read: read_control },
        "trace" => Target { corpus: traces(), seal: |bytes| bytes, read: read_trace },
        _ => return None,
    })
}

fn fuzz(target: Target, time: Duration, seed: u64) -> ExitCode {
    let (mut random, mut corpus, mut answers) = (Random::from_seed(seed), target.corpus, HashSet::new());
    let (start, mut inputs, mut slowest, mut largest) = (Instant::now(), 0u64, Duration::ZERO, 0);
    while start.elapsed() < time {
        let changed = mutated(&mut random, &corpus);
        let input = if random.percent(90) { (target.seal)(changed) } else { changed };
        ALLOCATOR.reset_peak_usage();
        let (before, began) = (ALLOCATOR.current_usage(), Instant::now());
        let answer = std::panic::catch_unwind(|| (target.read)(&input));
        let (took, memory) = (began.elapsed(), ALLOCATOR.peak_usage().saturating_sub(before));
        (slowest, largest) = (slowest.max(took), largest.max(memory));
        inputs += 1;
        if answer.is_err() || took > TIME || memory > MEMORY {
            let path = PathBuf::from(format!("fuzz-{:08x}.bin", crc32(&input)));
            let kept = std::fs::write(&path, &input);
            eprintln!("input {inputs}: {took:?}, {memory} bytes, {} ({kept:?})", path.display());
            return ExitCode::FAILURE;
        }
        let shape: String = answer.unwrap_or_default().chars().filter(|c| !c.is_ascii_hexdigit()).collect();
        if answers.insert(shape) && corpus.len() < 4_096 {
            corpus.push(input);
        }
    }
    println!(
        "{inputs} inputs, {} answers, slowest {slowest:?}, most memory {largest} bytes, no failure",
        answers.len()
    );
    ExitCode::SUCCESS
}

fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    const NUMBERS: [u64; 8] = [0, 1, 127, 128, 1 << 14, u32::MAX as u64, 1 << 30, u64::MAX];
    let mut bytes = random.pick(corpus).clone();
    for _ in 0..random.between(1, 6) {
        let at = random.below(bytes.len() + 1);
        let byte = bytes.get_mut(at);
        match (random.below(8), byte) {
            (0, Some(byte)) => *byte ^= 1 << random.below(8),
            (1, Some(byte)) => *byte = random.bits() as u8,
            (2, Some(byte)) => *byte = byte.wrapping_add(random.between(0, 2) as u8).wrapping_sub(1),
            (3, Some(_)) => drop(bytes.drain(at..(at + random.below(9)).min(bytes.len()))),
            (4, _) => {
                let mut number = Vec::new();
                cede_tests::forge::number(&mut number, *random.pick(&NUMBERS));
                bytes.splice(at..(at + random.below(3)).min(bytes.len()), number);
            }
            (5, Some(_)) => {
                let count = random.between(1, 64).min(bytes.len() - at);
                bytes.extend_from_within(at..at + count);
            }
            (6, Some(_)) if random.percent(10) => bytes.truncate(at),
            _ => {
                let other = random.pick(corpus);
                let from = random.below(other.len().max(1));
                let part = other[from.min(other.len())..].iter().copied().take(random.between(1, 40));
                bytes.splice(at..(at + random.below(40)).min(bytes.len()), part);
            }
        }
    }
    bytes.truncate(1 << 20);
    bytes
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

fn log_of(update: &[u8]) -> Vec<u8> {
    let mut bytes = b"CEDElog\x02".to_vec();
    for kind in [1, 2, 3, 1] {
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
        let crc = crc32(&[&[kind, a, b, c, d], &bytes[at + 9..end]].concat());
        bytes[at + 5..at + 9].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    bytes
}

fn read_update(bytes: &[u8]) -> String {
    let fresh = Document::decode(bytes);
    let mut session = Session::with_document(typed(1, 30), AgentId::new(77));
    let before = session.document().encode();
    let merged = session.merge::<Chars>(bytes);
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

fn read_control(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (client, server) = (ClientControl::from_json(&text), ServerControl::from_json(&text));
    format!("{:?} {:?}", client.err().map(|error| error.to_string()), server.err().map(|error| error.to_string()))
}

fn traces() -> Vec<Vec<u8>> {
    [
        r#"{"startContent":"","endContent":"abé","txns":[{"time":"2021-04-19T06:06:43.883Z","patches":[[0,0,"ab"],[2,0,"é"]]},{"patches":[[1,1,"x"]]}]}"#,
        r#"{"kind":"concurrent","endContent":"ab","numAgents":2,"txns":[{"parents":[],"numChildren":1,"agent":0,"patches":[[0,0,"a"]]},{"parents":[],"agent":1,"patches":[[0,0,"b"]]},{"parents":[0,1],"agent":0,"patches":[[1,1,""]]}]}"#,
    ]
    .map(|json| json.as_bytes().to_vec())
    .to_vec()
}

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
