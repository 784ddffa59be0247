//! The little of HTTP/1.1 that stands before a WebSocket: one request, one answer, and the end.
//!
//! Bytes in, a request out; httparse, which tungstenite is built on, reads the head. Nothing here knows sockets or
//! rooms. Every length is bounded before it is read.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;

use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::http::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING,
    UPGRADE, WWW_AUTHENTICATE,
};
use tokio_tungstenite::tungstenite::http::{HeaderMap, Method, Request, Response, StatusCode, Version};

use crate::token::Token;

/// The most headers that a request may have. Browsers send some twenty.
const MAX_HEADERS: usize = 64;

/// The longest path that a request may ask for. A room's name has at most 128 bytes.
const MAX_TARGET: usize = 512;

/// The longest path to what is in a room: a key of a dictionary, percent-encoded.
const MAX_ROOM_TARGET: usize = 4096;

/// The head of a request, if it is all there, and how many bytes it takes.
///
/// # Errors
/// [`Rejection`]: what no further byte can mend.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, Rejection> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Rejection::large(format!("more than {MAX_HEADERS} headers")));
        }
        Err(error) => return Err(Rejection::malformed(format!("this is no HTTP request: {error}"))),
    };
    let (method, target) = (head.method.unwrap_or_default(), head.path.unwrap_or_default());
    let longest = if target.starts_with("/rooms/") { MAX_ROOM_TARGET } else { MAX_TARGET };
    if target.len() > longest {
        return Err(Rejection::new(StatusCode::URI_TOO_LONG, "target", format!("a path of {} bytes", target.len())));
    }
    if head.version != Some(1) {
        let reason = "only HTTP/1.1 is spoken here".to_owned();
        return Err(Rejection::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "malformed", reason));
    }
    let mut request = Request::new(());
    *request.version_mut() = Version::HTTP_11;
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(Rejection::malformed)?;
    *request.uri_mut() = target.parse().map_err(Rejection::malformed)?;
    for header in head.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(Rejection::malformed)?;
        let value = HeaderValue::from_bytes(header.value).map_err(Rejection::malformed)?;
        request.headers_mut().append(name, value);
    }
    match *request.method() {
        Method::PUT => drop(body_length(request.headers())?),
        _ => refuse_body(request.headers())?,
    }
    Ok(Some((request, length)))
}

/// No other request here than PUT has a body, so that nobody can disagree about where it ends.
fn refuse_body(headers: &HeaderMap) -> Result<(), Rejection> {
    let is_empty = headers.get_all(CONTENT_LENGTH).iter().all(|length| length == "0");
    if is_empty && !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    Err(Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "body", "only PUT has a body here".to_owned()))
}

/// How long a body is, said once and in digits, so that nobody can disagree about that either.
pub(crate) fn body_length(headers: &HeaderMap) -> Result<usize, Rejection> {
    if headers.contains_key(TRANSFER_ENCODING) {
        let reason = "a body here comes in one piece, with its Content-Length".to_owned();
        return Err(Rejection::new(StatusCode::LENGTH_REQUIRED, "body", reason));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(0),
        (Some(length), None) if length.as_bytes().iter().all(u8::is_ascii_digit) => {
            let length = length.to_str().ok().and_then(|length| length.parse().ok());
            length.ok_or_else(|| Rejection::malformed("the Content-Length is no length"))
        }
        _ => Err(Rejection::malformed("the Content-Length is not one length")),
    }
}

/// Whether the request wants to become a WebSocket.
pub(crate) fn is_upgrade(request: &Request<()>) -> bool {
    request.headers().contains_key(UPGRADE)
}

/// The token of `Authorization: Bearer …`.
///
/// # Errors
/// A header that is there and holds none: whoever sends one means to be somebody.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<Token>, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().parse::<Token>().ok())?
    });
    match (token, values.next()) {
        (Some(token), None) => Ok(Some(token)),
        _ => Err(Rejection::unauthorized("the Authorization header is not Bearer and one token".to_owned())),
    }
}

/// Why a request is turned away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    /// For counting.
    pub(crate) label: &'static str,
    /// For people.
    pub(crate) reason: String,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, label: &'static str, reason: String) -> Self {
        Self { status, label, reason }
    }

    pub(crate) fn malformed(reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", reason.to_string())
    }

    pub(crate) fn large(reason: String) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header_size", reason)
    }

    pub(crate) fn unauthorized(reason: String) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", reason)
    }

    pub(crate) fn forbidden(reason: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", reason)
    }

    /// As the answer to the request.
    pub(crate) fn into_answer(self) -> Response<Bytes> {
        let mut answer = text(self.status, &format!("{}\n", self.reason));
        if self.status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, PUT, DELETE"));
        }
        answer
    }
}

/// An answer of plain text.
pub(crate) fn text(status: StatusCode, text: &str) -> Response<Bytes> {
    answer(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

/// An answer that a browser takes for what it says it is, keeps nowhere and shows in no other page.
pub(crate) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    answer
}

/// The bytes of an answer's head that says how long the body is. The body, which may be large, is sent as it is.
pub(crate) fn sized_head_bytes(answer: &Response<Bytes>) -> Vec<u8> {
    let mut bytes = head_bytes(answer);
    bytes.truncate(bytes.len().saturating_sub(2));
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", answer.body().len()).as_bytes());
    bytes
}

/// The bytes of an answer's head, with the empty line behind it.
pub(crate) fn head_bytes<T>(answer: &Response<T>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn status(request: &str) -> Option<u16> {
        parse_head(request.as_bytes()).map_or_else(|rejection| Some(rejection.status.as_u16()), |_| None)
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let request = b"GET /notes HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\nmore";
        for end in 0..request.len() - 4 {
            assert!(parse_head(&request[..end]).unwrap().is_none(), "{end}");
        }
        let (head, length) = parse_head(request).unwrap().unwrap();
        assert_eq!((head.uri().path(), &request[length..]), ("/notes", &b"more"[..]));
        assert_eq!(head.headers().get_all("host").iter().count(), 2);
    }

    #[test]
    fn what_is_no_request_is_refused_at_once() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1000));
        for (request, expected) in [
            ("\0", 400),
            ("GET / HTTP/2.0\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\n\r\n", 505),
            ("GET /\u{1} HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\na b: c\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 413),
            ("GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n", 413),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
            ("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
            ("PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
            ("PUT / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", 400),
            ("PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
            (&many, 431),
            (&long, 414),
        ] {
            assert_eq!(status(request), Some(expected), "{request:?}");
        }
    }

    #[test]
    fn a_token_stands_behind_bearer() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| _ = headers.append(AUTHORIZATION, value.parse().unwrap()));
            headers
        };
        let token = "0123456789abcdef";
        assert_eq!(bearer(&headers(&[])), Ok(None));
        assert_eq!(bearer(&headers(&[&format!("bearer {token}")])).unwrap().unwrap().as_str(), token);
        let twice = format!("Bearer {token}");
        for wrong in [&["Basic YTpi"][..], &["Bearer"], &["Bearer x"], &[&twice, &twice]] {
            assert_eq!(bearer(&headers(wrong)).unwrap_err().status, StatusCode::UNAUTHORIZED, "{wrong:?}");
        }
    }
}
