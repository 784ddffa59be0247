//! The server: accepts connections, keeps rooms, stops when told.
//!
//! ```text
//!   accept ── connection task ─┬─ room task ─┬─ writer thread ── Store
//!             one per client   │  one per    │  one
//!             Outbox ◀─────────┘  room       └─▶ acks
//! ```
//!
//! Commands flow to the right through bounded queues: whoever is slow makes the one before it wait, down to the
//! client's own network. What flows to the left never waits: a client that does not read loses frames, not time of
//! others, and is mended or dismissed (`room`).

pub(crate) mod access;
mod addresses;
mod admission;
mod api;
mod body;
mod connection;
mod dictionary;
mod export;
mod held;
mod hub;
mod kept;
pub(crate) mod metrics;
pub(crate) mod outbox;
mod pieces;
mod reload;
pub(crate) mod room;
mod service;
mod throttle;
mod whole;
pub(crate) mod writer;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cede::DocumentKind;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

pub use self::access::{Access, Invitation};
use self::addresses::Addresses;
use self::hub::Hub;
use self::metrics::Metrics;
pub use self::reload::follow_tokens;
use self::service::Service;
pub use self::throttle::Rate;
use self::writer::{Writer, WriterThread};
use crate::planted::planted;
use crate::store::Store;
use crate::tls::Certificate;
use crate::wire::MAX_MESSAGE;

/// How many events a document may have where nothing else is said.
pub const MAX_EVENTS: u64 = 16_000_000;
/// How long connections may take to say goodbye when the server stops.
const GOODBYES: Duration = Duration::from_secs(3);
/// What the kernel keeps for a client that does not read, in bytes; it takes twice that. Left to itself it goes up to
/// some megabytes.
const SEND_BUFFER: usize = 128 * 1024;
/// Who waits at the door before they are accepted; most systems allow fewer.
const BACKLOG: u32 = 4096;
/// Between attempts to accept when the system has no file descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves rooms until `shutdown` is ready; then stores what it has taken in, tells clients to come back (close code
/// 1012), and returns.
///
/// # Errors
/// [`ServerError`]. When the store fails, the server goes on passing edits between people without acknowledging any,
/// tells them so, and returns the store's error in the end.
pub async fn run(
    listener: TcpListener,
    config: Config,
    mut store: impl Store,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let address = listener.local_addr().map_err(ServerError::Listener)?;
    if !planted("exposed") && config.access.is_open() && !address.ip().to_canonical().is_loopback() {
        return Err(ServerError::Exposed { address });
    }
    let said = store.said().map_err(|error| error.to_string());
    if !planted("said") {
        said.and_then(|said| config.access.recall(&said)).map_err(ServerError::Store)?;
    }
    let (writer, thread) = Writer::start(store).map_err(ServerError::Thread)?;
    let (config, access, metrics) = (Arc::new(config.clone()), config.access, Arc::new(Metrics::default()));
    let hub = Arc::new(Hub::new(config.clone(), access.clone(), metrics.clone(), writer));
    let acceptor = config.certificate.as_ref().map(Certificate::acceptor);
    let service = Arc::new(Service { config, access, metrics: metrics.clone(), hub: hub.clone(), acceptor });
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    tracing::info!(%address, secure = service.acceptor.is_some(), "serving");
    let accepting = accept(listener, &service, &closing, &mut connections);
    tokio::select! {
        never = accepting => match never {},
        () = shutdown => {}
    }
    metrics.stopping();
    tracing::info!("stopping");
    // Connections that cannot even be closed in time are dropped with their set.
    close.send_replace(true);
    let _ = timeout(GOODBYES, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    hub.close();
    drop((hub, service));
    finished(thread).await
}

/// Listens at an address, with room for everybody who comes back at once after a restart.
///
/// The usual room is for 128: of a crowd at the door a kernel drops the others in a way that leaves them believing to be
/// connected, until they have been silent for long.
///
/// # Errors
/// The system's reason.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Where it means something else than that a server can be started anew at once, it is not asked for.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts for ever.
async fn accept(
    listener: TcpListener,
    service: &Arc<Service>,
    closing: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) -> std::convert::Infallible {
    let addresses = Addresses::default();
    let Config { max_connections, max_per_address, caps_loopback, .. } = *service.config;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let is_capped = caps_loopback || !from.ip().to_canonical().is_loopback();
                    let most = if is_capped && !planted("address") { max_per_address } else { usize::MAX };
                    let place = (connections.len() < max_connections).then(|| addresses.enter(from.ip(), most));
                    match place {
                        Some(Some(counted)) => {
                            // A buffer of another size is slower or larger, and does as well.
                            let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
                            let serving = connection::serve(stream, from, service.clone(), closing.clone(), counted);
                            connections.spawn(serving);
                        }
                        Some(None) => turn_back(&stream, service, "address"),
                        None => turn_back(&stream, service, "connections"),
                    }
                }
                // Most are one client's fault and the next accept is fine; without descriptors it fails until some are
                // free.
                Err(_) => sleep(EXHAUSTED).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One too many is told so if that costs nothing, and closed at once.
fn turn_back(stream: &TcpStream, service: &Service, reason: &'static str) {
    service.metrics.refused(reason);
    if service.acceptor.is_none() {
        const ANSWER: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.try_write(ANSWER);
    }
}

/// Waits for the last room to be stored: the thread ends with the last room.
async fn finished(thread: WriterThread) -> Result<(), ServerError> {
    match spawn_blocking(|| thread.join()).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(reason))) => Err(ServerError::Store(reason.to_string())),
        Ok(Err(_)) | Err(_) => Err(ServerError::Store("the store panicked".to_owned())),
    }
}

/// Ready when the process is asked to stop: Ctrl-C, or SIGTERM where there is one.
pub async fn asked_to_stop() {
    // A handler that cannot be installed leaves the system's own, which ends the process: that is being asked as well.
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}

/// What a server allows.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may do what. Default: [`Access::open`], with which a server listens on loopback alone.
    pub access: Access,
    /// For TLS. Default: none.
    pub certificate: Option<Certificate>,
    /// Names that the server goes by, without port. Addresses and `localhost` are always right; any other name in a
    /// request's `Host` may be a page's that has pointed its own name here. Default: none.
    pub allowed_hosts: Vec<String>,
    /// Values of the `Origin` header that may connect, as `scheme://host[:port]`. Programs send none and are always let
    /// in; browsers send one, and a page that is not listed is refused, on loopback too. Default: none.
    pub allowed_origins: Vec<String>,
    /// The largest frame, in bytes. Default: [`MAX_MESSAGE`], which clients rely on; less turns some of their DATA
    /// away.
    pub max_message: usize,
    /// The largest head of a request, in bytes. Default: 8 KiB.
    pub max_head: usize,
    /// Bytes that wait for one connection before it counts as too slow. Default: 512 KiB.
    pub max_queue: usize,
    /// Connections at once. Default: 16,384.
    pub max_connections: usize,
    /// Connections from one address at once; of IPv6, from one network of 64 bits. Default: 256.
    pub max_per_address: usize,
    /// Whether that holds for loopback too: behind a proxy on this machine everybody comes from there. Default: no.
    pub caps_loopback: bool,
    /// Members of one room at once. Default: 500.
    pub max_members: usize,
    /// Rooms in memory at once. Default: 10,000.
    pub max_rooms: usize,
    /// The kind of all documents. Default: none, so that the first event of a room decides.
    pub only: Option<DocumentKind>,
    /// Events of one document. Default: [`MAX_EVENTS`].
    pub max_events: u64,
    /// Bytes of one document as they are stored in one piece. Default: 64 MiB.
    pub max_room_bytes: u64,
    /// How fast one connection may send bytes. Who is faster is read more slowly. Default: 4 MiB a second, 16 at once.
    pub byte_rate: Rate,
    /// How fast one connection may send messages. Default: 1,000 a second, 5,000 at once.
    pub message_rate: Rate,
    /// From accepting to `hello`. Default: 5 s.
    pub handshake_timeout: Duration,
    /// Between pings. Default: 15 s.
    pub ping_interval: Duration,
    /// Without a sign of life, or without reading anything of a full queue. Default: 45 s.
    pub idle_timeout: Duration,
    /// How long a room stays in memory after the last member left, and the document of one that nobody edits.
    /// Default: 30 s.
    pub linger: Duration,
}

impl Default for Config {
    fn default() -> Self {
        const MIB: u32 = 1024 * 1024;
        Self {
            access: Access::open(),
            certificate: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_message: MAX_MESSAGE,
            max_head: 8 * 1024,
            max_queue: 512 * 1024,
            max_connections: 16_384,
            max_per_address: 256,
            caps_loopback: false,
            max_members: 500,
            max_rooms: 10_000,
            only: None,
            max_events: MAX_EVENTS,
            max_room_bytes: 64 * 1024 * 1024,
            byte_rate: Rate { per_second: 4 * MIB, burst: 16 * MIB },
            message_rate: Rate { per_second: 1_000, burst: 5_000 },
            handshake_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(45),
            linger: Duration::from_secs(30),
        }
    }
}

/// Why a server ended otherwise than it was told.
#[derive(Debug)]
pub enum ServerError {
    /// Everybody may write, and others than this machine can get here.
    Exposed {
        /// Where it would have listened.
        address: SocketAddr,
    },
    /// The listener does not know where it listens.
    Listener(io::Error),
    /// No thread for the store.
    Thread(io::Error),
    /// The store failed while running.
    Store(String),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exposed { address } => write!(
                f,
                "{address} can be reached from other machines, and without tokens whoever reaches it could read and \
                 write; listen on loopback, or use tokens"
            ),
            Self::Listener(error) => write!(f, "cannot listen: {error}"),
            Self::Thread(error) => write!(f, "no thread for the store: {error}"),
            Self::Store(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ServerError {}
