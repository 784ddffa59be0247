//! The task that connects, reconnects and carries frames.
//!
//! It knows sockets, clocks and frames, and nothing of documents. One attempt follows another until it is closed, its
//! owner is gone, or the server refuses in a way that trying again cannot mend.

use std::time::Duration;

use cede::sync;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::backoff::Backoff;
use super::{Command, Frame, Incoming, Outgoing, Target};
use crate::socket::{Ready, Socket, websocket_config};
use crate::wire::{ClientControl, MAX_FROM_SERVER, MAX_MESSAGE, ServerControl};

/// From the first packet to the upgraded connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Three of the server's pings. A network that fails silently is noticed after this.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two presences: some twenty a second look smooth, more would only fill other people's queues.
const PRESENCE_INTERVAL: Duration = Duration::from_millis(50);
/// Runs until closed, refused for good, or left by its owner.
pub(super) async fn run(target: Target, events: mpsc::Sender<Incoming>, commands: mpsc::UnboundedReceiver<Command>) {
    let mut task = Task { target, events, commands, backoff: Backoff::default(), connection: 0 };
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

struct Task {
    target: Target,
    events: mpsc::Sender<Incoming>,
    commands: mpsc::UnboundedReceiver<Command>,
    backoff: Backoff,
    connection: u64,
}

impl Task {
    async fn say(&self, incoming: Incoming) -> Result<(), End> {
        self.events.send(incoming).await.map_err(|_| End::Closed)
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
                    Some(Command::Send(_)) => {}
                    Some(Command::Close) | None => return true,
                },
            }
        }
    }

    /// Connects, unless the owner closes meanwhile.
    async fn connected(&mut self) -> Result<Socket, End> {
        let connecting = timeout(CONNECT_TIMEOUT, connect(&self.target));
        tokio::pin!(connecting);
        loop {
            tokio::select! {
                connected = &mut connecting => return connected.unwrap_or_else(|_| {
                    Err(End::Lost(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))
                }),
                () = self.events.closed() => return Err(End::Closed),
                command = self.commands.recv() => match command {
                    Some(Command::Send(_)) => {}
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
                command = self.commands.recv(), if socket.takes_more() => match command {
                    Some(Command::Send(Outgoing { connection, .. })) if connection != self.connection => {}
                    Some(Command::Send(Outgoing { frame, .. })) => match frame {
                        Frame::Control(control @ ClientControl::Presence(_)) => presence = Some(control),
                        Frame::Control(control) => feed(socket, Message::text(control.to_json()))?,
                        Frame::Sync(message) => feed(socket, Message::binary(message.encode()))?,
                        Frame::Abandon(reason) => return Err(End::Lost(reason)),
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

async fn connect(target: &Target) -> Result<Socket, End> {
    let lost = |error: std::io::Error| End::Lost(error.to_string());
    let stream = TcpStream::connect((target.host(), target.port())).await.map_err(lost)?;
    // A keystroke is one small packet, and the next one must not wait for its echo.
    stream.set_nodelay(true).map_err(lost)?;
    let config = websocket_config(MAX_FROM_SERVER, MAX_MESSAGE);
    match client_async_with_config(target.to_string(), stream, Some(config)).await {
        Ok((stream, _)) => Ok(Socket::new(stream)),
        Err(Error::Http(response)) => {
            let status = response.status();
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let reason = format!("the server answers {status}: {}", body.trim());
            // 429 asks for patience; every other 4xx will be the same tomorrow.
            let is_final = status.is_client_error() && status.as_u16() != 429;
            Err(if is_final { End::Refused(reason) } else { End::Lost(reason) })
        }
        Err(error) => Err(End::Lost(error.to_string())),
    }
}

/// Any bits; when the system has none to give, clients merely come back together.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}
