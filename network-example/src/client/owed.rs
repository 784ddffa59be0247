//! What a client has to answer and the network has not taken: so much and no more.
//!
//! What people type is kept in a queue without a bound, for it is theirs. Answers are as many as a server asks for, and one that
//! asks without end and reads nothing would fill its client's memory with them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use cede::sync::Message;

use super::{Frame, Outgoing};
use crate::wire::ClientControl;

/// Reports that may wait. A server tells its version some five times a second at most, so an honest one gets all.
const REPORTS: usize = 64;
/// No connection has this number.
const NONE: u64 = 0;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// The connection whose META waits.
    meta: AtomicU64,
    reports: AtomicUsize,
}

impl Owed {
    /// Whether a frame is to be queued. A second META is not: the first, which says less, leaves after it was asked for
    /// as well, and is answered with all that this one would be.
    pub(super) fn takes(&self, outgoing: &Outgoing) -> bool {
        match &outgoing.frame {
            Frame::Sync(Message::Meta(_)) => {
                self.meta.swap(outgoing.connection, Ordering::Relaxed) != outgoing.connection
            }
            Frame::Control(ClientControl::Report(_)) => {
                let has_room = self.reports.load(Ordering::Relaxed) < REPORTS;
                self.reports.fetch_add(usize::from(has_room), Ordering::Relaxed);
                has_room
            }
            _ => true,
        }
    }

    /// A frame is out of the queue.
    pub(super) fn left(&self, outgoing: &Outgoing) {
        match &outgoing.frame {
            Frame::Sync(Message::Meta(_)) => {
                // If another connection's waits by now, it goes on waiting.
                let _ = self.meta.compare_exchange(outgoing.connection, NONE, Ordering::Relaxed, Ordering::Relaxed);
            }
            Frame::Control(ClientControl::Report(_)) => _ = self.reports.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Command, Sender};
    use crate::presence::VersionMark;
    use cede::Summary;
    use std::sync::Arc;
    use tokio::sync::mpsc;

    /// Catches answers that are queued as often as a server asks that takes none of them.
    #[test]
    fn however_often_a_server_asks_its_answers_wait_in_bounds() {
        let (outgoing, mut commands) = mpsc::unbounded_channel();
        let owed = Arc::new(Owed::default());
        let sender = Sender { outgoing, owed: Some(owed.clone()) };
        let frame = |connection, frame| Outgoing { connection, frame };
        let meta = |connection| frame(connection, Frame::Sync(Message::Meta(Summary::new())));
        let report = Frame::Control(ClientControl::Report(VersionMark { version: 1, text: 2 }));
        for _ in 0..1000 {
            sender.send([meta(1), frame(1, report.clone())]);
        }
        assert_eq!(commands.len(), 1 + REPORTS);
        sender.send([
            meta(2),
            meta(2),
            frame(2, Frame::Sync(Message::Data(vec![1]))),
            frame(2, Frame::Sync(Message::Done)),
        ]);
        assert_eq!(
            commands.len(),
            1 + REPORTS + 3,
            "another connection begins with its own, and what is typed always goes"
        );
        while let Ok(Command::Send(outgoing)) = commands.try_recv() {
            owed.left(&outgoing);
        }
        sender.send([meta(2), frame(2, report)]);
        assert_eq!(commands.len(), 2);
    }
}
