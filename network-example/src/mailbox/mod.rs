//! Two workers, two mailboxes: two sorted lists are merged by two processes that share nothing but two files, in each of
//! which one message can lie.
//!
//! Each worker has a list, an *inbox* that the other writes, and a *state* file. B has an output besides. META says what
//! ranges the lists span, and by these alone [`cede::sync::Interleave`] decides as much as can be: disjoint lists are
//! merged without comparing a value, others with fewer comparisons than they have values.
//!
//! ```text
//! A                                             B
//! META [min, max, count] ──────▶ b.inbox
//!                        a.inbox ◀───────────── META [min, max, count], from index 0
//!                                               values of B below A's minimum go straight out
//! DATA 10 values at most ──────▶ b.inbox
//!        …                                      10 values at most a step, one a line
//! DONE                   ──────▶ b.inbox
//!                        a.inbox ◀───────────── DONE, when everything is out
//! ```
//!
//! # A step
//!
//! [`Worker::step`] reads one message at most, puts out ten values at most and sends one message at most:
//!
//! ```text
//!   1  read the inbox              nothing has happened yet
//!   2  write the output            behind the length that the state has; what stands there already is cut off
//!   3  save the state              what has happened is what stands here
//!   4  empty the inbox             a message is taken once its number is in the state
//!   5  leave a message             if the other's inbox is empty; beside its name first, then by rename
//! ```
//!
//! Killed before 3, a worker does the step again, from the same state and the same message, to the same end. Killed behind
//! 3, it finds a message whose number it has had, and drops it; or a message of its own in its state, of which it does
//! not know whether it was left. If it lies in the other's inbox, it was. If that is empty it leaves the message once more,
//! and the other, should it have had it, knows the number. A message is forgotten only when it was left *and* the inbox is
//! found empty: then the other has it in a state on disk.
//!
//! # Lives
//!
//! A worker whose state is damaged, or gone, begins a new *life*, named by a random number. Every message says whose life
//! it is from and which life it is for.
//!
//! - B in a new life cuts its output to nothing. Whatever was meant for its former life it drops, and it says META. A sees a life
//!   that it does not know, says META again, is asked for its values from index 0 on, and sends them.
//! - A in a new life says META. B, which has not heard of that life, answers with META and the index up to which it
//!   has A's values; A goes on from there, so nothing is put out twice.
//! - A sends values only when B has answered *this* life's META. Since an inbox holds one message and has one writer,
//!   nothing of a former life can come behind that answer.
//!
//! ```text
//! A's first life     B                          A      B's first life
//! DATA 20…29 ──────▶ has 30                     DATA 20…29 ──────▶ (damaged)
//! (damaged)                                            B's second life
//! A's second life                                      drops DATA, output cut to 0
//! META, to nobody ─▶ a life not known           a life not known ◀─ META, from no index yet
//!     30 … ◀──────── META, from index 30        META ─────────────▶
//! DATA 30…39 ──────▶                               0 … ◀──────────── META, from index 0
//! ```
//!
//! A worker that has finished and ended answers nobody. One that begins anew then waits until the other is started
//! again, which goes back to work by itself.
//!
//! # Limitations
//!
//! The list of a worker must not change while it is merged. A changed one is refused by its hash in the state; when the state
//! is gone too, by META alone, so not if minimum, maximum and count are the same. A state file put back from an earlier copy
//! is not noticed. A worker holds its own list in memory, and ten values of the other's.
//!
//! # Example
//!
//! ```
//! use cede_net::mailbox::{LocalDisk, Progress, Setup, Worker};
//!
//! let folder = std::env::temp_dir().join(format!("cede-mailbox-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let path = |name: &str| folder.join(name);
//! std::fs::write(path("a.json"), "[1, 2, 3]")?;
//! std::fs::write(path("b.json"), "[4, 5]")?;
//! let setup = |own: &str, other: &str, output| Setup {
//!     output,
//!     input: path(&format!("{own}.json")),
//!     inbox: path(&format!("{own}.inbox")),
//!     partner: path(&format!("{other}.inbox")),
//!     state: path(&format!("{own}.state")),
//! };
//! let mut a = Worker::open(setup("a", "b", None), LocalDisk::default())?;
//! let mut b = Worker::open(setup("b", "a", Some(path("merged"))), LocalDisk::default())?;
//!
//! // Two processes do this each for itself.
//! while (a.step()?, b.step()?) != (Progress::Finished, Progress::Finished) {}
//!
//! assert_eq!(std::fs::read_to_string(path("merged"))?, "1\n2\n3\n4\n5\n");
//! assert_eq!(b.statistics().comparisons, 0, "all of A's are below all of B's");
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What comes from files is trusted no more than what comes from the network.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used))]

mod disk;
mod error;
mod message;
mod protocol;
mod saved;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use disk::{Disk, LocalDisk};
pub use error::{Fault, MailboxError};
pub use message::{Extent, Kind, Life, MOST_VALUES, Message};
pub use saved::Damage;

use disk::absent_is_none;
use protocol::State;

/// Where the files of a worker are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// The list: a JSON array of integers of 64 bits that ascend, or one a line.
    pub input: PathBuf,
    /// Where the other leaves its messages.
    pub inbox: PathBuf,
    /// The inbox of the other.
    pub partner: PathBuf,
    /// Where what is known is kept between steps. Beside it, with `.lock` behind the name, lies what keeps a second process
    /// from being the same worker.
    pub state: PathBuf,
    /// Where the merged list goes, one value a line; what has been there is replaced. The worker that has one is B.
    pub output: Option<PathBuf>,
}

impl Setup {
    /// Which of the two it is.
    pub fn role(&self) -> Role {
        if self.output.is_some() { Role::B } else { Role::A }
    }
}

/// Which of the two workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends its values.
    A,
    /// Merges them with its own, and writes the output.
    B,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// How far a worker is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    /// The other has not been heard of in its present life, or has not answered yet.
    Init,
    /// Values go out.
    Merge,
    /// All have.
    Done,
}

/// What a worker has done in its present life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// How many values have been compared with one of the other's; of META's bounds none is counted. A compares none.
    pub comparisons: u64,
    /// How many messages were made. One that was left twice counts once.
    pub sent: u64,
    /// How many messages were taken. One that was found twice counts once.
    pub received: u64,
    /// How many values were put out. A puts out none.
    pub output: u64,
}

/// What a step has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Something was done.
    Worked,
    /// There was nothing to do; the other has to go on first.
    Idle,
    /// Everything is done, and the other knows or will find it in its inbox.
    Finished,
}

/// One of the two workers.
#[derive(Debug)]
pub struct Worker<D> {
    setup: Setup,
    disk: D,
    values: Vec<i64>,
    state: State,
    /// What the state file holds; `None` when that is nothing to go on from.
    saved: Option<State>,
    /// Whether the output is known to be as long as the state says.
    is_output_cut: bool,
    damage: Option<Damage>,
}

impl<D: Disk> Worker<D> {
    /// A worker that goes on from its state file, or begins a new life if there is none or it is damaged. Reads its list
    /// and writes nothing but the lock.
    ///
    /// # Errors
    /// [`MailboxError`]: a list that cannot be read or is not sorted; a state of the other worker, or made with another
    /// list; another process that is this worker.
    pub fn open(setup: Setup, mut disk: D) -> Result<Self, MailboxError> {
        let lock = beside(&setup.state, ".lock");
        if !disk.claim(&lock).map_err(at(&lock))? {
            return Err(MailboxError::Busy { path: lock });
        }
        let bytes = disk.read(&setup.input).map_err(at(&setup.input))?;
        let values = values::parse(&setup.input, &bytes)?;
        let input = saved::sha256(&bytes);
        let (mut saved, mut damage) = (None, None);
        if let Some(bytes) = absent_is_none(disk.read(&setup.state)).map_err(at(&setup.state))? {
            match saved::decode(&bytes) {
                Ok(state) if state.role != setup.role() => {
                    return Err(MailboxError::OtherRole { path: setup.state, role: state.role });
                }
                Ok(state) if state.input != input => {
                    return Err(MailboxError::OtherInput { path: setup.state, input: setup.input });
                }
                Ok(state) => saved = Some(state),
                Err(found) => damage = Some(found),
            }
        }
        let state = match &saved {
            Some(state) => state.clone(),
            None => {
                // Numbers below 2^53 are the same in every program that reads JSON.
                let life = Life(getrandom::u64().map_err(MailboxError::Random)? >> 11);
                State::new(setup.role(), life, input)
            }
        };
        Ok(Self { setup, disk, values, state, saved, is_output_cut: false, damage })
    }

    /// Why a new life was begun although there is a state file.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    /// What it has done in this life.
    pub fn statistics(&self) -> Statistics {
        self.state.statistics
    }

    /// Reads one message at most, puts out ten values at most, sends one message at most and saves the state; O(1) but for
    /// a few calls to the disk, and nothing is written when there is nothing to do.
    ///
    /// # Errors
    /// [`MailboxError`]; of a message that nobody leaves who keeps to the protocol, or an output that somebody has cut,
    /// nothing has been changed. A worker that has failed to write is of no more use; another one goes on from its files.
    pub fn step(&mut self) -> Result<Progress, MailboxError> {
        let sent_again = self.deliver_again()?;
        // The inbox may have been emptied since, but a message that was not left yet comes first.
        let is_in_doubt = self.state.outbox.is_some() && !self.state.delivered;
        let is_free = !sent_again && !is_in_doubt && !self.is_left()?;
        let message = self.message()?.filter(|message| !self.state.defers(message));
        let mut next = self.state.clone();
        if let Some(message) = &message {
            let wrong = |fault| MailboxError::Message { path: self.setup.inbox.clone(), fault };
            next.receive(message, &self.values).map_err(wrong)?;
        }
        let out = next.put_out(&self.values);
        let is_new = is_free && next.compose(&self.values);
        self.write_output(&out, &mut next)?;
        self.state = next;
        self.save()?;
        if message.is_some() {
            self.disk.remove(&self.setup.inbox).map_err(at(&self.setup.inbox))?;
        }
        if is_new {
            self.leave()?;
        }
        let has_worked = sent_again || is_new || message.is_some() || !out.is_empty();
        if has_worked {
            return Ok(Progress::Worked);
        }
        let is_finished = self.state.phase == Phase::Done && self.state.delivered;
        Ok(if is_finished { Progress::Finished } else { Progress::Idle })
    }

    /// The message in our inbox.
    fn message(&self) -> Result<Option<Message>, MailboxError> {
        let path = &self.setup.inbox;
        let Some(bytes) = absent_is_none(self.disk.read(path)).map_err(at(path))? else { return Ok(None) };
        let message = Message::decode(&bytes).map_err(|fault| MailboxError::Message { path: path.clone(), fault })?;
        Ok(Some(message))
    }

    fn is_left(&self) -> Result<bool, MailboxError> {
        self.disk.exists(&self.setup.partner).map_err(at(&self.setup.partner))
    }

    /// After a kill nobody knows whether our last message was left. It was, if it lies there; if nothing does, it is left,
    /// perhaps once more. Returns whether it was.
    fn deliver_again(&mut self) -> Result<bool, MailboxError> {
        let Some(last) = self.state.outbox.as_ref().filter(|_| !self.state.delivered) else { return Ok(false) };
        let path = &self.setup.partner;
        match absent_is_none(self.disk.read(path)).map_err(at(path))? {
            None => {
                self.leave()?;
                Ok(true)
            }
            Some(bytes) => {
                // Whatever else lies there is an earlier one, and will be taken.
                self.state.delivered = Message::decode(&bytes).is_ok_and(|left| left == *last);
                Ok(false)
            }
        }
    }

    /// Leaves our last message in the inbox of the other, which is empty.
    fn leave(&mut self) -> Result<(), MailboxError> {
        let Some(message) = &self.state.outbox else { return Ok(()) };
        replace(&mut self.disk, &self.setup.partner, &message.encode())?;
        self.state.delivered = true;
        Ok(())
    }

    /// Writes values behind what has been written. What a step that was cut short has left there is cut off first.
    fn write_output(&mut self, values: &[i64], next: &mut State) -> Result<(), MailboxError> {
        let Some(path) = &self.setup.output else { return Ok(()) };
        let wrong = at(path);
        if !self.is_output_cut {
            let found = self.disk.len(path).map_err(&wrong)?;
            if found < next.written {
                return Err(MailboxError::ShortOutput { path: path.clone(), found, expected: next.written });
            }
            self.disk.cut(path, next.written).map_err(&wrong)?;
            self.is_output_cut = true;
        }
        if !values.is_empty() {
            let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
            self.disk.write_at(path, next.written, lines.as_bytes()).map_err(&wrong)?;
            next.written += lines.len() as u64;
        }
        Ok(())
    }

    /// Saves the state, unless it is what stands there.
    fn save(&mut self) -> Result<(), MailboxError> {
        if self.saved.as_ref() != Some(&self.state) {
            replace(&mut self.disk, &self.setup.state, &saved::encode(&self.state))?;
            self.saved = Some(self.state.clone());
        }
        Ok(())
    }
}

/// Whenever this is cut short the file is the former one or the latter, never part of it.
fn replace(disk: &mut impl Disk, path: &Path, bytes: &[u8]) -> Result<(), MailboxError> {
    let new = beside(path, ".new");
    disk.write(&new, bytes).map_err(at(&new))?;
    disk.rename(&new, path).map_err(at(path))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn at(path: &Path) -> impl Fn(io::Error) -> MailboxError {
    move |source| MailboxError::Io { path: path.to_owned(), source }
}
