//! One room: its document, its members, and what each of them has been sent. Pure: no I/O, no tasks, no clock of its
//! own.
//!
//! What goes out lies in the members' outboxes; what is to be stored lies in `take_pieces`; time comes in as an
//! argument. DATA costs one import, one push per member (all share the same bytes), and no look at any summary.
//!
//! ```text
//!              META: everything fits                a push fails
//!   Greeted ───────────────────────────▶ Live ───────────────────────▶ Behind
//!      ▲   ╲                                                          ╱   ▲
//!      │    ╲───────── META: some of it does not fit ────────────────╱────┘
//!      └────────────────────────── queue empty: say resync ─────────╱
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cede::sync::Message;
use cede::{AgentId, Chars, Document, Frontier, ImportError, Summary};
use tokio_tungstenite::tungstenite::{self, Bytes, Utf8Bytes};

use super::outbox::Outbox;
use super::writer::Stored;
use crate::presence::{Agreement, Identity, Peer, PeerId, Presence, VersionMark, version_digest};
use crate::wire::{CHUNK, ClientControl, Refusal, ServerControl};

/// A room that has been quiet this long tells its version.
const QUIET: Duration = Duration::from_millis(200);
/// A room that is never quiet tells it this often.
const RESTLESS: Duration = Duration::from_secs(2);

/// A document and those who share it.
///
/// Invariant: a live member has been sent, or has sent, every event of the document.
/// Invariant: every event of the document is in a piece that was handed out to be stored, or came from the store.
pub(crate) struct Room {
    document: Document,
    members: BTreeMap<PeerId, Member>,
    limits: Limits,
    last_peer: u64,
    /// Events to be stored, in order, not handed out yet.
    pieces: Vec<Vec<u8>>,
    /// Pieces since the room was loaded; the last one has this number.
    appended: u64,
    /// The last piece that is durable.
    durable: u64,
    /// Acks that wait for pieces, in order of the pieces.
    owed: VecDeque<Owed>,
    storage_failure: Option<Arc<str>>,
    /// The mark last told, or computed for a report.
    mark: Option<VersionMark>,
    unrest: Option<Unrest>,
}

/// What a room allows its members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) members: usize,
    /// How long a full queue may stay full.
    pub(crate) patience: Duration,
}

struct Member {
    peer: Peer,
    outbox: Outbox,
    flow: Flow,
    /// DATA frames received from it.
    frames: u64,
    /// Since when its queue has been full.
    full_since: Option<Instant>,
    /// Messages about the others were dropped.
    roster_stale: bool,
    /// The ack that was dropped.
    ack_dropped: Option<u64>,
}

/// How DATA reaches a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    /// Its META is awaited; nobody knows what it lacks.
    Greeted,
    /// It is sent what comes.
    Live,
    /// Its queue was full; it is sent nothing until that is empty.
    Behind,
}

struct Owed {
    piece: u64,
    member: PeerId,
    frames: u64,
}

/// Something has changed since the version was told.
struct Unrest {
    first: Instant,
    last: Instant,
}

impl Unrest {
    fn ends(&self) -> Instant {
        (self.last + QUIET).min(self.first + RESTLESS)
    }
}

/// A stored piece that the engine refuses.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) piece: usize,
    pub(crate) pieces: usize,
    pub(crate) error: ImportError,
}

impl Room {
    /// The room that these stored pieces make.
    pub(crate) fn load(pieces: &[Vec<u8>], limits: Limits) -> Result<Self, Damage> {
        let mut document = Document::new();
        for (number, piece) in pieces.iter().enumerate() {
            let imported = document.import::<Chars>(piece);
            imported.map_err(|error| Damage { piece: number + 1, pieces: pieces.len(), error })?;
        }
        Ok(Self {
            document,
            members: BTreeMap::new(),
            limits,
            last_peer: 0,
            pieces: Vec::new(),
            appended: 0,
            durable: 0,
            owed: VecDeque::new(),
            storage_failure: None,
            mark: None,
            unrest: None,
        })
    }

    /// Everything in one piece; `None` when there is nothing, or when events still wait for their parents, which one
    /// piece would not hold.
    pub(crate) fn whole(&self) -> Option<Vec<u8>> {
        if self.document.waiting() > 0 { None } else { self.document.encode_since(&Summary::new()) }
    }

    /// Somebody comes. Their number, or why not.
    pub(crate) fn join(
        &mut self,
        now: Instant,
        identity: Identity,
        agent: AgentId,
        outbox: Outbox,
    ) -> Result<PeerId, (Refusal, String)> {
        if self.members.len() >= self.limits.members {
            return Err((Refusal::Full, format!("the room has {} members already", self.members.len())));
        }
        self.last_peer += 1;
        let id = PeerId(self.last_peer);
        let Identity { name, color } = identity;
        let (presence, agreement) = (Presence::default(), Agreement::default());
        let peer = Peer { id, name, color, agent, presence, agreement };
        self.tell(now, &ServerControl::Joined { peer: peer.clone() }, id);
        let (flow, roster_stale) = (Flow::Greeted, false);
        let member = Member { peer, outbox, flow, frames: 0, full_since: None, roster_stale, ack_dropped: None };
        let welcome = ServerControl::Welcome { you: id, peers: self.others(id) };
        member.outbox.greet(text_frame(&welcome));
        member.outbox.greet(binary_frame(Message::Meta(self.document.meta())));
        if let Some(reason) = &self.storage_failure {
            member.outbox.push(text_frame(&storage_notice(reason)));
        }
        self.members.insert(id, member);
        self.owe(id, 0);
        self.pay(now);
        Ok(id)
    }

    /// Somebody goes, and their presence with them.
    pub(crate) fn leave(&mut self, now: Instant, id: PeerId) {
        if self.members.remove(&id).is_some() {
            self.tell(now, &ServerControl::Left { id }, id);
        }
    }

    /// A control message of a member.
    pub(crate) fn receive_control(&mut self, now: Instant, id: PeerId, control: ClientControl) {
        match control {
            ClientControl::Hello { .. } => self.dismiss(now, id, Refusal::Malformed, "a second hello"),
            ClientControl::Presence(presence) => {
                let Some(member) = self.members.get_mut(&id) else {
                    return;
                };
                member.peer.presence = presence;
                self.tell(now, &ServerControl::Presence { id, presence }, id);
            }
            ClientControl::Report(theirs) => {
                let mark = self.current_mark();
                let Some(member) = self.members.get_mut(&id) else {
                    return;
                };
                let agreement = mark.compare(&theirs);
                if member.peer.agreement != agreement {
                    member.peer.agreement = agreement;
                    self.disturb(now);
                }
            }
        }
    }

    /// A binary frame of a member.
    pub(crate) fn receive_frame(&mut self, now: Instant, id: PeerId, frame: Bytes) {
        if !self.members.contains_key(&id) {
            return;
        }
        match Message::decode(&frame) {
            Ok(Message::Meta(summary)) => self.catch_up(now, id, &summary),
            Ok(Message::Data(events)) => self.take_in(now, id, &events, frame),
            // What the member lacks was sent with the answer to its META; that it has none left to send needs no
            // answer.
            Ok(Message::Done) => {}
            Err(error) => self.dismiss(now, id, Refusal::Malformed, &error.to_string()),
        }
    }

    /// The store has spoken.
    pub(crate) fn stored(&mut self, now: Instant, stored: Stored) {
        match stored {
            Stored::Durable(piece) => {
                self.durable = self.durable.max(piece);
                self.pay(now);
            }
            Stored::Failed(reason) if self.storage_failure.is_none() => {
                let notice = text_frame(&storage_notice(&reason));
                self.storage_failure = Some(reason);
                self.members.values().for_each(|member| _ = member.outbox.push(notice.clone()));
            }
            Stored::Failed(_) => {}
        }
    }

    /// A member's queue, which had been full, is empty: time to make up for what was dropped.
    pub(crate) fn drained(&mut self, now: Instant, id: PeerId) {
        let roster = ServerControl::Roster { peers: self.others(id) };
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.full_since = None;
        if std::mem::take(&mut member.roster_stale) && !member.send(now, text_frame(&roster)) {
            member.roster_stale = true;
        }
        if let Some(frames) = member.ack_dropped.take() {
            member.acknowledge(now, frames);
        }
        match member.flow {
            Flow::Behind => {
                if member.send(now, text_frame(&ServerControl::Resync)) {
                    member.flow = Flow::Greeted;
                }
            }
            // What was dropped may have been the version; it is cheap to tell it again.
            Flow::Live => self.disturb(now),
            Flow::Greeted => {}
        }
    }

    /// When [`Room::tick`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let full = self.members.values().filter_map(|member| member.full_since);
        let patience = full.min().map(|since| since + self.limits.patience);
        [patience, self.unrest.as_ref().map(Unrest::ends)].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.unrest.as_ref().is_some_and(|unrest| unrest.ends() <= now) {
            self.unrest = None;
            self.tell_version(now);
        }
        let patience = self.limits.patience;
        let too_slow = |member: &&Member| member.full_since.is_some_and(|since| since + patience <= now);
        let slow: Vec<PeerId> = self.members.values().filter(too_slow).map(|member| member.peer.id).collect();
        for id in slow {
            let reason = format!("nothing was read of a full queue for {} s", patience.as_secs());
            self.dismiss(now, id, Refusal::Slow, &reason);
        }
    }

    /// What is to be stored, each with its number.
    pub(crate) fn take_pieces(&mut self) -> Vec<(u64, Vec<u8>)> {
        let first = self.appended + 1 - self.pieces.len() as u64;
        (first..).zip(self.pieces.drain(..)).collect()
    }

    /// Nobody is in.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Everything is durable, or nothing more will be.
    pub(crate) fn is_settled(&self) -> bool {
        self.durable == self.appended || self.storage_failure.is_some()
    }

    #[cfg(test)]
    pub(crate) fn summary(&self) -> Summary {
        self.document.summary()
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.document.text().to_string()
    }

    fn others(&self, id: PeerId) -> Vec<Peer> {
        self.members.values().map(|member| &member.peer).filter(|peer| peer.id != id).cloned().collect()
    }

    /// Tells everybody but one.
    fn tell(&mut self, now: Instant, control: &ServerControl, but: PeerId) {
        let frame = text_frame(control);
        for member in self.members.values_mut().filter(|member| member.peer.id != but) {
            if !member.send(now, frame.clone()) {
                member.roster_stale = true;
            }
        }
    }

    /// Ends a member's connection and tells it why.
    fn dismiss(&mut self, now: Instant, id: PeerId, code: Refusal, reason: &str) {
        if let Some(member) = self.members.get(&id) {
            member.outbox.end(code, reason);
        }
        self.leave(now, id);
    }

    /// Answers META with what it lacks, as far as the queue goes. A META that nobody asked for is left alone: answering
    /// costs far more than asking.
    fn catch_up(&mut self, now: Instant, id: PeerId, theirs: &Summary) {
        if self.members.get(&id).is_none_or(|member| member.flow != Flow::Greeted) {
            return;
        }
        if let Err(forked) = self.document.check_meta(theirs) {
            return self.dismiss(now, id, Refusal::Invalid, &forked.to_string());
        }
        let chunks = self.document.chunks_since(theirs, CHUNK);
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let data = chunks.into_iter().map(|chunk| binary_frame(Message::Data(chunk)));
        let mut frames = data.chain([binary_frame(Message::Done)]);
        if frames.all(|frame| member.send(now, frame)) {
            member.flow = Flow::Live;
            self.disturb(now);
        } else {
            member.flow = Flow::Behind;
        }
    }

    /// Imports DATA, and if it held anything, passes it on and has it stored. Acknowledged it is in any case, after
    /// everything before it is durable.
    fn take_in(&mut self, now: Instant, id: PeerId, events: &[u8], frame: Bytes) {
        let (before, waiting) = (self.document.frontier(), self.document.waiting());
        if let Err(error) = self.document.import::<Chars>(events) {
            return self.dismiss(now, id, Refusal::Invalid, &error.to_string());
        }
        if self.document.frontier() != before {
            if waiting == 0 && self.document.waiting() == 0 {
                self.pass_on(now, id, events.to_vec(), tungstenite::Message::Binary(frame));
            } else if let Some(events) = self.since(&before) {
                let frame = binary_frame(Message::Data(events.clone()));
                self.pass_on(now, id, events, frame);
            }
        }
        let orphans = self.document.waiting().saturating_sub(waiting);
        if orphans > 0 {
            // An honest client sends parents first. Its next META starts over from what the room really holds.
            let reason = format!("{orphans} events came without their parents");
            return self.dismiss(now, id, Refusal::Incomplete, &reason);
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.frames += 1;
            let frames = member.frames;
            self.owe(id, frames);
            self.pay(now);
        }
    }

    /// What has come since a version. While events wait for their parents a frame is not just that: some of it may wait
    /// as well, and it may have set free what came earlier in other frames.
    fn since(&self, before: &Frontier) -> Option<Vec<u8>> {
        let (_, fresh) = self.document.diff(before, &self.document.frontier()).ok()?;
        self.document.encode_spans(&fresh.spans().collect::<Vec<_>>())
    }

    fn pass_on(&mut self, now: Instant, from: PeerId, events: Vec<u8>, frame: tungstenite::Message) {
        self.pieces.push(events);
        self.appended += 1;
        for member in self.members.values_mut() {
            member.peer.agreement = Agreement::Behind;
            let is_sent = member.flow == Flow::Live && member.peer.id != from;
            if is_sent && !member.send(now, frame.clone()) {
                member.flow = Flow::Behind;
            }
        }
        self.disturb(now);
    }

    /// So many frames of a member are to be acknowledged when everything up to now is durable.
    fn owe(&mut self, member: PeerId, frames: u64) {
        self.owed.push_back(Owed { piece: self.appended, member, frames });
        if self.storage_failure.is_some() {
            self.owed.clear();
        }
    }

    /// Acknowledges what has become durable, once per member.
    fn pay(&mut self, now: Instant) {
        let mut due = BTreeMap::new();
        while let Some(owed) = self.owed.front().filter(|owed| owed.piece <= self.durable) {
            due.insert(owed.member, owed.frames);
            self.owed.pop_front();
        }
        for (id, frames) in due {
            if let Some(member) = self.members.get_mut(&id) {
                member.acknowledge(now, frames);
            }
        }
    }

    fn disturb(&mut self, now: Instant) {
        self.unrest.get_or_insert(Unrest { first: now, last: now }).last = now;
    }

    /// Hashes the text if the version has changed: O(n).
    fn current_mark(&mut self) -> VersionMark {
        let version = version_digest(&self.document.frontier());
        let document = &self.document;
        match self.mark {
            Some(mark) if mark.version == version => mark,
            _ => *self.mark.insert(VersionMark::of(document)),
        }
    }

    fn tell_version(&mut self, now: Instant) {
        let mark = self.current_mark();
        let with = |agreement: Agreement| {
            let peers = self.members.values().map(|member| &member.peer);
            peers.filter(|peer| peer.agreement == agreement).map(|peer| peer.id).collect()
        };
        let version = ServerControl::Version { mark, equal: with(Agreement::Equal), differs: with(Agreement::Differs) };
        let frame = text_frame(&version);
        for member in self.members.values_mut().filter(|member| member.flow == Flow::Live) {
            member.send(now, frame.clone());
        }
    }
}

impl Member {
    /// Queues a frame, or notes since when there is no room for one.
    fn send(&mut self, now: Instant, frame: tungstenite::Message) -> bool {
        let queued = self.outbox.push(frame);
        if !queued {
            self.full_since.get_or_insert(now);
        }
        queued
    }

    fn acknowledge(&mut self, now: Instant, frames: u64) {
        if !self.send(now, text_frame(&ServerControl::Ack { frames })) {
            self.ack_dropped = Some(frames);
        }
    }
}

fn storage_notice(reason: &str) -> ServerControl {
    let text = format!("the server no longer saves this room: {reason}; what you see is complete, keep your own copy");
    ServerControl::Notice { text }
}

fn text_frame(control: &ServerControl) -> tungstenite::Message {
    tungstenite::Message::Text(Utf8Bytes::from(control.to_json()))
}

fn binary_frame(message: Message) -> tungstenite::Message {
    tungstenite::Message::Binary(Bytes::from(message.encode()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Color;
    use crate::server::outbox::outbox;
    use cede::{EventSpan, Session};

    const LIMITS: Limits = Limits { members: 10, patience: Duration::from_secs(30) };

    fn join(room: &mut Room, now: Instant) -> PeerId {
        let identity = Identity { name: "Ann".into(), color: Color(1, 2, 3) };
        room.join(now, identity, AgentId::new(9), outbox(1 << 20).0).unwrap()
    }

    fn send(room: &mut Room, now: Instant, from: PeerId, document: &Document, spans: &[EventSpan]) {
        let data = Message::Data(document.encode_spans(spans).unwrap());
        room.receive_frame(now, from, Bytes::from(data.encode()));
    }

    #[test]
    fn events_without_their_parents_are_not_stored_until_these_have_come() {
        let [mut ann, mut ben, mut cat] = [1, 2, 3].map(|agent| Session::new(AgentId::new(agent)));
        ann.insert(Chars(0), "first ").unwrap();
        ben.merge::<Chars>(&ann.document().encode()).unwrap();
        ben.insert(Chars(6), "then ").unwrap();
        cat.insert(Chars(0), "beside ").unwrap();
        ben.merge::<Chars>(&cat.document().encode()).unwrap();
        let spans: Vec<EventSpan> = ben.document().summary().spans().collect();
        let [first, then, beside] = spans[..] else { panic!("{spans:?}") };

        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let dishonest = join(&mut room, now);
        send(&mut room, now, dishonest, ben.document(), &[then, beside]);
        assert!(room.is_empty(), "who sends events without their parents is dismissed");
        let mut pieces: Vec<Vec<u8>> = room.take_pieces().into_iter().map(|(_, piece)| piece).collect();
        let stored = Room::load(&pieces, LIMITS).unwrap();
        assert_eq!((stored.text().as_str(), stored.document.waiting()), ("beside ", 0));

        let honest = join(&mut room, now);
        send(&mut room, now, honest, ben.document(), &[first]);
        pieces.extend(room.take_pieces().into_iter().map(|(_, piece)| piece));
        let stored = Room::load(&pieces, LIMITS).unwrap();
        assert_eq!(stored.text(), ben.text().to_string());
        assert!(!room.is_empty() && stored.whole().is_some());
    }
}
