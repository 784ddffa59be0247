//! Which rooms are in memory, and the task that owns each of them.
//!
//! The hub knows names and the ends of queues. A room comes with its first member and leaves a while after its last;
//! in between one task alone holds it, loads it, has it stored, and keeps its time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cede::AgentId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::Bytes;

use super::Config;
use super::outbox::Outbox;
use super::room::{Damage, Limits, Room};
use super::writer::{Stored, Writer};
use crate::presence::{Identity, PeerId};
use crate::room::RoomName;
use crate::wire::{ClientControl, Refusal};

/// Commands that wait for a room. When they are that many its connections stop reading.
const COMMANDS: usize = 64;
/// Commands taken in one go, before what they made is handed to the store.
const GO: usize = 64;
/// A room that is loaded from more pieces than this is stored in one again.
const MANY_PIECES: usize = 64;

/// All rooms in memory.
pub(crate) struct Hub {
    config: Arc<Config>,
    writer: Writer,
    /// `None` once the server stops.
    rooms: Mutex<Option<HashMap<RoomName, mpsc::Sender<Command>>>>,
}

/// Somebody at the door of a room.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    pub(crate) identity: Identity,
    pub(crate) agent: AgentId,
    pub(crate) outbox: Outbox,
}

/// Why somebody is not let in.
pub(crate) type Turned = (Refusal, String);

/// What a connection tells its room.
pub(crate) enum Command {
    Join(Joining, oneshot::Sender<Result<PeerId, Turned>>),
    Control(PeerId, ClientControl),
    Frame(PeerId, Bytes),
    Drained(PeerId),
    Leave(PeerId),
}

impl Hub {
    pub(crate) fn new(config: Arc<Config>, writer: Writer) -> Self {
        Self { config, writer, rooms: Mutex::new(Some(HashMap::new())) }
    }

    /// Brings somebody into a room, which is loaded first if need be.
    pub(crate) async fn join(
        self: &Arc<Self>,
        name: &RoomName,
        joining: Joining,
    ) -> Result<(PeerId, mpsc::Sender<Command>), Turned> {
        // A room can leave memory between being found and being asked; then it is loaded again.
        while let Some(room) = self.find(name) {
            let (reply, answer) = oneshot::channel();
            if room.send(Command::Join(joining.clone(), reply)).await.is_ok()
                && let Ok(joined) = answer.await
            {
                return joined.map(|id| (id, room));
            }
        }
        Err((Refusal::Restart, "the server is stopping; it will be back".to_owned()))
    }

    /// No room comes from here on, and those that are there leave when their connections have.
    pub(crate) fn close(&self) {
        *self.rooms() = None;
    }

    fn rooms(&self) -> MutexGuard<'_, Option<HashMap<RoomName, mpsc::Sender<Command>>>> {
        // Whoever panicked held the map for one insertion or removal, and those are whole.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(self: &Arc<Self>, name: &RoomName) -> Option<mpsc::Sender<Command>> {
        let mut rooms = self.rooms();
        match rooms.as_mut()?.entry(name.clone()) {
            // A closed queue belongs to a room that is gone without having said so, such as after a panic.
            Entry::Occupied(room) if !room.get().is_closed() => Some(room.get().clone()),
            entry => {
                let (sender, commands) = mpsc::channel(COMMANDS);
                entry.insert_entry(sender.clone());
                tokio::spawn(keep(self.clone(), name.clone(), commands));
                Some(sender)
            }
        }
    }

    /// Takes a room out unless somebody is at its door.
    fn retire(&self, name: &RoomName, commands: &mut mpsc::Receiver<Command>) -> bool {
        let mut rooms = self.rooms();
        if !commands.is_empty() {
            return false;
        }
        // Whoever holds this sender already finds it closed, and asks again.
        commands.close();
        rooms.as_mut().and_then(|rooms| rooms.remove(name));
        true
    }
}

/// Owns one room from its loading to its end.
async fn keep(hub: Arc<Hub>, name: RoomName, mut commands: mpsc::Receiver<Command>) {
    match load(&hub, &name).await {
        Ok(room) => {
            let (reply, stored) = mpsc::unbounded_channel();
            Keeper { hub, name, commands, room, reply, stored }.run().await;
        }
        Err(turned) => turn_away(&hub, &name, &mut commands, &turned),
    }
}

async fn load(hub: &Hub, name: &RoomName) -> Result<Room, Turned> {
    let damaged = |reason: String| (Refusal::Damaged, format!("room {name} cannot be loaded: {reason}"));
    let pieces = hub.writer.load(name.clone()).await?;
    let count = pieces.len();
    let limits = Limits { members: hub.config.max_members, patience: hub.config.idle_timeout };
    // A long history takes its milliseconds; other rooms share this thread.
    let loaded = spawn_blocking(move || Room::load(&pieces, limits)).await;
    let room = loaded.map_err(|_| damaged("its loading broke off".to_owned()))?;
    let room =
        room.map_err(|Damage { piece, pieces, error }| damaged(format!("piece {piece} of {pieces}: {error}")))?;
    if count > MANY_PIECES
        && let Some(whole) = room.whole()
    {
        hub.writer.replace(name.clone(), whole).await;
    }
    Ok(room)
}

/// Says no to everybody at the door, and makes the next one try the loading again.
fn turn_away(hub: &Hub, name: &RoomName, commands: &mut mpsc::Receiver<Command>, turned: &Turned) {
    loop {
        while let Ok(command) = commands.try_recv() {
            if let Command::Join(_, reply) = command {
                // Whoever knocked may have gone.
                let _ = reply.send(Err(turned.clone()));
            }
        }
        if hub.retire(name, commands) {
            return;
        }
    }
}

/// The task's own.
struct Keeper {
    hub: Arc<Hub>,
    name: RoomName,
    commands: mpsc::Receiver<Command>,
    room: Room,
    reply: mpsc::UnboundedSender<Stored>,
    stored: mpsc::UnboundedReceiver<Stored>,
}

impl Keeper {
    async fn run(mut self) {
        let mut empty_since = Instant::now();
        loop {
            let leaves = empty_since + self.hub.config.linger;
            let is_idle = self.room.is_empty() && self.room.is_settled();
            let deadline = if is_idle { Some(leaves) } else { self.room.deadline() };
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                Some(stored) = self.stored.recv() => self.room.stored(Instant::now(), stored),
                () = sleep_until(deadline.unwrap_or(leaves).into()), if deadline.is_some() => {
                    if is_idle && self.hub.retire(&self.name, &mut self.commands) {
                        return;
                    }
                    self.room.tick(Instant::now());
                }
            }
            self.store().await;
            if !self.room.is_empty() || !self.room.is_settled() {
                empty_since = Instant::now();
            }
        }
        while !self.room.is_settled() {
            match self.stored.recv().await {
                Some(stored) => self.room.stored(Instant::now(), stored),
                None => return,
            }
        }
    }

    /// Does what a connection asks, and what has gathered meanwhile.
    fn obey(&mut self, first: Command) {
        let now = Instant::now();
        self.obey_one(now, first);
        for _ in 1..GO {
            match self.commands.try_recv() {
                Ok(command) => self.obey_one(now, command),
                Err(_) => return,
            }
        }
    }

    fn obey_one(&mut self, now: Instant, command: Command) {
        match command {
            Command::Join(joining, reply) => self.admit(now, joining, reply),
            Command::Control(id, control) => self.room.receive_control(now, id, control),
            Command::Frame(id, frame) => self.room.receive_frame(now, id, frame),
            Command::Drained(id) => self.room.drained(now, id),
            Command::Leave(id) => self.room.leave(now, id),
        }
    }

    fn admit(&mut self, now: Instant, joining: Joining, reply: oneshot::Sender<Result<PeerId, Turned>>) {
        let Joining { identity, agent, outbox } = joining;
        let joined = self.room.join(now, identity, agent, outbox);
        let id = joined.as_ref().ok().copied();
        if let (Err(_), Some(id)) = (reply.send(joined), id) {
            // The connection ended while it waited, so nobody else will say that this member has left.
            self.room.leave(now, id);
        }
    }

    async fn store(&mut self) {
        for (number, piece) in self.room.take_pieces() {
            self.hub.writer.append(&self.name, piece, number, &self.reply).await;
        }
    }
}
