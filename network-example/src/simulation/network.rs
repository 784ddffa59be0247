//! A network that loses, doubles and overtakes, on a clock of its own, and the reliable streams that a kernel makes of it.
//!
//! ```text
//!   frames ──▶ Stream ──▶ packets ──▶ Weather ──▶ packets ──▶ Stream ──▶ the same frames, in order
//!                 ▲                  lost, twice, late                      │
//!                 └──────────────── how many have arrived ─────────────────┘
//! ```
//!
//! It knows numbers, packets and time, and nothing of what is sent.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Random;

/// Packets of one direction under way at once. The next one waits until the first of these has arrived.
const WINDOW: u64 = 16;
/// Until a packet that nobody has confirmed is sent again; each time twice as long.
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
/// A kernel goes on to 120 s. After a long partition it may then sleep as long again, which is no matter of ours.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// What becomes of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Lost, of a hundred.
    pub(super) loss: usize,
    /// Arrived twice, of a hundred.
    pub(super) duplication: usize,
    /// Milliseconds that a packet takes at most. Each takes its own time, so that they overtake each other.
    pub(super) latency: usize,
}

impl Weather {
    /// When the copies of one packet arrive, counted from now: none, one or two.
    pub(super) fn arrivals(self, random: &mut Random) -> Vec<Duration> {
        let copies = match random.below(100) {
            roll if roll < self.loss => 0,
            roll if roll < self.loss + self.duplication => 2,
            _ => 1,
        };
        let micros = 1000 * self.latency;
        (0..copies).map(|_| Duration::from_micros(1000 + random.below(micros) as u64)).collect()
    }
}

/// One direction of a connection, both its ends.
///
/// Invariant: what has been handed out is a prefix of what was pushed.
#[derive(Debug)]
pub(super) struct Stream<T> {
    /// Pushed and not confirmed; the first has the number `confirmed`.
    kept: VecDeque<T>,
    confirmed: u64,
    /// The number of the next one to be sent for the first time.
    fresh: u64,
    timeout: Duration,
    /// When the first unconfirmed packet is sent again.
    due: Option<Duration>,
    /// What was under way at the last timeout ends here. All of it is taken for lost: each is sent again as soon as the one
    /// before it is confirmed, as kernels do (RFC 6582, section 3.2, partial acknowledgments).
    lost: u64,
    /// The first unconfirmed packet is sent again at once.
    is_lost: bool,
    /// The far end: the number awaited, and what has overtaken it.
    awaited: u64,
    early: BTreeMap<u64, T>,
    /// The near end has given up and sends nothing more.
    is_over: bool,
}

impl<T: Clone> Stream<T> {
    pub(super) fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            confirmed: 0,
            fresh: 0,
            timeout: FIRST_TIMEOUT,
            due: None,
            lost: 0,
            is_lost: false,
            awaited: 0,
            early: BTreeMap::new(),
            is_over: false,
        }
    }

    pub(super) fn push(&mut self, item: T) {
        if !self.is_over {
            self.kept.push_back(item);
        }
    }

    /// The near end sends nothing more, not even again.
    pub(super) fn give_up(&mut self) {
        self.kept.clear();
        (self.due, self.is_lost, self.is_over) = (None, false, true);
    }

    /// Whether what is pushed now is sent at once.
    pub(super) fn takes_more(&self) -> bool {
        (self.kept.len() as u64) < WINDOW
    }

    /// How many have reached the far end as far as this one knows.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// What is to be sent now: what is new and fits the window, and the first one again when its time has come.
    pub(super) fn packets(&mut self, now: Duration) -> Vec<(u64, T)> {
        let mut packets = Vec::new();
        let is_late = self.due.is_some_and(|due| due <= now);
        if is_late || std::mem::take(&mut self.is_lost) {
            packets.extend(self.kept.front().cloned().map(|first| (self.confirmed, first)));
        }
        if is_late {
            self.lost = self.fresh;
            self.timeout = (2 * self.timeout).min(LAST_TIMEOUT);
            self.due = Some(now + self.timeout);
        }
        let end = (self.confirmed + self.kept.len() as u64).min(self.confirmed + WINDOW);
        for number in self.fresh..end {
            packets.push((number, self.kept[(number - self.confirmed) as usize].clone()));
            self.due.get_or_insert(now + self.timeout);
        }
        self.fresh = self.fresh.max(end);
        packets
    }

    /// When [`Stream::packets`] has something to send again.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The near end hears that everything before `number` has arrived.
    pub(super) fn confirm(&mut self, now: Duration, number: u64) {
        if number > self.confirmed && !self.is_over {
            self.kept.drain(..(number - self.confirmed) as usize);
            self.confirmed = number;
            self.timeout = FIRST_TIMEOUT;
            self.due = (!self.kept.is_empty()).then_some(now + self.timeout);
            self.is_lost = number < self.lost;
        }
    }

    /// A packet at the far end: what is in order now, and the number to be confirmed.
    pub(super) fn arrive(&mut self, number: u64, item: T) -> (Vec<T>, u64) {
        if number >= self.awaited {
            self.early.insert(number, item);
        }
        let mut ordered = Vec::new();
        while let Some(item) = self.early.remove(&self.awaited) {
            ordered.push(item);
            self.awaited += 1;
        }
        (ordered, self.awaited)
    }
}

#[test]
fn what_a_stream_hands_out_is_what_was_pushed() {
    for seed in 0..200 {
        let mut random = Random::from_seed(seed);
        let weather = Weather { loss: 40, duplication: 20, latency: 300 };
        let (mut stream, mut out) = (Stream::new(), Vec::new());
        (0..100).for_each(|item| stream.push(item));
        let mut under_way: BTreeMap<(Duration, u64), Result<(u64, i32), u64>> = BTreeMap::new();
        let (mut now, mut sent) = (Duration::ZERO, 0);
        let mut send = |under_way: &mut BTreeMap<_, _>, now: Duration, packet| {
            for after in weather.arrivals(&mut random) {
                sent += 1;
                under_way.insert((now + after, sent), packet);
            }
        };
        while stream.confirmed() < 100 {
            stream.packets(now).into_iter().for_each(|packet| send(&mut under_way, now, Ok(packet)));
            let arrives = under_way.first_key_value().map(|((time, _), _)| *time);
            now = [arrives, stream.due()].into_iter().flatten().min().expect("something is to come");
            while let Some(first) = under_way.first_entry().filter(|first| first.key().0 <= now) {
                match first.remove() {
                    Ok((number, item)) => {
                        let (ordered, confirmed) = stream.arrive(number, item);
                        out.extend(ordered);
                        send(&mut under_way, now, Err(confirmed));
                    }
                    Err(number) => stream.confirm(now, number),
                }
            }
        }
        assert_eq!(out, (0..100).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn what_was_lost_all_at_once_comes_again_in_a_round_trip_each() {
    let trip = Duration::from_millis(30);
    let mut stream = Stream::new();
    (0..WINDOW).for_each(|item| stream.push(item));
    assert_eq!(stream.packets(Duration::ZERO).len() as u64, WINDOW, "all of them, and all are lost");
    let mut now = stream.due().expect("the first one is sent again");
    for expected in 0..WINDOW {
        let packets = stream.packets(now);
        assert_eq!(packets, [(expected, expected)], "at {now:?}");
        let (_, confirmed) = stream.arrive(expected, expected);
        now += trip;
        stream.confirm(now, confirmed);
    }
    assert_eq!((stream.confirmed(), now), (WINDOW, FIRST_TIMEOUT + trip * WINDOW as u32));
}
