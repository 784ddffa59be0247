//! The writing half of a bare TCP connection, which whoever passes a frame on may use beside the connection's own task.
//!
//! To wake a task so that it writes sixty bytes costs about as much as writing them. So a frame that the network takes at once
//! is written by the task that has it. What may not happen is that two of them mix their bytes: a write holds the lock, a
//! frame that was taken in part is finished before anything else, and while the connection's own task is in the midst
//! of one nobody else begins.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

use crate::planted::planted;

/// See the module.
#[derive(Debug)]
pub(crate) struct Line(Mutex<Writing>);

#[derive(Debug)]
struct Writing {
    half: OwnedWriteHalf,
    /// What the connection's own task wrote last was not taken to its end.
    is_midway: bool,
    /// What is left of a frame that somebody else has begun.
    rest: Vec<u8>,
}

/// How much of a frame was taken at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    All,
    /// The connection's own task has to flush the rest.
    Part,
    Nothing,
}

impl Line {
    pub(crate) fn new(half: OwnedWriteHalf) -> Self {
        Self(Mutex::new(Writing { half, is_midway: false, rest: Vec::new() }))
    }

    /// Writes a frame without waiting for anything, if nobody is in the midst of another.
    pub(crate) fn try_frame(&self, frame: &[u8]) -> Taken {
        let Ok(mut writing) = self.0.try_lock() else { return Taken::Nothing };
        if (writing.is_midway && !planted("midway")) || !writing.rest.is_empty() {
            return Taken::Nothing;
        }
        match writing.half.try_write(frame) {
            Ok(taken) if taken == frame.len() => Taken::All,
            Ok(taken) if taken > 0 && !planted("rest") => {
                writing.rest = frame.get(taken..).unwrap_or_default().to_vec();
                Taken::Part
            }
            // What is wrong the connection's own task will find.
            Ok(_) | Err(_) => Taken::Nothing,
        }
    }

    /// As [`AsyncWrite::poll_write`], for the connection's own task, which always hands over all that it has, up to the end of
    /// a frame.
    pub(crate) fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut writing = self.writing();
        ready!(writing.poll_rest(context))?;
        let taken = ready!(Pin::new(&mut writing.half).poll_write(context, bytes))?;
        writing.is_midway = taken < bytes.len();
        Poll::Ready(Ok(taken))
    }

    /// As [`AsyncWrite::poll_flush`].
    pub(crate) fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writing = self.writing();
        ready!(writing.poll_rest(context))?;
        Pin::new(&mut writing.half).poll_flush(context)
    }

    /// As [`AsyncWrite::poll_shutdown`].
    pub(crate) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writing = self.writing();
        ready!(writing.poll_rest(context))?;
        Pin::new(&mut writing.half).poll_shutdown(context)
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        // What was written was written, whoever panicked since.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let taken = ready!(Pin::new(&mut self.half).poll_write(context, &self.rest))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest.drain(..taken);
        }
        // Nobody keeps room for what happens once in the life of few.
        self.rest = Vec::new();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::both_ends;
    use std::future::poll_fn;
    use std::sync::Arc;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    async fn line() -> (Arc<Line>, TcpStream) {
        let (near, far) = both_ends().await;
        let (reads, half) = near.into_split();
        // Dropping it closes nothing.
        drop(reads);
        (Arc::new(Line::new(half)), far)
    }

    /// A frame that says who wrote it and how long it is.
    fn frame(of: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![of];
        frame.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        frame.resize(5 + length, of);
        frame
    }

    /// Two write as fast as they can to somebody who reads now and then. Every frame arrives whole, each one's in order, and all
    /// that were taken do.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_that_write_never_mix_their_bytes() {
        const FRAMES: u32 = 3000;
        let (line, mut far) = line().await;
        let reading = tokio::spawn(async move {
            let (mut counts, mut random) = ([0_u32; 2], crate::simulation::Random::from_seed(1));
            while let Ok(of) = far.read_u8().await {
                let mut payload = vec![0; far.read_u32().await.unwrap() as usize];
                far.read_exact(&mut payload).await.unwrap();
                assert!(of < 2 && payload[4..].iter().all(|&byte| byte == of), "frames are mixed");
                let number = u32::from_be_bytes(payload[..4].try_into().unwrap());
                assert_eq!(number, counts[of as usize], "a frame of {of} is missing or double");
                counts[of as usize] += 1;
                if random.below(50) == 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
            }
            counts
        });
        let numbered = |of: u8, number: u32, length: usize| {
            let mut frame = frame(of, length);
            frame[5..9].copy_from_slice(&number.to_be_bytes());
            frame
        };
        let own = line.clone();
        let own = tokio::spawn(async move {
            let mut random = crate::simulation::Random::from_seed(2);
            for number in 0..FRAMES {
                let frame = numbered(0, number, 4 + random.below(60_000));
                let mut from = 0;
                while from < frame.len() {
                    from += poll_fn(|context| own.poll_write(context, &frame[from..])).await.unwrap();
                }
            }
        });
        let (mut random, mut parts, mut number) = (crate::simulation::Random::from_seed(3), 0, 0);
        while !own.is_finished() {
            match line.try_frame(&numbered(1, number, 4 + random.below(60_000))) {
                Taken::All => number += 1,
                Taken::Part => (number, parts) = (number + 1, parts + 1),
                Taken::Nothing => tokio::task::yield_now().await,
            }
        }
        own.await.unwrap();
        poll_fn(|context| line.poll_flush(context)).await.unwrap();
        drop(line);
        assert_eq!(reading.await.unwrap(), [FRAMES, number]);
        assert!(number > 0 && parts > 0, "nothing was written beside: {number}, {parts} in part");
    }
}
