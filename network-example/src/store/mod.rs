//! Where rooms are kept: pieces of events, appended per room, in order.
//!
//! A store knows names and bytes, never what the bytes mean. It is owned by one thread, which appends in batches so
//! that one commit serves everybody who waited for it.

#[cfg(test)]
mod disk;
mod redb;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use self::redb::RedbStore;
use crate::room::RoomName;

/// Keeps rooms. One thread calls it, one call at a time.
pub trait Store: Send + 'static {
    /// All pieces of a room, in the order in which they were appended; none for a room that nobody has written to.
    ///
    /// # Errors
    /// [`StoreError::Read`]: the room is refused, other rooms go on.
    fn load(&mut self, room: &RoomName) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Appends these pieces, in this order. When it returns `Ok`, all of them are durable; otherwise none may be
    /// counted on, and the server stops acknowledging.
    ///
    /// # Errors
    /// [`StoreError::Write`]. The server does not retry: what a failed sync has left behind is unknown.
    fn append(&mut self, batch: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError>;

    /// Puts one piece in the place of all pieces of a room; called after reading one that has come in many pieces, and when a
    /// room that is edited has become much larger than it has to be. Both mean the same, so a store may do nothing, which is the default.
    ///
    /// # Errors
    /// [`StoreError::Write`], with the pieces as they were.
    fn replace(&mut self, room: &RoomName, whole: &[u8]) -> Result<(), StoreError> {
        let _ = (room, whole);
        Ok(())
    }

    /// Forgets a room and all of its pieces. When it returns `Ok`, that is durable.
    ///
    /// # Errors
    /// [`StoreError::Write`], with the pieces as they were; so by default, for a store that cannot.
    fn delete(&mut self, room: &RoomName) -> Result<(), StoreError> {
        let _ = room;
        Err(StoreError::Write("rooms of this store cannot be deleted".into()))
    }

    /// What was given to [`Store::keep_said`] last; by default nothing.
    ///
    /// # Errors
    /// [`StoreError::Open`]: the server does not start, for somebody might come in who has been shown out.
    fn said(&mut self) -> Result<Vec<u8>, StoreError> {
        Ok(Vec::new())
    }

    /// Keeps what hosts have said about tokens, in the place of what it kept before; when it returns `Ok`, that is durable.
    /// By default it does nothing, and what was said ends with the server.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    fn keep_said(&mut self, said: &[u8]) -> Result<(), StoreError> {
        let _ = said;
        Ok(())
    }
}

/// Why a store could not do something; the cause is the store's own error.
#[derive(Debug)]
pub enum StoreError {
    /// The store itself could not be opened.
    Open(Cause),
    /// A room could not be read.
    Read {
        /// Which.
        room: RoomName,
        /// Why.
        cause: Cause,
    },
    /// There is no such room, and none is made.
    Absent {
        /// Which.
        room: RoomName,
    },
    /// A batch could not be made durable.
    Write(Cause),
}

/// The error of whatever the store is built on.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(cause) => write!(f, "the store cannot be opened: {cause}"),
            Self::Read { room, cause } => {
                write!(f, "room {room} cannot be read from the store: {cause}")
            }
            Self::Absent { room } => write!(f, "there is no room {room} here"),
            Self::Write(cause) => write!(f, "the store cannot write: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(cause) | Self::Read { cause, .. } | Self::Write(cause) => Some(cause.as_ref()),
            Self::Absent { .. } => None,
        }
    }
}

/// Keeps rooms until the process ends. Clones share their rooms, so a test can stop a server and start another on
/// what the first one left.
#[derive(Clone, Default, Debug)]
pub struct MemoryStore {
    rooms: Arc<Mutex<BTreeMap<RoomName, Vec<Vec<u8>>>>>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl MemoryStore {
    fn rooms(&self) -> std::sync::MutexGuard<'_, BTreeMap<RoomName, Vec<Vec<u8>>>> {
        // A map of bytes is whole between any two statements, so a panic elsewhere has not broken it.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load(&mut self, room: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.rooms().get(room).cloned().unwrap_or_default())
    }

    fn append(&mut self, batch: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
        let mut rooms = self.rooms();
        for (room, piece) in batch {
            rooms.entry(room.clone()).or_default().push(piece.clone());
        }
        Ok(())
    }

    fn replace(&mut self, room: &RoomName, whole: &[u8]) -> Result<(), StoreError> {
        self.rooms().insert(room.clone(), vec![whole.to_vec()]);
        Ok(())
    }

    fn delete(&mut self, room: &RoomName) -> Result<(), StoreError> {
        self.rooms().remove(room);
        Ok(())
    }

    fn said(&mut self) -> Result<Vec<u8>, StoreError> {
        Ok(self.said.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn keep_said(&mut self, said: &[u8]) -> Result<(), StoreError> {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = said.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every store must do; `open` opens the same store again.
    fn keeps_rooms<S: Store>(mut open: impl FnMut() -> S) {
        let [a, b]: [RoomName; 2] = ["a", "b"].map(|name| name.parse().unwrap());
        let piece = |text: &str| text.as_bytes().to_vec();

        let mut store = open();
        assert!(store.load(&a).unwrap().is_empty());
        store.append(&[(a.clone(), piece("1")), (b.clone(), piece("x")), (a.clone(), piece(""))]).unwrap();
        store.append(&[(a.clone(), piece("2"))]).unwrap();
        store.append(&[]).unwrap();
        assert!(store.said().unwrap().is_empty());
        store.keep_said(b"never").unwrap();
        store.keep_said(b"not here").unwrap();
        drop(store);

        let mut store = open();
        assert_eq!(store.load(&a).unwrap(), [piece("1"), piece(""), piece("2")]);
        assert_eq!(store.load(&b).unwrap(), [piece("x")]);
        store.replace(&a, b"12").unwrap();
        store.append(&[(a.clone(), piece("3"))]).unwrap();
        drop(store);

        let mut store = open();
        assert_eq!(store.load(&a).unwrap(), [piece("12"), piece("3")]);
        assert_eq!(store.load(&b).unwrap(), [piece("x")]);
        store.delete(&a).unwrap();
        drop(store);

        let mut store = open();
        assert_eq!(store.said().unwrap(), b"not here");
        assert!(store.load(&a).unwrap().is_empty());
        assert_eq!(store.load(&b).unwrap(), [piece("x")]);
    }

    #[test]
    fn memory_keeps_rooms() {
        let store = MemoryStore::default();
        keeps_rooms(|| store.clone());
    }

    #[test]
    fn redb_keeps_rooms() {
        let folder = std::env::temp_dir().join(format!("cede-net-store-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("rooms.redb");
        keeps_rooms(|| RedbStore::open(&file).unwrap());

        std::fs::write(&file, b"this is no database, and long enough to have a header of one").unwrap();
        let error = RedbStore::open(&file).unwrap_err().to_string();
        assert!(error.starts_with("the store cannot be opened: "), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
