//! The task that connects, reconnects and carries frames.
//!
//! It knows sockets, clocks and frames, and nothing of documents. One attempt follows another until it is closed, its
//! owner is gone, or the server refuses in a way that trying again cannot mend.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cede::sync;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, InvalidMessage};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::backoff::Backoff;
use super::owed::Owed;
use super::{Command, Frame, Incoming, Outgoing, Target};
use crate::presence::PeerId;
use crate::socket::{Ready, Socket, websocket_config};
use crate::stream::Stream;
use crate::tls::Trust;
use crate::token::Token;
use crate::wire::{ClientControl, MAX_FROM_SERVER, MAX_MESSAGE, ServerControl};

/// From the first packet to the upgraded connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Three of the server's pings. A network that fails silently is noticed after this.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A client has one connection.
const READ_BUFFER: usize = 4 * 1024;
/// Between two presences: some twenty a second look smooth, more would only fill other people's queues.
const PRESENCE_INTERVAL: Duration = Duration::from_millis(50);

/// People in one room. A server lets in 500 by default, and has as many connections as this.
const MAX_PEERS: usize = 16_384;

/// Runs until closed, refused for good, or left by its owner.
pub(super) async fn run(
    target: Target,
    trust: Trust,
    owed: Arc<Owed>,
    events: mpsc::Sender<Incoming>,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    let door = Door { target, trust, connector: None, pass: None };
    let (backoff, crowd) = (Backoff::default(), Crowd::default());
    let mut task = Task { door, owed, events, commands, backoff, crowd, connection: 0, has_meta: false };
    loop {
        let attempt = task.backoff.failures().saturating_add(1);
        let end = match task.say(Incoming::Connecting { attempt }).await {
            Ok(()) => task.attempt().await,
            Err(end) => end,
        };
        let reason = match end {
            End::Lost(reason) => reason,
            End::Refused(reason) => return drop(task.say(Incoming::Refused { reason }).await),
            End::Closed => return,
        };
        let retry_in = task.backoff.after_failure(random());
        if task.say(Incoming::Closed { reason, retry_in }).await.is_err() || task.closed_within(retry_in).await {
            return;
        }
    }
}

/// Why an attempt is over.
enum End {
    /// Another one may do better.
    Lost(String),
    /// No other one will.
    Refused(String),
    /// The owner wants no other, or is gone.
    Closed,
}

/// Where to knock, and with what.
struct Door {
    target: Target,
    trust: Trust,
    /// Made of `trust` when it is needed first.
    connector: Option<TlsConnector>,
    /// What the server has given to come back by. It is taken first, for the token may be one that many hold and that
    /// has been made anew since.
    pass: Option<Token>,
}

struct Task {
    door: Door,
    owed: Arc<Owed>,
    events: mpsc::Sender<Incoming>,
    commands: mpsc::UnboundedReceiver<Command>,
    backoff: Backoff,
    crowd: Crowd,
    connection: u64,
    /// Their META has come on this connection.
    has_meta: bool,
}

impl Task {
    async fn say(&self, incoming: Incoming) -> Result<(), End> {
        self.events.send(incoming).await.map_err(|_| End::Closed)
    }

    fn left(&self, command: &Command) {
        if let Command::Send(outgoing) = command {
            self.owed.left(outgoing);
        }
    }

    /// Waits, and says whether the owner closed meanwhile. Frames that come now belong to no connection.
    async fn closed_within(&mut self, wait: Duration) -> bool {
        let wait = sleep(wait);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => return false,
                () = self.events.closed() => return true,
                command = self.commands.recv() => match command {
                    Some(Command::Send(frame)) => self.owed.left(&frame),
                    Some(Command::Close) | None => return true,
                },
            }
        }
    }

    /// Connects, unless the owner closes meanwhile.
    async fn connected(&mut self) -> Result<Socket, End> {
        let connecting = timeout(CONNECT_TIMEOUT, self.door.knock());
        tokio::pin!(connecting);
        loop {
            tokio::select! {
                connected = &mut connecting => return connected.unwrap_or_else(|_| {
                    Err(End::Lost(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))
                }),
                () = self.events.closed() => return Err(End::Closed),
                command = self.commands.recv() => match command {
                    Some(Command::Send(frame)) => self.owed.left(&frame),
                    Some(Command::Close) | None => return Err(End::Closed),
                },
            }
        }
    }

    /// One connection from its first packet to its end.
    async fn attempt(&mut self) -> End {
        let mut socket = match self.connected().await {
            Ok(socket) => socket,
            Err(end) => return end,
        };
        self.connection += 1;
        self.has_meta = false;
        if let Err(end) = self.say(Incoming::Opened { connection: self.connection }).await {
            return end;
        }
        match self.carry(&mut socket).await {
            Ok(never) => match never {},
            Err(end) => {
                let code = if matches!(end, End::Refused(_)) { CloseCode::Policy } else { CloseCode::Normal };
                let goodbye = CloseFrame { code, reason: "".into() };
                // An end that the server has begun, or that has no other side any more, is over at once.
                let _ = timeout(CLOSE_TIMEOUT, socket.close(goodbye)).await;
                end
            }
        }
    }

    /// Moves frames both ways until the connection ends.
    async fn carry(&mut self, socket: &mut Socket) -> Result<std::convert::Infallible, End> {
        let mut silence = Instant::now() + SILENCE;
        let mut presence: Option<ClientControl> = None;
        let mut presence_at = Instant::now();
        loop {
            let events = self.events.clone();
            tokio::select! {
                ready = socket.ready() => match ready {
                    Ready::Read(Ok(message)) => {
                        silence = Instant::now() + SILENCE;
                        self.receive(message).await?;
                    }
                    Ready::Read(Err(error)) => return Err(End::Lost(lost(&error))),
                    Ready::Flushed => {}
                },
                command = self.commands.recv(), if socket.takes_more() => match command.inspect(|it| self.left(it)) {
                    Some(Command::Send(Outgoing { connection, .. })) if connection != self.connection => {}
                    Some(Command::Send(Outgoing { frame, .. })) => match frame {
                        Frame::Control(control @ ClientControl::Presence(_)) => presence = Some(control),
                        Frame::Control(control) => feed(socket, Message::text(control.to_json()))?,
                        Frame::Sync(message) => feed(socket, Message::binary(message.encode()))?,
                        Frame::Abandon(reason) => return Err(End::Lost(reason)),
                        Frame::Leave(reason) => return Err(End::Refused(reason)),
                    },
                    Some(Command::Close) | None => return Err(End::Closed),
                },
                () = sleep_until(presence_at), if presence.is_some() && socket.takes_more() => {
                    let latest = presence.take().map(|control| Message::text(control.to_json()));
                    latest.map_or(Ok(()), |message| feed(socket, message))?;
                    presence_at = Instant::now() + PRESENCE_INTERVAL;
                }
                () = sleep_until(silence) => {
                    return Err(End::Lost(format!("the server has been silent for {} s", SILENCE.as_secs())));
                }
                () = events.closed() => return Err(End::Closed),
            }
        }
    }

    /// Turns a message into an event.
    async fn receive(&mut self, message: Message) -> Result<(), End> {
        match message {
            Message::Text(json) => {
                let control = ServerControl::from_json(&json).map_err(|error| End::Lost(error.to_string()))?;
                if let ServerControl::Welcome { pass: Some(pass), .. } = &control {
                    self.door.pass = Some(pass.clone());
                }
                self.crowd.hear(&control)?;
                match control {
                    ServerControl::Refused { code, reason } if code.is_final() => {
                        return Err(End::Refused(reason));
                    }
                    ServerControl::Refused { reason, .. } => return Err(End::Lost(reason)),
                    ServerControl::Welcome { .. } => self.backoff.succeeded(),
                    _ => {}
                }
                self.say(Incoming::Control(control)).await
            }
            Message::Binary(bytes) => {
                let message = sync::Message::decode(&bytes).map_err(|error| End::Lost(error.to_string()))?;
                // A server has one for each connection. To another, everything would be queued for it once more.
                if matches!(message, sync::Message::Meta(_)) && std::mem::replace(&mut self.has_meta, true) {
                    return Err(End::Lost("the server has sent META a second time".to_owned()));
                }
                self.say(Incoming::Sync(message)).await
            }
            Message::Close(Some(CloseFrame { code, reason })) => {
                Err(End::Lost(format!("closed by the server ({code}) {reason}")))
            }
            Message::Close(None) => Err(End::Lost("closed by the server".to_owned())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }
}

/// How many the server says are in, for whoever owns this keeps all of them.
#[derive(Default)]
struct Crowd(HashSet<PeerId>);

impl Crowd {
    fn hear(&mut self, control: &ServerControl) -> Result<(), End> {
        match control {
            ServerControl::Welcome { peers, .. } | ServerControl::Roster { peers } => {
                self.0 = peers.iter().map(|peer| peer.id).collect();
            }
            ServerControl::Joined { peer } => _ = self.0.insert(peer.id),
            ServerControl::Left { id } => _ = self.0.remove(id),
            _ => {}
        }
        if self.0.len() > MAX_PEERS {
            return Err(End::Lost(format!("the server names more than {MAX_PEERS} people")));
        }
        Ok(())
    }
}

fn feed(socket: &mut Socket, message: Message) -> Result<(), End> {
    socket.feed(message).map_err(|error| End::Lost(lost(&error)))
}

fn lost(error: &Error) -> String {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection was lost".to_owned(),
        Error::Protocol(_) => "the connection broke off".to_owned(),
        error => error.to_string(),
    }
}

impl Door {
    /// Connects by the pass, and when that is not known there any more, as with a server that has been started anew, by
    /// what one came with first.
    async fn knock(&mut self) -> Result<Socket, End> {
        if let Some(pass) = self.pass.clone() {
            match self.connect(Some(&pass)).await {
                Err(Refused { status: Some(StatusCode::UNAUTHORIZED), .. }) => self.pass = None,
                connected => return connected.map_err(Refused::into_end),
            }
        }
        let token = self.target.token().cloned();
        self.connect(token.as_ref()).await.map_err(Refused::into_end)
    }

    async fn connect(&mut self, token: Option<&Token>) -> Result<Socket, Refused> {
        let stream = self.reach().await?;
        // A keystroke is one small packet, and the next one must not wait for its echo.
        stream.set_nodelay(true)?;
        let stream = if self.target.is_secure() { self.secure(stream).await? } else { Stream::plain(stream) };
        let mut request = self.target.to_string().into_client_request().map_err(Refused::from)?;
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).map_err(io::Error::other)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let config = websocket_config(READ_BUFFER, MAX_FROM_SERVER, MAX_MESSAGE);
        let (stream, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(Socket::new(stream))
    }

    async fn reach(&self) -> Result<TcpStream, Refused> {
        let (host, port) = (self.target.host(), self.target.port());
        let found = lookup_host((host, port)).await;
        let addresses: Vec<_> =
            found.map_err(|error| Refused::by(format!("{host} cannot be found: {error}")))?.collect();
        TcpStream::connect(&addresses[..]).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Refused::by(format!("no server listens at {host}:{port}")),
            _ => Refused::by(format!("{host}:{port} cannot be reached: {error}")),
        })
    }

    async fn secure(&mut self, stream: TcpStream) -> Result<Stream, Refused> {
        let connector = match &self.connector {
            Some(connector) => connector,
            None => self.connector.insert(self.trust.connector().map_err(io::Error::from)?),
        };
        let name = ServerName::try_from(self.target.host().to_owned()).map_err(io::Error::other)?;
        let secured = connector.connect(name, stream).await;
        Ok(Stream::secure(secured.map_err(Refused::by_tls)?))
    }
}

/// Why there is no connection.
struct Refused {
    /// What the server said, if it said anything.
    status: Option<StatusCode>,
    /// Its certificate is not its own, or nobody vouches for it: nothing was said to it.
    is_stranger: bool,
    reason: String,
}

impl Refused {
    fn by(reason: String) -> Self {
        Self { status: None, is_stranger: false, reason }
    }

    fn by_tls(error: io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        let is_stranger = matches!(cause, Some(rustls::Error::InvalidCertificate(_)));
        let why = match cause {
            // The second is of another certificate by the same name, such as one that was made anew.
            Some(rustls::Error::InvalidCertificate(
                error @ (CertificateError::UnknownIssuer | CertificateError::BadSignature),
            )) => format!("its certificate is not trusted here; --ca FILE names one that is ({error:?})"),
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "the server speaks ws:// and not wss:// (InvalidContentType)".to_owned()
            }
            // What `openssl req -x509` makes by itself is one that vouches for others.
            _ if error.to_string().contains("CaUsedAsEndEntity") => {
                format!("{error}; a server's own certificate has basicConstraints=CA:FALSE")
            }
            _ => error.to_string(),
        };
        Self { is_stranger, ..Self::by(format!("no secure connection: {why}")) }
    }

    fn into_end(self) -> End {
        // 429 asks for patience; every other 4xx will be the same tomorrow.
        let is_final =
            self.status.is_some_and(|status| status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS);
        if is_final || self.is_stranger { End::Refused(self.reason) } else { End::Lost(self.reason) }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::by(error.to_string())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let Error::Http(response) = error else {
            return Self::by(format!("what answers is no Cede server, or speaks wss://: {error}"));
        };
        let status = response.status();
        let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        Self { status: Some(status), ..Self::by(explained(status, body.trim())) }
    }
}

/// What a server said instead of opening a connection. To whom it lets in by a token only, a Cede server says what to do
/// about it, and its end must be seen; other servers send pages.
fn explained(status: StatusCode, body: &str) -> String {
    let is_about_tokens = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    match body {
        "" => format!("the server answers {status}; is it a Cede server?"),
        page if page.starts_with('<') => format!("the server answers {status} and a page; is it a Cede server?"),
        why if is_about_tokens => why.to_owned(),
        why => format!("the server answers {status}: {why}"),
    }
}

/// Any bits; when the system has none to give, clients merely come back together.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::presence::{Agreement, Color, Peer, Presence};
    use crate::rights::Rights;
    use cede::AgentId;
    use futures_util::SinkExt;

    fn peer(id: u64) -> Peer {
        let (name, color, agent) = ("Ada".to_owned(), Color(1, 2, 3), AgentId::new(1));
        let (presence, agreement, rights) = (Presence::default(), Agreement::default(), Rights::Read);
        Peer { id: PeerId(id), name, color, agent, presence, agreement, rights }
    }

    /// Catches a server that sends META without end, to each of which everything that it names too little of is queued.
    #[tokio::test]
    async fn a_server_that_sends_meta_a_second_time_is_left() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::parse(&format!("ws://{}/notes", listener.local_addr().unwrap())).unwrap();
        let mut client = crate::client::Client::spawn(target);
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = tokio_tungstenite::accept_async(stream).await.unwrap();
        let meta = Message::binary(sync::Message::Meta(cede::Summary::new()).encode());
        for _ in 0..2 {
            server.send(meta.clone()).await.unwrap();
        }
        let mut metas = 0;
        let closed = async {
            loop {
                match client.next().await.unwrap() {
                    Incoming::Sync(_) => metas += 1,
                    Incoming::Closed { reason, .. } => break reason,
                    _ => {}
                }
            }
        };
        let reason = timeout(Duration::from_secs(10), closed).await.expect("the client to leave");
        assert!(metas == 1 && reason.contains("a second time"), "{metas}: {reason}");
    }

    /// Catches a server that names people without end.
    #[test]
    fn a_server_that_names_too_many_people_is_left() {
        let mut crowd = Crowd::default();
        let last = MAX_PEERS as u64;
        for id in 1..=last {
            assert!(crowd.hear(&ServerControl::Joined { peer: peer(id) }).is_ok());
        }
        assert!(crowd.hear(&ServerControl::Left { id: PeerId(7) }).is_ok());
        assert!(crowd.hear(&ServerControl::Joined { peer: peer(last + 1) }).is_ok());
        let end = crowd.hear(&ServerControl::Joined { peer: peer(last + 2) });
        assert!(matches!(end, Err(End::Lost(reason)) if reason.contains("16384")));
        let peers = vec![peer(1), peer(2)];
        assert!(crowd.hear(&ServerControl::Roster { peers }).is_ok(), "another connection, another crowd");
    }

    /// Why nobody is let in at this URL.
    async fn why_not(url: &str) -> String {
        let mut door = Door { target: url.parse().unwrap(), trust: Trust::Machine, connector: None, pass: None };
        match door.knock().await {
            Err(End::Lost(reason) | End::Refused(reason)) => reason,
            Err(End::Closed) | Ok(_) => panic!("{url} lets in"),
        }
    }

    /// A server that says this to whoever comes first.
    fn saying(answer: &str) -> String {
        let answer = answer.to_owned();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 2048]).is_ok());
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[tokio::test]
    async fn why_there_is_no_connection_is_said_in_plain_words() {
        // Bound and let go, so that nobody listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(why_not(&format!("ws://{free}/notes")).await, format!("no server listens at {free}"));
        let unknown = why_not("ws://nobody.invalid:7171/notes").await;
        assert!(unknown.starts_with("nobody.invalid cannot be found: "), "{unknown}");
        let other = why_not(&format!("ws://{}/notes", saying("SSH-2.0-OpenSSH_9.6\r\n"))).await;
        assert!(other.starts_with("what answers is no Cede server, or speaks wss://: "), "{other}");
        for (answer, reason) in [
            ("401 Unauthorized\r\ncontent-length: 9\r\n\r\nask them\n", "ask them"),
            ("404 Not Found\r\ncontent-length: 6\r\n\r\nno way", "the server answers 404 Not Found: no way"),
            (
                "403 Forbidden\r\ncontent-length: 6\r\n\r\n<html>",
                "the server answers 403 Forbidden and a page; is it a Cede server?",
            ),
        ] {
            let server = saying(&format!("HTTP/1.1 {answer}"));
            assert_eq!(why_not(&format!("ws://{server}/notes")).await, reason);
        }
    }
}
