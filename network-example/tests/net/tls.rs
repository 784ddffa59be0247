//! TLS: with a certificate that was made a moment ago.

use std::path::PathBuf;

use cede_net::client::{Client, State};
use cede_net::server::Config;
use cede_net::store::MemoryStore;
use cede_net::tls::{Certificate, TlsError, Trust};

use crate::cast::{Folder, Person, Server, request, soon, until};

/// A certificate for this name and its key, as files.
fn certificate(folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (certificate, key) = (folder.file(&format!("{name}.pem")), folder.file(&format!("{name}.key")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

async fn secure_server(files: &(PathBuf, PathBuf)) -> Server {
    let certificate = Certificate::read(&files.0, &files.1).unwrap();
    let config = Config { certificate: Some(certificate), ..Config::default() };
    Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await
}

#[tokio::test]
async fn two_people_type_over_tls() {
    let folder = Folder::new("tls");
    let files = certificate(&folder, "localhost");
    let server = secure_server(&files).await;
    let target =
        format!("wss://localhost:{}/notes", server.address.port()).parse::<cede_net::client::Target>().unwrap();
    let join = |name| Person::with(name, Client::spawn_trusting(target.clone(), Trust::File(files.0.clone())));
    let (mut ada, mut ben) = (join("Ada"), join("Ben"));
    ada.types("seen by nobody in between");
    until("Ben to have it", [&mut ada, &mut ben], |[ada, ben]| ada.is_settled() && ben.text() == ada.text()).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let folder = Folder::new("tls-strangers");
    let server = secure_server(&certificate(&folder, "localhost")).await;
    let other = certificate(&folder, "elsewhere.example");
    for (host, trust) in [("localhost", &other.0), ("127.0.0.1", &certificate(&folder, "localhost").0)] {
        let target = format!("wss://{host}:{}/notes", server.address.port()).parse().unwrap();
        let mut ada = Person::with("Ada", Client::spawn_trusting(target, Trust::File(trust.clone())));
        ada.types("secret");
        until("no further attempt", [&mut ada], |[ada]| ada.ended).await;
        let State::Refused { reason } = ada.link.state() else { panic!("{:?}", ada.link.state()) };
        assert!(reason.starts_with("no secure connection: "), "{reason}");
        assert!(reason.contains("--ca FILE"), "{reason}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_said_to_be_one() {
    let folder = Folder::new("tls-none");
    let (trusted, _) = certificate(&folder, "localhost");
    let server = Server::start(MemoryStore::default()).await;
    let target = format!("wss://localhost:{}/notes", server.address.port()).parse().unwrap();
    let mut ada = Person::with("Ada", Client::spawn_trusting(target, Trust::File(trusted)));
    until("the first attempt to fail", [&mut ada], |[ada]| matches!(ada.link.state(), State::Offline { .. })).await;
    let State::Offline { reason, .. } = ada.link.state() else { unreachable!() };
    assert!(reason.contains("the server speaks ws:// and not wss://"), "{reason}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn from_this_machine_plain_http_is_answered_too() {
    let folder = Folder::new("tls-plain");
    let server = secure_server(&certificate(&folder, "localhost")).await;
    let answer = request(server.address, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut ada = Person::new("Ada", server.target("notes"));
    until("the editor beside the server to be in", [&mut ada], |[ada]| *ada.link.state() == State::Online).await;
    soon("goodbye", ada.client.close()).await;
    server.stop().await.unwrap();
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let folder = Folder::new("tls-files");
    let (certificate_file, key) = certificate(&folder, "a.example");
    let (_, other_key) = certificate(&folder, "b.example");
    let missing = folder.file("missing.pem");
    let error = Certificate::read(&missing, &key).unwrap_err();
    assert!(matches!(error, TlsError::File { .. }) && error.to_string().contains("missing.pem"), "{error}");
    let error = Certificate::read(&key, &key).unwrap_err().to_string();
    assert!(error.contains("a.example.key"), "{error}");
    let error = Certificate::read(&certificate_file, &other_key).unwrap_err();
    assert!(matches!(error, TlsError::Pair { .. }), "{error}");
}
