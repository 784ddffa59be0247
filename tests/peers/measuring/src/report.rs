//! Measures, checks the answer, prints a line for each result: `figure TAB trace TAB peer TAB unit TAB number`.
//!
//! Times are medians of as many rounds as fit into the budget, so many short ones and one of the slowest. What a round is made of
//! and what it leaves are made and taken down outside the time.

use crate::figures::Figure;
use crate::trace::Recording;
use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// No more rounds than these, however short they are.
const MOST_ROUNDS: usize = 101;

/// The results of one figure.
#[derive(Debug)]
pub struct Report {
    figure: Figure,
    clock: Clock,
    budget: Duration,
    limit: Duration,
    right: bool,
}

/// What a round is timed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// Time as it passes.
    Wall,
    /// Time that this thread was given: near the other on an idle machine, and little more on a busy one.
    Thread,
}

impl Clock {
    /// Since some moment that stays the same.
    pub fn now(self) -> Duration {
        let id = match self {
            Self::Wall => ClockId::Monotonic,
            Self::Thread => ClockId::ThreadCPUTime,
        };
        let Timespec { tv_sec, tv_nsec } = clock_gettime(id);
        Duration::new(tv_sec as u64, tv_nsec as u32)
    }
}

impl Report {
    /// A report without results. `BUDGET_MS` (1500) is for the rounds of one peer on one trace, `SECONDS_TO_BUILD` (20) for a peer to make a history
    /// that there is no file of, and `CLOCK` is `wall` (the default) or `thread`.
    ///
    /// # Errors
    /// When one of these is something else.
    pub fn from_environment(figure: Figure) -> Result<Self, String> {
        let budget = Duration::from_millis(variable("BUDGET_MS", 1500)?);
        let limit = Duration::from_secs(variable("SECONDS_TO_BUILD", 20)?);
        let clock = match std::env::var("CLOCK").as_deref() {
            Err(_) | Ok("wall") => Clock::Wall,
            Ok("thread") => Clock::Thread,
            Ok(other) => return Err(format!("CLOCK={other}: there are wall and thread")),
        };
        Ok(Self { figure, clock, budget, limit, right: true })
    }

    /// How long a peer may take to make a history.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether every answer was right so far.
    pub fn is_right(&self) -> bool {
        self.right
    }

    /// The median time of `job`, as a line. Each round is made of what `prepare` makes.
    pub fn time<P, T>(
        &mut self,
        peer: &str,
        recording: &Recording,
        prepare: impl FnMut() -> P,
        job: impl FnMut(P) -> T,
        answer: impl Fn(&T) -> Answer,
    ) {
        let time = self.median(peer, recording, prepare, job, answer);
        self.line(self.figure.name(), recording, peer, "ns", time.as_nanos());
    }

    /// As [`time`](Self::time), divided by `count`.
    pub fn time_each<P, T>(
        &mut self,
        peer: &str,
        recording: &Recording,
        count: usize,
        prepare: impl FnMut() -> P,
        job: impl FnMut(P) -> T,
        answer: impl Fn(&T) -> Answer,
    ) {
        let time = self.median(peer, recording, prepare, job, answer);
        self.line(self.figure.name(), recording, peer, "ns", time.as_nanos() / count.max(1) as u128);
    }

    /// How many bytes something is long, as a line.
    pub fn size(&self, peer: &str, recording: &Recording, bytes: usize) {
        self.line(self.figure.name(), recording, peer, "bytes", bytes as u128);
    }

    /// The same under another name than the figure's.
    pub fn size_as(&self, figure: &str, peer: &str, recording: &Recording, bytes: usize) {
        self.line(figure, recording, peer, "bytes", bytes as u128);
    }

    /// What `job` holds at most and what it leaves behind, as lines named `peak` and `steady`. Bytes as they are asked of the allocator;
    /// a buffer that grows is counted twice while it moves.
    ///
    /// # Panics
    /// When [`PeakAlloc`] is not the global allocator.
    pub fn memory<T>(
        &mut self,
        peer: &str,
        recording: &Recording,
        job: impl FnOnce() -> T,
        answer: impl Fn(&T) -> Answer,
    ) {
        let before = PeakAlloc.current_usage();
        assert!(before > 0, "the allocator does not count");
        PeakAlloc.reset_peak_usage();
        let made = black_box(job());
        let (peak, steady) = (PeakAlloc.peak_usage(), PeakAlloc.current_usage());
        self.check(peer, recording, answer(&made));
        self.line("peak", recording, peer, "bytes", (peak - before) as u128);
        self.line("steady", recording, peer, "bytes", steady.saturating_sub(before) as u128);
    }

    /// Says that a peer has no result.
    pub fn skip(&self, peer: &str, recording: &Recording, reason: &str) {
        eprintln!("{}, {}: no {peer}: {reason}", self.figure.name(), recording.name);
    }

    fn median<P, T>(
        &mut self,
        peer: &str,
        recording: &Recording,
        mut prepare: impl FnMut() -> P,
        mut job: impl FnMut(P) -> T,
        answer: impl Fn(&T) -> Answer,
    ) -> Duration {
        let begun = Instant::now();
        let mut times = Vec::new();
        while times.len() % 2 == 0 || (begun.elapsed() < self.budget && times.len() < MOST_ROUNDS) {
            let prepared = black_box(prepare());
            let started = self.clock.now();
            let made = black_box(job(prepared));
            times.push(self.clock.now().saturating_sub(started));
            if times.len() == 1 {
                self.check(peer, recording, answer(&made));
            }
        }
        times.sort_unstable();
        times[times.len() / 2]
    }

    fn check(&mut self, peer: &str, recording: &Recording, answer: Answer) {
        let expected = &recording.trace.end_content;
        let right = match answer {
            Answer::Text(text) => text == *expected,
            Answer::Chars(chars) => chars == expected.chars().count(),
        };
        if !right {
            self.right = false;
            eprintln!("{}, {}: {peer} does not end with endContent", self.figure.name(), recording.name);
        }
    }

    fn line(&self, figure: &str, recording: &Recording, peer: &str, unit: &str, number: u128) {
        println!("{figure}\t{}\t{peer}\t{unit}\t{number}", recording.name);
    }
}

/// What a peer came to, to be compared with the trace's end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The text.
    Text(String),
    /// The length of the text, of a peer that keeps no text.
    Chars(usize),
}

fn variable(name: &str, otherwise: u64) -> Result<u64, String> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|error| format!("{name}={text}: {error}")),
        Err(_) => Ok(otherwise),
    }
}
