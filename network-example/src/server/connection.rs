//! One connection: its request, its hello, then frames between its socket and its room until either ends.
//!
//! It knows the socket, its queue and the time. What frames mean is the room's; this only parses control messages, so
//! that a malformed one costs no room anything. Whether the client may still do what it could is looked up whenever
//! anything has changed, before the next message is handed on.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::http::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::access::Credential;
use super::addresses::Counted;
use super::admission::{Doorkeeper, room_of};
use super::api;
use super::body::Body;
use super::hub::{Command, Turned};
use super::outbox::{Next, Pickup, farewell, outbox};
use super::room::{Joined, Joining};
use super::service::Service;
use super::throttle::Throttle;
use crate::http::{Rejection, bearer, head_bytes, is_upgrade, parse_head, sized_head_bytes};
use crate::planted::planted;
use crate::presence::{Identity, PeerId};
use crate::rights::Rights;
use crate::room::RoomName;
use crate::socket::{Ready, Socket, websocket_config};
use crate::stream::Stream;
use crate::wire::{ClientControl, MAX_CONTROL, MAX_FROM_SERVER, MAX_MESSAGE, PROTOCOL, Refusal};

/// What an idle connection keeps for what may come: several keys, or a part of something large.
const READ_BUFFER: usize = 1024;
/// How long the last words to a client may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a document may take to be fetched: 64 MiB at 1 MiB/s.
const FETCH: Duration = Duration::from_secs(64);

/// Serves one connection to its end. `closing` becomes true when the server stops; the place is free when this is over.
pub(crate) async fn serve(
    stream: TcpStream,
    from: SocketAddr,
    service: Arc<Service>,
    mut closing: watch::Receiver<bool>,
    _place: Counted,
) {
    let _counted = service.metrics.connections.enter();
    service.metrics.connections_total.add(1);
    // What is said at the door is boxed, so that a connection that has passed it does not keep the room for it.
    let patience = service.config.handshake_timeout * if planted("handshake") { 1000 } else { 1 };
    let greeting = Box::pin(timeout(patience, greet(stream, &service)));
    let greeted = tokio::select! {
        greeted = greeting => greeted,
        _ = closing.wait_for(|closing| *closing) => return,
    };
    if planted("leak") {
        // A black box, because memory that nobody looks at is not even asked for.
        std::mem::forget(std::hint::black_box(vec![1_u8; 4 << 20]));
    }
    match greeted {
        // Too slow: there is nobody to explain it to.
        Err(_) => refused(&service, from, "handshake_timeout"),
        Ok(Err(Lost)) => refused(&service, from, "broken"),
        Ok(Ok(Greeting::Guest(guest))) => attend(*guest, from, &service, closing).await,
        Ok(Ok(Greeting::Question(stream, request, rest))) => {
            let answering = Box::pin(timeout(FETCH, answer(stream, request, rest, from, &service)));
            tokio::select! {
                _ = answering => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
        Ok(Ok(Greeting::Rejected(stream, rejection))) => {
            refused(&service, from, rejection.label);
            let _ = timeout(FAREWELL, Box::pin(say(stream, rejection.into_answer()))).await;
        }
    }
}

fn refused(service: &Service, from: SocketAddr, reason: &'static str) {
    service.metrics.refused(reason);
    tracing::info!(%from, reason, "refused");
}

/// There is no other end any more, or none that speaks HTTP.
struct Lost;

impl From<io::Error> for Lost {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// What came of the first seconds.
enum Greeting {
    /// A WebSocket.
    Guest(Box<Guest>),
    /// A request without one, and what has come behind its head.
    Question(Stream, Request<()>, Vec<u8>),
    /// A request to be turned away.
    Rejected(Stream, Rejection),
}

/// Whoever has said hello, or failed to.
struct Guest {
    socket: Socket,
    room: RoomName,
    hello: Result<Hello, Turned>,
}

/// Who somebody is and what they may do.
struct Hello {
    identity: Identity,
    agent: cede::AgentId,
    credential: Credential,
    rights: Rights,
}

/// The request, and for a WebSocket the first message.
async fn greet(stream: TcpStream, service: &Service) -> Result<Greeting, Lost> {
    // Without it the kernel holds small frames back to join them. An error means that the peer is gone already.
    stream.set_nodelay(true)?;
    let mut stream = match &service.acceptor {
        Some(acceptor) if !may_be_plain(&stream).await? => Stream::secure(acceptor.accept(stream).await?),
        _ => Stream::plain(stream),
    };
    let (request, rest) = match read_head(&mut stream, service.config.max_head).await? {
        Ok(head) => head,
        Err(rejection) => return Ok(Greeting::Rejected(stream, rejection)),
    };
    let door = Doorkeeper { origins: &service.config.allowed_origins, hosts: &service.config.allowed_hosts };
    if let Err(rejection) = door.check(request.headers()) {
        return Ok(Greeting::Rejected(stream, rejection));
    }
    if !is_upgrade(&request) {
        return Ok(Greeting::Question(stream, request, rest));
    }
    match admit(&request, rest.len(), service) {
        Ok((room, credential, response)) => {
            let guest = upgrade(stream, rest, room, credential, &response, service).await?;
            Ok(Greeting::Guest(Box::new(guest)))
        }
        Err(rejection) => Ok(Greeting::Rejected(stream, rejection)),
    }
}

/// From this machine itself TLS is possible and not needed: nobody is in between, and neither the editor that runs the
/// server nor what watches it should have to go by the name in the certificate. A TLS handshake begins with byte 22.
async fn may_be_plain(stream: &TcpStream) -> io::Result<bool> {
    let (from, to) = (stream.peer_addr()?.ip().to_canonical(), stream.local_addr()?.ip().to_canonical());
    if !from.is_loopback() && from != to {
        return Ok(false);
    }
    let mut first = [0];
    stream.peek(&mut first).await?;
    Ok(first != [22])
}

/// Reads up to the empty line that ends a head, and gives what has come behind it as well.
async fn read_head(stream: &mut Stream, most: usize) -> Result<Result<(Request<()>, Vec<u8>), Rejection>, Lost> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if bytes.len() >= most {
            return Ok(Err(Rejection::large(format!("a request's head of more than {most} bytes"))));
        }
        stream.allow(most - bytes.len());
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(Lost);
        }
        match parse_head(&bytes) {
            Ok(None) => {}
            Ok(Some((request, length))) => {
                stream.allow_all();
                return Ok(Ok((request, bytes.split_off(length))));
            }
            Err(rejection) => return Ok(Err(rejection)),
        }
    }
}

/// Decides on a request for a WebSocket. `None`: whoever asks has shown no token yet, and may in the first message.
fn admit(
    request: &Request<()>,
    ahead: usize,
    service: &Service,
) -> Result<(RoomName, Option<Credential>, Response<()>), Rejection> {
    let room = room_of(request)?;
    let token = bearer(request.headers())?;
    let credential = token.map(|token| Credential::of(Some(&token)));
    if let Some(credential) = credential {
        service.access.rights(credential, &room).map_err(api::denial)?;
    }
    if ahead > MAX_CONTROL {
        return Err(Rejection::large(format!("{ahead} bytes before anything was answered")));
    }
    let response = create_response(request).map_err(Rejection::malformed)?;
    Ok((room, credential, response))
}

/// Answers the request and hears the first message.
async fn upgrade(
    mut stream: Stream,
    rest: Vec<u8>,
    room: RoomName,
    credential: Option<Credential>,
    response: &Response<()>,
    service: &Service,
) -> Result<Guest, Lost> {
    stream.write_all(&head_bytes(response)).await?;
    if !planted("greeting") {
        stream.allow(MAX_CONTROL.saturating_sub(rest.len()));
    }
    let limits = websocket_config(READ_BUFFER, service.config.max_message, MAX_FROM_SERVER);
    let stream = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(limits)).await;
    let mut socket = Socket::new(stream);
    let hello = loop {
        match socket.ready().await {
            Ready::Read(Ok(Message::Text(json))) => break read_hello(&json, credential, &room, service),
            // A ping may stand between the parts of a message.
            Ready::Read(Ok(Message::Ping(_) | Message::Pong(_))) | Ready::Flushed => {}
            Ready::Read(Ok(_)) => break Err((Refusal::Malformed, "the first message is not hello".to_owned())),
            Ready::Read(Err(error)) => break Err(refusal(&error).ok_or(Lost)?),
        }
    };
    // Whoever is shown out may still be heard to the end; nothing of it is kept.
    socket.allow_all();
    Ok(Guest { socket, room, hello })
}

fn read_hello(json: &str, shown: Option<Credential>, room: &RoomName, service: &Service) -> Result<Hello, Turned> {
    let (protocol, name, color, agent, token) = match ClientControl::from_json(json) {
        Ok(ClientControl::Hello { protocol, name, color, agent, token }) => (protocol, name, color, agent, token),
        Ok(_) => return Err((Refusal::Malformed, "the first message is not hello".to_owned())),
        // Somebody of another version may say other things, so this is looked at first.
        Err(error) => return Err((Refusal::Malformed, error.to_string())),
    };
    if protocol != PROTOCOL {
        return Err((Refusal::Protocol, format!("you speak protocol {protocol}, this server {PROTOCOL}")));
    }
    if name.len() > Identity::MAX_NAME {
        let reason = format!("a name of {} bytes, at most {} are allowed", name.len(), Identity::MAX_NAME);
        return Err((Refusal::Malformed, reason));
    }
    let credential = shown.unwrap_or_else(|| Credential::of(token.as_ref()));
    let rights = service.access.rights(credential, room);
    let rights = rights.map_err(|denied| (denied.code(), denied.reason().to_owned()))?;
    Ok(Hello { identity: Identity { name, color }, agent, credential, rights })
}

/// What an error of the socket says to the other end, if that can still hear.
fn refusal(error: &Error) -> Option<Turned> {
    match error {
        Error::Capacity(error) => Some((Refusal::Oversized, error.to_string())),
        Error::Utf8(error) => Some((Refusal::Malformed, error.clone())),
        Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Some((Refusal::Oversized, format!("more than {MAX_CONTROL} bytes before hello")))
        }
        _ => None,
    }
}

/// Answers a request that wants no WebSocket.
async fn answer(mut stream: Stream, request: Request<()>, rest: Vec<u8>, from: SocketAddr, service: &Service) {
    let body = Body::new(&mut stream, rest);
    let answer = api::respond(&request, body, from, service).await.unwrap_or_else(|rejection| {
        refused(service, from, rejection.label);
        rejection.into_answer()
    });
    service.metrics.bytes_out.add(answer.body().len() as u64);
    let _ = say(stream, answer).await;
}

/// Sends an answer and reads on until the other end has closed: a socket that is dropped with unread bytes is reset, and
/// the answer would be lost on its way. The caller sets the time limit.
async fn say(mut stream: Stream, answer: Response<Bytes>) -> io::Result<()> {
    stream.write_all(&sized_head_bytes(&answer)).await?;
    stream.write_all(answer.body()).await?;
    stream.shutdown().await?;
    // It is on its way, and may be all of a document.
    drop(answer);
    // More than a body that nobody wanted.
    stream.allow(2 * MAX_MESSAGE);
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// From hello to goodbye.
async fn attend(guest: Guest, from: SocketAddr, service: &Arc<Service>, closing: watch::Receiver<bool>) {
    let Guest { mut socket, room, hello } = guest;
    let end = match hello {
        Ok(hello) => visit(&mut socket, &room, hello, service, closing).await,
        Err(turned) => End::Refused(turned),
    };
    if let End::Refused((code, reason)) = end {
        refused(service, from, code.label());
        let (refused, close) = farewell(code, &reason);
        let sent = socket.feed(refused);
        if let (Ok(()), Message::Close(Some(frame))) = (sent, close) {
            // A client that does not take its leave in time is left.
            let _ = timeout(FAREWELL, Box::pin(socket.close(frame))).await;
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

/// From joining the room to leaving it.
async fn visit(
    socket: &mut Socket,
    name: &RoomName,
    hello: Hello,
    service: &Arc<Service>,
    mut closing: watch::Receiver<bool>,
) -> End {
    let config = &service.config;
    let (outbox, pickup) = outbox(config.max_queue);
    socket.line().into_iter().for_each(|line| pickup.open(line, &service.metrics));
    // Before the room looks up what they may do: of what changes after that they hear.
    let changes = service.access.changes();
    let Hello { identity, agent, credential, rights } = hello;
    let joining = Joining { identity, agent, outbox, credential, rights, pass: None, held: None };
    let (Joined { id, credential }, room) = match Box::pin(service.hub.join(name, joining)).await {
        Ok(joined) => joined,
        Err(turned) => return End::Refused(turned),
    };
    tracing::info!(room = name.fingerprint(), member = id.0, %rights, "joined");
    if planted("log") {
        tracing::info!(room = name.as_str(), "joined");
    }
    let throttle = Throttle::new(config.byte_rate, config.message_rate, std::time::Instant::now());
    let member = Member { id, room, credential, service };
    let mut visit = Visit { socket, member: &member, changes: changes.clone(), pickup, throttle };
    // What has something to do for each frame comes first; the others only look whether they were called.
    let end = tokio::select! {
        biased;
        Err(end) = visit.carry() => end,
        Err(end) = member.follow(changes) => end,
        _ = closing.wait_for(|closing| *closing) => {
            End::Refused((Refusal::Restart, "the server is stopping; it will be back".to_owned()))
        }
    };
    // A room that is gone needs no goodbye.
    let _ = member.room.send(Command::Leave(id)).await;
    tracing::info!(room = name.fingerprint(), member = id.0, "left");
    end
}

/// Somebody in a room.
struct Member<'a> {
    id: PeerId,
    room: mpsc::Sender<Command>,
    credential: Credential,
    service: &'a Service,
}

impl Member<'_> {
    async fn tell(&self, command: Command) -> Result<(), End> {
        // Mostly there is room for it, and what waits for room is boxed.
        let sent = match self.room.try_send(command) {
            Err(TrySendError::Full(command)) => Box::pin(self.room.send(command)).await.is_ok(),
            sent => sent.is_ok(),
        };
        if sent { Ok(()) } else { Err(End::Refused((Refusal::Restart, "the room has closed".to_owned()))) }
    }

    /// What this client may do as of now, for the room to act by: it comes before whatever the client says next.
    async fn look_up_rights(&self) -> Result<(), End> {
        if planted("revoked") {
            return Ok(());
        }
        self.tell(Command::Rights(self.id, self.credential)).await
    }

    /// Looks up whenever anything has changed: whoever is not to be here any more leaves without having said anything.
    async fn follow(&self, mut changes: watch::Receiver<()>) -> Result<Infallible, End> {
        while changes.changed().await.is_ok() {
            Box::pin(self.look_up_rights()).await?;
        }
        std::future::pending().await
    }
}

/// A member's connection.
struct Visit<'a> {
    socket: &'a mut Socket,
    member: &'a Member<'a>,
    /// Says when what anybody may do has changed.
    changes: watch::Receiver<()>,
    pickup: Pickup,
    throttle: Throttle,
}

/// What a connection has to see to.
enum Event {
    Read(Result<Message, Error>),
    /// Something was dropped of a queue that is empty now.
    Drained,
    /// Too much has come that is no message yet; nothing is to be read until then.
    Paused(Instant),
}

impl Visit<'_> {
    /// Moves frames both ways until the connection ends.
    async fn carry(&mut self) -> Result<Infallible, End> {
        let config = &self.member.service.config;
        let mut heard = Instant::now();
        // One timer that is set anew, because making one for each frame costs more than the frame.
        let mut ping = pin!(sleep(config.ping_interval));
        // Until when nothing is read, because too much has been.
        let mut pause: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                event = poll_fn(|context| self.poll(context, pause.is_none())) => match event {
                    Event::Read(Ok(message)) => {
                        heard = Instant::now();
                        pause = self.receive(message).await?;
                    }
                    Event::Read(Err(error)) => return Err(refusal(&error).map_or(End::Gone, End::Refused)),
                    Event::Paused(until) => pause = Some(until),
                    Event::Drained => self.member.tell(Command::Drained(self.member.id)).await?,
                },
                // Boxed, because it is rare.
                () = async { Box::pin(sleep_until(pause.unwrap_or(heard))).await }, if pause.is_some() => {
                    // Whoever is not read from cannot show any life.
                    heard = Instant::now();
                    pause = None;
                }
                () = ping.as_mut() => {
                    // A room that has dismissed this member has queued the reason; whoever has not read it by now never
                    // will.
                    if heard.elapsed() >= config.idle_timeout || self.pickup.is_abandoned() {
                        return Err(End::Gone);
                    }
                    ping.as_mut().reset(Instant::now() + config.ping_interval);
                    if self.socket.takes_more() {
                        self.feed(Message::Ping(Bytes::new())).map_err(|_| End::Gone)?;
                    }
                }
            }
        }
    }

    /// Sends what is queued as far as it goes, several frames with one call to the system, and then looks for what has
    /// come. Once for whatever a connection was woken for: asking costs as much as passing a frame on.
    fn poll(&mut self, context: &mut Context<'_>, reads: bool) -> Poll<Event> {
        loop {
            let is_empty = match self.poll_feed(context) {
                Ok(is_empty) => is_empty,
                Err(error) => return Poll::Ready(Event::Read(Err(error))),
            };
            match self.socket.poll_flush(context) {
                Poll::Ready(Ok(())) if self.pickup.flushed() => return Poll::Ready(Event::Drained),
                Poll::Ready(Ok(())) if is_empty => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Event::Read(Err(error))),
                Poll::Pending => break,
            }
        }
        if !reads {
            return Poll::Pending;
        }
        match self.socket.poll_read(context) {
            Poll::Ready(read) => Poll::Ready(Event::Read(read)),
            Poll::Pending => self.weigh_parts().map_or(Poll::Pending, |until| Poll::Ready(Event::Paused(until))),
        }
    }

    /// Parts of a message can come without end, with nothing in them; nothing is seen of them here but their bytes. A
    /// socket that always has some lets others have their turn, so this is asked after 128 reads at the latest.
    fn weigh_parts(&mut self) -> Option<Instant> {
        let bytes = self.socket.take_passed();
        // Mostly there is nothing behind a message, and no clock is asked.
        let until = if bytes > 0 { self.throttle.take_bytes(std::time::Instant::now(), bytes) } else { None };
        if until.is_some() {
            self.member.service.metrics.throttled.add(1);
        }
        until.map(Instant::from_std)
    }

    /// Feeds what is queued, and says whether that was all.
    fn poll_feed(&mut self, context: &mut Context<'_>) -> Result<bool, Error> {
        while self.socket.takes_more() {
            match self.pickup.poll_take(context) {
                Poll::Ready(Next::Send(message)) => self.feed(message)?,
                Poll::Ready(Next::Flush) => self.socket.take_over(),
                Poll::Pending => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Hands a message on, and says until when nothing more is to be read.
    async fn receive(&mut self, message: Message) -> Result<Option<Instant>, End> {
        self.member.service.metrics.messages.add(1);
        self.member.service.metrics.bytes_in.add(message.len() as u64);
        // A change that has not been heard of yet is looked at first, so that every message meets the rights of now.
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.mark_unchanged();
            // Boxed, because it is rare.
            Box::pin(self.member.look_up_rights()).await?;
        }
        match message {
            Message::Binary(frame) => self.member.tell(Command::Frame(self.member.id, frame)).await?,
            Message::Text(json) => {
                let control = ClientControl::from_json(&json);
                let control = control.map_err(|error| End::Refused((Refusal::Malformed, error.to_string())))?;
                self.member.tell(Command::Control(self.member.id, Box::new(control))).await?;
            }
            // tungstenite has answers ready that go out with the next read, which also finds the end.
            Message::Close(_) => self.pickup.close(),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        let pause = self.throttle.take(std::time::Instant::now(), self.socket.take_passed());
        if pause.is_some() {
            self.member.service.metrics.throttled.add(1);
        }
        Ok(pause.map(Instant::from_std))
    }

    fn feed(&mut self, message: Message) -> Result<(), Error> {
        self.member.service.metrics.bytes_out.add(message.len() as u64);
        self.socket.feed(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most of an idle connection is its task.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (access, config) = (super::super::Access::open(), Arc::new(super::super::Config::default()));
        let (writer, _) = super::super::writer::Writer::start(crate::store::MemoryStore::default()).unwrap();
        let metrics = Arc::default();
        let hub = Arc::new(super::super::hub::Hub::new(config.clone(), access.clone(), Arc::clone(&metrics), writer));
        let service = Arc::new(Service { config, access, metrics, hub, acceptor: None });
        let from = listener.local_addr().unwrap();
        let place = super::super::addresses::Addresses::default().enter(from.ip(), 1).unwrap();
        let task = serve(stream, from, service, watch::channel(false).1, place);
        let (task, command) = (std::mem::size_of_val(&task), size_of::<Command>());
        assert!(task < 3400 && command <= 64, "{task} bytes, and {command} for a command");
    }
}
