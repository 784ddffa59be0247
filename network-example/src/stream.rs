//! The bytes below a WebSocket: a TCP connection, bare or within TLS, read no further than allowed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_rustls::TlsStream;

use crate::line::Line;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stream {
    carrier: Carrier,
    /// How many more bytes may be read; `None` when it does not matter any more.
    allowance: Option<usize>,
    /// Bytes that have been read since somebody asked for their number.
    passed: usize,
}

#[derive(Debug)]
enum Carrier {
    Plain(OwnedReadHalf, Arc<Line>),
    /// Large, and rare beside the other.
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        let (reads, writes) = stream.into_split();
        Self { carrier: Carrier::Plain(reads, Arc::new(Line::new(writes))), allowance: None, passed: 0 }
    }

    pub(crate) fn secure(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        Self { carrier: Carrier::Secure(Box::new(stream.into())), allowance: None, passed: 0 }
    }

    /// From here on so many bytes may be read; then reading fails with [`io::ErrorKind::FileTooLarge`]. A stranger who
    /// has not said who they are cannot make anybody hold more.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.allowance = Some(bytes);
    }

    /// From here on it does not matter.
    pub(crate) fn allow_all(&mut self) {
        self.allowance = None;
    }

    /// How many bytes have been read without an allowance since this was asked last.
    pub(crate) fn take_passed(&mut self) -> usize {
        std::mem::take(&mut self.passed)
    }

    /// What others may write to as well. There is none within TLS, where every byte depends on those before.
    pub(crate) fn line(&self) -> Option<&Arc<Line>> {
        match &self.carrier {
            Carrier::Plain(_, line) => Some(line),
            Carrier::Secure(_) => None,
        }
    }

    fn poll_carrier(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Plain(reads, _) => Pin::new(reads).poll_read(context, buffer),
            Carrier::Secure(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(allowance) = self.allowance else {
            let before = buffer.filled().len();
            let polled = self.poll_carrier(context, buffer);
            self.passed += buffer.filled().len() - before;
            return polled;
        };
        if allowance == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let mut part = buffer.take(allowance);
        let polled = self.poll_carrier(context, &mut part);
        let read = part.filled().len();
        // What a part has filled is initialised; copying it once more is cheaper than saying so by unsafe code.
        let bytes = part.filled().to_vec();
        buffer.put_slice(&bytes);
        self.allowance = Some(allowance - read);
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.carrier {
            Carrier::Plain(_, line) => line.poll_write(context, bytes),
            Carrier::Secure(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Plain(_, line) => line.poll_flush(context),
            Carrier::Secure(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Plain(_, line) => line.poll_shutdown(context),
            Carrier::Secure(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}

/// Both ends of a connection of this machine with itself.
#[cfg(test)]
pub(crate) async fn both_ends() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}
