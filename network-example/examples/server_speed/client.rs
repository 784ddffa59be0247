//! Somebody who types a key now and then and notes when others' keys come. The same for either server: the relay is sent what
//! Cede's clients send.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use cede::sync::Message as Sync;
use cede::{AgentId, Chars, Document, Session, Summary};
use cede_net::presence::Color;
use cede_net::wire::{CHUNK, ClientControl, PROTOCOL, ServerControl};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::process::{Kind, Process};

type Socket = WebSocketStream<TcpStream>;

/// When the last key was sent. Keys are far apart beside what they take, so what arrives is that one.
static SENT: LazyLock<Mutex<Instant>> = LazyLock::new(|| Mutex::new(Instant::now()));

/// A key that came.
pub(crate) struct Delivery {
    pub(crate) after: Duration,
}

/// See the module.
pub(crate) struct Client {
    session: Arc<Mutex<Session>>,
    outgoing: mpsc::UnboundedSender<Message>,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    tasks: [JoinHandle<()>; 2],
}

impl Client {
    pub(crate) async fn join(process: &Process, room: &str, number: usize, kind: Kind) -> Self {
        let mut socket = connect(process, room).await;
        if kind == Kind::Server {
            greet(&mut socket, 1 + number as u128, &Summary::new()).await;
        }
        let session = Arc::new(Mutex::new(Session::new(AgentId::new(1 + number as u128))));
        let deliveries = Arc::<Mutex<Vec<Delivery>>>::default();
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (sink, mut stream) = socket.split();
        let (read, noted) = (session.clone(), deliveries.clone());
        let reading = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let Message::Binary(frame) = message else { continue };
                let after = SENT.lock().expect("whole").elapsed();
                if let Ok(Sync::Data(data)) = Sync::decode(&frame) {
                    noted.lock().expect("whole").push(Delivery { after });
                    read.lock().expect("whole").merge::<Chars>(&data).expect("an honest server");
                }
            }
        });
        Self { session, outgoing, deliveries, tasks: [reading, tokio::spawn(write(sink, queue))] }
    }

    /// Types a letter at the end, as in a conversation.
    pub(crate) fn type_key(&self) {
        let mut session = self.session.lock().expect("whole");
        let end = session.text().len::<Chars>();
        session.insert(end, "x").expect("at the end");
        let data = session.take_outgoing().expect("a key");
        let frame = Message::binary(Sync::Data(data).encode());
        *SENT.lock().expect("whole") = Instant::now();
        let _ = self.outgoing.send(frame);
    }

    /// Leaves, with what was noted.
    pub(crate) async fn leave(self) -> Vec<Delivery> {
        std::mem::take(&mut *self.deliveries.lock().expect("whole"))
    }

    /// Joins with a document that nobody else has, and stays.
    pub(crate) async fn bring(process: &Process, room: &str, document: &Document) -> Socket {
        let mut socket = connect(process, room).await;
        greet(&mut socket, 7, &document.summary()).await;
        let chunks = document.chunks_since(&Summary::new(), CHUNK);
        let frames = chunks.len() as u64;
        for chunk in chunks {
            socket.send(Message::binary(Sync::Data(chunk).encode())).await.expect("sent");
        }
        loop {
            if let Message::Text(json) = socket.next().await.expect("a server").expect("a frame")
                && let Ok(ServerControl::Ack { frames: stored }) = ServerControl::from_json(&json)
                && stored == frames
            {
                return socket;
            }
        }
    }

    /// Joins with nothing until everything is there and makes a text; how many bytes came.
    pub(crate) async fn fetch(process: &Process, room: &str, number: usize, events: u64) -> usize {
        let mut socket = connect(process, room).await;
        let (mut document, mut bytes) = (Document::new(), 0);
        greet(&mut socket, 100 + number as u128, &Summary::new()).await;
        while document.event_count() < events {
            if let Message::Binary(frame) = socket.next().await.expect("a server").expect("a frame") {
                bytes += frame.len();
                if let Ok(Sync::Data(data)) = Sync::decode(&frame) {
                    document.import::<Chars>(&data).expect("an honest server");
                }
            }
        }
        bytes
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn connect(process: &Process, room: &str) -> Socket {
    let stream = TcpStream::connect(process.address).await.expect("a server");
    stream.set_nodelay(true).expect("a socket");
    let limits = WebSocketConfig::default().read_buffer_size(4 * 1024);
    let url = format!("ws://{}/{room}", process.address);
    client_async_with_config(url, stream, Some(limits)).await.expect("a WebSocket").0
}

/// Hello, META and DONE, until the server has answered the first.
async fn greet(socket: &mut Socket, agent: u128, held: &Summary) {
    let (name, color, agent) = ("speed".to_owned(), Color(0, 0, 0), AgentId::new(agent));
    let hello = ClientControl::Hello { protocol: PROTOCOL, name, color, agent, token: None };
    socket.send(Message::text(hello.to_json())).await.expect("sent");
    socket.next().await.expect("a server").expect("welcome");
    for message in [Sync::Meta(held.clone()), Sync::Done] {
        socket.send(Message::binary(message.encode())).await.expect("sent");
    }
}

async fn write(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::UnboundedReceiver<Message>) {
    while let Some(message) = queue.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
}
