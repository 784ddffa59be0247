//! What a history holds, for people to read: its text, its groups, its numbers.
//!
//! Knows documents and lines of text. Does not know files.

use std::collections::BTreeMap;
use std::io::Write;

use cede::{Buffer, Document, EventId, Frontier, Group};

use super::ToolError;
use super::names::Names;
use crate::glyph;

/// How much of a group's text the log shows, in columns.
const PREVIEW_COLUMNS: usize = 40;

/// Prints the text at a version, the last one without it. O(log) at a version, O(text) without.
pub(super) fn cat(document: &Document, at: Option<&Frontier>, out: &mut impl Write) -> Result<(), ToolError> {
    match at {
        None => print(document.text(), out),
        Some(at) => print(&document.checkout(at).map_err(ToolError::Version)?, out),
    }
}

/// Prints a text as it is.
pub(super) fn print(text: &Buffer, out: &mut impl Write) -> Result<(), ToolError> {
    text.chunks().try_for_each(|chunk| out.write_all(chunk.as_bytes())).map_err(ToolError::Output)
}

/// Prints the groups in the total order: name, size, parents, and the beginning of what was inserted.
pub(super) fn log(document: &Document, out: &mut impl Write) -> Result<(), ToolError> {
    let runs = Runs::of(document);
    let names = Names::of(&document.groups().into_iter().map(|group| group.span.agent).collect());
    let mut print = |line: [&str; 5]| {
        let [group, inserted, deleted, parents, text] = line;
        let width = names.digits() + 9;
        writeln!(out, "{group:<width$} {inserted:>7} {deleted:>7}  {parents:<width$}  {text}")
            .map_err(ToolError::Output)
    };
    print(["group", "typed", "deleted", "after", "text"])?;
    for group in document.groups() {
        let Run { inserted, deleted, preview } = runs.in_group(&group);
        let first = names.event(EventId { agent: group.span.agent, clock: group.span.start });
        let parents: Vec<String> = group.parents.ids().iter().map(|parent| names.event(*parent)).collect();
        let parents = if parents.is_empty() { "root".to_owned() } else { parents.join(",") };
        let text = glyph::label(&preview, PREVIEW_COLUMNS);
        print([&first, &format!("+{inserted}"), &format!("-{deleted}"), &parents, &text])?;
    }
    Ok(())
}

/// Prints how much of everything there is. `bytes` is the size of the history file.
pub(super) fn stats(document: &Document, bytes: u64, out: &mut impl Write) -> Result<(), ToolError> {
    let stats = document.stats();
    let lines = [
        ("events", stats.events),
        ("inserts", stats.inserts),
        ("deletes", stats.deletes),
        ("groups", stats.groups),
        ("runs of the graph", stats.runs),
        ("runs of operations", stats.operation_runs),
        ("agents", stats.agents),
        ("critical versions", stats.critical_versions),
        ("bytes typed", stats.inserted_bytes),
        ("bytes of text", stats.visible_bytes),
        ("bytes in the file", bytes),
    ];
    lines.into_iter().try_for_each(|(name, number)| writeln!(out, "{name:<20}{number:>12}")).map_err(ToolError::Output)
}

/// What some events did.
#[derive(Clone, Debug, Default)]
struct Run {
    inserted: usize,
    deleted: usize,
    /// The beginning of the text inserted.
    preview: String,
}

/// What each run of operations did, by its first event.
struct Runs(BTreeMap<EventId, Run>);

impl Runs {
    fn of(document: &Document) -> Self {
        let mut runs = BTreeMap::new();
        for operation in document.operations() {
            let first = EventId { agent: operation.span.agent, clock: operation.span.start };
            let run: &mut Run = runs.entry(first).or_default();
            for edit in operation.edits {
                run.deleted += edit.deleted.0;
                run.inserted += edit.inserted.chars().count();
                run.preview_more(&edit.inserted);
            }
        }
        Self(runs)
    }

    fn in_group(&self, group: &Group) -> Run {
        let id = |clock| EventId { agent: group.span.agent, clock };
        let mut sum = Run::default();
        for run in self.0.range(id(group.span.start)..id(group.span.end)).map(|(_, run)| run) {
            sum.deleted += run.deleted;
            sum.inserted += run.inserted;
            sum.preview_more(&run.preview);
        }
        sum
    }
}

impl Run {
    /// No character takes less than no columns, and few take none: twice the columns are characters enough.
    fn preview_more(&mut self, text: &str) {
        let room = (2 * PREVIEW_COLUMNS).saturating_sub(self.preview.chars().count());
        self.preview.extend(text.chars().take(room));
    }
}
