//! Two workers on one table: their files in memory, and a hand that takes a worker away at any call to them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::mailbox::{Disk, MailboxError, Progress, Role, Setup, Worker};

pub(super) const OUTPUT: &str = "merged";

/// Names and bytes. Clones share them.
pub(super) type Files = Rc<RefCell<BTreeMap<PathBuf, Vec<u8>>>>;

/// A worker is killed before the call of this number, or in the middle of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kill {
    Before(u64),
    /// Half of what is written stands there; a call that writes nothing is not begun.
    Within(u64),
}

/// What was in each file when it was removed last.
type Removed = Rc<RefCell<BTreeMap<PathBuf, Vec<u8>>>>;

/// The files as one worker sees them.
#[derive(Clone, Default)]
pub(super) struct Table {
    files: Files,
    removed: Removed,
    calls: Rc<Cell<u64>>,
    kill: Option<Kill>,
    /// What happens between two calls: the other worker goes on.
    aside: Option<Rc<dyn Fn()>>,
}

impl Table {
    /// A worker that nobody kills.
    pub(super) fn of(files: &Files) -> Self {
        Self { files: files.clone(), ..Self::default() }
    }

    /// Counts a call. How much of it is done, if the worker is killed at it.
    fn begin(&self) -> io::Result<bool> {
        if let Some(aside) = &self.aside {
            aside();
        }
        self.calls.set(self.calls.get() + 1);
        match self.kill {
            Some(Kill::Before(at)) if at <= self.calls.get() => Err(io::Error::other("killed")),
            Some(Kill::Within(at)) if at < self.calls.get() => Err(io::Error::other("killed")),
            Some(Kill::Within(at)) => Ok(at == self.calls.get()),
            _ => Ok(false),
        }
    }

    /// A call that happens as a whole or not at all.
    fn whole(&self) -> io::Result<()> {
        if self.begin()? { Err(io::Error::other("killed")) } else { Ok(()) }
    }
}

impl Disk for Table {
    fn claim(&mut self, _: &Path) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.whole()?;
        Ok(self.files.borrow().get(path).cloned().ok_or(io::ErrorKind::NotFound)?)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.whole()?;
        Ok(self.files.borrow().contains_key(path))
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let is_half = self.begin()?;
        let bytes = if is_half { &bytes[..bytes.len() / 2] } else { bytes };
        self.files.borrow_mut().insert(path.to_owned(), bytes.to_vec());
        if is_half { Err(io::Error::other("killed")) } else { Ok(()) }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole()?;
        let bytes = self.files.borrow_mut().remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.files.borrow_mut().insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.whole()?;
        let bytes = self.files.borrow_mut().remove(path).ok_or(io::ErrorKind::NotFound)?;
        self.removed.borrow_mut().insert(path.to_owned(), bytes);
        Ok(())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.whole()?;
        Ok(self.files.borrow().get(path).map_or(0, |bytes| bytes.len() as u64))
    }

    fn cut(&mut self, path: &Path, len: u64) -> io::Result<()> {
        self.whole()?;
        self.files.borrow_mut().entry(path.to_owned()).or_default().resize(len as usize, 0);
        Ok(())
    }

    fn write_at(&mut self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let is_half = self.begin()?;
        let bytes = if is_half { &bytes[..bytes.len() / 2] } else { bytes };
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        let end = file.len().max(at as usize + bytes.len());
        file.resize(end, 0);
        file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        if is_half { Err(io::Error::other("killed")) } else { Ok(()) }
    }
}

/// Both workers, their files, and what has to come out.
pub(super) struct Desk {
    pub(super) files: Files,
    workers: [Rc<RefCell<Worker<Table>>>; 2],
    tables: [Table; 2],
    expected: String,
    /// How many kills have come about.
    pub(super) deaths: u64,
}

/// 0 is A, 1 is B.
pub(super) const NAMES: [&str; 2] = ["a", "b"];

pub(super) fn setup(who: usize) -> Setup {
    let name = |who: usize, what: &str| PathBuf::from(format!("{}.{what}", NAMES[who]));
    Setup {
        input: name(who, "json"),
        inbox: name(who, "inbox"),
        partner: name(1 - who, "inbox"),
        state: name(who, "state"),
        output: (who == 1).then(|| OUTPUT.into()),
    }
}

impl Desk {
    pub(super) fn new(lists: &[Vec<i64>; 2]) -> Self {
        let files = Files::default();
        for (who, list) in lists.iter().enumerate() {
            files.borrow_mut().insert(setup(who).input, serde_json::to_vec(list).unwrap());
        }
        let tables = [0, 1].map(|_| Table::of(&files));
        let open = |who: usize| Rc::new(RefCell::new(Worker::open(setup(who), tables[who].clone()).unwrap()));
        let mut sorted = lists.concat();
        sorted.sort_unstable();
        let expected = sorted.iter().map(|value| format!("{value}\n")).collect();
        Self { files, workers: [open(0), open(1)], tables: tables.clone(), expected, deaths: 0 }
    }

    /// How many calls a worker has made, since it was last begun.
    pub(super) fn calls(&self, who: usize) -> u64 {
        self.tables[who].calls.get()
    }

    /// The process is gone, and another one goes on from the files; it is killed as said.
    pub(super) fn restart(&mut self, who: usize, kill: Option<Kill>) {
        self.begin(who, kill, None);
    }

    fn begin(&mut self, who: usize, kill: Option<Kill>, aside: Option<Rc<dyn Fn()>>) {
        self.tables[who] = Table { removed: self.tables[who].removed.clone(), ..Table::of(&self.files) };
        let table = Table { kill, aside, ..self.tables[who].clone() };
        match Worker::open(setup(who), table) {
            Ok(worker) => self.workers[who] = Rc::new(RefCell::new(worker)),
            // Before it has read everything; it is started again.
            Err(error) if is_killed(&error) => {
                self.deaths += 1;
                self.begin(who, None, None);
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// This worker is started again, and the other goes a step on before each of its calls, or before that of this number.
    pub(super) fn interrupt(&mut self, who: usize, before: Option<u64>) {
        let other = self.workers[1 - who].clone();
        let calls = Cell::new(0);
        let aside: Rc<dyn Fn()> = Rc::new(move || {
            calls.set(calls.get() + 1);
            if before.is_none_or(|before| before == calls.get()) {
                other.borrow_mut().step().unwrap();
            }
        });
        self.begin(who, None, Some(aside));
    }

    /// One step. A worker that is killed in it is started again.
    pub(super) fn step(&mut self, who: usize) -> Progress {
        let before = self.worker(who, |worker| worker.statistics());
        let done = self.workers[who].borrow_mut().step();
        match done {
            Ok(progress) => {
                let after = self.worker(who, |worker| worker.statistics());
                assert!(after.sent <= before.sent + 1, "two messages in one step");
                assert!(after.received <= before.received + 1, "two messages taken in one step");
                assert!(after.output <= before.output + 10, "eleven values in one step");
                self.assert_good_so_far();
                progress
            }
            Err(error) if is_killed(&error) => {
                self.deaths += 1;
                self.restart(who, None);
                Progress::Worked
            }
            Err(error) => panic!("worker {}: {error}", NAMES[who]),
        }
    }

    pub(super) fn worker<T>(&self, who: usize, ask: impl FnOnce(&Worker<Table>) -> T) -> T {
        ask(&self.workers[who].borrow())
    }

    /// What stands in the output is the start of what is to come, whole lines or a line in the making.
    fn assert_good_so_far(&self) {
        let files = self.files.borrow();
        let output = files.get(Path::new(OUTPUT)).map_or(&[][..], Vec::as_slice);
        assert!(self.expected.as_bytes().starts_with(output), "{:?}", String::from_utf8_lossy(output));
    }

    /// Steps in an order that `who` says until both have found twice that there is nothing left to do: the first time the
    /// other may have been at it in between.
    pub(super) fn finish(&mut self, mut who: impl FnMut() -> usize) {
        let mut idle = [0; 2];
        let mut steps = 0;
        while idle.iter().any(|&times| times < 2) {
            let one = who();
            let progress = self.step(one);
            if progress == Progress::Worked {
                idle = [0; 2];
            } else {
                idle[one] += 1;
            }
            steps += 1;
            assert!(steps < 20_000, "no end after {steps} steps");
        }
        self.assert_merged();
    }

    pub(super) fn assert_merged(&self) {
        let output = self.files.borrow().get(Path::new(OUTPUT)).cloned().unwrap_or_default();
        assert_eq!(String::from_utf8(output).unwrap(), self.expected);
        for who in [0, 1] {
            let phase = self.worker(who, |worker| worker.phase());
            assert_eq!(phase, crate::mailbox::Phase::Done, "worker {}: waits for ever", NAMES[who]);
        }
    }

    /// Makes of a worker's state file what `damage` makes of its bytes.
    pub(super) fn damage(&mut self, who: usize, damage: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.files.borrow_mut().get_mut(&setup(who).state) {
            damage(bytes);
        }
    }

    /// That this file was removed was not on disk when the power went.
    pub(super) fn put_back(&mut self, path: &Path) {
        for table in &self.tables {
            if let Some(bytes) = table.removed.borrow().get(path) {
                self.files.borrow_mut().entry(path.to_owned()).or_insert_with(|| bytes.clone());
            }
        }
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.files.borrow_mut().remove(path);
    }
}

fn is_killed(error: &MailboxError) -> bool {
    matches!(error, MailboxError::Io { source, .. } if source.to_string() == "killed")
}

/// Both roles, for loops over workers.
pub(super) const ROLES: [Role; 2] = [Role::A, Role::B];
