//! How fast the server is, beside a bare relay of WebSocket frames in the same run: from a key to the others' sockets, time of
//! the processor for 1,000 messages delivered, memory of an idle connection, and joining late.
//!
//! `cargo run --release -p cede-net --example server_speed`. Each server is a process of its own, on loopback, with everything
//! stored. `CLIENTS=2,10,100,500`, `KEYS_PER_SECOND=20`, `SECONDS=10`, `IDLE=2000` say how much; `LATE=FILE.cede` a document
//! to join late.

mod client;
mod process;
mod relay;

use std::time::{Duration, Instant};

use client::{Client, Delivery};
use process::{Kind, Process};
use tokio::time::{MissedTickBehavior, interval, sleep};

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().map_or(usual, |number| number.parse().expect("a number"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    match (words.next().as_deref(), words.next()) {
        (Some("serve"), Some(store)) => return process::serve(store.as_ref()).await,
        (Some("relay"), _) => return relay::serve().await,
        _ => {}
    }
    let clients = std::env::var("CLIENTS").unwrap_or_else(|_| "2,10,100".to_owned());
    println!("| clients | | p50 ms | p99 ms | CPU ms per 1,000 delivered |\n|---|---|---:|---:|---:|");
    for clients in clients.split(',').map(|count| count.parse().expect("a number")) {
        for kind in [Kind::Relay, Kind::Server] {
            typing(kind, clients).await;
        }
    }
    println!("\n| | KiB for an idle connection, two in a room | KiB after all have left |\n|---|---:|---:|");
    for kind in [Kind::Relay, Kind::Server] {
        idle(kind).await;
    }
    if let Ok(file) = std::env::var("LATE") {
        late(file.as_ref()).await;
    }
}

/// People in one room, of whom each types in turn.
async fn typing(kind: Kind, count: usize) {
    let process = Process::start(kind);
    let mut people = Vec::new();
    for number in 0..count {
        people.push(Client::join(&process, "room", number, kind).await);
    }
    sleep(Duration::from_millis(500)).await;
    let before = process.cpu();
    let mut ticks = interval(Duration::from_secs(1) / number("KEYS_PER_SECOND", 20) as u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let keys = number("KEYS_PER_SECOND", 20) * number("SECONDS", 10);
    for key in 0..keys as usize {
        ticks.tick().await;
        people[key % count].type_key();
    }
    sleep(Duration::from_millis(500)).await;
    let cpu = process.cpu() - before;
    let mut times = Vec::new();
    for person in people {
        times.extend(person.leave().await.into_iter().map(|Delivery { after }| after));
    }
    times.sort_unstable();
    let expected = keys as usize * (count - 1);
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let cpu = cpu.as_secs_f64() * 1e6 / times.len() as f64;
    println!("| {count} | {kind} | {:.2} | {:.2} | {cpu:.1} |", at(50), at(99));
    assert!(times.len() >= expected * 99 / 100, "{} of {expected} were delivered", times.len());
}

async fn idle(kind: Kind) {
    let process = Process::start(kind);
    let mut warm = Vec::new();
    for number in 0..20 {
        warm.push(Client::join(&process, "warm", number, kind).await);
    }
    let before = process.memory_kib();
    let count = number("IDLE", 2000) as usize;
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        people.push(Client::join(&process, &format!("room-{}", number / 2), 100 + number, kind).await);
    }
    sleep(Duration::from_secs(1)).await;
    let full = process.memory_kib();
    drop(people);
    // Longer than a room stays in memory without anybody.
    sleep(Duration::from_secs(if kind == Kind::Server { 33 } else { 2 })).await;
    let each = (full - before) as f64 / count as f64;
    println!("| {kind} | {each:.1} | {} more than before |", process.memory_kib().saturating_sub(before));
}

/// Somebody joins a document that is in memory; the best of ten.
async fn late(file: &std::path::Path) {
    let process = Process::start(Kind::Server);
    let (records, _) = cede::storage::LogFile::read(file).expect("a .cede file");
    let mut document = cede::Document::new();
    for record in records.iter().filter(|record| record.kind == cede::storage::Kind::Events) {
        document.import::<cede::Chars>(&record.payload).expect("events");
    }
    let first = Client::bring(&process, "late", &document).await;
    let mut best = (Duration::MAX, 0);
    for number in 0..10 {
        let began = Instant::now();
        let bytes = Client::fetch(&process, "late", number, document.event_count()).await;
        best = best.min((began.elapsed(), bytes));
    }
    drop(first);
    let events = document.event_count();
    println!("\nlate join of {events} events: {:.2} ms, {} bytes", best.0.as_secs_f64() * 1e3, best.1);
}
