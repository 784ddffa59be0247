//! What the history of a JSON document or a dictionary holds, for people to read: its value, its groups, its conflicts,
//! its numbers.
//!
//! Knows these documents and lines of text. Does not know files; of texts `inspect` knows more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use cede::{AnyDocument, Deed, Dict, EventId, Group, Json, Mutation, Place};
use serde_json::Value;

use super::ToolError;
use super::names::Names;
use crate::glyph;
use crate::plural::counted;

/// How much of what a group did the log shows, in columns.
const PREVIEW_COLUMNS: usize = 48;

/// The plain value; `None` of a text.
pub(super) fn value(document: &AnyDocument) -> Option<Value> {
    match document {
        AnyDocument::Text(_) => None,
        AnyDocument::Json(json) => Some(json.to_value()),
        AnyDocument::Dict(dict) => Some(dict.to_value()),
    }
}

/// Prints a value, a line for each key and element.
pub(super) fn print(value: &Value, out: &mut impl Write) -> Result<(), ToolError> {
    writeln!(out, "{value:#}").map_err(ToolError::Output)
}

/// Prints the groups of a JSON document in the total order: name, size, parents, and the first operations.
pub(super) fn log_json(json: &Json, out: &mut impl Write) -> Result<(), ToolError> {
    let groups = json.groups();
    let table = Table::of(&groups);
    table.heading(out)?;
    groups.iter().try_for_each(|group| {
        let mut preview = String::new();
        for mutation in json.mutations_of(group.span).iter().take(PREVIEW_COLUMNS) {
            join(&mut preview, &told(mutation, table.names));
        }
        table.line(group, &preview, out)
    })
}

/// The same of a dictionary. What was dropped is counted.
pub(super) fn log_dict(dict: &Dict, out: &mut impl Write) -> Result<(), ToolError> {
    let groups = dict.groups();
    let table = Table::of(&groups);
    let first = |group: &Group| EventId::new(group.span.agent, group.span.start);
    let mut did: BTreeMap<EventId, (String, u64)> = groups.iter().map(|group| (first(group), <_>::default())).collect();
    for (id, _, entry) in dict.operations() {
        let Some((_, (preview, dropped))) = did.range_mut(..=id).next_back() else { continue };
        match entry {
            None => *dropped += 1,
            Some(_) if preview.chars().count() > PREVIEW_COLUMNS => {}
            Some(entry) => match entry.value {
                Some(value) => join(preview, &format!("{} = {value}", entry.key)),
                None => join(preview, &format!("{} removed", entry.key)),
            },
        }
    }
    table.heading(out)?;
    for group in &groups {
        let (preview, dropped) = did.remove(&first(group)).unwrap_or_default();
        let gone = if dropped == 0 { String::new() } else { format!("({dropped} dropped) ") };
        table.line(group, &format!("{gone}{preview}"), out)?;
    }
    match dict.dropped() {
        0 => Ok(()),
        dropped => {
            let events = counted(dropped, "event");
            writeln!(out, "{events} dropped: that they were there is known, and not what they did")
                .map_err(ToolError::Output)
        }
    }
}

fn join(preview: &mut String, more: &str) {
    if preview.chars().count() <= PREVIEW_COLUMNS {
        let parts = if preview.is_empty() { ["", more] } else { [", ", more] };
        preview.extend(parts.concat().chars().take(2 * PREVIEW_COLUMNS));
    }
}

/// An operation in words: the path of what it changes, and how.
fn told(mutation: &Mutation, names: Names) -> String {
    let place = |place: &Place| match place {
        Place::Key(key) => format!("/{key}"),
        Place::Element(id) => format!("/@{}", names.event(*id)),
    };
    let path: String = mutation.path.iter().map(|step| place(&step.place)).collect();
    match &mutation.deed {
        Deed::Assign { place: at, value } => format!("{path}{} = {value}", place(at)),
        Deed::Delete { place: at } => format!("{path}{} deleted", place(at)),
        Deed::Insert { value, .. } | Deed::InsertBehind { value, .. } => format!("{path} + {value}"),
    }
}

/// Lines of a log, one for each group.
struct Table {
    names: Names,
}

impl Table {
    fn of(groups: &[Group]) -> Self {
        let agents: BTreeSet<_> = groups.iter().map(|group| group.span.agent).collect();
        Self { names: Names::of(&agents) }
    }

    fn heading(&self, out: &mut impl Write) -> Result<(), ToolError> {
        self.print(["group", "events", "after", "what"], out)
    }

    fn line(&self, group: &Group, preview: &str, out: &mut impl Write) -> Result<(), ToolError> {
        let first = self.names.event(EventId::new(group.span.agent, group.span.start));
        let parents: Vec<String> = group.parents.ids().iter().map(|parent| self.names.event(*parent)).collect();
        let parents = if parents.is_empty() { "root".to_owned() } else { parents.join(",") };
        let preview = glyph::label(preview, PREVIEW_COLUMNS);
        self.print([&first, &group.span.len().to_string(), &parents, &preview], out)
    }

    fn print(&self, [group, events, parents, what]: [&str; 4], out: &mut impl Write) -> Result<(), ToolError> {
        let width = self.names.digits() + 9;
        writeln!(out, "{group:<width$} {events:>7}  {parents:<width$}  {what}").map_err(ToolError::Output)
    }
}

/// Prints each place where several things stand that were put there concurrently: the path, and each value with whose it
/// is.
pub(super) fn conflicts(json: &Json, out: &mut impl Write) -> Result<(), ToolError> {
    let table = Table::of(&json.groups());
    for conflict in json.conflicts() {
        let values = conflict.values.iter().map(|(id, value)| format!("{value} ({})", table.names.agent(id.agent)));
        let containers = conflict.map.iter().chain(&conflict.list).map(Value::to_string);
        let all: Vec<String> = values.chain(containers).collect();
        writeln!(out, "{}  {}", conflict.pointer, all.join("  ")).map_err(ToolError::Output)?;
    }
    Ok(())
}

/// Prints how much of everything there is. `bytes` is the size of the history file.
pub(super) fn stats_json(json: &Json, bytes: u64, out: &mut impl Write) -> Result<(), ToolError> {
    let (mut assigned, mut inserted, mut deleted) = (0, 0, 0);
    for mutation in json.operations().flat_map(|run| run.mutations) {
        match mutation.deed {
            Deed::Assign { .. } => assigned += 1,
            Deed::Delete { .. } => deleted += 1,
            Deed::Insert { .. } | Deed::InsertBehind { .. } => inserted += 1,
        }
    }
    let groups = json.groups();
    let lines = [
        ("events", json.event_count()),
        ("assignments", assigned),
        ("inserts", inserted),
        ("deletes", deleted),
        ("groups", groups.len() as u64),
        ("agents", agents(&groups)),
        ("conflicts", json.conflicts().len() as u64),
        ("bytes in the file", bytes),
    ];
    print_numbers(&lines, out)
}

/// The same of a dictionary.
pub(super) fn stats_dict(dict: &Dict, bytes: u64, out: &mut impl Write) -> Result<(), ToolError> {
    let groups = dict.groups();
    let lines = [
        ("events", dict.event_count()),
        ("dropped", dict.dropped()),
        ("keys", dict.len() as u64),
        ("removed keys", dict.entries().filter(|entry| entry.value.is_none()).count() as u64),
        ("groups", groups.len() as u64),
        ("agents", agents(&groups)),
        ("bytes in the file", bytes),
    ];
    print_numbers(&lines, out)
}

fn agents(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.span.agent).collect::<BTreeSet<_>>().len() as u64
}

fn print_numbers(lines: &[(&str, u64)], out: &mut impl Write) -> Result<(), ToolError> {
    lines.iter().try_for_each(|(name, number)| writeln!(out, "{name:<20}{number:>12}")).map_err(ToolError::Output)
}
