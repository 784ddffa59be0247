//! How peers are measured: what the programs beside this package share, whichever engines they know.
//!
//! - [`trace`] reads recorded sessions, [`replay`] lives one through again, with a replica for each author;
//! - [`json`] has scripts of edits of JSON documents, and measures whoever makes them;
//! - [`figures`] says what can be measured and when a trace has that figure; [`report`] measures, checks and prints lines.
//!
//! Knows no engine. Diamond-types is a package of its own, as its newest code is in no registry; it must not make the others wait.

pub mod figures;
pub mod json;
pub mod replay;
pub mod report;
pub mod trace;
