//! The body of a request, read when whoever asks has been let in and no further than it says.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::header::EXPECT;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};

use crate::http::{Rejection, body_length};
use crate::stream::Stream;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client waits for that has asked whether it may go on, as curl does with more than a kilobyte.
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// See the module.
pub(crate) struct Body<'a> {
    stream: &'a mut Stream,
    /// What has come with the head.
    ahead: Vec<u8>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(stream: &'a mut Stream, ahead: Vec<u8>) -> Self {
        Self { stream, ahead }
    }

    /// The body, if it has at most so many bytes.
    ///
    /// # Errors
    /// [`Rejection`]: it is too long, too slow, or ends early.
    pub(crate) async fn read(self, headers: &HeaderMap, most: usize) -> Result<Vec<u8>, Rejection> {
        let length = body_length(headers)?;
        if length > most {
            let reason = format!("a body of {length} bytes, at most {most} are allowed");
            return Err(Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "body", reason));
        }
        let expects = headers.contains_key(EXPECT);
        match timeout(PATIENCE, self.read_on(length, expects)).await {
            Ok(read) => read.map_err(|_| Rejection::malformed(format!("the body ends before its {length} bytes"))),
            Err(_) => Err(Rejection::new(
                StatusCode::REQUEST_TIMEOUT,
                "body",
                format!("the body has not come within {} s", PATIENCE.as_secs()),
            )),
        }
    }

    async fn read_on(self, length: usize, expects: bool) -> std::io::Result<Vec<u8>> {
        let Self { stream, ahead: mut bytes } = self;
        bytes.truncate(length);
        if expects && bytes.len() < length {
            stream.write_all(GO_ON).await?;
        }
        stream.allow(length - bytes.len());
        while bytes.len() < length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(bytes)
    }
}
