//! What the tests of Cede share: a plain oracle of the meaning, random histories, and the conformance cases.
//!
//! - [`oracle`] computes what every replica must show, slowly and literally, and shares no code with the engine;
//! - [`random`] gives seeded numbers and the `SEED` habit of every random test;
//! - [`conformance`] finds and reads the cases that any implementation must pass;
//! - [`forge`] writes updates that break the rules;
//! - [`fuzzing`] says what is fuzzed, and makes checksums right;
//! - [`figures`] measures ours on recorded sessions, as the peers' programs measure theirs;
//! - [`growth`] makes histories of any size, some of them hostile, and measures what they cost;
//! - [`live`] runs histories and cases on the engine;
//! - `terminal` puts real programs into pseudo-terminals, driven by keys and seen as screens.

pub mod conformance;
pub mod figures;
pub mod forge;
pub mod fuzzing;
pub mod growth;
pub mod live;
pub mod oracle;
pub mod random;
#[cfg(all(unix, feature = "programs"))]
pub mod terminal;

/// Says something that is to be seen although the test passes: what was run, what was skipped. (Cargo shows what
/// passing tests print only when asked to.)
pub fn tell(line: impl std::fmt::Display) {
    use std::io::Write;
    // Nobody listening is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{line}");
}
