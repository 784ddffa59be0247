//! Dictionaries: set and watched by several, kept, asked over HTTP, and kept apart from texts.

use std::time::{Duration, Instant};

use cede::{AgentId, Dict, Entry};
use cede_net::client::{Client, DictChange, DictLink, Incoming, State, Target};
use cede_net::presence::{Color, Identity};
use cede_net::rights::Rights;
use cede_net::room::RoomName;
use cede_net::server::{Access, Config, Rate};
use cede_net::store::{MemoryStore, Store, StoreError};
use cede_net::token::Token;
use cede_net::tokens::Grant;
use serde_json::{Value, json};

use crate::cast::{Folder, Person, Server, request, soon, until};
use crate::program::Program;

/// Somebody with a dictionary.
struct Holder {
    dict: Dict,
    link: DictLink,
    client: Client,
    /// What has changed since it was online first.
    seen: Vec<Entry>,
    was_online: bool,
    refused: Option<String>,
}

impl Holder {
    fn new(name: &str, target: Target) -> Self {
        let agent = name.bytes().fold(11, |bits: u128, byte| bits << 8 | u128::from(byte));
        Self {
            dict: Dict::new(AgentId::new(agent)),
            link: DictLink::new(Identity { name: name.to_owned(), color: Color(1, 2, 3) }),
            client: Client::spawn(target),
            seen: Vec::new(),
            was_online: false,
            refused: None,
        }
    }

    fn set(&mut self, key: &str, value: Value) {
        self.dict.set(key, &value, 0).unwrap();
        self.client.send(self.link.flush(&self.dict));
    }

    async fn step(&mut self) {
        let incoming = self.client.next().await.expect("the client goes on");
        for change in self.link.handle(&mut self.dict, incoming).unwrap() {
            match change {
                DictChange::Entries(entries) if self.was_online => self.seen.extend(entries),
                DictChange::Online => self.was_online = true,
                DictChange::Refused { reason } => self.refused = Some(reason),
                _ => {}
            }
        }
        self.client.send(self.link.flush(&self.dict));
    }

    async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        soon(what, async {
            while !done(self) {
                self.step().await;
            }
        })
        .await;
    }

    async fn online(&mut self) {
        self.until("a dictionary to be online", |holder| holder.link.is_online()).await;
    }

    async fn durable(&mut self) {
        self.until("a change to be on disk", |holder| holder.link.is_durable(&holder.dict)).await;
    }
}

async fn ask(server: &Server, method: &str, path: &str, token: Option<&Token>, body: &str) -> (u16, String) {
    let token = token.map(|token| format!("Authorization: Bearer {}\r\n", token.as_str())).unwrap_or_default();
    let length = if method == "PUT" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{token}{length}\r\n");
    answered(&request(server.address, &format!("{head}{body}")).await)
}

fn answered(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), body.to_owned())
}

#[tokio::test]
async fn two_set_a_third_watches_and_all_end_with_the_same() {
    let server = Server::start(MemoryStore::default()).await;
    let [mut ada, mut ben, mut watcher] = ["Ada", "Ben", "Cleo"].map(|name| Holder::new(name, server.target("colors")));
    for holder in [&mut ada, &mut ben, &mut watcher] {
        holder.online().await;
    }
    ada.set("color", json!("blue"));
    ben.set("color", json!("red"));
    ben.set("size", json!({"w": 3, "h": [1, 2]}));
    ada.durable().await;
    ben.durable().await;
    let everything = |holder: &Holder| holder.dict.event_count() == 3;
    for holder in [&mut ada, &mut ben, &mut watcher] {
        holder.until("everything", everything).await;
    }
    assert_eq!(ada.dict.to_value(), ben.dict.to_value());
    assert_eq!(ada.dict.to_value(), watcher.dict.to_value());
    assert_eq!(ada.dict.get("size"), Some(json!({"w": 3, "h": [1, 2]})));
    let last = watcher.seen.iter().rev().find(|entry| entry.key == "color").unwrap();
    assert_eq!(last.value, watcher.dict.get("color"), "what was told last is what stands");

    // What Ada removes now she has seen; nothing that was there before comes back.
    ada.dict.remove("color", 0).unwrap();
    ada.client.send(ada.link.flush(&ada.dict));
    ada.durable().await;
    watcher.until("the removal", |holder| holder.dict.get("color").is_none()).await;
    assert_eq!(watcher.seen.last().map(|entry| (entry.key.as_str(), &entry.value)), Some(("color", &None)));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_outlives_the_process_and_a_watcher_hears_what_it_missed() {
    let folder = Folder::new("dict");
    let file = folder.file("rooms.redb");
    let program = Program::start(&file, "127.0.0.1:0", &[]);
    let address = format!("{}:{}", program.target.host(), program.target.port());
    let mut watcher = Holder::new("Cleo", program.target.clone());
    watcher.online().await;
    let mut ada = Holder::new("Ada", program.target.clone());
    ada.online().await;
    ada.set("color", json!("blue"));
    ada.durable().await;
    watcher.until("blue", |holder| holder.dict.get("color").is_some()).await;
    drop(ada);
    program.kill();

    let program = Program::start(&file, &address, &[]);
    let mut ben = Holder::new("Ben", program.target.clone());
    ben.online().await;
    assert_eq!(ben.dict.get("color"), Some(json!("blue")));
    ben.set("color", json!("red"));
    ben.durable().await;
    watcher.until("red", |holder| holder.dict.get("color") == Some(json!("red"))).await;
    let told: Vec<_> = watcher.seen.iter().map(|entry| entry.value.clone().unwrap()).collect();
    assert_eq!(told, [json!("blue"), json!("red")]);
    program.terminate();
}

#[tokio::test]
async fn a_dictionary_is_read_and_written_over_http_and_pushed_to_who_watches() {
    let store = MemoryStore::default();
    let server = Server::start(store.clone()).await;
    let mut watcher = Holder::new("Cleo", server.target("colors"));
    watcher.online().await;
    let (all, color) = ("/rooms/colors/dict", "/rooms/colors/dict/color");
    assert_eq!(ask(&server, "GET", all, None, "").await, (200, "{}\n".into()));
    assert_eq!(ask(&server, "GET", color, None, "").await.0, 404);
    assert_eq!(ask(&server, "DELETE", color, None, "").await.0, 404);
    assert_eq!(ask(&server, "PUT", color, None, " \"blue\"\n").await, (200, "set\n".into()));
    assert_eq!(ask(&server, "GET", color, None, "").await, (200, "\"blue\"\n".into()));
    watcher.until("blue", |holder| holder.dict.get("color") == Some(json!("blue"))).await;
    assert!(watcher.seen[0].wall > 0, "{:?}", watcher.seen);

    // A member that has seen blue makes it red, and the server has seen that when it is asked again.
    watcher.set("color", json!("red"));
    watcher.durable().await;
    assert_eq!(ask(&server, "PUT", "/rooms/colors/dict/caf%C3%A9%2F%20%22", None, "[1,null]").await.0, 200);
    let (_, whole) = ask(&server, "GET", all, None, "").await;
    assert_eq!(serde_json::from_str::<Value>(&whole).unwrap(), json!({"color": "red", "café/ \"": [1, null]}));
    assert_eq!(ask(&server, "DELETE", color, None, "").await, (200, "removed\n".into()));
    watcher.until("the removal", |holder| holder.dict.get("color").is_none()).await;
    assert_eq!(ask(&server, "DELETE", color, None, "").await.0, 404);
    server.stop().await.unwrap();

    // What was answered for is in the store.
    let server = Server::start(store).await;
    let (_, whole) = ask(&server, "GET", all, None, "").await;
    assert_eq!(serde_json::from_str::<Value>(&whole).unwrap(), json!({"café/ \"": [1, null]}));
    let exported =
        request(server.address, "GET /rooms/colors HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n");
    assert_eq!(answered(&exported.await).1, whole, "the export shows it as well");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn over_http_the_same_rights_hold_as_by_websocket() {
    let grant = |scope: &str, rights| Grant::new(scope.parse().unwrap(), rights, "").unwrap();
    let (reader, reading) = grant("colors", Rights::Read);
    let (writer, writing) = grant("colors", Rights::Write);
    let server = Server::start_for(Access::tokens(vec![reader, writer])).await;
    let (all, color, other) = ("/rooms/colors/dict", "/rooms/colors/dict/color", "/rooms/plans/dict/color");
    assert_eq!(ask(&server, "PUT", color, Some(&writing), "1").await.0, 200);
    let stranger = Token::random().unwrap();
    for (method, path, token, expected) in [
        ("GET", all, None, 401),
        ("GET", color, None, 401),
        ("PUT", color, None, 401),
        ("DELETE", color, None, 401),
        ("PUT", color, Some(&stranger), 401),
        ("GET", color, Some(&reading), 200),
        ("GET", all, Some(&reading), 200),
        ("PUT", color, Some(&reading), 403),
        ("DELETE", color, Some(&reading), 403),
        ("GET", other, Some(&reading), 403),
        ("PUT", other, Some(&writing), 403),
    ] {
        let answer = ask(&server, method, path, token, "2").await;
        assert_eq!(answer.0, expected, "{method} {path}: {answer:?}");
    }
    assert_eq!(ask(&server, "GET", color, Some(&reading), "").await.1, "1\n");
    let page = format!(
        "PUT {color} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 1\r\n\r\n3",
        writing.as_str()
    );
    assert_eq!(answered(&request(server.address, &page).await).0, 403);
    // Who may only read sees changes, and what they set stays with them.
    let mut watcher = Holder::new("Cleo", server.target("colors").with_token(Some(reading)));
    watcher.online().await;
    assert_eq!(watcher.link.rights(), Rights::Read);
    watcher.set("color", json!("mine"));
    assert_eq!(ask(&server, "PUT", "/rooms/colors/dict/size", Some(&writing), "7").await.0, 200);
    watcher.until("the size", |holder| holder.dict.get("size").is_some()).await;
    assert_eq!(ask(&server, "GET", color, Some(&writing), "").await.1, "1\n");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_room_is_of_one_kind() {
    let server = Server::start(MemoryStore::default()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    ada.types("text");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    let (status, reason) = ask(&server, "PUT", "/rooms/notes/dict/a", None, "1").await;
    assert_eq!((status, reason.as_str()), (409, "the room holds a text, and this is a dictionary\n"));
    for path in ["/rooms/notes/dict/a", "/rooms/notes/dict"] {
        assert_eq!(ask(&server, "GET", path, None, "").await.0, 409, "{path}");
    }
    let mut ben = Holder::new("Ben", server.target("notes"));
    ben.until("to be told", |holder| holder.refused.is_some()).await;
    assert_eq!(ben.refused.as_deref(), Some("the room holds a text, not a dictionary"));

    // The other way round, and where both were here before there was anything.
    let mut cleo = Person::new("Cleo", server.target("colors"));
    let mut dora = Person::new("Dora", server.target("colors"));
    until("both to be in", [&mut cleo, &mut dora], |people| {
        people.iter().all(|person| *person.link.state() == State::Online)
    })
    .await;
    assert_eq!(ask(&server, "PUT", "/rooms/colors/dict/a", None, "1").await.0, 200);
    cleo.types("late");
    for person in [&mut cleo, &mut dora] {
        let reason = refusal(person).await;
        assert!(reason.contains("the room holds a dictionary"), "{reason}");
    }
    assert_eq!(ask(&server, "GET", "/rooms/colors/dict", None, "").await.1, "{\"a\":1}\n");
    server.stop().await.unwrap();
}

/// As the editor's own server is: its one store is a text's history.
#[tokio::test]
async fn a_server_for_texts_takes_nothing_else() {
    let config = Config { only: Some(cede::DocumentKind::Text), ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    assert_eq!(ask(&server, "PUT", "/rooms/notes/dict/a", None, "1").await.0, 409);
    let mut ben = Holder::new("Ben", server.target("notes"));
    ben.online().await;
    ben.set("a", json!(1));
    ben.until("to be told", |holder| holder.refused.is_some()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    ada.types("text");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    server.stop().await.unwrap();
}

/// Why somebody is not let in, in the end.
async fn refusal(person: &mut Person) -> String {
    let refusing = async {
        loop {
            let incoming = person.client.next().await.expect("a refusal before the end");
            if let Incoming::Refused { reason } = &incoming {
                return reason.clone();
            }
            // The link says that this cannot be merged, and gives up.
            let _ = person.link.handle(&mut person.session, incoming);
            person.flush();
        }
    };
    soon("the refusal", refusing).await
}

#[tokio::test]
async fn an_editor_in_a_room_with_a_dictionary_is_told_so_and_keeps_its_text() {
    let server = Server::start(MemoryStore::default()).await;
    assert_eq!(ask(&server, "PUT", "/rooms/colors/dict/a", None, "1").await.0, 200);
    let mut ada = Person::new("Ada", server.target("colors"));
    assert_eq!(refusal(&mut ada).await, "the room holds a dictionary, not a text");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_request_about_a_dictionary_changes_nothing() {
    let server = Server::start(MemoryStore::default()).await;
    let color = "/rooms/colors/dict/color";
    let (status, reason) = ask(&server, "PUT", color, None, "{\n  \"a\": x\n}").await;
    assert_eq!(status, 400);
    assert!(reason.contains("line 2 column 8"), "{reason}");
    let long_key = format!("/rooms/colors/dict/{}", "k".repeat(4100));
    let long_value = format!("\"{}\"", "x".repeat(131_072));
    let (too_large, deep) = ("x".repeat(300_000), "[".repeat(1_000));
    for (method, path, body, expected) in [
        ("PUT", color, "", 400),
        ("PUT", color, "1 2", 400),
        ("PUT", color, "NaN", 400),
        ("PUT", color, "1e999", 400),
        ("PUT", color, deep.as_str(), 400),
        ("PUT", "/rooms/colors/dict/%zz", "1", 400),
        ("PUT", "/rooms/colors/dict/%ff", "1", 400),
        ("PUT", "/rooms/a.b/dict/color", "1", 400),
        ("PUT", "/rooms/colors/dict/color?x", "1", 400),
        ("PUT", long_key.as_str(), "1", 414),
        ("PUT", color, long_value.as_str(), 413),
        ("PUT", color, too_large.as_str(), 413),
        ("PUT", "/rooms/colors/dict", "{}", 405),
        ("DELETE", "/rooms/colors/dict", "", 405),
        ("POST", color, "", 405),
        ("GET", "/rooms/colors/dictionary", "", 400),
    ] {
        let answer = ask(&server, method, path, None, body).await;
        assert_eq!(answer.0, expected, "{method} {path}: {}", answer.1);
    }
    let chunked = format!("PUT {color} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n");
    assert_eq!(answered(&request(server.address, &chunked.replace("Host: a", "Host: localhost")).await).0, 411);
    assert_eq!(ask(&server, "GET", "/rooms/colors/dict", None, "").await, (200, "{}\n".into()));
    // What curl does with more than a kilobyte: it asks first.
    let head = format!("PUT {color} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    let answer = asked_first(&server, &head, || {}, "123").await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    server.stop().await.unwrap();
}

/// Catches rights that are looked up before the body alone, which may take its time.
#[tokio::test]
async fn a_token_that_is_revoked_while_a_body_comes_writes_nothing() {
    let (grant, token) = Grant::new("colors".parse().unwrap(), Rights::Write, "").unwrap();
    let access = Access::tokens(vec![grant.clone()]);
    let server = Server::start_for(access.clone()).await;
    let token = token.as_str();
    let head = format!(
        "PUT /rooms/colors/dict/color HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    );
    let answer = asked_first(&server, &head, || access.replace(Vec::new()), "\"red\"").await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 "), "{answer}");
    access.replace(vec![grant]);
    let held = format!("GET /rooms/colors/dict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    assert_eq!(answered(&request(server.address, &held).await), (200, "{}\n".into()));
    server.stop().await.unwrap();
}

/// Sends a head, waits for the word to go on, lets something happen, then sends the body.
async fn asked_first(server: &Server, head: &str, meanwhile: impl FnOnce(), body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon("the word to go on", stream.read_u8()).await.unwrap());
    }
    meanwhile();
    stream.write_all(body.as_bytes()).await.unwrap();
    soon("the answer", stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn who_writes_too_fast_over_http_is_told_to_wait() {
    let message_rate = Rate { per_second: 1, burst: 3 };
    let config = Config { message_rate, ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    let mut statuses = Vec::new();
    let began = Instant::now();
    for number in 0..6 {
        let path = format!("/rooms/colors/dict/{number}");
        statuses.push(ask(&server, "PUT", &path, None, "1").await.0);
    }
    if began.elapsed() < Duration::from_secs(2) {
        assert!(statuses.contains(&429), "{statuses:?}");
    }
    assert!(statuses[..3] == [200; 3] && statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert_eq!(ask(&server, "GET", "/rooms/colors/dict/0", None, "").await.0, 200, "reading goes on");
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
async fn what_is_not_on_disk_is_not_answered_for() {
    let server = Server::start(Failing).await;
    for _ in 0..2 {
        let (status, reason) = ask(&server, "PUT", "/rooms/colors/dict/a", None, "1").await;
        assert_eq!(status, 503);
        assert!(reason.contains("no space left"), "{reason}");
    }
    server.stop().await.unwrap_err();
}
