//! How fast one connection may speak: a bucket of bytes and one of messages, filled at a steady rate.
//!
//! Whoever empties one is not read from until it is filled again; the network then makes them wait. So an honest client
//! with a long history is slowed down and never turned away.

use std::time::{Duration, Instant};

/// A rate with some room for bursts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Steadily.
    pub per_second: u32,
    /// At once, after a rest.
    pub burst: u32,
}

/// Both buckets of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    bytes: Bucket,
    messages: Bucket,
}

impl Throttle {
    pub(crate) fn new(bytes: Rate, messages: Rate, now: Instant) -> Self {
        Self { bytes: Bucket::new(bytes, now), messages: Bucket::new(messages, now) }
    }

    /// Bytes have come that make no message yet.
    pub(crate) fn take_bytes(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        self.bytes.take(now, bytes as u64)
    }

    /// A message has come. Until when nothing more is to be read, if anything is to be waited for.
    pub(crate) fn take(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let until = [self.bytes.take(now, bytes as u64), self.messages.take(now, 1)];
        until.into_iter().flatten().max()
    }
}

/// The time at which the bucket will be full again stands for how full it is: a number to be kept, none to be counted
/// down.
#[derive(Clone, Debug)]
struct Bucket {
    rate: Rate,
    full_at: Instant,
}

impl Bucket {
    fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    fn take(&mut self, now: Instant, amount: u64) -> Option<Instant> {
        let per_second = u64::from(self.rate.per_second.max(1));
        let time = |amount: u64| Duration::from_nanos(amount.saturating_mul(1_000_000_000) / per_second);
        self.full_at = self.full_at.max(now) + time(amount);
        let empty_at = now + time(u64::from(self.rate.burst));
        (self.full_at > empty_at).then(|| now + (self.full_at - empty_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_what_is_above_it_waits_for_its_time() {
        let mut now = Instant::now();
        let rate = Rate { per_second: 10, burst: 100 };
        let mut bucket = Bucket::new(rate, now);
        assert_eq!(bucket.take(now, 100), None);
        let until = bucket.take(now, 20).unwrap();
        assert_eq!(until - now, Duration::from_secs(2));
        now = until;
        assert_eq!(bucket.take(now, 1).unwrap() - now, Duration::from_millis(100));
        now += Duration::from_secs(60);
        assert_eq!(bucket.take(now, 100), None, "a rest fills it again");
    }

    #[test]
    fn the_slower_bucket_decides() {
        let now = Instant::now();
        let mut throttle = Throttle::new(Rate { per_second: 1000, burst: 1000 }, Rate { per_second: 1, burst: 2 }, now);
        assert_eq!((throttle.take(now, 1), throttle.take(now, 1)), (None, None));
        assert_eq!(throttle.take(now, 1), Some(now + Duration::from_secs(1)));
    }
}
