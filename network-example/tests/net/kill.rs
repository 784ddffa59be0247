//! kill -9 of the real program again and again, at any moment, with twenty people typing: what was acknowledged is on the
//! disk, and soon after everybody is back everybody sees the same.
//!
//! `KILLS=1000 cargo test -p cede-net --test net kills` does it by hand and prints how long coming together took;
//! `SEED=n` for other moments (how the processes are scheduled is not the seed's to say).

use std::path::Path;
use std::time::{Duration, Instant};

use cede::{Chars, Document, EventSpan};
use cede_net::client::{Client, State};
use cede_net::store::{RedbStore, Store};
use futures_util::future::select_all;
use tokio::time::timeout;

use crate::cast::{Folder, PATIENCE, Person, Random};
use crate::load::size;
use crate::program::Program;

const PEOPLE: usize = 20;
/// From the start of the new process until all twenty see the same and nothing is unacknowledged.
const TOGETHER: Duration = Duration::from_secs(2);

struct Crowd {
    random: Random,
    people: Vec<Person>,
}

impl Crowd {
    fn new(seed: u64, program: &Program) -> Self {
        let person = |number| Person::with(&format!("P{number:02}"), Client::spawn(program.target.clone()));
        Self { random: Random::from_seed(seed), people: (0..PEOPLE).map(person).collect() }
    }

    /// Types so many letters, each by anybody, and takes in what comes meanwhile.
    async fn type_letters(&mut self, letters: usize) {
        for _ in 0..letters {
            let person = self.random.below(PEOPLE);
            self.type_somewhere(person);
            // The connections are tasks beside this one.
            tokio::task::yield_now().await;
            for person in &mut self.people {
                while let Some(incoming) = person.client.try_next() {
                    person.take(Some(incoming));
                }
            }
        }
    }

    fn type_somewhere(&mut self, person: usize) {
        let Self { random, people } = self;
        let session = &mut people[person].session;
        let length = session.text().len::<Chars>().0;
        match random.below(8) {
            0 => session.move_caret(Chars(random.below(length + 1))).unwrap(),
            1 if length > 0 => {
                let at = random.below(length);
                session.delete(Chars(at)..Chars(at + 1)).unwrap();
            }
            _ => {
                let caret: Chars = session.caret();
                let letter = char::from(b'a' + random.below(26) as u8);
                session.insert(caret, &letter.to_string()).unwrap();
            }
        }
        people[person].flush();
    }

    /// Lives until `done`, or until so many things have happened. Says whether it is done.
    async fn until(&mut self, what: &str, most: usize, done: impl Fn(&[Person]) -> bool) -> bool {
        let living = async {
            for _ in 0..most {
                if done(&self.people) {
                    return true;
                }
                let waiting = self
                    .people
                    .iter_mut()
                    .enumerate()
                    .map(|(number, person)| Box::pin(async move { (number, person.client.next().await) }));
                let ((number, incoming), ..) = select_all(waiting).await;
                assert!(incoming.is_some(), "a client of {number} has ended");
                self.people[number].take(incoming);
            }
            false
        };
        timeout(PATIENCE, living).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
    }

    /// What each has been told is durable: of their own events the first ones, since acks come in order.
    fn acknowledged(&self) -> Vec<EventSpan> {
        let mut all = Vec::new();
        for Person { session, link, .. } in &self.people {
            let own = session.document().summary();
            let own: Vec<EventSpan> = own.spans().filter(|span| span.agent == session.agent()).collect();
            let made: u64 = own.iter().map(|span| u64::from(span.len())).sum();
            let mut left = made.saturating_sub(link.unacknowledged(session)) as u32;
            for mut span in own {
                let taken = left.min(span.len());
                span.end.0 = span.start.0 + taken;
                left -= taken;
                if taken > 0 {
                    all.push(span);
                }
            }
        }
        all
    }
}

fn are_together(people: &[Person]) -> bool {
    let version = people[0].session.document().frontier();
    people.iter().all(|person| *person.link.state() == State::Online && person.is_settled())
        && people.iter().all(|person| person.session.document().frontier() == version)
}

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
    let mut crowd = Crowd::new(seed as u64, &program);
    crowd.until("all to be in", usize::MAX, are_together).await;
    let (mut times, mut open) = (Vec::new(), 0);
    for kill in 1..=kills {
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
