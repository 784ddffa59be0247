//! One connection: its handshake, then frames between its socket and its room until either ends.
//!
//! It knows the socket, its queue and the time. What frames mean is the room's; this only parses control messages, so
//! that a malformed one costs no room anything.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::Config;
use super::admission::admit;
use super::hub::{Command, Hub, Joining, Turned};
use super::outbox::{Pickup, farewell, outbox};
use crate::presence::{Identity, PeerId};
use crate::room::RoomName;
use crate::socket::{Ready, Socket, websocket_config};
use crate::wire::{ClientControl, MAX_FROM_SERVER, PROTOCOL, Refusal};

/// How long the last words to a client may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves one connection to its end. `closing` becomes true when the server stops.
pub(crate) async fn serve(stream: TcpStream, config: Arc<Config>, hub: Arc<Hub>, mut closing: watch::Receiver<bool>) {
    let greeting = timeout(config.handshake_timeout, greet(stream, &config));
    let greeted = tokio::select! {
        greeted = greeting => greeted,
        _ = closing.wait_for(|closing| *closing) => return,
    };
    // Too slow, or no WebSocket: there is nobody to explain it to.
    let Ok(Some((mut socket, name, hello))) = greeted else {
        return;
    };
    let end = match hello {
        Ok(hello) => visit(&mut socket, &name, hello, &config, &hub, closing).await,
        Err(turned) => End::Refused(turned),
    };
    if let End::Refused((code, reason)) = end {
        let (refused, close) = farewell(code, &reason);
        let sent = socket.feed(refused);
        if let (Ok(()), Message::Close(Some(frame))) = (sent, close) {
            // A client that does not take its leave in time is left.
            let _ = timeout(FAREWELL, socket.close(frame)).await;
        }
    }
}

/// How a connection ends.
enum End {
    /// The other end is gone.
    Gone,
    /// The other end is to be told.
    Refused(Turned),
}

/// Who says hello.
struct Hello {
    identity: Identity,
    agent: cede::AgentId,
}

/// The HTTP request and the first message. `None` when there is no WebSocket in the end.
async fn greet(stream: TcpStream, config: &Config) -> Option<(Socket, RoomName, Result<Hello, Turned>)> {
    // Without it the kernel holds small frames back to join them. An error means that the peer is gone already.
    stream.set_nodelay(true).ok()?;
    let mut room = None;
    let door = Door { allowed_origins: &config.allowed_origins, room: &mut room };
    let limits = websocket_config(config.max_message, MAX_FROM_SERVER);
    let stream = accept_hdr_async_with_config(stream, door, Some(limits)).await.ok()?;
    let mut socket = Socket::new(stream);
    let hello = match socket.ready().await {
        Ready::Read(Ok(Message::Text(json))) => read_hello(&json),
        Ready::Read(Err(error)) => Err(refusal(&error)?),
        _ => Err((Refusal::Malformed, "the first message is not hello".to_owned())),
    };
    Some((socket, room?, hello))
}

/// Decides on the HTTP request and remembers the room that it names.
struct Door<'a> {
    allowed_origins: &'a [String],
    room: &'a mut Option<RoomName>,
}

impl Callback for Door<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        match admit(request, self.allowed_origins) {
            Ok(name) => {
                *self.room = Some(name);
                Ok(response)
            }
            Err(rejection) => Err(rejection.into_response()),
        }
    }
}

fn read_hello(json: &str) -> Result<Hello, Turned> {
    match ClientControl::from_json(json) {
        Ok(ClientControl::Hello { protocol, name, color, agent }) => {
            if protocol != PROTOCOL {
                return Err((Refusal::Protocol, format!("you speak protocol {protocol}, this server {PROTOCOL}")));
            }
            if name.len() > Identity::MAX_NAME {
                let reason = format!("a name of {} bytes, at most {} are allowed", name.len(), Identity::MAX_NAME);
                return Err((Refusal::Malformed, reason));
            }
            Ok(Hello { identity: Identity { name, color }, agent })
        }
        Ok(_) => Err((Refusal::Malformed, "the first message is not hello".to_owned())),
        Err(error) => Err((Refusal::Malformed, error.to_string())),
    }
}

/// What an error of the socket says to the other end, if that can still hear.
fn refusal(error: &Error) -> Option<Turned> {
    match error {
        Error::Capacity(error) => Some((Refusal::Oversized, error.to_string())),
        Error::Utf8(error) => Some((Refusal::Malformed, error.clone())),
        _ => None,
    }
}

/// From joining the room to leaving it.
async fn visit(
    socket: &mut Socket,
    name: &RoomName,
    hello: Hello,
    config: &Config,
    hub: &Arc<Hub>,
    mut closing: watch::Receiver<bool>,
) -> End {
    let (outbox, pickup) = outbox(config.max_queue);
    let joining = Joining { identity: hello.identity, agent: hello.agent, outbox };
    let (id, room) = match hub.join(name, joining).await {
        Ok(joined) => joined,
        Err(turned) => return End::Refused(turned),
    };
    let mut visit = Visit { socket, id, room, pickup };
    let end = tokio::select! {
        end = visit.run(config) => end,
        _ = closing.wait_for(|closing| *closing) => {
            End::Refused((Refusal::Restart, "the server is stopping; it will be back".to_owned()))
        }
    };
    // A room that is gone needs no goodbye.
    let _ = visit.room.send(Command::Leave(id)).await;
    end
}

/// A member's connection.
struct Visit<'a> {
    socket: &'a mut Socket,
    id: PeerId,
    room: mpsc::Sender<Command>,
    pickup: Pickup,
}

impl Visit<'_> {
    async fn run(&mut self, config: &Config) -> End {
        match self.carry(config).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Moves frames both ways until the connection ends.
    async fn carry(&mut self, config: &Config) -> Result<std::convert::Infallible, End> {
        let mut heard = Instant::now();
        let mut ping = heard + config.ping_interval;
        loop {
            tokio::select! {
                ready = self.socket.ready() => match ready {
                    Ready::Read(Ok(message)) => {
                        heard = Instant::now();
                        self.receive(message).await?;
                    }
                    Ready::Read(Err(error)) => return Err(refusal(&error).map_or(End::Gone, End::Refused)),
                    Ready::Flushed => {
                        if self.pickup.flushed() {
                            self.tell(Command::Drained(self.id)).await?;
                        }
                    }
                },
                // A queue that has ended stays silent: the goodbye in it was the last frame.
                Some(frame) = self.pickup.take(), if self.socket.takes_more() => self.forward(frame)?,
                () = sleep_until(ping) => {
                    // A room that has dismissed this member has queued the reason; whoever has not read it by now never
                    // will.
                    if heard.elapsed() >= config.idle_timeout || self.pickup.is_abandoned() {
                        return Err(End::Gone);
                    }
                    ping = Instant::now() + config.ping_interval;
                    if self.socket.takes_more() {
                        self.feed(Message::Ping(Bytes::new()))?;
                    }
                }
            }
        }
    }

    async fn tell(&self, command: Command) -> Result<(), End> {
        self.room.send(command).await.map_err(|_| End::Refused((Refusal::Restart, "the room has closed".to_owned())))
    }

    async fn receive(&mut self, message: Message) -> Result<(), End> {
        match message {
            Message::Binary(frame) => self.tell(Command::Frame(self.id, frame)).await,
            Message::Text(json) => {
                let control = ClientControl::from_json(&json);
                let control = control.map_err(|error| End::Refused((Refusal::Malformed, error.to_string())))?;
                self.tell(Command::Control(self.id, control)).await
            }
            // tungstenite has an answer ready that goes out with the next read, which also finds the end.
            Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    /// Feeds the frame, and as many more as are there and share a system call with it.
    fn forward(&mut self, first: Message) -> Result<(), End> {
        let mut next = Some(first);
        while let Some(frame) = next {
            self.feed(frame)?;
            next = if self.socket.takes_more() { self.pickup.try_take() } else { None };
        }
        Ok(())
    }

    fn feed(&mut self, message: Message) -> Result<(), End> {
        self.socket.feed(message).map_err(|_| End::Gone)
    }
}
