//! The least that could be called a server: each binary frame goes to everybody else at the same path. Nothing is looked at,
//! nothing is kept. With the read buffer that makes its connections small.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

type Members = Vec<(u64, mpsc::UnboundedSender<Message>)>;
type Rooms = Arc<Mutex<HashMap<String, Members>>>;

pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let rooms = Rooms::default();
    for number in 0.. {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(carry(stream, number, rooms.clone()));
    }
}

/// Keeps the path of a request.
struct Remember<'a>(&'a mut String);

impl Callback for Remember<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        *self.0 = request.uri().path().to_owned();
        Ok(response)
    }
}

async fn carry(stream: TcpStream, number: u64, rooms: Rooms) {
    stream.set_nodelay(true).expect("a socket");
    let mut path = String::new();
    let limits = WebSocketConfig::default().read_buffer_size(4 * 1024);
    let Ok(mut socket) = accept_hdr_async_with_config(stream, Remember(&mut path), Some(limits)).await else { return };
    let (sender, mut queue) = mpsc::unbounded_channel();
    rooms.lock().expect("whole").entry(path.clone()).or_default().push((number, sender));
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message @ Message::Binary(_))) => {
                    let rooms = rooms.lock().expect("whole");
                    for (_, other) in rooms[&path].iter().filter(|(other, _)| *other != number) {
                        let _ = other.send(message.clone());
                    }
                }
                Some(Ok(_)) => {}
                _ => break,
            },
            Some(message) = queue.recv() => if socket.send(message).await.is_err() { break },
        }
    }
    rooms.lock().expect("whole").entry(path).or_default().retain(|(other, _)| *other != number);
}
