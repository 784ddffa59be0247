//! Who does not get in, who is shown out, and what they are told.

use std::time::Duration;

use crate::cast::{Person, Raw, Server, hello, raw, raw_hello, read_to_end, request, soon, until, upgrade};
use cede::sync::Message as Sync;
use cede_net::client::State;
use cede_net::room::RoomName;
use cede_net::server::Config;
use cede_net::store::{MemoryStore, Store, StoreError};
use cede_net::wire::{MAX_MESSAGE, PROTOCOL, Refusal, ServerControl};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// The answer to a request for a WebSocket.
async fn answer(server: &Server, path: &str, header: &str) -> String {
    request(server.address, &upgrade(path, &server.address.to_string(), header)).await
}

#[tokio::test]
async fn pages_from_elsewhere_are_refused_on_loopback_too() {
    let config = Config { allowed_origins: vec!["https://cede.example".to_owned()], ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    for origin in ["http://localhost", "https://evil.example", "null"] {
        let answer = answer(&server, "/notes", &format!("Origin: {origin}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("is not allowed here"), "{answer}");
    }
    let allowed = answer(&server, "/notes", "Origin: https://cede.example\r\n").await;
    assert!(allowed.starts_with("HTTP/1.1 101 "), "{allowed}");
    let native = answer(&server, "/notes", "").await;
    assert!(native.starts_with("HTTP/1.1 101 "), "{native}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn rooms_without_a_proper_name_are_refused_with_the_reason() {
    let server = Server::start(MemoryStore::default()).await;
    for (path, status, reason) in [
        ("/", "404", "names no room"),
        ("/a.b", "400", "'.' at byte 1"),
        ("/a/b", "400", "'/' at byte 1"),
        ("/..%2f..%2fetc%2fpasswd", "400", "'.' at byte 0"),
        ("/notes?token=secret", "400", "query"),
        (&format!("/{}", "x".repeat(129)), "400", "129 bytes"),
    ] {
        let answer = answer(&server, path, "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(reason), "{path}: {answer}");
    }
    server.stop().await.unwrap();
}

/// The refusal and the close code that end this connection.
async fn end_of(socket: &mut Raw) -> (Refusal, String, u16) {
    match read_to_end(socket).await {
        (Some(ServerControl::Refused { code, reason }), Some(close)) => (code, reason, close.code.into()),
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_connection_and_says_why() {
    let server = Server::start(MemoryStore::default()).await;
    let mut socket = raw_hello(&server.target("notes")).await;
    let sent = socket.send(Message::binary(vec![0; MAX_MESSAGE + 1])).await;
    // The server may close while the rest is still being written.
    drop(sent);
    let (code, reason, close) = end_of(&mut socket).await;
    assert_eq!((code, close), (Refusal::Oversized, 1009));
    assert!(reason.contains("262145") && reason.contains("262144"), "{reason}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection_and_says_why() {
    let server = Server::start(MemoryStore::default()).await;
    let target = server.target("notes");
    for (message, code, words) in [
        (Message::text("{"), Refusal::Malformed, "no control message"),
        (Message::text(" ".repeat(5000)), Refusal::Malformed, "5000 bytes"),
        (hello(PROTOCOL), Refusal::Malformed, "second hello"),
        (Message::binary(vec![255; 10]), Refusal::Malformed, ""),
        (Message::binary(Sync::Data(vec![255; 10]).encode()), Refusal::Invalid, ""),
    ] {
        let mut socket = raw_hello(&target).await;
        socket.send(message.clone()).await.unwrap();
        let (found, reason, _) = end_of(&mut socket).await;
        assert_eq!(found, code, "{message:?}: {reason}");
        assert!(reason.contains(words), "{message:?}: {reason}");
    }
    let mut honest = Person::new("Ada", target);
    honest.types("still here");
    until("the room to be as ever", [&mut honest], |[honest]| honest.is_settled()).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn another_protocol_is_refused_for_good() {
    let server = Server::start(MemoryStore::default()).await;
    let mut socket = raw(&server.target("notes")).await;
    socket.send(hello(PROTOCOL + 1)).await.unwrap();
    let (code, reason, close) = end_of(&mut socket).await;
    assert_eq!((code, close), (Refusal::Protocol, 1002));
    assert_eq!(reason, format!("you speak protocol {}, this server {PROTOCOL}", PROTOCOL + 1));
    assert!(code.is_final());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_shown_out() {
    let config = Config { handshake_timeout: Duration::from_millis(50), ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(soon("the end", silent.read(&mut [0; 64])).await.unwrap(), 0);

    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /notes HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    assert_eq!(soon("the end", half.read(&mut [0; 64])).await.unwrap_or(0), 0);

    let mut helloless = raw(&server.target("notes")).await;
    assert!(soon("the end", helloless.next()).await.is_none_or(|end| end.is_err()));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn who_shows_no_life_is_dropped() {
    let config = Config {
        ping_interval: Duration::from_millis(20),
        idle_timeout: Duration::from_millis(100),
        ..Config::default()
    };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    // Reads nothing, so it answers no ping.
    let _mute = raw_hello(&server.target("notes")).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    until("the mute one to be seen", [&mut ada], |[ada]| ada.link.peers().len() == 1).await;
    until("the mute one to be gone", [&mut ada], |[ada]| ada.link.peers().is_empty()).await;
    assert_eq!(*ada.link.state(), State::Online, "who answers pings stays");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_room_is_refused_and_others_go_on() {
    let mut store = MemoryStore::default();
    let damaged: RoomName = "damaged".parse().unwrap();
    store.append(&[(damaged, b"no events at all".to_vec())]).unwrap();
    let server = Server::start(store).await;

    let mut ada = Person::new("Ada", server.target("damaged"));
    until("the refusal", [&mut ada], |[ada]| matches!(ada.link.state(), State::Refused { .. })).await;
    let State::Refused { reason } = ada.link.state() else { unreachable!() };
    assert!(reason.starts_with("room damaged cannot be loaded: piece 1 of 1: "), "{reason}");
    until("no further attempt", [&mut ada], |[ada]| ada.ended).await;

    let mut ben = Person::new("Ben", server.target("whole"));
    ben.types("fine");
    until("another room to work", [&mut ben], |[ben]| ben.is_settled()).await;
    server.stop().await.unwrap();
}

/// A store that cannot read at first, and does not have every room.
struct Waking {
    failures: u32,
}

impl Store for Waking {
    fn load(&mut self, room: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
        if room.as_str() != "notes" {
            return Err(StoreError::Absent { room: room.clone() });
        }
        if self.failures > 0 {
            self.failures -= 1;
            return Err(StoreError::Read { room: room.clone(), cause: "not yet".into() });
        }
        Ok(Vec::new())
    }

    fn append(&mut self, _: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_room_that_cannot_be_read_now_is_tried_again() {
    let server = Server::start(Waking { failures: 1 }).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    until("the second attempt to succeed", [&mut ada], |[ada]| *ada.link.state() == State::Online).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_room_that_is_not_there_is_refused_for_good() {
    let server = Server::start(Waking { failures: 0 }).await;
    let mut ada = Person::new("Ada", server.target("elsewhere"));
    until("no further attempt", [&mut ada], |[ada]| ada.ended).await;
    let State::Refused { reason } = ada.link.state() else { panic!("{:?}", ada.link.state()) };
    assert_eq!(reason, "there is no room elsewhere here");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_room_name_that_no_server_takes_stops_the_client() {
    // A server of another kind: it knows no rooms at all.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let other = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /notes "));
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno room").await.unwrap();
    });
    let target = cede_net::client::Target::parse(&format!("ws://{address}/notes")).unwrap();
    let mut ada = Person::new("Ada", target);
    until("the client to end", [&mut ada], |[ada]| ada.ended).await;
    let State::Refused { reason } = ada.link.state() else { panic!("{:?}", ada.link.state()) };
    assert!(reason.contains("404"), "{reason}");
    soon("the other server", other).await.unwrap();
}

#[tokio::test]
async fn a_full_room_says_so() {
    let config = Config { max_members: 1, ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    let mut ada = Person::new("Ada", server.target("notes"));
    until("the first to be in", [&mut ada], |[ada]| *ada.link.state() == State::Online).await;
    let mut socket = raw_hello(&server.target("notes")).await;
    let (code, _, close) = end_of(&mut socket).await;
    assert_eq!((code, close), (Refusal::Full, 1013));
    server.stop().await.unwrap();
}
