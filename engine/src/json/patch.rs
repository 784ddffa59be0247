//! What changes in the plain reading, as JSON Patch (RFC 6902), for whoever shows it.
//!
//! An operation touches the keys along its path. The first of them under which something else is shown than before is
//! where the change is; below it everything goes with it. So a patch costs a look at each step of the path, and what it
//! brings.

use super::operations::{Action, ContainerId, Kind, Operation};
use super::read::{Step, View};
use super::tree::{JsonLog, Spot, Tree, spot_of};
use super::update::size_of_value;
use crate::id::Local;
use crate::log::Told;
use crate::tree::make_room;
use serde_json::{Value, json};
use std::fmt;

/// Changes of the plain reading, to be made one after the other.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct JsonPatch {
    /// In order.
    pub operations: Vec<PatchOp>,
}

/// One change of the plain reading.
#[derive(Clone, PartialEq, Debug)]
pub enum PatchOp {
    /// Something stands at a place where nothing stood; elements of an array behind it move.
    Add {
        /// The place.
        path: Vec<Step>,
        /// What stands there.
        value: Value,
    },
    /// Something is gone.
    Remove {
        /// The place.
        path: Vec<Step>,
    },
    /// Something else stands at a place.
    Replace {
        /// The place.
        path: Vec<Step>,
        /// What stands there.
        value: Value,
    },
}

impl PatchOp {
    /// How many values and steps it says.
    fn size(&self) -> usize {
        match self {
            Self::Add { path, value } | Self::Replace { path, value } => path.len() + size_of_value(value),
            Self::Remove { path } => path.len(),
        }
    }
}

impl JsonPatch {
    pub(super) fn whole(value: Value) -> Self {
        Self { operations: vec![PatchOp::Replace { path: Vec::new(), value }] }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// As RFC 6902 writes it.
    pub fn to_value(&self) -> Value {
        let operations = self.operations.iter().map(|operation| match operation {
            PatchOp::Add { path, value } => json!({"op": "add", "path": pointer(path), "value": value}),
            PatchOp::Remove { path } => json!({"op": "remove", "path": pointer(path)}),
            PatchOp::Replace { path, value } => json!({"op": "replace", "path": pointer(path), "value": value}),
        });
        operations.collect()
    }
}

impl fmt::Display for JsonPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

/// A path as a JSON Pointer (RFC 6901).
pub(super) fn pointer(path: &[Step]) -> String {
    let mut pointer = String::new();
    for step in path {
        pointer.push('/');
        match step {
            Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => pointer.push_str(&index.to_string()),
        }
    }
    pointer
}

/// Whether somebody wants to know what changes.
#[derive(Default)]
pub(crate) enum Telling {
    #[default]
    Silent,
    Patches {
        patch: JsonPatch,
        /// How many values and steps of paths it says.
        said: usize,
    },
    /// So much that it is quicker told what there is afterwards.
    Whole,
}

/// So many values and steps of paths are told one change after the other. A map or list that is assigned again is told with everything in
/// it, so a few bytes could ask for any number.
const MOST_TOLD: usize = 1 << 16;

impl Told for Telling {
    fn len(&self) -> usize {
        match self {
            Self::Patches { patch, .. } => patch.operations.len(),
            Self::Silent | Self::Whole => 0,
        }
    }

    fn truncate(&mut self, len: usize) {
        if let Self::Patches { patch, .. } = self {
            patch.operations.truncate(len);
        }
    }
}

impl Telling {
    /// The patch, if `whole` tells what there is now.
    pub(super) fn into_patch(self, whole: impl FnOnce() -> Value) -> JsonPatch {
        match self {
            Self::Silent => JsonPatch::default(),
            Self::Patches { patch, .. } => patch,
            Self::Whole => JsonPatch::whole(whole()),
        }
    }

    /// Applies an operation and tells what it changes.
    pub(super) fn follow(&mut self, tree: &mut Tree, log: &JsonLog, event: Local) {
        let Self::Patches { patch, said } = self else { return tree.apply(log, event) };
        let keys = keys_of(log, event);
        let before = keys.shown(View { log, tree });
        tree.apply(log, event);
        let Some(change) = keys.change(View { log, tree }, &before) else { return };
        *said += change.size();
        make_room(&mut patch.operations, 1);
        patch.operations.push(change);
        if *said > MOST_TOLD {
            *self = Self::Whole;
        }
    }
}

/// The keys that an operation touches, from the root on, the last one its own.
struct Keys {
    keys: Vec<(ContainerId, Spot)>,
    /// The type as which each but the last is passed.
    kinds: Vec<Kind>,
}

/// What was shown under each key, and the value under the last.
struct Shown {
    kinds: Vec<Option<Kind>>,
    value: Option<Value>,
}

fn keys_of(log: &JsonLog, event: Local) -> Keys {
    let Operation { container, action } = log.contents().operation(event.0);
    let path = log.contents().path(container);
    let mut keys: Vec<(ContainerId, Spot)> = path.iter().map(|step| (step.parent, spot_of(log, step.key))).collect();
    keys.push(match action {
        Action::Assign { key, .. } | Action::Delete { key } => (container, spot_of(log, key)),
        Action::Insert { .. } => (container, Spot::Element(event)),
    });
    Keys { keys, kinds: path.iter().map(|step| step.kind()).collect() }
}

impl Keys {
    fn shown(&self, view: View<'_>) -> Shown {
        let kind =
            |&(container, spot): &(ContainerId, Spot)| view.tree.slot(view.log, container, spot)?.shown(view.log);
        let kinds: Vec<Option<Kind>> = self.keys.iter().map(kind).collect();
        // The value of a register is compared; a map or list that is assigned is replaced in any case.
        let is_register = kinds.last() == Some(&Some(Kind::Register));
        let last = self.keys.last().filter(|_| is_register);
        Shown { kinds, value: last.and_then(|&(container, spot)| view.plain_at(container, spot)) }
    }

    fn change(&self, view: View<'_>, before: &Shown) -> Option<PatchOp> {
        let after = self.shown(view);
        let mut path = Vec::with_capacity(self.keys.len());
        for (number, &(container, spot)) in self.keys.iter().enumerate() {
            path.push(view.step(container, spot));
            let (was, is) = (before.kinds[number], after.kinds[number]);
            let is_last = number + 1 == self.keys.len();
            if was == is && !is_last {
                if is != Some(self.kinds[number]) {
                    // Something else is shown here than what the operation is in.
                    return None;
                }
                continue;
            }
            if is_last && was == is && is.is_none_or(|kind| kind == Kind::Register) && before.value == after.value {
                return None;
            }
            return Some(match (was, view.plain_at(container, spot)) {
                (_, None) => PatchOp::Remove { path },
                (None, Some(value)) => PatchOp::Add { path, value },
                (Some(_), Some(value)) => PatchOp::Replace { path, value },
            });
        }
        None
    }
}
