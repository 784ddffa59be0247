//! Rooms over WebSocket: a server that keeps documents and a client that never loses one.
//!
//! A *room* is one document with a name: a [`cede::Document`], a [`cede::Json`] or a [`cede::Dict`], whichever came first. A connection carries one room (`ws://host:port/ROOM`), a server
//! keeps many. People type against their own [`cede::Session`]; nothing here is ever waited for.
//!
//! ```text
//!   your editor                                          server
//!   Session ── Link ── Client ═══ WebSocket ═══ connection ── room ── writer ── Store
//!              pure    task                      task          task    thread
//! ```
//!
//! - [`client::Link`] is a pure state machine beside the session: it says what to send and takes in what came.
//!   It does no I/O and knows no clock, so every order of events can be tested.
//! - [`client::Client`] is a task that connects, reconnects with jittered exponential backoff, and carries frames.
//! - [`folder::Folder`] stands in the place of a server where there is none: replicas share only a directory.
//! - [`server::run`] accepts connections until it is told to stop. One task per connection, one task per room that
//!   alone owns the room's document, one thread that alone owns the [`store::Store`].
//!
//! # The protocol, version 2
//!
//! Text frames are JSON control messages ([`wire`]); binary frames are [`cede::sync::Message`]s (META, DATA, DONE).
//!
//! 0. The client asks for `/ROOM` by HTTP, with its token as `Authorization: Bearer TOKEN`; one that cannot send headers
//!    puts it into `hello`. A token is never part of a path: paths get into logs.
//! 1. The client says `hello` (protocol, name, colour, agent); the server answers `welcome` (the client's number, who is
//!    in, what the client may do, perhaps a pass to come back by), or `refused` with a reason and closes.
//! 2. The server sends META, the client answers with META. Each sends the DATA that the other lacks, then DONE.
//! 3. From then on each sends DATA as it is made. The server passes it to the others at once, stores it, and says
//!    `ack` with the number of the client's DATA frames that are on disk. An ack of 0 speaks of the server's META.
//!    While people type without a pause that is every two seconds, and an ack waits a moment for a frame to go with.
//! 4. When a room has been quiet for a moment the server sends `version` (a digest of version and text); clients that
//!    are at the same version answer with `report`, and everybody learns who sees the same text.
//! 5. A client that reads too slowly is not waited for: what does not fit its queue is dropped, and once the queue
//!    is empty the server says `resync`. The client answers with META, and step 2 mends the rest.
//!
//! 6. A room is of the kind of its first event. Whoever brings another kind is `refused` (`kind`); a client that is sent
//!    another leaves for good.
//! 7. What somebody may do ([`rights`]) is looked up for every message. A host changes it by `allow` and `remove`;
//!    everybody hears of it by `rights`, hosts hear the tokens of new join lines by `invitation`.
//!
//! The document is the buffer: whatever a broken connection swallowed is found again by the next META. Receiving
//! twice, or half, is harmless.
//!
//! # Example
//!
//! Two people, one server, all in one process:
//!
//! ```
//! use cede::{AgentId, Session};
//! use cede_net::client::{Client, Link, Target};
//! use cede_net::presence::{Color, Identity};
//! use cede_net::server::{self, Config};
//! use cede_net::store::MemoryStore;
//!
//! struct Editor { session: Session, link: Link, client: Client }
//!
//! impl Editor {
//!     /// Runs the link until `done` says so.
//!     async fn until(&mut self, done: impl Fn(&Session, &Link) -> bool) {
//!         self.client.send(self.link.flush(&self.session));
//!         while !done(&self.session, &self.link) {
//!             let incoming = self.client.next().await.expect("the client runs until it is closed");
//!             self.link.handle(&mut self.session, incoming).expect("an honest server");
//!             self.client.send(self.link.flush(&self.session));
//!         }
//!     }
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! let address = listener.local_addr().unwrap();
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let server = tokio::spawn(server::run(listener, Config::default(), MemoryStore::default(), async {
//!     stopped.await.ok();
//! }));
//!
//! let join = |name: &str, agent: u128| Editor {
//!     session: Session::new(AgentId::new(agent)),
//!     link: Link::new(Identity { name: name.into(), color: Color(90, 160, 220) }),
//!     client: Client::spawn(Target::parse(&format!("ws://{address}/notes")).unwrap()),
//! };
//! let (mut ada, mut ben) = (join("Ada", 1), join("Ben", 2));
//!
//! ada.session.insert(cede::Chars(0), "Together.").unwrap();
//! ada.until(|session, link| link.unacknowledged(session) == 0).await;
//! ben.until(|session, _| session.text().to_string() == "Together.").await;
//!
//! ada.client.close().await;
//! ben.client.close().await;
//! stop.send(()).unwrap();
//! server.await.unwrap().unwrap();
//! # });
//! ```
//!
//! # Without a server
//!
//! [`mailbox`] merges two sorted lists by META, DATA and DONE between two processes that share two files.
//!
//! # What must always be true
//!
//! - An acknowledged DATA frame is in the store, and the store has called it durable.
//! - A client forgets nothing: an event leaves its care only by an ack or because the server sent it.
//! - A live member of a room has been sent everything that the room's document held; one that has not is *behind*.
//! - What a connection can make the server hold is bounded: its queue, its unread frames, its one message; 4 KiB before
//!   it has said who it is.
//! - Nobody does what their token does not permit at that moment, and nobody brings new events of an agent that edits on
//!   another connection.
//! - A refused message leaves the room's document as it was.

#![forbid(unsafe_code)]

pub mod client;
mod directory;
pub mod folder;
mod http;
mod line;
pub mod mailbox;
mod planted;
pub mod presence;
pub mod rights;
pub mod room;
pub mod server;
mod socket;
pub mod store;
mod stream;
pub mod tls;
pub mod token;
pub mod tokens;
pub mod wire;

#[cfg(test)]
mod simulation;
