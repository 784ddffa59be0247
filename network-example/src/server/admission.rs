//! Who may connect at all: decided on the HTTP request, before there is a WebSocket.

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};
use tokio_tungstenite::tungstenite::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, ORIGIN};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};

use crate::room::RoomName;

/// Why a request is turned away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
}

/// The room that a request asks for, if it may have it.
pub(crate) fn admit(request: &Request, allowed_origins: &[String]) -> Result<RoomName, Rejection> {
    check_origin(request.headers(), allowed_origins)?;
    let bad = |reason: String| Rejection { status: StatusCode::BAD_REQUEST, reason };
    if request.uri().query().is_some() {
        return Err(bad("the path has a query; none is used".to_owned()));
    }
    match request.uri().path().strip_prefix('/') {
        Some("") | None => {
            Err(Rejection { status: StatusCode::NOT_FOUND, reason: "the path names no room; ask for /ROOM".to_owned() })
        }
        Some(name) => name.parse().map_err(|error: crate::room::RoomNameError| bad(error.to_string())),
    }
}

/// Programs send no `Origin`. Browsers send the page's, whatever the page wants; only pages on the list may come in,
/// because a page from anywhere can reach a server on loopback.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Rejection> {
    let listed = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        allowed.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin))
    };
    match headers.get_all(ORIGIN).iter().find(|origin| !listed(origin)) {
        None => Ok(()),
        Some(origin) => {
            let reason = format!("the origin {origin:?} is not allowed here");
            Err(Rejection { status: StatusCode::FORBIDDEN, reason })
        }
    }
}

impl Rejection {
    /// As the answer to the request.
    pub(crate) fn into_response(self) -> ErrorResponse {
        let length = self.reason.len();
        let mut response = ErrorResponse::new(Some(self.reason));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, origins: &[&str]) -> Request {
        let mut request = Request::new(());
        *request.uri_mut() = path.parse().unwrap();
        for origin in origins {
            request.headers_mut().append(ORIGIN, origin.parse().unwrap());
        }
        request
    }

    fn status(path: &str, origins: &[&str]) -> Result<String, u16> {
        let allowed = ["https://cede.example".to_owned(), "http://localhost:3000".to_owned()];
        let admitted = admit(&request(path, origins), &allowed);
        admitted.map(|room| room.to_string()).map_err(|rejection| rejection.status.as_u16())
    }

    #[test]
    fn the_path_is_the_room() {
        assert_eq!(status("/notes", &[]), Ok("notes".to_owned()));
        assert_eq!(status("/", &[]), Err(404));
        for path in ["/a/b", "/a%2fb", "/../a", "//a", "/a?x", "/a.", &format!("/{}", "x".repeat(129))] {
            assert_eq!(status(path, &[]), Err(400), "{path}");
        }
    }

    #[test]
    fn only_listed_origins_come_in() {
        assert_eq!(status("/n", &["https://cede.example"]), Ok("n".to_owned()));
        assert_eq!(status("/n", &["HTTPS://Cede.Example"]), Ok("n".to_owned()));
        assert_eq!(status("/n", &["http://localhost:3000"]), Ok("n".to_owned()));
        for origin in [
            "null",
            "",
            "http://cede.example",
            "https://cede.example.evil",
            "https://evil/https://cede.example",
            "https://cede.example:444",
            "http://localhost",
            "http://127.0.0.1:3000",
            "file://",
        ] {
            assert_eq!(status("/n", &[origin]), Err(403), "{origin}");
        }
        assert_eq!(status("/n", &["https://cede.example", "https://evil"]), Err(403));
    }

    #[test]
    fn nothing_is_listed_by_default() {
        let rejection = admit(&request("/n", &["http://localhost"]), &[]).unwrap_err();
        assert_eq!(rejection.status, StatusCode::FORBIDDEN);
        assert!(rejection.reason.contains("http://localhost"));
    }
}
