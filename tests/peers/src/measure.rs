//! Times: medians of several runs, and tables that people read.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// No more runs than these, however short they are.
const MOST_RUNS: usize = 101;

/// The median time of runs of `job`: as many as fit into `budget`, an odd number, at least one.
pub fn median<T>(budget: Duration, mut job: impl FnMut() -> T) -> Duration {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() % 2 == 0 || (begun.elapsed() < budget && times.len() < MOST_RUNS) {
        let started = Instant::now();
        let made = black_box(job());
        times.push(started.elapsed());
        // Taking down what was made is not part of the time.
        drop(made);
    }
    times.sort();
    times[times.len() / 2]
}

/// Rows as Markdown, in columns wide enough: the first to the left, numbers to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(2)).collect();
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        lines.push(format!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
        if index == 0 {
            let rules = widths.iter().enumerate().map(|(column, &width)| match column {
                0 => "-".repeat(width),
                _ => format!("{}:", "-".repeat(width - 1)),
            });
            lines.push(format!("| {} |", rules.collect::<Vec<_>>().join(" | ")));
        }
    }
    lines.join("\n") + "\n"
}
