//! A proxy that is as bad as networks are, between clients and a server: it holds bytes back, cuts them into pieces, stops
//! for a while in the middle of a frame, and ends connections at any byte. It changes nothing and loses nothing that it
//! does not cut off: that is what TCP promises.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cast::Random;

/// Reads at once: a small frame, or a part of a large one.
const MOST: usize = 4096;

/// Forwards connections to one address until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    is_calm: Arc<AtomicBool>,
    cuts: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_calm, cuts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(accept(listener, to, seed, is_calm.clone(), cuts.clone()));
        Self { address, is_calm, cuts, task }
    }

    /// From here on it forwards at once and cuts nothing.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
    }

    /// How many connections it has cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, seed: u64, is_calm: Arc<AtomicBool>, cuts: Arc<AtomicU64>) {
    for connection in 0.. {
        let Ok((client, _)) = listener.accept().await else { continue };
        let Ok(server) = TcpStream::connect(to).await else { continue };
        // Small pieces are to arrive as small pieces.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let way = |number| Way { random: Random::from_seed(seed ^ connection << 1 ^ number), is_calm: is_calm.clone() };
        let (mut up, mut down, cuts) = (way(0), way(1), cuts.clone());
        tokio::spawn(async move {
            // Either way's end is both ways' end, at whatever byte the other one is.
            let end = tokio::select! {
                end = up.carry(from_client, to_server) => end,
                end = down.carry(from_server, to_client) => end,
            };
            if let End::Cut = end {
                cuts.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

enum End {
    /// One of the two has closed.
    Closed,
    Cut,
}

/// One direction of one connection.
struct Way {
    random: Random,
    is_calm: Arc<AtomicBool>,
}

impl Way {
    async fn carry(&mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> End {
        let mut buffer = vec![0; MOST];
        loop {
            // Small pieces are as likely as large ones.
            let most = 1 << self.random.below(MOST.ilog2() as usize + 1);
            let mut piece = match from.read(&mut buffer[..most]).await {
                Ok(length @ 1..) => &buffer[..length],
                Ok(0) | Err(_) => return End::Closed,
            };
            let roll = if self.is_calm.load(Ordering::SeqCst) { 1000 } else { self.random.below(1000) };
            match roll {
                0 => piece = &piece[..self.random.below(piece.len())],
                1..5 => sleep(Duration::from_millis(200 + self.random.below(1500) as u64)).await,
                5..100 => sleep(Duration::from_millis(1 + self.random.below(30) as u64)).await,
                _ => {}
            }
            if to.write_all(piece).await.is_err() {
                return End::Closed;
            }
            if roll == 0 {
                return End::Cut;
            }
        }
    }
}
