//! A shared folder as a network: replicas that have nothing in common but a directory, which other programs copy.
//!
//! Knows what the files in a folder hold, and writes there what they lack. To the link of a session it is what a server is:
//! META, DATA and DONE go back and forth by the engine's [`Exchange`]. Knows no clock of its own and waits for nothing;
//! a [`Client`] looks again and again ([`join`]).
//!
//! ```text
//!   Session ── Link ══ Folder ── DIR/ID.meta      hello, META, DONE: who it is and what it holds
//!                             ├─ DIR/ID.N.data    META of what is in it, DATA, DONE
//!                             └─ DIR/…            everybody else's, which are only read
//! ```
//!
//! No file is ever written by two, so that no program that copies folders has anything to decide. Each is put in its place
//! whole, and known to be whole when it is read. Files that are missing, old, twice there or torn do no harm: events are taken
//! in once, in whatever order; who holds events that have been missing in the folder for a while writes them there again. A
//! damaged file is named and passed over until it changes. Whoever has many files puts one in their place, or as few as are not
//! too large to be read.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod files;
mod task;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cede::sync::{Action, Exchange, Message, Replica};
use cede::{Clock, Document, DocumentKind, EventSpan, Sender, Summary};

pub use self::files::ReplicaId;
use self::files::{Content, Damage, FileName, MAX_FILE, Stamp};
use crate::client::{Client, Frame, Incoming};
use crate::presence::{Agreement, Identity, Peer, PeerId, Presence, VersionMark, bound};
use crate::rights::Rights;
use crate::wire::{CHUNK, ClientControl, ServerControl};

/// What stands before a folder where the URL of a room could stand.
pub const SCHEME: &str = "folder:";

/// A client for a link, with a folder at its other end.
///
/// # Panics
/// Outside of a tokio runtime with time enabled.
pub fn join(path: PathBuf, id: ReplicaId) -> Client {
    Client::carried(|events, commands| task::run(path, id, events, commands))
}

/// One's own files are put together when that makes so many fewer.
const MANY_FILES: usize = 16;

/// Events that have been missing in the folder this long are written again by whoever holds them. Whoever puts one file in the
/// place of many may be seen to have removed those before the one has come.
const GRACE: Duration = Duration::from_secs(30);

/// A file that has changed this lately may change again without showing it: clocks of file systems are coarse, up to two
/// seconds.
const FRESH: Duration = Duration::from_secs(4);

/// One's own number beside those of the others.
const ME: PeerId = PeerId(1);

/// See the module.
///
/// Invariant: everything in `kept` is or was in a file of the folder that was read, or written, whole.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    id: ReplicaId,
    /// What is larger nobody reads.
    max_file: u64,
    exchange: Exchange,
    /// What the files hold.
    kept: Document,
    files: BTreeMap<FileName, Seen>,
    others: BTreeMap<ReplicaId, Other>,
    last_peer: u64,
    hello: Option<ClientControl>,
    /// DATA of the session that is not in a file yet.
    unwritten: Vec<Vec<u8>>,
    /// DATA frames of the session.
    frames: u64,
    /// What one's own META has told last.
    told: Option<Summary>,
    /// Since when some of what is kept is in no file.
    lacking: Option<Instant>,
    /// Something has changed since the session heard where the folder stands.
    is_restless: bool,
}

/// A file as it was last read.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    state: Reading,
}

#[derive(Debug)]
enum Reading {
    /// Whole; of DATA, what it holds.
    Whole(Summary),
    /// Some of its events wait for others.
    Waiting(Summary),
    Damaged(Damage),
}

/// Another replica, by its META.
#[derive(Debug)]
struct Other {
    peer: Peer,
    holds: Summary,
}

impl Folder {
    /// The folder as replica `id` sees it. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>, id: ReplicaId) -> Self {
        Self {
            path: path.into(),
            id,
            max_file: MAX_FILE,
            exchange: Exchange::new(CHUNK),
            kept: Document::new(),
            files: BTreeMap::new(),
            others: BTreeMap::new(),
            last_peer: ME.0,
            hello: None,
            unwritten: Vec::new(),
            frames: 0,
            told: None,
            lacking: None,
            is_restless: true,
        }
    }

    /// Reads what is there and greets the session's link.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn connect(&mut self, connection: u64, now: Instant) -> io::Result<Vec<Incoming>> {
        let notices = self.read_changes(now)?;
        self.compact(1)?;
        let welcome = ServerControl::Welcome { you: ME, peers: self.peers(), rights: Rights::Write, pass: None };
        let mut heard = vec![Incoming::Opened { connection }, Incoming::Control(welcome)];
        heard.push(Incoming::Sync(self.exchange.start(&self.kept)));
        // All of it is on this disk.
        heard.push(Incoming::Control(ServerControl::Ack { frames: 0 }));
        heard.extend(notices);
        Ok(heard)
    }

    /// Takes what the link sends. DATA is in the folder after the next [`store`](Self::store).
    ///
    /// # Errors
    /// The link has given up, or the folder holds other events under the same names: there is nothing more to say.
    pub fn receive(&mut self, frame: Frame) -> Result<Vec<Incoming>, Parted> {
        let message = match frame {
            Frame::Sync(message) => message,
            Frame::Control(hello @ ClientControl::Hello { .. }) => {
                self.hello = Some(hello);
                self.told = None;
                return Ok(Vec::new());
            }
            // There is nobody to hear it now.
            Frame::Control(_) => return Ok(Vec::new()),
            Frame::Abandon(reason) => return Err(Parted { reason, is_final: false }),
            Frame::Leave(reason) => return Err(Parted { reason, is_final: true }),
        };
        let mut heard = Vec::new();
        for action in self.exchange.receive(&self.kept, message) {
            match action {
                Action::Send(message) => heard.push(Incoming::Sync(message)),
                Action::Import(events) => {
                    self.frames += 1;
                    self.unwritten.push(events);
                }
                Action::Refuse(refusal) => return Err(Parted { reason: refusal.to_string(), is_final: true }),
            }
        }
        Ok(heard)
    }

    /// Writes what the session has sent, and says when it is on disk.
    ///
    /// # Errors
    /// The system's reason. What was not written the session still has; a new [`Folder`] begins anew.
    pub fn store(&mut self) -> io::Result<Vec<Incoming>> {
        let has_sent = !self.unwritten.is_empty();
        while !self.unwritten.is_empty() {
            let part = self.take_part();
            self.store_part(part)?;
        }
        self.write_meta()?;
        let ack = Incoming::Control(ServerControl::Ack { frames: self.frames });
        Ok(if has_sent { vec![ack] } else { Vec::new() })
    }

    /// Of what the session has sent, as much as fits into a file beside what says what is in it.
    fn take_part(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = 0;
        let fits = |events: &&Vec<u8>| {
            bytes += events.len() as u64;
            bytes <= self.max_file / 2
        };
        let count = self.unwritten.iter().take_while(fits).count().max(1);
        self.unwritten.drain(..count.min(self.unwritten.len())).collect()
    }

    fn store_part(&mut self, part: Vec<Vec<u8>>) -> io::Result<()> {
        let before = self.kept.summary();
        // What the session sends may set free what has waited, which is in other files, and which the session lacks.
        let mut apart = match self.kept.waiting() {
            0 => None,
            _ => Some(Document::decode(&self.kept.encode()).map_err(io::Error::other)?),
        };
        let mut data = Vec::new();
        for events in part {
            // The session holds these events, so they keep the rules.
            for kept in [&mut self.kept].into_iter().chain(&mut apart) {
                kept.absorb(&events).map_err(io::Error::other)?;
            }
            data.push(Message::Data(events));
        }
        let fresh = apart.as_ref().unwrap_or(&self.kept).lacking_in(&before).spans;
        self.exchange.holds(fresh.iter().copied());
        if fresh.is_empty() {
            return Ok(());
        }
        self.write_data(&fresh, data)?;
        self.compact(MANY_FILES)
    }

    /// Reads what has changed in the folder, and tells the session.
    ///
    /// # Errors
    /// The folder cannot be read, or not be written.
    pub fn look(&mut self, now: Instant) -> io::Result<Vec<Incoming>> {
        let mut heard = self.read_changes(now)?;
        heard.extend(self.exchange.poll(&self.kept).into_iter().map(Incoming::Sync));
        self.write_meta()?;
        self.mend(now)?;
        if std::mem::take(&mut self.is_restless) {
            heard.push(Incoming::Control(ServerControl::Roster { peers: self.peers() }));
            heard.push(Incoming::Control(self.version()));
        }
        Ok(heard)
    }

    /// Reads the files that are not as they were.
    fn read_changes(&mut self, now: Instant) -> io::Result<Vec<Incoming>> {
        let present = self.list()?;
        let count = self.files.len();
        self.files.retain(|name, _| present.contains_key(name));
        let mut changed = count != self.files.len();
        let mut damaged = Vec::new();
        for (name, stamp) in present {
            let known = self.files.get(&name);
            let is_same = known.is_some_and(|seen| seen.stamp == stamp);
            let is_settled = match (name, known.map(|seen| &seen.state)) {
                (FileName::Data(..), Some(Reading::Whole(_))) => true,
                _ => !is_fresh(stamp),
            };
            if is_same && is_settled {
                continue;
            }
            let held_before = self.others.get(&name.owner()).map(|other| other.holds.clone());
            let state = self.read(name).unwrap_or_else(Reading::Damaged);
            changed |= self.others.get(&name.owner()).map(|other| &other.holds) != held_before.as_ref();
            let was_damaged = known_damage(self.files.get(&name));
            if let Reading::Damaged(damage) = &state
                && was_damaged.as_ref() != Some(damage)
            {
                damaged.push((name, damage.clone()));
            }
            changed |= !is_same;
            self.files.insert(name, Seen { stamp, state });
        }
        if changed {
            self.read_waiting();
            self.meet();
            self.is_restless = true;
        }
        self.watch_lack(now);
        let notice = |(name, damage)| {
            let text = format!("{name} in the folder is passed over until it changes: {damage}");
            Incoming::Control(ServerControl::Notice { text })
        };
        Ok(damaged.into_iter().map(notice).collect())
    }

    /// Our files in the folder: those of others, and one's own.
    fn list(&self) -> io::Result<BTreeMap<FileName, Stamp>> {
        let mut present = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(FileName::parse) else { continue };
            // It may be gone by now, and something else than a file may never end.
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                present.insert(name, Stamp { bytes: metadata.len(), modified: metadata.modified().ok() });
            }
        }
        Ok(present)
    }

    fn read(&mut self, name: FileName) -> Result<Reading, Damage> {
        let content = Content::read(&self.path_of(name), self.max_file)?;
        match name {
            FileName::Meta(id) if id == self.id => Ok(Reading::Whole(Summary::new())),
            FileName::Meta(id) => self.read_meta(id, content),
            FileName::Data(..) => self.read_data(&content.messages),
        }
    }

    fn read_meta(&mut self, id: ReplicaId, content: Content) -> Result<Reading, Damage> {
        let (Some(ClientControl::Hello { name, color, agent, .. }), [Message::Meta(holds), Message::Done]) =
            (content.hello, &content.messages[..])
        else {
            return Err(Damage::Message("it does not say who wrote it, and what they hold".to_owned()));
        };
        if let Err(forked) = self.kept.check_meta(holds) {
            return Err(Damage::Message(forked.to_string()));
        }
        let number = match self.others.get(&id) {
            Some(known) => known.peer.id,
            None => {
                self.last_peer += 1;
                PeerId(self.last_peer)
            }
        };
        let mut name = name;
        bound(&mut name, Identity::MAX_NAME);
        let (presence, agreement, rights) = (Presence::default(), Agreement::default(), Rights::Write);
        let peer = Peer { id: number, name, color, agent, presence, agreement, rights };
        self.others.insert(id, Other { peer, holds: holds.clone() });
        Ok(Reading::Whole(Summary::new()))
    }

    fn read_data(&mut self, messages: &[Message]) -> Result<Reading, Damage> {
        let [Message::Meta(holds), data @ .., Message::Done] = messages else {
            return Err(Damage::Message("it does not say what it holds".to_owned()));
        };
        // What is here already need not be looked at.
        if !self.kept.summary().covers(holds) {
            for message in data {
                let Message::Data(events) = message else {
                    return Err(Damage::Message("there is something else than DATA in it".to_owned()));
                };
                if let Some(kind) = DocumentKind::of_update(events).filter(|&kind| kind != DocumentKind::Text) {
                    return Err(Damage::Message(format!("it holds a {kind}, not a text")));
                }
                let absorbed = self.kept.absorb_from(Sender::default(), events, |_| true);
                absorbed.map_err(|error| Damage::Message(error.to_string()))?;
            }
        }
        let is_whole = self.kept.summary().covers(holds);
        Ok(if is_whole { Reading::Whole(holds.clone()) } else { Reading::Waiting(holds.clone()) })
    }

    /// Reads again what waits for events of other files, as long as that brings anything: how much may wait in memory is
    /// bounded.
    fn read_waiting(&mut self) {
        loop {
            let count = self.kept.event_count();
            let waits = |(name, seen): (&FileName, &Seen)| matches!(seen.state, Reading::Waiting(_)).then_some(*name);
            let waiting: Vec<FileName> = self.files.iter().filter_map(waits).collect();
            for name in waiting {
                let state = self.read(name).unwrap_or_else(Reading::Damaged);
                self.files.entry(name).and_modify(|seen| seen.state = state);
            }
            if self.kept.event_count() == count {
                return;
            }
        }
    }

    /// Looks how the others stand beside what is here.
    fn meet(&mut self) {
        let present: BTreeSet<ReplicaId> = self.files.keys().map(|name| name.owner()).collect();
        self.others.retain(|id, _| present.contains(id));
        let all = self.kept.meta();
        for other in self.others.values_mut() {
            let is_equal = all.covers(&other.holds) && self.kept.lacking_in(&other.holds).spans.is_empty();
            other.peer.agreement = if is_equal { Agreement::Equal } else { Agreement::Behind };
        }
    }

    fn peers(&self) -> Vec<Peer> {
        self.others.values().map(|other| other.peer.clone()).collect()
    }

    /// Where the folder stands. While somebody has said that they hold more than the files that are here, it stands nowhere.
    fn version(&self) -> ServerControl {
        let all = self.kept.meta();
        let is_behind = self.others.values().any(|other| !all.covers(&other.holds));
        let mark = if is_behind { VersionMark { version: 0, text: 0 } } else { VersionMark::of(&self.kept) };
        let equal = self.others.values().filter(|other| other.peer.agreement == Agreement::Equal);
        ServerControl::Version { mark, equal: equal.map(|other| other.peer.id).collect(), differs: Vec::new() }
    }

    /// What whole files hold, as far as `of` says.
    fn held(&self, of: impl Fn(FileName) -> bool) -> Summary {
        let mut held = Summary::new();
        for (name, seen) in &self.files {
            if let Reading::Whole(holds) | Reading::Waiting(holds) = &seen.state
                && of(*name)
            {
                held.merge(holds);
            }
        }
        held
    }

    fn watch_lack(&mut self, now: Instant) {
        let is_complete = self.held(|_| true).covers(&self.kept.summary());
        self.lacking = if is_complete { None } else { self.lacking.or(Some(now)) };
    }

    /// Writes again what has been missing for a while.
    fn mend(&mut self, now: Instant) -> io::Result<()> {
        if self.lacking.is_none_or(|since| now.saturating_duration_since(since) < GRACE) {
            return Ok(());
        }
        self.lacking = None;
        let lost = self.kept.lacking_in(&self.held(|_| true)).spans;
        self.write_spans(&lost).map(drop)
    }

    /// Puts as few files as can be read in the place of one's own, if that makes at least so many fewer.
    fn compact(&mut self, fewer: usize) -> io::Result<()> {
        let groups = self.groups();
        if groups.iter().map(|group| group.len() - 1).sum::<usize>() < fewer {
            return Ok(());
        }
        for group in groups.iter().filter(|group| group.len() > 1) {
            let holds = self.held(|name| group.contains(&name));
            let written = self.write_spans(&holds.spans().collect::<Vec<_>>())?;
            // Nobody may have these events any more if one of them cannot be read.
            if written.iter().all(|name| Content::read(&self.path_of(*name), self.max_file).is_ok()) {
                group.iter().for_each(|name| self.remove(*name));
            }
        }
        Ok(())
    }

    /// One's own files, those together that fit into one. One that is damaged is left alone: it may hold what nobody else does,
    /// should it be mended. What is in the others is kept.
    fn groups(&self) -> Vec<Vec<FileName>> {
        let is_mine = |name: FileName| matches!(name, FileName::Data(id, _) if id == self.id);
        let mine = self.files.iter().filter(|(name, seen)| is_mine(**name) && matches!(seen.state, Reading::Whole(_)));
        let (mut groups, mut group, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (name, seen) in mine {
            if bytes + seen.stamp.bytes > self.max_file && !group.is_empty() {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
            group.push(*name);
            bytes += seen.stamp.bytes;
        }
        groups.extend(Some(group).filter(|group| !group.is_empty()));
        groups
    }

    /// One that stays does no harm.
    fn remove(&mut self, name: FileName) {
        if fs::remove_file(self.path_of(name)).is_ok() {
            self.files.remove(&name);
        }
    }

    /// Writes these events, which are kept, into a file, or as many as it takes.
    fn write_spans(&mut self, spans: &[EventSpan]) -> io::Result<Vec<FileName>> {
        // In pieces, parents first: those are made for somebody who holds everything else.
        let chunks = self.kept.chunks_since(&self.all_but(spans), CHUNK);
        self.write_data(spans, chunks.into_iter().map(Message::Data).collect())
    }

    /// What is kept but for these events.
    fn all_but(&self, spans: &[EventSpan]) -> Summary {
        let (mut wanted, mut others) = (Summary::new(), Summary::new());
        spans.iter().for_each(|span| wanted.insert(*span));
        self.kept.lacking_in(&wanted).spans.into_iter().for_each(|span| others.insert(span));
        others
    }

    /// Writes these events, which are kept and are what the data holds. Nobody would read a file that is too large, so that
    /// becomes several.
    fn write_data(&mut self, spans: &[EventSpan], data: Vec<Message>) -> io::Result<Vec<FileName>> {
        let mut holds = Summary::new();
        spans.iter().for_each(|span| holds.insert(*span));
        let messages = [vec![Message::Meta(holds.clone())], data, vec![Message::Done]].concat();
        let bytes = Content { hello: None, messages }.encode();
        if bytes.len() as u64 > self.max_file
            && let Some([first, second]) = self.halves(spans)
        {
            return Ok([self.write_spans(&first)?, self.write_spans(&second)?].concat());
        }
        let name = FileName::Data(self.id, self.next_number());
        self.put(name, &bytes, holds)?;
        Ok(vec![name])
    }

    /// These events in two halves, parents first; `None` when there is one alone. O(groups).
    fn halves(&self, spans: &[EventSpan]) -> Option<[Vec<EventSpan>; 2]> {
        let (others, all) = (self.all_but(spans), self.kept.come_since(0));
        let ordered: Vec<EventSpan> =
            all.into_iter().flat_map(|span| others.missing(span).collect::<Vec<_>>()).collect();
        let count = |span: &EventSpan| span.end.0 - span.start.0;
        let mut left = ordered.iter().map(|span| u64::from(count(span))).sum::<u64>() / 2;
        if left == 0 {
            return None;
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for span in ordered {
            let taken = count(&span).min(u32::try_from(left).unwrap_or(u32::MAX));
            left -= u64::from(taken);
            let cut = Clock(span.start.0 + taken);
            first.extend(Some(EventSpan { end: cut, ..span }).filter(|span| count(span) > 0));
            second.extend(Some(EventSpan { start: cut, ..span }).filter(|span| count(span) > 0));
        }
        Some([first, second])
    }

    /// Numbers ascend, and none comes again when files get lost and one begins anew: a copy of the old one may still be on
    /// its way.
    fn next_number(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mine = self.files.keys().filter_map(|name| match name {
            FileName::Data(id, number) if *id == self.id => Some(*number),
            _ => None,
        });
        now.max(mine.max().map_or(0, |last| last.saturating_add(1)))
    }

    /// Says what one holds, when that has changed. It is said after everything has been written.
    fn write_meta(&mut self) -> io::Result<()> {
        let (Some(hello), all) = (&self.hello, self.kept.summary()) else { return Ok(()) };
        let name = FileName::Meta(self.id);
        if self.told.as_ref() == Some(&all) && self.files.contains_key(&name) {
            return Ok(());
        }
        let messages = vec![Message::Meta(self.kept.meta()), Message::Done];
        self.put(name, &Content { hello: Some(hello.clone()), messages }.encode(), Summary::new())?;
        self.told = Some(all);
        Ok(())
    }

    /// Writes a file of one's own, which holds these events if it is DATA.
    fn put(&mut self, name: FileName, bytes: &[u8], holds: Summary) -> io::Result<()> {
        files::put(&self.path, name, bytes)?;
        let stamp = stamp_of(&self.path_of(name))?;
        self.files.insert(name, Seen { stamp, state: Reading::Whole(holds) });
        self.is_restless = true;
        Ok(())
    }

    fn path_of(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }
}

fn stamp_of(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp { bytes: metadata.len(), modified: metadata.modified().ok() })
}

/// A file without a time, or from the future, is read each time.
fn is_fresh(stamp: Stamp) -> bool {
    stamp.modified.and_then(|modified| modified.elapsed().ok()).is_none_or(|age| age < FRESH)
}

fn known_damage(seen: Option<&Seen>) -> Option<Damage> {
    match &seen?.state {
        Reading::Damaged(damage) => Some(damage.clone()),
        Reading::Whole(_) | Reading::Waiting(_) => None,
    }
}

/// The link and the folder have nothing more to say to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parted {
    /// Why, for people.
    pub reason: String,
    /// Whether trying again must end the same.
    pub is_final: bool,
}
