//! A WebSocket that is read and written at the same time by one task.
//!
//! Two ends that each finish a write before they read again can wait for each other for ever, once both directions
//! are full. Here a write is only begun; it goes on while the socket is read.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream as _};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::line::Line;
use crate::planted::planted;
use crate::stream::Stream;

/// Frames are gathered up to this many bytes before the socket is asked to take them: several small frames share one
/// system call. tungstenite keeps a buffer of at most this and one frame.
const GATHER: usize = 16 * 1024;

/// The limits of one WebSocket. tungstenite's own are 64 MiB a message, an unlimited write buffer, and a read buffer
/// of 128 KiB that is the whole cost of an idle connection; so much is also the most that one read takes.
pub(crate) fn websocket_config(read_buffer: usize, max_incoming: usize, max_outgoing: usize) -> WebSocketConfig {
    if planted("defaults") {
        return WebSocketConfig::default();
    }
    WebSocketConfig::default()
        .read_buffer_size(read_buffer)
        .write_buffer_size(GATHER)
        .max_write_buffer_size(2 * GATHER + max_outgoing)
        .max_message_size(Some(max_incoming))
        .max_frame_size(Some(max_incoming))
}

/// One connection after its handshake.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<Stream>,
    /// Bytes fed and not known to be flushed.
    unflushed: usize,
}

/// What a socket is ready with.
#[derive(Debug)]
pub(crate) enum Ready {
    /// A message, or how the connection ended.
    Read(Result<Message, Error>),
    /// Everything fed so far has left for the network.
    Flushed,
}

impl Socket {
    pub(crate) fn new(stream: WebSocketStream<Stream>) -> Self {
        Self { stream, unflushed: 0 }
    }

    /// The other end has said who it is: from here on it may send as much as the limits allow.
    pub(crate) fn allow_all(&mut self) {
        self.stream.get_mut().allow_all();
    }

    /// How many bytes have been read since this was asked last, whatever they were.
    pub(crate) fn take_passed(&mut self) -> usize {
        self.stream.get_mut().take_passed()
    }

    /// Whether [`Socket::feed`] may be called.
    pub(crate) fn takes_more(&self) -> bool {
        self.unflushed < GATHER
    }

    /// Begins to send a message; [`Socket::poll_flush`] moves it on.
    pub(crate) fn feed(&mut self, message: Message) -> Result<(), Error> {
        // At least one, so that an empty message counts as something to flush.
        self.unflushed += message.len().max(1);
        Pin::new(&mut self.stream).start_send(message)
    }

    /// What others may write to as well, if there is such a thing.
    pub(crate) fn line(&self) -> Option<&Arc<Line>> {
        self.stream.get_ref().line()
    }

    /// Somebody else has written a part of a frame there; [`Socket::poll_flush`] moves the rest on.
    pub(crate) fn take_over(&mut self) {
        self.unflushed += 1;
    }

    /// Waits for something to have been read, or for everything fed to have been written. Cancel-safe.
    pub(crate) async fn ready(&mut self) -> Ready {
        poll_fn(|context| match self.poll_flush(context) {
            Poll::Ready(Ok(())) => Poll::Ready(Ready::Flushed),
            Poll::Ready(Err(error)) => Poll::Ready(Ready::Read(Err(error))),
            Poll::Pending => self.poll_read(context).map(Ready::Read),
        })
        .await
    }

    /// Ready once for everything fed so far; pending where nothing is.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.unflushed == 0 {
            return Poll::Pending;
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.unflushed = 0;
        Poll::Ready(flushed)
    }

    /// The next message, or how the connection ended.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        let read = Pin::new(&mut self.stream).poll_next(context);
        read.map(|message| message.unwrap_or(Err(Error::ConnectionClosed)))
    }

    /// Sends a last frame and closes, then reads on until the other end has closed too: a socket that is dropped with
    /// unread bytes is reset, and the reason would be lost on its way. The caller sets the time limit.
    pub(crate) async fn close(&mut self, frame: CloseFrame) {
        // When the other end has begun to close, this fails, and only the answer is left to be flushed.
        let _ = self.feed(Message::Close(Some(frame)));
        loop {
            match self.ready().await {
                Ready::Read(Ok(_)) | Ready::Flushed => {}
                // Nothing can be parsed any more, such as after an oversized frame; the rest is only thrown away.
                Ready::Read(Err(Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_))) => break,
                Ready::Read(Err(_)) => return,
            }
        }
        self.drain().await;
    }

    /// Flushes what is left and reads bytes until the other end closes.
    async fn drain(&mut self) {
        let mut sink = [0; 4096];
        while self.unflushed > 0 {
            match poll_fn(|context| Pin::new(&mut self.stream).poll_flush(context)).await {
                Ok(()) => self.unflushed = 0,
                Err(_) => return,
            }
        }
        let stream = self.stream.get_mut();
        while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Taken;
    use crate::stream::both_ends;
    use tokio::time::{Duration, timeout};
    use tokio_tungstenite::tungstenite::protocol::Role;

    #[tokio::test]
    async fn the_rest_of_what_others_have_begun_goes_without_another_message() {
        let (near, mut far) = both_ends().await;
        let limits = Some(websocket_config(1024, GATHER, GATHER));
        let stream = WebSocketStream::from_raw_socket(Stream::plain(near), Role::Server, limits).await;
        let mut socket = Socket::new(stream);
        let line = socket.line().unwrap().clone();
        let (frame, mut begun) = ([7; 4099], 1);
        while line.try_frame(&frame) == Taken::All {
            begun += 1;
        }
        assert_eq!(line.try_frame(&frame), Taken::Nothing, "a part of one is waiting");
        socket.take_over();
        let mut read = vec![0; begun * frame.len()];
        let both = async { tokio::join!(poll_fn(|context| socket.poll_flush(context)), far.read_exact(&mut read)) };
        let (flushed, all) = timeout(Duration::from_secs(20), both).await.expect("it goes on by itself");
        assert!(flushed.is_ok() && all.is_ok() && read.iter().all(|&byte| byte == 7));
    }
}
