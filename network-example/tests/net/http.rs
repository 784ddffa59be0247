//! What is asked over plain HTTP, and what the server says about itself.

use std::io::Write;
use std::sync::{Arc, Mutex};

use cede::{Chars, Document};
use cede_net::client::State;
use cede_net::rights::Rights;
use cede_net::room::RoomName;
use cede_net::server::{Access, Config};
use cede_net::store::{MemoryStore, Store, StoreError};
use cede_net::token::Token;
use cede_net::tokens::Grant;

use crate::cast::{Person, Server, raw_hello, request, until};

async fn ask(server: &Server, method: &str, path: &str, token: Option<&Token>, more: &str) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {}\r\n", token.as_str())).unwrap_or_default();
    request(server.address, &format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{token}{more}\r\n")).await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[tokio::test]
async fn health_and_numbers_are_told() {
    let server = Server::start(MemoryStore::default()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    ada.types("counted");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    for (path, expected) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = ask(&server, "GET", path, None, "").await;
        assert_eq!((status(&answer), body(&answer)), ("200", expected));
    }
    ask(&server, "GET", "/metrics", None, "Origin: https://evil.example\r\n").await;
    let answer = ask(&server, "GET", "/metrics", None, "").await;
    let numbers = body(&answer);
    for line in
        ["cede_rooms 1", "cede_events_total 7", "cede_refused_total{reason=\"origin\"} 1", "cede_resyncs_total 0"]
    {
        assert!(numbers.lines().any(|found| found == line), "{line} in\n{numbers}");
    }
    let acks = numbers.lines().find_map(|line| line.strip_prefix("cede_ack_seconds_count "));
    assert!((1..=7).contains(&acks.unwrap().parse().unwrap()), "several keys may share a frame: {acks:?}");
    assert!(!numbers.contains("notes") && !numbers.contains("Ada"), "{numbers}");
    for (method, path, expected) in [
        ("GET", "/", "404"),
        ("GET", "/notes", "404"),
        ("POST", "/healthz", "405"),
        ("PUT", "/rooms/notes", "405"),
        ("GET", "/metrics?x", "400"),
        ("GET", "/rooms/a.b", "400"),
        ("GET", "/rooms/../x", "400"),
    ] {
        assert_eq!(status(&ask(&server, method, path, None, "").await), expected, "{method} {path}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_document_is_exported_and_deleted_by_who_may() {
    let grant = |scope: &str, rights| Grant::new(scope.parse().unwrap(), rights, "").unwrap();
    let (reader, reading) = grant("notes", Rights::Read);
    let (writer, writing) = grant("notes", Rights::Write);
    let (ann, all) = grant("*", Rights::Host);
    let store = MemoryStore::default();
    let config = Config { access: Access::tokens(vec![reader, writer, ann]), ..Config::default() };
    let server = Server::start_with(store.clone(), config, "127.0.0.1:0").await;
    let mut ada = Person::new("Ada", server.target("notes").with_token(Some(writing.clone())));
    ada.types("Grüße");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;

    let path = "/rooms/notes";
    assert_eq!(status(&ask(&server, "GET", path, None, "").await), "401");
    assert_eq!(status(&ask(&server, "GET", "/rooms/plans", Some(&reading), "").await), "403");
    assert_eq!(status(&ask(&server, "GET", "/rooms/plans", Some(&all), "").await), "404", "nobody has written to it");
    let text = ask(&server, "GET", path, Some(&reading), "Accept: text/plain\r\n").await;
    assert_eq!((status(&text), body(&text)), ("200", "Grüße"));
    let file = ask(&server, "GET", path, Some(&reading), "").await;
    assert!(body(&file).starts_with("CEDElog"), "{file:?}");

    for token in [None, Some(&reading), Some(&writing)] {
        let refused = ask(&server, "DELETE", path, token, "").await;
        assert!(["401", "403"].contains(&status(&refused)), "{refused}");
    }
    assert_eq!(status(&ask(&server, "DELETE", path, Some(&all), "").await), "200");
    until("Ada to hear of it", [&mut ada], |[ada]| ada.ended).await;
    assert_eq!(*ada.link.state(), State::Refused { reason: "the document has been deleted".into() });
    assert!(store.clone().load(&"notes".parse().unwrap()).unwrap().is_empty());
    assert_eq!(status(&ask(&server, "GET", path, Some(&all), "").await), "404");
    let mut ben = Person::new("Ben", server.target("notes").with_token(Some(writing)));
    until("the room to be there, empty", [&mut ben], |[ben]| *ben.link.state() == State::Online).await;
    assert_eq!(ben.text(), "");
    server.stop().await.unwrap();
}

/// What is exported opens as any file does.
#[tokio::test]
async fn an_export_is_a_file_that_opens() {
    let server = Server::start(MemoryStore::default()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    ada.types("kept elsewhere");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(b"GET /rooms/notes HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let folder = crate::cast::Folder::new("export");
    let file = folder.file("notes.cede");
    std::fs::write(&file, &bytes[head..]).unwrap();
    let (records, torn) = cede::storage::LogFile::read(&file).unwrap();
    assert!(torn.is_none() && records.len() == 1);
    let mut document = Document::new();
    document.import::<Chars>(&records[0].payload).unwrap();
    assert_eq!(document.to_string(), "kept elsewhere");
    server.stop().await.unwrap();
}

struct Failing;

impl Store for Failing {
    fn load(&mut self, _: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(Vec::new())
    }

    fn append(&mut self, _: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
        Err(StoreError::Write("no space left".into()))
    }
}

#[tokio::test]
async fn a_server_whose_store_has_failed_is_not_ready() {
    let server = Server::start(Failing).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    ada.types("x");
    until("word of it", [&mut ada], |[ada]| !ada.notices.is_empty()).await;
    let answer = ask(&server, "GET", "/readyz", None, "").await;
    assert_eq!(status(&answer), "503");
    assert!(body(&ask(&server, "GET", "/metrics", None, "").await).contains("cede_store_failed 1"));
    assert_eq!(status(&ask(&server, "GET", "/healthz", None, "").await), "200", "it still runs");
    // Nor can it delete, and nobody is shown out of a room that stays.
    assert_eq!(status(&ask(&server, "DELETE", "/rooms/notes", None, "").await), "403", "without a host there is none");
    assert_eq!(*ada.link.state(), State::Online);
    server.stop().await.unwrap_err();
}

#[tokio::test]
async fn a_store_that_cannot_delete_shows_nobody_out() {
    let (ann, token) = Grant::new("*".parse().unwrap(), Rights::Host, "").unwrap();
    let config = Config { access: Access::tokens(vec![ann]), ..Config::default() };
    let server = Server::start_with(Failing, config, "127.0.0.1:0").await;
    let mut ada = Person::new("Ada", server.target("notes").with_token(Some(token.clone())));
    until("Ada to be in", [&mut ada], |[ada]| *ada.link.state() == State::Online).await;
    assert_eq!(status(&ask(&server, "DELETE", "/rooms/notes", Some(&token), "").await), "503");
    assert!(ada.client.try_next().is_none_or(|heard| !matches!(heard, cede_net::client::Incoming::Refused { .. })));
    server.stop().await.unwrap();
}

/// What is logged, all of it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_hold_nothing_that_was_typed() {
    let log = Log::default();
    let writer = log.clone();
    let logs = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(logs.finish());
    // As long as there is one subscriber only, a line of code that another test's thread comes to first is asked about
    // there, where nobody listens, and is silent from then on.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());

    let (grant, token) = Grant::new("secret-room".parse().unwrap(), Rights::Write, "secret note").unwrap();
    let config = Config { access: Access::tokens(vec![grant]), ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    let mut ada = Person::new("secret name", server.target("secret-room").with_token(Some(token.clone())));
    ada.types("secret text");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    ask(&server, "GET", "/rooms/secret-path", Some(&Token::random().unwrap()), "Origin: secret origin\r\n").await;
    ask(&server, "GET", "/rooms/secret-path", None, "").await;
    let mut stranger = raw_hello(&server.target("secret-room")).await;
    crate::cast::read_to_end(&mut stranger).await;
    ada.client.close().await;
    server.stop().await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let fingerprint = "secret-room".parse::<RoomName>().unwrap().fingerprint();
    for word in ["serving", "joined", "left", "refused", "unauthorized", "stopping", &fingerprint] {
        assert!(log.contains(word), "{word} in\n{log}");
    }
    assert!(!log.contains("secret") && !log.contains(token.as_str()), "{log}");
}
