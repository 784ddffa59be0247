//! Servers that stop, die and fail, and readers that do not read: nothing acknowledged is lost, nobody waits for the
//! slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cast::{
    Folder, PATIENCE, Person, Server, hello, noise, raw_hello, raw_with_small_buffer, read_to_end, soon, until,
};
use crate::program::Program;
use cede::sync::Message as Sync;
use cede::{Chars, Document};
use cede_net::client::State;
use cede_net::room::RoomName;
use cede_net::server::{Config, ServerError};
use cede_net::store::{MemoryStore, RedbStore, Store, StoreError};
use cede_net::wire::{ClientControl, PROTOCOL, Refusal, ServerControl};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

fn is_online(person: &Person) -> bool {
    *person.link.state() == State::Online
}

fn is_offline(person: &Person) -> bool {
    matches!(person.link.state(), State::Offline { .. })
}

#[tokio::test]
async fn a_server_that_comes_back_on_its_file_is_joined_again() {
    let folder = Folder::new("restart");
    let file = folder.file("rooms.redb");
    let server = Server::start(RedbStore::open(&file).unwrap()).await;
    let address = server.address.to_string();
    let mut ada = Person::new("Ada", server.target("notes"));
    let mut ben = Person::new("Ben", server.target("notes"));
    ada.types("before ");
    until("both to have it", [&mut ada, &mut ben], |people| {
        people.iter().all(|person| person.text() == "before " && person.is_settled())
    })
    .await;
    server.stop().await.unwrap();
    until("both to notice", [&mut ada, &mut ben], |people| people.iter().all(|person| !is_online(person))).await;
    assert!(ada.link.peers().is_empty(), "nobody is seen without a connection");

    ada.types("alone ");
    ben.session.move_caret(Chars(0)).unwrap();
    ben.types("offline ");
    assert_eq!((ada.link.unacknowledged(&ada.session), ben.link.unacknowledged(&ben.session)), (6, 8));

    let server = Server::start_with(RedbStore::open(&file).unwrap(), Config::default(), &address).await;
    until("both to have everything", [&mut ada, &mut ben], |people| {
        people.iter().all(|person| person.text() == "offline before alone " && person.is_settled())
    })
    .await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_tells_everybody_to_come_back() {
    let server = Server::start(MemoryStore::default()).await;
    let mut socket = raw_hello(&server.target("notes")).await;
    let welcome = soon("welcome", socket.next()).await.unwrap().unwrap();
    assert!(welcome.is_text());
    let (stopped, (control, close)) = tokio::join!(server.stop(), read_to_end(&mut socket));
    stopped.unwrap();
    assert!(matches!(control, Some(ServerControl::Refused { code: Refusal::Restart, .. })), "{control:?}");
    assert_eq!(close.map(|close| close.code.into()), Some(1012));
    assert!(!Refusal::Restart.is_final());
}

#[tokio::test]
async fn sigterm_stores_what_has_come_and_asks_everybody_back() {
    let folder = Folder::new("term");
    let file = folder.file("rooms.redb");
    let program = Program::start(&file, "127.0.0.1:0", &[]);
    let mut ada = Person::new("Ada", program.target.clone());
    ada.types("kept");
    until("it to be acknowledged", [&mut ada], |[ada]| ada.is_settled()).await;
    program.terminate();
    until("word of it", [&mut ada], |[ada]| is_offline(ada)).await;
    let State::Offline { reason, .. } = ada.link.state() else { unreachable!() };
    assert!(reason.contains("it will be back"), "{reason}");
    let mut store = RedbStore::open(&file).unwrap();
    assert!(!store.load(&"notes".parse().unwrap()).unwrap().is_empty());
}

#[tokio::test]
async fn kill_9_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new("kill");
    let file = folder.file("rooms.redb");
    let mut program = Program::start(&file, "127.0.0.1:0", &[]);
    let listen = format!("{}:{}", program.target.host(), program.target.port());
    for round in 0..4 {
        let mut ada = Person::new(&format!("Ada {round}"), program.target.clone());
        until("Ada to be online", [&mut ada], |[ada]| is_online(ada)).await;
        let before = ada.text();
        // Killed somewhere in the middle of acknowledging, at another place each round.
        ada.types(&"x".repeat(200));
        let enough = 1 + 37 * round;
        until("some acks", [&mut ada], |[ada]| ada.link.unacknowledged(&ada.session) <= 200 - enough).await;
        let acknowledged = 200 - ada.link.unacknowledged(&ada.session) as usize;
        program.kill();
        drop(ada);

        program = Program::start(&file, &listen, &[]);
        let mut ben = Person::new(&format!("Ben {round}"), program.target.clone());
        until("Ben to be online", [&mut ben], |[ben]| is_online(ben)).await;
        let kept = ben.text().len() - before.len();
        assert!(kept >= acknowledged, "{acknowledged} letters were acknowledged and {kept} are there");
        soon("goodbye", ben.client.close()).await;
    }
    program.kill();
}

/// Keeps what comes until it is cut off; from then on everything is lost, though it calls nothing durable.
#[derive(Clone, Default)]
struct Cut {
    store: MemoryStore,
    is_cut: Arc<AtomicBool>,
}

impl Store for Cut {
    fn load(&mut self, room: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
        self.store.load(room)
    }

    fn append(&mut self, batch: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(StoreError::Write("no space left".into()));
        }
        self.store.append(batch)
    }
}

#[tokio::test]
async fn a_server_dropped_in_the_middle_loses_nothing_that_was_acknowledged() {
    let cut = Cut::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = cut.clone();
    let server = runtime.spawn(async move { Server::start(store).await }).await.unwrap();
    let target = server.target("notes");
    let listen = server.address.to_string();
    let mut ada = Person::new("Ada", target.clone());
    ada.types(&"y".repeat(300));
    until("some acks", [&mut ada], |[ada]| ada.link.unacknowledged(&ada.session) < 250).await;
    cut.is_cut.store(true, Ordering::SeqCst);
    let (in_store, acknowledged) = (stored_text(&cut.store), 300 - ada.link.unacknowledged(&ada.session) as usize);
    assert!(in_store.len() >= acknowledged, "{acknowledged} acknowledged, {} stored", in_store.len());
    // Every task of the server is dropped where it stands; once that is done, its address is free.
    let gone = tokio::task::spawn_blocking(|| runtime.shutdown_timeout(PATIENCE));
    soon("the server's tasks to be gone", gone).await.unwrap();

    until("Ada to notice", [&mut ada], |[ada]| is_offline(ada)).await;
    let server = Server::start_with(cut.store.clone(), Config::default(), &listen).await;
    until("everything to be stored after all", [&mut ada], |[ada]| ada.is_settled()).await;
    assert_eq!(stored_text(&cut.store), "y".repeat(300));
    server.stop().await.unwrap();
}

fn stored_text(store: &MemoryStore) -> String {
    let mut document = Document::new();
    for piece in store.clone().load(&"notes".parse().unwrap()).unwrap() {
        document.import::<Chars>(&piece).unwrap();
    }
    document.text().to_string()
}

#[tokio::test]
async fn a_store_that_fails_ends_the_acks_and_not_the_editing() {
    let cut = Cut::default();
    let server = Server::start(cut.clone()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    let mut ben = Person::new("Ben", server.target("notes"));
    ada.types("kept ");
    until("the first word to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    cut.is_cut.store(true, Ordering::SeqCst);
    ada.types("lost ");
    until("both to be told, and Ben to have both words", [&mut ada, &mut ben], |people| {
        people.iter().all(|person| !person.notices.is_empty()) && people[1].text() == "kept lost "
    })
    .await;
    assert!(ada.notices[0].contains("no space left"), "{:?}", ada.notices);
    assert_eq!(ada.link.unacknowledged(&ada.session), 5);
    assert!(matches!(server.stop().await, Err(ServerError::Store(reason)) if reason.contains("no space left")));
    assert_eq!(stored_text(&cut.store), "kept ");
}

#[tokio::test]
async fn a_slow_reader_is_not_waited_for_and_mended_when_it_reads() {
    let config = Config { max_queue: 64 * 1024, ..Config::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    let mut slow = raw_hello(&server.target("notes")).await;
    slow.send(Message::binary(Sync::Meta(Document::new().summary()).encode())).await.unwrap();

    // Far more than the queue and the kernel's buffers hold.
    let mut ada = Person::new("Ada", server.target("notes"));
    until("Ada to be online", [&mut ada], |[ada]| is_online(ada)).await;
    for number in 0..300 {
        let end = ada.session.text().len::<Chars>();
        ada.session.insert(end, &noise(number, 50_000)).unwrap();
        ada.flush();
    }
    until("everything to be stored meanwhile", [&mut ada], |[ada]| ada.is_settled()).await;

    // The slow one reads on: what fitted its queue, then word that some of it is missing.
    let mut document = Document::new();
    let (mut resyncs, mut frames) = (0, 0);
    let reading = async {
        while document.text().len::<Chars>() != ada.session.text().len::<Chars>() {
            match slow.next().await.unwrap().unwrap() {
                Message::Binary(bytes) => {
                    if let Sync::Data(data) = Sync::decode(&bytes).unwrap() {
                        frames += 1;
                        document.import::<Chars>(&data).unwrap();
                    }
                }
                Message::Text(json) if ServerControl::from_json(&json).unwrap() == ServerControl::Resync => {
                    resyncs += 1;
                    slow.send(Message::binary(Sync::Meta(document.summary()).encode())).await.unwrap();
                }
                _ => {}
            }
        }
    };
    soon("the slow one to have everything", reading).await;
    assert!(resyncs > 0, "its queue was never full: {frames} frames came");
    assert_eq!(document.text().to_string(), ada.text());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_reader_that_never_reads_is_shown_out() {
    let config = Config {
        max_queue: 5 * 1024 * 1024,
        // Longer than the test: only the full queue can be what ends it.
        ping_interval: Duration::from_secs(600),
        idle_timeout: Duration::from_millis(300),
        ..Config::default()
    };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    let mut ada = Person::new("Ada", server.target("notes"));
    // More than the queue and the kernel's buffers hold together.
    ada.session.insert(Chars(0), &noise(0, 12 * 1024 * 1024)).unwrap();
    ada.flush();
    until("the text to be stored", [&mut ada], |[ada]| ada.is_settled() && is_online(ada)).await;

    let mut mute = raw_with_small_buffer(&server.target("notes")).await;
    mute.send(hello(PROTOCOL)).await.unwrap();
    mute.send(Message::binary(Sync::Meta(Document::new().summary()).encode())).await.unwrap();
    until("the mute one to be seen", [&mut ada], |[ada]| ada.link.peers().len() == 1).await;
    until("the mute one to be gone", [&mut ada], |[ada]| ada.link.peers().is_empty()).await;
    assert!(is_online(&ada));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn duplicates_are_acknowledged_and_not_stored_twice() {
    let store = MemoryStore::default();
    let server = Server::start(store.clone()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    ada.types("once");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    let room: RoomName = "notes".parse().unwrap();
    let pieces = store.clone().load(&room).unwrap();

    let mut echo = raw_hello(&server.target("notes")).await;
    for piece in &pieces {
        echo.send(Message::binary(Sync::Data(piece.clone()).encode())).await.unwrap();
    }
    let acknowledged = async {
        loop {
            if let Message::Text(json) = echo.next().await.unwrap().unwrap()
                && let ServerControl::Ack { frames } = ServerControl::from_json(&json).unwrap()
                && frames == pieces.len() as u64
            {
                return;
            }
        }
    };
    soon("acks for what was there already", acknowledged).await;
    echo.send(Message::text(ClientControl::Presence(Default::default()).to_json())).await.unwrap();
    server.stop().await.unwrap();
    assert_eq!(store.clone().load(&room).unwrap(), pieces);
}
