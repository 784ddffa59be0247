//! What can be asked over plain HTTP: how the server is, what it has counted, and a document to take or to delete.
//!
//! ```text
//! GET    /healthz      the server runs
//! GET    /readyz       it stores what it takes in
//! GET    /metrics      numbers, for Prometheus; from this machine, or with a token for * with host rights
//! GET    /rooms/NAME   the document as a .cede file, or its text when text/plain is accepted; with rights to read
//! DELETE /rooms/NAME   everybody is shown out and the document is gone; with host rights
//! ```
//!
//! Those who take the same share what is made for them; where too many documents are taken at once, 503 asks for a moment.
//!
//! What stands below `/rooms/NAME/dict` is told in `dictionary`.

use std::net::SocketAddr;

use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::http::header::ACCEPT;
use tokio_tungstenite::tungstenite::http::{HeaderMap, Method, Request, Response, StatusCode};

use super::access::{Credential, Denied};
use super::body::Body;
use super::dictionary;
use super::export::Form;
use super::hub::Turned;
use super::service::Service;
use crate::http::{Rejection, answer, bearer, text};
use crate::rights::Rights;
use crate::room::{RoomName, RoomNameError};
use crate::wire::Refusal;

type Answer = Result<Response<Bytes>, Rejection>;

/// The answer to a request that is let through.
pub(crate) async fn respond(request: &Request<()>, body: Body<'_>, from: SocketAddr, service: &Service) -> Answer {
    let (method, path) = (request.method(), request.uri().path());
    if request.uri().query().is_some() {
        return Err(Rejection::malformed("the path has a query; none is used"));
    }
    let within = path.strip_prefix("/rooms/");
    if let Some((name, rest)) = within.and_then(|within| within.split_once('/'))
        && let Some(path) = dictionary::Path::of(rest)
    {
        return dictionary::respond(name, path, request, body, service).await;
    }
    match (path, within) {
        ("/healthz", _) if method == Method::GET => Ok(text(StatusCode::OK, "ok\n")),
        ("/readyz", _) if method == Method::GET => Ok(match service.metrics.unready() {
            None => text(StatusCode::OK, "ready\n"),
            Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{reason}\n")),
        }),
        ("/metrics", _) if method == Method::GET => metrics(request.headers(), from, service),
        ("/healthz" | "/readyz" | "/metrics", _) => Err(not_allowed()),
        (_, Some(name)) if method == Method::GET => export(name, request.headers(), service).await,
        (_, Some(name)) if method == Method::DELETE => delete(name, request.headers(), service).await,
        (_, Some(_)) => Err(not_allowed()),
        _ => {
            let reason = "there is nothing here; a room is joined by WebSocket, and read at /rooms/NAME".to_owned();
            Err(Rejection::new(StatusCode::NOT_FOUND, "path", reason))
        }
    }
}

pub(crate) fn not_allowed() -> Rejection {
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this cannot be done to that".to_owned())
}

fn metrics(headers: &HeaderMap, from: SocketAddr, service: &Service) -> Answer {
    let token = bearer(headers)?;
    let oversees = service.access.oversees(Credential::of(token.as_ref()));
    // Behind a proxy on this machine everybody comes from here; whoever runs one keeps this path to themselves.
    if !oversees && !from.ip().to_canonical().is_loopback() {
        return Err(Rejection::forbidden(
            "numbers are for this machine, or for a token with host rights to *".to_owned(),
        ));
    }
    let body = service.metrics.to_text().into_bytes();
    Ok(answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body))
}

/// The room, if whoever asks has these rights to it.
pub(crate) fn room(name: &str, headers: &HeaderMap, needed: Rights, service: &Service) -> Result<RoomName, Rejection> {
    let name: RoomName = name.parse().map_err(|error: RoomNameError| Rejection::malformed(error))?;
    let token = bearer(headers)?;
    match service.access.rights(Credential::of(token.as_ref()), &name) {
        Ok(rights) if rights >= needed => Ok(name),
        Ok(rights) => Err(Rejection::forbidden(format!("this needs {needed} rights, and yours are to {rights}"))),
        Err(denied) => Err(denial(denied)),
    }
}

/// As an answer to a request.
pub(crate) fn denial(denied: Denied) -> Rejection {
    match denied {
        Denied::Missing | Denied::Unknown => Rejection::unauthorized(denied.reason().to_owned()),
        Denied::Elsewhere | Denied::Removed => Rejection::forbidden(denied.reason().to_owned()),
    }
}

async fn export(name: &str, headers: &HeaderMap, service: &Service) -> Answer {
    let name = room(name, headers, Rights::Read, service)?;
    let wants_text = headers.get_all(ACCEPT).iter().any(|accept| accept.as_bytes().starts_with(b"text/plain"));
    let (form, kind) = match wants_text {
        true => (Form::Text, "text/plain; charset=utf-8"),
        false => (Form::File, "application/octet-stream"),
    };
    let export = service.hub.export(&name, form).await.map_err(turned)?;
    match export.bytes().await.map_err(turned)? {
        Some(body) => Ok(answer(StatusCode::OK, kind, body)),
        None => Err(Rejection::new(StatusCode::NOT_FOUND, "path", format!("nobody has written to {name}"))),
    }
}

async fn delete(name: &str, headers: &HeaderMap, service: &Service) -> Answer {
    let name = room(name, headers, Rights::Host, service)?;
    service.hub.delete(&name).await.map_err(turned)?;
    tracing::info!(room = name.fingerprint(), "deleted");
    Ok(text(StatusCode::OK, "deleted\n"))
}

pub(crate) fn turned((code, reason): Turned) -> Rejection {
    let status = match code {
        Refusal::Absent => StatusCode::NOT_FOUND,
        Refusal::Damaged => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::Kind => StatusCode::CONFLICT,
        Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Rejection::new(status, code.label(), reason)
}
