//! kill -9 of the real program again and again, at any moment, with twenty people typing: what was acknowledged is on the
//! disk, and soon after everybody is back everybody sees the same.
//!
//! `KILLS=1000 cargo test -p cede-net --test net kills` does it by hand and prints how long coming together took;
//! `SEED=n` for other moments (how the processes are scheduled is not the seed's to say).

use std::path::Path;
use std::time::{Duration, Instant};

use cede::{Chars, Document, EventSpan};
use cede_net::store::{RedbStore, Store};

use crate::cast::Folder;
use crate::crowd::{Crowd, are_together, size};
use crate::program::Program;

const PEOPLE: usize = 20;
/// From the start of the new process until all twenty see the same and nothing is unacknowledged.
const TOGETHER: Duration = Duration::from_secs(2);

/// The history that a file holds.
fn stored(file: &Path) -> Document {
    let mut store = RedbStore::open(file).unwrap();
    let mut document = Document::new();
    for piece in store.load(&"notes".parse().unwrap()).unwrap() {
        document.import::<Chars>(&piece).unwrap();
    }
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_nothing_acknowledged_and_all_come_together() {
    let (kills, seed) = (size("KILLS", 10), size("SEED", 1));
    let folder = Folder::new("kills");
    let (file, copy) = (folder.file("rooms.redb"), folder.file("copy.redb"));
    let mut program = Program::start(&file, "127.0.0.1:0", &[]);
    let listen = format!("{}:{}", program.target.host(), program.target.port());
    let mut crowd = Crowd::new(seed as u64, &program.target, PEOPLE);
    crowd.until("all to be in", usize::MAX, are_together).await;
    let (mut times, mut open) = (Vec::new(), 0);
    for kill in 1..=kills {
        if kill % 100 == 0 {
            println!("{kill} kills, together after at most {:?}", times.iter().max());
        }
        let letters = 1 + crowd.random.below(100);
        crowd.type_letters(letters).await;
        program.kill();
        // What the dead one has said last may still be on its way.
        crowd
            .until("all to hear of it", usize::MAX, |people| people.iter().all(|person| person.link.me().is_none()))
            .await;
        let acknowledged = crowd.acknowledged();
        open += crowd.people.iter().filter(|person| !person.is_settled()).count();
        std::fs::copy(&file, &copy).unwrap();
        let began = Instant::now();
        program = Program::start(&file, &listen, &[]);
        crowd.type_letters(PEOPLE).await;
        if kill == kills || crowd.random.below(4) > 0 {
            crowd.until("all to be together again", usize::MAX, are_together).await;
            times.push(began.elapsed());
            crowd.pause().await;
        } else {
            // Once more, in the middle of coming back.
            let happenings = crowd.random.below(200);
            crowd.until("something to happen", happenings, |_| false).await;
        }
        let stored = stored(&copy);
        let is_lost = |span: &&EventSpan| stored.summary().missing(**span).count() > 0;
        let lost: Vec<_> = acknowledged.iter().filter(is_lost).collect();
        assert!(lost.is_empty(), "SEED={seed}, kill {kill}: acknowledged and not on the disk: {lost:?}");
    }
    let text = crowd.people[0].text();
    assert!(crowd.people.iter().all(|person| person.text() == text), "SEED={seed}: texts differ");
    assert_eq!(stored_when_quiet(program, &file), text);
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{kills} kills, {open} times somebody had events under way; together after {median:?}, at most {most:?}");
    assert!(most <= TOGETHER, "SEED={seed}: together after {most:?}");
}

/// What a program has on its disk when everybody has been told that all is there.
fn stored_when_quiet(program: Program, file: &Path) -> String {
    program.kill();
    stored(file).text().to_string()
}
