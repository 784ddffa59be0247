//! The task that carries frames between a link and a shared folder.
//!
//! Knows time and threads: what the session sends is written twice a second, and the folder is looked at as often. A folder that
//! cannot be read or written, such as on a stick that is not there, is tried again and again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Folder, Parted, ReplicaId};
use crate::client::{Command, Incoming, Outgoing};

/// Between two looks. Programs that copy folders take seconds.
const LOOK: Duration = Duration::from_millis(500);
/// Between two attempts.
const RETRY: Duration = Duration::from_secs(2);

/// Runs until closed, or left by its owner.
pub(super) async fn run(
    path: PathBuf,
    id: ReplicaId,
    events: mpsc::Sender<Incoming>,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut task = Task { events, commands };
    for connection in 1.. {
        let end = match task.say([Incoming::Connecting { attempt: 1 }]).await {
            Ok(()) => task.attempt(Folder::new(&path, id), connection).await,
            Err(end) => end,
        };
        let reason = match end {
            End::Lost(reason) => reason,
            End::Refused(reason) => return drop(task.say([Incoming::Refused { reason }]).await),
            End::Closed => return,
        };
        if task.say([Incoming::Closed { reason, retry_in: RETRY }]).await.is_err() || task.closed_within(RETRY).await {
            return;
        }
    }
}

/// Why an attempt is over.
enum End {
    /// Another one may do better.
    Lost(String),
    /// No other one will.
    Refused(String),
    /// The owner wants no other, or is gone.
    Closed,
}

impl From<Parted> for End {
    fn from(Parted { reason, is_final }: Parted) -> Self {
        if is_final { Self::Refused(reason) } else { Self::Lost(reason) }
    }
}

struct Task {
    events: mpsc::Sender<Incoming>,
    commands: mpsc::UnboundedReceiver<Command>,
}

impl Task {
    async fn say(&self, heard: impl IntoIterator<Item = Incoming>) -> Result<(), End> {
        for incoming in heard {
            self.events.send(incoming).await.map_err(|_| End::Closed)?;
        }
        Ok(())
    }

    /// Waits, and says whether the owner closed meanwhile.
    async fn closed_within(&mut self, wait: Duration) -> bool {
        let wait = sleep(wait);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => return false,
                () = self.events.closed() => return true,
                command = self.commands.recv() => match command {
                    Some(Command::Send(_)) => {}
                    Some(Command::Close) | None => return true,
                },
            }
        }
    }

    async fn attempt(&mut self, folder: Folder, connection: u64) -> End {
        match self.carry(folder, connection).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn carry(&mut self, mut folder: Folder, connection: u64) -> Result<std::convert::Infallible, End> {
        self.at_disk(&mut folder, move |folder| folder.connect(connection, Instant::now())).await?;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let events = self.events.clone();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Send(outgoing)) => self.take(&mut folder, connection, outgoing).await?,
                    Some(Command::Close) | None => {
                        // What has been handed over is written first.
                        self.at_disk(&mut folder, Folder::store).await?;
                        return Err(End::Closed);
                    }
                },
                _ = looks.tick() => {
                    self.at_disk(&mut folder, Folder::store).await?;
                    self.at_disk(&mut folder, |folder| folder.look(Instant::now())).await?;
                }
                () = events.closed() => return Err(End::Closed),
            }
        }
    }

    async fn take(&mut self, folder: &mut Folder, connection: u64, outgoing: Outgoing) -> Result<(), End> {
        if outgoing.connection != connection {
            return Ok(());
        }
        let heard = folder.receive(outgoing.frame)?;
        self.say(heard).await
    }

    /// Disks take their time, and others share this thread.
    async fn at_disk(
        &mut self,
        folder: &mut Folder,
        work: impl FnOnce(&mut Folder) -> std::io::Result<Vec<Incoming>> + Send + 'static,
    ) -> Result<(), End> {
        let mut lent = std::mem::replace(folder, Folder::new(PathBuf::new(), ReplicaId(0)));
        let worked = spawn_blocking(move || {
            let heard = work(&mut lent);
            (lent, heard)
        });
        let (lent, heard) = worked.await.map_err(|_| End::Lost("reading the folder broke off".to_owned()))?;
        *folder = lent;
        let heard = heard.map_err(|error| End::Lost(error.to_string()))?;
        self.say(heard).await
    }
}
