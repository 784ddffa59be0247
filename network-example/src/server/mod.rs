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

mod admission;
mod connection;
mod hub;
pub(crate) mod outbox;
pub(crate) mod room;
pub(crate) mod writer;

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use self::hub::Hub;
use self::writer::{Writer, WriterThread};
use crate::store::Store;
use crate::wire::MAX_MESSAGE;

/// How long connections may take to say goodbye when the server stops.
const GOODBYES: Duration = Duration::from_secs(3);
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
    store: impl Store,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let (writer, thread) = Writer::start(store).map_err(ServerError::Thread)?;
    let config = Arc::new(config);
    let hub = Arc::new(Hub::new(config.clone(), writer));
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let accepting = accept(listener, &config, &hub, &closing, &mut connections);
    tokio::select! {
        never = accepting => match never {},
        () = shutdown => {}
    }
    // Connections that cannot even be closed in time are dropped with their set.
    close.send_replace(true);
    let _ = timeout(GOODBYES, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    hub.close();
    drop(hub);
    finished(thread).await
}

/// Accepts for ever.
async fn accept(
    listener: TcpListener,
    config: &Arc<Config>,
    hub: &Arc<Hub>,
    closing: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) -> std::convert::Infallible {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // One too many is closed at once: answering would cost what there is too little of.
                Ok((stream, _)) if connections.len() < config.max_connections => {
                    connections.spawn(connection::serve(stream, config.clone(), hub.clone(), closing.clone()));
                }
                Ok(_) => {}
                // Most are one client's fault and the next accept is fine; without descriptors it fails until some are
                // free.
                Err(_) => sleep(EXHAUSTED).await,
            },
            Some(_) = connections.join_next() => {}
        }
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
    /// Values of the `Origin` header that may connect, as `scheme://host[:port]`. Programs send none and are always let
    /// in; browsers send one, and a page that is not listed is refused, on loopback too. Default: none.
    pub allowed_origins: Vec<String>,
    /// The largest frame, in bytes. Default: [`MAX_MESSAGE`], which clients rely on; less turns some of their DATA
    /// away.
    pub max_message: usize,
    /// Bytes that wait for one connection before it counts as too slow. Default: 512 KiB.
    pub max_queue: usize,
    /// Connections at once. Default: 10,000.
    pub max_connections: usize,
    /// Members of one room at once. Default: 500.
    pub max_members: usize,
    /// From accepting to `hello`. Default: 5 s.
    pub handshake_timeout: Duration,
    /// Between pings. Default: 15 s.
    pub ping_interval: Duration,
    /// Without a sign of life, or without reading anything of a full queue. Default: 45 s.
    pub idle_timeout: Duration,
    /// How long a room stays in memory after the last member left. Default: 30 s.
    pub linger: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            max_message: MAX_MESSAGE,
            max_queue: 512 * 1024,
            max_connections: 10_000,
            max_members: 500,
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
    /// No thread for the store.
    Thread(io::Error),
    /// The store failed while running.
    Store(String),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread(error) => write!(f, "no thread for the store: {error}"),
            Self::Store(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ServerError {}
