//! Who may do what, and for how long.

use cede::sync::Message as Sync;
use cede::{AgentId, Chars, Session};
use cede_net::client::State;
use cede_net::presence::Color;
use cede_net::rights::Rights;
use cede_net::server::{self, Access, Config, ServerError};
use cede_net::store::MemoryStore;
use cede_net::token::Token;
use cede_net::tokens::Grant;
use cede_net::wire::{ClientControl, PROTOCOL, Refusal, ServerControl};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::cast::{Person, Raw, Server, hello, raw, raw_with_token, read_to_end, soon, until};

fn grant(scope: &str, rights: Rights) -> (Grant, Token) {
    Grant::new(scope.parse().unwrap(), rights, "").unwrap()
}

#[tokio::test]
async fn without_tokens_nobody_is_served_beyond_loopback() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let Ok(listener) = tokio::net::TcpListener::bind(address).await else { continue };
        let ran = server::run(listener, Config::default(), MemoryStore::default(), async {}).await;
        let error = ran.expect_err("it starts for everybody");
        assert!(matches!(error, ServerError::Exposed { .. }), "{error}");
        assert!(error.to_string().contains("use tokens"), "{error}");
    }
    let (grant, _) = grant("*", Rights::Write);
    let config = Config { access: Access::tokens(vec![grant]), ..Config::default() };
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    server::run(listener, config, MemoryStore::default(), async {}).await.unwrap();
}

/// The status of a handshake with this token as header.
async fn knock(server: &Server, room: &str, token: &str) -> u16 {
    match raw_with_token(&server.target(room), token).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

fn hello_with(token: Option<&Token>) -> Message {
    let (name, color, agent) = ("raw".to_owned(), Color(0, 0, 0), AgentId::new(99));
    Message::text(ClientControl::Hello { protocol: PROTOCOL, name, color, agent, token: token.cloned() }.to_json())
}

/// What a first message with this token is answered.
async fn introduce(server: &Server, room: &str, token: Option<&Token>) -> Result<Rights, Refusal> {
    let mut socket = raw(&server.target(room)).await;
    socket.send(hello_with(token)).await.unwrap();
    match control(&mut socket).await {
        ServerControl::Welcome { rights, .. } => Ok(rights),
        ServerControl::Refused { code, .. } => Err(code),
        other => panic!("{other:?}"),
    }
}

/// The next control message.
async fn control(socket: &mut Raw) -> ServerControl {
    loop {
        if let Message::Text(json) = soon("a control message", socket.next()).await.unwrap().unwrap() {
            return ServerControl::from_json(&json).unwrap();
        }
    }
}

#[tokio::test]
async fn a_token_opens_what_it_says() {
    let (ben, notes) = grant("notes", Rights::Write);
    let (cleo, reading) = grant("notes", Rights::Read);
    let (ann, all) = grant("*", Rights::Host);
    let server = Server::start_for(Access::tokens(vec![ben, cleo, ann])).await;
    let unknown = Token::random().unwrap();
    for (room, token, status, hello) in [
        ("notes", &notes, 101, Ok(Rights::Write)),
        ("notes", &reading, 101, Ok(Rights::Read)),
        ("notes", &all, 101, Ok(Rights::Host)),
        ("plans", &all, 101, Ok(Rights::Host)),
        ("plans", &notes, 403, Err(Refusal::Forbidden)),
        ("notes", &unknown, 401, Err(Refusal::Unauthorized)),
    ] {
        assert_eq!(knock(&server, room, token.as_str()).await, status, "{room}");
        assert_eq!(introduce(&server, room, Some(token)).await, hello, "{room}");
    }
    for wrong in ["", "x", "with space", &"a".repeat(200), &notes.as_str().to_uppercase(), &notes.as_str()[1..]] {
        assert_eq!(knock(&server, "notes", wrong).await, 401, "{wrong:?}");
    }
    assert_eq!(introduce(&server, "notes", None).await, Err(Refusal::Unauthorized));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_its_connection() {
    let (ben, token) = grant("notes", Rights::Write);
    let (ann, other) = grant("notes", Rights::Write);
    let access = Access::tokens(vec![ben, ann.clone()]);
    let server = Server::start_for(access.clone()).await;
    let mut ben = Person::new("Ben", server.target("notes").with_token(Some(token)));
    let mut ada = Person::new("Ada", server.target("notes").with_token(Some(other)));
    until("both to be in", [&mut ben, &mut ada], |people| people.iter().all(|person| person.link.peers().len() == 1))
        .await;
    access.replace(vec![ann]);
    until("Ben to be shown out", [&mut ben, &mut ada], |[ben, ada]| ben.ended && ada.link.peers().is_empty()).await;
    let State::Refused { reason } = ben.link.state() else { panic!("{:?}", ben.link.state()) };
    assert!(reason.contains("no longer valid"), "{reason}");
    ada.types("still here");
    until("Ada to go on", [&mut ada], |[ada]| ada.is_settled()).await;
    server.stop().await.unwrap();
}

/// DATA with what somebody typed.
fn typed(agent: u128, text: &str) -> Message {
    let mut session = Session::new(AgentId::new(agent));
    session.insert(Chars(0), text).unwrap();
    Message::binary(Sync::Data(session.document().encode()).encode())
}

#[tokio::test]
async fn a_reader_is_held_back_here_and_not_in_the_client() {
    let (ben, token) = grant("notes", Rights::Read);
    let (ann, host) = grant("notes", Rights::Write);
    let store = MemoryStore::default();
    let config = Config { access: Access::tokens(vec![ben, ann]), ..Config::default() };
    let server = Server::start_with(store, config, "127.0.0.1:0").await;
    let mut ada = Person::new("Ada", server.target("notes").with_token(Some(host)));
    ada.types("ada's");
    until("Ada's text to be stored", [&mut ada], |[ada]| ada.is_settled()).await;

    let mut reader = raw_with_token(&server.target("notes"), token.as_str()).await.unwrap();
    reader.send(hello(PROTOCOL)).await.unwrap();
    reader.send(typed(99, "smuggled")).await.unwrap();
    let told = soon("word of it", async {
        loop {
            if let ServerControl::Notice { text } = control(&mut reader).await {
                break text;
            }
        }
    })
    .await;
    assert!(told.contains("only read"), "{told}");
    // It may look and be seen.
    reader.send(Message::text(ClientControl::Presence(Default::default()).to_json())).await.unwrap();
    ada.types("!");
    until("Ada to go on", [&mut ada], |[ada]| ada.is_settled() && ada.link.peers().len() == 1).await;
    assert_eq!(ada.text(), "ada's!");
    // Nor may it say what others may do.
    let id = ada.link.me().unwrap();
    reader.send(Message::text(ClientControl::Remove { id }.to_json())).await.unwrap();
    let (end, _) = read_to_end(&mut reader).await;
    assert!(matches!(end, Some(ServerControl::Refused { code: Refusal::Forbidden, .. })), "{end:?}");
    assert_eq!(*ada.link.state(), State::Online);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_host_lets_a_guest_read_only_and_write_again_while_both_are_in() {
    let room = "notes".parse().unwrap();
    let (access, host) = Access::hosted(&room, true).unwrap();
    let line = access.invitations()[0].token.clone();
    let server = Server::start_for(access.clone()).await;
    let mut ann = Person::new("Ann", server.target("notes").with_token(Some(host)));
    let mut ben = Person::new("Ben", server.target("notes").with_token(Some(line.clone())));
    ben.types("before ");
    until("both to be in", [&mut ann, &mut ben], |[ann, ben]| {
        ann.text() == "before " && ben.is_settled() && ben.link.peers().len() == 1
    })
    .await;
    assert_eq!((ann.link.rights(), ben.link.peers()[0].rights), (Rights::Host, Rights::Host));

    let ben_id = ben.link.me().unwrap();
    ann.link.allow(ben_id, Rights::Read);
    ann.flush();
    until("both to hear of it", [&mut ann, &mut ben], |[ann, ben]| {
        ben.link.rights() == Rights::Read && ann.link.peers()[0].rights == Rights::Read
    })
    .await;
    ben.types("meanwhile ");
    ann.types("ann's ");
    until("Ben to read on", [&mut ann, &mut ben], |[_, ben]| ben.text().contains("ann's ")).await;
    assert_eq!(ben.link.unacknowledged(&ben.session), 10, "what he typed stays with him");
    assert_ne!(access.invitations()[0].token, line, "the line would let him write again");

    ann.link.allow(ben_id, Rights::Write);
    ann.flush();
    until("what he typed to arrive", [&mut ann, &mut ben], |[ann, ben]| {
        ann.text().contains("meanwhile ") && ben.is_settled() && ann.text() == ben.text()
    })
    .await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_host_shows_a_guest_out_and_the_line_is_a_new_one() {
    let room = "notes".parse().unwrap();
    let (access, host) = Access::hosted(&room, true).unwrap();
    let line = server_line(&access);
    let server = Server::start_for(access.clone()).await;
    let mut ann = Person::new("Ann", server.target("notes").with_token(Some(host)));
    let mut ben = Person::new("Ben", server.target("notes").with_token(Some(line.clone())));
    let mut cleo = Person::new("Cleo", server.target("notes").with_token(Some(line.clone())));
    until("all to be in", [&mut ann, &mut ben, &mut cleo], |people| {
        people.iter().all(|person| person.link.peers().len() == 2)
    })
    .await;
    ann.link.remove(ben.link.me().unwrap());
    ann.flush();
    until("Ben to be out", [&mut ann, &mut ben, &mut cleo], |[ann, ben, cleo]| {
        ben.ended && ann.link.peers().len() == 1 && cleo.link.peers().len() == 1
    })
    .await;
    assert_eq!(*ben.link.state(), State::Refused { reason: "the host has removed you".into() });
    assert_eq!(knock(&server, "notes", line.as_str()).await, 401, "by the line he had");
    assert_eq!(knock(&server, "notes", server_line(&access).as_str()).await, 101, "by the new one");
    cleo.types("still here");
    until("Cleo to go on", [&mut ann, &mut cleo], |[ann, _]| ann.text() == "still here").await;
    server.stop().await.unwrap();
}

fn server_line(access: &Access) -> Token {
    access.invitations()[0].token.clone()
}

/// What a host says about a token of the file is for good.
#[tokio::test]
async fn who_was_shown_out_is_out_after_a_restart_and_a_reader_still_a_reader() {
    let (ann, ann_token) = grant("*", Rights::Host);
    let [(ben, ben_token), (cleo, cleo_token)] = [(); 2].map(|()| grant("*", Rights::Write));
    let (grants, store) = (vec![ann, ben, cleo], MemoryStore::default());
    let config = || Config { access: Access::tokens(grants.clone()), ..Config::default() };
    let server = Server::start_with(store.clone(), config(), "127.0.0.1:0").await;
    let person = |name, token: &Token| Person::new(name, server.target("notes").with_token(Some(token.clone())));
    let (mut host, mut ben, mut cleo) =
        (person("Ann", &ann_token), person("Ben", &ben_token), person("Cleo", &cleo_token));
    until("all to be in", [&mut host, &mut ben, &mut cleo], |people| {
        people.iter().all(|person| person.link.peers().len() == 2)
    })
    .await;
    host.link.remove(ben.link.me().unwrap());
    host.link.allow(cleo.link.me().unwrap(), Rights::Read);
    host.flush();
    until("both to hear of it", [&mut host, &mut ben, &mut cleo], |[_, ben, cleo]| {
        ben.ended && cleo.link.rights() == Rights::Read
    })
    .await;
    server.stop().await.unwrap();

    let server = Server::start_with(store, config(), "127.0.0.1:0").await;
    assert_eq!(knock(&server, "notes", ben_token.as_str()).await, 403, "shown out");
    let mut cleo = Person::new("Cleo", server.target("notes").with_token(Some(cleo_token)));
    until("to be in", [&mut cleo], |[cleo]| *cleo.link.state() == State::Online).await;
    assert_eq!(cleo.link.rights(), Rights::Read);
    server.stop().await.unwrap();
}

/// They come back by what they came with first.
#[tokio::test]
async fn who_was_given_a_pass_comes_back_to_a_server_that_does_not_know_it() {
    let room = "notes".parse().unwrap();
    let (hosted, _) = Access::hosted(&room, false).unwrap();
    let server = Server::start_for(hosted).await;
    let address = server.address.to_string();
    let mut guest = Person::new("Ben", server.target("notes"));
    until("to be in", [&mut guest], |[guest]| *guest.link.state() == State::Online).await;
    server.stop().await.unwrap();
    let config = Config { access: Access::open(), ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, &address).await;
    until("to be in again", [&mut guest], |[guest]| *guest.link.state() == State::Online).await;
    server.stop().await.unwrap();
}
