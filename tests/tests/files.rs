//! Processes that only write files, and histories that are merged without a server: the real program, killed and run again.

use cede::storage::{Kind, LogFile, Record, file_bytes};
use cede::{AgentId, AnyDocument, Chars, Dict, Document, Json, MetaJson, Session};
use cede_tests::random::{Random, seeds};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const CEDE: &str = env!("CARGO_BIN_EXE_cede-under-test");

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(CEDE);
        command.args(line.split_whitespace()).current_dir(self.0.path());
        command
    }

    fn cede(&self, line: &str) -> Output {
        self.command(line).output().expect("started")
    }

    /// What a command that succeeds prints.
    fn says(&self, line: &str) -> String {
        let output = self.cede(line);
        assert!(output.status.success(), "cede {line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What a command that fails complains of.
    fn complains(&self, line: &str) -> String {
        let output = self.cede(line);
        assert!(!output.status.success(), "cede {line} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    }

    fn keep(&self, name: &str, document: &AnyDocument) {
        let record = Record { kind: Kind::Events, payload: document.encode() };
        fs::write(self.path(name), file_bytes(&[record]).expect("small")).expect("written");
    }

    fn value(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(name)).expect("read")).expect("JSON")
    }

    /// The files that are seen, with what is in them.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.0.path()).expect("read").map(|entry| entry.expect("an entry"));
        let named = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
        let seen = named.filter(|(name, path)| !name.starts_with('.') && path.is_file());
        seen.map(|(name, path)| (name, fs::read(path).expect("read"))).collect()
    }
}

fn dict(agent: u128, sets: &[(&str, Value)]) -> AnyDocument {
    let mut dict = Dict::new(AgentId::new(agent));
    for (key, value) in sets {
        dict.set(key, value, 0).expect("set");
    }
    AnyDocument::Dict(Box::new(dict))
}

#[test]
fn processes_write_files_and_one_merges_them_once() {
    let desk = Desk::new();
    // The one that merges is there first, makes the folder, and waits.
    let merging = desk.start("merge-folder out --expect ann,ben,cat --timeout 300");
    let processes: Vec<Child> = ["ann", "ben"]
        .iter()
        .map(|name| {
            desk.says(&format!("dict {name}.cede set {name} 1"));
            desk.start(&format!("finish {name}.cede out"))
        })
        .collect();
    for process in processes {
        assert!(process.wait_with_output().expect("ended").status.success());
    }
    desk.says("dict c.cede set shared true");
    desk.says("finish c.cede out --name cat");
    let merged = merging.wait_with_output().expect("ended");
    let progress = String::from_utf8_lossy(&merged.stderr);
    assert!(merged.status.success() && progress.contains("3 inputs here, waiting for "), "{progress}");
    assert_eq!(desk.value("out/merged.json"), json!({"ann": 1, "ben": 1, "shared": true}));
    assert_eq!(desk.value("out/merged.meta.json")["taken"], json!(["ann", "ben", "cat"]));
    let left = fs::read_dir(desk.path("out")).expect("read").count();
    assert_eq!(left, 3, "two results and a lock");
    let again = desk.says("merge-folder out --expect cat,ann,ben --timeout 0");
    assert_eq!(again, "out: all of it has been taken in already\n");
    assert!(desk.complains("merge-folder out --expect ann,dan,eve --timeout 0").contains("still missing: dan, eve"));
    // The same work under another name brings nothing that was not there.
    let before = desk.value("out/merged.json");
    desk.says("finish c.cede out --name dan");
    desk.says("merge-folder out --expect dan");
    assert_eq!(desk.value("out/merged.json"), before);
}

#[test]
fn a_merge_that_is_killed_at_any_instant_and_run_again_ends_the_same() {
    let names = ["ann", "ben", "cat", "dan"];
    let leave = |desk: &Desk| {
        for (number, name) in names.iter().enumerate() {
            let sets: Vec<(String, Value)> =
                (0..400).map(|key| (format!("k{}", key * (number + 1) % 700), json!(number))).collect();
            let sets: Vec<(&str, Value)> = sets.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
            let document = dict(number as u128 + 1, &sets);
            let values = document.to_value().expect("a value").to_string();
            let meta = MetaJson::from(document).to_text().expect("a dictionary");
            cede::storage::finish(desk.0.path(), name, values.as_bytes(), meta.as_bytes()).expect("left");
        }
    };
    let line = "merge-folder . --expect ann,ben,cat,dan --timeout 0";
    let whole = Desk::new();
    leave(&whole);
    whole.says(line);
    let end = whole.files();
    let rounds = std::env::var("HISTORIES").map_or(25, |count| count.parse().expect("HISTORIES is a number"));
    let (mut killed, mut between) = (0, 0);
    seeds(rounds).for_each(|seed| {
        let mut random = Random::from_seed(seed);
        let desk = Desk::new();
        leave(&desk);
        let inputs = desk.files().len();
        for _ in 0..2 {
            let mut process = desk.start(line);
            // Not to wait for anything: to be anywhere in what it does.
            std::thread::sleep(Duration::from_micros(random.below(40_000) as u64));
            process.kill().expect("killed");
            killed += usize::from(!process.wait().expect("ended").success());
        }
        between += usize::from(desk.files().len() != inputs && desk.files() != end);
        desk.says(line);
        assert_eq!(desk.files().keys().collect::<Vec<_>>(), end.keys().collect::<Vec<_>>(), "SEED={seed}");
        assert!(desk.files() == end, "another result with SEED={seed}");
    });
    cede_tests::tell(format_args!("killed {killed} times, {between} times with some of the work done"));
}

#[test]
fn a_process_that_is_killed_while_it_finishes_has_left_nothing_or_all_of_it() {
    let line = "finish d.cede . --name ann";
    let keys: Vec<String> = (0..500).map(|key| format!("k{key}")).collect();
    let sets: Vec<(&str, Value)> = keys.iter().map(|key| (key.as_str(), json!(key))).collect();
    let (mut whole, mut none) = (0, 0);
    seeds(20).for_each(|seed| {
        let desk = Desk::new();
        desk.keep("d.cede", &dict(1, &sets));
        let mut process = desk.start(line);
        std::thread::sleep(Duration::from_micros(Random::from_seed(seed).below(30_000) as u64));
        process.kill().expect("killed");
        process.wait().expect("ended");
        if desk.path("ann.done").exists() {
            assert!(desk.complains(line).contains("waits to be merged"), "SEED={seed}");
            whole += 1;
        } else {
            desk.says(line);
            none += 1;
        }
        let meta = fs::read(desk.path("ann.meta.json")).expect("read");
        let meta = MetaJson::parse(AgentId::new(9), &meta).expect("whole");
        assert_eq!(meta.document.to_value(), Some(desk.value("ann.json")), "SEED={seed}");
    });
    cede_tests::tell(format_args!("killed while finishing: {whole} times all was there, {none} times done again"));
}

#[test]
fn histories_of_every_kind_are_united_in_any_order_and_any_number_of_times() {
    let mut text = Session::new(AgentId::new(1));
    text.insert(Chars(0), "base ").expect("typed");
    let mut other = Session::with_document(Document::decode(&text.document().encode()).expect("read"), AgentId::new(2));
    other.insert(Chars(5), "other").expect("typed");
    text.insert(Chars(0), "more ").expect("typed");
    let mut json = Json::new(AgentId::new(1));
    json.edit().get("list").set(&json!([1, 2])).expect("set");
    let mut other_json = Json::decode(AgentId::new(2), &json.encode()).expect("read");
    other_json.edit().get("list").push(&json!(3)).expect("pushed");
    json.edit().get("k").set(&json!("ann")).expect("set");
    other_json.edit().get("k").set(&json!("ben")).expect("set");
    let kinds = [
        [text.document(), other.document()].map(|document| AnyDocument::Text(Box::new(document.clone()))),
        [json, other_json].map(|json| AnyDocument::Json(Box::new(json))),
        [dict(1, &[("a", json!(1)), ("k", json!(1))]), dict(2, &[("k", json!(2))])],
    ];
    for [a, b] in kinds {
        let desk = Desk::new();
        desk.keep("a.cede", &a);
        desk.keep("b.cede", &b);
        desk.says("merge a.cede b.cede -o ab.cede");
        desk.says("merge b.cede a.cede b.cede --output ba.cede");
        assert_eq!(desk.says("cat ab.cede"), desk.says("cat ba.cede"));
        assert_eq!(desk.says("log ab.cede"), desk.says("log ba.cede"));
        let before = desk.files();
        desk.says("merge a.cede ba.cede -o ab.cede");
        assert!(desk.files() == before, "a merge of what is there changed a file");
        // Both heads are there: the one of a, and the one of b.
        let diff = desk.says("diff a.cede ab.cede");
        assert!(diff.starts_with("only in a.cede: nothing\nonly in ab.cede: "), "{diff}");
        assert_eq!(desk.says("diff ab.cede ba.cede"), "only in ab.cede: nothing\nonly in ba.cede: nothing\n");
        desk.says("stats ab.cede");
        desk.says("compact ab.cede");
        assert_eq!(desk.says("cat ab.cede"), desk.says("cat ba.cede"));
        assert_ne!(desk.says("cat --at 50% ab.cede"), desk.says("cat ab.cede"));
        if a.kind() == cede::DocumentKind::Json {
            let conflicts = desk.says("conflicts ab.cede");
            assert!(conflicts.contains("/k  \"ann\" (0000") && conflicts.contains("\"ben\" (0000"), "{conflicts}");
        }
    }
}

#[test]
fn a_key_overwritten_a_million_times_takes_64_kib_and_syncs_with_who_holds_more_or_less() {
    const TIMES: u32 = 1_000_000;
    let desk = Desk::new();
    let mut ann = Dict::new(AgentId::new(0xa));
    ann.set("stays", &json!("here"), 0).expect("set");
    let mut less = None;
    for time in 0..TIMES {
        ann.set("hot", &json!({"reading": time}), u64::from(time)).expect("set");
        if time == TIMES / 2 {
            less = Some(Dict::decode(AgentId::new(0xb), &ann.encode()).expect("read"));
        }
    }
    let (mut less, events) = (less.expect("half of it"), u64::from(TIMES) + 1);
    let mut more = Dict::decode(AgentId::new(0xc), &ann.encode()).expect("read");
    more.set("hot", &json!("last"), 0).expect("set");
    less.set("from half", &json!(true), 0).expect("set");
    desk.keep("d.cede", &AnyDocument::Dict(Box::new(ann.clone())));
    let before = fs::metadata(desk.path("d.cede")).expect("there").len();
    let told = desk.says("compact --drop-overwritten d.cede");
    assert!(told.contains("999999 events dropped"), "{told}");
    let after = fs::metadata(desk.path("d.cede")).expect("there").len();
    assert!(after <= 64 << 10, "{after} bytes are left of {before}");
    assert!(desk.says("stats d.cede").contains("dropped                   999999"));
    let log = desk.says("log d.cede");
    assert!(log.contains("(999999 dropped) stays = \"here\", hot = {\"readin…"), "{log}");
    assert_eq!(desk.says("dict d.cede get hot"), "{\"reading\":999999}\n");

    let (records, _) = LogFile::read(&desk.path("d.cede")).expect("read");
    let mut kept = Dict::decode(AgentId::new(0xd), &records[0].payload).expect("read");
    assert_eq!((kept.event_count(), kept.dropped()), (events, 999_999));
    // Both ways with who holds more, and with who holds half and something else.
    for other in [&mut more, &mut less] {
        let to_other = kept.encode_since(&other.summary());
        let to_kept = other.encode_since(&kept.summary());
        to_kept.into_iter().for_each(|bytes| drop(kept.import(&bytes).expect("taken in")));
        to_other.into_iter().for_each(|bytes| drop(other.import(&bytes).expect("taken in")));
        assert_eq!(kept.to_value(), other.to_value());
        assert_eq!(kept.summary(), other.summary());
    }
    assert_eq!(kept.to_value(), json!({"stays": "here", "hot": "last", "from half": true}));
    cede_tests::tell(format_args!("a key overwritten {TIMES} times: {before} bytes before, {after} after"));
}

#[test]
fn a_cursor_into_what_is_not_there_names_its_place_and_changes_nothing() {
    let mut json = Json::try_from((AgentId::new(1), &json!({"a": {"b": [1]}, "n": 7}))).expect("a document");
    let (before, value) = (json.event_count(), json.to_value());
    let deep = (0..130).fold(json!(1), |value, _| json!([value]));
    let complaints = [
        (json.edit().get("n").get("x").set(&json!(1)), "no object at \"/n\""),
        (json.edit().get("a").at(0).set(&json!(1)), "no array at \"/a\""),
        (json.edit().get("a").get("b").get("x").delete(), "no object at \"/a/b\""),
        (json.edit().get("a").get("b").insert(5, &json!(1)).map(drop), "\"/a/b\""),
        (json.edit().get("none").at(0).delete(), "no array at \"/none\""),
        (json.edit().get("none").delete(), "\"/none\""),
        (json.edit().get("a").set(&deep), "128"),
    ];
    for (done, expected) in complaints {
        let error = done.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error} and not {expected}");
    }
    assert_eq!((json.event_count(), json.to_value()), (before, value));
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let desk = Desk::new();
    desk.keep("d.cede", &dict(1, &[("k", json!(1))]));
    desk.keep("e.cede", &dict(1, &[("k", json!(2))]));
    desk.keep(
        "j.cede",
        &AnyDocument::Json(Box::new(Json::try_from((AgentId::new(2), &json!({"k": 1}))).expect("a document"))),
    );
    let mut text = Session::new(AgentId::new(3));
    text.insert(Chars(0), "text").expect("typed");
    desk.keep("t.cede", &AnyDocument::Text(Box::new(text.document().clone())));
    let whole = fs::read(desk.path("d.cede")).expect("read");
    let mut flipped = whole.clone();
    flipped[12] ^= 1;
    flipped.extend(&whole[8..]);
    fs::write(desk.path("flipped.cede"), flipped).expect("written");
    fs::write(desk.path("later.cede"), [&whole[..7], &[9], &whole[8..]].concat()).expect("written");
    fs::write(desk.path("plain.json"), "{\"a\": ").expect("written");
    fs::write(desk.path("deep.json"), format!("{}{}", "[".repeat(129), "]".repeat(129))).expect("written");
    fs::write(desk.path("fine.json"), "[]").expect("written");
    fs::write(desk.path("zeros.img"), vec![0; 3 << 20]).expect("written");
    fs::write(desk.path("letter"), "C").expect("written");
    let before = desk.files();
    let cases = [
        ("merge d.cede j.cede -o out.cede", "d.cede is a dictionary and j.cede a JSON document"),
        ("merge t.cede -o d.cede", "t.cede is a text and d.cede a dictionary"),
        ("merge d.cede e.cede -o out.cede", "e.cede is refused"),
        ("merge d.cede none.cede -o out.cede", "none.cede"),
        ("merge d.cede flipped.cede -o out.cede", "flipped.cede: damaged at byte 8"),
        ("merge later.cede -o out.cede", "later.cede: version 9 of the format"),
        ("merge plain.json -o out.cede", "plain.json: not a history of Cede"),
        ("diff d.cede t.cede", "d.cede is a dictionary and t.cede a text"),
        ("compact --drop-overwritten j.cede", "j.cede is a JSON document, and not a dictionary"),
        ("compact --text d.cede", "d.cede is a dictionary, and not a text"),
        ("dict j.cede set k 1", "j.cede is a JSON document, and not a dictionary"),
        ("dict d.cede set k blue", "\"blue\" is no JSON (expected value at line 1 column 1)"),
        ("dict d.cede get none", "there is no key \"none\""),
        ("cat --at 7 d.cede", "event 7 was asked for, and the history has 1"),
        ("cat --at ffff/7 j.cede", "is not known here"),
        ("finish t.cede . --name t", "t.cede is a text; a folder takes dictionaries and JSON documents"),
        ("finish d.cede . --name Merged", "\"Merged\" is no name"),
        ("compact zeros.img", "zeros.img: not a history of Cede"),
        ("merge d.cede -o zeros.img", "zeros.img: not a history of Cede"),
        ("dict letter set k 1", "letter: not a history of Cede"),
        ("finish d.cede . --name a/b", "\"a/b\" is no name"),
        ("merge-folder . --expect ../a --timeout 0", "\"../a\" is no name"),
        ("git-merge fine.json fine.json plain.json", "plain.json: EOF while parsing a value at line 1 column 6"),
        ("git-merge fine.json fine.json deep.json", "deep.json: recursion limit exceeded at line 1 column 128"),
        ("git-merge d.cede d.cede j.cede", "d.cede is a dictionary and j.cede a JSON document"),
    ];
    for (line, expected) in cases {
        let told = desk.complains(line);
        assert!(told.contains(expected), "cede {line}\n  says {told}  and not {expected}");
        assert!(desk.files() == before, "cede {line} changed a file");
    }
    // Every truncation of a history is read up to there, or refused; nothing panics.
    for len in 0..whole.len() {
        let path: &Path = &desk.path("cut.cede");
        fs::write(path, &whole[..len]).expect("written");
        let code = desk.cede("merge cut.cede -o cut-out.cede").status.code();
        assert!(matches!(code, Some(0 | 1)), "{len} bytes: {code:?}");
    }
}
