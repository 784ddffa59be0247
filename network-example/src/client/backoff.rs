//! How long to wait before trying again: exponential, jittered, pure.

use std::time::Duration;

/// Doubles from 250 ms to 2 s, stays there for some ten seconds, and then doubles to 30 s; each wait is drawn from the upper
/// half of its step, so that clients that lost one server together do not come back together.
///
/// Most outages are restarts and are over by then: nobody is to wait four seconds more for a server that is back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) const FIRST: Duration = Duration::from_millis(250);
    pub(crate) const LAST: Duration = Duration::from_secs(30);
    /// Doublings until the first halt, and the failures at which the doubling goes on.
    const HALT: u32 = 3;
    const GOES_ON: u32 = 10;

    /// The wait after one more failure; `random` is any 32 random bits.
    pub(crate) fn after_failure(&mut self, random: u32) -> Duration {
        let beyond = self.failures.saturating_sub(Self::GOES_ON - 1);
        // 2^7 × 250 ms is already more than 30 s; a larger exponent would only overflow.
        let doublings = (self.failures.min(Self::HALT) + beyond).min(7);
        let step = (Self::FIRST * (1 << doublings)).min(Self::LAST);
        self.failures = self.failures.saturating_add(1);
        step / 2 + (step / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The connection was of use: the next failure is a first one.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(random: u32, count: usize) -> Vec<u128> {
        let mut backoff = Backoff::default();
        (0..count).map(|_| backoff.after_failure(random).as_millis()).collect()
    }

    #[test]
    fn waits_double_up_to_thirty_seconds_with_a_halt_at_two() {
        assert_eq!(waits(u32::MAX, 5), [250, 500, 1000, 2000, 2000]);
        assert_eq!(waits(u32::MAX, 15)[9..], [2000, 4000, 8000, 16000, 30000, 30000]);
    }

    #[test]
    fn jitter_takes_at_most_half() {
        assert_eq!(waits(0, 15)[..4], [125, 250, 500, 1000]);
        assert_eq!(waits(0, 15)[10..], [2000, 4000, 8000, 15000, 15000]);
    }

    #[test]
    fn success_starts_over() {
        let mut backoff = Backoff::default();
        (0..100).for_each(|_| _ = backoff.after_failure(1));
        backoff.succeeded();
        assert_eq!((backoff.failures(), backoff.after_failure(u32::MAX)), (0, Backoff::FIRST));
    }
}
