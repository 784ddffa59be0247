//! A folder on a disk that loses power, for tests: what was written and not synced is kept, lost, torn by sectors or
//! reordered, and so are names.
//!
//! ```text
//! calls     write write sync set_len beside write sync rename ✂      the power goes at some call
//! image     a name as it was or as it became, and of the file that has it everything up to its last sync, and of what
//!           came behind that some sectors, in some order
//! ```
//!
//! It promises no more than a real one: a sync makes durable what was asked for since the last sync of that file, failed
//! ones included, and not what a read shows; a name, that of a file just made as well, is durable by the sync of the
//! folder and by nothing else.
//!
//! It can also fail a call as disks do, and it can be told to lie: to say once that it has synced when it has not. No file
//! survives that, so tests that do not notice it prove nothing.
//!
//! A [`Disk::fork`] goes on by itself, so that something can go wrong at each call of a life without living it again.

use super::door::Door;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// What is to go wrong, at which call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The power goes: this call and all later ones fail.
    PowerCut,
    /// `EIO`, once.
    Error,
    /// `ENOSPC`, from here on, for whatever makes the disk longer or writes.
    Full,
    /// A write stops half-way, once.
    ShortWrite,
    /// The next sync fails, once; what it should have synced is lost for good, as it is on Linux, though reads show it.
    SyncFails,
    /// The next sync of a file says that all is well and does nothing, and soon the power goes.
    SyncLies,
}

/// One log file in its folder, or one that is made beside it. Clones share the disk.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    state: Arc<Mutex<State>>,
    /// Which of the files.
    file: usize,
}

#[derive(Clone, Debug)]
struct State {
    files: Vec<Contents>,
    /// The file that has the name for certain, and those that were given it since.
    named: Vec<usize>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    is_off: bool,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    /// What a sync has made sure of.
    durable: Vec<u8>,
    /// What has been asked for since.
    pending: Vec<Change>,
    /// What reads see.
    current: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(len) => bytes.resize(*len, 0),
            Self::Write(at, data) => {
                if bytes.len() < at + data.len() {
                    bytes.resize(at + data.len(), 0);
                }
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
        }
    }
}

impl Disk {
    /// A disk on which the log file has these bytes, and on which something goes wrong at the call of this number. Without
    /// bytes the file has just been made, so that its name may not last: an empty file stands for none.
    pub(super) fn new(bytes: Vec<u8>, fault: Option<(u64, Fault)>) -> Self {
        let is_made = bytes.is_empty();
        let mut files = vec![Contents { durable: bytes.clone(), current: bytes, ..Contents::default() }];
        files.extend(is_made.then(Contents::default));
        let named = (0..files.len()).collect();
        let state = State { files, named, calls: 0, fault, is_off: false };
        Self { state: Arc::new(Mutex::new(state)), file: 0 }
    }

    /// A disk like this one as it is now, on which something goes wrong at the call of this number.
    pub(super) fn fork(&self, fault: Option<(u64, Fault)>) -> Self {
        let state = State { fault, ..self.state().clone() };
        Self { state: Arc::new(Mutex::new(state)), file: self.file }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that has the name now, opened again.
    pub(super) fn reopened(&self) -> Self {
        let file = self.state().named.last().copied().unwrap_or(0);
        Self { state: self.state.clone(), file }
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// What the name leads to when the power comes back; `below(n)` is a random number below `n`.
    pub(super) fn image(&self, mut below: impl FnMut(usize) -> usize) -> Vec<u8> {
        let state = self.state();
        state.files[state.named[below(state.named.len())]].image(below)
    }
}

impl Contents {
    fn image(&self, mut below: impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let mut pending = self.pending.clone();
        let (kept, in_order) = (below(5), below(2) == 0);
        if !in_order {
            (1..pending.len()).for_each(|at| pending.swap(at, below(at + 1)));
        }
        for change in pending {
            let Change::Write(at, data) = &change else {
                if below(2) == 0 {
                    change.apply(&mut bytes);
                }
                continue;
            };
            // Sectors are where the disk has them, not where the write begins.
            let mut start = 0;
            while start < data.len() {
                let end = (((at + start) / SECTOR + 1) * SECTOR - at).min(data.len());
                if below(4) < kept {
                    Change::Write(at + start, data[start..end].to_vec()).apply(&mut bytes);
                }
                start = end;
            }
        }
        bytes
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }
}

impl State {
    /// Counts a call. The fault that is due, if one is.
    fn begin(&mut self, is_write: bool, is_sync: bool) -> io::Result<Option<Fault>> {
        self.calls += 1;
        if self.is_off {
            return Err(io::Error::other("the power is off"));
        }
        let Some((at, fault)) = self.fault.filter(|&(at, _)| at <= self.calls) else { return Ok(None) };
        match fault {
            Fault::PowerCut => {
                self.is_off = true;
                Err(io::Error::other("the power goes"))
            }
            Fault::Error if at == self.calls => Err(io::Error::from_raw_os_error(5)),
            Fault::Full if is_write => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Fault::ShortWrite if is_write => {
                self.fault = None;
                Ok(Some(fault))
            }
            Fault::SyncFails | Fault::SyncLies if is_sync => {
                self.fault = None;
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }
}

impl Door for Disk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.begin(false, false)?;
        Ok(state.files[self.file].current.clone())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let short = state.begin(true, false)?.is_some();
        let data = if short { &bytes[..bytes.len() / 2] } else { bytes };
        state.files[self.file].change(Change::Write(at as usize, data.to_vec()));
        if short { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.begin(false, false)?;
        state.files[self.file].change(Change::Length(len as usize));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin(false, true)?;
        if fault == Some(Fault::SyncLies) {
            // Found out only where the power goes before the next one.
            state.fault = Some((state.calls + 2, Fault::PowerCut));
            return Ok(());
        }
        let Contents { durable, pending, .. } = &mut state.files[self.file];
        let asked = std::mem::take(pending);
        if fault.is_some() {
            // The pages count as written afterwards, and are not; reads show them, and no later sync knows of them.
            return Err(io::Error::from_raw_os_error(5));
        }
        asked.iter().for_each(|change| change.apply(durable));
        Ok(())
    }

    fn sync_name(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(false, false)?;
        let older = state.named.len() - 1;
        // Nothing leads to them any more.
        let State { files, named, .. } = &mut *state;
        named.drain(..older).for_each(|file| files[file] = Contents::default());
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.files[self.file].current.len() as u64)
    }

    fn is_named(&self) -> bool {
        self.state().named.last() == Some(&self.file)
    }

    fn beside(&mut self) -> io::Result<Box<dyn Door>> {
        let mut state = self.state();
        state.begin(true, false)?;
        state.files.push(Contents::default());
        Ok(Box::new(Self { state: self.state.clone(), file: state.files.len() - 1 }))
    }

    fn take_place(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(true, false)?;
        state.named.push(self.file);
        Ok(())
    }

    fn discard(&mut self) {}
}
