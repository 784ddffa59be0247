//! People in rooms: typing together, coming late, seeing each other, agreeing.

use crate::cast::{Person, Server, soon, until};
use cede::sync::Message as Sync;
use cede::{Bias, Chars};
use cede_net::client::State;
use cede_net::presence::{Agreement, Color, Presence};
use cede_net::room::RoomName;
use cede_net::store::{MemoryStore, Store, StoreError};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn two_people_type_at_once_and_words_stay_whole() {
    let server = Server::start(MemoryStore::default()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    let mut ben = Person::new("Ben", server.target("notes"));
    until("both to be online", [&mut ada, &mut ben], |people| {
        people.iter().all(|person| *person.link.state() == State::Online)
    })
    .await;

    ada.types("analytical ");
    ben.types("benevolent ");
    until("both to have both words", [&mut ada, &mut ben], |people| {
        people.iter().all(|person| person.text().len() == 22 && person.is_settled())
    })
    .await;

    assert_eq!(ada.text(), ben.text());
    assert!(ada.text().contains("analytical ") && ada.text().contains("benevolent "), "{}", ada.text());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn who_comes_late_gets_everything() {
    let server = Server::start(MemoryStore::default()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    // Several chunks, so that the answer to META is more than one frame.
    let long = "The quick brown fox. ".repeat(20_000);
    ada.session.insert(Chars(0), &long).unwrap();
    ada.flush();
    until("the text to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    ada.client.close().await;

    let mut ben = Person::new("Ben", server.target("notes"));
    until("the text to come", [&mut ben], |[ben]| *ben.link.state() == State::Online).await;
    assert_eq!(ben.text(), long, "online means that everything is there");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn rooms_do_not_mix() {
    let server = Server::start(MemoryStore::default()).await;
    let mut here = Person::new("Ada", server.target("here"));
    let mut there = Person::new("Ben", server.target("there"));
    here.types("here");
    there.types("there");
    until("both to be stored", [&mut here, &mut there], |people| people.iter().all(|person| person.is_settled())).await;
    let mut late = Person::new("Cleo", server.target("here"));
    until("the third to be online", [&mut late], |[late]| *late.link.state() == State::Online).await;
    assert_eq!((late.text(), there.text()), ("here".to_owned(), "there".to_owned()));
    assert_eq!(late.link.peers().len(), 1, "{:?}", late.link.peers());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn carets_are_seen_and_vanish_with_their_connection() {
    let server = Server::start(MemoryStore::default()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    let mut ben = Person::new("Ben", server.target("notes"));
    ada.types("word");
    let (start, end) =
        (ada.session.anchor(Chars(0), Bias::Right).unwrap(), ada.session.anchor(Chars(4), Bias::Left).unwrap());
    ada.link.set_presence(Presence { caret: Some(end), selection: Some((start, end)) });
    ada.flush();
    until("Ben to see Ada's selection", [&mut ada, &mut ben], |[_, ben]| {
        ben.text() == "word" && ben.link.peers().iter().any(|peer| peer.presence.selection.is_some())
    })
    .await;
    let seen = &ben.link.peers()[0];
    assert_eq!((seen.name.as_str(), seen.color, seen.agent), ("Ada", Color(200, 100, 50), ada.session.agent()));
    assert_eq!(seen.presence.caret, Some(end));
    assert_eq!(ben.session.resolve::<Chars>(&end), Some(Chars(4)));

    let mut cleo = Person::new("Cleo", server.target("notes"));
    until("who comes late to see it too", [&mut cleo], |[cleo]| {
        cleo.link.peers().iter().any(|peer| peer.name == "Ada" && peer.presence.caret.is_some())
    })
    .await;

    // Ada's program is gone without a word.
    drop(ada);
    until("Ada to be gone", [&mut ben, &mut cleo], |people| {
        people.iter().all(|person| person.link.peers().iter().all(|peer| peer.name != "Ada"))
    })
    .await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn everybody_learns_that_they_see_the_same() {
    let server = Server::start(MemoryStore::default()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    let mut ben = Person::new("Ben", server.target("notes"));
    ada.types("the same");
    until("agreement", [&mut ada, &mut ben], |people| {
        people.iter().all(|person| {
            let peers = person.link.peers();
            person.text() == "the same"
                && person.link.in_sync(&person.session)
                && peers.len() == 1
                && peers[0].agreement == Agreement::Equal
        })
    })
    .await;
    ben.types("!");
    assert!(!ben.link.in_sync(&ben.session), "what is under way is not in sync");
    until("agreement again", [&mut ada, &mut ben], |people| {
        people.iter().all(|person| person.text().contains('!') && person.link.in_sync(&person.session))
    })
    .await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn an_empty_room_leaves_memory_and_comes_back() {
    let config = cede_net::server::Config { linger: std::time::Duration::ZERO, ..Default::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    for (round, text) in ["once ", "twice ", "thrice "].into_iter().enumerate() {
        let mut ada = Person::new(&format!("Ada {round}"), server.target("notes"));
        until("the room to come back", [&mut ada], |[ada]| *ada.link.state() == State::Online).await;
        let end = ada.session.text().len::<Chars>();
        ada.session.move_caret(end).unwrap();
        ada.types(text);
        until("the text to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
        soon("goodbye", ada.client.close()).await;
    }
    let mut ben = Person::new("Ben", server.target("notes"));
    until("the room to come back", [&mut ben], |[ben]| *ben.link.state() == State::Online).await;
    assert_eq!(ben.text(), "once twice thrice ");
    server.stop().await.unwrap();
}

/// A store that takes its time: loading waits until it is let go.
#[derive(Clone)]
struct Slow {
    store: MemoryStore,
    open: std::sync::Arc<(std::sync::Mutex<bool>, std::sync::Condvar)>,
    asked: std::sync::Arc<tokio::sync::Notify>,
}

impl Store for Slow {
    fn load(&mut self, room: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
        self.asked.notify_one();
        let closed = self.open.0.lock().unwrap();
        drop(self.open.1.wait_while(closed, |open| !*open).unwrap());
        self.store.load(room)
    }

    fn append(&mut self, batch: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
        self.store.append(batch)
    }
}

/// A store with a text of several chunks, and the text.
async fn stored() -> (MemoryStore, String) {
    let store = MemoryStore::default();
    let server = Server::start(store.clone()).await;
    let mut ada = Person::new("Ada", server.target("notes"));
    let text = crate::cast::noise(1, 200_000);
    ada.session.insert(Chars(0), &text).unwrap();
    ada.flush();
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    server.stop().await.unwrap();
    (store, text)
}

/// @y/websocket-server says so of an empty document.
#[tokio::test]
async fn nobody_is_told_synced_before_the_room_is_loaded() {
    let (store, text) = stored().await;
    let slow = Slow { store, open: Default::default(), asked: Default::default() };
    let server = Server::start(slow.clone()).await;
    let mut early = crate::cast::raw_hello(&server.target("notes")).await;
    let mut ben = Person::new("Ben", server.target("notes"));
    soon("the store to be asked", slow.asked.notified()).await;
    // Whatever is said now is said of a room that nobody has read yet.
    let said = tokio::time::timeout(std::time::Duration::from_millis(200), early.next()).await;
    assert!(said.is_err(), "{said:?}");
    *slow.open.0.lock().unwrap() = true;
    slow.open.1.notify_all();
    until("Ben to be online", [&mut ben], |[ben]| *ben.link.state() == State::Online).await;
    assert_eq!(ben.text(), text, "online means that everything is there");
    server.stop().await.unwrap();
}

/// Hocuspocus sends it once for the load and once for the join.
#[tokio::test]
async fn a_join_that_loads_the_room_is_sent_it_once() {
    let (store, text) = stored().await;
    let server = Server::start(store).await;
    let mut first = crate::cast::raw_hello(&server.target("notes")).await;
    let meta = Sync::Meta(cede::Summary::new()).encode();
    first.send(Message::binary(meta)).await.unwrap();
    let (mut document, mut bytes, mut dones) = (cede::Document::new(), 0, 0);
    // Until the room has been quiet for a moment and says where it stands.
    let reading = async {
        loop {
            match first.next().await.unwrap().unwrap() {
                Message::Binary(frame) => match Sync::decode(&frame).unwrap() {
                    Sync::Data(data) => {
                        bytes += data.len();
                        document.import::<Chars>(&data).unwrap();
                    }
                    Sync::Done => dones += 1,
                    Sync::Meta(_) => {}
                },
                Message::Text(json) if json.contains("\"version\"") => return,
                _ => {}
            }
        }
    };
    soon("the room to be quiet", reading).await;
    assert_eq!((document.to_string(), dones), (text, 1));
    let once: usize = document.chunks_since(&cede::Summary::new(), 64 * 1024).iter().map(Vec::len).sum();
    assert!(bytes <= once + once / 10, "{bytes} bytes were sent of {once}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_room_that_nobody_edits_lets_go_of_its_text_and_wakes_for_the_next_key() {
    let config = cede_net::server::Config { linger: std::time::Duration::from_millis(50), ..Default::default() };
    let server = Server::start_with(MemoryStore::default(), config, "127.0.0.1:0").await;
    let mut ada = Person::new("Ada", server.target("notes"));
    let mut ben = Person::new("Ben", server.target("notes"));
    for round in 1..=3 {
        ada.types("key ");
        until("Ben to have it, and both to agree", [&mut ada, &mut ben], |people| {
            people.iter().all(|person| person.text() == "key ".repeat(round) && person.link.in_sync(&person.session))
        })
        .await;
        // Longer than the room waits before it rests; nothing that could be waited for tells of it.
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    }
    let mut late = Person::new("Cleo", server.target("notes"));
    until("who comes late to have everything", [&mut late], |[late]| *late.link.state() == State::Online).await;
    assert_eq!(late.text(), "key ".repeat(3));
    server.stop().await.unwrap();
}

/// Pieces gather while somebody is always in, and only a room that is loaded had them put together: this one is never loaded
/// again.
#[tokio::test]
async fn a_room_that_wakes_from_many_pieces_is_stored_in_one_again() {
    let config = cede_net::server::Config { linger: std::time::Duration::from_millis(50), ..Default::default() };
    let (mut store, room): (_, RoomName) = (MemoryStore::default(), "notes".parse().unwrap());
    let server = Server::start_with(store.clone(), config, "127.0.0.1:0").await;
    let mut ada = Person::new("Ada", server.target("notes"));
    ada.types("first ");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    // Longer than the room waits before it rests; nothing that could be waited for tells of it.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let mut other = cede::Session::new(cede::AgentId::new(77));
    let mut piece = |_| {
        other.insert(other.text().len::<Chars>(), "x").unwrap();
        (room.clone(), other.take_outgoing().unwrap())
    };
    let pieces: Vec<_> = (0..100).map(&mut piece).collect();
    store.append(&pieces).unwrap();
    ada.types("last");
    until("it to be stored", [&mut ada], |[ada]| ada.text().ends_with("last") && ada.is_settled()).await;
    let count = store.load(&room).unwrap().len();
    assert!(count < 10, "{count} pieces");
    let mut ben = Person::new("Ben", server.target("notes"));
    until("Ben to be in", [&mut ben], |[ben]| *ben.link.state() == State::Online).await;
    assert!(ben.text().contains("first last") && ben.text().contains(&"x".repeat(100)), "{}", ben.text());
    server.stop().await.unwrap();
}
