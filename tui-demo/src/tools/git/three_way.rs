//! Three JSON values merged into one, by path.
//!
//! Knows values only. What both come from becomes a document, each side a replica of it that is brought to what it says,
//! and the merge is that of the engine: what one side alone has changed is taken, elements that both have inserted are both
//! kept, and an edit outlives the deletion of what it is in.

use cede::{AgentId, Conflict, ImportError, Json, JsonError, Summary};
use serde_json::{Value, json};

/// Documents have an object at their root, and files may have anything.
const ROOT: &str = "root";

/// What comes of a merge.
pub(super) struct Merged {
    pub(super) value: Value,
    /// The same with everything that clashes as it is on one side.
    pub(super) ours: Value,
    pub(super) theirs: Value,
    /// The paths at which the sides put different values, each with these.
    pub(super) clashes: Vec<String>,
}

pub(super) fn merge(base: Option<&Value>, ours: &Value, theirs: &Value) -> Result<Merged, JsonError> {
    let mut origin = Json::new(AgentId::new(1));
    if let Some(base) = base {
        origin.update(&json!({ROOT: base}))?;
    }
    let [left, right] = [side(&origin, AgentId::new(2), ours)?, side(&origin, AgentId::new(3), theirs)?];
    let mut merged = left.clone();
    taken_in(right.encode_since(&merged.summary()).map_or(Ok(()), |bytes| merged.import(&bytes).map(drop)));
    let plain = merged.to_value();
    let (mut ours, mut theirs, mut clashes) = (plain.clone(), plain.clone(), Vec::new());
    for conflict in merged.conflicts().iter().filter(|conflict| is_clash(conflict)) {
        let pointer = &conflict.pointer;
        let [left, right] = [&left, &right].map(|side| counterpart(&merged, &plain, side, pointer));
        clashes.push(told(pointer, left.as_ref(), right.as_ref()));
        for (whole, value) in [(&mut ours, left), (&mut theirs, right)] {
            // What is in something that clashes itself has been taken with it.
            if let (Some(place), Some(value)) = (whole.pointer_mut(pointer), value) {
                *place = value;
            }
        }
    }
    let [value, ours, theirs] = [plain, ours, theirs].map(|mut whole| whole[ROOT].take());
    Ok(Merged { value, ours, theirs, clashes })
}

/// A replica of `origin` brought to what one side says.
fn side(origin: &Json, agent: AgentId, value: &Value) -> Result<Json, JsonError> {
    let mut side = Json::new(agent);
    taken_in(origin.encode_since(&Summary::new()).map_or(Ok(()), |bytes| side.import(&bytes).map(drop)));
    side.update(&json!({ROOT: value}))?;
    Ok(side)
}

fn taken_in(imported: Result<(), ImportError>) {
    assert!(imported.is_ok(), "what was written a moment ago is refused: {imported:?}");
}

/// Whether several things stand at one place that are not the same.
fn is_clash(conflict: &Conflict) -> bool {
    let mut values = conflict.values.iter().map(|(_, value)| value);
    let first = values.next();
    conflict.map.is_some() || conflict.list.is_some() || values.any(|value| Some(value) != first)
}

/// What stands on one side at a place of the merged document, whose plain reading is `plain`.
fn counterpart(merged: &Json, plain: &Value, side: &Json, pointer: &str) -> Option<Value> {
    let (mut here, mut there, mut shown) = (merged.root(), side.root(), plain);
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        match shown {
            Value::Object(entries) => {
                (here, there, shown) = (here.get(&token), there.get(&token), entries.get(&token)?);
            }
            Value::Array(elements) => {
                let index: usize = token.parse().ok()?;
                here = here.at(index);
                // Indexes differ between the sides, ids do not.
                (there, shown) = (there.element(here.id()?), elements.get(index)?);
            }
            _ => return None,
        }
    }
    there.value()
}

fn told(pointer: &str, ours: Option<&Value>, theirs: Option<&Value>) -> String {
    let path = pointer.strip_prefix("/root").filter(|path| !path.is_empty()).unwrap_or("the root");
    let value = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    format!("{path}: ours {}, theirs {}", value(ours), value(theirs))
}
