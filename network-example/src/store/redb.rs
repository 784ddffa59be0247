//! Rooms in one redb file: a table from (room, number of the piece) to bytes.
//!
//! redb is copy-on-write with a checksum per page and syncs on commit, so a batch is there whole or not at all,
//! whenever the machine stops. A load costs one range scan, an append one look at the room's last key per piece.

use std::fmt;
use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError};

use super::{Cause, Store, StoreError};
use crate::room::RoomName;

/// The key is (room, number); numbers rise from 0 without gaps until a room is rewritten.
const PIECES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("pieces");

/// Keeps rooms in one file, crash-safe. One process at a time may have it open.
pub struct RedbStore {
    database: Database,
}

impl RedbStore {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// [`StoreError::Open`]: no database, in use by another process, or damaged beyond redb's own repair.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        match Database::create(path) {
            Ok(database) => Ok(Self { database }),
            Err(error) => Err(StoreError::Open(error.into())),
        }
    }

    fn read(&self, room: &RoomName) -> Result<Vec<Vec<u8>>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let table = match transaction.open_table(PIECES) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            table => table?,
        };
        let mut pieces = Vec::new();
        for entry in table.range(keys(room))? {
            pieces.push(entry?.1.value().to_vec());
        }
        Ok(pieces)
    }

    /// One transaction, synced before it returns.
    fn write(
        &mut self,
        change: impl FnOnce(&mut Table<'_, (&'static str, u64), &'static [u8]>) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        // The default, said aloud because acks depend on it.
        transaction.set_durability(Durability::Immediate)?;
        change(&mut transaction.open_table(PIECES)?)?;
        Ok(transaction.commit()?)
    }
}

fn keys(room: &RoomName) -> std::ops::RangeInclusive<(&str, u64)> {
    (room.as_str(), 0)..=(room.as_str(), u64::MAX)
}

impl Store for RedbStore {
    fn load(&mut self, room: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(room).map_err(|error| StoreError::Read { room: room.clone(), cause: Cause::from(error) })
    }

    fn append(&mut self, batch: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
        let appended = self.write(|table| {
            for (room, piece) in batch {
                let next = match table.range(keys(room))?.next_back().transpose()? {
                    Some((key, _)) => key.value().1 + 1,
                    None => 0,
                };
                table.insert((room.as_str(), next), piece.as_slice())?;
            }
            Ok(())
        });
        appended.map_err(|error| StoreError::Write(error.into()))
    }

    fn replace(&mut self, room: &RoomName, whole: &[u8]) -> Result<(), StoreError> {
        let replaced = self.write(|table| {
            table.retain_in(keys(room), |_, _| false)?;
            table.insert((room.as_str(), 0), whole)?;
            Ok(())
        });
        replaced.map_err(|error| StoreError::Write(error.into()))
    }

    fn delete(&mut self, room: &RoomName) -> Result<(), StoreError> {
        let deleted = self.write(|table| Ok(table.retain_in(keys(room), |_, _| false)?));
        deleted.map_err(|error| StoreError::Write(error.into()))
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}
