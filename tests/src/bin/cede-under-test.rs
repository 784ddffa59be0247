//! The program `cede`, built along with the tests that drive it: Cargo gives a test the path of its own package's
//! programs only. The entry is that of the real one.

use std::process::ExitCode;

fn main() -> ExitCode {
    cede_tui::run(std::env::args_os().skip(1))
}
