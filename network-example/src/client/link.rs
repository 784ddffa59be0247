//! The link between one session and one room: the protocol's client half as a pure state machine.
//!
//! It knows what the server holds (`held`), what has left our care (`settled`), who else is in. It does no I/O and has
//! no clock. The document is the only buffer: a link remembers events by their ids alone, so a broken connection costs
//! nothing but the next META. Each call costs O(groups of the document) at most, and nothing when nothing changed.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use cede::sync::Message;
use cede::{Chars, Document, DocumentKind, EventSpan, Frontier, ImportError, Patch, Session, Summary};

use super::{Frame, Incoming, Outgoing, other_kind};
use crate::planted::planted;
use crate::presence::{Agreement, Identity, Peer, PeerId, Presence, VersionMark, bound, version_digest};
use crate::rights::Rights;
use crate::token::Token;
use crate::wire::{CHUNK, ClientControl, MAX_MESSAGE, PROTOCOL, ServerControl, bounded_meta};

/// Fewer events than this are one frame, whatever they are.
const FEW: usize = CHUNK / 32;

/// The protocol's client half for one session. See the [module](super) for the loop around it.
///
/// Invariant: `settled` holds only events that the server called durable or sent itself, in one range for each agent, whose
/// events come in order.
#[derive(Debug)]
pub struct Link {
    identity: Identity,
    state: State,
    connection: Option<Connection>,
    settled: Summary,
    presence: Presence,
    peers: Vec<Peer>,
    me: Option<PeerId>,
    /// What one may do, as far as is known: kept while there is no connection.
    rights: Rights,
    server_mark: Option<VersionMark>,
    /// The mark last computed here. Hashing reads the whole text, and screens ask often.
    own_mark: Cell<Option<VersionMark>>,
}

/// What is known of one connection, from its opening to its end.
#[derive(Debug)]
struct Connection {
    number: u64,
    outbox: Vec<Frame>,
    /// What the server holds: its META, what it sent, what it was sent. `None` before its META.
    held: Option<Summary>,
    /// A version that `held` covers, to see at a glance that nothing has changed.
    flushed: Option<Frontier>,
    done_sent: bool,
    presence_sent: Presence,
    /// DATA frames sent on this connection.
    frames: u64,
    unacknowledged: VecDeque<Batch>,
}

/// Events that are durable once the server has acknowledged this many DATA frames.
#[derive(Debug)]
struct Batch {
    frames: u64,
    spans: Vec<EventSpan>,
}

/// How the link stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// An attempt is under way, or the server's history is still coming.
    Connecting {
        /// Attempts since the last success, this one included; 0 before the first.
        attempt: u32,
    },
    /// Everything that the server held has arrived; from here on it is live.
    Online,
    /// No connection. Editing goes on, everything is kept.
    Offline {
        /// Why, for people.
        reason: String,
        /// When the next attempt begins, counted from the message.
        retry_in: Duration,
    },
    /// Trying again cannot help.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// What a message changed.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// The visible text, in this order.
    Patches(Vec<Patch<Chars>>),
    /// Who is in, where they are, what they may do, or whether they see the same.
    Peers,
    /// [`Link::rights`].
    Rights,
    /// The join line for these rights has another token from here on; hosts alone hear of it.
    Invitation(Rights, Token),
    /// [`Link::state`].
    State,
    /// [`Link::unacknowledged`] or [`Link::in_sync`].
    Durable,
    /// The server has something to say to people. May hold any characters.
    Notice(String),
}

impl Link {
    /// A link that has not been connected yet.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity: identity.bounded(),
            state: State::Connecting { attempt: 0 },
            connection: None,
            settled: Summary::new(),
            presence: Presence::default(),
            peers: Vec::new(),
            me: None,
            rights: Rights::default(),
            server_mark: None,
            own_mark: Cell::new(None),
        }
    }

    /// Takes in what the client said. Call [`Link::flush`] afterwards: there may be answers.
    ///
    /// # Errors
    /// [`LinkError`] when the server sent DATA that breaks a rule of the engine. The session is as before, the link has
    /// given up this connection (`flush` says so to the client) and works on with the next.
    pub fn handle(&mut self, session: &mut Session, incoming: Incoming) -> Result<Vec<Change>, LinkError> {
        match incoming {
            Incoming::Connecting { attempt } => Ok(vec![self.enter(State::Connecting { attempt })]),
            Incoming::Opened { connection } => {
                self.open(connection, session);
                Ok(Vec::new())
            }
            Incoming::Control(control) => Ok(self.control(session, control)),
            Incoming::Sync(message) => self.sync(session, message),
            Incoming::Closed { reason, retry_in } => Ok(self.leave(State::Offline { reason, retry_in })),
            Incoming::Refused { reason } => Ok(self.leave(State::Refused { reason })),
        }
    }

    /// Everything to send now: answers, DATA that the server lacks, a changed presence. Call it after local edits and
    /// after [`Link::handle`], and hand the result to [`super::Client::send`]. Without a connection there is nothing.
    pub fn flush(&mut self, session: &Session) -> Vec<Outgoing> {
        let (presence, rights) = (self.presence, self.rights);
        let Some(connection) = &mut self.connection else {
            return Vec::new();
        };
        connection.send_missing(session.document(), rights);
        connection.send_presence(presence);
        let number = connection.number;
        connection.outbox.drain(..).map(|frame| Outgoing { connection: number, frame }).collect()
    }

    /// Where this user is; sent with the next [`Link::flush`] when it has changed.
    pub fn set_presence(&mut self, presence: Presence) {
        self.presence = presence;
    }

    /// How the link stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The others, in the order in which they came. Empty while there is no connection.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// What one may do in the room. What is typed without the right to write stays here until that is given.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Lets somebody do this and no more; for hosts.
    pub fn allow(&mut self, id: PeerId, rights: Rights) {
        self.send(Frame::Control(ClientControl::Allow { id, rights }));
    }

    /// Shows somebody out, for good; for hosts.
    pub fn remove(&mut self, id: PeerId) {
        self.send(Frame::Control(ClientControl::Remove { id }));
    }

    /// The number that the server gave this connection.
    pub fn me(&self) -> Option<PeerId> {
        self.me
    }

    /// Events in the document that the server has neither called durable nor sent itself. Before the first connection
    /// nothing is known of the server, and everything counts. O(agents · log groups).
    pub fn unacknowledged(&self, session: &Session) -> u64 {
        session.document().lacking_in(&self.settled).spans.iter().map(|span| u64::from(span.len())).sum()
    }

    /// Whether the server holds the same version and sees the same text, and nothing is under way. The server speaks
    /// of its version when a room has been quiet for a moment, so this is false while anybody types.
    pub fn in_sync(&self, session: &Session) -> bool {
        self.state == State::Online && self.agreement(session.document()) == Agreement::Equal
    }

    /// How this document stands beside the server's. [`Agreement::Differs`] means a defect: same version, other text.
    pub fn agreement(&self, document: &Document) -> Agreement {
        match self.server_mark {
            Some(server) if server.version == version_digest(&document.frontier()) => {
                server.compare(&self.mark(document))
            }
            _ => Agreement::Behind,
        }
    }

    fn mark(&self, document: &Document) -> VersionMark {
        let version = version_digest(&document.frontier());
        match self.own_mark.get().filter(|mark| mark.version == version) {
            Some(mark) => mark,
            None => {
                let mark = VersionMark::of(document);
                self.own_mark.set(Some(mark));
                mark
            }
        }
    }

    fn enter(&mut self, state: State) -> Change {
        self.state = state;
        Change::State
    }

    fn open(&mut self, number: u64, session: &Session) {
        let hello = ClientControl::Hello {
            protocol: PROTOCOL,
            name: self.identity.name.clone(),
            color: self.identity.color,
            agent: session.agent(),
            // The client sends it as a header.
            token: None,
        };
        self.connection = Some(Connection {
            number,
            outbox: vec![Frame::Control(hello)],
            held: None,
            flushed: None,
            done_sent: false,
            presence_sent: Presence::default(),
            frames: 0,
            unacknowledged: VecDeque::new(),
        });
    }

    /// The connection is gone, and everybody with it. What it left unacknowledged was never settled.
    fn leave(&mut self, state: State) -> Vec<Change> {
        self.connection = None;
        self.peers.clear();
        self.me = None;
        self.server_mark = None;
        vec![Change::Peers, self.enter(state)]
    }

    fn control(&mut self, session: &Session, control: ServerControl) -> Vec<Change> {
        match control {
            ServerControl::Welcome { you, peers, rights, .. } => {
                self.me = Some(you);
                let mut changes = self.meet(peers);
                changes.extend(self.may(rights));
                changes
            }
            ServerControl::Rights { id, rights } if self.me == Some(id) => self.may(rights),
            ServerControl::Rights { id, rights } => {
                let peer = self.peers.iter_mut().find(|peer| peer.id == id);
                peer.map(|peer| peer.rights = rights).map_or_else(Vec::new, |()| vec![Change::Peers])
            }
            ServerControl::Invitation { rights, token } => vec![Change::Invitation(rights, token)],
            ServerControl::Roster { peers } => self.meet(peers),
            ServerControl::Joined { peer } => {
                self.peers.retain(|known| known.id != peer.id);
                self.peers.push(with_bounded_name(peer));
                vec![Change::Peers]
            }
            ServerControl::Left { id } => {
                self.peers.retain(|peer| peer.id != id);
                vec![Change::Peers]
            }
            ServerControl::Presence { id, presence } => {
                let peer = self.peers.iter_mut().find(|peer| peer.id == id);
                peer.map(|peer| peer.presence = presence).map_or_else(Vec::new, |()| vec![Change::Peers])
            }
            ServerControl::Ack { frames } => self.acknowledged(frames),
            ServerControl::Resync => {
                self.send(Frame::Sync(bounded_meta(session.document().meta(), MAX_MESSAGE)));
                Vec::new()
            }
            ServerControl::Version { mark, equal, differs } => self.server_stands(session, mark, &equal, &differs),
            // The client turns the end that follows into a state.
            ServerControl::Refused { reason, .. } => vec![Change::Notice(reason)],
            ServerControl::Notice { text } => vec![Change::Notice(text)],
        }
    }

    fn may(&mut self, rights: Rights) -> Vec<Change> {
        let has_changed = std::mem::replace(&mut self.rights, rights) != rights;
        // Frames that have not been sent for want of rights are found by looking again.
        if has_changed && let Some(connection) = &mut self.connection {
            connection.flushed = None;
        }
        if has_changed { vec![Change::Rights] } else { Vec::new() }
    }

    fn meet(&mut self, peers: Vec<Peer>) -> Vec<Change> {
        self.peers = peers.into_iter().map(with_bounded_name).collect();
        vec![Change::Peers]
    }

    fn acknowledged(&mut self, frames: u64) -> Vec<Change> {
        let Some(connection) = &mut self.connection else {
            return Vec::new();
        };
        while connection.unacknowledged.front().is_some_and(|batch| batch.frames <= frames) {
            let batch = connection.unacknowledged.pop_front();
            batch.into_iter().flat_map(|batch| batch.spans).for_each(|span| self.settled.insert_up_to(span));
        }
        vec![Change::Durable]
    }

    fn server_stands(
        &mut self,
        session: &Session,
        mark: VersionMark,
        equal: &[PeerId],
        differs: &[PeerId],
    ) -> Vec<Change> {
        self.server_mark = Some(mark);
        for peer in &mut self.peers {
            peer.agreement = match (equal.contains(&peer.id), differs.contains(&peer.id)) {
                (_, true) => Agreement::Differs,
                (true, false) => Agreement::Equal,
                (false, false) => Agreement::Behind,
            };
        }
        // At another version there is nothing to compare: what is under way will make the server speak again.
        if self.agreement(session.document()) != Agreement::Behind {
            let report = self.mark(session.document());
            self.send(Frame::Control(ClientControl::Report(report)));
        }
        vec![Change::Peers, Change::Durable]
    }

    fn sync(&mut self, session: &mut Session, message: Message) -> Result<Vec<Change>, LinkError> {
        match message {
            Message::Meta(theirs) => {
                if let Err(forked) = session.document().check_meta(&theirs) {
                    return Err(self.abandon(forked.into()));
                }
                self.learn(session.document(), theirs);
                Ok(Vec::new())
            }
            Message::Data(bytes) => self.merge(session, &bytes),
            // A resync ends with DONE as well; only the first one changes the state.
            Message::Done if self.connection.is_some() && self.state != State::Online => {
                Ok(vec![self.enter(State::Online)])
            }
            Message::Done => Ok(Vec::new()),
        }
    }

    fn learn(&mut self, document: &Document, theirs: Summary) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        connection.outbox.push(Frame::Sync(bounded_meta(document.meta(), MAX_MESSAGE)));
        // What the server holds may not be on its disk yet; an ack of at least 0 will say that it is.
        let frames = connection.frames;
        connection.unacknowledged.push_back(Batch { frames, spans: theirs.spans().collect() });
        connection.flushed = None;
        connection.held = Some(if planted("sent") { document.summary() } else { theirs });
    }

    fn merge(&mut self, session: &mut Session, bytes: &[u8]) -> Result<Vec<Change>, LinkError> {
        let Some(connection) = &mut self.connection else {
            return Ok(Vec::new());
        };
        // Sending our own first makes everything that the import adds the server's.
        connection.send_missing(session.document(), self.rights);
        let before = session.document().frontier();
        match session.merge(bytes) {
            Ok(patches) => {
                for span in spans_since(session.document(), &before) {
                    self.settled.insert_up_to(span);
                    connection.held.iter_mut().for_each(|held| held.insert_up_to(span));
                }
                if self.rights >= Rights::Write {
                    connection.flushed = connection.held.as_ref().map(|_| session.document().frontier());
                }
                Ok(vec![Change::Patches(patches)])
            }
            Err(error) => {
                let error = self.abandon(error);
                // Another attempt would find the same there.
                if let Some(reason) = other_kind(bytes, DocumentKind::Text) {
                    self.connection
                        .iter_mut()
                        .for_each(|connection| connection.outbox = vec![Frame::Leave(reason.clone())]);
                }
                Err(error)
            }
        }
    }

    /// Nothing of this server's can be merged.
    fn abandon(&mut self, error: ImportError) -> LinkError {
        let error = LinkError::Import(error);
        if let Some(connection) = &mut self.connection {
            connection.outbox = vec![Frame::Abandon(error.to_string())];
        }
        error
    }

    fn send(&mut self, frame: Frame) {
        if let Some(connection) = &mut self.connection {
            connection.outbox.push(frame);
        }
    }
}

impl Connection {
    /// DATA for what the server lacks, and DONE once.
    fn send_missing(&mut self, document: &Document, rights: Rights) {
        let Some(held) = &mut self.held else { return };
        let version = document.frontier();
        if rights >= Rights::Write && self.flushed.as_ref() != Some(&version) {
            // What was held of the version before is held, so a key costs no look at the whole history.
            let spans = match &self.flushed {
                Some(flushed) => spans_since(document, flushed),
                None => document.lacking_in(held).spans,
            };
            let chunks = match spans.iter().map(|span| span.len() as usize).sum::<usize>() {
                0 => Vec::new(),
                1..FEW => document.encode_spans(&spans).into_iter().collect(),
                _ => document.chunks_since(held, CHUNK),
            };
            self.frames += chunks.len() as u64;
            self.outbox.extend(chunks.into_iter().map(|chunk| Frame::Sync(Message::Data(chunk))));
            spans.iter().for_each(|&span| held.insert_up_to(span));
            if !spans.is_empty() {
                self.unacknowledged.push_back(Batch { frames: self.frames, spans });
            }
            self.flushed = Some(version);
        }
        if !self.done_sent {
            self.done_sent = true;
            self.outbox.push(Frame::Sync(Message::Done));
        }
    }

    /// After the DATA, so that anchors in new text can be resolved where it arrives.
    fn send_presence(&mut self, presence: Presence) {
        if self.held.is_some() && self.presence_sent != presence {
            self.presence_sent = presence;
            self.outbox.push(Frame::Control(ClientControl::Presence(presence)));
        }
    }
}

/// What has come to a document since a version that it had: O(what has come).
fn spans_since(document: &Document, version: &Frontier) -> Vec<EventSpan> {
    match document.diff(version, &document.frontier()) {
        Ok((_, fresh)) => fresh.spans().collect(),
        Err(error) => unreachable!("a document knows the versions that it had: {error}"),
    }
}

/// A server should have bounded it; one that has not shall not fill the screen.
fn with_bounded_name(mut peer: Peer) -> Peer {
    bound(&mut peer.name, Identity::MAX_NAME);
    peer
}

/// Why a link gave up a connection.
#[derive(Debug)]
pub enum LinkError {
    /// The server sent DATA, or a META, that the engine refuses.
    Import(ImportError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Import(error) => write!(f, "the server sent what cannot be merged: {error}"),
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Import(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Color;
    use crate::wire::Refusal;
    use cede::AgentId;

    /// A link with an open connection on which the server holds what `theirs` holds.
    fn linked(session: &mut Session, theirs: &Document) -> Link {
        let mut link = Link::new(Identity { name: "Ada".into(), color: Color(1, 2, 3) });
        assert!(link.flush(session).is_empty(), "there is no connection to send anything on");
        handle(&mut link, session, Incoming::Opened { connection: 7 });
        let hello = link.flush(session);
        assert!(matches!(&hello[..], [Outgoing { connection: 7, frame: Frame::Control(ClientControl::Hello { .. }) }]));
        let welcome = ServerControl::Welcome { you: PeerId(1), peers: Vec::new(), rights: Rights::Write, pass: None };
        handle(&mut link, session, Incoming::Control(welcome));
        handle(&mut link, session, Incoming::Sync(Message::Meta(theirs.summary())));
        link
    }

    fn handle(link: &mut Link, session: &mut Session, incoming: Incoming) -> Vec<Change> {
        link.handle(session, incoming).unwrap()
    }

    fn ack(link: &mut Link, session: &mut Session, frames: u64) {
        handle(link, session, Incoming::Control(ServerControl::Ack { frames }));
    }

    fn session(agent: u128, text: &str) -> Session {
        let mut session = Session::new(AgentId::new(agent));
        session.insert(Chars(0), text).unwrap();
        session
    }

    /// The kinds of what is sent, a letter each.
    fn kinds(frames: &[Outgoing]) -> String {
        let kind = |frame: &Outgoing| match &frame.frame {
            Frame::Sync(Message::Meta(_)) => 'M',
            Frame::Sync(Message::Data(_)) => 'D',
            Frame::Sync(Message::Done) => '.',
            Frame::Control(ClientControl::Presence(_)) => 'P',
            Frame::Control(_) => 'C',
            Frame::Abandon(_) | Frame::Leave(_) => '!',
        };
        frames.iter().map(kind).collect()
    }

    #[test]
    fn meta_is_answered_with_meta_data_and_done_once() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        assert_eq!(kinds(&link.flush(&ada)), "MD.");
        assert_eq!(kinds(&link.flush(&ada)), "");
        ada.insert(Chars(3), "!").unwrap();
        assert_eq!(kinds(&link.flush(&ada)), "D");
    }

    #[test]
    fn events_are_ours_until_their_frame_is_acknowledged() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        assert_eq!(link.unacknowledged(&ada), 3);
        link.flush(&ada);
        ada.insert(Chars(3), "!!").unwrap();
        link.flush(&ada);
        ada.insert(Chars(5), "?").unwrap();
        ack(&mut link, &mut ada, 0);
        assert_eq!(link.unacknowledged(&ada), 6);
        ack(&mut link, &mut ada, 1);
        assert_eq!(link.unacknowledged(&ada), 3);
        ack(&mut link, &mut ada, 2);
        assert_eq!(link.unacknowledged(&ada), 1, "the last one has not even been sent");
    }

    #[test]
    fn what_the_server_named_is_durable_with_its_first_ack() {
        let mut ada = session(1, "ada");
        let server = ada.document().clone();
        let mut link = linked(&mut ada, &server);
        assert_eq!(kinds(&link.flush(&ada)), "M.", "it lacks nothing");
        assert_eq!(link.unacknowledged(&ada), 3, "it may hold in memory only what it named");
        ack(&mut link, &mut ada, 0);
        assert_eq!(link.unacknowledged(&ada), 0);
    }

    /// Screens ask often what is not durable yet, and people take turns for hours.
    #[test]
    fn what_is_settled_is_a_range_for_each_agent_however_long_people_take_turns() {
        let (mut ada, mut ben) = (session(1, ""), session(2, ""));
        let mut link = linked(&mut ada, ben.document());
        link.flush(&ada);
        for turn in 0..100 {
            ada.insert(Chars(0), "a").unwrap();
            let key = ada.take_outgoing().unwrap();
            assert_eq!(kinds(&link.flush(&ada)), "D");
            ben.merge::<Chars>(&key).unwrap();
            ben.insert(Chars(0), "b").unwrap();
            let answer = Message::Data(ben.take_outgoing().unwrap());
            handle(&mut link, &mut ada, Incoming::Sync(answer));
            assert_eq!(link.unacknowledged(&ada), 1, "one's own in turn {turn}");
            ack(&mut link, &mut ada, turn + 1);
            assert_eq!(link.unacknowledged(&ada), 0);
        }
        assert_eq!(ada.document().groups().len(), 200);
        assert_eq!(link.settled.spans().count(), 2);
    }

    #[test]
    fn what_came_from_the_server_is_neither_ours_nor_sent_back() {
        let (mut ada, mut ben) = (session(1, "ada"), session(2, "ben"));
        let mut link = linked(&mut ada, ben.document());
        let data = Message::Data(ben.take_outgoing().unwrap());
        let changes = handle(&mut link, &mut ada, Incoming::Sync(data));
        assert!(matches!(&changes[..], [Change::Patches(_)]));
        assert_eq!(link.unacknowledged(&ada), 3);
        assert_eq!(kinds(&link.flush(&ada)), "MD.", "one DATA with what Ada typed");
        assert_eq!(kinds(&link.flush(&ada)), "");
    }

    #[test]
    fn a_lost_connection_forgets_people_and_no_events() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        link.flush(&ada);
        handle(&mut link, &mut ada, Incoming::Sync(Message::Done));
        assert_eq!(*link.state(), State::Online);
        let (reason, retry_in) = ("gone".to_owned(), Duration::from_secs(1));
        handle(&mut link, &mut ada, Incoming::Closed { reason: reason.clone(), retry_in });
        assert_eq!(*link.state(), State::Offline { reason, retry_in });
        ada.insert(Chars(3), "!").unwrap();
        assert!(link.flush(&ada).is_empty());
        assert_eq!((link.unacknowledged(&ada), link.me()), (4, None));

        handle(&mut link, &mut ada, Incoming::Opened { connection: 8 });
        handle(&mut link, &mut ada, Incoming::Sync(Message::Meta(Summary::new())));
        let sent = link.flush(&ada);
        assert_eq!(kinds(&sent), "CMD.");
        assert!(sent.iter().all(|outgoing| outgoing.connection == 8));
    }

    #[test]
    fn data_that_breaks_a_rule_ends_the_connection_and_changes_nothing() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        let error = link.handle(&mut ada, Incoming::Sync(Message::Data(vec![1, 2, 3]))).unwrap_err();
        assert!(error.to_string().starts_with("the server sent what cannot be merged: "), "{error}");
        assert_eq!(kinds(&link.flush(&ada)), "!");
        assert_eq!(ada.text().to_string(), "ada");
    }

    #[test]
    fn presence_goes_out_after_the_text_it_points_into_and_only_when_it_changed() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        let presence = Presence { caret: Some(cede::Anchor::End), selection: None };
        link.set_presence(presence);
        assert_eq!(kinds(&link.flush(&ada)), "MD.P");
        link.set_presence(presence);
        assert_eq!(kinds(&link.flush(&ada)), "");
    }

    #[test]
    fn being_in_sync_takes_equal_versions_and_equal_texts() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        link.flush(&ada);
        handle(&mut link, &mut ada, Incoming::Sync(Message::Done));
        let right = VersionMark::of(ada.document());
        let version = |mark| Incoming::Control(ServerControl::Version { mark, equal: vec![], differs: vec![] });

        handle(&mut link, &mut ada, version(VersionMark { text: !right.text, ..right }));
        assert_eq!((link.in_sync(&ada), link.agreement(ada.document())), (false, Agreement::Differs));
        handle(&mut link, &mut ada, version(right));
        assert!(link.in_sync(&ada));
        assert_eq!(kinds(&link.flush(&ada)), "CC", "both times the server hears what is seen here");
        ada.insert(Chars(0), "x").unwrap();
        assert!(!link.in_sync(&ada));
    }

    #[test]
    fn who_may_only_read_keeps_what_they_typed_until_they_may_write() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        let rights = |rights| Incoming::Control(ServerControl::Rights { id: PeerId(1), rights });
        assert_eq!(handle(&mut link, &mut ada, rights(Rights::Read)), [Change::Rights]);
        assert_eq!(kinds(&link.flush(&ada)), "M.", "she says that she is done, and sends nothing");
        let ben = session(2, "ben");
        handle(&mut link, &mut ada, Incoming::Sync(Message::Data(ben.document().encode())));
        assert_eq!(kinds(&link.flush(&ada)), "");
        assert_eq!(link.unacknowledged(&ada), 3);
        handle(&mut link, &mut ada, rights(Rights::Write));
        assert_eq!(kinds(&link.flush(&ada)), "D");
        assert_eq!(handle(&mut link, &mut ada, rights(Rights::Write)), []);
    }

    #[test]
    fn a_refusal_is_a_state() {
        let mut ada = session(1, "ada");
        let mut link = linked(&mut ada, &Document::new());
        let reason = "you speak protocol 2".to_owned();
        let refused = ServerControl::Refused { code: Refusal::Protocol, reason: reason.clone() };
        assert_eq!(handle(&mut link, &mut ada, Incoming::Control(refused)), [Change::Notice(reason.clone())]);
        handle(&mut link, &mut ada, Incoming::Refused { reason: reason.clone() });
        assert_eq!(*link.state(), State::Refused { reason });
    }
}
