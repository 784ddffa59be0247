//! The thread that owns the store, and group commit: while one batch is being synced the next one gathers, and for a moment
//! after that.
//!
//! A commit costs the same whatever is in it, so keys that come one by one would cost one each. Nobody waits for acks: they
//! say what may be forgotten. What is typed is passed on before.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::room::RoomName;
use crate::store::{Store, StoreError};
use crate::wire::Refusal;

/// Jobs that wait for the thread. When they are that many, rooms wait, then their connections, then the network.
const JOBS: usize = 256;
/// A batch is closed at this many bytes, so that a flood does not keep everybody's acks waiting.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long the store rests after a commit, while the next batch gathers. As long as a room waits before it tells its version,
/// so that nobody is told later that all is well. The first key after a rest is committed at once.
const REST: Duration = Duration::from_millis(200);
/// More than this is worth a commit of its own, and whoever sends it may wait for the ack to send more.
pub(crate) const WORTH: usize = 16 * 1024;

/// Hands jobs to the thread; the thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// Tells what hosts have said by now.
type Said = Box<dyn Fn() -> Vec<u8> + Send>;

/// The latest that the writer has said to a room.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    /// The piece with this number is durable, and all of the room's before it.
    Durable(u64),
    /// Nothing will be stored from here on.
    Failed(Arc<str>),
}

enum Job {
    Load { room: RoomName, reply: oneshot::Sender<Result<Vec<Vec<u8>>, StoreError>> },
    Append { room: RoomName, piece: Vec<u8>, number: u64, reply: watch::Sender<Stored> },
    Replace { room: RoomName, whole: Vec<u8> },
    Delete { room: RoomName, reply: oneshot::Sender<Result<(), StoreError>> },
    KeepSaid(Said),
}

/// The thread's end: how the store failed, if it did.
pub(crate) type WriterThread = thread::JoinHandle<Option<Arc<str>>>;

/// The reason given when the store's thread is gone, which only a panic in the store can bring about.
const GONE: &str = "the store has stopped working";

impl Writer {
    pub(crate) fn start(store: impl Store) -> std::io::Result<(Self, WriterThread)> {
        Self::with_rest(store, REST)
    }

    fn with_rest(store: impl Store, rest: Duration) -> std::io::Result<(Self, WriterThread)> {
        let (jobs, queue) = mpsc::channel(JOBS);
        let (batch, waiting, rested) = (Vec::new(), Vec::new(), Instant::now());
        let work = Work { store, failure: None, batch, waiting, bytes: 0, said: None, rest, rested };
        // A clock of its own: the store outlasts whatever runs the connections. It runs only while the thread waits, for the
        // store may block as it likes.
        let clock = Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new().name("cede-store".to_owned());
        let thread = thread.spawn(move || work.run(&clock, queue))?;
        Ok((Self { jobs }, thread))
    }

    /// All pieces of a room, or why they cannot be had.
    pub(crate) async fn load(&self, room: RoomName) -> Result<Vec<Vec<u8>>, (Refusal, String)> {
        let (reply, loaded) = oneshot::channel();
        let sent = self.jobs.send(Job::Load { room, reply }).await;
        let loaded = if sent.is_ok() { loaded.await.ok() } else { None };
        let loaded = loaded.ok_or_else(|| (Refusal::Unavailable, GONE.to_owned()))?;
        loaded.map_err(|error| match error {
            StoreError::Absent { .. } => (Refusal::Absent, error.to_string()),
            StoreError::Open(_) | StoreError::Read { .. } | StoreError::Write(_) => {
                (Refusal::Unavailable, error.to_string())
            }
        })
    }

    /// Stores a piece in its own time and then says so.
    pub(crate) async fn append(&self, room: &RoomName, piece: Vec<u8>, number: u64, reply: &watch::Sender<Stored>) {
        let job = Job::Append { room: room.clone(), piece, number, reply: reply.clone() };
        if self.jobs.send(job).await.is_err() {
            reply.send_replace(Stored::Failed(GONE.into()));
        }
    }

    /// Puts one piece in the place of a room's many. Nobody waits for it, and failing changes nothing.
    pub(crate) async fn replace(&self, room: RoomName, whole: Vec<u8>) {
        let _ = self.jobs.send(Job::Replace { room, whole }).await;
    }

    /// Keeps what hosts have said, which is asked for when it is written: rooms that say something at the same moment are not
    /// heard here in the order in which it holds. It holds already, so nobody waits.
    pub(crate) async fn keep_said(&self, said: impl Fn() -> Vec<u8> + Send + 'static) {
        let _ = self.jobs.send(Job::KeepSaid(Box::new(said))).await;
    }

    /// Forgets a room, after everything that was to be stored before.
    pub(crate) async fn delete(&self, room: RoomName) -> Result<(), (Refusal, String)> {
        let (reply, deleted) = oneshot::channel();
        let sent = self.jobs.send(Job::Delete { room, reply }).await;
        let deleted = if sent.is_ok() { deleted.await.ok() } else { None };
        let deleted = deleted.ok_or_else(|| (Refusal::Unavailable, GONE.to_owned()))?;
        deleted.map_err(|error| (Refusal::Unavailable, error.to_string()))
    }
}

/// The thread's own.
struct Work<S> {
    store: S,
    failure: Option<Arc<str>>,
    batch: Vec<(RoomName, Vec<u8>)>,
    /// Who waits for the batch, and for which number.
    waiting: Vec<(u64, watch::Sender<Stored>)>,
    bytes: usize,
    /// What hosts have said, if it is not in the store yet: each time is all of it, so the last is enough.
    said: Option<Said>,
    rest: Duration,
    /// When the store has rested from its last commit.
    rested: Instant,
}

impl<S: Store> Work<S> {
    fn run(mut self, clock: &Runtime, mut queue: mpsc::Receiver<Job>) -> Option<Arc<str>> {
        while let Some(first) = queue.blocking_recv() {
            self.take(first);
            self.gather(clock, &mut queue);
            self.commit();
        }
        self.failure
    }

    /// Takes in what comes until the batch is worth a commit, and no longer than until the store has rested.
    fn gather(&mut self, clock: &Runtime, queue: &mut mpsc::Receiver<Job>) {
        while self.has_something() && self.bytes < WORTH && self.failure.is_none() && Instant::now() < self.rested {
            match clock.block_on(async { timeout_at(self.rested, queue.recv()).await }) {
                Ok(Some(job)) => self.take(job),
                // Nobody is there to send any more, or it is time.
                Ok(None) | Err(_) => break,
            }
        }
        // Counted, because a queue that is filled as fast as it is emptied would keep everybody's acks waiting.
        for _ in 0..JOBS {
            if self.bytes >= BATCH_BYTES {
                break;
            }
            match queue.try_recv() {
                Ok(job) => self.take(job),
                Err(_) => break,
            }
        }
    }

    /// Whether there is anything to commit.
    fn has_something(&self) -> bool {
        !self.batch.is_empty() || self.said.is_some()
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Append { room, piece, number, reply } => {
                self.bytes += piece.len();
                self.batch.push((room, piece));
                self.waiting.push((number, reply));
            }
            // A room that left memory a moment ago is loaded with everything that it had stored.
            Job::Load { room, reply } => {
                if self.batch.iter().any(|(name, _)| *name == room) {
                    self.commit();
                }
                // Whoever asked may have gone.
                let _ = reply.send(self.store.load(&room));
            }
            Job::Replace { room, whole } => {
                self.commit();
                if self.failure.is_none()
                    && let Err(error) = self.store.replace(&room, &whole)
                {
                    self.failure = Some(error.to_string().into());
                }
            }
            Job::KeepSaid(said) => self.said = Some(said),
            Job::Delete { room, reply } => {
                self.commit();
                // A room that stays because it cannot be deleted has lost nothing, so the store is as good as before.
                let deleted = match &self.failure {
                    None => self.store.delete(&room),
                    Some(reason) => Err(StoreError::Write(reason.to_string().into())),
                };
                let _ = reply.send(deleted);
            }
        }
    }

    /// Makes the batch durable, or fails for good: what a failed sync left behind is unknown, so nothing after it
    /// may be called durable.
    fn commit(&mut self) {
        let had_something = self.has_something();
        if self.failure.is_none()
            && let Err(error) = self.write()
        {
            self.failure = Some(error.to_string().into());
        }
        if had_something {
            self.rested = Instant::now() + self.rest;
        }
        self.batch.clear();
        self.bytes = 0;
        for (number, reply) in self.waiting.drain(..) {
            let stored = match &self.failure {
                None => Stored::Durable(number),
                Some(reason) => Stored::Failed(reason.clone()),
            };
            // What comes later says more, so a room that is busy hears only the last.
            reply.send_replace(stored);
        }
    }

    /// What hosts have said is kept before what was typed since.
    fn write(&mut self) -> Result<(), StoreError> {
        if let Some(said) = self.said.take() {
            self.store.keep_said(&said())?;
        }
        if self.batch.is_empty() { Ok(()) } else { self.store.append(&self.batch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex, PoisonError};

    /// Records how large each batch was; the first waits until it is let go.
    #[derive(Clone, Default)]
    struct Gate {
        open: Arc<(Mutex<bool>, Condvar)>,
        batches: Arc<Mutex<Vec<usize>>>,
        /// What was kept of what hosts have said, each time.
        said: Arc<Mutex<Vec<Vec<u8>>>>,
        /// How long it takes to keep that.
        slowness: Duration,
        fails: bool,
    }

    impl Gate {
        fn open(&self) {
            *self.open.0.lock().unwrap() = true;
            self.open.1.notify_all();
        }
    }

    impl Store for Gate {
        fn load(&mut self, _: &RoomName) -> Result<Vec<Vec<u8>>, StoreError> {
            Ok(Vec::new())
        }

        fn append(&mut self, batch: &[(RoomName, Vec<u8>)]) -> Result<(), StoreError> {
            let closed = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.open.1.wait_while(closed, |open| !*open).unwrap());
            self.batches.lock().unwrap().push(batch.len());
            if self.fails { Err(StoreError::Write("disk full".into())) } else { Ok(()) }
        }

        fn keep_said(&mut self, said: &[u8]) -> Result<(), StoreError> {
            thread::sleep(self.slowness);
            self.said.lock().unwrap().push(said.to_vec());
            Ok(())
        }
    }

    /// Waits until this is durable.
    async fn until(stored: &mut watch::Receiver<Stored>, number: u64) {
        stored.wait_for(|stored| matches!(stored, Stored::Durable(found) if *found == number)).await.unwrap();
    }

    #[tokio::test]
    async fn what_gathers_during_a_commit_shares_the_next_one() {
        let gate = Gate::default();
        let (writer, thread) = Writer::start(gate.clone()).unwrap();
        let (reply, mut stored) = watch::channel(Stored::Durable(0));
        let room: RoomName = "r".parse().unwrap();
        for number in 1..=100 {
            writer.append(&room, vec![0], number, &reply).await;
        }
        gate.open();
        until(&mut stored, 100).await;
        drop(writer);
        assert!(thread.join().unwrap().is_none());
        let batches = gate.batches.lock().unwrap();
        assert_eq!(batches.iter().sum::<usize>(), 100);
        assert!(batches.len() <= 2, "one that was held up and one with all that came meanwhile: {batches:?}");
    }

    #[tokio::test]
    async fn what_comes_while_the_store_rests_shares_the_next_commit_and_much_ends_the_rest() {
        let gate = Gate::default();
        gate.open();
        let (writer, thread) = Writer::with_rest(gate.clone(), Duration::from_secs(3600)).unwrap();
        let (reply, mut stored) = watch::channel(Stored::Durable(0));
        let room: RoomName = "r".parse().unwrap();
        writer.append(&room, vec![0], 1, &reply).await;
        until(&mut stored, 1).await;
        for number in 2..=4 {
            writer.append(&room, vec![0], number, &reply).await;
            // Others' rooms are read meanwhile.
            writer.load("other".parse().unwrap()).await.unwrap();
        }
        writer.append(&room, vec![0; WORTH], 5, &reply).await;
        until(&mut stored, 5).await;
        writer.append(&room, vec![0], 6, &reply).await;
        // What is there when the room is read again is stored before.
        writer.load(room).await.unwrap();
        until(&mut stored, 6).await;
        drop(writer);
        assert!(thread.join().unwrap().is_none());
        assert_eq!(*gate.batches.lock().unwrap(), [1, 4, 1]);
    }

    /// Catches a commit for each order of a host, and a batch that is closed only when nothing comes any more: who says more
    /// than the store can keep up with would end everybody's acks.
    #[tokio::test]
    async fn a_host_who_says_a_thousand_things_keeps_nobody_elses_acks_away() {
        let gate = Gate { slowness: Duration::from_millis(20), ..Gate::default() };
        gate.open();
        let (writer, thread) = Writer::start(gate.clone()).unwrap();
        let talker = writer.clone();
        let talking = tokio::spawn(async move {
            for number in 0..1000_u32 {
                talker.keep_said(move || number.to_be_bytes().to_vec()).await;
            }
        });
        let (reply, mut stored) = watch::channel(Stored::Durable(0));
        for number in 1..=3 {
            writer.append(&"r".parse().unwrap(), vec![0], number, &reply).await;
            let acked = tokio::time::timeout(Duration::from_secs(5), until(&mut stored, number)).await;
            acked.expect("an ack while a host talks");
        }
        talking.await.unwrap();
        drop(writer);
        assert!(thread.join().unwrap().is_none());
        let said = gate.said.lock().unwrap();
        assert_eq!(said.last().unwrap()[..], 999_u32.to_be_bytes(), "the last that was said is kept");
        assert!(said.len() < 100, "{} commits for what hosts have said", said.len());
    }

    /// Catches a list that was made before another room's host had spoken and is kept after theirs.
    #[tokio::test]
    async fn what_hosts_have_said_is_asked_for_when_it_is_written() {
        let gate = Gate::default();
        let (writer, thread) = Writer::start(gate.clone()).unwrap();
        let (say, said) = std::sync::mpsc::channel();
        writer.keep_said(move || said.recv().unwrap()).await;
        say.send(b"one, and another".to_vec()).unwrap();
        gate.open();
        drop(writer);
        assert!(thread.join().unwrap().is_none());
        assert_eq!(*gate.said.lock().unwrap(), [b"one, and another"]);
    }

    #[tokio::test]
    async fn after_a_failure_nothing_is_called_durable() {
        let gate = Gate { fails: true, ..Gate::default() };
        gate.open();
        let (writer, thread) = Writer::start(gate.clone()).unwrap();
        let (reply, mut stored) = watch::channel(Stored::Durable(0));
        let room: RoomName = "r".parse().unwrap();
        for number in 1..=3 {
            writer.append(&room, vec![0], number, &reply).await;
            stored.changed().await.unwrap();
            assert!(matches!(*stored.borrow_and_update(), Stored::Failed(_)));
        }
        drop(writer);
        let failure = thread.join().unwrap().unwrap();
        assert_eq!(&*failure, "the store cannot write: disk full");
        assert_eq!(*gate.batches.lock().unwrap(), [1], "a failed store is not asked again");
    }
}
