//! Opening: what there is on disk, what there is to ask about it, and how an editor begins.
//!
//! Knows files, the locks on them, and addresses. Asks on the plain terminal, before the editor
//! takes it over. Nothing is changed on disk but the history, which is created if there is none.

use std::env;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use cede::{AgentId, Document, Session};
use cede_net::client::{Client, Link, Target};
use cede_net::folder::{self, ReplicaId};
use cede_net::presence::{Color, Identity};
use cede_net::rights::Rights;
use cede_net::room::RoomName;
use cede_net::server::MAX_EVENTS;
use cede_net::tls::{Certificate, Trust};
use tokio::sync::mpsc;

use super::ShellError;
use super::host::{Doorway, Host, unguessable_room};
use super::question::{choose, say};
use crate::app::{Home, Role};
use crate::cli::{Company, Door, Edit};
use crate::files::history::{self, History, HistoryError, Loaded, Report};
use crate::files::instance::{Instance, Posted};
use crate::files::text::{self, Form, Snapshot};
use crate::files::{history_path, instance_path, replica, replica_path};
use crate::palette::Hue;
use crate::plural::counted;

/// Everything that an editor needs to run.
pub(super) struct Ready {
    pub(super) session: Session,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) home: Home,
    pub(super) read_only: bool,
    pub(super) records: usize,
    /// The text file as it is, to be compared with the history.
    pub(super) snapshot: Option<Snapshot>,
    pub(super) history: Option<History>,
    pub(super) connected: Option<Connected>,
    /// What the person should know, the most important last.
    pub(super) notices: Vec<String>,
}

impl Ready {
    /// How many events the document has, or will have when the text file is taken in.
    fn events(&self) -> u64 {
        let chars = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.text.chars().count() as u64);
        chars.max(self.session.document().event_count())
    }
}

/// The way to a room, and the room itself when it is here.
pub(super) struct Connected {
    pub(super) link: Link,
    pub(super) client: Client,
    /// How others join.
    pub(super) join: String,
    /// How those join who are to read only.
    pub(super) join_to_read: Option<String>,
    pub(super) host: Option<Host>,
    pub(super) posted: Option<Posted>,
}

/// The file side of an opening.
struct Kept {
    document: Document,
    undo: Vec<Vec<u8>>,
    /// How many records the history has.
    records: usize,
    home: Home,
    snapshot: Option<Snapshot>,
    history: Option<History>,
    read_only: bool,
    notices: Vec<String>,
}

/// How the person wants to go on with a file that cannot simply be opened.
enum Way {
    Open(Box<Kept>),
    /// Another editor has it; be its guest.
    Join(Target),
    Leave,
}

/// Finds out what there is, asks what has to be asked, and starts what has to run. `None`: the
/// person has changed their mind.
///
/// # Errors
/// [`ShellError`]; nothing runs then.
pub(super) async fn open(edit: Edit, reports: &mpsc::UnboundedSender<Report>) -> Result<Option<Ready>, ShellError> {
    let name = edit.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(own_name);
    let joining = match &edit.company {
        Company::Join { url, .. } => Some(Meeting::parse(url)?),
        _ => None,
    };
    let trust = match &edit.company {
        Company::Join { ca: Some(file), .. } => Trust::File(file.clone()),
        _ => Trust::Machine,
    };
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(ShellError::NoTerminal);
    }
    // By whatever link it is opened, a text has one history, beside the file itself.
    let Some(file) = edit.file.map(|file| text::follow_links(&file)) else {
        let guest = joining.map(|meeting| (meeting, Home::Nameless));
        return Ok(Some(match guest {
            Some((meeting, home)) => guest_of(meeting, trust, home, name)?,
            None => nameless(name)?,
        }));
    };
    let kept = match find(&file, joining.is_some(), reports)? {
        Way::Leave => return Ok(None),
        Way::Join(target) => return guest_of(Meeting::Room(target), trust, Home::Elsewhere(file), name).map(Some),
        Way::Open(kept) => *kept,
    };
    let mut ready = begin(kept, name)?;
    match (edit.company, joining) {
        _ if ready.read_only => {}
        (_, Some(meeting)) => {
            ready.role = Role::Guest;
            let posted = post(&file, meeting.join_line());
            ready.connected = Some(Connected { posted, ..meet(&ready.name, meeting, trust, Some(&file))? });
        }
        // The server inside would take in none of it.
        (company, None) if ready.events() >= MAX_EVENTS => {
            if matches!(company, Company::Share { .. }) {
                let most = counted(MAX_EVENTS, "event");
                ready.notices.push(format!("too large to share (it has {most} or more); nobody else can join"));
            }
        }
        (Company::Share { bind, room, door }, None) => {
            ready.role = Role::Host;
            ready.connected = Some(share(&file, &ready.name, bind, room, door).await?);
        }
        (_, None) => match listen(&file, &ready.name).await {
            Ok(connected) => ready.connected = Some(connected),
            Err(error) => ready.notices.push(format!("a second editor cannot join: {error}")),
        },
    }
    Ok(Some(ready))
}

/// A text without a name, alone.
fn nameless(name: String) -> Result<Ready, ShellError> {
    begin(Kept::empty(Home::Nameless), name)
}

/// Somebody else's text, kept by somebody else.
fn guest_of(meeting: Meeting, trust: Trust, home: Home, name: String) -> Result<Ready, ShellError> {
    let mut ready = begin(Kept::empty(home), name)?;
    ready.role = Role::Guest;
    ready.connected = Some(meet(&ready.name, meeting, trust, None)?);
    Ok(ready)
}

impl Kept {
    fn empty(home: Home) -> Self {
        Self {
            document: Document::new(),
            undo: Vec::new(),
            records: 0,
            home,
            snapshot: None,
            history: None,
            read_only: false,
            notices: Vec::new(),
        }
    }
}

fn begin(kept: Kept, name: String) -> Result<Ready, ShellError> {
    let mut session = Session::with_document(kept.document, fresh_agent()?);
    let mut notices = kept.notices;
    if kept.undo.iter().any(|piece| session.restore_undo(piece).is_err()) {
        notices.push("some of what was to be undone is not understood".into());
    }
    Ok(Ready {
        session,
        name,
        role: Role::Alone,
        home: kept.home,
        read_only: kept.read_only,
        records: kept.records,
        snapshot: kept.snapshot,
        history: kept.history,
        connected: None,
        notices,
    })
}

/// The file and its history, or what the person wants instead.
fn find(file: &Path, joins: bool, reports: &mpsc::UnboundedSender<Report>) -> Result<Way, ShellError> {
    if file.extension().is_some_and(|extension| extension == "cede") {
        return Err(ShellError::NamedHistory(file.into()));
    }
    // Before the history is made: a file that cannot be edited gets none.
    let snapshot = text::read(file).map_err(ShellError::Text)?;
    if let Some(folder) = missing_folder(file) {
        return Err(ShellError::NoFolder(folder.into()));
    }
    let path = history_path(file);
    let has_text = snapshot.as_ref().is_some_and(|snapshot| !snapshot.text.is_empty());
    if joins && has_text && !path.exists() {
        return Err(ShellError::TextWithoutHistory(file.into()));
    }
    match open_history(&path, reports) {
        Ok((history, loaded)) => {
            let kept = kept(file, snapshot, loaded, Some(history));
            Ok(Way::Open(Box::new(kept)))
        }
        Err(HistoryError::Locked) => ask_about_lock(file, snapshot),
        Err(error) if error.is_damage() => ask_about_damage(file, snapshot, error, reports),
        Err(error @ HistoryError::Io { .. }) => ask_about_refusal(file, snapshot, error),
        Err(error) => Err(ShellError::History(error)),
    }
}

/// The folder that a file is to be in and that is not there.
pub(super) fn missing_folder(file: &Path) -> Option<&Path> {
    file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
}

pub(super) fn open_history(
    path: &Path,
    reports: &mpsc::UnboundedSender<Report>,
) -> Result<(History, Loaded), HistoryError> {
    let reports = reports.clone();
    History::open(path, move |report| {
        // Nobody listens any more once the editor is leaving.
        let _ = reports.send(report);
    })
}

fn kept(file: &Path, snapshot: Option<Snapshot>, loaded: Loaded, history: Option<History>) -> Kept {
    let mut notices = Vec::new();
    if let Some(error) = loaded.resume_error {
        notices.push(format!("undo starts anew: {error}"));
    }
    if let Some(torn) = loaded.torn {
        notices.push(format!(
            "the history's unfinished last record was dropped: {} from byte {}",
            counted(torn.dropped, "byte"),
            torn.offset
        ));
    }
    if snapshot.is_none() && !loaded.document.text().is_empty() {
        notices.push("there is no text file; this is the text of its history".into());
    }
    Kept {
        home: Home::Named {
            path: file.into(),
            form: snapshot.as_ref().map_or_else(Form::default, |snapshot| snapshot.form),
            versions: loaded.saved,
        },
        document: loaded.document,
        undo: loaded.undo,
        records: loaded.records,
        snapshot,
        read_only: history.is_none(),
        history,
        notices,
    }
}

fn ask_about_lock(file: &Path, snapshot: Option<Snapshot>) -> Result<Way, ShellError> {
    let instance = Instance::read(&instance_path(file));
    let join = instance.as_ref().and_then(|instance| Target::parse(&instance.join).ok());
    let who = instance.map_or_else(String::new, |instance| format!(" (process {})", instance.pid));
    let question = format!("{} is open in another editor{who}.", file.display());
    let all = [('j', "join it"), ('r', "read only"), ('q', "quit")];
    let choices = if join.is_some() { &all[..] } else { &all[1..] };
    match (choose(&question, choices).map_err(ShellError::Terminal)?, join) {
        ('j', Some(target)) => Ok(Way::Join(target)),
        ('r', _) => read_only(file, snapshot),
        _ => Ok(Way::Leave),
    }
}

fn ask_about_damage(
    file: &Path,
    snapshot: Option<Snapshot>,
    error: HistoryError,
    reports: &mpsc::UnboundedSender<Report>,
) -> Result<Way, ShellError> {
    let choices =
        [('f', "put it aside and begin a fresh history with the text file"), ('q', "quit and change nothing")];
    if choose(&error.to_string(), &choices).map_err(ShellError::Terminal)? != 'f' {
        return Ok(Way::Leave);
    }
    let path = history_path(file);
    // Somebody may have answered the same question in another terminal meanwhile.
    match open_history(&path, reports) {
        Err(error) if error.is_damage() => {}
        Err(HistoryError::Locked) => return ask_about_lock(file, snapshot),
        Err(error) => return Err(ShellError::History(error)),
        Ok((history, loaded)) => return Ok(Way::Open(Box::new(kept(file, snapshot, loaded, Some(history))))),
    }
    let aside = history::set_aside(&path).map_err(|source| ShellError::SetAside { path: path.clone(), source })?;
    let (history, loaded) = open_history(&path, reports).map_err(ShellError::History)?;
    let mut kept = kept(file, snapshot, loaded, Some(history));
    kept.notices.push(format!("the damaged history is kept as {}", aside.display()));
    Ok(Way::Open(Box::new(kept)))
}

/// The system does not let us write beside the text: somebody else's file, perhaps.
fn ask_about_refusal(file: &Path, snapshot: Option<Snapshot>, error: HistoryError) -> Result<Way, ShellError> {
    if snapshot.is_none() {
        return Err(ShellError::History(error));
    }
    let choices = [('r', "read only"), ('q', "quit")];
    match choose(&error.to_string(), &choices).map_err(ShellError::Terminal)? {
        'r' => read_only(file, snapshot),
        _ => Ok(Way::Leave),
    }
}

fn read_only(file: &Path, snapshot: Option<Snapshot>) -> Result<Way, ShellError> {
    let loaded = match history::read(&history_path(file)) {
        Ok(loaded) => loaded,
        // What may not be written may not be read either; the text is what was asked for.
        Err(HistoryError::Io { .. }) => Loaded::default(),
        Err(error) => return Err(ShellError::History(error)),
    };
    let mut kept = kept(file, snapshot, loaded, None);
    kept.notices.push("opened for reading only".into());
    Ok(Way::Open(Box::new(kept)))
}

/// Shares the text, and says how to join before the editor takes the terminal.
async fn share(
    file: &Path,
    name: &str,
    bind: Option<SocketAddr>,
    room: Option<RoomName>,
    door: Door,
) -> Result<Connected, ShellError> {
    let address = bind.unwrap_or(LOOPBACK);
    let room = match room {
        Some(room) => room,
        None => unguessable_room().map_err(ShellError::Random)?,
    };
    let certificate = door.certificate.as_ref().map(|(certificate, key)| Certificate::read(certificate, key));
    let certificate = certificate.transpose().map_err(ShellError::Tls)?;
    let is_open_to_listeners = certificate.is_none() && !address.ip().is_loopback();
    let named = door.hosts.first().cloned();
    let doorway = Doorway { certificate, hosts: door.hosts };
    let host = Host::start(address, room, doorway).await.map_err(|source| ShellError::Bind { address, source })?;
    let line = |rights| host.elsewhere(rights, named.as_deref()).map(|target| target.join_line());
    let (join, join_to_read) = (line(Rights::Write).unwrap_or_default(), line(Rights::Read));
    say(&format!("Others join by:  cede join {join}"));
    if let Some(join) = &join_to_read {
        say(&format!("To read only:    cede join {join}"));
    }
    if is_open_to_listeners {
        say("Nothing is encrypted, so whoever is in between can read along; see --cert.");
    }
    Ok(Connected { join, join_to_read, ..welcome(file, name, host) })
}

/// Any free port of this machine, for this machine alone.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Listens on loopback for a second editor on this machine. Editing goes on without.
pub(super) async fn listen(file: &Path, name: &str) -> io::Result<Connected> {
    let room = unguessable_room().map_err(io::Error::other)?;
    let host = Host::start(LOOPBACK, room, Doorway::default()).await?;
    Ok(welcome(file, name, host))
}

/// Joins one's own server, as everybody does.
fn welcome(file: &Path, name: &str, host: Host) -> Connected {
    let here = host.here();
    let join = host.elsewhere(Rights::Write, None).map(|target| target.join_line()).unwrap_or_default();
    Connected { posted: post(file, here.join_line()), join, host: Some(host), ..connect(name, here, Trust::Machine) }
}

/// A note that cannot be left only means that a second editor is told less.
fn post(file: &Path, join: String) -> Option<Posted> {
    let instance = Instance { pid: std::process::id(), join };
    Posted::post(&instance_path(file), instance).ok()
}

/// Where one meets others.
enum Meeting {
    Room(Target),
    /// A directory that all of them have, or copies of it.
    Folder(PathBuf),
}

impl Meeting {
    /// `ws://…`, `wss://…` or `folder:DIR`.
    fn parse(url: &str) -> Result<Self, ShellError> {
        match url.strip_prefix(folder::SCHEME) {
            Some("") => Err(ShellError::NamelessFolder),
            Some(folder) if !Path::new(folder).is_dir() => Err(ShellError::NoFolder(folder.into())),
            Some(folder) => Ok(Self::Folder(folder.into())),
            None => target(url).map(Self::Room),
        }
    }

    fn join_line(&self) -> String {
        match self {
            Self::Room(target) => target.join_line(),
            Self::Folder(folder) => format!("{}{}", folder::SCHEME, folder.display()),
        }
    }
}

/// The way to where one meets others. `file`: where the text is kept, and with it which replica it is.
fn meet(name: &str, meeting: Meeting, trust: Trust, file: Option<&Path>) -> Result<Connected, ShellError> {
    let join = meeting.join_line();
    let folder = match meeting {
        Meeting::Room(target) => return Ok(connect(name, target, trust)),
        Meeting::Folder(folder) => folder,
    };
    let id = match file {
        Some(file) => replica::at(&replica_path(file)).map_err(ShellError::Replica)?,
        None => ReplicaId::random().map_err(ShellError::Random)?,
    };
    let (link, client) = (Link::new(identity(name)), folder::join(folder, id));
    Ok(Connected { link, client, join, join_to_read: None, host: None, posted: None })
}

fn identity(name: &str) -> Identity {
    Identity { name: name.into(), color: color(Hue::of(name)) }
}

fn connect(name: &str, target: Target, trust: Trust) -> Connected {
    Connected {
        link: Link::new(identity(name)),
        // Somebody else's token is nobody's to hand on.
        join: target.to_string(),
        join_to_read: None,
        client: Client::spawn_trusting(target, trust),
        host: None,
        posted: None,
    }
}

/// For viewers that know nothing of hues: spread around the circle of colours, readable on black
/// and on white.
fn color(hue: Hue) -> Color {
    let third = |step: u8| match (hue.index() + step) % Hue::COUNT {
        0..=3 => 190,
        4..=5 | 10..=11 => 110,
        _ => 50,
    };
    Color(third(0), third(8), third(4))
}

pub(super) fn target(url: &str) -> Result<Target, ShellError> {
    Target::parse(url).map_err(|source| ShellError::Target { url: without_token(url), source })
}

/// A URL as it may be shown in an error.
fn without_token(url: &str) -> String {
    url.split_once('#').map_or(url, |(url, _)| url).into()
}

/// What others see, unless told otherwise.
pub(super) fn own_name() -> String {
    ["CEDE_NAME", "USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|variable| env::var(variable).ok().filter(|name| !name.trim().is_empty()))
        .unwrap_or_else(|| "somebody".into())
}

/// A new identity, as every editing session needs.
pub(super) fn fresh_agent() -> Result<AgentId, ShellError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(ShellError::Random)?;
    Ok(AgentId::new(u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "there is no folder " with nothing behind it leaves people to guess what they have forgotten.
    #[test]
    fn a_folder_that_is_not_there_is_named_and_so_is_that_none_was() {
        let refused = |url: &str| Meeting::parse(url).err().map(|error| error.to_string());
        assert_eq!(refused("folder:").as_deref(), Some("cannot join folder: it names no folder; expected folder:DIR"));
        assert_eq!(refused("folder:/no/such").as_deref(), Some("there is no folder /no/such"));
    }
}
