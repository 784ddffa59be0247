//! The server inside the editor: others join the text that is open here.
//!
//! Knows the network crate's server and how to lend it the editor's document. The server keeps
//! nothing of its own: what guests send is handed to the editor, which takes it in and writes it
//! to its one history, and only then does the server call it durable. So there is one file and
//! one writer, and every event is in it once.
//!
//! ```text
//!   guest ══ server ── Lent (a Store, on the server's writer thread)
//!                       │ Asked::Keep, answered when the history is synced
//!                      editor ── History ── FILE.cede
//! ```

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use cede::{Document, DocumentKind};
use cede_net::client::Target;
use cede_net::rights::Rights;
use cede_net::room::RoomName;
use cede_net::server::{self, Access, Config};
use cede_net::store::{Store, StoreError};
use cede_net::tls::Certificate;
use cede_net::token::Token;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How long the server waits before it asks again for something that the disk refused.
const RETRY: Duration = Duration::from_secs(1);

/// Hexadecimal digits of a room's name that nobody guesses: 4 bits each, 128 in all.
const ROOM_DIGITS: usize = 32;

/// What the server shows of itself.
#[derive(Clone, Debug, Default)]
pub struct Doorway {
    /// For TLS.
    pub certificate: Option<Certificate>,
    /// Names that it goes by.
    pub hosts: Vec<String>,
}

/// A running server and the way to end it.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    room: RoomName,
    secure: bool,
    access: Access,
    /// With host rights.
    token: Token,
    asked: mpsc::UnboundedReceiver<Asked>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), server::ServerError>>,
}

/// What the server wants of the editor.
#[derive(Debug)]
pub enum Asked {
    /// The whole document.
    Whole(oneshot::Sender<Document>),
    /// To take in these events of guests and say when they are on disk, or that they are not.
    Keep(Vec<Vec<u8>>, oneshot::Sender<bool>),
}

impl Host {
    /// Starts listening at `bind` for guests of `room`. On loopback whoever knows the room may write; anywhere else they
    /// need the token of a join line.
    ///
    /// # Errors
    /// The system's reason, when it cannot listen there or has no randomness.
    pub async fn start(bind: SocketAddr, room: RoomName, door: Doorway) -> io::Result<Self> {
        let listener = server::listen(bind)?;
        let address = listener.local_addr()?;
        let (access, token) = Access::hosted(&room, !address.ip().is_loopback()).map_err(io::Error::other)?;
        let (ask, asked) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let store = Lent { room: room.clone(), ask };
        let shutdown = async {
            // Told to, or the editor is gone: the same to the server.
            let _ = stopped.await;
        };
        let secure = door.certificate.is_some();
        let config = Config {
            access: access.clone(),
            certificate: door.certificate,
            allowed_hosts: door.hosts,
            // The editor has nothing to keep anything else in.
            only: Some(DocumentKind::Text),
            ..Config::default()
        };
        let task = tokio::spawn(server::run(listener, config, store, shutdown));
        Ok(Self { address, room, secure, access, token, asked, stop, task })
    }

    /// What the server wants next; `None` when it has ended.
    pub async fn asked(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }

    /// Where the person at this editor joins, as the host. The server takes those who come from its own machine without
    /// TLS.
    #[must_use]
    pub fn here(&self) -> Target {
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        Target::new(ip.to_string(), self.address.port(), self.room.clone()).with_token(Some(self.token.clone()))
    }

    /// Where others join who may do this: the address that was bound, or when that is every address of this machine, the
    /// one that its traffic leaves by. `None` when there is no such way in. `named`: go by this name instead.
    #[must_use]
    pub fn elsewhere(&self, rights: Rights, named: Option<&str>) -> Option<Target> {
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => outward().unwrap_or(ip),
            ip => ip,
        };
        let host = named.map_or_else(|| ip.to_string(), str::to_owned);
        let target = Target::new(host, self.address.port(), self.room.clone()).secured(self.secure);
        let invitations = self.access.invitations();
        if invitations.is_empty() {
            return (rights == Rights::Write).then_some(target);
        }
        let invitation = invitations.into_iter().find(|invitation| invitation.rights == rights)?;
        Some(target.with_token(Some(invitation.token)))
    }

    /// Tells the guests that the server goes, and ends it.
    pub async fn stop(self) {
        // The server may have ended by itself; then there is nobody to tell.
        let _ = self.stop.send(());
        // Whoever waits for the editor now is answered by its absence.
        drop(self.asked);
        let _ = self.task.await;
    }
}

/// The address from which this machine would reach others. Connecting a datagram socket sends
/// nothing; it only asks the routing table.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address set aside for documentation: it stands for anywhere.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A room's name that nobody guesses.
///
/// # Errors
/// The system has no randomness to give.
pub fn unguessable_room() -> Result<RoomName, getrandom::Error> {
    let mut bytes = [0_u8; ROOM_DIGITS / 2];
    getrandom::fill(&mut bytes)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(digits.parse().expect("hexadecimal digits name a room"))
}

/// The editor's document as the server sees it: a store with one room.
struct Lent {
    room: RoomName,
    ask: mpsc::UnboundedSender<Asked>,
}

/// The editor answers no more.
#[derive(Debug)]
struct Closing;

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the editor is closing")
    }
}

impl std::error::Error for Closing {}

impl Lent {
    /// Waits for the editor's answer. The server calls its store on a thread made for waiting.
    fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Result<T, Closing> {
        let (answer, answered) = oneshot::channel();
        self.ask.send(question(answer)).map_err(|_| Closing)?;
        answered.blocking_recv().map_err(|_| Closing)
    }
}

impl Store for Lent {
    fn load(&mut self, room: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
        if *room != self.room {
            return Err(StoreError::Absent { room: room.clone() });
        }
        // Packed here, because a long one takes its time and the editor has keys to hear.
        let whole = self.ask(Asked::Whole);
        whole
            .map(|whole| vec![whole.encode()])
            .map_err(|closing| StoreError::Read { room: room.clone(), cause: closing.into() })
    }

    fn append(&mut self, batch: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
        // A full disk is no reason to turn guests away: their events are safe in two memories,
        // and unacknowledged, until it has room again.
        loop {
            let pieces = batch.iter().map(|(_, piece)| piece.clone()).collect();
            let kept = self.ask(|answer| Asked::Keep(pieces, answer));
            match kept {
                Ok(true) => return Ok(()),
                Ok(false) => std::thread::sleep(RETRY),
                Err(closing) => return Err(StoreError::Write(closing.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cede::{AgentId, Chars, Session};
    use cede_net::client::{Client, Link};
    use cede_net::presence::{Color, Identity};

    /// A guest with its connection.
    struct Guest {
        session: Session,
        link: Link,
        client: Client,
    }

    impl Guest {
        fn of(host: &Host) -> Self {
            let identity = Identity { name: "Guest".into(), color: Color(1, 2, 3) };
            Self {
                session: Session::new(AgentId::new(2)),
                link: Link::new(identity),
                client: Client::spawn(host.elsewhere(Rights::Write, None).expect("a way in")),
            }
        }

        async fn step(&mut self) {
            let incoming = self.client.next().await.expect("not closed");
            self.link.handle(&mut self.session, incoming).expect("an honest server");
            self.client.send(self.link.flush(&self.session));
        }
    }

    fn written(text: &str) -> Document {
        let mut session = Session::new(AgentId::new(1));
        session.insert(Chars(0), text).expect("typed");
        session.into_document()
    }

    async fn host() -> Host {
        let bind = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let room = unguessable_room().expect("randomness");
        Host::start(bind, room, Doorway::default()).await.expect("a free port")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_guest_is_acknowledged_when_the_editor_has_kept_what_it_typed() {
        let mut host = host().await;
        let mut document = written("The host's text");
        let mut guest = Guest::of(&host);
        let mut refusals = 1;
        let mut typed = false;
        while !typed || guest.link.unacknowledged(&guest.session) > 0 {
            tokio::select! {
                asked = host.asked() => match asked.expect("a running server") {
                    Asked::Whole(answer) => answer.send(document.clone()).expect("asked for"),
                    Asked::Keep(_, answer) if refusals > 0 => {
                        refusals -= 1;
                        answer.send(false).expect("asked for");
                        assert!(guest.link.unacknowledged(&guest.session) > 0);
                    }
                    Asked::Keep(pieces, answer) => {
                        for piece in pieces {
                            document.import::<Chars>(&piece).expect("honest events");
                        }
                        answer.send(true).expect("asked for");
                    }
                },
                () = guest.step() => {
                    if !typed && guest.session.text() == "The host's text" {
                        guest.session.insert(Chars(0), "Hello. ").expect("typed");
                        guest.client.send(guest.link.flush(&guest.session));
                        typed = true;
                    }
                }
            }
        }
        assert_eq!(document.to_string(), "Hello. The host's text");
        guest.client.close().await;
        host.stop().await;
    }

    #[test]
    fn rooms_are_different_and_long() {
        let [first, second] = [(); 2].map(|()| unguessable_room().expect("randomness"));
        assert_ne!(first, second);
        assert_eq!(first.as_str().len(), ROOM_DIGITS);
    }
}
