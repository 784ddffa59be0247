//! A server that can be stopped and killed, people with editors, and raw WebSockets for those who misbehave.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cede::{AgentId, Chars, Session};
use cede_net::client::{Change, Client, Incoming, Link, Target};
use cede_net::presence::{Color, Identity};
use cede_net::server::{self, Access, Config, ServerError};
use cede_net::store::{MemoryStore, Store};
use cede_net::wire::{ClientControl, PROTOCOL, ServerControl};
use futures_util::future::select_all;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// No wait in a test is longer. Each ends as soon as what it waits for is there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServerError>>,
}

impl Server {
    pub(crate) async fn start(store: impl Store) -> Self {
        Self::start_with(store, Config::default(), "127.0.0.1:0").await
    }

    pub(crate) async fn start_with(store: impl Store, config: Config, address: &str) -> Self {
        let listener = server::listen(address.parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            stopped.await.ok();
        };
        let task = tokio::spawn(server::run(listener, config, store, shutdown));
        Self { address, stop, task }
    }

    pub(crate) fn target(&self, room: &str) -> Target {
        Target::parse(&format!("ws://{}/{room}", self.address)).unwrap()
    }

    /// The same with who may do what.
    pub(crate) async fn start_for(access: Access) -> Self {
        let config = Config { access, ..Config::default() };
        Self::start_with(MemoryStore::default(), config, "127.0.0.1:0").await
    }

    pub(crate) async fn stop(self) -> Result<(), ServerError> {
        self.stop.send(()).unwrap();
        soon("the server to stop", self.task).await.unwrap()
    }
}

/// An editor without a screen.
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) link: Link,
    pub(crate) client: Client,
    pub(crate) notices: Vec<String>,
    /// The client has said its last.
    pub(crate) ended: bool,
}

impl Person {
    pub(crate) fn new(name: &str, target: Target) -> Self {
        Self::with(name, Client::spawn(target))
    }

    pub(crate) fn with(name: &str, client: Client) -> Self {
        let agent = name.bytes().fold(7, |bits: u128, byte| bits << 8 | u128::from(byte));
        Self {
            session: Session::new(AgentId::new(agent)),
            link: Link::new(Identity { name: name.to_owned(), color: Color(200, 100, 50) }),
            client,
            notices: Vec::new(),
            ended: false,
        }
    }

    /// Types at the caret, a letter at a time, each sent at once.
    pub(crate) fn types(&mut self, text: &str) {
        for letter in text.chars() {
            let caret: Chars = self.session.caret();
            self.session.insert(caret, &letter.to_string()).unwrap();
            self.flush();
        }
    }

    pub(crate) fn flush(&mut self) {
        self.client.send(self.link.flush(&self.session));
    }

    pub(crate) fn text(&self) -> String {
        self.session.text().to_string()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.link.unacknowledged(&self.session) == 0
    }

    pub(crate) fn take(&mut self, incoming: Option<Incoming>) {
        let Some(incoming) = incoming else {
            self.ended = true;
            return;
        };
        for change in self.link.handle(&mut self.session, incoming).unwrap() {
            if let Change::Notice(text) = change {
                self.notices.push(text);
            }
        }
        self.flush();
    }
}

/// Lets everybody live until `done`, which is asked again after each thing that happens.
pub(crate) async fn until<const N: usize>(
    what: &str,
    mut people: [&mut Person; N],
    mut done: impl FnMut(&[&mut Person; N]) -> bool,
) {
    let living = async {
        while !done(&people) {
            let waiting = people
                .iter_mut()
                .enumerate()
                .filter(|(_, person)| !person.ended)
                .map(|(number, person)| Box::pin(async move { (number, person.client.next().await) }));
            let ((number, incoming), ..) = select_all(waiting).await;
            people[number].take(incoming);
        }
    };
    if timeout(PATIENCE, living).await.is_err() {
        for person in &people {
            let open = person.link.unacknowledged(&person.session);
            println!("{:?}, {open} unacknowledged: {:?}", person.link.state(), person.text());
        }
        panic!("waited {PATIENCE:?} for {what}");
    }
}

/// A WebSocket that follows no protocol but its own.
pub(crate) type Raw = WebSocketStream<TcpStream>;

pub(crate) async fn raw(target: &Target) -> Raw {
    let stream = TcpStream::connect((target.host(), target.port())).await.unwrap();
    client_async(target.to_string(), stream).await.unwrap().0
}

/// One whose kernel keeps as little as it can for a program that does not read.
pub(crate) async fn raw_with_small_buffer(target: &Target) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = format!("{}:{}", target.host(), target.port()).parse().unwrap();
    let stream = socket.connect(address).await.unwrap();
    client_async(target.to_string(), stream).await.unwrap().0
}

/// A raw WebSocket that came with this header.
pub(crate) async fn raw_with_token(target: &Target, token: &str) -> Result<Raw, tungstenite::Error> {
    let stream = TcpStream::connect((target.host(), target.port())).await.unwrap();
    let mut request = target.to_string().into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    client_async(request, stream).await.map(|(socket, _)| socket)
}

/// Sends a request by hand and returns the whole answer, up to where the server closes; of a WebSocket, its head.
pub(crate) async fn request(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while stream.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {
            if answer.starts_with(b"HTTP/1.1 101") && answer.ends_with(b"\r\n\r\n") {
                break;
            }
        }
    };
    soon("an answer", reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The head of a request for a WebSocket, with more headers.
pub(crate) fn upgrade(path: &str, host: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A connection on which bytes are written by hand, behind the handshake.
pub(crate) async fn bytes(target: &Target) -> TcpStream {
    let mut stream = TcpStream::connect((target.host(), target.port())).await.unwrap();
    stream.write_all(upgrade(&format!("/{}", target.room()), "127.0.0.1", "").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the handshake", stream.read_u8()).await.unwrap());
    }
    stream
}

/// A frame of a client, by hand: the first byte, then the length, a mask of zeros, and the payload.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// A raw WebSocket that has said hello.
pub(crate) async fn raw_hello(target: &Target) -> Raw {
    let mut socket = raw(target).await;
    socket.send(hello(PROTOCOL)).await.unwrap();
    socket
}

pub(crate) fn hello(protocol: u32) -> Message {
    let (name, color, agent) = ("raw".to_owned(), Color(0, 0, 0), AgentId::new(99));
    Message::text(ClientControl::Hello { protocol, name, color, agent, token: None }.to_json())
}

/// Reads to the end: the last control message and the close frame.
pub(crate) async fn read_to_end(socket: &mut Raw) -> (Option<ServerControl>, Option<CloseFrame>) {
    let (mut control, mut close) = (None, None);
    let reading = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(json) => control = Some(ServerControl::from_json(&json).unwrap()),
                Message::Close(frame) => close = frame,
                _ => {}
            }
        }
    };
    soon("the server to end the connection", reading).await;
    (control, close)
}

/// So many letters that hardly compress, other ones for each seed.
pub(crate) fn noise(seed: u64, letters: usize) -> String {
    let mut random = Random::from_seed(seed << 32);
    std::iter::repeat_with(|| char::from(b' ' + random.below(95) as u8)).take(letters).collect()
}

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 33) as usize % limit
    }
}

/// A folder that is gone when the test is.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cede-net-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The system clears its own folder in time if this fails.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
