//! The program `cede`; all of it is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cede_tui::run(std::env::args_os().skip(1))
}
