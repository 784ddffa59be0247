//! What waits to be sent on one connection: a queue bounded by bytes, which the room fills without ever waiting.
//!
//! The bytes of a frame count until the network has taken them. A frame that does not fit is dropped, and the taking
//! end is asked to say when everything before it has left; the room then sends what makes up for the loss.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::planted::planted;
use crate::wire::{Refusal, ServerControl};

/// A queue that is empty keeps room for no more frames than this. Most are empty most of the time.
const KEPT: usize = 4;

/// The filling end. Clones fill the same queue.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    queue: Arc<Queue>,
}

/// The taking end.
#[derive(Debug)]
pub(crate) struct Pickup {
    queue: Arc<Queue>,
    /// Bytes taken and not yet flushed.
    taken: u32,
}

/// One allocation of some hundred bytes; a channel would keep room for 32 frames for everybody who is idle.
#[derive(Debug)]
struct Queue {
    capacity: u32,
    state: Mutex<State>,
}

/// Invariant: what is free, what the frames cost and what is taken is the capacity.
#[derive(Debug)]
struct State {
    frames: VecDeque<Queued>,
    free: u32,
    /// Something was dropped since the taking end last said that it was empty.
    dropped: bool,
    /// Whoever waits for the next frame.
    waiting: Option<Waker>,
    /// There is no taking end any more.
    is_over: bool,
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
    let state = State { frames: VecDeque::new(), free: capacity, dropped: false, waiting: None, is_over: false };
    let queue = Arc::new(Queue { capacity, state: Mutex::new(state) });
    (Outbox { queue: queue.clone() }, Pickup { queue, taken: 0 })
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        self.put(message, State::call)
    }

    /// The same for a frame that goes with the next one, or at the next [`Outbox::nudge`].
    pub(crate) fn push_along(&self, message: Message) -> bool {
        self.put(message, |_| None)
    }

    /// Sees to it that what is queued goes now.
    pub(crate) fn nudge(&self) {
        let waiting = self.queue.state().call();
        waiting.into_iter().for_each(Waker::wake);
    }

    fn put(&self, message: Message, call: impl Fn(&mut State) -> Option<Waker>) -> bool {
        let cost = cost(&message, self.queue.capacity);
        let mut state = self.queue.state();
        match state.free.checked_sub(cost) {
            Some(free) => state.free = free,
            None if planted("queue") => {}
            None => {
                state.dropped = true;
                return false;
            }
        }
        state.queue(message, cost);
        let waiting = call(&mut state);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    /// Queues a frame that a connection cannot begin without. It counts nothing, whatever its size: it comes once.
    pub(crate) fn greet(&self, message: Message) {
        self.queue.state().queue(message, 0);
        self.nudge();
    }

    /// Queues the reason and the end, which count nothing either.
    pub(crate) fn end(&self, code: Refusal, reason: &str) {
        let (refused, close) = farewell(code, reason);
        let mut state = self.queue.state();
        state.queue(refused, 0);
        state.queue(close, 0);
        drop(state);
        self.nudge();
    }
}

impl State {
    fn queue(&mut self, message: Message, cost: u32) {
        // Without a taking end the connection is over and its leaving is on its way to the room: nothing is lost that a
        // resync could mend.
        if !self.is_over {
            self.frames.push_back(Queued { message, cost });
        }
    }

    /// Whoever waits for a frame, if there is one.
    fn call(&mut self) -> Option<Waker> {
        if self.frames.is_empty() { None } else { self.waiting.take() }
    }

    fn take(&mut self) -> Option<Queued> {
        let queued = self.frames.pop_front();
        if self.frames.is_empty() {
            self.frames.shrink_to(KEPT);
        }
        queued
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
    /// The next frame; whoever asks is woken for one that comes later.
    pub(crate) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Message> {
        let mut state = self.queue.state();
        match state.take() {
            Some(Queued { message, cost }) => {
                self.taken += cost;
                Poll::Ready(message)
            }
            None => {
                state.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The next frame, if there is one.
    #[cfg(test)]
    pub(crate) fn try_take(&mut self) -> Option<Message> {
        let Queued { message, cost } = self.queue.state().take()?;
        self.taken += cost;
        Some(message)
    }

    /// Nobody holds the filling end any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.queue) == 1
    }

    /// Everything taken has been flushed. Says whether the queue is empty and something was dropped since it last was.
    pub(crate) fn flushed(&mut self) -> bool {
        let mut state = self.queue.state();
        // What a planted bug has let in was never taken from what is free.
        state.free = state.free.saturating_add(std::mem::take(&mut self.taken)).min(self.queue.capacity);
        state.frames.is_empty() && std::mem::take(&mut state.dropped)
    }
}

impl Drop for Pickup {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.is_over = true;
        state.frames = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

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
        assert_eq!(pickup.queue.state().free, 10 * 1024);
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
    #[test]
    fn nothing_is_kept_for_whoever_is_gone() {
        let (outbox, pickup) = outbox(10 * 1024);
        assert!(outbox.push(kilobyte()) && !pickup.is_abandoned());
        drop(pickup);
        assert!(outbox.push(kilobyte()));
        assert!(outbox.queue.state().frames.is_empty());
        let (outbox, pickup) = super::outbox(1);
        drop(outbox);
        assert!(pickup.is_abandoned());
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let (outbox, mut pickup) = outbox(10 * 1024);
        let taking = tokio::spawn(async move {
            let first = poll_fn(|context| pickup.poll_take(context)).await;
            let second = pickup.try_take();
            (first, second)
        });
        tokio::task::yield_now().await;
        assert!(outbox.push_along(Message::text("at leisure")));
        tokio::task::yield_now().await;
        assert!(!taking.is_finished(), "nobody is woken for a frame that can wait");
        outbox.nudge();
        let taken = taking.await.unwrap();
        assert_eq!(taken, (Message::text("at leisure"), None));
    }
}
