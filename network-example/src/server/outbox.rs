//! What waits to be sent on one connection: a queue bounded by bytes, which the room fills without ever waiting.
//!
//! The bytes of a frame count until the network has taken them. A frame that does not fit is dropped, and the taking
//! end is asked to say when everything before it has left; the room then sends what makes up for the loss.
//!
//! A short frame that finds nothing before it goes past the queue: onto the [`Line`], if the connection has one and it takes
//! the frame at once. Most keys do.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::metrics::Metrics;
use crate::line::{Line, Taken};
use crate::planted::planted;
use crate::wire::{Refusal, ServerControl};

/// A message of more bytes waits its turn: writing it would keep everybody else's waiting.
const SHORT: usize = 4 * 1024;

/// A queue that is empty keeps room for no more frames than this. Most are empty most of the time.
const KEPT: usize = 4;

/// A message for one connection or for many; what goes over a line is put together once.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    message: Message,
    frame: OnceCell<Option<Vec<u8>>>,
}

impl From<Message> for Parcel {
    fn from(message: Message) -> Self {
        Self { message, frame: OnceCell::new() }
    }
}

impl Parcel {
    /// The same for the queue alone.
    pub(crate) fn queued(self) -> Self {
        Self { frame: OnceCell::from(None), ..self }
    }

    /// The bytes of a short message as a frame from a server.
    fn frame(&self) -> Option<&[u8]> {
        let make = || {
            let kind = match &self.message {
                Message::Text(_) => Data::Text,
                Message::Binary(_) => Data::Binary,
                _ => return None,
            };
            if self.message.len() > SHORT {
                return None;
            }
            let mut bytes = Vec::with_capacity(self.message.len() + 4);
            let frame = Frame::message(self.message.clone().into_data(), OpCode::Data(kind), true);
            frame.format(&mut bytes).is_ok().then_some(bytes)
        };
        self.frame.get_or_init(make).as_deref()
    }
}

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
    /// Nothing is taken any more.
    is_over: bool,
    /// Something was taken that is not known to be flushed.
    is_under_way: bool,
    /// Past the queue.
    line: Option<(Arc<Line>, Arc<Metrics>)>,
}

/// What is to be sent, and the bytes that it took.
#[derive(Debug)]
struct Queued {
    next: Next,
    cost: u32,
}

/// What a connection has to see to.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Send(Message),
    /// A part of a frame has gone over the line, which has the rest.
    Flush,
}

/// A queue of at most `max_bytes`.
pub(crate) fn outbox(max_bytes: usize) -> (Outbox, Pickup) {
    let capacity = u32::try_from(max_bytes).unwrap_or(u32::MAX).max(1);
    let state = State {
        frames: VecDeque::new(),
        free: capacity,
        dropped: false,
        waiting: None,
        is_over: false,
        is_under_way: false,
        line: None,
    };
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
    /// Sends a message past the queue or queues it, or drops it and returns false.
    pub(crate) fn push(&self, parcel: &Parcel) -> bool {
        let mut state = self.queue.state();
        match state.pass_by(parcel) {
            Taken::All => true,
            Taken::Part => {
                // It counts nothing: it is less than what a connection may keep beside its queue.
                state.queue(Next::Flush, 0);
                let waiting = state.call();
                drop(state);
                waiting.into_iter().for_each(Waker::wake);
                true
            }
            Taken::Nothing => self.put(state, &parcel.message, State::call),
        }
    }

    /// Queues a message that goes with the next one, or at the next [`Outbox::nudge`].
    pub(crate) fn push_along(&self, parcel: &Parcel) -> bool {
        self.put(self.queue.state(), &parcel.message, |_| None)
    }

    /// Sees to it that what is queued goes now.
    pub(crate) fn nudge(&self) {
        let waiting = self.queue.state().call();
        waiting.into_iter().for_each(Waker::wake);
    }

    fn put(
        &self,
        mut state: MutexGuard<'_, State>,
        message: &Message,
        call: impl Fn(&mut State) -> Option<Waker>,
    ) -> bool {
        let cost = cost(message, self.queue.capacity);
        match state.free.checked_sub(cost) {
            Some(free) => state.free = free,
            None if planted("queue") => {}
            None => {
                state.dropped = true;
                return false;
            }
        }
        state.queue(Next::Send(message.clone()), cost);
        let waiting = call(&mut state);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    /// Queues a frame that a connection cannot begin without. It counts nothing, whatever its size: it comes once.
    pub(crate) fn greet(&self, message: Message) {
        self.queue.state().queue(Next::Send(message), 0);
        self.nudge();
    }

    /// Queues the reason and the end, which count nothing either.
    pub(crate) fn end(&self, code: Refusal, reason: &str) {
        let (refused, close) = farewell(code, reason);
        let mut state = self.queue.state();
        state.queue(Next::Send(refused), 0);
        state.queue(Next::Send(close), 0);
        state.line = None;
        drop(state);
        self.nudge();
    }
}

impl State {
    /// Sends a message over the line, if it overtakes nothing there and is taken at once.
    fn pass_by(&self, parcel: &Parcel) -> Taken {
        if (self.is_under_way || !self.frames.is_empty()) && !planted("overtake") {
            return Taken::Nothing;
        }
        let Some((line, metrics)) = &self.line else { return Taken::Nothing };
        let Some(frame) = parcel.frame() else { return Taken::Nothing };
        let taken = line.try_frame(frame);
        if taken != Taken::Nothing {
            metrics.bytes_out.add(parcel.message.len() as u64);
        }
        taken
    }

    fn queue(&mut self, next: Next, cost: u32) {
        // The connection is over and its leaving is on its way to the room: nothing is lost that a resync could mend.
        if !self.is_over {
            self.frames.push_back(Queued { next, cost });
        }
    }

    /// Whoever waits for a frame, if there is one.
    fn call(&mut self) -> Option<Waker> {
        if self.frames.is_empty() { None } else { self.waiting.take() }
    }

    fn take(&mut self) -> Option<Queued> {
        let queued = self.frames.pop_front();
        self.is_under_way |= queued.is_some();
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
    /// From here on what is short may go past the queue, over the line of this connection.
    pub(crate) fn open(&self, line: &Arc<Line>, metrics: &Arc<Metrics>) {
        self.queue.state().line = Some((line.clone(), metrics.clone()));
    }

    /// From here on nothing is taken any more and nothing goes past the queue: the connection is over, or its other end has
    /// closed it and is to be sent no more than an answer to that.
    pub(crate) fn close(&self) {
        let mut state = self.queue.state();
        state.is_over = true;
        state.frames = VecDeque::new();
        state.line = None;
    }

    /// What comes next; whoever asks is woken for what comes later.
    pub(crate) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.queue.state();
        match state.take() {
            Some(Queued { next, cost }) => {
                self.taken += cost;
                Poll::Ready(next)
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
        let Queued { next, cost } = self.queue.state().take()?;
        self.taken += cost;
        match next {
            Next::Send(message) => Some(message),
            Next::Flush => None,
        }
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
        state.is_under_way = false;
        state.frames.is_empty() && std::mem::take(&mut state.dropped)
    }
}

impl Drop for Pickup {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn kilobyte() -> Parcel {
        Message::binary(vec![0; 1024]).into()
    }

    #[test]
    fn a_queue_that_nobody_empties_stops_growing() {
        let (outbox, mut pickup) = outbox(10 * 1024);
        let queued = (0..1000).filter(|_| outbox.push(&kilobyte())).count();
        assert_eq!(queued, 10 * 1024 / (1024 + 64));
        let taken = std::iter::from_fn(|| pickup.try_take()).count();
        assert_eq!(taken, queued);
        assert!(!outbox.push(&kilobyte()), "what is taken counts until it is flushed");
        assert!(pickup.flushed(), "the loss is reported once everything before it has left");
        assert_eq!(pickup.queue.state().free, 10 * 1024);
        assert!(!pickup.flushed(), "and once only");
        assert!(outbox.push(&kilobyte()));
    }

    #[test]
    fn a_frame_larger_than_the_queue_goes_alone() {
        let (outbox, mut pickup) = outbox(100);
        assert!(outbox.push(&kilobyte()));
        assert!(!outbox.push(&Message::text("x").into()));
        assert!(pickup.try_take().is_some());
        assert!(pickup.flushed());
        assert!(outbox.push(&kilobyte()));
    }

    #[test]
    fn the_end_always_fits() {
        let (outbox, mut pickup) = outbox(100);
        assert!(outbox.push(&kilobyte()));
        outbox.end(Refusal::Slow, &"long ".repeat(100));
        let kinds: Vec<bool> = std::iter::from_fn(|| pickup.try_take()).map(|message| message.is_close()).collect();
        assert_eq!(kinds, [false, false, true]);
    }
    #[test]
    fn nothing_is_kept_for_whoever_is_gone() {
        let (outbox, pickup) = outbox(10 * 1024);
        assert!(outbox.push(&kilobyte()) && !pickup.is_abandoned());
        drop(pickup);
        assert!(outbox.push(&kilobyte()));
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
        assert!(outbox.push_along(&Message::text("at leisure").into()));
        tokio::task::yield_now().await;
        assert!(!taking.is_finished(), "nobody is woken for a frame that can wait");
        outbox.nudge();
        let taken = taking.await.unwrap();
        assert_eq!(taken, (Next::Send(Message::text("at leisure")), None));
    }

    /// A connection with a line, and its far end.
    async fn connection() -> (Outbox, Pickup, Arc<Line>, tokio::net::TcpStream) {
        let (near, far) = crate::stream::both_ends().await;
        let stream = crate::stream::Stream::plain(near);
        let line = stream.line().unwrap().clone();
        let (outbox, pickup) = outbox(1 << 20);
        pickup.open(&line, &Arc::default());
        (outbox, pickup, line, far)
    }

    #[tokio::test]
    async fn what_is_short_and_overtakes_nothing_goes_past_the_queue() {
        use tokio::io::AsyncReadExt;
        let (outbox, mut pickup, _line, mut far) = connection().await;
        let short = |text: &str| Parcel::from(Message::text(text));
        assert!(outbox.push(&short("at once")));
        let mut read = [0; 9];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!((&read[2..], pickup.try_take()), (&b"at once"[..], None));
        // Long ones, those that are to wait, and what comes behind them.
        assert!(outbox.push(&Message::binary(vec![0; SHORT + 1]).into()));
        assert!(outbox.push(&short("behind it")));
        assert_eq!(pickup.try_take().map(|message| message.len()), Some(SHORT + 1));
        assert_eq!(pickup.try_take(), Some(Message::text("behind it")));
        assert!(outbox.push(&short("what was taken is not flushed")));
        assert!(pickup.try_take().is_some());
        pickup.flushed();
        assert!(outbox.push(&short("with the next").queued()));
        assert!(outbox.push(&short("the next")));
        assert_eq!(std::iter::from_fn(|| pickup.try_take()).count(), 2);
        pickup.flushed();
        assert!(outbox.push_along(&short("at leisure")));
        assert!(pickup.try_take().is_some());
        pickup.flushed();
        outbox.end(Refusal::Slow, "the end");
        assert_eq!(std::iter::from_fn(|| pickup.try_take()).count(), 2);
        pickup.flushed();
        assert!(outbox.push(&short("after the end")));
        assert!(pickup.try_take().is_some(), "nothing goes past the queue behind the end");
    }

    #[tokio::test]
    async fn whoever_has_closed_is_sent_nothing_more() {
        use tokio::io::AsyncReadExt;
        let (outbox, mut pickup, line, mut far) = connection().await;
        let short = || Parcel::from(Message::text("too late"));
        assert!(outbox.push(&short().queued()));
        pickup.close();
        assert!(outbox.push(&short()) && outbox.push(&short().queued()));
        assert_eq!(pickup.try_take(), None);
        drop((outbox, pickup));
        assert_eq!(Arc::strong_count(&line), 1, "nobody else holds the connection open");
        drop(line);
        assert_eq!(far.read(&mut [0; 9]).await.unwrap(), 0);
    }

    /// Somebody who waits for a frame is woken for the rest of one, and nothing overtakes it.
    #[tokio::test]
    async fn nothing_overtakes_the_rest_of_a_frame() {
        use tokio::io::AsyncReadExt;
        let (outbox, mut pickup, line, mut far) = connection().await;
        let waiting = tokio::spawn(async move { (poll_fn(|context| pickup.poll_take(context)).await, pickup) });
        tokio::task::yield_now().await;
        // No multiple of a page, so that what the network takes ends within one.
        let frame = Parcel::from(Message::binary(vec![7; SHORT - 1]));
        let mut sent = 0;
        while outbox.queue.state().frames.is_empty() {
            assert!(outbox.push(&frame));
            sent += 1;
        }
        assert!(outbox.push(&Message::text("behind it").into()));
        let (next, mut pickup) = waiting.await.unwrap();
        assert_eq!(next, Next::Flush, "{sent} frames fit whole");
        let mut read = vec![0; sent * (SHORT + 3)];
        let (flushed, all) = tokio::join!(poll_fn(|context| line.poll_flush(context)), far.read_exact(&mut read));
        assert!(flushed.is_ok() && all.is_ok());
        assert!(read.chunks(SHORT + 3).all(|frame| frame[4..].iter().all(|&byte| byte == 7)));
        assert_eq!(pickup.try_take(), Some(Message::text("behind it")));
    }
}
