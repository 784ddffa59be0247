//! What Cede costs beside the best of its peers, in one table: figure, ours, best peer, ratio, target, met or not.
//!
//! `cargo bench -p cede-tests` measures everything; `cargo bench -p cede-tests -- NAME…` only the traces with these
//! names. Each figure is measured for ours and right after it for the peers, some times in turn, by programs that print
//! the same lines and check every answer (`peers/README.md` says what each figure is, and how to get at the peers). A
//! peer that cannot be built, and a trace that is not there, are said and left out.
//!
//! Run as a test (`cargo test -p cede-tests --bench speed`) it measures ours alone, for a moment, on the recording of this
//! repository and on small histories, to show that the bench works.

mod ours;
mod programs;
mod table;

use cede_measuring::figures::{Figure, JSON};
use cede_tests::growth::{Costs, SHAPES, Shape};
use programs::{Line, Programs};
use std::path::PathBuf;
use std::process::ExitCode;
use table::{Row, Table};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo passes `--bench` to benches only when they are to be measured.
    let measuring = arguments.iter().any(|argument| argument == "--bench");
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let desk = tempfile::tempdir().expect("a folder to work in");
    let (traces, programs) = if measuring {
        (ours::traces(&names), Programs::all())
    } else {
        (ours::recordings(desk.path()), Programs::ours_for_a_moment())
    };
    let mut table = Table::begin();
    for figure in ["open", "snapshot", "typing", "live", "size", "memory"] {
        if let Err(failed) = compare(figure, &traces, &programs, &mut table) {
            eprintln!("{failed}");
            return ExitCode::FAILURE;
        }
    }
    let scripts = if measuring { ["random-100000", "todo-5000"] } else { ["random-200", "todo-100"] };
    let scripts = scripts.map(PathBuf::from);
    for figure in JSON {
        // A hundred thousand messages would take the slower peers minutes.
        let scripts = if figure == Figure::JsonLive { &scripts[1..] } else { &scripts[..] };
        if let Err(failed) = compare(figure.name(), scripts, &programs, &mut table) {
            eprintln!("{failed}");
            return ExitCode::FAILURE;
        }
    }
    ours::deferral(&traces, desk.path(), measuring, &mut table);
    ours::repeated(&traces, measuring, &mut table);
    offline(measuring, &mut table);
    growth(measuring, &mut table);
    table.end();
    ExitCode::SUCCESS
}

/// One figure of all traces, ours and the peers'.
fn compare(figure: &str, traces: &[PathBuf], programs: &Programs, table: &mut Table) -> Result<(), String> {
    let lines = programs.measure(figure, traces)?;
    let is_ours = |line: &&Line| line.peer.starts_with("cede");
    for ours in lines.iter().filter(is_ours) {
        let same = |line: &&Line| line.figure == ours.figure && line.trace == ours.trace && !is_ours(line);
        let peers: Vec<&Line> = lines.iter().filter(same).collect();
        table.add(Row::of(ours, &peers, traces));
    }
    Ok(())
}

/// Two authors offline for so many keystrokes each, and fifty: what opening costs an event.
fn offline(measuring: bool, table: &mut Table) {
    let (base, times, rounds) = if measuring { (1_000, &[10, 100, 1_000][..], 3) } else { (50, &[2][..], 1) };
    let least = ours::open_history(Shape::TwoBranches, 2 * base, 11);
    for &times in times {
        let more = ours::open_history(Shape::TwoBranches, 2 * base * times, rounds);
        let log = |events: usize| (events as f64).log2();
        table.add(Row::offline("two branches", least, more, log(base * times) / log(base)));
    }
    let (fewer, each) = (50 * base / 2, 50 * base * 2);
    let fifty = [fewer, each].map(|events| ours::open_history(Shape::FiftyAuthors, events, rounds));
    table.add(Row::offline("50 authors", fifty[0], fifty[1], table::GROWTH));
}

/// How much more an event costs in a history of four times as many: of each shape the figure that grows most.
fn growth(measuring: bool, table: &mut Table) {
    let (smaller, larger, rounds) = if measuring { (2_000, 8_000, 3) } else { (100, 200, 1) };
    for &shape in SHAPES {
        let (small, large) = (Costs::of(shape, smaller, rounds), Costs::of(shape, larger, rounds));
        let pairs = small.figures().iter().zip(large.figures());
        let rows = pairs.map(|(small, large)| Row::growth(&format!("{shape:?}"), small, large));
        if let Some(worst) = rows.max_by(Row::by_ratio) {
            table.add(worst);
        }
    }
}
