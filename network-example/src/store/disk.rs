//! A disk that loses power, for tests: what was written and not synced is kept, lost, torn by sectors or reordered.
//!
//! ```text
//! calls     write write sync write set_len write ✂          the power goes at some call
//! image     everything up to the last sync, and of what came behind it some sectors, in some order
//! ```
//!
//! It can also fail a call as disks do (an error, no room, a write that stops half-way, a sync that fails), and it can be
//! told to lie: to say once that it has synced when it has not. No store survives that, so tests that do not notice it
//! prove nothing.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// What a disk writes at once.
const SECTOR: usize = 512;

/// What is to go wrong, at which call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The power goes: this call and all later ones fail.
    PowerCut,
    /// `EIO`, once.
    Error,
    /// `ENOSPC`, from here on, for whatever makes the disk longer or writes.
    Full,
    /// A write stops half-way, once.
    ShortWrite,
    /// The next sync fails, once; what it should have synced is lost for good, as it is on Linux.
    SyncFails,
    /// The next sync says that all is well and does nothing, and soon the power goes.
    SyncLies,
}

/// Clones share the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What a sync has made sure of.
    durable: Vec<u8>,
    /// What has been asked for since.
    pending: Vec<Change>,
    /// What reads see.
    current: Vec<u8>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    is_off: bool,
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
    /// A disk with these bytes on it, on which something goes wrong at the call of this number.
    pub(crate) fn new(bytes: Vec<u8>, fault: Option<(u64, Fault)>) -> Self {
        let state = State { durable: bytes.clone(), current: bytes, fault, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// What is on the disk when the power comes back; `below(n)` is a random number below `n`.
    pub(crate) fn image(&self, mut below: impl FnMut(usize) -> usize) -> Vec<u8> {
        let state = self.state();
        let mut bytes = state.durable.clone();
        let mut pending = state.pending.clone();
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

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.begin(false, false)?;
        let at = offset as usize;
        let bytes = state.current.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.begin(true, false)?;
        state.change(Change::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        match state.begin(false, true)? {
            Some(Fault::SyncLies) => {
                // Found out only where the power goes before the next one.
                state.fault = Some((state.calls + 2, Fault::PowerCut));
                return Ok(());
            }
            Some(_) => {
                // The pages count as written afterwards, and are not.
                state.pending.clear();
                return Err(io::Error::from_raw_os_error(5));
            }
            None => {}
        }
        state.pending.clear();
        state.durable = state.current.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let short = state.begin(true, false)?.is_some();
        let data = if short { &data[..data.len() / 2] } else { data };
        state.change(Change::Write(offset as usize, data.to_vec()));
        if short { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}
