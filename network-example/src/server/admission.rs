//! Who may ask for anything at all: decided on the head of a request, before there is a WebSocket.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::net::IpAddr;

use tokio_tungstenite::tungstenite::http::header::{HOST, HeaderValue, ORIGIN};
use tokio_tungstenite::tungstenite::http::{HeaderMap, Request, StatusCode};

use crate::http::Rejection;
use crate::planted::planted;
use crate::room::{RoomName, RoomNameError};

/// Which pages and which names are let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doorkeeper<'a> {
    /// `scheme://host[:port]`.
    pub(crate) origins: &'a [String],
    /// Without port.
    pub(crate) hosts: &'a [String],
}

impl Doorkeeper<'_> {
    /// Lets a request through, or says why not.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        self.check_host(headers)?;
        self.check_origin(headers)
    }

    /// A page can give its own name any address, this machine's too, and then ask as if it were at home here; the
    /// browser still says the name. Addresses cannot be given away like that, and the names of this server are listed.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let bad = |reason: String| Rejection::new(StatusCode::BAD_REQUEST, "host", reason);
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(bad("a request has one Host header".to_owned()));
        };
        let name = host.to_str().ok().and_then(without_port).ok_or_else(|| bad(format!("{host:?} is no host")))?;
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let is_listed = || self.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name));
        if planted("host") || is_address || name.eq_ignore_ascii_case("localhost") || is_listed() {
            return Ok(());
        }
        let reason = format!("this server does not go by the name {name:?}; --host {name} would make it");
        Err(Rejection::new(StatusCode::MISDIRECTED_REQUEST, "host", reason))
    }

    /// Programs send no `Origin`. Browsers send the page's, whatever the page wants; only pages on the list may come
    /// in, because a page from anywhere can reach a server on loopback. Where a browser sends none, as with a picture,
    /// it says in `Sec-Fetch-Site` that a page asks.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let refused = |reason: String| Err(Rejection::new(StatusCode::FORBIDDEN, "origin", reason));
        let listed = |origin: &HeaderValue| {
            let origin = origin.as_bytes();
            self.origins.iter().any(|listed| match planted("origin") {
                true => origin.starts_with(listed.as_bytes()),
                false => listed.as_bytes().eq_ignore_ascii_case(origin),
            })
        };
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if listed(origin) => Ok(()),
            (Some(origin), None) => refused(format!("the origin {origin:?} is not allowed here")),
            (Some(_), Some(_)) => refused("a request has one Origin".to_owned()),
            (None, _) => match headers.get("sec-fetch-site") {
                Some(site) if site != "none" => refused("a page that is not allowed here asks".to_owned()),
                _ => Ok(()),
            },
        }
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port` without the port.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rfind(']') {
        Some(end) if host.starts_with('[') => host.split_at_checked(end + 1)?,
        Some(_) => return None,
        None => host.split_at_checked(host.find(':').unwrap_or(host.len()))?,
    };
    let is_port = |digits: &str| digits.len() <= 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (!name.is_empty() && port_fits).then_some(name)
}

/// The room that the path of a WebSocket names.
pub(crate) fn room_of(request: &Request<()>) -> Result<RoomName, Rejection> {
    if request.uri().query().is_some() {
        return Err(Rejection::malformed("the path has a query; none is used"));
    }
    match request.uri().path().strip_prefix('/') {
        Some("") | None => {
            let reason = "the path names no room; ask for /ROOM".to_owned();
            Err(Rejection::new(StatusCode::NOT_FOUND, "path", reason))
        }
        Some(name) if planted("path") => name.rsplit('/').next().unwrap_or(name).parse().map_err(Rejection::malformed),
        Some(name) => name.parse().map_err(|error: RoomNameError| Rejection::malformed(error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|(name, value)| _ = headers.append(*name, value.parse().unwrap()));
        headers
    }

    fn status(path: &str) -> Result<String, u16> {
        let request = Request::builder().uri(path).body(()).unwrap();
        room_of(&request).map(|room| room.to_string()).map_err(|rejection| rejection.status.as_u16())
    }

    #[test]
    fn the_path_is_the_room() {
        assert_eq!(status("/notes"), Ok("notes".to_owned()));
        assert_eq!(status("/"), Err(404));
        for path in ["/a/b", "/a%2fb", "/../a", "//a", "/a?x", "/a.", &format!("/{}", "x".repeat(129))] {
            assert_eq!(status(path), Err(400), "{path}");
        }
    }

    fn origin(origins: &[&str]) -> Option<u16> {
        let listed = ["https://cede.example".to_owned(), "http://localhost:3000".to_owned()];
        let door = Doorkeeper { origins: &listed, hosts: &[] };
        let mut lines = vec![("host", "127.0.0.1:4000")];
        lines.extend(origins.iter().map(|origin| ("origin", *origin)));
        door.check(&headers(&lines)).err().map(|rejection| rejection.status.as_u16())
    }

    #[test]
    fn only_listed_origins_come_in() {
        for listed in ["https://cede.example", "HTTPS://Cede.Example", "http://localhost:3000"] {
            assert_eq!(origin(&[listed]), None, "{listed}");
        }
        assert_eq!(origin(&[]), None);
        assert_eq!(origin(&["https://cede.example", "https://evil"]), Some(403));
        assert_eq!(origin(&["https://cede.example", "https://cede.example"]), Some(403));
    }

    #[test]
    fn a_page_that_sends_no_origin_is_known_by_how_it_asks() {
        let door = Doorkeeper { origins: &[], hosts: &[] };
        let asks = |site| door.check(&headers(&[("host", "localhost"), ("sec-fetch-site", site)])).is_ok();
        assert!(asks("none") && !asks("cross-site") && !asks("same-site") && !asks("same-origin"));
    }

    #[test]
    fn hosts_are_addresses_or_listed_names() {
        let hosts = ["cede.example".to_owned()];
        let door = Doorkeeper { origins: &[], hosts: &hosts };
        let host = |host: &str| door.check(&headers(&[("host", host)])).err().map(|error| error.status.as_u16());
        for good in
            ["127.0.0.1:4000", "192.0.2.7", "[::1]:4000", "[::1]", "localhost:1", "LOCALHOST", "Cede.Example:443"]
        {
            assert_eq!(host(good), None, "{good}");
        }
        for other in ["evil.example", "cede.example.evil", "localhost.evil:4000", "127.0.0.1.evil", "127.0.0.1x"] {
            assert_eq!(host(other), Some(421), "{other}");
        }
        for broken in ["", ":4000", "a:b", "[::1]x", "a]b", "a:123456", "::1"] {
            assert_eq!(host(broken), Some(400), "{broken}");
        }
        assert!(door.check(&headers(&[])).is_err() && door.check(&headers(&[("host", "a"), ("host", "b")])).is_err());
    }
}
