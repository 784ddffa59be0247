//! Why a JSON document was not changed.

use crate::id::EventId;
use crate::log::WriteError;
use std::fmt;

/// An edit that was not made. The document is as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JsonError {
    /// The root is an object, and nothing else can be put there.
    RootIsAnObject,
    /// There is nothing at this place.
    Absent {
        /// The place, as a JSON Pointer (RFC 6901).
        pointer: String,
    },
    /// What stands at this place is not what the cursor wants to go into.
    WrongKind {
        /// The place, as a JSON Pointer.
        pointer: String,
        /// `"object"` or `"array"`.
        wanted: &'static str,
    },
    /// An index beyond the elements of an array.
    IndexBeyond {
        /// The array, as a JSON Pointer.
        pointer: String,
        /// The index.
        index: usize,
        /// How many elements there are.
        len: usize,
    },
    /// An element that was not inserted into that array before.
    NoSuchElement {
        /// The element.
        element: EventId,
    },
    /// A path with more steps than documents have.
    TooDeep {
        /// The most steps.
        limit: u8,
    },
    /// A name or string that is too long for one event, or the names along a path together.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The most bytes.
        limit: usize,
    },
    /// A value that one operation cannot put in place: it takes a scalar, `{}` or `[]`.
    NotOneOperation,
    /// The version to write at.
    At(WriteError),
}

impl<E: Into<WriteError>> From<E> for JsonError {
    fn from(error: E) -> Self {
        Self::At(error.into())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootIsAnObject => f.write_str("the root of a document is an object, and stays one"),
            Self::Absent { pointer } => write!(f, "there is nothing at {pointer:?}"),
            Self::WrongKind { pointer, wanted } => write!(f, "there is no {wanted} at {pointer:?}"),
            Self::IndexBeyond { pointer, index, len } => {
                write!(f, "index {index} in the array at {pointer:?}, which has {len} elements")
            }
            Self::NoSuchElement { element } => write!(f, "element {element} was not inserted into that array"),
            Self::TooDeep { limit } => write!(f, "deeper than {limit} steps"),
            Self::TooLong { len, limit } => write!(f, "a name, string or path of {len} bytes; {limit} are the most"),
            Self::NotOneOperation => {
                f.write_str("one operation puts a scalar, {} or [] in place, nothing with contents")
            }
            Self::At(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::At(error) => Some(error),
            _ => None,
        }
    }
}
