//! What is taken of a document over plain HTTP: made once for all who ask for the same, and for so many at once.
//!
//! Knows forms, and who still has what was made. Does not know who asks. Whoever takes a document and reads it slowly holds
//! what was made for as long as their connection may last, so copies are shared and counted, not made for each request.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex, PoisonError, Weak};

use cede::storage::{Kind, Record, file_bytes};
use cede::{AnyDocument, DocumentKind, Frontier};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio_tungstenite::tungstenite::Bytes;

use super::hub::Turned;
use super::kept::{Kept, Unfit};
use crate::wire::Refusal;

/// Exports of one server under way: each may be as large as a document may be, and as long under way as somebody takes to
/// read it.
pub(crate) const MAX_EXPORTS: usize = 16;
/// Of one room. Only one that is edited meanwhile has several.
const MAX_OF_ROOM: usize = 4;

/// What becomes of a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A .cede file.
    File,
    /// What people read: of what has no text, JSON.
    Text,
    /// A dictionary as a JSON object, and nothing else.
    Dict,
}

impl Form {
    fn of(self, document: &AnyDocument) -> Result<Vec<u8>, Turned> {
        match (self, document) {
            (Self::File, document) => {
                let file = file_bytes(&[Record { kind: Kind::Events, payload: document.encode() }]);
                file.map_err(|error| (Refusal::Unavailable, error.to_string()))
            }
            (Self::Text, AnyDocument::Text(text)) => Ok(text.text().to_string().into_bytes()),
            (Self::Text, AnyDocument::Json(json)) => Ok(format!("{}\n", json.to_value()).into_bytes()),
            (_, AnyDocument::Dict(dict)) => Ok(format!("{}\n", dict.to_value()).into_bytes()),
            (Self::Dict, other) => {
                let unfit = Unfit::Kind { holds: other.kind(), brought: DocumentKind::Dict };
                Err((unfit.code(), unfit.to_string()))
            }
        }
    }
}

/// One version of a document in one form.
pub(crate) struct Export {
    form: Form,
    version: Frontier,
    /// Until the bytes are made.
    document: Mutex<Option<Arc<AnyDocument>>>,
    /// `None` when nobody has written anything.
    made: OnceCell<Result<Option<Vec<u8>>, Turned>>,
    _place: OwnedSemaphorePermit,
}

impl Export {
    /// The bytes, which keep this export under way; `None` when nobody has written anything.
    pub(crate) async fn bytes(self: Arc<Self>) -> Result<Option<Bytes>, Turned> {
        match self.made.get_or_init(|| self.make()).await {
            Ok(Some(_)) => Ok(Some(Bytes::from_owner(Body(self)))),
            Ok(None) => Ok(None),
            Err(turned) => Err(turned.clone()),
        }
    }

    /// Whoever began this may go before it is done; then the next one begins anew.
    async fn make(&self) -> Result<Option<Vec<u8>>, Turned> {
        let document = self.document.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(document) = document else { return Ok(None) };
        let form = self.form;
        // A long history takes its milliseconds; rooms share this thread.
        let made = spawn_blocking(move || form.of(&document)).await;
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = None;
        made.unwrap_or_else(|_| Err((Refusal::Unavailable, "the export broke off".to_owned()))).map(Some)
    }
}

/// The bytes of an export.
struct Body(Arc<Export>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.made.get().and_then(|made| made.as_ref().ok()?.as_deref()).unwrap_or_default()
    }
}

/// Those of one room that somebody still has.
#[derive(Default)]
pub(crate) struct Exports(Vec<Weak<Export>>);

impl Exports {
    /// A document in a form: the same that others take just now, if there is one.
    pub(crate) fn of(&mut self, document: &Kept, form: Form, places: &Arc<Semaphore>) -> Result<Arc<Export>, Turned> {
        self.0.retain(|export| export.strong_count() > 0);
        let version = document.frontier();
        let is_same = |export: &Arc<Export>| export.form == form && export.version == version;
        if let Some(export) = self.0.iter().filter_map(Weak::upgrade).find(is_same) {
            return Ok(export);
        }
        let busy = |count: usize, of: &str| {
            let reason = format!("{count} exports of this {of} are under way already; ask again in a moment");
            (Refusal::Unavailable, reason)
        };
        if self.0.len() >= MAX_OF_ROOM {
            return Err(busy(MAX_OF_ROOM, "room"));
        }
        let place = places.clone().try_acquire_owned().map_err(|_| busy(MAX_EXPORTS, "server"))?;
        let document = Mutex::new(document.clone().into_document().map(Arc::new));
        let export = Arc::new(Export { form, version, document, made: OnceCell::new(), _place: place });
        self.0.push(Arc::downgrade(&export));
        Ok(export)
    }
}
