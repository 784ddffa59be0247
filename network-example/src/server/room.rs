//! One room: its document, its members, and what each of them has been sent. No tasks and no clock of its own, and no I/O but
//! for what an outbox passes on at once.
//!
//! What goes out is given to the members' outboxes; what is to be stored lies in `take_due`; time comes in as an
//! argument. DATA costs one import, one push per member (all share the same bytes), and no look at any summary.
//!
//! # Of which kind
//!
//! A room that nobody has written to is of no kind. Its first event decides: a text, a JSON document, a dictionary. From
//! then on an update of another kind is refused.
//!
//! # What is checked, and why the text is in memory
//!
//! Most of what a server does needs names and parents alone. One rule does not: that an index lies within the document
//! at its parents is known by whoever has the values there. An update that breaks it and is relayed and stored unlooked at
//! would be refused by every client, for good: nobody could join this room again. So each update is replayed before it
//! is passed on. That costs next to nothing where history is linear, and what is known already is not replayed. A room
//! that nobody edits *rests*: it keeps its members and lets go of the document, which is read again when somebody
//! needs it.
//!
//! # Whose events
//!
//! An agent is bound to the connection that said hello with it, if that may write. From its first DONE on, when
//! everything that it had offline is here, new events of that agent are taken from that connection alone; DATA of anybody
//! else that brings some is refused. Until then, and while nobody is connected with an agent, whoever may write may bring
//! its events: that is how what was exchanged by files, or through a server that lost its memory, comes together again. An
//! honest client never meets the refusal, for others' events reach it by this server. Nobody is asked again whose events are
//! that have waited for their parents, so they are forgotten with whoever sent them.
//!
//! ```text
//!              META: everything fits                a push fails
//!   Greeted ───────────────────────────▶ Live ───────────────────────▶ Behind
//!      ▲   ╲                                                          ╱   ▲
//!      │    ╲───────── META: some of it does not fit ────────────────╱────┘
//!      └────────────────────────── queue empty: say resync ─────────╱
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cede::sync::Message;
use cede::{AgentId, DocumentKind, Frontier, Sender, Summary};
use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, Bytes, Utf8Bytes};

use super::access::{Credential, Denied, HeldPass, Invitation};
use super::held::Held;
use super::kept::{Kept, Unfit};
use super::metrics::Metrics;
use super::outbox::{Outbox, Parcel};
use super::pieces::Pieces;
use super::whole::Whole;
use super::writer::Stored;
use crate::planted::planted;
use crate::presence::{Agreement, Identity, Peer, PeerId, Presence, VersionMark, version_digest};
use crate::rights::Rights;
use crate::token::Token;
use crate::wire::{CHUNK, ClientControl, MAX_FROM_SERVER, Refusal, ServerControl, bounded_meta};

/// So many who have left are remembered.
const GONE: usize = 256;

/// No member has this number: the server itself.
const SERVER: PeerId = PeerId(0);

/// A room that has been quiet this long tells its version.
const QUIET: Duration = Duration::from_millis(200);
/// A room that is never quiet tells it this often.
const RESTLESS: Duration = Duration::from_secs(2);
/// How long a frame waits for another to go with.
const ALONG: Duration = Duration::from_millis(50);
/// DATA frames that may be under way when somebody's right to write is taken back: twice what an editor sends in a
/// second of latency.
const IN_FLIGHT: u32 = 64;

/// A document and those who share it.
///
/// Invariant: a live member has been sent, or has sent, every event of the document.
/// Invariant: every event of the document is in a piece that was or will be handed out to be stored, or came from the store.
/// Invariant: while it rests its document is empty, everything is durable, and nothing has happened since.
pub(crate) struct Room {
    document: Kept,
    /// Of which kind it has to be.
    only: Option<DocumentKind>,
    rests: bool,
    /// The version at which it went to rest.
    rested: Frontier,
    /// Boxed, because a node of the map has room for eleven.
    members: BTreeMap<PeerId, Box<Member>>,
    /// Whose connection an agent's new events come by.
    owners: HashMap<AgentId, PeerId>,
    /// Under which agent the server itself writes, once it has.
    scribe: Option<AgentId>,
    limits: Limits,
    metrics: Arc<Metrics>,
    held: Held,
    /// Everything in one piece, for the store to put in the place of what it has.
    rewritten: Option<Vec<u8>>,
    /// What hosts have asked for and nobody has done yet.
    orders: Vec<Order>,
    /// Who has left last and was no host: a host's word may come after them.
    gone: VecDeque<(PeerId, Credential)>,
    last_peer: u64,
    /// Events to be stored that are not handed out yet.
    pieces: Pieces,
    /// The last piece that is durable.
    durable: u64,
    /// Acks that wait for pieces, in order of the pieces.
    owed: VecDeque<Owed>,
    storage_failure: Option<Arc<str>>,
    /// The document's META, for those who come before it changes again. Everybody does at once when a server is back.
    meta: Option<Bytes>,
    whole: Whole,
    /// The mark last told, or computed for a report.
    mark: Option<VersionMark>,
    unrest: Option<Unrest>,
    /// More is waiting to be done here already.
    is_busy: bool,
    /// Since when frames wait in outboxes for others to go with.
    along_since: Option<Instant>,
}

/// What a room allows its members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) members: usize,
    /// How long a full queue may stay full.
    pub(crate) patience: Duration,
    /// How many events a document may have.
    pub(crate) events: u64,
    /// How many bytes they may have, put into one piece.
    pub(crate) bytes: u64,
}

/// Somebody at the door of a room.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    pub(crate) identity: Identity,
    pub(crate) agent: AgentId,
    pub(crate) outbox: Outbox,
    pub(crate) credential: Credential,
    /// As of their hello; the room looks again.
    pub(crate) rights: Rights,
    /// What they are given to come back by.
    pub(crate) pass: Option<Token>,
    pub(crate) held: Option<HeldPass>,
}

/// Somebody is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    pub(crate) id: PeerId,
    /// Who they are from here on.
    pub(crate) credential: Credential,
}

/// A host wants somebody to do no more than this, or nothing at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) member: PeerId,
    pub(crate) credential: Credential,
    pub(crate) to: Option<Rights>,
}

struct Member {
    peer: Peer,
    credential: Credential,
    /// Of the pass that they are in by.
    _held: Option<HeldPass>,
    outbox: Outbox,
    flow: Flow,
    /// They have said DONE.
    is_done: bool,
    /// DATA frames that were not taken, for want of rights. None is taken after the first, so that no ack speaks of one.
    refused: u32,
    /// DATA frames received from it.
    frames: u64,
    /// What is still to be sent of the answer to its META. Boxed, because few wait for it.
    rest: Option<Box<Rest>>,
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

/// What somebody said to hold, and the event from which on the rest has not been sent. A META of very many agents says less
/// than what is held, so to ask for it again would never end.
struct Rest {
    theirs: Summary,
    from: u64,
}

struct Owed {
    piece: u64,
    member: PeerId,
    frames: u64,
    since: Instant,
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
    pub(crate) error: Unfit,
}

impl Room {
    /// The document that these stored pieces make.
    pub(crate) fn read(pieces: &[Vec<u8>]) -> Result<Kept, Damage> {
        let mut document = Kept::default();
        for (number, piece) in pieces.iter().enumerate() {
            let absorbed = document.absorb(piece);
            absorbed.map_err(|error| Damage { piece: number + 1, pieces: pieces.len(), error })?;
        }
        Ok(document)
    }

    /// The room with this document, of which the store holds so much.
    pub(crate) fn new(document: Kept, held: Held, limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            document,
            only: None,
            rests: false,
            rested: Frontier::root(),
            members: BTreeMap::new(),
            owners: HashMap::new(),
            scribe: None,
            limits,
            metrics,
            held,
            rewritten: None,
            orders: Vec::new(),
            gone: VecDeque::new(),
            last_peer: 0,
            pieces: Pieces::default(),
            durable: 0,
            owed: VecDeque::new(),
            storage_failure: None,
            meta: None,
            whole: Whole::default(),
            mark: None,
            unrest: None,
            is_busy: false,
            along_since: None,
        }
    }

    /// The same for documents of this kind alone.
    pub(crate) fn only(self, only: Option<DocumentKind>) -> Self {
        Self { only, ..self }
    }

    /// Whether more is waiting to be done here. Then what is passed on waits in the queues, for what comes next can go with it:
    /// many frames in one call to the system cost little more than one.
    pub(crate) fn set_busy(&mut self, is_busy: bool) {
        self.is_busy = is_busy;
    }

    /// Lets go of the document, which the store has, if nothing is under way. Says whether it rests now.
    pub(crate) fn rest(&mut self) -> bool {
        // Who is still to be sent some of the document needs it.
        let is_quiet = self.unrest.is_none()
            && self.durable == self.pieces.appended()
            && self.storage_failure.is_none()
            && self.members.values().all(|member| member.rest.is_none());
        if is_quiet && !self.rests {
            self.rested = self.document.frontier();
            self.document = Kept::default();
            self.meta = None;
            self.whole = Whole::default();
            self.rests = true;
        }
        self.rests
    }

    /// Whether [`Room::wake`] has to be called before anything that needs the document.
    pub(crate) fn rests(&self) -> bool {
        self.rests
    }

    /// The document, read again, and how much the store holds of it.
    pub(crate) fn wake(&mut self, now: Instant, document: Kept, held: Held) {
        self.meta = None;
        self.whole = Whole::default();
        self.document = document;
        self.held = held;
        self.rests = false;
        // A store that others write to as well, an editor's document for instance, may have more by now. Whoever sends that
        // brings nothing new, so nobody would be sent it.
        if let Some(events) = self.document.encode_beyond(&self.rested) {
            let frame = binary_frame(Message::Data(events));
            for member in self.members.values_mut() {
                member.peer.agreement = Agreement::Behind;
                if member.flow == Flow::Live && !member.send(now, &frame) {
                    member.flow = Flow::Behind;
                }
            }
            self.disturb(now);
        }
    }

    /// The document, to be looked at elsewhere.
    pub(crate) fn document(&self) -> &Kept {
        &self.document
    }

    /// Puts everything into one piece, unless events still wait for their parents, which it would not hold. O(n).
    pub(crate) fn rewrite(&mut self) {
        if let Some(whole) = self.whole() {
            self.held = Held::in_one(whole.len());
            self.rewritten = Some(whole);
        }
    }

    /// What is to be put in the place of everything that has been handed out to be stored, before any more is: it holds all of
    /// that. A room where people type for days without a pause is rewritten here, now and then.
    pub(crate) fn take_rewritten(&mut self) -> Option<Vec<u8>> {
        if self.held.is_much() {
            self.rewrite();
        }
        self.rewritten.take()
    }

    /// Everything in one piece; `None` when there is nothing, or when events still wait for their parents, which one
    /// piece would not hold.
    fn whole(&self) -> Option<Vec<u8>> {
        if self.document.waiting() > 0 { None } else { self.document.encode_since(&Summary::new()) }
    }

    /// Somebody comes. Their number, or why not.
    pub(crate) fn join(&mut self, now: Instant, joining: Joining) -> Result<PeerId, (Refusal, String)> {
        self.make_place(now, &joining)?;
        let Joining { identity, agent, outbox, credential, rights, pass, held } = joining;
        self.last_peer += 1;
        let id = PeerId(self.last_peer);
        let Identity { name, color } = identity;
        let (presence, agreement) = (Presence::default(), Agreement::default());
        let peer = Peer { id, name, color, agent, presence, agreement, rights };
        self.tell(now, &ServerControl::Joined { peer: peer.clone() }, id);
        let member = Member {
            peer,
            credential,
            _held: held,
            outbox,
            flow: Flow::Greeted,
            is_done: false,
            refused: 0,
            frames: 0,
            rest: None,
            full_since: None,
            roster_stale: false,
            ack_dropped: None,
        };
        let welcome = ServerControl::Welcome { you: id, peers: self.others(id), rights, pass };
        member.outbox.greet(text_message(&welcome));
        let document = &self.document;
        let meta = self.meta.get_or_insert_with(|| bounded_meta(document.meta(), MAX_FROM_SERVER).encode().into());
        member.outbox.greet(tungstenite::Message::Binary(meta.clone()));
        if let Some(reason) = &self.storage_failure {
            member.outbox.push(&text_frame(&storage_notice(reason)));
        }
        self.members.insert(id, Box::new(member));
        self.owe(now, id, 0);
        self.pay(now);
        Ok(id)
    }

    /// Sees to it that somebody can come in, or says why not.
    pub(crate) fn make_place(&mut self, now: Instant, joining: &Joining) -> Result<(), (Refusal, String)> {
        self.make_way(now, joining)?;
        if self.members.len() >= self.limits.members {
            return Err((Refusal::Full, format!("the room has {} members already", self.members.len())));
        }
        Ok(())
    }

    /// An agent edits on one connection. Who comes back before the server has noticed that they were gone takes their own
    /// place; nobody takes anybody else's. Whoever may not write edits under no agent, so they neither keep anybody out nor
    /// are kept out: everybody sees under which agent others write.
    fn make_way(&mut self, now: Instant, joining: &Joining) -> Result<(), (Refusal, String)> {
        let mut alike = self.members.values().filter(|member| member.peer.agent == joining.agent);
        let writes = |rights: Rights| rights >= Rights::Write;
        if let Some(former) = alike.clone().find(|member| member.credential == joining.credential) {
            self.dismiss(now, former.peer.id, Refusal::Taken, "your agent edits on another connection now");
        } else if writes(joining.rights) && alike.any(|member| writes(member.peer.rights)) {
            return Err((Refusal::Taken, "your agent edits on another connection".to_owned()));
        }
        Ok(())
    }

    /// Somebody goes, and their presence with them.
    pub(crate) fn leave(&mut self, now: Instant, id: PeerId) {
        if let Some(member) = self.members.remove(&id) {
            if self.owners.get(&member.peer.agent) == Some(&id) {
                self.owners.remove(&member.peer.agent);
            }
            if member.peer.rights < Rights::Host {
                self.gone.push_back((id, member.credential));
                if self.gone.len() > GONE {
                    self.gone.pop_front();
                }
            }
            // Nobody would be asked whose it is when it is let in.
            self.document.forget(Sender(id.0));
            self.tell(now, &ServerControl::Left { id }, id);
        }
    }

    /// Everybody goes, and is told why.
    pub(crate) fn dismiss_all(&mut self, now: Instant, code: Refusal, reason: &str) {
        while let Some((&id, _)) = self.members.first_key_value() {
            self.dismiss(now, id, code, reason);
        }
    }

    /// What somebody may do has been looked up anew.
    pub(crate) fn allow(&mut self, now: Instant, id: PeerId, rights: Result<Rights, Denied>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        match rights {
            Err(denied) => {
                let code = if denied == Denied::Unknown { Refusal::Revoked } else { denied.code() };
                self.dismiss(now, id, code, denied.reason());
            }
            Ok(rights) if rights != member.peer.rights => {
                member.peer.rights = rights;
                let agent = member.peer.agent;
                let has_lost_frames = member.refused > 0;
                let frame = self.to_all(text_frame(&ServerControl::Rights { id, rights }));
                for member in self.members.values_mut() {
                    if !member.send(now, &frame) {
                        member.roster_stale = true;
                    }
                }
                if rights < Rights::Write && self.owners.get(&agent) == Some(&id) {
                    self.owners.remove(&agent);
                }
                self.own(id);
                if rights >= Rights::Write && has_lost_frames {
                    // What was not taken is found by the next META alone.
                    self.dismiss(now, id, Refusal::Changed, "you may write again; what you typed is taken next time");
                }
            }
            Ok(_) => {}
        }
    }

    /// Tells hosts that a join line has been made anew.
    pub(crate) fn invite(&mut self, now: Instant, invitation: Invitation) {
        let Invitation { rights, token, .. } = invitation;
        let frame = text_frame(&ServerControl::Invitation { rights, token });
        for host in self.members.values_mut().filter(|member| member.peer.rights == Rights::Host) {
            host.send(now, &frame);
        }
    }

    /// Those who are in by this.
    pub(crate) fn members_by(&self, credential: Credential) -> Vec<PeerId> {
        let by_it = self.members.values().filter(|member| member.credential == credential);
        by_it.map(|member| member.peer.id).collect()
    }

    /// What hosts have asked for since the last time.
    pub(crate) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// A host wants somebody's rights changed. Hosts are equals.
    fn order(&mut self, now: Instant, by: PeerId, of: PeerId, to: Option<Rights>) {
        let Some(host) = self.members.get_mut(&by) else { return };
        if host.peer.rights < Rights::Host && !planted("order") {
            let reason = "what others may do is the host's to say";
            return self.dismiss(now, by, Refusal::Forbidden, reason);
        }
        let credential = match self.members.get(&of) {
            Some(member) => (member.peer.rights < Rights::Host).then_some(member.credential),
            // They may be back already, under another number.
            None => self.gone.iter().find(|&&(id, _)| id == of).map(|&(_, credential)| credential),
        };
        if let Some(credential) = credential {
            // Nobody is made a host by a host.
            let to = to.map(|rights| rights.min(Rights::Write));
            self.orders.push(Order { member: of, credential, to });
        }
    }

    /// A control message of a member.
    pub(crate) fn receive_control(&mut self, now: Instant, id: PeerId, control: ClientControl) {
        match control {
            ClientControl::Hello { .. } => self.dismiss(now, id, Refusal::Malformed, "a second hello"),
            ClientControl::Allow { id: of, rights } => self.order(now, id, of, Some(rights)),
            ClientControl::Remove { id: of } => self.order(now, id, of, None),
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
            Ok(Message::Meta(summary)) => self.catch_up(now, id, summary),
            Ok(Message::Data(events)) => self.take_in(now, id, &events, frame),
            // What the member lacks was sent with the answer to its META, so this needs no answer. What its agent did
            // before is here now, and what it does from here on comes by this connection.
            Ok(Message::Done) => {
                self.members.get_mut(&id).into_iter().for_each(|member| member.is_done = true);
                self.own(id);
            }
            Err(error) => self.dismiss(now, id, Refusal::Malformed, &error.to_string()),
        }
    }

    /// From here on a member's agent is theirs, if they have said DONE. Whoever may not write has no events to protect, and
    /// would keep out somebody who has.
    fn own(&mut self, id: PeerId) {
        if let Some(member) = self.members.get(&id)
            && member.is_done
            && member.peer.rights >= Rights::Write
        {
            self.owners.entry(member.peer.agent).or_insert(id);
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
                self.members.values().for_each(|member| _ = member.outbox.push(&notice));
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
        if std::mem::take(&mut member.roster_stale) && !member.send(now, &text_frame(&roster)) {
            member.roster_stale = true;
        }
        if let Some(frames) = member.ack_dropped.take() {
            member.acknowledge(now, frames);
            self.along_since.get_or_insert(now);
        }
        match member.flow {
            Flow::Behind => {
                if let Some(rest) = member.rest.take() {
                    self.send_rest(now, id, rest);
                } else if member.send(now, &text_frame(&ServerControl::Resync)) {
                    self.metrics.resyncs.add(1);
                    member.flow = Flow::Greeted;
                }
            }
            // What was dropped may have been the version; it is cheap to tell it again, but while the room rests: then there
            // is no document to tell it of.
            Flow::Live if !self.rests => self.disturb(now),
            Flow::Live | Flow::Greeted => {}
        }
    }

    /// When [`Room::tick`] or [`Room::take_due`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let full = self.members.values().filter_map(|member| member.full_since);
        let patience = full.min().map(|since| since + self.limits.patience);
        let along = self.along_since.map(|since| since + ALONG);
        [patience, self.unrest.as_ref().map(Unrest::ends), self.pieces.due(), along].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        if let Some(unrest) = self.unrest.take_if(|unrest| unrest.ends() <= now) {
            self.tell_version(now, unrest.last + QUIET <= now);
        }
        if self.along_since.take_if(|since| *since + ALONG <= now).is_some() {
            self.members.values().for_each(|member| member.outbox.nudge());
        }
        let patience = self.limits.patience;
        let too_slow = |member: &Member| member.full_since.is_some_and(|since| since + patience <= now);
        let slow = self.members.values().filter(|member| too_slow(member)).map(|member| member.peer.id);
        let slow: Vec<PeerId> = slow.collect();
        for id in slow {
            let reason = format!("nothing was read of a full queue for {} s", patience.as_secs());
            self.dismiss(now, id, Refusal::Slow, &reason);
        }
    }

    /// What is to be stored by now, each with its number.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(u64, Vec<u8>)> {
        if self.pieces.due().is_some_and(|due| due <= now) { self.take_pieces() } else { Vec::new() }
    }

    /// What is to be stored at all, each with its number.
    pub(crate) fn take_pieces(&mut self) -> Vec<(u64, Vec<u8>)> {
        let document = &self.document;
        self.pieces.take(|since| document.encode_beyond(since))
    }

    /// Nobody is in, and nobody has written anything.
    pub(crate) fn is_vacant(&self) -> bool {
        self.is_empty() && !self.rests && self.document.is_new() && self.document.waiting() == 0
    }

    /// Nobody is in.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Everything is durable, or nothing more will be.
    pub(crate) fn is_settled(&self) -> bool {
        self.durable == self.pieces.appended() || self.storage_failure.is_some()
    }

    #[cfg(test)]
    pub(crate) fn load(pieces: &[Vec<u8>], limits: Limits) -> Result<Self, Damage> {
        Ok(Self::new(Self::read(pieces)?, Held::of(pieces), limits, Arc::default()))
    }

    #[cfg(test)]
    pub(crate) fn summary(&self) -> Summary {
        self.document.summary()
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.document.text()
    }

    fn others(&self, id: PeerId) -> Vec<Peer> {
        self.members.values().map(|member| &member.peer).filter(|peer| peer.id != id).cloned().collect()
    }

    /// What goes to everybody, as it goes now.
    fn to_all(&self, frame: Parcel) -> Parcel {
        if self.is_busy { frame.queued() } else { frame }
    }

    /// Tells everybody but one.
    fn tell(&mut self, now: Instant, control: &ServerControl, but: PeerId) {
        let frame = self.to_all(text_frame(control));
        for member in self.members.values_mut().filter(|member| member.peer.id != but) {
            if !member.send(now, &frame) {
                member.roster_stale = true;
            }
        }
    }

    /// Ends a member's connection and tells it why.
    fn dismiss(&mut self, now: Instant, id: PeerId, code: Refusal, reason: &str) {
        if let Some(member) = self.members.get(&id) {
            member.outbox.end(code, reason);
            self.metrics.refused(code.label());
        }
        self.leave(now, id);
    }

    /// Answers META with what it lacks, as far as the queue goes; the rest follows when that is empty. A META that nobody
    /// asked for is left alone: answering costs far more than asking.
    fn catch_up(&mut self, now: Instant, id: PeerId, theirs: Summary) {
        if self.members.get(&id).is_none_or(|member| member.flow != Flow::Greeted) {
            return;
        }
        if let Err(forked) = self.document.check_meta(&theirs) {
            return self.dismiss(now, id, Refusal::Invalid, &forked.to_string());
        }
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let kept = if theirs.is_empty() { self.whole.frames(&self.document, self.held.bytes()) } else { None };
        let Some(frames) = kept else {
            return self.send_rest(now, id, Box::new(Rest { theirs, from: 0 }));
        };
        let times = if planted("twice") { 2 } else { 1 };
        let mut frames = std::iter::repeat_n(frames, times).flatten();
        let mut send = |frame: Parcel| member.send(now, &frame.queued());
        let fits = frames.all(|frame| send(tungstenite::Message::Binary(frame.clone()).into()));
        if fits && send(binary_frame(Message::Done)) {
            member.flow = Flow::Live;
            self.disturb(now);
        } else {
            // Most of it has been sent, so its next META says what is lacking.
            member.flow = Flow::Behind;
        }
    }

    /// Sends what somebody lacks from an event on, as far as the queue goes. What does not fit is not even encoded.
    fn send_rest(&mut self, now: Instant, id: PeerId, mut rest: Box<Rest>) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let mut chunks = self.document.each_chunk_from(rest.from, &rest.theirs, CHUNK);
        let left = chunks.try_fold(rest.from, |from, (end, chunk)| {
            // They go together, and by the connection's own task.
            if member.send(now, &binary_frame(Message::Data(chunk)).queued()) { Ok(end) } else { Err(from) }
        });
        drop(chunks);
        match left {
            Ok(_) if member.send(now, &binary_frame(Message::Done).queued()) => {
                member.flow = Flow::Live;
                self.disturb(now);
            }
            Ok(from) | Err(from) => {
                if rest.from == 0 {
                    // What nobody here has heard of makes no difference, and is not kept for who reads slowly.
                    rest.theirs = rest.theirs.common(&self.document.summary());
                }
                rest.from = from;
                (member.flow, member.rest) = (Flow::Behind, Some(rest));
            }
        }
    }

    /// Imports DATA, and if it held anything, passes it on and has it stored. Acknowledged it is in any case, after
    /// everything before it is durable.
    fn take_in(&mut self, now: Instant, id: PeerId, events: &[u8], frame: Bytes) {
        if !self.may_bring(now, id) {
            return;
        }
        if let Some(unfit) = DocumentKind::of_update(events).and_then(|brought| self.unwanted(brought)) {
            return self.dismiss(now, id, unfit.code(), &unfit.to_string());
        }
        let (before, waiting, count) = (self.document.frontier(), self.document.waiting(), self.document.event_count());
        let owners = &self.owners;
        let admits = |agent| planted("foreign") || owners.get(&agent).is_none_or(|owner| *owner == id);
        match self.document.absorb_from(Sender(id.0), events, admits) {
            Ok(true) => {}
            Ok(false) => {
                let reason = "an event of somebody who is connected and sends their own";
                return self.dismiss(now, id, Refusal::Foreign, reason);
            }
            Err(unfit) => return self.dismiss(now, id, unfit.code(), &unfit.to_string()),
        }
        self.metrics.events.add(self.document.event_count() - count);
        if self.document.frontier() != before {
            if waiting == 0 && self.document.waiting() == 0 {
                self.pass_on(now, id, before, events.to_vec(), frame);
            } else if let Some(events) = self.document.encode_beyond(&before) {
                // While events wait for their parents a frame is not just what has come: some of it may wait as well, and
                // it may have set free what came earlier in other frames.
                let frame = Bytes::from(Message::Data(events.clone()).encode());
                self.pass_on(now, id, before, events, frame);
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
            self.owe(now, id, frames);
            self.pay(now);
        }
    }

    /// Whether DATA of a member is looked at at all. Somebody who may only read is told so once; a few frames may have
    /// been under way when they could still write, more show that their program does not listen.
    fn may_bring(&mut self, now: Instant, id: PeerId) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return false };
        if !planted("reader") && (member.peer.rights < Rights::Write || member.refused > 0) {
            member.refused += 1;
            if member.refused == 1 {
                let text = "you may only read here; what you have typed since stays with you".to_owned();
                member.send(now, &text_frame(&ServerControl::Notice { text }));
            } else if member.refused > IN_FLIGHT {
                self.dismiss(now, id, Refusal::Forbidden, "you may only read here");
            }
            return false;
        }
        match self.full() {
            Some(reason) => {
                self.dismiss(now, id, Refusal::TooLarge, &reason);
                false
            }
            None => true,
        }
    }

    /// Why a document of this kind is not kept here, if so.
    fn unwanted(&self, brought: DocumentKind) -> Option<Unfit> {
        let holds = self.only.filter(|&only| only != brought)?;
        Some(Unfit::Kind { holds, brought })
    }

    /// Why nothing more is taken in, if so. That is final for whoever hears it, so what the store holds is put into one piece
    /// and counted again before.
    fn full(&mut self) -> Option<String> {
        let Limits { events, bytes, .. } = self.limits;
        if self.held.bytes() >= bytes && self.held.may_shrink() {
            self.rewrite();
        }
        let is_full = self.document.event_count() >= events || self.held.is_full(bytes);
        is_full.then(|| format!("the document has reached its greatest size, {events} events or {bytes} bytes"))
    }

    /// Sets or removes a key of the dictionary under an agent of the room's own, and passes that on as what a member
    /// brings. The number of the piece that is to be stored.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        key: &str,
        value: Option<&Value>,
        wall: u64,
    ) -> Result<u64, (Refusal, String)> {
        if let Some(reason) = &self.storage_failure {
            return Err((Refusal::Unavailable, reason.to_string()));
        }
        if let Some(reason) = self.full() {
            return Err((Refusal::TooLarge, reason));
        }
        if let Some(unfit) = self.unwanted(DocumentKind::Dict) {
            return Err((unfit.code(), unfit.to_string()));
        }
        let scribe = self.scribe().map_err(|error| (Refusal::Unavailable, error.to_string()))?;
        let before = self.document.frontier();
        let written = self.document.write(scribe, key, value, wall);
        let events = written.map_err(|unfit| (unfit.code(), unfit.to_string()))?;
        self.metrics.events.add(1);
        let frame = Bytes::from(Message::Data(events.clone()).encode());
        self.pass_on(now, SERVER, before, events, frame);
        self.pieces.hurry(now);
        Ok(self.pieces.appended())
    }

    /// An agent never outlives what it has seen: a room that has left memory comes back with another. Nobody else brings
    /// events of it.
    fn scribe(&mut self) -> Result<AgentId, getrandom::Error> {
        if let Some(scribe) = self.scribe {
            return Ok(scribe);
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let scribe = AgentId::new(u128::from_be_bytes(bytes));
        self.owners.insert(scribe, SERVER);
        Ok(*self.scribe.insert(scribe))
    }

    fn pass_on(&mut self, now: Instant, from: PeerId, before: Frontier, events: Vec<u8>, frame: Bytes) {
        self.meta = None;
        self.whole.extend(&frame);
        let frame = self.to_all(Parcel::from(tungstenite::Message::Binary(frame)));
        self.held.add(events.len());
        self.pieces.push(now, before, events);
        for member in self.members.values_mut() {
            member.peer.agreement = Agreement::Behind;
            let is_sent = member.flow == Flow::Live && member.peer.id != from;
            if is_sent && !member.send(now, &frame) && !planted("resync") {
                member.flow = Flow::Behind;
            }
        }
        self.disturb(now);
    }

    /// So many frames of a member are to be acknowledged when everything up to now is durable.
    fn owe(&mut self, since: Instant, member: PeerId, frames: u64) {
        self.owed.push_back(Owed { piece: self.pieces.appended(), member, frames, since });
        if self.storage_failure.is_some() {
            self.owed.clear();
        }
    }

    /// Acknowledges what has become durable, once per member.
    fn pay(&mut self, now: Instant) {
        let durable = if planted("acked") { self.pieces.appended() } else { self.durable };
        let mut due = BTreeMap::new();
        while let Some(owed) = self.owed.front().filter(|owed| owed.piece <= durable) {
            due.insert(owed.member, owed.frames);
            if owed.frames > 0 {
                self.metrics.acknowledged(now.saturating_duration_since(owed.since));
            }
            self.owed.pop_front();
        }
        for (id, frames) in due {
            if let Some(member) = self.members.get_mut(&id) {
                member.acknowledge(now, frames);
                self.along_since.get_or_insert(now);
            }
        }
    }

    fn disturb(&mut self, now: Instant) {
        self.unrest.get_or_insert(Unrest { first: now, last: now }).last = now;
    }

    /// Hashes the text if the version has changed: O(n).
    fn current_mark(&mut self) -> VersionMark {
        let version = version_digest(&self.document.frontier());
        match self.mark {
            Some(mark) if mark.version == version => mark,
            _ => *self.mark.insert(self.document.mark()),
        }
    }

    /// Where it is quiet everybody waits for it; otherwise it goes with the next key.
    fn tell_version(&mut self, now: Instant, is_quiet: bool) {
        let mark = self.current_mark();
        let with = |agreement: Agreement| {
            let peers = self.members.values().map(|member| &member.peer);
            peers.filter(|peer| peer.agreement == agreement).map(|peer| peer.id).collect()
        };
        let version = ServerControl::Version { mark, equal: with(Agreement::Equal), differs: with(Agreement::Differs) };
        let frame = text_frame(&version);
        for member in self.members.values_mut().filter(|member| member.flow == Flow::Live) {
            if is_quiet {
                member.send(now, &frame)
            } else {
                member.send_along(now, &frame)
            };
        }
        if !is_quiet {
            self.along_since.get_or_insert(now);
        }
    }
}

impl Member {
    /// Queues a frame, or notes since when there is no room for one.
    fn send(&mut self, now: Instant, frame: &Parcel) -> bool {
        let queued = self.outbox.push(frame);
        self.note(now, queued)
    }

    /// The same for what goes with the next frame, or a moment later without one: a call to the system costs more than
    /// what is in it.
    fn send_along(&mut self, now: Instant, frame: &Parcel) -> bool {
        let queued = self.outbox.push_along(frame);
        self.note(now, queued)
    }

    fn note(&mut self, now: Instant, queued: bool) -> bool {
        if !queued {
            self.full_since.get_or_insert(now);
        }
        queued
    }

    fn acknowledge(&mut self, now: Instant, frames: u64) {
        if !self.send_along(now, &text_frame(&ServerControl::Ack { frames })) {
            self.ack_dropped = Some(frames);
        }
    }
}

fn storage_notice(reason: &str) -> ServerControl {
    let text = format!("the server no longer saves this room: {reason}; what you see is complete, keep your own copy");
    ServerControl::Notice { text }
}

fn text_message(control: &ServerControl) -> tungstenite::Message {
    tungstenite::Message::Text(Utf8Bytes::from(control.to_json()))
}

fn text_frame(control: &ServerControl) -> Parcel {
    text_message(control).into()
}

fn binary_frame(message: Message) -> Parcel {
    tungstenite::Message::Binary(Bytes::from(message.encode())).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Color;
    use crate::server::outbox::{Pickup, outbox};
    use cede::{Chars, Document, EventSpan, Session};

    const LIMITS: Limits = Limits { members: 10, patience: Duration::from_secs(30), events: 1 << 30, bytes: u64::MAX };

    fn joining(agent: u128, rights: Rights) -> (Joining, Pickup) {
        let (outbox, pickup) = outbox(1 << 20);
        let identity = Identity { name: "Ann".into(), color: Color(1, 2, 3) };
        let (agent, credential) = (AgentId::new(agent), Credential::Anonymous);
        (Joining { identity, agent, outbox, credential, rights, pass: None, held: None }, pickup)
    }

    fn join(room: &mut Room, now: Instant) -> PeerId {
        room.join(now, joining(9, Rights::Write).0).unwrap()
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
        assert_eq!(room.text().len(), "first beside ".len(), "what the other sent is forgotten");
        send(&mut room, now, honest, ben.document(), &[then]);
        pieces.extend(room.take_pieces().into_iter().map(|(_, piece)| piece));
        let stored = Room::load(&pieces, LIMITS).unwrap();
        assert_eq!(stored.text(), ben.text().to_string());
        assert!(!room.is_empty() && stored.whole().is_some());
    }

    /// What a member has been sent: control messages as JSON, others by their kind.
    fn sent(pickup: &mut Pickup) -> Vec<String> {
        std::iter::from_fn(|| pickup.try_take()).map(|message| message.to_string()).collect()
    }

    #[test]
    fn an_agent_that_edits_here_brings_its_own_events_and_nobody_else_does() {
        let [mut ann, mut forger] = [1, 1].map(|agent| Session::new(AgentId::new(agent)));
        ann.insert(Chars(0), "mine").unwrap();
        forger.insert(Chars(0), "mine, says the forger").unwrap();
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let (own, _own) = joining(1, Rights::Write);
        let own = room.join(now, own).unwrap();
        let (other, mut pickup) = joining(2, Rights::Write);
        let other = room.join(now, other).unwrap();
        let all: Vec<EventSpan> = ann.document().summary().spans().collect();
        let forged: Vec<EventSpan> = forger.document().summary().spans().collect();

        send(&mut room, now, other, ann.document(), &all);
        assert_eq!(room.text(), "mine", "before Ann has said DONE, others may know more of her than the room");
        room.receive_frame(now, own, Bytes::from(Message::Done.encode()));
        send(&mut room, now, other, ann.document(), &all);
        assert_eq!(room.members.len(), 2, "what is known already may come by anybody");
        send(&mut room, now, other, forger.document(), &forged);
        assert_eq!(room.text(), "mine");
        assert!(!room.members.contains_key(&other), "dismissed");
        assert!(sent(&mut pickup).iter().any(|json| json.contains("\"foreign\"")));

        room.leave(now, own);
        let (heir, _heir) = joining(3, Rights::Write);
        let heir = room.join(now, heir).unwrap();
        send(&mut room, now, heir, forger.document(), &forged);
        assert_eq!(room.text(), "mine, says the forger", "while nobody edits as the agent, history may be brought");
    }

    /// Catches events that are forged before their owner is in and wait for one that comes later: nobody asked any more
    /// whose they are.
    #[test]
    fn what_a_dismissed_forger_left_waiting_is_not_let_in_later() {
        let [mut ann, mut forger] = [1, 2].map(|agent| Session::new(AgentId::new(agent)));
        ann.insert(Chars(0), "mine ").unwrap();
        let mut forged = Session::new(AgentId::new(1));
        forger.insert(Chars(0), "later ").unwrap();
        forged.merge::<Chars>(&forger.document().encode()).unwrap();
        forged.insert(Chars(0), "says the forger ").unwrap();
        let of = |session: &Session, agent: u128| -> Vec<EventSpan> {
            session.document().summary().spans().filter(|span| span.agent == AgentId::new(agent)).collect()
        };
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let first = room.join(now, joining(3, Rights::Write).0).unwrap();
        send(&mut room, now, first, forged.document(), &of(&forged, 1));
        assert!(room.is_empty(), "dismissed, for the parents are missing");
        let own = room.join(now, joining(1, Rights::Write).0).unwrap();
        room.receive_frame(now, own, Bytes::from(Message::Done.encode()));
        let second = room.join(now, joining(2, Rights::Write).0).unwrap();
        send(&mut room, now, second, forger.document(), &of(&forger, 2));
        assert_eq!(room.text(), "later ", "and nothing in Ann's name");
        send(&mut room, now, own, ann.document(), &of(&ann, 1));
        assert_eq!(room.text().len(), "later mine ".len());
    }

    /// Catches a reader who says hello with a writer's agent and so locks the writer out, at the door and by owning it.
    #[test]
    fn a_reader_keeps_no_writer_out_by_taking_their_agent() {
        let mut ann = Session::new(AgentId::new(1));
        ann.insert(Chars(0), "typed").unwrap();
        let all: Vec<EventSpan> = ann.document().summary().spans().collect();
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let (mut reader, mut pickup) = joining(1, Rights::Read);
        reader.credential = Credential::of(Some(&Token::random().unwrap()));
        let thief = room.join(now, reader.clone()).unwrap();
        room.receive_frame(now, thief, Bytes::from(Message::Done.encode()));
        let other = room.join(now, joining(2, Rights::Write).0).unwrap();
        send(&mut room, now, other, ann.document(), &all);
        assert_eq!(room.text(), "typed", "a reader owns no agent");

        let owner = room.join(now, joining(1, Rights::Write).0).expect("the writer comes in");
        assert!(room.members.contains_key(&thief) && room.members.contains_key(&owner));
        drop(sent(&mut pickup));
        room.join(now, reader).expect("their own place");
        assert!(!room.members.contains_key(&thief) && room.members.contains_key(&owner));
    }

    /// Catches an owner that stays one without the right to write, and one that is none with it.
    #[test]
    fn an_agent_is_owned_as_long_as_its_holder_may_write() {
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let member = room.join(now, joining(1, Rights::Write).0).unwrap();
        room.receive_frame(now, member, Bytes::from(Message::Done.encode()));
        for (rights, owners) in [(Rights::Write, 1), (Rights::Read, 0), (Rights::Write, 1)] {
            room.allow(now, member, Ok(rights));
            assert_eq!(room.owners.len(), owners, "{rights}");
        }
    }

    #[test]
    fn who_comes_late_is_sent_what_was_made_for_the_first_and_what_has_come_since() {
        let mut ann = Session::new(AgentId::new(9));
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let writer = join(&mut room, now);
        for (agent, word) in [(1, "first "), (2, "then "), (3, "last")] {
            ann.insert(ann.text().len::<Chars>(), word).unwrap();
            let data = Message::Data(ann.take_outgoing().unwrap());
            room.receive_frame(now, writer, Bytes::from(data.encode()));
            let (joining, mut pickup) = joining(agent, Rights::Read);
            let late = room.join(now, joining).unwrap();
            room.receive_frame(now, late, Bytes::from(Message::Meta(Summary::new()).encode()));
            let mut document = Document::new();
            while let Some(frame) = pickup.try_take() {
                if let tungstenite::Message::Binary(frame) = frame
                    && let Ok(Message::Data(events)) = Message::decode(&frame)
                {
                    document.import::<Chars>(&events).unwrap();
                }
            }
            assert_eq!(document.text().to_string(), ann.text().to_string());
        }
    }

    /// A META of very many agents leaves out some of what is held. When it was asked for again and again, the same part was
    /// sent for ever.
    #[test]
    fn who_says_less_than_they_hold_is_sent_everything_once() {
        let mut ann = Session::new(AgentId::new(9));
        ann.insert(Chars(0), "known").unwrap();
        let (mut room, now) = (Room::load(&[ann.document().encode()], LIMITS).unwrap(), Instant::now());
        let (told, begun) = (ann.document().meta(), ann.document().clone());
        let (outbox, mut pickup) = outbox(2 * CHUNK);
        let (joining, _) = joining(1, Rights::Write);
        let late = room.join(now, Joining { outbox, ..joining }).unwrap();
        let writer = join(&mut room, now);
        // What nothing is left of when it is packed.
        let mut noise = 1_u64;
        let mut write = |room: &mut Room, bytes: usize| {
            let text: String = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(33 + (noise >> 57) as u8 % 90)
            })
            .take(bytes)
            .collect();
            ann.insert(ann.text().len::<Chars>(), &text).unwrap();
            let data = Message::Data(ann.take_outgoing().unwrap());
            room.receive_frame(now, writer, Bytes::from(data.encode()));
        };
        (0..20).for_each(|_| write(&mut room, CHUNK / 2));
        room.receive_frame(now, late, Bytes::from(Message::Meta(told).encode()));
        let (mut got, mut rounds, mut is_done) = (begun, 0, false);
        while !is_done {
            rounds += 1;
            assert!(rounds < 40, "it goes on for ever");
            while let Some(frame) = pickup.try_take() {
                match frame {
                    tungstenite::Message::Binary(frame) => match Message::decode(&frame) {
                        Ok(Message::Data(events)) => {
                            let before = got.event_count();
                            got.import::<Chars>(&events).unwrap();
                            assert!(got.event_count() > before, "something is sent twice");
                        }
                        Ok(Message::Done) => is_done = true,
                        _ => {}
                    },
                    tungstenite::Message::Text(json) => assert!(!json.contains("resync"), "{json}"),
                    _ => {}
                }
            }
            // Others go on meanwhile.
            if rounds == 2 {
                write(&mut room, CHUNK / 2);
            }
            if pickup.flushed() {
                assert!(!room.rest(), "the document is still needed");
                room.drained(now, late);
            }
        }
        assert_eq!(got.text().to_string(), room.text());
        assert!(rounds > 3, "it fits at once: {rounds}");
    }

    #[tokio::test]
    async fn while_more_is_waiting_frames_gather_in_the_queues() {
        let (near, _far) = crate::stream::both_ends().await;
        let stream = crate::stream::Stream::plain(near);
        let mut ann = Session::new(AgentId::new(1));
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let (ann_joining, _ann) = joining(1, Rights::Write);
        let writer = room.join(now, ann_joining).unwrap();
        let (ben_joining, mut pickup) = joining(2, Rights::Write);
        let ben = room.join(now, ben_joining).unwrap();
        room.receive_frame(now, ben, Bytes::from(Message::Meta(Summary::new()).encode()));
        pickup.open(stream.line().unwrap(), &Arc::default());
        let mut queued = |room: &mut Room, is_busy: bool| {
            room.set_busy(is_busy);
            sent(&mut pickup);
            pickup.flushed();
            ann.insert(Chars(0), "x").unwrap();
            let data = Message::Data(ann.take_outgoing().unwrap());
            room.receive_frame(now, writer, Bytes::from(data.encode()));
            room.receive_control(now, writer, ClientControl::Presence(Presence::default()));
            sent(&mut pickup).len()
        };
        assert_eq!([queued(&mut room, false), queued(&mut room, true), queued(&mut room, false)], [0, 2, 0]);
    }

    #[test]
    fn who_comes_back_takes_their_own_place_and_nobody_elses() {
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let (first, mut pickup) = joining(1, Rights::Write);
        room.join(now, first).unwrap();
        let (mut thief, _) = joining(1, Rights::Write);
        thief.credential = Credential::of(Some(&Token::random().unwrap()));
        assert_eq!(room.join(now, thief).unwrap_err().0, Refusal::Taken);
        let (again, _again) = joining(1, Rights::Write);
        room.join(now, again).unwrap();
        assert_eq!(room.members.len(), 1);
        assert!(sent(&mut pickup).iter().any(|json| json.contains("\"taken\"")));
    }

    #[test]
    fn a_reader_that_writes_is_not_heard_and_its_frames_are_never_acknowledged() {
        let mut ann = Session::new(AgentId::new(1));
        ann.insert(Chars(0), "typed").unwrap();
        let all: Vec<EventSpan> = ann.document().summary().spans().collect();
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let (reader, mut pickup) = joining(1, Rights::Read);
        let reader = room.join(now, reader).unwrap();
        sent(&mut pickup);
        send(&mut room, now, reader, ann.document(), &all);
        assert_eq!((room.text().as_str(), room.take_pieces().len()), ("", 0));
        assert!(sent(&mut pickup).iter().all(|json| json.contains("only read")));
        room.allow(now, reader, Ok(Rights::Write));
        assert!(room.is_empty(), "to bring what was not heard, it has to come back");
        assert!(sent(&mut pickup).iter().any(|json| json.contains("\"changed\"")));

        let (reader, _pickup) = joining(1, Rights::Read);
        let reader = room.join(now, reader).unwrap();
        (0..=IN_FLIGHT).for_each(|_| send(&mut room, now, reader, ann.document(), &all));
        assert!(room.is_empty(), "who does not listen is dismissed");
    }

    #[test]
    fn only_a_host_says_what_others_may_do_and_no_host_of_another() {
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let mut enter = |agent, rights| {
            let (joining, pickup) = joining(agent, rights);
            (room.join(now, joining).unwrap(), pickup)
        };
        let (host, _a) = enter(1, Rights::Host);
        let (second, _b) = enter(2, Rights::Host);
        let (guest, _c) = enter(3, Rights::Write);
        let (other, _d) = enter(4, Rights::Write);
        room.receive_control(now, host, ClientControl::Allow { id: guest, rights: Rights::Host });
        room.receive_control(now, host, ClientControl::Remove { id: second });
        let orders = room.take_orders();
        assert_eq!(
            orders.iter().map(|order| (order.member, order.to)).collect::<Vec<_>>(),
            [(guest, Some(Rights::Write))]
        );
        room.receive_control(now, guest, ClientControl::Remove { id: other });
        assert!(room.take_orders().is_empty() && !room.members.contains_key(&guest), "who oversteps is dismissed");
        assert!(room.members.contains_key(&other));
    }

    #[test]
    fn a_room_that_rests_keeps_its_people_and_wakes_as_it_was() {
        let mut ann = Session::new(AgentId::new(9));
        ann.insert(Chars(0), "asleep").unwrap();
        let all: Vec<EventSpan> = ann.document().summary().spans().collect();
        let (mut room, mut now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let member = join(&mut room, now);
        send(&mut room, now, member, ann.document(), &all);
        let pieces: Vec<Vec<u8>> = room.take_pieces().into_iter().map(|(_, piece)| piece).collect();
        assert!(!room.rest(), "not before everything is durable");
        room.stored(now, Stored::Durable(1));
        while let Some(deadline) = room.deadline() {
            now = deadline;
            room.tick(now);
        }
        assert!(room.rest() && room.document.is_new() && !room.is_empty());
        // A reader that was slow is told nothing of the empty document that stands in for the one at rest.
        room.members.get_mut(&member).unwrap().flow = Flow::Live;
        room.drained(now, member);
        assert_eq!(room.deadline(), None);
        room.wake(now, Room::read(&pieces).unwrap(), Held::of(&pieces));
        assert_eq!(room.text(), "asleep");
    }

    /// What a store has after each key, of which there are so many, and the most that it had: `(pieces, bytes)`.
    fn type_keys(room: &mut Room, ann: &mut Session, keys: usize) -> (Vec<Vec<u8>>, usize) {
        let now = Instant::now();
        let member = join(room, now);
        let (mut stored, mut most): (Vec<Vec<u8>>, usize) = (Vec::new(), 0);
        let mut bytes = 0;
        for _ in 0..keys {
            ann.insert(ann.text().len::<Chars>(), "x").unwrap();
            let data = Message::Data(ann.take_outgoing().unwrap());
            room.receive_frame(now, member, Bytes::from(data.encode()));
            if let Some(whole) = room.take_rewritten() {
                bytes = whole.len();
                stored = vec![whole];
            }
            let fresh = room.take_pieces().into_iter().map(|(_, piece)| piece);
            fresh.for_each(|piece| {
                bytes += piece.len();
                stored.push(piece);
            });
            most = most.max(bytes);
        }
        (stored, most)
    }

    /// Without counting again, the frames of a thousand keys fill this room for good.
    #[test]
    fn a_room_is_full_when_its_document_is_and_not_when_its_frames_are() {
        let (mut ann, limits) = (Session::new(AgentId::new(9)), Limits { bytes: 40_000, ..LIMITS });
        let mut room = Room::load(&[], limits).unwrap();
        let (stored, most) = type_keys(&mut room, &mut ann, 5_000);
        assert!(!room.is_empty(), "refused at {} keys", room.document.event_count());
        assert!(most <= 41_000, "{most} bytes are stored");
        assert_eq!(Room::load(&stored, limits).unwrap().text(), ann.text().to_string());
    }

    /// Where nobody ever pauses, nothing else than this writes a room anew.
    #[test]
    fn a_room_that_never_rests_is_written_anew_when_much_has_come() {
        let mut ann = Session::new(AgentId::new(9));
        let mut room = Room::load(&[], LIMITS).unwrap();
        let (stored, most) = type_keys(&mut room, &mut ann, 60_000);
        assert!(most < 1_100_000, "{most} bytes are stored");
        assert_eq!(Room::load(&stored, LIMITS).unwrap().text(), ann.text().to_string());
    }

    #[test]
    fn a_room_that_is_full_is_not_written_anew_for_each_key() {
        let (mut ann, limits) = (Session::new(AgentId::new(9)), Limits { bytes: 20_000, ..LIMITS });
        let (mut room, now, mut rewritten) = (Room::load(&[], limits).unwrap(), Instant::now(), 0);
        let mut random = crate::simulation::Random::from_seed(1);
        for _ in 0..4_000 {
            if room.is_empty() {
                join(&mut room, now);
            }
            let noise: String = (0..9).map(|_| char::from(b' ' + random.below(95) as u8)).collect();
            ann.insert(ann.text().len::<Chars>(), &noise).unwrap();
            let data = Message::Data(ann.take_outgoing().unwrap());
            room.receive_frame(now, PeerId(room.last_peer), Bytes::from(data.encode()));
            rewritten += usize::from(room.take_rewritten().is_some());
        }
        assert!(room.is_empty(), "36,000 letters that hardly compress are in 20,000 bytes");
        assert!((1..20).contains(&rewritten), "written {rewritten} times");
    }

    #[test]
    fn a_document_that_is_large_enough_grows_no_further() {
        let mut ann = Session::new(AgentId::new(9));
        ann.insert(Chars(0), "12345").unwrap();
        let all: Vec<EventSpan> = ann.document().summary().spans().collect();
        let (mut room, now) = (Room::load(&[], Limits { events: 5, ..LIMITS }).unwrap(), Instant::now());
        let (joining, mut pickup) = joining(9, Rights::Write);
        let member = room.join(now, joining).unwrap();
        send(&mut room, now, member, ann.document(), &all);
        assert_eq!(room.text(), "12345");
        send(&mut room, now, member, ann.document(), &all);
        assert!(room.is_empty());
        assert!(sent(&mut pickup).iter().any(|json| json.contains("\"too_large\"")));
    }

    /// Catches a document that fits and is refused for good because of the pieces that it is stored in.
    #[test]
    fn a_room_is_full_only_when_its_document_is() {
        let (mut ann, limits) = (Session::new(AgentId::new(9)), Limits { bytes: 40_000, ..LIMITS });
        let (mut room, now) = (Room::load(&[], limits).unwrap(), Instant::now());
        let mut random = crate::simulation::Random::from_seed(1);
        let member = join(&mut room, now);
        let mut bring = |room: &mut Room, text: &str| {
            ann.insert(ann.text().len::<Chars>(), text).unwrap();
            let data = Message::Data(ann.take_outgoing().unwrap());
            room.receive_frame(now, member, Bytes::from(data.encode()));
            room.take_pieces();
        };
        while room.document.encode_since(&Summary::new()).map_or(0, |whole| whole.len()) < 36_500 {
            let noise: String = (0..500).map(|_| char::from(b' ' + random.below(95) as u8)).collect();
            bring(&mut room, &noise);
        }
        room.rewrite();
        for key in 0..1000 {
            bring(&mut room, "x");
            assert!(!room.is_empty(), "too large after {key} keys: {:?}", room.held);
        }
    }

    #[test]
    fn a_writer_throws_no_reader_out_by_taking_their_agent() {
        let (mut room, now) = (Room::load(&[], LIMITS).unwrap(), Instant::now());
        let (mut ben, mut pickup) = joining(1, Rights::Read);
        ben.credential = Credential::of(Some(&Token::random().unwrap()));
        let in_first = room.join(now, ben.clone()).unwrap();
        sent(&mut pickup);
        let (mut mallory, _pickup) = joining(1, Rights::Write);
        mallory.credential = Credential::of(Some(&Token::random().unwrap()));
        let _ = room.join(now, mallory);
        let stays = room.members.contains_key(&in_first);
        let back = room.join(now, ben).map_err(|(code, _)| code);
        assert!(stays && back.is_ok(), "stays: {stays}, comes back: {back:?}");
    }

    #[test]
    fn what_somebody_says_to_hold_is_not_kept_while_they_read_slowly() {
        fn resident() -> usize {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        }
        let mut ann = Session::new(AgentId::new(9));
        let mut random = crate::simulation::Random::from_seed(1);
        let noise: String = (0..400_000).map(|_| char::from(b' ' + random.below(95) as u8)).collect();
        ann.insert(Chars(0), &noise).unwrap();
        let limits = Limits { members: 100, ..LIMITS };
        let (mut room, now) = (Room::load(&[ann.document().encode()], limits).unwrap(), Instant::now());
        let mut said = Summary::new();
        for agent in 1_000..14_700 {
            let (start, end) = (cede::Clock(0), cede::Clock(1));
            said.insert(EventSpan { agent: AgentId::new(agent), start, end });
        }
        let meta = Bytes::from(Message::Meta(said.clone()).encode());
        drop(said);
        assert!(meta.len() <= crate::wire::MAX_MESSAGE, "{} bytes", meta.len());
        let mut pickups = Vec::new();
        let before = resident();
        for agent in 1..=50 {
            let (outbox, pickup) = outbox(2 * CHUNK);
            let (joining, _) = joining(agent + 100_000, Rights::Read);
            let id = room.join(now, Joining { outbox, ..joining }).unwrap();
            room.receive_frame(now, id, meta.clone());
            assert!(room.members[&id].flow == Flow::Behind);
            pickups.push(pickup);
        }
        let each = (resident() - before) / 50;
        assert!(each < 1 << 20, "{each} bytes for each member, META has {}, queue {}", meta.len(), 2 * CHUNK);
    }
}
