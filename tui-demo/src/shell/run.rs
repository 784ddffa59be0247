//! The loop: waits for whatever comes first, tells the editor, does what it wants done, draws.
//!
//! Knows the order in which things must reach the disk. Decides nothing about the text. A screen
//! is drawn after everything that has already arrived is taken in, so a burst costs one screen.

use std::fmt;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cede::Frontier;
use cede_net::client::{Client, Incoming};
use crossterm::event::Event as TerminalEvent;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use super::ShellError;
use super::host::{Asked, Host};
use super::open::{self, Connected, Ready};
use super::rescue;
use super::stage::{Cue, Stage};
use crate::app::{App, Effect, Event, Home, Opening};
use crate::cli::Edit;
use crate::files::history::{History, Loaded, Report, Synced};
use crate::files::history_path;
use crate::files::instance::Posted;
use crate::files::text::{self, Form};
use crate::files::watch::{self, Seen, Watch};
use crate::palette::Palette;

/// How many events are taken in before a screen is drawn. A paste that the terminal does not
/// bracket comes as so many keys.
const BURST: usize = 512;

/// How long guests and servers are waited for on the way out.
const FAREWELL: Duration = Duration::from_secs(2);

/// A clipboard that is longer stays inside the editor: terminals cut it or hang.
const CLIPBOARD_MAX: usize = 100_000;

/// A history of so many records is written anew when it is opened: each record has a head of its
/// own, and in one piece they are a fraction and open faster.
const RECORDS_WORTH_COMPACTING: usize = 1024;

/// How an editing session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As the person wished.
    Left,
    /// By this signal; everything has been written.
    Signalled(i32),
}

/// Edits until the person leaves. `tell` prints a line once the terminal is given back.
///
/// # Errors
/// [`ShellError`]; what had been typed is in the history.
pub async fn edit(edit: Edit, tell: fn(&dyn fmt::Display)) -> Result<Ended, ShellError> {
    let (reporter, reports) = mpsc::unbounded_channel();
    let Some(ready) = open::open(edit, &reporter).await? else {
        return Ok(Ended::Left);
    };
    let mut shell = Shell::start(ready, reporter, reports)?;
    let (ended, mut rescued) = (shell.run().await, None);
    let mut kept = shell.keep_all();
    // Whoever leaves has been asked.
    if !matches!(ended, Ok(Ended::Left)) {
        shell.wait_for_server().await;
        if kept.is_err() || shell.app.is_kept_nowhere() {
            kept = rescue::keep(&shell.app).map(|path| rescued = Some(path)).map_err(ShellError::Unkept);
        }
    }
    shell.close().await;
    if let Some(path) = rescued {
        tell(&format_args!("the text was kept nowhere; it is in {} now", path.display()));
    }
    ended.and_then(|ended| kept.map(|()| ended))
}

struct Shell {
    app: App,
    stage: Stage,
    history: Option<History>,
    watch: Option<Watch>,
    client: Option<Client>,
    host: Option<Host>,
    posted: Option<Posted>,
    name: String,
    reporter: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
    leaving: bool,
    /// The screen does not show what there is.
    stale: bool,
}

/// What came first.
enum Arrival {
    Cue(Cue),
    Incoming(Option<Incoming>),
    Asked(Option<Asked>),
    Report(Report),
    Look,
    Tick,
}

impl Shell {
    fn start(
        ready: Ready,
        reporter: mpsc::UnboundedSender<Report>,
        reports: mpsc::UnboundedReceiver<Report>,
    ) -> Result<Self, ShellError> {
        let agent = open::fresh_agent()?;
        let stage = Stage::enter()?;
        let size = crossterm::terminal::size().map_err(ShellError::Terminal)?;
        let now = Instant::now();
        let watch = match &ready.home {
            Home::Named { path, .. } => {
                let stamp = ready.snapshot.as_ref().map(|snapshot| snapshot.stamp);
                Some(Watch::new(path, stamp))
            }
            _ => None,
        };
        let (link, join, join_to_read, client, host, posted) = match ready.connected {
            Some(Connected { link, client, join, join_to_read, host, posted }) => {
                (Some(link), Some(join), join_to_read, Some(client), host, posted)
            }
            None => (None, None, None, None, None, None),
        };
        let opening = Opening {
            session: ready.session,
            name: ready.name.clone(),
            link,
            role: ready.role,
            home: ready.home,
            join,
            join_to_read,
            read_only: ready.read_only,
            palette: Palette::detect(|variable| std::env::var(variable).ok()),
            size,
        };
        let mut shell = Self {
            app: App::new(opening, now),
            stage,
            history: ready.history,
            watch,
            client,
            host,
            posted,
            name: ready.name,
            reporter,
            reports,
            leaving: false,
            stale: true,
        };
        if let Some(snapshot) = ready.snapshot {
            let effects = shell.app.handle(Event::Disk(Seen::Content(snapshot), agent), now);
            shell.apply(effects);
        }
        if ready.records >= RECORDS_WORTH_COMPACTING {
            shell.apply(vec![Effect::RewriteHistory]);
        }
        for notice in ready.notices {
            shell.app.warn(notice);
        }
        Ok(shell)
    }

    async fn run(&mut self) -> Result<Ended, ShellError> {
        let mut looks = interval(watch::INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.leaving {
            if std::mem::take(&mut self.stale) {
                let app = &self.app;
                self.stage.screen.draw(|frame| app.draw(frame)).map_err(ShellError::Terminal)?;
            }
            let wake = self.app.wakes_at();
            let arrival = tokio::select! {
                cue = self.stage.next() => Arrival::Cue(cue),
                incoming = next_incoming(&mut self.client) => Arrival::Incoming(incoming),
                asked = next_asked(&mut self.host) => Arrival::Asked(asked),
                Some(report) = self.reports.recv() => Arrival::Report(report),
                _ = looks.tick(), if self.watch.is_some() => Arrival::Look,
                () = until(wake) => Arrival::Tick,
            };
            match arrival {
                Arrival::Cue(Cue::End(signal)) => return Ok(Ended::Signalled(signal)),
                arrival => self.take_in(arrival).await,
            }
            self.take_in_burst().await;
        }
        Ok(Ended::Left)
    }

    async fn take_in(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Cue(Cue::Input(input)) => self.hear_input(input).await,
            Arrival::Incoming(Some(incoming)) => self.tell(Event::Incoming(incoming)).await,
            Arrival::Incoming(None) => self.client = None,
            Arrival::Asked(Some(asked)) => self.answer(asked),
            Arrival::Asked(None) => self.lose_host().await,
            Arrival::Report(report) => self.hear_history(report).await,
            Arrival::Look => {
                if let Some(seen) = self.watch.as_mut().and_then(Watch::look) {
                    self.see(seen).await;
                }
            }
            Arrival::Tick => self.tell(Event::Tick).await,
            // The loop is over then.
            Arrival::Cue(Cue::End(_)) => {}
        }
    }

    /// What has arrived already.
    async fn take_in_burst(&mut self) {
        for _ in 0..BURST {
            if self.leaving {
                return;
            }
            match self.stage.try_next() {
                Some(Cue::Input(input)) => self.hear_input(input).await,
                Some(Cue::End(_)) | None => break,
            }
        }
        for _ in 0..BURST {
            match self.client.as_mut().and_then(Client::try_next) {
                Some(incoming) => self.tell(Event::Incoming(incoming)).await,
                None => break,
            }
        }
    }

    async fn hear_input(&mut self, input: TerminalEvent) {
        let event = match input {
            TerminalEvent::Key(key) => Event::Key(key),
            TerminalEvent::Mouse(mouse) => Event::Mouse(mouse),
            TerminalEvent::Paste(text) => Event::Paste(text),
            TerminalEvent::Resize(columns, rows) => Event::Resize(columns, rows),
            TerminalEvent::FocusGained | TerminalEvent::FocusLost => return,
        };
        self.tell(event).await;
    }

    /// Tells the editor, and does what it wants done.
    async fn tell(&mut self, event: Event) {
        self.stale = true;
        let effects = self.app.handle(event, Instant::now());
        for effect in effects {
            match effect {
                Effect::Save => self.save(),
                Effect::Settle(path) => self.settle(path).await,
                effect => self.apply(vec![effect]),
            }
        }
    }

    /// Does what can be done at once.
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(frames) => {
                    if let Some(client) = &self.client {
                        client.send(frames);
                    }
                }
                // The one speaks of the other, so they go together.
                Effect::Record | Effect::KeepResume => self.keep_resume(),
                Effect::RewriteHistory => self.rewrite_history(),
                Effect::Copy(text) => self.copy(&text),
                Effect::Redraw => {
                    // A terminal that fails here fails at the next screen as well, which says so.
                    let _ = self.stage.screen.clear();
                }
                Effect::Quit => self.leaving = true,
                Effect::Save => self.save(),
                // Comes of a key only, and is done there.
                Effect::Settle(_) => {}
            }
        }
    }

    fn keep_resume(&mut self) {
        if let Some(history) = &mut self.history {
            let resume = self.app.next_resume();
            history.record(self.app.session().document(), resume.as_ref());
        }
    }

    async fn hear_history(&mut self, report: Report) {
        let report = match report {
            Report::Failed { .. } if self.is_displaced() => match self.find_history_again() {
                Ok(()) => return,
                // That it was moved is not what keeps it from being written.
                Err(reason) => Report::Failed { reason },
            },
            report => report,
        };
        self.tell(Event::History(report)).await;
    }

    /// Writes all of the history, wherever it is to be now.
    fn rewrite_history(&mut self) {
        if self.is_displaced() {
            if let Err(reason) = self.find_history_again() {
                // As its writer would, if there were one, so that it is tried again.
                let _ = self.reporter.send(Report::Failed { reason });
            }
        } else if let Some(history) = &mut self.history {
            history.rewrite(self.app.session().document(), self.app.whole_resume());
        }
    }

    /// The text has a name, and its history is not where it was, or could not be found again.
    fn is_displaced(&self) -> bool {
        let is_named = matches!(self.app.home(), Home::Named { .. });
        self.history.as_ref().map_or(is_named, History::is_displaced)
    }

    /// Looks whether the history is still where it was, before anything that another program has written is taken in: who
    /// puts another text there may have put its history there, too, and then the one explains the other.
    fn look_for_history(&mut self) {
        let synced = self.history.as_ref().map(History::sync);
        if synced == Some(Synced::Failed) && self.is_displaced() {
            // Where that fails, the writer's report is on its way, and says so.
            let _ = self.find_history_again();
        }
    }

    /// Takes in what somebody has put in the place of the history, or begins a new one where there is none any more, and
    /// goes on writing there.
    ///
    /// # Errors
    /// Another editor has it, or it is no history, or the disk fails. There is no history then, until this is tried again.
    fn find_history_again(&mut self) -> Result<(), String> {
        let Home::Named { path, .. } = self.app.home() else { return Err("it has no name".into()) };
        let path = history_path(path);
        // It may have come back, or be written over: then nobody can open it while this has its lock.
        drop(self.history.take());
        // What its writer had to say is settled here.
        while self.reports.try_recv().is_ok() {}
        let (mut history, loaded) = open::open_history(&path, &self.reporter).map_err(|error| error.to_string())?;
        if !loaded.document.is_new() {
            let theirs = self.app.admit(vec![loaded.document.encode()], Instant::now());
            self.apply(theirs.map_err(|error| error.to_string())?);
            self.app.may_hold(loaded.saved);
        }
        history.rewrite(self.app.session().document(), self.app.whole_resume());
        self.history = Some(history);
        self.stale = true;
        self.app.warn(match loaded.document.is_new() {
            true => "the history had been moved away; it is written anew",
            false => "another history had been put in the place of this one; both are in it now",
        });
        Ok(())
    }

    fn copy(&mut self, text: &str) {
        if text.len() <= CLIPBOARD_MAX && self.stage.screen.set_clipboard(text).is_err() {
            self.app.warn("the terminal's clipboard cannot be reached");
        }
    }

    async fn see(&mut self, seen: Seen) {
        self.look_for_history();
        match open::fresh_agent() {
            Ok(agent) => self.tell(Event::Disk(seen, agent)).await,
            Err(error) => self.app.warn(error.to_string()),
        }
    }

    /// Writes the text file. What another program has left there is taken in first; then the
    /// history is made to know both versions that the file may hold, and only then is the file
    /// replaced: whenever this is cut short, the next opening understands what it finds.
    fn save(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        if let Some(seen) = watch.look_now() {
            let refused = matches!(seen, Seen::Unreadable(_));
            self.look_for_history();
            match open::fresh_agent() {
                Ok(agent) => {
                    let effects = self.app.handle(Event::Disk(seen, agent), Instant::now());
                    self.apply(effects);
                }
                Err(error) => return self.app.warn(error.to_string()),
            }
            if refused {
                return;
            }
        }
        let Some(save) = self.app.begin_save() else {
            return;
        };
        self.keep_resume();
        let synced = self.sync_history();
        let left = self.watch.as_ref().and_then(Watch::left);
        let written = text::write_over(&save.path, &save.text, save.form, left);
        let result = written.map(|stamp| {
            if let Some(watch) = &mut self.watch {
                watch.leave(stamp);
            }
        });
        let saved = result.is_ok();
        let effects = self.app.handle(Event::Saved(result), Instant::now());
        self.apply(effects);
        match synced {
            Synced::Failed if saved => self.app.warn("the text is saved, its history could not be written"),
            Synced::Late if saved => self.app.warn("the text is saved; the disk takes long to write its history"),
            _ => {}
        }
    }

    /// Keeps the text in a file from now on: in a new one, or in one whose editor is gone. What
    /// that one had in its history is taken in; what stands in the text file is, before it is
    /// written.
    async fn settle(&mut self, path: PathBuf) {
        let result = match open::missing_folder(&path) {
            Some(folder) => Err(ShellError::NoFolder(folder.into()).to_string()),
            None => match open::open_history(&history_path(&path), &self.reporter) {
                Ok((history, loaded)) => self.move_in(&path, history, loaded).await,
                Err(error) => Err(error.to_string()),
            },
        };
        let effects = self.app.handle(Event::Settled(result), Instant::now());
        self.apply(effects);
    }

    async fn move_in(&mut self, path: &Path, history: History, loaded: Loaded) -> Result<Home, String> {
        if loaded.document.frontier() != Frontier::root() {
            let effects = self.app.admit(vec![loaded.document.encode()], Instant::now());
            self.apply(effects.map_err(|error| error.to_string())?);
        }
        self.history = Some(history);
        self.watch = Some(Watch::new(path, None));
        // A guest of somebody else's room stays one.
        if self.client.is_none() || matches!(self.app.home(), Home::Elsewhere(_)) {
            self.let_in(path).await;
        }
        Ok(Home::Named { path: path.into(), form: Form::default(), versions: loaded.saved })
    }

    /// A second editor on this machine can join from now on, if anything lets it.
    async fn let_in(&mut self, path: &Path) {
        if let Ok(connected) = open::listen(path, &self.name).await {
            self.app.connect(connected.link, connected.join);
            self.client = Some(connected.client);
            self.host = connected.host;
            self.posted = connected.posted;
        }
    }

    /// The server inside wants something.
    fn answer(&mut self, asked: Asked) {
        self.stale = true;
        match asked {
            Asked::Whole(answer) => {
                self.keep_resume();
                // A server that has given up asking needs no answer; so below.
                let _ = answer.send(self.app.session().document().clone());
            }
            Asked::Keep(pieces, answer) => match self.app.admit(pieces, Instant::now()) {
                Ok(effects) => {
                    // Own typing that was not due yet gets to the disk as well, and so must the way to undo it.
                    self.keep_resume();
                    self.apply(effects);
                    match &self.history {
                        Some(history) => history.when_synced(move |kept| {
                            let _ = answer.send(kept);
                        }),
                        None => {
                            let _ = answer.send(false);
                        }
                    }
                }
                Err(error) => {
                    self.app.warn(format!("what a guest typed is refused: {error}"));
                    let _ = answer.send(false);
                }
            },
        }
    }

    async fn lose_host(&mut self) {
        if let Some(host) = self.host.take() {
            host.stop().await;
            self.stale = true;
            self.app.warn("the server inside has ended; nobody can join any more");
        }
    }

    /// Sees to it that what was handed over to the history is on disk, and where it is not, tries again to write it
    /// whole; that may be where one learns that the file has been moved. Says how that went.
    fn sync_history(&mut self) -> Synced {
        let syncs = |shell: &Self| match &shell.history {
            Some(history) => history.sync(),
            None if shell.is_displaced() => Synced::Failed,
            None => Synced::Kept,
        };
        let mut synced = syncs(self);
        for _ in 0..2 {
            // A disk that has not answered yet is not asked for more.
            if synced == Synced::Failed {
                self.rewrite_history();
                synced = syncs(self);
            }
        }
        synced
    }

    /// Keeps what has been typed, or says why it cannot be.
    fn keep_all(&mut self) -> Result<(), ShellError> {
        self.keep_resume();
        let synced = self.sync_history();
        if synced == Synced::Kept {
            return Ok(());
        }
        let reasons = std::iter::from_fn(|| self.reports.try_recv().ok()).filter_map(|report| match report {
            Report::Failed { reason } => Some(reason),
            Report::Kept { .. } => None,
        });
        let told = reasons.last().or_else(|| self.app.history_failure().map(str::to_owned));
        let silent = || "the disk does not answer".to_owned();
        Err(ShellError::Unkept(if synced == Synced::Late { silent() } else { told.unwrap_or_else(silent) }))
    }

    /// Waits for the server to have what was typed last, for it may have been typed a moment ago.
    async fn wait_for_server(&mut self) {
        let end = Instant::now() + FAREWELL;
        while self.app.is_kept_nowhere() && self.client.is_some() {
            match timeout(end.saturating_duration_since(Instant::now()), next_incoming(&mut self.client)).await {
                Ok(Some(incoming)) => self.tell(Event::Incoming(incoming)).await,
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Waits for what is being written, gives the terminal back, says goodbye.
    async fn close(mut self) {
        // Waits for the disk.
        drop(self.history.take());
        drop(self.posted.take());
        drop(self.stage);
        let goodbye = async {
            if let Some(client) = self.client.take() {
                client.close().await;
            }
            if let Some(host) = self.host.take() {
                host.stop().await;
            }
        };
        // Whoever does not answer is left to find out.
        let _ = timeout(FAREWELL, goodbye).await;
    }
}

async fn next_incoming(client: &mut Option<Client>) -> Option<Incoming> {
    match client {
        Some(client) => client.next().await,
        None => pending().await,
    }
}

async fn next_asked(host: &mut Option<Host>) -> Option<Asked> {
    match host {
        Some(host) => host.asked().await,
        None => pending().await,
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake.into()).await,
        None => pending().await,
    }
}
