//! What waits to be sent on one connection: a queue bounded by bytes, which the room fills without ever waiting.
//!
//! The bytes of a frame count until the network has taken them. A frame that does not fit is dropped, and the taking
//! end is asked to say when everything before it has left; the room then sends what makes up for the loss.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::planted::planted;
use crate::wire::{Refusal, ServerControl};

/// The filling end. Clones fill the same queue.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    frames: mpsc::UnboundedSender<Queued>,
    free: Arc<Semaphore>,
    capacity: u32,
    /// Something was dropped since the taking end last said that it was empty.
    dropped: Arc<AtomicBool>,
}

/// The taking end.
#[derive(Debug)]
pub(crate) struct Pickup {
    frames: mpsc::UnboundedReceiver<Queued>,
    free: Arc<Semaphore>,
    dropped: Arc<AtomicBool>,
    /// Bytes taken and not yet flushed.
    taken: u32,
}

/// A frame and the bytes that it took.
#[derive(Debug)]
struct Queued {
    message: Message,
    cost: u32,
}

/// A queue of at most `max_bytes`.
pub(crate) fn outbox(max_bytes: usize) -> (Outbox, Pickup) {
    let capacity = u32::try_from(max_bytes).unwrap_or(u32::MAX).max(1);
    let free = Arc::new(Semaphore::new(capacity as usize));
    let dropped = Arc::new(AtomicBool::new(false));
    let (sender, frames) = mpsc::unbounded_channel();
    let outbox = Outbox { frames: sender, free: free.clone(), capacity, dropped: dropped.clone() };
    (outbox, Pickup { frames, free, dropped, taken: 0 })
}

/// What a frame counts: its payload and about what its place in the queue costs. One that is larger than the queue
/// counts as the whole of it, and so is sent alone.
fn cost(message: &Message, capacity: u32) -> u32 {
    const PLACE: usize = 64;
    u32::try_from(message.len() + PLACE).unwrap_or(u32::MAX).min(capacity)
}

impl Outbox {
    /// Queues a frame, or drops it and returns false.
    pub(crate) fn push(&self, message: Message) -> bool {
        let cost = cost(&message, self.capacity);
        if !self.takes(cost) {
            // Asked before the second look: either the taking end frees its bytes after this and sees the request, or
            // it has freed them already and the frame fits now.
            self.dropped.store(true, Ordering::SeqCst);
            if !self.takes(cost) {
                return false;
            }
        }
        self.queue(message, cost);
        true
    }

    /// Queues a frame that a connection cannot begin without. It counts nothing, whatever its size: it comes once.
    pub(crate) fn greet(&self, message: Message) {
        self.queue(message, 0);
    }

    /// Queues the reason and the end, which count nothing either.
    pub(crate) fn end(&self, code: Refusal, reason: &str) {
        let (refused, close) = farewell(code, reason);
        self.queue(refused, 0);
        self.queue(close, 0);
    }

    /// Takes the bytes; the taking end gives them back once they are flushed.
    fn takes(&self, bytes: u32) -> bool {
        let taken = self.free.try_acquire_many(bytes);
        taken.map(|bytes| bytes.forget()).is_ok() || planted("queue")
    }

    fn queue(&self, message: Message, cost: u32) {
        // Without a taking end the connection is over and its leaving is on its way to the room: nothing was lost
        // that a resync could mend.
        let _ = self.frames.send(Queued { message, cost });
    }
}

/// The two frames that end a connection: the reason for programs and people, and the WebSocket's own.
pub(crate) fn farewell(code: Refusal, reason: &str) -> (Message, Message) {
    let refused = ServerControl::Refused { code, reason: reason.to_owned() };
    // A close frame has room for 123 bytes; the whole reason has just been sent.
    let mut short = reason.to_owned();
    crate::presence::bound(&mut short, 120);
    let close = CloseFrame { code: code.close_code().into(), reason: short.into() };
    (Message::text(refused.to_json()), Message::Close(Some(close)))
}

impl Pickup {
    /// The next frame; waits for one. `None` when no room holds the filling end any more. Cancel-safe.
    pub(crate) async fn take(&mut self) -> Option<Message> {
        let message = self.frames.recv().await;
        self.count(message)
    }

    /// The next frame, if there is one.
    pub(crate) fn try_take(&mut self) -> Option<Message> {
        let message = self.frames.try_recv().ok();
        self.count(message)
    }

    fn count(&mut self, queued: Option<Queued>) -> Option<Message> {
        let Queued { message, cost } = queued?;
        self.taken += cost;
        Some(message)
    }

    /// Nobody holds the filling end any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.frames.is_closed()
    }

    /// Everything taken has been flushed. Says whether the queue is empty and something was dropped since it last was.
    pub(crate) fn flushed(&mut self) -> bool {
        self.free.add_permits(std::mem::take(&mut self.taken) as usize);
        self.frames.is_empty() && self.dropped.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kilobyte() -> Message {
        Message::binary(vec![0; 1024])
    }

    #[test]
    fn a_queue_that_nobody_empties_stops_growing() {
        let (outbox, mut pickup) = outbox(10 * 1024);
        let queued = (0..1000).filter(|_| outbox.push(kilobyte())).count();
        assert_eq!(queued, 10 * 1024 / (1024 + 64));
        let taken = std::iter::from_fn(|| pickup.try_take()).count();
        assert_eq!(taken, queued);
        assert!(!outbox.push(kilobyte()), "what is taken counts until it is flushed");
        assert!(pickup.flushed(), "the loss is reported once everything before it has left");
        assert!(!pickup.flushed(), "and once only");
        assert!(outbox.push(kilobyte()));
    }

    #[test]
    fn a_frame_larger_than_the_queue_goes_alone() {
        let (outbox, mut pickup) = outbox(100);
        assert!(outbox.push(kilobyte()));
        assert!(!outbox.push(Message::text("x")));
        assert!(pickup.try_take().is_some());
        assert!(pickup.flushed());
        assert!(outbox.push(kilobyte()));
    }

    #[test]
    fn the_end_always_fits() {
        let (outbox, mut pickup) = outbox(100);
        assert!(outbox.push(kilobyte()));
        outbox.end(Refusal::Slow, &"long ".repeat(100));
        let kinds: Vec<bool> = std::iter::from_fn(|| pickup.try_take()).map(|message| message.is_close()).collect();
        assert_eq!(kinds, [false, false, true]);
    }
}
