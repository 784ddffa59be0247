//! What one worker leaves in the inbox of the other: META, DATA or DONE, as a line of JSON.
//!
//! Knows the fields and what each kind has to have in them. Does not know when which of them is sent.
//!
//! ```text
//! {"type":"META","seq":1,"from":7190,"to":null,"at":null,"data":[-3,90,25]}       minimum, maximum, count
//! {"type":"DATA","seq":3,"from":7190,"to":4242,"at":10,"data":[5,5,8]}            the values from index 10 on
//! {"type":"DONE","seq":6,"from":7190,"to":4242,"at":25,"data":[]}                 that were all of them
//! ```

use cede::sync::Bounds;
use serde::{Deserialize, Serialize};

use super::error::Fault;

/// How many values one DATA has at most, and how many are put out in one step.
pub const MOST_VALUES: usize = 10;

/// One life of a worker: from a start without a state that it could go on from, up to the next one. Drawn at random
/// below 2^53, so that every program that reads JSON reads the same number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Life(pub u64);

/// Which of the three a message is; its name has four characters of the five that there are room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// What the sender holds.
    Meta,
    /// Some of its values.
    Data,
    /// There are no more.
    Done,
}

impl Kind {
    /// As it stands in a message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "META",
            Self::Data => "DATA",
            Self::Done => "DONE",
        }
    }
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Which of the three.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The number of this message among those that the sender has made in this life, from 1 on. A message that comes
    /// twice has the same one both times.
    pub seq: u64,
    /// The life of the sender.
    pub from: Life,
    /// The life that it is meant for; `None` from somebody who has not heard of the other yet.
    pub to: Option<Life>,
    /// DATA: the index of the first value. DONE: how many values there were. META: the index from which the sender takes the
    /// receiver's values, `None` from one who takes none, or has not read the receiver's META.
    pub at: Option<u64>,
    /// DATA: the values, ascending. META: minimum, maximum, count.
    pub data: Vec<i64>,
}

impl Message {
    /// From the bytes of an inbox.
    ///
    /// # Errors
    /// [`Fault::Json`] with line and column, or what a message of its kind lacks.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let message: Self = serde_json::from_slice(bytes).map_err(Fault::Json)?;
        let is_whole = match message.kind {
            Kind::Meta => Extent::of_meta(&message.data).is_some(),
            Kind::Data => message.at.is_some() && (1..=MOST_VALUES).contains(&message.data.len()),
            Kind::Done => message.at.is_some() && message.data.is_empty(),
        };
        if is_whole { Ok(message) } else { Err(Fault::Shape(message.kind)) }
    }

    /// As a line of JSON.
    pub fn encode(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("numbers and lists of numbers are JSON");
        line.push(b'\n');
        line
    }
}

/// What META says of a sorted list. Of an empty one the bounds are 0 and mean nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Extent {
    /// The least value.
    pub min: i64,
    /// The largest value.
    pub max: i64,
    /// How many there are.
    pub count: u64,
}

impl Extent {
    /// Of values that ascend.
    pub fn of(values: &[i64]) -> Self {
        let count = values.len() as u64;
        match Bounds::of(values) {
            Some(Bounds { min, max }) => Self { min, max, count },
            None => Self { min: 0, max: 0, count },
        }
    }

    /// Of the numbers of a META, if they can be those of a list.
    pub fn of_meta(data: &[i64]) -> Option<Self> {
        let &[min, max, count] = data else { return None };
        let count = u64::try_from(count).ok()?;
        let is_possible = if count == 0 { (min, max) == (0, 0) } else { min <= max && (count > 1 || min == max) };
        is_possible.then_some(Self { min, max, count })
    }

    /// As the numbers of a META.
    pub fn to_meta(self) -> Vec<i64> {
        // A list with more values than an `i64` counts has no room in any memory.
        vec![self.min, self.max, i64::try_from(self.count).unwrap_or(i64::MAX)]
    }

    /// Its first and last value, if it has any.
    pub fn bounds(self) -> Option<Bounds<i64>> {
        (self.count > 0).then_some(Bounds { min: self.min, max: self.max })
    }
}
