//! Fifty people behind a network that hinders and cuts them, for as long as wished: in the end all have the same, and the
//! server, a process of its own, holds no more memory than what was typed explains.
//!
//! `SOAK=3600 cargo test -p cede-net --test net soak` types for an hour, `SEED=n` on another network.
#![cfg(target_os = "linux")]

use std::time::Duration;

use cede::Chars;
use cede_net::client::Target;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cast::{Folder, Person};
use crate::crowd::{Crowd, are_together, size};
use crate::program::Program;
use crate::proxy::Proxy;

const PEOPLE: usize = 50;
/// Between two keys of anybody, in milliseconds, at most: some fifty keys a second.
const PACE: usize = 40;
/// Between two pauses, in keys.
const PAUSE: usize = 1000;
/// After so long a quiet room has let go of its document: the half minute that it waits, and some more.
const REST: Duration = Duration::from_secs(35);
/// What memory may vary by, in KiB: the allocator keeps what connections had.
const SLACK: u64 = 4 * 1024;
/// What the server keeps of one event, in bytes: the document of short runs, the META that each who comes back is sent, and
/// what the allocator makes of both. 113 to 132 measured in an hour.
const EVENT: u64 = 400;

/// What the server holds, in KiB, and how many events the document has.
fn standing(program: &Program, crowd: &Crowd) -> (u64, u64) {
    (program.memory_kib(), crowd.people[0].session.document().event_count())
}

fn are_in_sync(people: &[Person]) -> bool {
    let in_sync = |person: &Person| person.link.in_sync(&person.session) && person.link.peers().len() == PEOPLE - 1;
    are_together(people) && people.iter().all(in_sync)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_behind_a_bad_network_end_with_the_same() {
    let (seconds, seed) = (size("SOAK", 6) as u64, size("SEED", 1) as u64);
    let folder = Folder::new("soak");
    let store = folder.file("rooms.redb");
    let program = Program::start_frugal(&store, "127.0.0.1:0");
    let server = format!("{}:{}", program.target.host(), program.target.port()).parse().unwrap();
    let proxy = Proxy::start(server, seed).await;
    let target = Target::parse(&format!("ws://{}/notes", proxy.address)).unwrap();
    let mut crowd = Crowd::new(seed, &target, PEOPLE);
    let began = Instant::now();
    let (warm, end) = (began + Duration::from_secs(seconds) / 3, began + Duration::from_secs(seconds));
    let (mut key, mut keys, mut early) = (began, 0_usize, None);
    while Instant::now() < end {
        tokio::select! {
            () = crowd.next() => {}
            () = sleep_until(key) => {
                crowd.anybody_types();
                keys += 1;
                key = Instant::now() + Duration::from_millis(crowd.random.below(PACE) as u64);
                if Instant::now() >= warm {
                    early.get_or_insert_with(|| standing(&program, &crowd));
                }
                if keys % PAUSE == 0 {
                    crowd.pause().await;
                }
            }
        }
    }
    proxy.calm();
    let calm = Instant::now();
    crowd.until("all to have the same", usize::MAX, are_in_sync).await;
    let (early, late, cuts) = (early.expect("some keys"), standing(&program, &crowd), proxy.cuts());
    println!("{seconds} s, {keys} keys, {cuts} connections cut, together {:?} after the last key", calm.elapsed());
    println!("after a third {} KiB and {} events, at the end {} KiB and {}", early.0, early.1, late.0, late.1);
    let text = crowd.people[0].text();
    assert!(crowd.people.iter().all(|person| person.text() == text), "SEED={seed}: texts differ");
    assert!(cuts > 0, "nobody was cut off");
    let explained = early.0 + SLACK + (late.1 - early.1) * EVENT / 1024;
    assert!(late.0 <= explained, "SEED={seed}: {} KiB, where {explained} would be explained", late.0);
    // A room that nobody writes in lets go of its document. That takes half a minute, so only long runs wait for it.
    if seconds > 60 {
        let living = async {
            loop {
                crowd.next().await;
            }
        };
        // It never ends by itself.
        let _: Result<(), _> = timeout(REST, living).await;
        println!("at rest {} KiB", program.memory_kib());
    }
    // The same document and the same people, and a process that has not lived through any of it.
    program.kill();
    let program = Program::start_frugal(&store, &server.to_string());
    crowd.until("all to be back", usize::MAX, are_in_sync).await;
    // It reads the document when somebody writes.
    crowd.people[0].session.insert(Chars(0), "x").unwrap();
    crowd.people[0].flush();
    crowd.until("all to have one more", usize::MAX, are_in_sync).await;
    println!("a fresh server with the same document: {} KiB", program.memory_kib());
}
