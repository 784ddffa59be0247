//! The client: a task that carries frames, and beside it the link that knows what they mean.
//!
//! [`Client`] knows sockets and clocks and nothing of documents. [`Link`] knows the document and the protocol and does
//! no I/O. Whoever owns the [`cede::Session`] owns both and moves what one hands out into the other:
//!
//! ```
//! # use cede_net::client::{Client, Link, LinkError};
//! # async fn live(mut session: cede::Session, mut link: Link, mut client: Client) -> Result<(), LinkError> {
//! client.send(link.flush(&session)); // after each local edit
//! while let Some(incoming) = client.next().await {
//!     for change in link.handle(&mut session, incoming)? { /* show it */ }
//!     client.send(link.flush(&session)); // what it has to answer
//! }
//! # Ok(())
//! # }
//! ```

pub(crate) mod backoff;
mod dict;
mod link;
mod owed;
mod target;
mod task;

use cede::DocumentKind;
use cede::sync::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::dict::{DictChange, DictLink};
pub use self::link::{Change, Link, LinkError, State};
use self::owed::Owed;
pub use self::target::{Target, TargetError};
use crate::tls::Trust;
use crate::wire::{ClientControl, ServerControl};

/// How many messages wait between the task and whoever reads them. When they are that many the task stops reading,
/// and the server finds out by itself.
const INCOMING: usize = 64;

/// A connection to one room that comes back by itself: a tokio task and both ends of its queues.
///
/// Dropping it ends the task at once; [`Client::close`] lets it send what it has been given first.
#[derive(Debug)]
pub struct Client {
    incoming: mpsc::Receiver<Incoming>,
    sender: Sender,
    task: JoinHandle<()>,
}

impl Client {
    /// Starts connecting, at once and for ever, until closed or refused for good.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn spawn(target: Target) -> Self {
        Self::spawn_trusting(target, Trust::default())
    }

    /// The same for a server whose certificate is vouched for by others than this machine trusts.
    ///
    /// # Panics
    /// As [`Client::spawn`].
    pub fn spawn_trusting(target: Target, trust: Trust) -> Self {
        let owed = Arc::new(Owed::default());
        let mut client = Self::carried(|events, commands| task::run(target, trust, owed.clone(), events, commands));
        client.sender.owed = Some(owed);
        client
    }

    /// The same with something else than a server at the other end: `carry` makes the task between the queues.
    pub(crate) fn carried<T>(carry: impl FnOnce(mpsc::Sender<Incoming>, mpsc::UnboundedReceiver<Command>) -> T) -> Self
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let (outgoing, commands) = mpsc::unbounded_channel();
        let (events, incoming) = mpsc::channel(INCOMING);
        let task = tokio::spawn(carry(events, commands));
        Self { incoming, sender: Sender { outgoing, owed: None }, task }
    }

    /// The next thing that happened, for [`Link::handle`]. `None` when the task has ended: after
    /// [`Incoming::Refused`] or [`Client::close`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// What has happened already, without waiting.
    pub fn try_next(&mut self) -> Option<Incoming> {
        self.incoming.try_recv().ok()
    }

    /// The same as [`Client::next`] for threads outside of the runtime.
    ///
    /// # Panics
    /// Inside of a runtime.
    pub fn blocking_next(&mut self) -> Option<Incoming> {
        self.incoming.blocking_recv()
    }

    /// Hands over what [`Link::flush`] gave. Never waits; what belongs to an earlier connection is dropped.
    pub fn send(&self, frames: impl IntoIterator<Item = Outgoing>) {
        self.sender.send(frames);
    }

    /// A second handle for sending, for when another task reads.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Sends what has been handed over, says goodbye, and ends. Takes at most about two seconds.
    pub async fn close(mut self) {
        self.sender.close();
        // The task may be waiting for room in the queue before it can see the request.
        while self.incoming.recv().await.is_some() {}
        // A task that panicked has nothing left to close.
        let _ = self.task.await;
    }
}

/// The sending end of a [`Client`].
#[derive(Clone, Debug)]
pub struct Sender {
    outgoing: mpsc::UnboundedSender<Command>,
    /// Answers that a server has asked for and not taken; a carrier that nobody else can make ask has none.
    owed: Option<Arc<Owed>>,
}

impl Sender {
    /// See [`Client::send`].
    pub fn send(&self, frames: impl IntoIterator<Item = Outgoing>) {
        for frame in frames {
            if self.owed.as_ref().is_some_and(|owed| !owed.takes(&frame)) {
                continue;
            }
            // Without a task there is no connection, and the next one would begin with META anyway.
            let _ = self.outgoing.send(Command::Send(frame));
        }
    }

    /// Asks the task to end as [`Client::close`] does, without waiting for it: [`Client::next`] gives `None` in the
    /// end.
    pub fn close(&self) {
        let _ = self.outgoing.send(Command::Close);
    }
}

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Command {
    Send(Outgoing),
    Close,
}

/// What the task says.
#[derive(Clone, PartialEq, Debug)]
pub enum Incoming {
    /// An attempt begins; the first is number 1.
    Connecting {
        /// Attempts since the last success, this one included.
        attempt: u32,
    },
    /// A connection stands. What is sent for an earlier one is dropped from here on.
    Opened {
        /// Its number.
        connection: u64,
    },
    /// A control message.
    Control(ServerControl),
    /// META, DATA or DONE.
    Sync(Message),
    /// The connection, or the attempt at one, is over; another follows.
    Closed {
        /// For people.
        reason: String,
        /// When.
        retry_in: Duration,
    },
    /// It is over and trying again cannot help. Nothing follows.
    Refused {
        /// For people.
        reason: String,
    },
}

/// A frame for one connection.
#[derive(Clone, PartialEq, Debug)]
pub struct Outgoing {
    /// The number of the connection, from [`Incoming::Opened`].
    pub connection: u64,
    /// What to send.
    pub frame: Frame,
}

/// What a client can send.
#[derive(Clone, PartialEq, Debug)]
pub enum Frame {
    /// A control message. Of presences only the latest is sent, at most some twenty a second.
    Control(ClientControl),
    /// META, DATA or DONE.
    Sync(Message),
    /// Give this connection up, for this reason, and try another.
    Abandon(String),
    /// Give this connection up, for this reason, and try no other.
    Leave(String),
}

/// What is to be said when an update is of another kind than it should be.
fn other_kind(update: &[u8], expected: DocumentKind) -> Option<String> {
    let found = DocumentKind::of_update(update).filter(|&found| found != expected)?;
    Some(format!("the room holds a {found}, not a {expected}"))
}
