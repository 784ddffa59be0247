//! What the server counts, and how Prometheus reads it. Numbers alone: no names, no addresses, nothing that was typed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the acks' histogram, in microseconds: a commit to a fast disk takes about one millisecond.
const BUCKETS: [u64; 10] = [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// Counted since the server started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) rooms: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connections_total: Counter,
    pub(crate) events: Counter,
    pub(crate) messages: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) resyncs: Counter,
    pub(crate) throttled: Counter,
    acks: Histogram,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    /// The store has failed.
    failed: AtomicBool,
    /// The server is stopping.
    stopping: AtomicBool,
}

/// Only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts what is there.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// One more, until the guard is dropped.
    pub(crate) fn enter(&self) -> Inside<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Inside(self)
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See [`Gauge::enter`].
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a Gauge);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Histogram {
    /// One for each bound, and one for what is above the last.
    counts: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Metrics {
    /// So many acks have been sent, the oldest for a frame that came this long ago.
    pub(crate) fn acknowledged(&self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|&bound| bound < micros);
        if let Some(count) = self.acks.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.acks.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub(crate) fn store_failed(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Why nobody should be sent here now, if so.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        if self.failed.load(Ordering::SeqCst) {
            return Some("the store has failed; nothing is acknowledged any more");
        }
        self.stopping.load(Ordering::SeqCst).then_some("the server is stopping")
    }

    /// In the text format of Prometheus.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut number = |kind: &str, name: &str, help: &str, value: u64| {
            // Writing to a string does not fail; so below.
            let _ = writeln!(text, "# HELP cede_{name} {help}\n# TYPE cede_{name} {kind}\ncede_{name} {value}");
        };
        number("gauge", "rooms", "Rooms in memory.", self.rooms.get());
        number("gauge", "connections", "Connections now.", self.connections.get());
        number("counter", "connections_total", "Connections ever accepted.", self.connections_total.get());
        number("counter", "events_total", "Events taken in.", self.events.get());
        number("counter", "messages_total", "Messages received.", self.messages.get());
        number("counter", "bytes_received_total", "Bytes of messages received.", self.bytes_in.get());
        number("counter", "bytes_sent_total", "Bytes of messages sent.", self.bytes_out.get());
        number("counter", "resyncs_total", "Slow readers that were sent a resync.", self.resyncs.get());
        number("counter", "throttled_total", "Times that a connection was too fast.", self.throttled.get());
        number("gauge", "store_failed", "1 when the store has failed.", self.failed.load(Ordering::SeqCst).into());
        self.refused_to_text(&mut text);
        self.acks_to_text(&mut text);
        text
    }

    fn refused_to_text(&self, text: &mut String) {
        text.push_str("# HELP cede_refused_total Connections and requests refused, by reason.\n");
        text.push_str("# TYPE cede_refused_total counter\n");
        for (reason, count) in self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "cede_refused_total{{reason=\"{reason}\"}} {count}");
        }
    }

    fn acks_to_text(&self, text: &mut String) {
        text.push_str("# HELP cede_ack_seconds From the arrival of DATA to its ack.\n");
        text.push_str("# TYPE cede_ack_seconds histogram\n");
        let mut total = 0;
        let bounds = BUCKETS.iter().map(|&micros| (micros as f64 / 1e6).to_string()).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.acks.counts) {
            total += count.load(Ordering::Relaxed);
            let _ = writeln!(text, "cede_ack_seconds_bucket{{le=\"{bound}\"}} {total}");
        }
        let seconds = self.acks.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(text, "cede_ack_seconds_sum {seconds}\ncede_ack_seconds_count {total}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_is_cumulative_and_reasons_are_counted_apart() {
        let metrics = Metrics::default();
        metrics.acknowledged(Duration::from_micros(500));
        metrics.acknowledged(Duration::from_micros(501));
        metrics.acknowledged(Duration::from_secs(10));
        metrics.refused("origin");
        metrics.refused("origin");
        let inside = metrics.rooms.enter();
        let text = metrics.to_text();
        for line in [
            "cede_ack_seconds_bucket{le=\"0.0005\"} 1",
            "cede_ack_seconds_bucket{le=\"0.001\"} 2",
            "cede_ack_seconds_bucket{le=\"2.5\"} 2",
            "cede_ack_seconds_bucket{le=\"+Inf\"} 3",
            "cede_ack_seconds_count 3",
            "cede_refused_total{reason=\"origin\"} 2",
            "cede_rooms 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        drop(inside);
        assert!(metrics.to_text().contains("\ncede_rooms 0\n"));
    }
}
