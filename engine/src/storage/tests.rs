//! Lives of a log file on a disk that loses power or fails. `IMAGES=n` sets how many images of a disk without power are
//! looked at, `CALLS=n` how long the life is at whose every call something fails.
//!
//! A record is *acknowledged* when a sync behind it, or a rewrite with it, has said that all is well. A disk that lies once is
//! the bug that is planted for good. Others that were planted and caught: `sync` writes its seal before it syncs; `rewrite`
//! does not sync what it wrote, or its name; a file with seals is read by the rule of version 2.
//!
//! Not caught: `open` does not write once more what no seal vouches for (the disk here syncs what it had lost after all), and
//! the first sync does not sync the name.

use super::disk::{Disk, Fault};
use super::{Kind, LogFile, Opened, Record, StorageError};
use std::path::Path;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |count| count.parse().expect("a number"))
}

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
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
        // Numbered, so that no two are the same; some long enough to be torn, some of zeros.
        let mut payload = self.appended.to_le_bytes().to_vec();
        payload.resize(8 + [0, 20, 300, 2_000][random.below(4)], [0, 0x5a, 4][random.below(3)]);
        Record { kind: [Kind::Events, Kind::Undo][random.below(2)], payload }
    }

    fn last(&mut self) -> &mut State {
        self.states.last_mut().expect("there is a state from the start")
    }

    /// Opens the file and works with it until something fails that one does not go on from, or for so many steps.
    fn go_on(&mut self, disk: &Disk, random: &mut Random, steps: usize) -> Result<(), StorageError> {
        let Opened { mut file, records, .. } = LogFile::open_at(Box::new(disk.reopened()), Path::new("log"))?;
        let known = self.states.iter().rev().find(|state| state.allows(&records));
        let acknowledged = known.expect("a file that was not switched off shows what was written").acknowledged;
        self.states.retain(|state| !state.records.starts_with(&records));
        self.states.push(State { records, acknowledged });
        for _ in 0..steps {
            match random.below(12) {
                0..8 => {
                    let record = self.record(random);
                    match file.append(record.kind, &record.payload) {
                        Ok(()) => self.last().records.push(record),
                        Err(StorageError::Io { .. }) if random.below(2) == 0 => {}
                        Err(error) => return Err(error),
                    }
                }
                8..11 => {
                    file.sync()?;
                    self.acknowledge();
                }
                _ => {
                    let keeps = random.below(12);
                    let kept = self.last().records.iter().rev().take(keeps).rev().cloned();
                    let records: Vec<Record> =
                        kept.collect::<Vec<_>>().into_iter().chain([self.record(random)]).collect();
                    let acknowledged = records.len();
                    self.states.insert(0, State { records: records.clone(), acknowledged });
                    file.rewrite(&records)?;
                    self.last().records = records;
                    self.acknowledge();
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

/// `EIO`, no room, half a write, a sync that fails, at each call of a life in turn; then the file is opened again and goes
/// on, and in the end the power goes.
#[test]
fn a_fault_at_any_call_loses_nothing_acknowledged() {
    let calls = number("CALLS", 400);
    for fault in [Fault::Error, Fault::Full, Fault::ShortWrite, Fault::SyncFails] {
        for at in 1..=calls {
            let (mut random, mut life) = (Random(7), Life::new());
            let disk = Disk::new(Vec::new(), Some((at, fault)));
            while disk.calls() < calls {
                let before = disk.calls();
                drop(life.go_on(&disk, &mut random, calls as usize));
                if fault == Fault::Full && disk.calls() >= at || disk.calls() == before {
                    break;
                }
            }
            assert!(disk.calls() >= at, "{fault:?} at call {at} was not come to");
            for _ in 0..3 {
                let image = disk.image(|bound| random.below(bound));
                let mut after = Life { states: life.states.clone(), ..Life::new() };
                after.wake_up(image);
                assert_eq!((after.refused, after.lost), (0, 0), "{fault:?} at call {at} of {calls}");
            }
        }
    }
    println!("4 faults at each of {calls} calls");
}
