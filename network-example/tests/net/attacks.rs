//! What is tried on a server that can be reached: pages, names, tokens, and frames that are too large, too slow or no
//! frames at all. Those who do nothing of the kind notice nothing.

use std::time::{Duration, Instant};

use cede_net::client::State;
use cede_net::server::{Config, Rate};
use cede_net::store::{MemoryStore, Store};
use cede_net::wire::{ClientControl, MAX_MESSAGE, PROTOCOL};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::cast::{Person, Server, bytes, frame, hello, raw, raw_hello, read_to_end, request, soon, until, upgrade};

async fn start(config: Config) -> Server {
    Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await
}

/// Somebody honest gets in, types, and has it stored.
async fn assert_open(server: &Server) {
    let mut ada = Person::new("Ada", server.target("honest"));
    ada.types("as ever");
    until("the honest to be served", [&mut ada], |[ada]| *ada.link.state() == State::Online && ada.is_settled()).await;
    soon("goodbye", ada.client.close()).await;
}

#[tokio::test]
async fn origins_of_twenty_kinds() {
    let listed = "https://cede.example";
    let server = start(Config { allowed_origins: vec![listed.into()], ..Config::default() }).await;
    let kinds = [
        "null",
        "file://",
        "http://cede.example",
        "https://cede.example.evil.example",
        "https://evil.example",
        "https://cede.example:444",
        "https://cede.example:443",
        "https://cede.example/",
        "https://cede.example.",
        "https://xcede.example",
        "https://sub.cede.example",
        "https://evil.example/https://cede.example",
        "https://cede.example@evil.example",
        "https://cede.example https://evil.example",
        "https://cede.example, https://evil.example",
        "http://localhost",
        "http://127.0.0.1",
        "http://[::1]",
        "chrome-extension://abcdefghijklmnop",
        "wss://cede.example",
    ];
    assert_eq!(kinds.len(), 20);
    for origin in kinds {
        for path in ["/notes", "/healthz"] {
            let mut head = upgrade(path, "127.0.0.1", &format!("Origin: {origin}\r\n"));
            if path == "/healthz" {
                head = head.replace("Upgrade: websocket\r\n", "");
            }
            let answer = request(server.address, &head).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{origin} at {path}: {answer}");
        }
    }
    let twice = format!("Origin: {listed}\r\nOrigin: {listed}\r\n");
    for (more, status) in [(format!("Origin: {listed}\r\n"), 101), (String::new(), 101), (twice, 403)] {
        let answer = request(server.address, &upgrade("/notes", "127.0.0.1", &more)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{more}: {answer}");
    }
    server.stop().await.unwrap();
}

/// DNS rebinding: the page's own name, which it has given this machine's address.
#[tokio::test]
async fn names_that_were_pointed_here() {
    let server = start(Config { allowed_hosts: vec!["cede.example".into()], ..Config::default() }).await;
    let port = server.address.port();
    for (host, status) in [
        ("evil.example".to_owned(), 421),
        (format!("evil.example:{port}"), 421),
        ("cede.example.evil.example".to_owned(), 421),
        ("127.0.0.1.evil.example".to_owned(), 421),
        ("localhost.evil.example".to_owned(), 421),
        (String::new(), 400),
        (format!("cede.example:{port}"), 101),
        (format!("127.0.0.1:{port}"), 101),
        (format!("[::1]:{port}"), 101),
        (format!("localhost:{port}"), 101),
    ] {
        let answer = request(server.address, &upgrade("/notes", &host, "")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
    }
    let without = upgrade("/notes", "x", "").replace("Host: x\r\n", "");
    assert!(request(server.address, &without).await.starts_with("HTTP/1.1 400 "));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn names_that_look_like_paths() {
    let store = MemoryStore::default();
    let server = Server::start_with(store.clone(), Config::default(), "127.0.0.1:0").await;
    for path in [
        "/../../etc/passwd",
        "/..",
        "/.",
        "/notes/../../x",
        "/a/b",
        "//notes",
        "/notes/",
        "/%2e%2e%2fx",
        "/..%2f..%2fx",
        "/%2e",
        "/notes%00",
        "/notes%0d%0aX",
        "/notes.redb",
        "/notes\\..\\x",
        "/C:",
        "/notes;x",
        "/no~tes",
        "/notes*",
        "/notes?x=../..",
    ] {
        let answer = request(server.address, &upgrade(path, "127.0.0.1", "")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
    }
    // Names that mean something to file systems and are keys here.
    for name in ["CON", "nul", "-rf", "__proto__", "healthz", "rooms"] {
        let mut ada = Person::new("Ada", server.target(name));
        ada.types(name);
        until("a room like any other", [&mut ada], |[ada]| ada.is_settled()).await;
        assert!(!store.clone().load(&name.parse().unwrap()).unwrap().is_empty(), "{name}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn four_kib_before_hello() {
    let server = start(Config::default()).await;
    let target = server.target("notes");
    // One message that says it is longer, and one of many small parts.
    let mut whole = bytes(&target).await;
    let sent = whole.write_all(&frame(0x81, &vec![b' '; MAX_MESSAGE])).await;
    drop(sent);
    let mut parts = bytes(&target).await;
    parts.write_all(&frame(0x01, b"{")).await.unwrap();
    for _ in 0..600 {
        if parts.write_all(&frame(0x00, b"          ")).await.is_err() {
            break;
        }
    }
    for mut stream in [whole, parts] {
        let mut answer = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.contains("oversized"), "{answer}");
        assert!(!answer.contains("malformed"), "it was heard to its end: {answer}");
    }
    assert_open(&server).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn messages_beyond_the_limit() {
    let server = start(Config::default()).await;
    let target = server.target("notes");
    // By its head alone: 64 MiB and 2⁶³ are announced, and not one byte of them is waited for.
    for length in [64 * 1024 * 1024_u64, u64::MAX / 2, MAX_MESSAGE as u64 + 1] {
        let mut stream = bytes(&target).await;
        stream.write_all(&frame(0x81, hello(PROTOCOL).into_text().unwrap().as_bytes())).await.unwrap();
        let mut head = vec![0x82, 0x80 | 127];
        head.extend(length.to_be_bytes());
        head.extend([0; 4]);
        stream.write_all(&head).await.unwrap();
        assert_ends_with(&mut stream, 1009, &format!("{length} bytes")).await;
    }
    // In parts that are each within it.
    let mut socket = raw_hello(&target).await;
    let mut stream = {
        socket.flush().await.unwrap();
        socket.into_inner()
    };
    let part = vec![0; MAX_MESSAGE / 2];
    for first in [0x02, 0x00, 0x00] {
        if stream.write_all(&frame(first, &part)).await.is_err() {
            break;
        }
    }
    assert_ends_with(&mut stream, 1009, "three parts").await;
    assert_open(&server).await;
    server.stop().await.unwrap();
}

/// The server's last frame is Close with this code. What came before is thrown away.
async fn assert_ends_with(stream: &mut TcpStream, code: u16, what: &str) {
    let mut answer = Vec::new();
    let _ = soon(what, stream.read_to_end(&mut answer)).await;
    let close = answer.windows(4).rev().find(|window| window[0] == 0x88 && (2..126).contains(&window[1]));
    let close = close.unwrap_or_else(|| panic!("{what}: no Close in {:?}", String::from_utf8_lossy(&answer)));
    assert_eq!(u16::from_be_bytes([close[2], close[3]]), code, "{what}");
}

/// RFC 6455 as Autobahn tests it: what breaks the framing ends the connection, and nobody else's.
#[tokio::test]
async fn frames_that_break_the_rules() {
    let server = start(Config::default()).await;
    let target = server.target("notes");
    let unmasked = |first: u8| vec![first, 1, b'x'];
    let long_ping = frame(0x89, &[b'x'; 126]);
    for (what, bad) in [
        ("a frame without a mask", unmasked(0x82)),
        ("reserved bit 1", frame(0xc2, b"x")),
        ("reserved bit 2", frame(0xa2, b"x")),
        ("reserved bit 3", frame(0x92, b"x")),
        ("opcode 3", frame(0x83, b"x")),
        ("opcode 7", frame(0x87, b"x")),
        ("opcode 11", frame(0x8b, b"x")),
        ("opcode 15", frame(0x8f, b"x")),
        ("a ping of 126 bytes", long_ping),
        ("a ping in parts", frame(0x09, b"x")),
        ("a part of nothing", frame(0x80, b"x")),
        ("a message within a message", [frame(0x02, b"x"), frame(0x82, b"y")].concat()),
        ("text that is not UTF-8", frame(0x81, &[0xff, 0xfe])),
        ("text that ends in a character", frame(0x81, &[0xe2, 0x82])),
        ("Close with one byte", frame(0x88, &[3])),
    ] {
        let mut stream = bytes(&target).await;
        stream.write_all(&frame(0x81, hello(PROTOCOL).into_text().unwrap().as_bytes())).await.unwrap();
        stream.write_all(&bad).await.unwrap();
        let mut rest = Vec::new();
        let _ = soon(what, stream.read_to_end(&mut rest)).await;
    }
    assert_open(&server).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn pings_parts_and_goodbyes_are_answered_as_they_should() {
    let server = start(Config::default()).await;
    let target = server.target("notes");
    let mut stream = bytes(&target).await;
    // A hello in three parts with a ping between them, and a character cut in two.
    let json = hello(PROTOCOL).into_text().unwrap().replace("raw", "rä");
    let cut = json.find('ä').unwrap() + 1;
    for (first, part) in [(0x01, &json.as_bytes()[..5]), (0x89, b"between"), (0x00, &json.as_bytes()[5..cut])] {
        stream.write_all(&frame(first, part)).await.unwrap();
    }
    stream.write_all(&frame(0x80, &json.as_bytes()[cut..])).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("welcome") {
        assert!(soon("welcome", stream.read_buf(&mut answer)).await.unwrap() > 0);
    }
    assert!(answer.windows(9).any(|window| window == b"\x8a\x07between"), "the ping has its pong");
    stream.write_all(&frame(0x88, &1000_u16.to_be_bytes())).await.unwrap();
    assert_ends_with(&mut stream, 1000, "a goodbye").await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_frame_that_trickles_in_keeps_nobody_waiting_and_ends() {
    let config = Config {
        ping_interval: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(400),
        ..Config::default()
    };
    let server = start(config).await;
    let mut stream = bytes(&server.target("notes")).await;
    stream.write_all(&frame(0x81, hello(PROTOCOL).into_text().unwrap().as_bytes())).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    // Each byte is a sign that there is a network, and none that there will be a message.
    let trickle = tokio::spawn(async move {
        for byte in frame(0x82, &[0; 1000]) {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_open(&server).await;
    let began = Instant::now();
    let mut rest = Vec::new();
    let _ = soon("the end", reading.read_to_end(&mut rest)).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    trickle.abort();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn slowloris() {
    let patience = Duration::from_millis(500);
    let server = start(Config { handshake_timeout: patience, ..Config::default() }).await;
    let began = Instant::now();
    let many = crate::crowd::size("SLOWLORIS", 100);
    let mut slow = Vec::new();
    for number in 0..many {
        // One after the other: a kernel whose queue is full drops some that then believe to be connected, for ever.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = upgrade("/notes", "127.0.0.1", "");
        // A third each: nothing, half a request and then a byte now and then, a request and half a hello.
        let parts = match number % 3 {
            0 => String::new(),
            1 => head[..40].to_owned(),
            _ => format!("{head}\u{1}"),
        };
        stream.write_all(parts.as_bytes()).await.unwrap();
        slow.push(tokio::spawn(async move {
            let (mut reading, mut writing) = stream.into_split();
            let drip = async {
                while writing.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let mut rest = Vec::new();
            tokio::select! {
                _ = reading.read_to_end(&mut rest) => {}
                () = drip, if number % 3 == 1 => {}
            }
        }));
    }
    assert_open(&server).await;
    for connection in slow {
        soon("the slow to be shown out", connection).await.unwrap();
    }
    assert!(began.elapsed() < patience * 10, "{:?}", began.elapsed());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn heads_that_are_too_long() {
    let server = start(Config::default()).await;
    for (what, more) in [("one header", format!("X: {}\r\n", "x".repeat(9000))), ("many", "X: y\r\n".repeat(2000))] {
        let answer = request(server.address, &upgrade("/notes", "127.0.0.1", &more)).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{what}: {answer}");
    }
    assert_open(&server).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let server = start(Config { max_per_address: 3, caps_loopback: true, ..Config::default() }).await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(raw_hello(&server.target("notes")).await);
    }
    let answer = request(server.address, &upgrade("/notes", "127.0.0.1", "")).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 429 "), "{answer}");
    drop(inside.pop());
    // The place is free once the server has noticed.
    let again = async {
        while !request(server.address, &upgrade("/notes", "127.0.0.1", "")).await.starts_with("HTTP/1.1 101 ") {}
    };
    soon("the place to be free", again).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn who_sends_too_fast_is_read_more_slowly_and_loses_nothing() {
    let message_rate = Rate { per_second: 200, burst: 10 };
    let server = start(Config { message_rate, ..Config::default() }).await;
    let mut fast = raw_hello(&server.target("notes")).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    until("Ada to see the fast one", [&mut ada], |[ada]| ada.link.peers().len() == 1).await;
    let began = Instant::now();
    let nothing = Message::text(ClientControl::Presence(Default::default()).to_json());
    for _ in 0..110 {
        fast.send(nothing.clone()).await.unwrap();
    }
    fast.send(Message::Ping("last".into())).await.unwrap();
    let answered =
        async { while !matches!(fast.next().await, Some(Ok(Message::Pong(payload))) if payload == "last") {} };
    soon("everything to be read", answered).await;
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    assert_eq!(ada.link.peers().len(), 1);
    server.stop().await.unwrap();
}

/// Catches parts without content, which make no message and so had no speed; and one-byte parts, which are seven.
#[tokio::test]
async fn parts_of_a_message_are_read_no_faster_than_whole_ones() {
    let byte_rate = Rate { per_second: 100_000, burst: 10_000 };
    let server = start(Config { byte_rate, ..Config::default() }).await;
    for (part, count) in [(frame(0x00, b""), 10_000), (frame(0x00, b"x"), 8_500)] {
        let mut stream = bytes(&server.target("notes")).await;
        stream.write_all(&frame(0x81, hello(PROTOCOL).into_text().unwrap().as_bytes())).await.unwrap();
        let began = Instant::now();
        stream.write_all(&frame(0x02, b"x")).await.unwrap();
        stream.write_all(&part.repeat(count)).await.unwrap();
        stream.write_all(&frame(0x89, b"last")).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(6).any(|window| window == b"\x8a\x04last") {
            assert!(soon("the ping's answer", stream.read_buf(&mut answer)).await.unwrap() > 0);
        }
        assert!(began.elapsed() >= Duration::from_millis(450), "{count} parts in {:?}", began.elapsed());
    }
    assert_open(&server).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_before_hello_that_is_not_hello() {
    let server = start(Config::default()).await;
    for message in [Message::binary(vec![3]), Message::text("{}"), Message::text("")] {
        let mut socket = raw(&server.target("notes")).await;
        socket.send(message).await.unwrap();
        let (_, close) = read_to_end(&mut socket).await;
        assert_eq!(close.map(|close| u16::from(close.code)), Some(1002));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_crowd_that_comes_at_once_is_let_in() {
    let server = start(Config::default()).await;
    let crowd: Vec<_> = (0..300).map(|_| TcpStream::connect(server.address)).collect();
    let crowd = futures_util::future::join_all(crowd).await;
    for stream in crowd {
        let mut stream = stream.unwrap();
        stream.write_all(upgrade("/notes", "127.0.0.1", "").as_bytes()).await.unwrap();
        let mut first = [0; 12];
        soon("an answer", stream.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 101");
    }
    server.stop().await.unwrap();
}
