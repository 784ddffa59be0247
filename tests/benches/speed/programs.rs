//! The programs that measure, and the lines that they print: `figure TAB trace TAB peer TAB unit TAB number`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One result.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) figure: String,
    /// On which trace.
    pub(crate) trace: String,
    /// Of whom.
    pub(crate) peer: String,
    /// Nanoseconds or bytes.
    pub(crate) number: f64,
    /// `ns` or `bytes`.
    pub(crate) unit: String,
}

impl Line {
    /// Whether another line is of the same figure, trace and peer.
    fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.figure, &self.trace, &self.peer) == (&other.figure, &other.trace, &other.peer)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut cells = line.split('\t').map(str::to_owned);
        let (figure, trace, peer, unit) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        Some(Self { figure, trace, peer, unit, number: cells.next()?.parse().ok()? })
    }
}

/// Ours and the peers' programs.
pub(crate) struct Programs {
    peers: Vec<Peers>,
    /// For the rounds of one peer on one trace.
    budget: Option<&'static str>,
    /// How often each is run.
    turns: usize,
}

/// So often ours and the peers' take turns; of each the fastest turn counts. A processor that somebody else uses as well
/// can be two thirds slower for as long as one of these takes.
pub(crate) const TURNS: usize = 3;

/// A package of peers, outside the workspace.
struct Peers {
    folder: &'static str,
    measure: &'static str,
    memory: &'static str,
}

impl Programs {
    /// Ours and all peers'. `BUDGET_MS` and the like are passed on.
    pub(crate) fn all() -> Self {
        let registry = Peers { folder: "peers/registry", measure: "measure", memory: "memory" };
        let diamond_types =
            Peers { folder: "peers/diamond-types", measure: "measure-diamond-types", memory: "memory-diamond-types" };
        Self { peers: vec![registry, diamond_types], budget: None, turns: TURNS }
    }

    /// Ours, a round of each.
    pub(crate) fn ours_for_a_moment() -> Self {
        Self { peers: Vec::new(), budget: Some("1"), turns: 1 }
    }

    /// All results of a figure, of each the least of all turns. What is counted in bytes is the same in each and has one.
    ///
    /// # Errors
    /// When ours cannot be measured, or an answer was wrong.
    pub(crate) fn measure(&self, figure: &str, traces: &[PathBuf]) -> Result<Vec<Line>, String> {
        let mut least = self.turn(figure, traces)?;
        let turns = if figure == "memory" || figure.ends_with("size") { 1 } else { self.turns };
        for _ in 1..turns {
            for line in self.turn(figure, traces)? {
                if let Some(known) = least.iter_mut().find(|known| known.is_of_the_same(&line)) {
                    known.number = known.number.min(line.number);
                }
            }
        }
        Ok(least)
    }

    fn turn(&self, figure: &str, traces: &[PathBuf]) -> Result<Vec<Line>, String> {
        let ours = match figure {
            "memory" => env!("CARGO_BIN_EXE_cede-memory"),
            _ => env!("CARGO_BIN_EXE_cede-measure"),
        };
        let mut ours = Command::new(ours);
        if let Some(budget) = self.budget {
            ours.env("BUDGET_MS", budget);
        }
        let mut lines = run(ours, figure, traces)?;
        for peers in &self.peers {
            match run(peers.command(figure), figure, traces) {
                Ok(found) => lines.extend(found),
                Err(error) => eprintln!("{figure}: without {}: {error}", peers.folder),
            }
        }
        Ok(lines)
    }
}

impl Peers {
    fn command(&self, figure: &str) -> Command {
        let program = if figure == "memory" { self.memory } else { self.measure };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder);
        let mut command = Command::new(env!("CARGO"));
        // From its folder, so that the settings beside it hold; this bench's own are not for it.
        command.current_dir(folder).env_remove("CARGO_MANIFEST_DIR");
        command.args(["run", "--quiet", "--release", "--bin", program, "--"]);
        command
    }
}

fn run(mut command: Command, figure: &str, traces: &[PathBuf]) -> Result<Vec<Line>, String> {
    // Pages that were had once are kept, in ours as in the peers', so that rounds do not wait for the system.
    for kept in ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"] {
        command.env(kept, "1000000000");
    }
    // The time that a program was given, unless somebody asks for another: other programs then matter less.
    if std::env::var_os("CLOCK").is_none() {
        command.env("CLOCK", "thread");
    }
    let output = command.arg(figure).args(traces).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    // What was left out, and why.
    said.lines().filter(|line| line.contains(": no ")).for_each(|line| eprintln!("{line}"));
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(Line::parse).collect()),
        false => Err(said.lines().last().unwrap_or("it failed and said nothing").to_owned()),
    }
}
