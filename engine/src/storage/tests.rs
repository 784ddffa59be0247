//! Lives of a log file on a disk that loses power or fails. `IMAGES=n` sets how many images of a disk without power are
//! looked at, `CALLS=n` how long the life is at whose every call something fails.
//!
//! A record is *acknowledged* when a sync behind it, or a rewrite with it, has said that all is well. A disk that lies once is
//! the bug that is planted for good. Others that were planted and caught, most of them by the faults alone:
//! - `begin` does not sync, or not the name; the first sync of a file that was opened does not sync the name;
//! - `sync` writes its seal before it syncs, or goes on after a sync that failed;
//! - `rewrite` does not sync what it wrote, or its name, or goes on when the name could not be synced;
//! - `open` does not write once more what no seal vouches for, or not the last seal (only a sync behind it vouches for that),
//!   or does not sync a header that it wrote once more;
//! - a file with seals is read by the rule of version 2.
//!
//! Not caught, because no harm comes of it where seals are: what a failed append has left is not taken back, or appends go on
//! when it cannot be. The next one covers it, and what it does not cover counts as torn.

use super::disk::{Disk, Fault};
use super::{Kind, LogFile, Opened, Record, StorageError};
use crate::random::Random;
use std::path::Path;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |count| count.parse().expect("a number"))
}

/// Records of a file, in order, and how many of the first are acknowledged.
#[derive(Clone, Debug, Default)]
struct State {
    records: Vec<Record>,
    acknowledged: usize,
}

impl State {
    /// Nothing acknowledged is lost, and nothing is there that was not written.
    fn allows(&self, found: &[Record]) -> bool {
        found.len() >= self.acknowledged && self.records.starts_with(found)
    }
}

/// What somebody has done to a log file.
#[derive(Clone)]
struct Life {
    /// What may be found after a power cut: the last state, and before it those that a rewrite has replaced or would
    /// have, as long as nothing was acknowledged since.
    states: Vec<State>,
    appended: u64,
    /// Images that were refused, and such in which something acknowledged was lost.
    refused: u32,
    lost: u32,
}

impl Life {
    fn new() -> Self {
        Self { states: vec![State::default()], appended: 0, refused: 0, lost: 0 }
    }

    fn record(&mut self, random: &mut Random) -> Record {
        self.appended += 1;
        // Numbered at both ends, so that no two are the same and half of one is none; some long enough to be torn, some of
        // zeros.
        let number = self.appended.to_le_bytes();
        let mut payload = number.to_vec();
        payload.resize(8 + [0, 20, 300, 2_000][random.below(4)], [0, 0x5a, 4][random.below(3)]);
        payload.extend(number);
        Record { kind: [Kind::Events, Kind::Undo][random.below(2)], payload }
    }

    fn last(&mut self) -> &mut State {
        self.states.last_mut().expect("there is a state from the start")
    }

    /// Opens the file and works with it until something fails that one does not go on from, or for so many steps.
    fn go_on(&mut self, disk: &Disk, random: &mut Random, steps: usize) -> Result<(), StorageError> {
        let mut file = self.open(disk)?;
        (0..steps).try_for_each(|_| self.step(&mut file, random))
    }

    fn open(&mut self, disk: &Disk) -> Result<LogFile, StorageError> {
        let Opened { file, records, .. } = LogFile::open_at(Box::new(disk.reopened()), Path::new("log"))?;
        let known = self.states.iter().rev().find(|state| state.allows(&records));
        let acknowledged = known.expect("a file that was not switched off shows what was written").acknowledged;
        self.states.retain(|state| !state.records.starts_with(&records));
        self.states.push(State { records, acknowledged });
        Ok(file)
    }

    fn step(&mut self, file: &mut LogFile, random: &mut Random) -> Result<(), StorageError> {
        match random.below(12) {
            0..8 => {
                let record = self.record(random);
                match file.append(record.kind, &record.payload) {
                    Ok(()) => self.last().records.push(record),
                    Err(StorageError::Io { .. }) if random.below(2) == 0 => {}
                    Err(error) => return Err(error),
                }
            }
            8..11 => match file.sync() {
                Ok(()) => self.acknowledge(),
                Err(error) if random.below(2) == 0 => return Err(error),
                Err(_) => {}
            },
            _ => {
                let keeps = random.below(12);
                let kept = self.last().records.iter().rev().take(keeps).rev().cloned();
                let records: Vec<Record> = kept.collect::<Vec<_>>().into_iter().chain([self.record(random)]).collect();
                let acknowledged = records.len();
                self.states.insert(0, State { records: records.clone(), acknowledged });
                match file.rewrite(&records) {
                    Ok(()) => {
                        self.last().records = records;
                        self.acknowledge();
                    }
                    Err(error) if random.below(2) == 0 => return Err(error),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self) {
        let mut last = self.states.pop().unwrap_or_default();
        last.acknowledged = last.records.len();
        self.states = vec![last];
    }

    /// The power comes back, and this is what the disk has.
    fn wake_up(&mut self, image: Vec<u8>) -> Disk {
        let disk = Disk::new(image, None);
        match LogFile::open_at(Box::new(disk.reopened()), Path::new("log")) {
            Ok(Opened { records, .. }) => {
                self.lost += u32::from(!self.states.iter().any(|state| state.allows(&records)));
                // It is on the disk, so it stays.
                self.states = vec![State { acknowledged: records.len(), records }];
            }
            Err(_) => self.refused += 1,
        }
        disk
    }
}

/// How many images were looked at, and of them refused and lost.
fn power_cuts(images: u64, fault: Fault) -> (u64, u32, u32) {
    let (mut seen, mut refused, mut lost) = (0, 0, 0);
    for seed in 0.. {
        let (mut random, mut life) = (Random(seed), Life::new());
        let mut image = Vec::new();
        for _ in 0..4 {
            let at = 1 + random.below(60) as u64;
            let disk = Disk::new(image, Some((at, fault)));
            drop(life.go_on(&disk, &mut random, 60));
            image = disk.image(|bound| random.below(bound));
            seen += 1;
            life.wake_up(image.clone());
            if seen == images || life.refused + life.lost > 0 {
                break;
            }
        }
        (refused, lost) = (refused + life.refused, lost + life.lost);
        assert!(fault != Fault::PowerCut || refused + lost == 0, "seed {seed}: {refused} refused, {lost} lost");
        if seen == images {
            break;
        }
    }
    (seen, refused, lost)
}

#[test]
fn a_power_cut_loses_nothing_acknowledged_and_no_file_is_refused() {
    let (images, refused, lost) = power_cuts(number("IMAGES", 2_000), Fault::PowerCut);
    println!("{images} images, {refused} refused, {lost} with something acknowledged lost");
}

/// What the tests here would not notice they would not prove.
#[test]
fn a_disk_that_lies_is_caught() {
    let (images, refused, lost) = power_cuts(500, Fault::SyncLies);
    println!("{images} images of disks that lied, {refused} refused, {lost} with something acknowledged lost");
    assert!(lost > 20, "{lost} of {images}");
}

/// A life at some moment, from which it can go on in several ways.
struct Moment {
    disk: Disk,
    /// Unless somebody is about to open it.
    file: Option<LogFile>,
    life: Life,
    random: Random,
}

impl Moment {
    fn start() -> Self {
        Self { disk: Disk::new(Vec::new(), None), file: None, life: Life::new(), random: Random(7) }
    }

    /// The same, with something that goes wrong at a call to come.
    fn fork(&self, fault: Option<(u64, Fault)>) -> Self {
        let disk = self.disk.fork(fault);
        let file = self.file.as_ref().map(|file| LogFile {
            file: Box::new(disk.reopened()),
            path: file.path.clone(),
            ..*file
        });
        Self { disk, file, life: self.life.clone(), random: self.random.clone() }
    }

    /// Does the next thing. Where that fails for good, and now and then where it does not, the file is opened again next.
    fn go_on(&mut self) {
        let Some(mut file) = self.file.take() else {
            self.file = self.life.open(&self.disk).ok();
            return;
        };
        let done = self.life.step(&mut file, &mut self.random);
        self.file = Some(file).filter(|_| done.is_ok() && self.random.below(24) > 0);
    }

    /// Whether a power cut now would lose nothing acknowledged and leave a file that opens.
    fn is_safe(&mut self) -> bool {
        let image = self.disk.image(|bound| self.random.below(bound));
        let mut after = Life { states: self.life.states.clone(), ..Life::new() };
        after.wake_up(image);
        after.refused + after.lost == 0
    }
}

/// So many things are done after a fault, and after each the power goes. Later somebody would have rewritten the file, and
/// what was wrong with it would be gone.
const AFTERWARDS: usize = 24;

/// `EIO`, no room, half a write, a sync that fails, at each call of a life in turn; then the file is opened again and goes
/// on, and after everything that is done with it the power goes.
#[test]
fn a_fault_at_any_call_loses_nothing_acknowledged() {
    let calls = number("CALLS", 400);
    let (mut trunk, mut cuts) = (Moment::start(), 0);
    while trunk.disk.calls() < calls {
        let mut next = trunk.fork(None);
        next.go_on();
        for at in trunk.disk.calls() + 1..=next.disk.calls() {
            for fault in [Fault::Error, Fault::Full, Fault::ShortWrite, Fault::SyncFails] {
                let mut other = trunk.fork(Some((at, fault)));
                for done in 0..AFTERWARDS {
                    other.go_on();
                    assert!(other.is_safe(), "{fault:?} at call {at}, {done} things later");
                    cuts += 1;
                }
            }
        }
        trunk = next;
    }
    println!("4 faults at each of {} calls, {cuts} power cuts after them", trunk.disk.calls());
}
