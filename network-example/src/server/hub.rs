//! Which rooms are in memory, and the task that owns each of them.
//!
//! The hub knows names and the ends of queues. A room comes with its first member and leaves a while after its last;
//! in between one task alone holds it, loads it, has it stored, and keeps its time.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::Bytes;

use super::Config;
use super::access::{Access, Admitted, Credential, Denied};
use super::dictionary::{Answer, Question};
use super::export::{Export, Exports, Form, MAX_EXPORTS};
use super::held::Held;
use super::kept::Kept;
use super::metrics::Metrics;
use super::room::{Damage, Joined, Joining, Limits, Room};
use super::throttle::Throttle;
use super::writer::{Stored, Writer};
use crate::planted::planted;
use crate::presence::PeerId;
use crate::room::RoomName;
use crate::wire::{ClientControl, Refusal};

/// Commands that wait for a room. When they are that many its connections stop reading.
const COMMANDS: usize = 64;
/// Commands taken in one go, before what they made is handed to the store.
const GO: usize = 64;
/// A history of fewer bytes is read in well under a millisecond.
const SHORT: u64 = 16 * 1024;
/// A room that is read from more pieces than this is stored in one again.
const MANY_PIECES: usize = 64;

/// All rooms in memory.
pub(crate) struct Hub {
    config: Arc<Config>,
    access: Access,
    metrics: Arc<Metrics>,
    writer: Writer,
    /// For exports under way.
    exports: Arc<Semaphore>,
    /// `None` once the server stops.
    rooms: Mutex<Option<HashMap<RoomName, mpsc::Sender<Command>>>>,
}

/// Why somebody is not let in.
pub(crate) type Turned = (Refusal, String);

/// What a connection tells its room. Queues keep room for some of them, so what is large is boxed.
pub(crate) enum Command {
    Join(Box<Joining>, oneshot::Sender<Result<Joined, Turned>>),
    Control(PeerId, Box<ClientControl>),
    Frame(PeerId, Bytes),
    Drained(PeerId),
    /// What somebody may do who is in by this may have changed. It is looked up when it is this command's turn: a host's order
    /// may come before it.
    Rights(PeerId, Credential),
    Leave(PeerId),
    /// The document, to be taken away.
    Export(Form, oneshot::Sender<Result<Arc<Export>, Turned>>),
    /// Something about the dictionary.
    Ask(Box<Question>, oneshot::Sender<Result<Answer, Turned>>),
    Delete(oneshot::Sender<Result<(), Turned>>),
}

impl Command {
    /// Whether it cannot be done without the document.
    fn needs_document(&self) -> bool {
        match self {
            Self::Join(..) | Self::Frame(..) | Self::Export(..) | Self::Ask(..) => true,
            Self::Control(_, control) => matches!(**control, ClientControl::Report(_)),
            Self::Drained(_) | Self::Rights(..) | Self::Leave(_) | Self::Delete(_) => false,
        }
    }
}

impl Hub {
    pub(crate) fn new(config: Arc<Config>, access: Access, metrics: Arc<Metrics>, writer: Writer) -> Self {
        let (exports, rooms) = (Arc::new(Semaphore::new(MAX_EXPORTS)), Mutex::new(Some(HashMap::new())));
        Self { config, access, metrics, writer, exports, rooms }
    }

    /// Brings somebody into a room, which is loaded first if need be.
    pub(crate) async fn join(
        self: &Arc<Self>,
        name: &RoomName,
        joining: Joining,
    ) -> Result<(Joined, mpsc::Sender<Command>), Turned> {
        self.ask(name, |reply| Command::Join(Box::new(joining.clone()), reply)).await
    }

    /// A room's document as it is now, in some form.
    pub(crate) async fn export(self: &Arc<Self>, name: &RoomName, form: Form) -> Result<Arc<Export>, Turned> {
        self.ask(name, |reply| Command::Export(form, reply)).await.map(|(export, _)| export)
    }

    /// Asks a room about its dictionary. What it is to write is on disk when this answers.
    pub(crate) async fn ask_dict(self: &Arc<Self>, name: &RoomName, question: Question) -> Result<Answer, Turned> {
        let asked = self.ask(name, |reply| Command::Ask(Box::new(question.clone()), reply)).await;
        asked.map(|(answer, _)| answer)
    }

    /// Shows everybody out of a room and forgets it.
    pub(crate) async fn delete(self: &Arc<Self>, name: &RoomName) -> Result<(), Turned> {
        self.ask(name, Command::Delete).await.map(|((), _)| ())
    }

    /// Asks a room and waits for its answer.
    async fn ask<T>(
        self: &Arc<Self>,
        name: &RoomName,
        question: impl Fn(oneshot::Sender<Result<T, Turned>>) -> Command,
    ) -> Result<(T, mpsc::Sender<Command>), Turned> {
        // A room can leave memory between being found and being asked; then it is loaded again.
        loop {
            let room = self.find(name)?;
            let (reply, answer) = oneshot::channel();
            if room.send(question(reply)).await.is_ok()
                && let Ok(answered) = answer.await
            {
                return answered.map(|answer| (answer, room));
            }
        }
    }

    /// No room comes from here on, and those that are there leave when their connections have.
    pub(crate) fn close(&self) {
        *self.rooms() = None;
    }

    fn rooms(&self) -> MutexGuard<'_, Option<HashMap<RoomName, mpsc::Sender<Command>>>> {
        // Whoever panicked held the map for one insertion or removal, and those are whole.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(self: &Arc<Self>, name: &RoomName) -> Result<mpsc::Sender<Command>, Turned> {
        let mut rooms = self.rooms();
        let Some(rooms) = rooms.as_mut() else {
            return Err((Refusal::Restart, "the server is stopping; it will be back".to_owned()));
        };
        let count = rooms.len();
        match rooms.entry(name.clone()) {
            // A closed queue belongs to a room that is gone without having said so, such as after a panic.
            Entry::Occupied(room) if !room.get().is_closed() => Ok(room.get().clone()),
            Entry::Vacant(_) if count >= self.config.max_rooms => {
                Err((Refusal::Full, format!("the server has {count} rooms in use already")))
            }
            entry => {
                let (sender, commands) = mpsc::channel(COMMANDS);
                entry.insert_entry(sender.clone());
                tokio::spawn(keep(self.clone(), name.clone(), commands));
                Ok(sender)
            }
        }
    }

    /// Takes a room out, whoever is at its door: they find it closed and ask again.
    fn forget(&self, name: &RoomName, commands: &mut mpsc::Receiver<Command>) {
        let mut rooms = self.rooms();
        commands.close();
        rooms.as_mut().into_iter().for_each(|rooms| remove(rooms, name));
    }

    /// Takes a room out unless somebody is at its door.
    fn retire(&self, name: &RoomName, commands: &mut mpsc::Receiver<Command>) -> bool {
        let mut rooms = self.rooms();
        if !commands.is_empty() {
            return false;
        }
        // Whoever holds this sender already finds it closed, and asks again.
        commands.close();
        rooms.as_mut().into_iter().for_each(|rooms| remove(rooms, name));
        true
    }
}

/// Takes a room out of the map, which becomes smaller with its rooms: a large table in the midst of what many rooms had
/// keeps an allocator from giving that back.
fn remove(rooms: &mut HashMap<RoomName, mpsc::Sender<Command>>, name: &RoomName) {
    rooms.remove(name);
    if rooms.len() * 4 < rooms.capacity() {
        rooms.shrink_to(rooms.len() * 2);
    }
}

/// Owns one room from its loading to its end.
async fn keep(hub: Arc<Hub>, name: RoomName, mut commands: mpsc::Receiver<Command>) {
    let metrics = hub.metrics.clone();
    let _counted = metrics.rooms.enter();
    // Boxed, so that the task does not keep room for it as long as the room lasts; so is waking.
    match Box::pin(load(&hub, &name)).await {
        Ok(room) => {
            let (reply, stored) = watch::channel(Stored::Durable(0));
            let (promised, asked) = (VecDeque::new(), None);
            let (used, has_served, exports) = (Instant::now(), false, Exports::default());
            Keeper { hub, name, commands, room, reply, stored, used, has_served, promised, exports, asked }.run().await;
        }
        Err(turned) => {
            tracing::error!(room = name.fingerprint(), code = turned.0.label(), "cannot be loaded");
            turn_away(&hub, &name, &mut commands, &turned);
        }
    }
}

async fn load(hub: &Hub, name: &RoomName) -> Result<Room, Turned> {
    let Config { max_members, idle_timeout, max_events, max_room_bytes, .. } = *hub.config;
    let limits = Limits { members: max_members, patience: idle_timeout, events: max_events, bytes: max_room_bytes };
    let (document, held, count) = read(hub, name).await?;
    let mut room = Room::new(document, held, limits, hub.metrics.clone()).only(hub.config.only);
    tracing::debug!(room = name.fingerprint(), pieces = count, bytes = held.bytes(), "loaded");
    if count > MANY_PIECES {
        room.rewrite();
    }
    Ok(room)
}

/// What the store has of a room: the document, how much that is, and in how many pieces.
async fn read(hub: &Hub, name: &RoomName) -> Result<(Kept, Held, usize), Turned> {
    let damaged = |reason: String| (Refusal::Damaged, format!("room {name} cannot be loaded: {reason}"));
    let pieces = hub.writer.load(name.clone()).await?;
    let (count, held) = (pieces.len(), Held::of(&pieces));
    let read = move || Room::read(if planted("synced") { &[] } else { &pieces });
    // A long history takes its milliseconds, and other rooms share this thread; a short one is not worth another's stack.
    let read = match held.bytes() {
        0..SHORT => Ok(read()),
        _ => spawn_blocking(read).await,
    };
    let read = read.map_err(|_| damaged("its loading broke off".to_owned()))?;
    let document =
        read.map_err(|Damage { piece, pieces, error }| damaged(format!("piece {piece} of {pieces}: {error}")));
    Ok((document?, held, count))
}

/// Says no to everybody at the door, and makes the next one try the loading again.
fn turn_away(hub: &Hub, name: &RoomName, commands: &mut mpsc::Receiver<Command>, turned: &Turned) {
    loop {
        while let Ok(command) = commands.try_recv() {
            answer_all(command, turned);
        }
        if hub.retire(name, commands) {
            return;
        }
    }
}

/// Tells whoever waits for an answer that there is none. They may have gone.
fn answer_all(command: Command, turned: &Turned) {
    match command {
        Command::Join(_, reply) => _ = reply.send(Err(turned.clone())),
        Command::Export(_, reply) => _ = reply.send(Err(turned.clone())),
        Command::Ask(_, reply) => _ = reply.send(Err(turned.clone())),
        Command::Delete(reply) => _ = reply.send(Err(turned.clone())),
        Command::Control(..) | Command::Frame(..) | Command::Drained(_) | Command::Rights(..) | Command::Leave(_) => {}
    }
}

/// The task's own.
struct Keeper {
    hub: Arc<Hub>,
    name: RoomName,
    commands: mpsc::Receiver<Command>,
    room: Room,
    reply: watch::Sender<Stored>,
    stored: watch::Receiver<Stored>,
    /// When somebody last came, left, or needed the document.
    used: Instant,
    /// Whether anybody has asked anything yet: whoever made the room is still at its door before.
    has_served: bool,
    /// Who waits for which piece to be durable.
    promised: VecDeque<(u64, oneshot::Sender<Result<Answer, Turned>>)>,
    /// What of the document is being taken away.
    exports: Exports,
    /// How fast the dictionary is written by HTTP; boxed, for few rooms are.
    asked: Option<Box<Throttle>>,
}

const DELETED: &str = "the document has been deleted";

/// The room has been deleted.
struct Gone;

impl Keeper {
    async fn run(mut self) {
        loop {
            // A room that was only looked for takes up nobody's place. One that somebody tries to write to by HTTP stays, for it
            // knows how fast they do.
            let is_vacant = self.has_served && self.asked.is_none() && self.room.is_vacant();
            let leaves = self.used + if is_vacant { Duration::ZERO } else { self.hub.config.linger };
            let is_idle = self.room.is_empty() && self.room.is_settled();
            let may_rest = !self.room.rests() && self.room.is_settled();
            let deadline = if is_idle { Some(leaves) } else { self.room.deadline().or(may_rest.then_some(leaves)) };
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => if let Err(Gone) = self.obey(command).await { return },
                    None => break,
                },
                Ok(()) = self.stored.changed() => self.hear(),
                () = sleep_until(deadline.unwrap_or(leaves).into()), if deadline.is_some() => {
                    if is_idle && self.hub.retire(&self.name, &mut self.commands) {
                        tracing::debug!(room = self.name.fingerprint(), "left memory");
                        return;
                    }
                    self.pass_time(leaves);
                }
            }
            self.store(Room::take_due).await;
            if !self.room.is_settled() {
                self.used = Instant::now();
            }
        }
        self.store(|room, _| room.take_pieces()).await;
        while !self.room.is_settled() {
            match self.stored.changed().await {
                Ok(()) => self.hear(),
                Err(_) => return,
            }
        }
    }

    fn pass_time(&mut self, leaves: Instant) {
        let now = Instant::now();
        self.room.tick(now);
        if leaves <= now && !self.room.is_empty() && !self.room.rest() {
            self.used = now;
        }
    }

    /// The store has said something.
    fn hear(&mut self) {
        let stored = self.stored.borrow_and_update().clone();
        if let Stored::Failed(reason) = &stored {
            self.hub.metrics.store_failed();
            tracing::error!(room = self.name.fingerprint(), %reason, "not stored; nothing is acknowledged any more");
        }
        self.keep_promises(&stored);
        self.room.stored(Instant::now(), stored);
    }

    /// Does what a connection asks, and what has gathered meanwhile.
    async fn obey(&mut self, first: Command) -> Result<(), Gone> {
        self.has_served = true;
        self.obey_one(first).await?;
        for _ in 1..GO {
            match self.commands.try_recv() {
                Ok(command) => self.obey_one(command).await?,
                Err(_) => break,
            }
        }
        self.room.set_busy(false);
        Ok(())
    }

    async fn obey_one(&mut self, command: Command) -> Result<(), Gone> {
        let now = Instant::now();
        self.room.set_busy(!self.commands.is_empty());
        if command.needs_document() {
            self.used = now;
            if self.room.rests()
                && let Err(turned) = Box::pin(self.wake()).await
            {
                answer_all(command, &turned);
                return Ok(());
            }
        }
        match command {
            Command::Join(joining, reply) => self.admit(now, *joining, reply),
            Command::Control(id, control) => self.room.receive_control(now, id, *control),
            Command::Frame(id, frame) => self.room.receive_frame(now, id, frame),
            Command::Drained(id) => self.room.drained(now, id),
            Command::Rights(id, by) => self.room.allow(now, id, self.hub.access.rights(by, &self.name)),
            Command::Leave(id) => {
                self.used = now;
                self.room.leave(now, id);
            }
            // Whoever asked may have gone.
            Command::Export(form, reply) => {
                _ = reply.send(self.exports.of(self.room.document(), form, &self.hub.exports));
            }
            Command::Ask(question, reply) => self.answer(now, *question, reply),
            Command::Delete(reply) => return Box::pin(self.delete(now, reply)).await,
        }
        self.carry_out_orders(now).await;
        Ok(())
    }

    /// Answers about the dictionary, or promises to when it is on disk. Whoever asked may have gone.
    fn answer(&mut self, now: Instant, question: Question, reply: oneshot::Sender<Result<Answer, Turned>>) {
        let answer = match question {
            Question::Get(key) => self.look_up(&key),
            // Nothing is written for a key that is not there.
            Question::Remove(key) if self.look_up(&key) == Ok(Answer::Absent) => Ok(Answer::Absent),
            question if self.is_too_fast(now, question.cost()) => Ok(Answer::Busy),
            Question::Set(key, value) => return self.promise(now, &key, Some(&value), reply),
            Question::Remove(key) => return self.promise(now, &key, None, reply),
        };
        let _ = reply.send(answer);
    }

    fn look_up(&self, key: &str) -> Result<Answer, Turned> {
        let dict = self.room.document().dict().map_err(|unfit| (unfit.code(), unfit.to_string()))?;
        Ok(dict.and_then(|dict| dict.get(key)).map_or(Answer::Absent, Answer::Value))
    }

    /// All that write by HTTP share what one connection may send.
    fn is_too_fast(&mut self, now: Instant, bytes: usize) -> bool {
        let Config { byte_rate, message_rate, .. } = *self.hub.config;
        let throttle = self.asked.get_or_insert_with(|| Box::new(Throttle::new(byte_rate, message_rate, now)));
        // What is turned away costs nothing of the next second.
        let mut tried = Throttle::clone(throttle);
        let is_too_fast = tried.take(now, bytes).is_some();
        if !is_too_fast {
            **throttle = tried;
        }
        is_too_fast
    }

    fn promise(
        &mut self,
        now: Instant,
        key: &str,
        value: Option<&Value>,
        reply: oneshot::Sender<Result<Answer, Turned>>,
    ) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        match self.room.write(now, key, value, wall) {
            Ok(piece) => self.promised.push_back((piece, reply)),
            Err(turned) => _ = reply.send(Err(turned)),
        }
    }

    /// Tells those who wait for it what has become of their pieces.
    fn keep_promises(&mut self, stored: &Stored) {
        let (through, answer) = match stored {
            Stored::Durable(piece) => (*piece, Ok(Answer::Kept)),
            Stored::Failed(reason) => (u64::MAX, Err((Refusal::Unavailable, reason.to_string()))),
        };
        while self.promised.front().is_some_and(|(piece, _)| *piece <= through) {
            // Whoever waited may have gone.
            let reply = self.promised.pop_front().map(|(_, reply)| reply);
            let _ = reply.map(|reply| reply.send(answer.clone()));
        }
    }

    /// Reads the document again. A room that cannot be read any more ends for those who are in.
    async fn wake(&mut self) -> Result<(), Turned> {
        match read(&self.hub, &self.name).await {
            Ok((document, held, count)) => {
                self.room.wake(Instant::now(), document, held);
                // Where somebody is always in, a room is loaded once and woken for ever.
                if count > MANY_PIECES {
                    self.room.rewrite();
                }
                Ok(())
            }
            Err(turned) => {
                tracing::error!(room = self.name.fingerprint(), code = turned.0.label(), "cannot be read again");
                self.room.dismiss_all(Instant::now(), turned.0, &turned.1);
                Err(turned)
            }
        }
    }

    async fn carry_out_orders(&mut self, now: Instant) {
        let mut has_said = false;
        for order in self.room.take_orders() {
            let renewed = self.hub.access.restrict(order.credential, &self.name, order.to);
            has_said |= renewed.is_some();
            // Nobody has a pass of their own who came without one being made; that they leave is all that can be done.
            if order.to.is_none() {
                self.room.allow(now, order.member, Err(Denied::Removed));
            }
            for member in self.room.members_by(order.credential) {
                self.room.allow(now, member, self.hub.access.rights(order.credential, &self.name));
            }
            renewed.into_iter().flatten().for_each(|invitation| self.room.invite(now, invitation));
        }
        if has_said {
            let access = self.hub.access.clone();
            self.hub.writer.keep_said(move || access.said()).await;
        }
    }

    /// Nobody is shown out of a document that stays.
    async fn delete(&mut self, now: Instant, reply: oneshot::Sender<Result<(), Turned>>) -> Result<(), Gone> {
        self.store(|room, _| room.take_pieces()).await;
        let deleted = self.hub.writer.delete(self.name.clone()).await;
        let is_gone = deleted.is_ok();
        if is_gone {
            self.room.dismiss_all(now, Refusal::Deleted, DELETED);
            for (_, reply) in self.promised.drain(..) {
                let _ = reply.send(Err((Refusal::Deleted, DELETED.to_owned())));
            }
            self.hub.forget(&self.name, &mut self.commands);
        }
        // Whoever asked may have gone; the document has, too.
        let _ = reply.send(deleted);
        if is_gone { Err(Gone) } else { Ok(()) }
    }

    fn admit(&mut self, now: Instant, joining: Joining, reply: oneshot::Sender<Result<Joined, Turned>>) {
        let joined = self.let_in(now, joining);
        let id = joined.as_ref().ok().map(|joined| joined.id);
        if let (Err(_), Some(id)) = (reply.send(joined), id) {
            // The connection ended while it waited, so nobody else will say that this member has left.
            self.room.leave(now, id);
        }
    }

    /// What somebody may do is looked up here, where it is changed too: what a host says meets everybody who is in, and whoever
    /// comes later meets what was said. A pass is made for those alone who have a place.
    fn let_in(&mut self, now: Instant, mut joining: Joining) -> Result<Joined, Turned> {
        let turned = |denied: Denied| (denied.code(), denied.reason().to_owned());
        joining.rights = self.hub.access.rights(joining.credential, &self.name).map_err(turned)?;
        self.room.make_place(now, &joining)?;
        let admitted = self.hub.access.admit(joining.credential, &self.name).map_err(turned)?;
        let Admitted { credential, rights, pass, held } = admitted;
        let id = self.room.join(now, Joining { credential, rights, pass, held, ..joining })?;
        Ok(Joined { id, credential })
    }

    async fn store(&mut self, take: impl Fn(&mut Room, Instant) -> Vec<(u64, Vec<u8>)>) {
        // First: it holds what has been handed over before, and not what comes behind it.
        if let Some(whole) = self.room.take_rewritten() {
            self.hub.writer.replace(self.name.clone(), whole).await;
        }
        for (number, piece) in take(&mut self.room, Instant::now()) {
            self.hub.writer.append(&self.name, piece, number, &self.reply).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::{Color, Identity};
    use crate::rights::Rights;
    use crate::server::outbox::{Pickup, outbox};
    use crate::store::MemoryStore;
    use crate::token::Token;
    use crate::tokens::Grant;
    use cede::AgentId;

    fn hub(access: Access, config: Config) -> Arc<Hub> {
        let (writer, _) = Writer::start(MemoryStore::default()).unwrap();
        Arc::new(Hub::new(Arc::new(config), access, Arc::default(), writer))
    }

    fn joining(agent: u128, token: &Token) -> (Joining, Pickup) {
        let (outbox, pickup) = outbox(1 << 20);
        let (identity, agent) = (Identity { name: "Ann".into(), color: Color(1, 2, 3) }, AgentId::new(agent));
        let credential = Credential::of(Some(token));
        (Joining { identity, agent, outbox, credential, rights: Rights::Write, pass: None, held: None }, pickup)
    }

    /// Catches a change of rights between hello and the room, which nobody would hear of.
    #[tokio::test]
    async fn who_has_lost_their_rights_since_hello_is_not_let_in() {
        let (grant, token) = Grant::new("notes".parse().unwrap(), Rights::Write, "").unwrap();
        let access = Access::tokens(vec![grant]);
        let hub = hub(access.clone(), Config::default());
        let (joining, _pickup) = joining(1, &token);
        access.replace(Vec::new());
        let turned = hub.join(&"notes".parse().unwrap(), joining).await.map(|(joined, _)| joined.id);
        assert_eq!(turned.unwrap_err().0, Refusal::Unauthorized);
    }

    /// Catches passes that are made for whoever knocks: 4,096 of them pushed out everybody's.
    #[tokio::test]
    async fn a_join_that_fails_makes_no_pass() {
        let name = "notes".parse().unwrap();
        let (access, _) = Access::hosted(&name, true).unwrap();
        let hub = hub(access.clone(), Config { max_members: 1, ..Config::default() });
        let line = access.invitations()[0].token.clone();
        let [(first, _first), (second, _second)] = [1, 2].map(|agent| joining(agent, &line));
        hub.join(&name, first).await.unwrap();
        assert_eq!(access.passes(), 1);
        assert_eq!(hub.join(&name, second).await.map(|(joined, _)| joined.id).unwrap_err().0, Refusal::Full);
        assert_eq!(access.passes(), 1);
    }

    /// Catches passes that are not given back by who leaves, or not kept by who stays, and orders that nobody hears of.
    #[tokio::test]
    async fn who_is_shown_out_does_not_come_back_by_a_second_pass() {
        let name = "notes".parse().unwrap();
        let (access, host) = Access::hosted(&name, true).unwrap();
        let hub = hub(access.clone(), Config::default());
        let line = access.invitations()[0].token.clone();
        let mut guests = Vec::new();
        for agent in 1..=3 {
            let (joining, pickup) = joining(agent, &line);
            guests.push((hub.join(&name, joining).await.unwrap(), pickup));
        }
        let [((first, room), _a), ((second, _), _b), ((cleo, _), _c)] = &guests[..] else { panic!() };
        let (host, _host) = joining(4, &host);
        let (host, _) = hub.join(&name, host).await.unwrap();
        assert!(room.send(Command::Leave(second.id)).await.is_ok());
        let remove = Box::new(ClientControl::Remove { id: first.id });
        assert!(room.send(Command::Control(host.id, remove)).await.is_ok());

        let (mut again, _pickup) = joining(1, &line);
        for credential in [second.credential, first.credential, Credential::of(Some(&line))] {
            again.credential = credential;
            let came = hub.join(&name, again.clone()).await.map(|(joined, _)| joined.id);
            assert_eq!(came.unwrap_err().0, Refusal::Unauthorized);
        }
        assert_eq!(access.rights(cleo.credential, &name), Ok(Rights::Write));
        assert_eq!(access.passes(), 1);
    }

    /// Catches rooms that a reader makes by asking for names that nobody has written to, and that fill all places.
    #[tokio::test]
    async fn a_room_that_was_only_looked_for_leaves_at_once() {
        let hub = hub(Access::open(), Config::default());
        for number in 0..3 {
            let name = format!("r{number}").parse().unwrap();
            hub.export(&name, Form::File).await.unwrap();
        }
        let left = async {
            while hub.rooms().as_ref().is_some_and(|rooms| !rooms.is_empty()) {
                tokio::task::yield_now().await
            }
        };
        tokio::time::timeout(Duration::from_secs(5), left).await.expect("the rooms to leave");
    }

    /// Sets a key of a dictionary, so that there is another version.
    async fn edit(hub: &Arc<Hub>, name: &RoomName, value: usize) {
        let set = Question::Set("key".to_owned(), value.into());
        assert_eq!(hub.ask_dict(name, set).await, Ok(Answer::Kept));
    }

    async fn take(hub: &Arc<Hub>, name: &RoomName, form: Form) -> Result<Bytes, Turned> {
        let export = hub.export(name, form).await?;
        Ok(export.bytes().await?.expect("somebody has written"))
    }

    /// Catches a copy of the document for everybody who asks for it and then does not read.
    #[tokio::test]
    async fn those_who_take_the_same_share_it_and_others_wait_while_too_many_take_something() {
        let (hub, name) = (hub(Access::open(), Config::default()), "r".parse().unwrap());
        edit(&hub, &name, 0).await;
        for form in [Form::File, Form::Text, Form::Dict] {
            let (one, other) = (take(&hub, &name, form).await.unwrap(), take(&hub, &name, form).await.unwrap());
            assert_eq!(one.as_ptr(), other.as_ptr(), "{form:?}");
        }
        let mut held = Vec::new();
        for value in 1.. {
            edit(&hub, &name, value).await;
            match take(&hub, &name, Form::Text).await {
                Ok(taken) => held.push(taken),
                Err((code, reason)) => {
                    assert_eq!(code, Refusal::Unavailable);
                    assert!(reason.contains("4 exports of this room"), "{reason}");
                    break;
                }
            }
            assert!(held.len() <= 4, "there is no bound");
        }
        assert_eq!((held.len(), &held[0][..]), (4, &b"{\"key\":1}\n"[..]), "what was taken stays as it was");
        drop(held);
        let held = take(&hub, &name, Form::Text).await.unwrap();

        let mut others = Vec::new();
        for number in 1..=MAX_EXPORTS {
            let name = format!("r{number}").parse().unwrap();
            edit(&hub, &name, 0).await;
            others.push(take(&hub, &name, Form::File).await);
        }
        let (reason, taken) = (others.pop().unwrap().unwrap_err().1, others);
        assert!(reason.contains("16 exports of this server"), "{reason}");
        assert!(taken.iter().all(Result::is_ok));
        drop((held, taken));
        take(&hub, &name, Form::File).await.unwrap();
    }

    /// A connection looks its rights up when the file of tokens has changed, and tells the room; what a host says may come first.
    #[tokio::test]
    async fn rights_that_were_looked_up_before_an_order_do_not_undo_it() {
        let name: RoomName = "notes".parse().unwrap();
        let (ann, host) = Grant::new(name.as_str().parse().unwrap(), Rights::Host, "").unwrap();
        let (ben, token) = Grant::new(name.as_str().parse().unwrap(), Rights::Write, "").unwrap();
        let access = Access::tokens(vec![ann.clone(), ben.clone()]);
        let hub = hub(access.clone(), Config::default());
        let ((host, _a), (guest, _b)) = (joining(1, &host), joining(2, &token));
        let (host, room) = hub.join(&name, host).await.unwrap();
        let (guest, _) = hub.join(&name, guest).await.unwrap();
        // The file changes for somebody else; Ben's connection looks up (connection.rs, look_up_rights) ...
        access.replace(vec![ann, ben]);
        // ... and waits behind the host's order for its turn.
        let order = Box::new(ClientControl::Allow { id: guest.id, rights: Rights::Read });
        assert!(room.send(Command::Control(host.id, order)).await.is_ok());
        assert!(room.send(Command::Rights(guest.id, guest.credential)).await.is_ok());
        let mut set = cede::Dict::new(AgentId::new(2));
        set.set("color", &serde_json::json!("red"), 0).unwrap();
        let data = cede::sync::Message::Data(set.encode());
        assert!(room.send(Command::Frame(guest.id, Bytes::from(data.encode()))).await.is_ok());
        let got = hub.ask_dict(&name, Question::Get("color".to_owned())).await.unwrap();
        assert_eq!(access.rights(guest.credential, &name), Ok(Rights::Read));
        assert_eq!(got, Answer::Absent, "who may only read has written");
    }

    /// The store of `cede share` is the document of the editor (tui-demo/src/shell/host.rs, `Lent`): what is read when a room wakes
    /// holds what the person at the editor has typed a moment ago and is about to send.
    #[tokio::test]
    async fn what_a_room_finds_in_its_store_when_it_wakes_reaches_those_who_are_in() {
        #[derive(Clone, Default)]
        struct Lent(Arc<Mutex<Vec<u8>>>);
        impl crate::store::Store for Lent {
            fn load(&mut self, _: &RoomName) -> Result<Vec<Vec<u8>>, crate::store::StoreError> {
                Ok(vec![self.0.lock().unwrap().clone()])
            }
            fn append(&mut self, _: &[(RoomName, Vec<u8>)]) -> Result<(), crate::store::StoreError> {
                Ok(())
            }
        }
        use cede::sync::Message;
        let name: RoomName = "notes".parse().unwrap();
        let mut editor = cede::Session::new(AgentId::new(1));
        editor.insert(cede::Chars(0), "a").unwrap();
        drop(editor.take_outgoing());
        let lent = Lent(Arc::new(Mutex::new(editor.document().encode())));
        let (writer, _) = Writer::start(lent.clone()).unwrap();
        let linger = Duration::from_millis(100);
        let config = Config { linger, ..Config::default() };
        let hub = Arc::new(Hub::new(Arc::new(config), Access::open(), Arc::default(), writer));
        let token = Token::random().unwrap();
        let anonymous = |agent| {
            let (joining, pickup) = joining(agent, &token);
            (Joining { credential: Credential::Anonymous, ..joining }, pickup)
        };
        let ((host, _host), (guest, mut pickup)) = (anonymous(1), anonymous(2));
        let (host, room) = hub.join(&name, host).await.unwrap();
        let (guest, _) = hub.join(&name, guest).await.unwrap();
        let frame = |message: Message| Bytes::from(message.encode());
        for (id, meta) in [(host.id, editor.document().meta()), (guest.id, cede::Summary::new())] {
            assert!(room.send(Command::Frame(id, frame(Message::Meta(meta)))).await.is_ok());
            assert!(room.send(Command::Frame(id, frame(Message::Done))).await.is_ok());
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let mut seen = cede::Session::new(AgentId::new(2));
        for letter in ["b", "c"] {
            editor.insert(cede::Chars(editor.text().len::<cede::Chars>().0), letter).unwrap();
            *lent.0.lock().unwrap() = editor.document().encode();
            let data = Message::Data(editor.take_outgoing().unwrap());
            assert!(room.send(Command::Frame(host.id, frame(data))).await.is_ok());
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        while let Some(frame) = pickup.try_take() {
            if let tokio_tungstenite::tungstenite::Message::Binary(frame) = frame
                && let Ok(Message::Data(events)) = Message::decode(&frame)
            {
                seen.merge::<cede::Chars>(&events).unwrap();
            }
        }
        assert_eq!(seen.text().to_string(), "abc");
    }

    /// Who comes back again and again has another number each time.
    #[tokio::test]
    async fn who_has_just_come_back_is_shown_out_by_the_number_they_had() {
        let name = "notes".parse().unwrap();
        let (access, host) = Access::hosted(&name, true).unwrap();
        let hub = hub(access.clone(), Config::default());
        let line = access.invitations()[0].token.clone();
        let ((host, _host), (guest, _guest)) = (joining(1, &host), joining(2, &line));
        let (host, room) = hub.join(&name, host).await.unwrap();
        let (guest, _) = hub.join(&name, guest).await.unwrap();
        let (mut again, _again) = joining(2, &line);
        again.credential = guest.credential;
        let (again, _) = hub.join(&name, again).await.unwrap();
        let remove = Box::new(ClientControl::Remove { id: guest.id });
        assert!(room.send(Command::Control(host.id, remove)).await.is_ok());
        hub.export(&name, Form::File).await.unwrap();
        assert!(again.id != guest.id);
        assert_eq!(access.rights(guest.credential, &name), Err(Denied::Unknown), "still in");
    }
}
