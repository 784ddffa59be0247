//! Rooms in one redb file: a table from (room, number of the piece) to bytes.
//!
//! redb is copy-on-write with a checksum per page and syncs on commit, so a batch is there whole or not at all,
//! whenever the machine stops. A load costs one range scan, an append one look at the room's last key per piece.

use std::fmt;
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError};

use super::{Cause, Store, StoreError};
use crate::directory;
use crate::room::RoomName;

/// The key is (room, number); numbers rise from 0 without gaps until a room is rewritten.
const PIECES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("pieces");

/// What hosts have said, in one piece.
const SAID: TableDefinition<'_, (), &[u8]> = TableDefinition::new("said");

/// Keeps rooms in one file, crash-safe. One process at a time may have it open.
pub struct RedbStore {
    database: Database,
}

impl RedbStore {
    /// Opens the file, or creates it. Of several that do so at once one gets it.
    ///
    /// # Errors
    /// [`StoreError::Open`]: no database, in use by another process, or damaged beyond redb's own repair.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        begin(path).map_err(|error| StoreError::Open(error.into()))?;
        // What has no name or no bytes yet is made here, under the lock that all have to have.
        match Database::create(path) {
            Ok(database) => Ok(Self { database }),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreError::Open("another process has it open".into())),
            Err(error) => Err(StoreError::Open(error.into())),
        }
    }

    #[cfg(test)]
    fn on(disk: impl redb::StorageBackend) -> Result<Self, StoreError> {
        let database = Database::builder().set_cache_size(1 << 20).create_with_backend(disk);
        database.map(|database| Self { database }).map_err(|error| StoreError::Open(error.into()))
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

    fn read_said(&self) -> Result<Vec<u8>, redb::Error> {
        match self.database.begin_read()?.open_table(SAID) {
            Err(TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
            table => Ok(table?.get(())?.map_or_else(Vec::new, |said| said.value().to_vec())),
        }
    }

    fn write_said(&mut self, said: &[u8]) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.open_table(SAID)?.insert((), said)?;
        Ok(transaction.commit()?)
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

/// Makes an empty database where there is none. It gets its name when it is whole and on the disk: one that was being made
/// when the power went could not be opened.
fn begin(path: &Path) -> Result<(), redb::Error> {
    if std::fs::exists(path)? {
        return Ok(());
    }
    let beside = make_beside(path)?;
    let named = take_name(&beside, path);
    // One that stays is empty, or the store itself under a second name.
    let _ = std::fs::remove_file(&beside);
    Ok(named?)
}

/// Nobody else knows its name, so that of two who begin at once neither takes the other's for their own.
fn make_beside(path: &Path) -> Result<PathBuf, redb::Error> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(format!(".{:016x}.new", getrandom::u64().map_err(std::io::Error::other)?));
    drop(Database::create(&beside)?);
    std::fs::File::open(&beside)?.sync_all()?;
    Ok(beside.into())
}

/// Never in the place of another: somebody may have begun meanwhile, and have acknowledged what is in there.
fn take_name(beside: &Path, path: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(beside, path) {
        Ok(()) => directory::sync_name(path),
        // The name is taken, or the file system has no links: there the store is made in its place when it is opened.
        Err(_) => Ok(()),
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

    fn said(&mut self) -> Result<Vec<u8>, StoreError> {
        self.read_said().map_err(|error| StoreError::Open(error.into()))
    }

    fn keep_said(&mut self, said: &[u8]) -> Result<(), StoreError> {
        self.write_said(said).map_err(|error| StoreError::Write(error.into()))
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    //! Power cuts and faults at every call. `IMAGES=n` sets how many power cuts, `SEED=n` repeats one.

    use super::super::disk::{Disk, Fault};
    use super::*;
    use crate::simulation::Random;

    const ROOMS: usize = 3;

    fn room(number: usize) -> RoomName {
        format!("room{number}").parse().expect("a room name")
    }

    /// What each room has, and what the last call that failed would have made of it.
    #[derive(Clone, Default, Debug, PartialEq)]
    struct Model {
        acked: [Vec<Vec<u8>>; ROOMS],
        /// A batch is there whole or not at all.
        asked: [Vec<Vec<u8>>; ROOMS],
    }

    impl Model {
        /// Random calls on a store until one fails.
        fn live(&mut self, store: &mut RedbStore, random: &mut Random, calls: usize) -> Result<(), StoreError> {
            for _ in 0..calls {
                let number = random.below(ROOMS);
                match random.below(12) {
                    0 => {
                        let whole = self.acked[number].concat();
                        self.asked[number] = vec![whole.clone()];
                        store.replace(&room(number), &whole)?;
                    }
                    1 => {
                        self.asked[number].clear();
                        store.delete(&room(number))?;
                    }
                    _ => {
                        let batch: Vec<(RoomName, Vec<u8>)> = (0..1 + random.below(3))
                            .map(|_| {
                                let (number, len) = (random.below(ROOMS), random.below(3000));
                                let piece: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
                                self.asked[number].push(piece.clone());
                                (room(number), piece)
                            })
                            .collect();
                        store.append(&batch)?;
                    }
                }
                self.acked = self.asked.clone();
            }
            Ok(())
        }

        fn assert_kept(&self, store: &mut RedbStore, told: &str) -> Result<(), String> {
            let found: [_; ROOMS] = std::array::from_fn(|number| store.load(&room(number)));
            let found: Vec<_> =
                found.into_iter().collect::<Result<_, _>>().map_err(|error| format!("{told}: {error}"))?;
            match found == self.acked || found == self.asked {
                true => Ok(()),
                false => Err(format!("{told}: a store holds neither what it said nor what it was asked for")),
            }
        }
    }

    /// One life of a store on a disk on which something goes wrong, and what is there afterwards. The file is whole from
    /// the start ([`begin`]).
    fn lived(seed: u64, calls: usize, fault: Option<(u64, Fault)>) -> (Model, Disk) {
        let empty = Disk::new(Vec::new(), None);
        drop(RedbStore::on(empty.clone()).expect("a disk that works"));
        let (disk, mut model) = (Disk::new(empty.image(|_| 0), fault), Model::default());
        if let Ok(mut store) = RedbStore::on(disk.clone()) {
            // It fails where the fault is; what counts is what it had said by then.
            let _ = model.live(&mut store, &mut Random::from_seed(seed), calls);
        }
        (model, disk)
    }

    fn after_power_cut(seed: u64, fault: Fault) -> Result<(), String> {
        let random = &mut Random::from_seed(seed);
        let calls = 4 + random.below(12);
        let (_, whole) = lived(seed, calls, None);
        let cut = 1 + random.below(whole.calls() as usize) as u64;
        let (model, disk) = lived(seed, calls, Some((cut, fault)));
        let image = disk.image(|bound| random.below(bound));
        let told = format!("SEED={seed} {fault:?} at call {cut}");
        let mut store = RedbStore::on(Disk::new(image, None)).map_err(|error| format!("{told}: {error}"))?;
        model.assert_kept(&mut store, &told)
    }

    fn images(count: u64) -> std::ops::Range<u64> {
        let number =
            |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("SEED and IMAGES are numbers"));
        match number("SEED") {
            Some(seed) => seed..seed + 1,
            None => 0..number("IMAGES").unwrap_or(count),
        }
    }

    /// A folder that is gone when the test is.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("cede-net-redb-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<std::ffi::OsString> {
            std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            // The system clears its own folder in time if this fails.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// One that has found no store comes to name its own when another has stored something. With a rename the empty one takes
    /// the place of the other, and what was acknowledged is gone.
    #[test]
    fn a_store_that_is_begun_late_never_takes_the_place_of_one_that_is_used() {
        let place = Place::new("late");
        let path = place.0.join("rooms.redb");
        let late = make_beside(&path).unwrap();
        let mut store = RedbStore::open(&path).unwrap();
        store.append(&[(room(0), b"acknowledged".to_vec())]).unwrap();
        take_name(&late, &path).unwrap();
        assert_eq!(
            RedbStore::open(&path).unwrap_err().to_string(),
            "the store cannot be opened: another process has it open"
        );
        drop(store);
        assert_eq!(RedbStore::open(&path).unwrap().load(&room(0)).unwrap(), [b"acknowledged"]);
    }

    /// Whoever is told that the store is theirs finds again what they have stored. With a rename several are told so in one of a
    /// few rounds.
    #[test]
    fn of_several_that_begin_at_once_one_gets_the_store_and_keeps_it() {
        for _ in 0..20 {
            let place = Place::new("at-once");
            let path = &place.0.join("rooms.redb");
            let open = |number: usize| {
                let mut store = RedbStore::open(path).ok()?;
                store.append(&[(room(number), b"acknowledged".to_vec())]).unwrap();
                Some(store)
            };
            let stores: Vec<_> = std::thread::scope(|scope| {
                let started: Vec<_> = (0..ROOMS).map(|number| scope.spawn(move || open(number))).collect();
                started.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let got: Vec<usize> = (0..ROOMS).filter(|&number| stores[number].is_some()).collect();
            assert_eq!(got.len(), 1, "{got:?} have it");
            drop(stores);
            assert_eq!(RedbStore::open(path).unwrap().load(&room(got[0])).unwrap(), [b"acknowledged"]);
            assert_eq!(place.names(), ["rooms.redb"], "nothing is left beside it");
        }
    }

    #[test]
    fn a_file_without_bytes_becomes_a_store() {
        let place = Place::new("empty");
        let path = place.0.join("rooms.redb");
        std::fs::write(&path, b"").unwrap();
        RedbStore::open(&path).unwrap().append(&[(room(0), vec![1])]).unwrap();
        assert_eq!(RedbStore::open(&path).unwrap().load(&room(0)).unwrap(), [[1]]);
    }

    #[test]
    fn nothing_acknowledged_is_lost_in_a_power_cut() {
        for seed in images(2_000) {
            after_power_cut(seed, Fault::PowerCut).unwrap_or_else(|lost| panic!("{lost}"));
        }
    }

    /// The test above would see it if a sync did nothing.
    #[test]
    fn a_disk_that_lies_once_is_caught() {
        // What a lying disk leaves behind, redb may take for impossible.
        let is_noticed = |seed| {
            std::panic::catch_unwind(|| after_power_cut(seed, Fault::SyncLies)).map_or(true, |kept| kept.is_err())
        };
        let lost = (0..400).filter(|&seed| is_noticed(seed)).count();
        assert!(lost > 0, "400 disks lied and nobody noticed");
    }

    /// Whatever fails, and wherever: what was said before stays, and what is said afterwards is true.
    #[test]
    fn a_fault_at_any_call_loses_nothing_that_was_acknowledged() {
        let calls = 12;
        let (_, whole) = lived(7, calls, None);
        for fault in [Fault::Error, Fault::Full, Fault::ShortWrite, Fault::SyncFails] {
            for at in 1..=whole.calls() {
                let (model, disk) = lived(7, calls, Some((at, fault)));
                let random = &mut Random::from_seed(at);
                let image = disk.image(|bound| random.below(bound));
                let told = format!("{fault:?} at call {at}");
                let mut store = RedbStore::on(Disk::new(image, None)).unwrap_or_else(|error| panic!("{told}: {error}"));
                model.assert_kept(&mut store, &told).unwrap_or_else(|lost| panic!("{lost}"));
            }
        }
    }
}
