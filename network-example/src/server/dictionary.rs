//! A room's dictionary over plain HTTP: read and written a key at a time, with the rights of the WebSocket.
//!
//! ```text
//! GET    /rooms/NAME/dict        all of it as a JSON object; with rights to read
//! GET    /rooms/NAME/dict/KEY    the value under a key; 404 when there is none
//! PUT    /rooms/NAME/dict/KEY    puts the body, which is JSON, under a key; with rights to write
//! DELETE /rooms/NAME/dict/KEY    removes a key; 404 when there is none
//! ```
//!
//! Everything behind `dict/` is the key, percent-encoded where a path needs it. An answer to PUT or DELETE is given when it is
//! on disk. Each room takes as much by HTTP as from one connection; whoever is faster gets 429.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use serde_json::Value;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::http::{HeaderMap, Method, Request, Response, StatusCode};

use super::api::{not_allowed, room, turned};
use super::body::Body;
use super::export::Form;
use super::service::Service;
use crate::http::{Rejection, answer, text};
use crate::rights::Rights;

/// What a room is asked about its dictionary.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Question {
    Get(String),
    Set(String, Value),
    Remove(String),
}

/// What it answers.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Answer {
    Value(Value),
    /// Nothing stands under the key.
    Absent,
    /// It is done, and on disk.
    Kept,
    /// Too much is asked.
    Busy,
}

impl Question {
    /// About how many bytes it brings.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Get(_) => 0,
            Self::Set(key, value) => key.len() + value.to_string().len(),
            Self::Remove(key) => key.len(),
        }
    }
}

/// The path of a dictionary, or of a key in one, behind the room's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path<'a> {
    Whole,
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// `rest`: what stands behind the name of a room and a slash.
    pub(crate) fn of(rest: &'a str) -> Option<Self> {
        match rest.strip_prefix("dict") {
            Some("") => Some(Self::Whole),
            Some(key) => key.strip_prefix('/').map(Self::Key),
            None => None,
        }
    }
}

/// The answer to a request that is let through.
pub(crate) async fn respond(
    name: &str,
    path: Path<'_>,
    request: &Request<()>,
    body: Body<'_>,
    service: &Service,
) -> Result<Response<Bytes>, Rejection> {
    let (method, headers) = (request.method(), request.headers());
    let key = match path {
        Path::Whole if method == Method::GET => return all(name, headers, service).await,
        Path::Whole => return Err(not_allowed()),
        Path::Key(key) => key,
    };
    let needed = match *method {
        Method::GET => Rights::Read,
        Method::PUT | Method::DELETE => Rights::Write,
        _ => return Err(not_allowed()),
    };
    // Before anything of theirs is read.
    let name = room(name, headers, needed, service)?;
    let key = decoded(key)?;
    let question = match *method {
        Method::GET => Question::Get(key),
        Method::PUT => {
            let value = json(&body.read(headers, service.config.max_message).await?)?;
            // They may have been taken back while the body was on its way.
            room(name.as_str(), headers, needed, service)?;
            Question::Set(key, value)
        }
        _ => Question::Remove(key),
    };
    match service.hub.ask_dict(&name, question).await.map_err(turned)? {
        Answer::Value(value) => Ok(answer(StatusCode::OK, JSON, line(&value))),
        Answer::Kept if *method == Method::PUT => Ok(text(StatusCode::OK, "set\n")),
        Answer::Kept => Ok(text(StatusCode::OK, "removed\n")),
        Answer::Absent => {
            Err(Rejection::new(StatusCode::NOT_FOUND, "path", "nothing stands under this key".to_owned()))
        }
        Answer::Busy => {
            let reason = "too much is written here at once; try again in a second".to_owned();
            Err(Rejection::new(StatusCode::TOO_MANY_REQUESTS, "rate", reason))
        }
    }
}

const JSON: &str = "application/json";

async fn all(name: &str, headers: &HeaderMap, service: &Service) -> Result<Response<Bytes>, Rejection> {
    let name = room(name, headers, Rights::Read, service)?;
    let export = service.hub.export(&name, Form::Dict).await.map_err(turned)?;
    let body = export.bytes().await.map_err(turned)?;
    Ok(answer(StatusCode::OK, JSON, body.unwrap_or(Bytes::from_static(b"{}\n"))))
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

/// The message says line and column.
fn json(body: &[u8]) -> Result<Value, Rejection> {
    serde_json::from_slice(body).map_err(|error| Rejection::malformed(format!("the body is no JSON: {error}")))
}

/// A key as it was before it was percent-encoded.
fn decoded(key: &str) -> Result<String, Rejection> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let [first, behind @ ..] = rest {
        (bytes, rest) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(digit(*high) << 4 | digit(*low));
                (bytes, behind)
            }
            (b'%', _) => {
                let at = key.len() - rest.len();
                return Err(Rejection::malformed(format!(
                    "the key has no two hexadecimal digits behind '%' at byte {at}"
                )));
            }
            (byte, behind) => {
                bytes.push(*byte);
                (bytes, behind)
            }
        };
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Rejection::malformed(format!("the key is no UTF-8 from byte {at} on"))
    })
}

fn digit(hexadecimal: u8) -> u8 {
    match hexadecimal {
        b'0'..=b'9' => hexadecimal - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_dict_is_the_key() {
        for (rest, expected) in [
            ("dict", Some(Path::Whole)),
            ("dict/", Some(Path::Key(""))),
            ("dict/color", Some(Path::Key("color"))),
            ("dict/a/b", Some(Path::Key("a/b"))),
            ("dictionary", None),
            ("", None),
        ] {
            assert_eq!(Path::of(rest), expected, "{rest}");
        }
    }

    #[test]
    fn keys_are_percent_encoded_utf_8() {
        for (written, expected) in
            [("", ""), ("color", "color"), ("a%20b", "a b"), ("%c3%BC%2f", "ü/"), ("a+b", "a+b"), ("%00", "\0")]
        {
            assert_eq!(decoded(written).unwrap(), expected);
        }
        for (written, reason) in
            [("a%", "byte 1"), ("%4", "byte 0"), ("ab%g0", "byte 2"), ("a%ff", "UTF-8 from byte 1")]
        {
            let rejection = decoded(written).unwrap_err();
            assert!(rejection.status == StatusCode::BAD_REQUEST && rejection.reason.contains(reason), "{rejection:?}");
        }
    }

    #[test]
    fn bad_json_is_refused_with_its_place() {
        let rejection = json(b"{\n  \"a\": x\n}").unwrap_err();
        assert_eq!(rejection.status, StatusCode::BAD_REQUEST);
        assert!(rejection.reason.contains("line 2 column 8"), "{}", rejection.reason);
        assert!(json(b"").is_err() && json(b"1 2").is_err() && json(b"\xff").is_err() && json(&[b'['; 4000]).is_err());
    }
}
