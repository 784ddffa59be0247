//! The link between one dictionary and one room: the protocol's client half beside a [`Dict`].
//!
//! Knows what the server holds and what it has called durable. Does no I/O and has no clock; a dictionary has no carets, so
//! of the others in the room it knows nothing.
//!
//! ```
//! # use cede_net::client::{Client, DictChange, DictLink, LinkError};
//! # async fn watch(mut dict: cede::Dict, mut link: DictLink, mut client: Client) -> Result<(), LinkError> {
//! while let Some(incoming) = client.next().await {
//!     for change in link.handle(&mut dict, incoming)? {
//!         if let DictChange::Entries(entries) = change { /* show them */ }
//!     }
//!     client.send(link.flush(&dict)); // and after each change of one's own
//! }
//! # Ok(())
//! # }
//! ```

use cede::sync::{Action, Exchange, Message};
use cede::{Dict, DocumentKind, Entry, ImportError, Summary};
use std::time::Duration;

use super::{Frame, Incoming, LinkError, Outgoing, other_kind};
use crate::presence::{Identity, PeerId};
use crate::rights::Rights;
use crate::wire::{CHUNK, ClientControl, MAX_MESSAGE, PROTOCOL, ServerControl, bounded_meta};

/// See the module.
#[derive(Debug)]
pub struct DictLink {
    identity: Identity,
    /// The number that the server gave this connection.
    me: Option<PeerId>,
    rights: Rights,
    connection: Option<Connection>,
}

/// What is known of one connection.
#[derive(Debug)]
struct Connection {
    number: u64,
    exchange: Exchange,
    /// Their META has come; a server has one for each connection.
    has_meta: bool,
    /// What the server holds, while one may only read: the exchange takes for sent what it has to send, so it hears of this when
    /// that goes.
    unheard: Option<Summary>,
    outbox: Vec<Frame>,
    /// DATA frames sent.
    frames: u64,
    /// How many of them the server has called durable; `None` before it has said so of what its META named.
    acknowledged: Option<u64>,
    is_online: bool,
}

/// What a message changed.
#[derive(Clone, PartialEq, Debug)]
pub enum DictChange {
    /// What stands now under these keys.
    Entries(Vec<Entry>),
    /// Everything that the server held has arrived.
    Online,
    /// [`DictLink::is_durable`], perhaps.
    Durable,
    /// No connection; another attempt follows.
    Offline {
        /// Why, for people.
        reason: String,
        /// When.
        retry_in: Duration,
    },
    /// Trying again cannot help.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// The server has something to say to people. May hold any characters.
    Notice(String),
}

impl DictLink {
    /// A link that has not been connected yet.
    pub fn new(identity: Identity) -> Self {
        Self { identity: identity.bounded(), me: None, rights: Rights::default(), connection: None }
    }

    /// Takes in what the client said. Call [`flush`](Self::flush) afterwards: there may be answers.
    ///
    /// # Errors
    /// [`LinkError`] when the server sent DATA that the engine refuses. The dictionary is as before, and the link has given
    /// up this connection.
    pub fn handle(&mut self, dict: &mut Dict, incoming: Incoming) -> Result<Vec<DictChange>, LinkError> {
        match incoming {
            Incoming::Connecting { .. } => Ok(Vec::new()),
            Incoming::Opened { connection } => {
                self.open(connection, dict);
                Ok(Vec::new())
            }
            Incoming::Control(control) => Ok(self.control(dict, control)),
            Incoming::Sync(message) => self.sync(dict, message),
            Incoming::Closed { reason, retry_in } => {
                self.connection = None;
                Ok(vec![DictChange::Offline { reason, retry_in }])
            }
            Incoming::Refused { reason } => {
                self.connection = None;
                Ok(vec![DictChange::Refused { reason }])
            }
        }
    }

    /// Everything to send now, for [`Client::send`](super::Client::send). Without a connection there is nothing.
    pub fn flush(&mut self, dict: &Dict) -> Vec<Outgoing> {
        let rights = self.rights;
        let Some(connection) = &mut self.connection else { return Vec::new() };
        // What is written without the right to write stays here.
        if rights >= Rights::Write && connection.is_online {
            let messages = connection.exchange.poll(dict);
            messages.into_iter().for_each(|message| connection.send(message));
        }
        let number = connection.number;
        connection.outbox.drain(..).map(|frame| Outgoing { connection: number, frame }).collect()
    }

    /// Whether everything that the server held has arrived and the connection still stands.
    pub fn is_online(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_online)
    }

    /// Whether everything in the dictionary is on the server's disk, as far as is known. O(groups).
    pub fn is_durable(&self, dict: &Dict) -> bool {
        self.connection.as_ref().is_some_and(|connection| {
            connection.is_online
                && connection.acknowledged.is_some_and(|frames| frames >= connection.frames)
                && connection.theirs().is_some_and(|theirs| theirs.covers(&dict.summary()))
        })
    }

    /// What one may do in the room.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    fn open(&mut self, number: u64, dict: &Dict) {
        let hello = ClientControl::Hello {
            protocol: PROTOCOL,
            name: self.identity.name.clone(),
            color: self.identity.color,
            agent: dict.agent(),
            // The client sends it as a header.
            token: None,
        };
        self.connection = Some(Connection {
            number,
            exchange: Exchange::new(CHUNK),
            has_meta: false,
            unheard: None,
            outbox: vec![Frame::Control(hello)],
            frames: 0,
            acknowledged: None,
            is_online: false,
        });
    }

    fn control(&mut self, dict: &Dict, control: ServerControl) -> Vec<DictChange> {
        match control {
            ServerControl::Welcome { you, rights, .. } => {
                self.me = Some(you);
                self.may(dict, rights);
            }
            ServerControl::Rights { id, rights } if self.me == Some(id) => self.may(dict, rights),
            ServerControl::Ack { frames } => {
                if let Some(connection) = &mut self.connection {
                    connection.acknowledged = connection.acknowledged.max(Some(frames));
                }
                return vec![DictChange::Durable];
            }
            ServerControl::Resync => {
                self.connection.iter_mut().for_each(|connection| connection.say_meta(dict));
            }
            ServerControl::Notice { text } | ServerControl::Refused { reason: text, .. } => {
                return vec![DictChange::Notice(text)];
            }
            // The others are nobody here.
            _ => {}
        }
        Vec::new()
    }

    fn may(&mut self, dict: &Dict, rights: Rights) {
        self.rights = rights;
        if rights >= Rights::Write
            && let Some(connection) = &mut self.connection
            && let Some(theirs) = connection.unheard.take()
        {
            connection.hear(dict, theirs);
        }
    }

    fn sync(&mut self, dict: &mut Dict, message: Message) -> Result<Vec<DictChange>, LinkError> {
        let rights = self.rights;
        let Some(connection) = &mut self.connection else { return Ok(Vec::new()) };
        match message {
            Message::Meta(theirs) => connection.learn(dict, theirs, rights).map(|()| Vec::new()),
            // What is given up is on its way to its end.
            Message::Data(_) if connection.is_given_up() => Ok(Vec::new()),
            Message::Data(bytes) => self.take_in(dict, &bytes).map(|entries| vec![DictChange::Entries(entries)]),
            Message::Done if !connection.is_online => {
                connection.is_online = true;
                Ok(vec![DictChange::Online])
            }
            Message::Done => Ok(Vec::new()),
        }
    }

    fn take_in(&mut self, dict: &mut Dict, bytes: &[u8]) -> Result<Vec<Entry>, LinkError> {
        let Some(connection) = &mut self.connection else { return Ok(Vec::new()) };
        if let Some(reason) = other_kind(bytes, DocumentKind::Dict) {
            connection.outbox = vec![Frame::Leave(reason)];
            return Ok(Vec::new());
        }
        let before = dict.summary();
        match dict.import(bytes) {
            Ok(entries) => {
                let spans = dict.lacking_in(&before).spans;
                let unheard = connection.unheard.iter_mut();
                unheard.for_each(|theirs| spans.iter().for_each(|&span| theirs.insert(span)));
                connection.exchange.holds(spans);
                Ok(entries)
            }
            Err(error) => Err(connection.abandon(error)),
        }
    }
}

impl Connection {
    /// What the server holds, as far as is known.
    fn theirs(&self) -> Option<&Summary> {
        self.exchange.theirs().or(self.unheard.as_ref())
    }

    /// Their META has come. Another one would make everything be sent again, and again.
    fn learn(&mut self, dict: &Dict, theirs: Summary, rights: Rights) -> Result<(), LinkError> {
        if std::mem::replace(&mut self.has_meta, true) {
            self.outbox = vec![Frame::Abandon("the server has sent META a second time".to_owned())];
            return Ok(());
        }
        if let Err(forked) = dict.check_meta(&theirs) {
            return Err(self.abandon(forked.into()));
        }
        self.say_meta(dict);
        if rights >= Rights::Write {
            self.hear(dict, theirs);
        } else {
            self.send(Message::Done);
            self.unheard = Some(theirs);
        }
        Ok(())
    }

    /// Sends what the server lacks.
    fn hear(&mut self, dict: &Dict, theirs: Summary) {
        for action in self.exchange.receive(dict, Message::Meta(theirs)) {
            match action {
                Action::Send(message) => self.send(message),
                // Events of one's own that the server holds others of: seen when its META came.
                Action::Refuse(refusal) => _ = self.abandon(refusal.into()),
                Action::Import(_) => {}
            }
        }
    }

    /// One that has not left is enough, however often it is asked for.
    fn say_meta(&mut self, dict: &Dict) {
        if !self.outbox.iter().any(|frame| matches!(frame, Frame::Sync(Message::Meta(_)))) && !self.is_given_up() {
            self.outbox.push(Frame::Sync(bounded_meta(dict.meta(), MAX_MESSAGE)));
        }
    }

    fn is_given_up(&self) -> bool {
        matches!(self.outbox.last(), Some(Frame::Abandon(_) | Frame::Leave(_)))
    }

    fn send(&mut self, message: Message) {
        self.frames += u64::from(matches!(message, Message::Data(_)));
        self.outbox.push(Frame::Sync(message));
    }

    /// Nothing of this server's can be merged.
    fn abandon(&mut self, error: ImportError) -> LinkError {
        let error = LinkError::Import(error);
        self.outbox = vec![Frame::Abandon(error.to_string())];
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Color;
    use cede::{AgentId, Chars, Session};
    use serde_json::json;

    /// A link with an open connection on which the server holds what `theirs` holds.
    fn linked(dict: &mut Dict, theirs: &Dict, rights: Rights) -> DictLink {
        let mut link = DictLink::new(Identity { name: "Ada".into(), color: Color(1, 2, 3) });
        assert!(link.flush(dict).is_empty(), "there is no connection to send anything on");
        let welcome = ServerControl::Welcome { you: PeerId(1), peers: Vec::new(), rights, pass: None };
        for incoming in [
            Incoming::Opened { connection: 7 },
            Incoming::Control(welcome),
            Incoming::Sync(Message::Meta(theirs.meta())),
        ] {
            assert_eq!(link.handle(dict, incoming).unwrap(), []);
        }
        link
    }

    fn done(link: &mut DictLink, dict: &mut Dict) {
        assert_eq!(link.handle(dict, Incoming::Sync(Message::Done)).unwrap(), [DictChange::Online]);
    }

    /// The kinds of what is sent, a letter each.
    fn kinds(frames: &[Outgoing]) -> String {
        let kind = |frame: &Outgoing| match &frame.frame {
            Frame::Sync(Message::Meta(_)) => 'M',
            Frame::Sync(Message::Data(_)) => 'D',
            Frame::Sync(Message::Done) => '.',
            Frame::Control(_) => 'C',
            Frame::Abandon(_) | Frame::Leave(_) => '!',
        };
        frames.iter().map(kind).collect()
    }

    fn dict(agent: u128, value: &str) -> Dict {
        let mut dict = Dict::new(AgentId::new(agent));
        dict.set("color", &json!(value), 0).unwrap();
        dict
    }

    #[test]
    fn what_is_set_is_durable_when_its_frame_is_acknowledged() {
        let (mut ada, server) = (Dict::new(AgentId::new(1)), dict(2, "red"));
        let mut link = linked(&mut ada, &server, Rights::Write);
        assert_eq!(kinds(&link.flush(&ada)), "CM.");
        let data = Message::Data(server.encode());
        let changes = link.handle(&mut ada, Incoming::Sync(data)).unwrap();
        assert!(matches!(&changes[..], [DictChange::Entries(entries)] if entries[0].value == Some(json!("red"))));
        assert!(!link.is_online());
        done(&mut link, &mut ada);
        assert_eq!(kinds(&link.flush(&ada)), "", "what came from the server is not sent back");
        ada.set("color", &json!("blue"), 0).unwrap();
        assert!(!link.is_durable(&ada));
        assert_eq!(kinds(&link.flush(&ada)), "D");
        for (frames, expected) in [(0, false), (1, true)] {
            link.handle(&mut ada, Incoming::Control(ServerControl::Ack { frames })).unwrap();
            assert_eq!(link.is_durable(&ada), expected, "{frames} acknowledged");
        }
    }

    #[test]
    fn who_may_only_read_sends_nothing() {
        let (mut ada, server) = (dict(1, "blue"), dict(2, "red"));
        let mut link = linked(&mut ada, &server, Rights::Read);
        assert_eq!(kinds(&link.flush(&ada)), "CM.");
        done(&mut link, &mut ada);
        ada.set("color", &json!("green"), 0).unwrap();
        assert_eq!(kinds(&link.flush(&ada)), "");
        assert!(!link.is_durable(&ada));
    }

    /// Catches an exchange that takes for sent what it was not allowed to send, and a link that does not hear of its rights.
    #[test]
    fn what_was_written_while_reading_is_sent_and_durable_once_one_may_write() {
        let (mut ada, server) = (dict(1, "blue"), dict(2, "red"));
        let mut link = linked(&mut ada, &server, Rights::Read);
        assert_eq!(kinds(&link.flush(&ada)), "CM.");
        done(&mut link, &mut ada);
        let said = |control| Incoming::Control(control);
        link.handle(&mut ada, said(ServerControl::Ack { frames: 0 })).unwrap();
        assert!(!link.is_durable(&ada), "what she holds was never sent");
        link.handle(&mut ada, Incoming::Sync(Message::Data(server.encode()))).unwrap();
        for (id, rights, sent) in
            [(2, Rights::Write, ""), (1, Rights::Write, "D."), (1, Rights::Read, ""), (1, Rights::Write, "")]
        {
            link.handle(&mut ada, said(ServerControl::Rights { id: PeerId(id), rights })).unwrap();
            assert_eq!(kinds(&link.flush(&ada)), sent, "{id} may {rights}");
        }
        assert!(!link.is_durable(&ada));
        link.handle(&mut ada, said(ServerControl::Ack { frames: 1 })).unwrap();
        assert!(link.is_durable(&ada));
        link.handle(&mut ada, said(ServerControl::Rights { id: PeerId(1), rights: Rights::Read })).unwrap();
        ada.set("color", &json!("green"), 0).unwrap();
        assert_eq!((kinds(&link.flush(&ada)), link.is_durable(&ada)), (String::new(), false));
        link.handle(&mut ada, said(ServerControl::Rights { id: PeerId(1), rights: Rights::Write })).unwrap();
        assert_eq!(kinds(&link.flush(&ada)), "D");
    }

    /// Catches a server that asks for META, or sends its own, without end: each made the client keep another, or send
    /// everything once more.
    #[test]
    fn a_server_that_asks_again_and_again_is_answered_once_and_left() {
        let (mut ada, server) = (dict(1, "blue"), dict(2, "red"));
        let mut link = linked(&mut ada, &server, Rights::Write);
        assert_eq!(kinds(&link.flush(&ada)), "CMD.");
        for _ in 0..1000 {
            link.handle(&mut ada, Incoming::Control(ServerControl::Resync)).unwrap();
        }
        assert_eq!(kinds(&link.flush(&ada)), "M");
        for _ in 0..2 {
            link.handle(&mut ada, Incoming::Sync(Message::Meta(server.meta()))).unwrap();
            link.handle(&mut ada, Incoming::Control(ServerControl::Resync)).unwrap();
        }
        assert_eq!(kinds(&link.flush(&ada)), "!");
    }

    #[test]
    fn a_room_of_another_kind_is_left_for_good() {
        let mut session = Session::new(AgentId::new(3));
        session.insert(Chars(0), "text").unwrap();
        let mut ada = Dict::new(AgentId::new(1));
        let mut link = linked(&mut ada, &dict(2, "red"), Rights::Write);
        link.handle(&mut ada, Incoming::Sync(Message::Data(session.document().encode()))).unwrap();
        let left = link.flush(&ada);
        assert_eq!(left[0].frame, Frame::Leave("the room holds a text, not a dictionary".into()));
    }
}
