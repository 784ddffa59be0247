//! Real programs in pseudo-terminals, driven as a person would: by keys and by what is on the screen.
//!
//! Every test runs the program `cede` itself, in a folder and at ports of its own. Nothing sleeps: each step waits for
//! the screen that a person would wait for.

#![cfg(unix)]

mod alone;
mod dictionary;
mod faults;
mod folder;
mod hostile;
mod peer;
mod recorded;
mod screens;
mod together;

use cede_tests::terminal::desk::Desk;

fn desk() -> Desk {
    Desk::new(env!("CARGO_BIN_EXE_cede-under-test"))
}
