//! Many and slow ones, against the real program: what they cost it and what they cost others.
//!
//! Small by default; `IDLE_SOCKETS=10000`, `SLOWLORIS=3000` and `KEYS=2000` make them as large as by hand. Only loopback is
//! ever used.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use cede::Chars;
use cede::sync::Message as Sync;
use cede_net::wire::PROTOCOL;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::cast::{Folder, Person, Raw, hello, noise, raw, raw_hello, raw_with_small_buffer, soon, until};
use crate::crowd::size;
use crate::program::Program;

/// What measures does so alone.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Tells the server that nothing is held here, so that it begins to send.
async fn take_part(socket: &mut Raw) {
    socket.send(hello(PROTOCOL)).await.unwrap();
    socket.send(Message::binary(Sync::Meta(cede::Summary::new()).encode())).await.unwrap();
}

/// How much the program holds after 12 MiB that hardly compress have passed through it to one reader of this kind.
async fn memory_beside_a_reader(reads: bool) -> u64 {
    let folder = Folder::new(if reads { "reader" } else { "mute" });
    let program = Program::start_frugal(&folder.file("rooms.redb"), "127.0.0.1:0");
    let mut reader = raw_with_small_buffer(&program.target).await;
    take_part(&mut reader).await;
    // Either task holds the socket; one of them never looks at it.
    let reading = tokio::spawn(async move {
        while reads && reader.next().await.is_some_and(|message| message.is_ok()) {}
        std::future::pending::<()>().await;
        drop(reader);
    });
    let mut ada = Person::new("Ada", program.target.clone());
    for number in 0..48 {
        let end = ada.session.text().len::<Chars>();
        ada.session.insert(end, &noise(number, 256 * 1024)).unwrap();
        ada.flush();
        until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    }
    let memory = program.memory_kib();
    reading.abort();
    memory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_reader_costs_no_memory() {
    let _alone = ALONE.lock().await;
    // The least of a few: what is under way at that moment differs.
    let (mut beside_mute, mut beside_reader) = (u64::MAX, u64::MAX);
    for _ in 0..2 {
        beside_reader = beside_reader.min(memory_beside_a_reader(true).await);
        beside_mute = beside_mute.min(memory_beside_a_reader(false).await);
    }
    println!("{beside_reader} KiB beside one that reads, {beside_mute} KiB beside one that does not");
    assert!(beside_mute < beside_reader + 2 * 1024, "{beside_mute} KiB, {beside_reader} KiB without");
}

/// From a key to the other's screen.
async fn key(ada: &mut Person, ben: &mut Person) -> Duration {
    let before = ben.session.document().event_count();
    let began = Instant::now();
    ada.types("x");
    until("a key to arrive", [ada, ben], |[_, ben]| ben.session.document().event_count() > before).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_reader_keeps_nobody_waiting() {
    let _alone = ALONE.lock().await;
    let keys = size("KEYS", 200);
    let folder = Folder::new("beside-slow");
    let program = Program::start(&folder.file("rooms.redb"), "127.0.0.1:0", &[]);
    // Two rooms alike but for five people in one who read nothing, and whose queues are full.
    let mut rooms = Vec::new();
    let mut mute = Vec::new();
    for (name, slow) in [("without", 0), ("with", 5)] {
        let mut ada = Person::new("Ada", program.room(name));
        let mut ben = Person::new("Ben", program.room(name));
        for _ in 0..slow {
            let mut socket = raw_with_small_buffer(&program.room(name)).await;
            let agent = cede::AgentId::new(1000 + mute.len() as u128);
            let said = cede_net::wire::ClientControl::Hello {
                protocol: PROTOCOL,
                name: "slow".into(),
                color: cede_net::presence::Color(0, 0, 0),
                agent,
                token: None,
            };
            socket.send(Message::text(said.to_json())).await.unwrap();
            socket.send(Message::binary(Sync::Meta(cede::Summary::new()).encode())).await.unwrap();
            mute.push(socket);
        }
        ada.session.insert(Chars(0), &noise(7, 4 * 1024 * 1024)).unwrap();
        ada.flush();
        until("everything to be there", [&mut ada, &mut ben], |[ada, ben]| {
            ada.is_settled() && ben.text().len() == ada.text().len() && ada.link.peers().len() == 1 + slow
        })
        .await;
        rooms.push((ada, ben));
    }
    // Key by key in turn, so that whatever else the machine does meets both; the best of a few rounds, since it only ever
    // adds, and of more while that is much.
    let is_alike = |[without, with]: [Duration; 2]| {
        // Half a millisecond is what a busy machine adds to a p99 by itself.
        with <= without.mul_f64(1.2) + Duration::from_micros(500)
    };
    let mut best = [Duration::MAX; 2];
    for round in 0..40 {
        if round >= 10 && is_alike(best) {
            break;
        }
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..keys {
            for (times, (ada, ben)) in times.iter_mut().zip(&mut rooms) {
                times.push(key(ada, ben).await);
            }
        }
        for (best, mut times) in best.iter_mut().zip(times) {
            times.sort_unstable();
            *best = (*best).min(times[times.len() * 99 / 100]);
        }
    }
    let [without, with] = best;
    println!("p99 {without:?} without slow readers, {with:?} with five");
    assert!(is_alike(best), "{with:?} beside {without:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn many_idle_sockets() {
    let _alone = ALONE.lock().await;
    let count = size("IDLE_SOCKETS", 500);
    let folder = Folder::new("idle");
    let program = Program::start(&folder.file("rooms.redb"), "127.0.0.1:0", &[]);
    // Warm: what is there once is not counted.
    for number in 0..50 {
        drop(raw_hello(&program.room(&format!("warm-{number}"))).await);
    }
    let before = program.memory_kib();
    let mut idle = Vec::with_capacity(count);
    for number in 0..count {
        // Two in a room, as in most.
        let mut socket = raw(&program.room(&format!("room-{}", number / 2))).await;
        let said = cede_net::wire::ClientControl::Hello {
            protocol: PROTOCOL,
            name: "idle".into(),
            color: cede_net::presence::Color(0, 0, 0),
            agent: cede::AgentId::new(number as u128),
            token: None,
        };
        socket.send(Message::text(said.to_json())).await.unwrap();
        soon("welcome", socket.next()).await.unwrap().unwrap();
        idle.push(socket);
    }
    let per_socket = (program.memory_kib() - before) as f64 / count as f64;
    println!("{per_socket:.1} KiB for each of {count} idle connections, two in a room");
    let mut ada = Person::new("Ada", program.room("busy"));
    ada.types("as ever");
    until("others to be served", [&mut ada], |[ada]| ada.is_settled()).await;
    assert!(per_socket <= 24.0, "{per_socket:.1} KiB a connection");
    program.terminate();
}
