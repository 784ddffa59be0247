//! The history file: every event, written as it is made.
//!
//! Knows the log file and which events it holds already; whatever a document has beyond that is
//! appended, own events and those of others alike, each once. Does not know where events come
//! from. Writing and syncing happen on a thread of their own, because a sync takes from
//! milliseconds to a second and typing must not wait for it; the order of what is handed over
//! is kept. When writing fails, the events stay in memory and the next attempt replaces the
//! whole file, which also heals a half-written end. What somebody else has put in its place
//! meanwhile is never replaced ([`History::is_displaced`]).

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

#[cfg(unix)]
use cede::storage::create_private;
use cede::storage::{Kind, LogFile, Outline, Record, StorageError, TornTail};
use cede::{Buffer, Document, Frontier, ImportError, Saved, SavedError, Summary};

#[cfg(unix)]
use crate::files::attributes;
use crate::files::resume::{Resume, ResumeError};

/// About how large one record becomes: far below what the log takes, far above what its head
/// costs.
const RECORD_BYTES: usize = 16 << 20;

/// A barrier that takes longer than this is a disk that hangs; the caller goes on without.
const BARRIER_PATIENCE: Duration = Duration::from_secs(10);

/// What a history file held when it was opened.
#[derive(Debug, Default)]
pub struct Loaded {
    /// All of its events.
    pub document: Document,
    /// The versions that the text file may hold, the surest first.
    pub saved: Vec<Frontier>,
    /// The undo history, for `Session::restore_undo` piece by piece.
    pub undo: Vec<Vec<u8>>,
    /// The end of the file was an unfinished record, which is dropped.
    pub torn: Option<TornTail>,
    /// A record beside the events was not understood; what it said is missing.
    pub resume_error: Option<ResumeError>,
    /// Such records, of a later version perhaps: they stay in the file.
    pub unknown: Vec<Record>,
    /// How many records the file had besides.
    pub records: usize,
}

impl Loaded {
    pub(crate) fn from_records(records: &[Record], torn: Option<TornTail>) -> Result<Self, SavedError> {
        let mut loaded = Self { torn, ..Self::default() };
        for record in records {
            match record.kind {
                Kind::Events => loaded.import(&record.payload)?,
                Kind::Saved => {
                    let document = Saved::open(&record.payload[..])?.document()?;
                    if loaded.document.is_new() {
                        loaded.document = document;
                    } else {
                        loaded.import(&document.encode())?;
                    }
                }
                Kind::Undo => match Resume::decode(&record.payload) {
                    Ok(Resume { saved, undo }) => {
                        loaded.saved = saved;
                        loaded.undo.push(undo);
                    }
                    Err(error) => {
                        loaded.resume_error = Some(error);
                        loaded.unknown.push(record.clone());
                    }
                },
            }
        }
        loaded.undo.retain(|piece| !piece.is_empty());
        loaded.records = records.len() - loaded.unknown.len();
        Ok(loaded)
    }

    fn import(&mut self, events: &[u8]) -> Result<(), ImportError> {
        self.document.import::<cede::Chars>(events).map(drop)
    }
}

/// The text of a history that was rewritten with its text in front and not written to since, without reading the rest;
/// `None` where there is more to do, or something is amiss.
#[must_use]
pub fn text_at_once(path: &Path) -> Option<Buffer> {
    let outline = Outline::read(path).ok()??;
    let mut kinds = outline.kinds();
    let only_saved = kinds.next() == Some(Kind::Saved) && kinds.all(|kind| kind == Kind::Undo);
    drop(kinds);
    let payload = if only_saved { outline.into_payload(0).ok()?? } else { return None };
    Saved::open(payload).ok().map(|saved| saved.text().clone())
}

/// What a rewritten file holds: the whole document in as few bytes as it takes, and what the next session needs besides.
pub(crate) fn rewritten(document: &Document, resume: &Resume) -> [Record; 2] {
    let document = Record { kind: Kind::Events, payload: document.encode() };
    [document, Record { kind: Kind::Undo, payload: resume.encode() }]
}

/// Reads a history without locking or changing it; an empty one when there is no such file.
///
/// # Errors
/// [`HistoryError`], never `Locked`.
pub fn read(path: &Path) -> Result<Loaded, HistoryError> {
    if !path.exists() {
        return Ok(Loaded::default());
    }
    let (records, torn) = LogFile::read(path).map_err(HistoryError::from_storage)?;
    Loaded::from_records(&records, torn).map_err(|source| HistoryError::refused(path, source))
}

/// An open history: the only writer of its file.
#[derive(Debug)]
pub struct History {
    jobs: mpsc::Sender<Job>,
    writer: Option<JoinHandle<()>>,
    /// Events handed to the writer, on disk or on their way.
    written: Summary,
    displaced: Arc<AtomicBool>,
}

/// What the writer has to say when it was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Everything handed over so far is on disk, which now has this many bytes.
    Kept {
        /// The size of the history file.
        bytes: u64,
    },
    /// Writing failed. What was handed over since the last `Kept` is in memory alone; call
    /// [`History::rewrite`] to try again.
    Failed {
        /// The system's reason.
        reason: String,
    },
}

/// How it went to get everything to the disk.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// It is there.
    Kept,
    /// It is not, and will not be without [`History::rewrite`].
    Failed,
    /// The disk has not answered for ten seconds. It may still.
    Late,
}

enum Job {
    Append(Vec<Record>),
    Rewrite(Box<(Document, Resume)>),
    /// To be answered when everything before it is synced, with whether it is.
    Barrier(Box<dyn FnOnce(bool) + Send>),
}

impl History {
    /// Opens or creates the history at `path` and locks it against other editors. `report` is
    /// called on the writer's thread.
    ///
    /// # Errors
    /// [`HistoryError`]; the file is as it was.
    pub fn open(path: &Path, report: impl FnMut(Report) + Send + 'static) -> Result<(Self, Loaded), HistoryError> {
        make_as_private(path);
        let opened = LogFile::open(path).map_err(HistoryError::from_storage)?;
        let loaded =
            Loaded::from_records(&opened.records, opened.torn).map_err(|source| HistoryError::refused(path, source))?;
        let empty = opened.records.is_empty() && opened.torn.is_none();
        drop(opened.records);
        let (jobs, inbox) = mpsc::channel();
        let displaced = Arc::<AtomicBool>::default();
        let writer = Writer {
            file: opened.file,
            path: path.into(),
            report,
            sound: true,
            empty,
            unknown: loaded.unknown.clone(),
            displaced: displaced.clone(),
        };
        let writer = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || writer.run(&inbox))
            .map_err(|source| HistoryError::NoThread { source })?;
        let written = loaded.document.summary();
        let history = Self { jobs, writer: Some(writer), written, displaced };
        Ok((history, loaded))
    }

    /// Appends the events of `document` that the file does not hold, and behind them, because it speaks of them, what
    /// the next session needs besides. They are handed over in one go, so that nothing comes in between. Returns at
    /// once; costs nothing when there is nothing.
    pub fn record(&mut self, document: &Document, resume: Option<&Resume>) {
        let mut records = Vec::new();
        let summary = document.summary();
        if summary != self.written {
            let pieces = document.chunks_since(&self.written, RECORD_BYTES).into_iter();
            records.extend(pieces.map(|payload| Record { kind: Kind::Events, payload }));
            self.written = summary;
        }
        records.extend(resume.map(|resume| Record { kind: Kind::Undo, payload: resume.encode() }));
        if !records.is_empty() {
            self.hand_over(Job::Append(records));
        }
    }

    /// Replaces the whole file: after a failure, or to make it smaller. `resume` is to hold the
    /// whole undo history. Returns at once: packing takes its time on the writer's thread.
    pub fn rewrite(&mut self, document: &Document, resume: Resume) {
        self.hand_over(Job::Rewrite(Box::new((document.clone(), resume))));
        self.written = document.summary();
    }

    /// Calls `done` on the writer's thread when everything handed over so far is on disk, with
    /// `true`, or has failed to get there, with `false`.
    pub fn when_synced(&self, done: impl FnOnce(bool) + Send + 'static) {
        self.hand_over(Job::Barrier(Box::new(done)));
    }

    /// Waits until everything handed over so far is on disk, but not for ever.
    pub fn sync(&self) -> Synced {
        let (answer, answered) = mpsc::channel();
        self.when_synced(move |kept| {
            // The asker may have lost patience.
            let _ = answer.send(kept);
        });
        match answered.recv_timeout(BARRIER_PATIENCE) {
            Ok(true) => Synced::Kept,
            Ok(false) | Err(mpsc::RecvTimeoutError::Disconnected) => Synced::Failed,
            Err(mpsc::RecvTimeoutError::Timeout) => Synced::Late,
        }
    }

    /// Whether somebody has moved the file away, put another one in its place or written over it, as git does and programs
    /// that copy files between machines. Nothing more is written then: whoever wants to go on drops this, which gives its
    /// lock back, and opens what is there now.
    #[must_use]
    pub fn is_displaced(&self) -> bool {
        self.displaced.load(Ordering::Relaxed)
    }

    fn hand_over(&self, job: Job) {
        // The writer ends only when this sender is dropped; were it gone by a panic, the panic
        // has been reported and every barrier answers `false` by not answering.
        let _ = self.jobs.send(job);
    }
}

/// Waits for the writer: what was handed over is on disk when this returns, if the disk lets it.
impl Drop for History {
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel();
        drop(std::mem::replace(&mut self.jobs, closed));
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Makes the file of a new history readable by those alone who may read the text that it belongs to. When that cannot
/// be done, opening says why.
#[cfg(unix)]
fn make_as_private(path: &Path) {
    let text = path.with_extension("");
    if fs::metadata(&text).is_ok_and(|metadata| metadata.is_file()) {
        let made = create_private(path);
        // What of this is refused leaves it more private.
        let _ = made.and_then(|made| attributes::admit_readers_of(&fs::File::open(&text)?, &made));
    }
}

#[cfg(not(unix))]
fn make_as_private(_: &Path) {}

struct Writer<F> {
    file: LogFile,
    path: PathBuf,
    report: F,
    /// Nothing has ever been written.
    empty: bool,
    /// Invariant: false from a failure until a whole rewrite; nothing is appended meanwhile,
    /// because the end of the file may be half a record.
    sound: bool,
    /// Records that only another version understands: they go along when the file is written anew.
    unknown: Vec<Record>,
    displaced: Arc<AtomicBool>,
}

impl<F: FnMut(Report)> Writer<F> {
    fn run(mut self, inbox: &mpsc::Receiver<Job>) {
        while let Ok(first) = inbox.recv() {
            // One sync serves everything that has gathered meanwhile.
            let mut waiting = Vec::new();
            for job in std::iter::once(first).chain(inbox.try_iter()) {
                match job {
                    Job::Append(records) => records.iter().for_each(|record| self.append(record)),
                    Job::Rewrite(whole) => self.rewrite(&whole.0, &whole.1),
                    Job::Barrier(done) => waiting.push(done),
                }
            }
            self.sync();
            for done in waiting {
                done(self.sound);
            }
        }
        self.leave_nothing_empty();
    }

    /// A name that was mistyped leaves nothing behind. Done while the file is locked, and only to what still looks
    /// like it: the user may have moved it and put another in its place.
    fn leave_nothing_empty(&self) {
        let same = |metadata: fs::Metadata| metadata.is_file() && metadata.len() == self.file.size();
        let is_ours = !self.displaced.load(Ordering::Relaxed);
        if self.empty && is_ours && fs::symlink_metadata(&self.path).is_ok_and(same) {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn append(&mut self, Record { kind, payload }: &Record) {
        if self.sound {
            self.empty = false;
            let result = self.file.append(*kind, payload);
            self.note(result);
        }
    }

    fn rewrite(&mut self, document: &Document, resume: &Resume) {
        (self.sound, self.empty) = (true, false);
        let [events, resume] = rewritten(document, resume);
        // What the file says last counts, so ours comes behind.
        let records: Vec<Record> = [events].into_iter().chain(self.unknown.iter().cloned()).chain([resume]).collect();
        let result = self.file.rewrite(&records);
        self.note(result);
    }

    fn sync(&mut self) {
        if self.sound {
            let result = self.file.sync();
            self.note(result);
        }
        if self.sound {
            let bytes = self.file.size();
            (self.report)(Report::Kept { bytes });
        }
    }

    fn note(&mut self, result: Result<(), StorageError>) {
        if let Err(error) = result {
            self.sound = false;
            if matches!(error, StorageError::Displaced { .. }) {
                self.displaced.store(true, Ordering::Relaxed);
            }
            let reason = error.to_string();
            (self.report)(Report::Failed { reason });
        }
    }
}

/// Moves a history that cannot be read out of the way, to a name that is free, and returns that
/// name. Nothing is overwritten and nothing deleted.
///
/// # Errors
/// The system's reason.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        let aside = PathBuf::from(name);
        // A hard link fails when the name is taken, where a rename would overwrite.
        match fs::hard_link(path, &aside) {
            Ok(()) => return fs::remove_file(path).map(|()| aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) if aside.symlink_metadata().is_ok() => {}
            // File systems without hard links: the name was free a moment ago.
            Err(_) => return fs::rename(path, &aside).map(|()| aside),
        }
    }
    Err(io::Error::other("no free name"))
}

/// Why a history could not be opened.
#[derive(Debug)]
pub enum HistoryError {
    /// Another editor has it open.
    Locked,
    /// It is not a history, or damaged, or of a later version; not a matter of access.
    Unreadable {
        /// What is wrong, and where.
        source: StorageError,
    },
    /// Its records are whole but the engine refuses what they say.
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: SavedError,
    },
    /// The system refused.
    Io {
        /// The system's reason.
        source: StorageError,
    },
    /// No thread to write it with.
    NoThread {
        /// The system's reason.
        source: io::Error,
    },
}

impl HistoryError {
    pub(crate) fn from_storage(source: StorageError) -> Self {
        match source {
            StorageError::Locked { .. } => Self::Locked,
            StorageError::Io { .. } => Self::Io { source },
            _ => Self::Unreadable { source },
        }
    }

    pub(crate) fn refused(path: &Path, source: SavedError) -> Self {
        let path = path.into();
        Self::Refused { path, source }
    }

    /// Is it the content that is wrong, so that a fresh history beside it would help?
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::Refused { .. })
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => write!(f, "the history is open in another editor"),
            Self::Unreadable { source } => write!(f, "this history cannot be read: {source}"),
            Self::Refused { path, source } => {
                write!(f, "the history {} is refused: {source}", path.display())
            }
            Self::Io { source } => write!(f, "cannot open the history: {source}"),
            Self::NoThread { source } => write!(f, "cannot start the history's writer: {source}"),
        }
    }
}

impl Error for HistoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Locked => None,
            Self::Unreadable { source } | Self::Io { source } => Some(source),
            Self::Refused { source, .. } => Some(source),
            Self::NoThread { source } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cede::{AgentId, Chars, Frontier, Session};

    const ME: AgentId = AgentId::new(1);

    fn open(path: &Path) -> (History, Loaded) {
        History::open(path, |_| {}).expect("opened")
    }

    #[test]
    fn what_was_recorded_is_there_at_the_next_opening() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede");
        let (mut history, loaded) = open(&path);
        let mut session = Session::with_document(loaded.document, ME);
        for word in ["one", " two", " three"] {
            session.insert(session.caret::<Chars>(), word).expect("typed");
            history.record(session.document(), None);
        }
        let saved = vec![session.document().frontier()];
        for undo in [b"first".to_vec(), b"".to_vec(), b"second".to_vec()] {
            history.record(session.document(), Some(&Resume { saved: saved.clone(), undo }));
        }
        assert_eq!(history.sync(), Synced::Kept);
        drop(history);
        let (_, loaded) = open(&path);
        assert_eq!(loaded.document.to_string(), "one two three");
        assert_eq!(loaded.saved, saved);
        assert_eq!(loaded.undo, [b"first".to_vec(), b"second".to_vec()]);
        assert_eq!(loaded.records, 6);
    }

    #[test]
    fn events_are_appended_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede");
        let (mut history, _) = open(&path);
        let mut session = Session::new(ME);
        session.insert(Chars(0), "once").expect("typed");
        history.record(session.document(), None);
        history.record(session.document(), None);
        drop(history);
        assert_eq!(read(&path).expect("read").records, 1);
    }

    #[test]
    fn a_rewritten_history_says_the_same_in_fewer_records() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede");
        let (mut history, _) = open(&path);
        let mut session = Session::new(ME);
        for _ in 0..40 {
            session.insert(session.caret::<Chars>(), "x").expect("typed");
            history.record(session.document(), None);
        }
        history.rewrite(session.document(), Resume::default());
        drop(history);
        let loaded = read(&path).expect("read");
        assert_eq!(loaded.records, 2);
        assert_eq!(loaded.document.to_string(), session.text().to_string());
    }

    /// An editor that is older than the last one to write here lost how to undo what that one had done.
    #[test]
    fn what_only_a_later_version_understands_outlasts_a_rewrite() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede");
        let later = Record { kind: Kind::Undo, payload: b"cede-resume 999\nwhatever".to_vec() };
        let mut file = LogFile::open(&path).expect("a new file").file;
        file.append(later.kind, &later.payload).expect("room on the disk");
        drop(file);
        let (mut history, loaded) = open(&path);
        assert!(loaded.resume_error.is_some() && loaded.records == 0);
        let mut session = Session::new(ME);
        session.insert(Chars(0), "text").expect("typed");
        history.rewrite(session.document(), Resume::default());
        drop(history);
        let (records, _) = LogFile::read(&path).expect("a log");
        assert!(records.len() == 3 && records.contains(&later), "{records:?}");
    }

    #[test]
    fn a_history_in_which_nothing_was_written_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mistyped.cede");
        drop(open(&path));
        assert!(!path.exists());
        let (mut history, _) = open(&path);
        let mut session = Session::new(ME);
        session.insert(Chars(0), "meant").expect("typed");
        history.record(session.document(), None);
        drop(history);
        drop(open(&path));
        assert_eq!(read(&path).expect("read").document.to_string(), "meant");
    }

    #[cfg(unix)]
    #[test]
    fn the_history_of_a_private_text_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (text, path) = (folder.path().join("diary.md"), folder.path().join("diary.md.cede"));
        fs::write(&text, "secret").expect("written");
        fs::set_permissions(&text, fs::Permissions::from_mode(0o600)).expect("set");
        let (history, _) = open(&path);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(history);
    }

    #[test]
    fn a_second_editor_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede");
        let (_history, _) = open(&path);
        assert!(matches!(History::open(&path, |_| {}), Err(HistoryError::Locked)));
        assert_eq!(read(&path).expect("read").document.frontier(), Frontier::root());
    }

    #[test]
    fn a_damaged_history_is_set_aside_under_a_free_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede");
        for number in 1..3 {
            fs::write(&path, "this is no history at all").expect("written");
            let error = History::open(&path, |_| {}).expect_err("not a history");
            assert!(error.is_damage(), "{error}");
            let aside = set_aside(&path).expect("moved");
            assert!(aside.to_string_lossy().ends_with(&format!(".damaged-{number}")));
            assert!(!path.exists());
        }
    }
}
