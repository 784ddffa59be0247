//! `cede merge-worker`, two real processes: killed after every step, killed anywhere, begun anew, and refused.
//!
//! Nothing sleeps. By hand a process takes one step for each line that it is sent, and says when it has, so a kill hits
//! exactly the gap between two steps; a process that runs by itself is killed when its files have changed, wherever it is
//! then. What is inside a step, call by call, is tested in `network-example/src/mailbox/tests`.
//!
//! Planted bugs that these tests catch: `Worker::step` empties the inbox before the state is saved (killed anywhere);
//! `Worker::open` draws a new life although there is a state (killed after every step: the statistics); `saved::decode`
//! does not look at the hash (begun anew).

#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cede_tests::random::{Random, seeds};
use cede_tests::tell;
use serde_json::Value;
use tempfile::TempDir;

/// Far longer than anything takes here, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with two lists, and what their merge is.
struct Folder {
    folder: TempDir,
    merged: String,
    count: u64,
}

impl Folder {
    fn new(a: &[i64], b: &[i64]) -> Self {
        let mut sorted = [a, b].concat();
        sorted.sort_unstable();
        let merged = sorted.iter().map(|value| format!("{value}\n")).collect();
        let folder = Self { folder: tempfile::tempdir().expect("a folder"), merged, count: sorted.len() as u64 };
        folder.write("a.json", &format!("{a:?}"));
        // B's is one a line, as an output is.
        folder.write("b.json", &b.iter().map(|value| format!("{value}\n")).collect::<String>());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file in the folder");
    }

    /// `cede merge-worker` as worker a or b.
    fn command(&self, who: &str, more: &[&str]) -> Command {
        let other = if who == "a" { "b" } else { "a" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_cede-under-test"));
        command.current_dir(self.folder.path()).args(["merge-worker", who]);
        command.args(["--input", &format!("{who}.json"), "--inbox", &format!("{who}.inbox")]);
        command.args(["--partner", &format!("{other}.inbox"), "--state", &format!("{who}.state")]);
        if who == "b" {
            command.args(["--output", "merged"]);
        }
        command.args(more);
        command
    }

    fn by_hand(&self, who: &str) -> Hand {
        let mut command = self.command(who, &["--by-hand"]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.expect("the program starts");
        let lines = child.stdin.take().expect("a pipe");
        let reports = BufReader::new(child.stdout.take().expect("a pipe"));
        Hand { child, lines, reports }
    }

    fn alone(&self, who: &str) -> Child {
        let mut command = self.command(who, &[]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    fn assert_merged(&self, after: &str) {
        assert_eq!(fs::read_to_string(self.path("merged")).expect("an output"), self.merged, "{after}");
    }
}

/// A worker that takes a step when it is told to.
struct Hand {
    child: Child,
    lines: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Hand {
    /// One step. Returns what the program says of it.
    fn step(&mut self) -> Value {
        self.lines.write_all(b"\n").expect("somebody listens");
        let mut line = String::new();
        self.reports.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?} is no report: {error}"))
    }

    /// kill -9, between two steps.
    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        // Killed already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const NAMES: [&str; 2] = ["a", "b"];

/// Steps by turns until both are done; before step `number` of worker `who` it is what `before` makes of it. Returns the last
/// reports and how many steps each has taken.
fn by_turns(folder: &Folder, mut before: impl FnMut(usize, usize, Hand) -> Hand) -> ([Value; 2], usize) {
    let mut hands = NAMES.map(|who| Some(folder.by_hand(who)));
    let mut reports = [Value::Null, Value::Null];
    for step in 0..400 {
        for who in 0..2 {
            let hand = hands[who].take().expect("put back below");
            let mut hand = before(who, step, hand);
            reports[who] = hand.step();
            hands[who] = Some(hand);
        }
        if reports.iter().all(|report| report["progress"] == "FINISHED") {
            return (reports, step + 1);
        }
    }
    panic!("no end: {reports:?}");
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"))
}

fn lists() -> Vec<(Vec<i64>, Vec<i64>, bool)> {
    vec![
        ((0..25).collect(), (30..42).collect(), true),
        (vec![-4, -4, 0, 0, 0, 7, 7, 12, 12, 12, 12, 90], vec![-4, 1, 7, 7, 8, 8, 8, 12, 13, 14, 15, 16, 17], false),
        (vec![], (0..11).collect(), true),
    ]
}

/// Each worker is killed by SIGKILL before each of its steps once, then both before every step; what comes out is the merge,
/// and the statistics are those of workers that nobody has killed.
#[test]
fn workers_killed_after_any_step_go_on() {
    let mut kills = 0;
    for (a, b, is_disjoint) in lists() {
        let folder = Folder::new(&a, &b);
        let (undisturbed, steps) = by_turns(&folder, |_, _, hand| hand);
        folder.assert_merged("undisturbed");
        let comparisons = number(&undisturbed[1], "comparisons");
        assert_eq!(comparisons == 0, is_disjoint, "{undisturbed:?}");
        assert!(comparisons < folder.count);

        // One more than there are steps: both before every step.
        for case in 0..=2 * steps {
            let folder = Folder::new(&a, &b);
            let (reports, _) = by_turns(&folder, |who, step, hand| {
                if case != 2 * steps && case != 2 * step + who {
                    return hand;
                }
                kills += 1;
                hand.kill();
                folder.by_hand(NAMES[who])
            });
            folder.assert_merged(&format!("case {case}"));
            assert_eq!(number(&reports[1], "comparisons"), comparisons, "case {case}");
            assert_eq!(number(&reports[1], "output"), folder.count, "case {case}");
            for (one, other) in [(0, 1), (1, 0)] {
                let (sent, received) = (number(&reports[one], "sent"), number(&reports[other], "received"));
                assert_eq!(sent, received, "case {case}: {reports:?}");
            }
        }
    }
    tell(format_args!("{kills} kills between two steps"));
}

/// A process is killed wherever it is after its state has changed, and started again.
#[test]
fn workers_killed_anywhere_go_on() {
    let mut all = 0;
    for seed in seeds(4) {
        let mut random = Random::from_seed(seed);
        let mut list = || {
            let mut list: Vec<i64> = (0..400).map(|_| random.below(300) as i64 - 150).collect();
            list.sort_unstable();
            list
        };
        let folder = Folder::new(&list(), &list());
        let mut workers = NAMES.map(|who| folder.alone(who));
        let deadline = Instant::now() + PATIENCE;
        let (mut kills, mut seen) = (0, [Vec::new(), Vec::new()]);
        loop {
            assert!(Instant::now() < deadline, "seed {seed}: no end after {kills} kills");
            let ended = [0, 1].map(|who: usize| workers[who].try_wait().expect("a child").is_some());
            if ended == [true; 2] {
                break;
            }
            let who = random.below(2);
            let state = fs::read(folder.path(&format!("{}.state", NAMES[who]))).unwrap_or_default();
            if ended[who] || state == seen[who] || kills == 40 {
                std::thread::yield_now();
                continue;
            }
            // Somewhere in what it does next.
            for _ in 0..random.below(40) {
                std::thread::yield_now();
            }
            workers[who].kill().expect("a child");
            workers[who].wait().expect("it has ended");
            seen[who] = state;
            kills += 1;
            workers[who] = folder.alone(NAMES[who]);
        }
        let reports = workers.map(|worker| report(&worker.wait_with_output().expect("a child")));
        folder.assert_merged(&format!("seed {seed}"));
        assert_eq!(number(&reports[1], "output"), folder.count, "seed {seed}");
        assert!(number(&reports[1], "comparisons") < folder.count, "seed {seed}");
        assert_eq!(number(&reports[0], "sent"), number(&reports[1], "received"), "seed {seed}");
        all += kills;
    }
    tell(format_args!("{all} kills anywhere"));
}

/// The last line of a worker that has ended well.
fn report(output: &Output) -> Value {
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complained}");
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|error| panic!("{said:?}: {error}"))
}

/// After each of its steps a worker is killed and its state damaged; then both are, with whatever lies in the inboxes.
#[test]
fn workers_with_a_damaged_state_begin_anew() {
    let (a, b, _) = lists().remove(1);
    let (_, steps) = by_turns(&Folder::new(&a, &b), |_, _, hand| hand);
    for whose in [&[0][..], &[1], &[0, 1]] {
        for at in 0..steps {
            let folder = Folder::new(&a, &b);
            let (reports, _) = by_turns(&folder, |who, step, hand| {
                if step != at || !whose.contains(&who) {
                    return hand;
                }
                hand.kill();
                let state = format!("{}.state", NAMES[who]);
                let text = fs::read_to_string(folder.path(&state)).unwrap_or_default();
                folder.write(
                    &state,
                    &text.replacen("\"next\":", "\"next\":1", 1).replacen("{", if at % 2 == 0 { "{" } else { "" }, 1),
                );
                folder.by_hand(NAMES[who])
            });
            folder.assert_merged(&format!("{whose:?} at {at}"));
            assert!(number(&reports[1], "comparisons") < folder.count);
        }
    }
}

/// What is wrong is said with the file and the place, the exit code is 1, and no file has changed or come about but the lock.
#[test]
fn bad_files_are_named() {
    let folder = Folder::new(&[1, 2, 3], &[2, 4]);
    let fails = |folder: &Folder, who: &str, message: &str| {
        let names = || {
            let entries = fs::read_dir(folder.folder.path()).expect("a folder");
            let mut files: Vec<(PathBuf, Vec<u8>)> = entries
                .map(|entry| entry.expect("an entry").path())
                .filter(|path| path.extension().is_none_or(|extension| extension != "lock"))
                .map(|path| (path.clone(), fs::read(path).expect("a file")))
                .collect();
            files.sort();
            files
        };
        let before = names();
        let output = folder.command(who, &["--steps", "9"]).stdin(Stdio::null()).output().expect("the program starts");
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && complained.contains(message), "{message}: {complained}");
        assert_eq!(names(), before, "{message}");
    };
    folder.write("a.json", "[1, 5, 4]");
    fails(&folder, "a", "a.json: not sorted: the value at index 2 is 4, the one before it 5");
    folder.write("a.json", "[1,\n 2,]");
    fails(&folder, "a", "a.json: trailing comma at line 2 column 4");
    folder.write("b.json", "1\nx\n");
    fails(&folder, "b", "b.json: line 2 is no integer of 64 bits: \"x\"");
    fs::remove_file(folder.path("b.json")).expect("it is there");
    fails(&folder, "b", "b.json: ");

    let folder = Folder::new(&[1, 2, 3], &[2, 4]);
    folder.write("a.inbox", "{\"type\":\"META\"");
    fails(&folder, "a", "a.inbox: no message: EOF while parsing an object at line 1 column 14");
    fs::remove_file(folder.path("a.inbox")).expect("it is there");

    // One that runs keeps a second one out.
    let mut hand = folder.by_hand("a");
    hand.step();
    fails(&folder, "a", "a.state.lock is locked: another process is this worker");
}

/// What README.md says can be typed, step by step and by itself.
#[test]
fn a_few_steps_at_a_time_come_to_the_same() {
    let folder = Folder::new(&[1, 4, 9], &[2, 3]);
    let mut reports = [Value::Null, Value::Null];
    for _ in 0..20 {
        for who in 0..2 {
            let mut command = folder.command(NAMES[who], &["--steps", "2"]);
            reports[who] = report(&command.stdin(Stdio::null()).output().expect("the program starts"));
        }
    }
    folder.assert_merged("two steps at a time");
    assert_eq!(reports[1]["phase"], "DONE");
    assert_eq!(reports[1]["progress"], "FINISHED");
    assert_eq!(number(&reports[1], "output"), 5);
}
