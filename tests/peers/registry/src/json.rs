//! JSON documents of those peers that have them, each by its normal API.

use ::automerge::transaction::Transactable;
use ::automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use ::loro::{ExportMode, LoroDoc, LoroMap, LoroValue, VersionVector};
use cede_measuring::json::{Documents, Edit, Leaf};

/// One commit for each message, as it commits by itself.
pub(crate) struct Automerge {
    document: AutoCommit,
    places: Option<(ObjId, ObjId)>,
}

fn scalar(leaf: &Leaf) -> ScalarValue {
    match leaf {
        Leaf::Text(text) => ScalarValue::Str(text.as_str().into()),
        Leaf::Number(number) => ScalarValue::Int(*number),
        Leaf::Flag(flag) => ScalarValue::Boolean(*flag),
    }
}

impl Automerge {
    fn of(document: AutoCommit) -> Self {
        let mut automerge = Self { document, places: None };
        automerge.find();
        automerge
    }

    fn find(&mut self) {
        let place = |key| Some(self.document.get(ROOT, key).expect("a key of the root")?.1);
        if self.places.is_none() {
            self.places = place("items").zip(place("settings"));
        }
    }

    fn item(&self, items: &ObjId, index: usize) -> ObjId {
        self.document.get(items, index).expect("a list").expect("an item").1
    }
}

impl Documents for Automerge {
    fn begin(identity: u32) -> Self {
        let mut document = AutoCommit::new().with_actor(ActorId::from(identity.to_be_bytes()));
        document.put_object(ROOT, "items", ObjType::List).expect("a key of the root");
        document.put_object(ROOT, "settings", ObjType::Map).expect("a key of the root");
        Self::of(document)
    }

    fn empty(identity: u32) -> Self {
        Self::of(AutoCommit::new().with_actor(ActorId::from(identity.to_be_bytes())))
    }

    fn apply(&mut self, edit: &Edit) {
        let (items, settings) = self.places.clone().expect("a document that was begun");
        match edit {
            Edit::InsertItem { index, title } => {
                let item = self.document.insert_object(&items, *index, ObjType::Map).expect("an index");
                self.document.put(&item, "title", title.as_str()).expect("a key");
                self.document.put(&item, "done", false).expect("a key");
            }
            Edit::DeleteItem { index } => self.document.delete(&items, *index).expect("an index"),
            Edit::SetItem { index, key, value } => {
                let item = self.item(&items, *index);
                self.document.put(&item, *key, scalar(value)).expect("a key");
            }
            Edit::Set { key, value } => self.document.put(&settings, key.as_str(), scalar(value)).expect("a key"),
        }
    }

    fn commit(&mut self) -> Vec<u8> {
        self.document.save_incremental()
    }

    fn receive(&mut self, message: &[u8]) {
        self.document.load_incremental(message).expect("a message of a peer");
        self.find();
    }

    fn count(&self) -> usize {
        self.places.as_ref().map_or(0, |(items, _)| self.document.length(items))
    }

    fn encode(&mut self) -> Vec<u8> {
        self.document.save()
    }

    fn decode(bytes: &[u8]) -> Self {
        Self::of(AutoCommit::load(bytes).expect("a history that Automerge wrote"))
    }

    fn read(&self) -> String {
        let value = serde_json::to_value(::automerge::AutoSerde::from(&self.document)).expect("JSON");
        value.to_string()
    }
}

/// Items are maps in a list; one commit for each message.
pub(crate) struct Loro {
    document: LoroDoc,
    sent: VersionVector,
}

fn value(leaf: &Leaf) -> LoroValue {
    match leaf {
        Leaf::Text(text) => text.as_str().into(),
        Leaf::Number(number) => (*number).into(),
        Leaf::Flag(flag) => (*flag).into(),
    }
}

impl Documents for Loro {
    fn begin(identity: u32) -> Self {
        let loro = Self::empty(identity);
        loro.document.commit();
        loro
    }

    fn empty(identity: u32) -> Self {
        let document = LoroDoc::new();
        document.set_peer_id(identity.into()).expect("an empty document takes any peer");
        Self { document, sent: VersionVector::default() }
    }

    fn apply(&mut self, edit: &Edit) {
        let (items, settings) = (self.document.get_list("items"), self.document.get_map("settings"));
        let item = |index: usize| -> LoroMap {
            let found = items.get(index).and_then(|item| item.into_container().ok());
            found.and_then(|item| item.into_map().ok()).expect("an item")
        };
        match edit {
            Edit::InsertItem { index, title } => {
                let item = items.insert_container(*index, LoroMap::new()).expect("an index");
                item.insert("title", title.as_str()).expect("a key");
                item.insert("done", false).expect("a key");
            }
            Edit::DeleteItem { index } => items.delete(*index, 1).expect("an index"),
            Edit::SetItem { index, key, value: leaf } => item(*index).insert(key, value(leaf)).expect("a key"),
            Edit::Set { key, value: leaf } => settings.insert(key, value(leaf)).expect("a key"),
        }
    }

    fn commit(&mut self) -> Vec<u8> {
        self.document.commit();
        let message = self.document.export(ExportMode::updates(&self.sent)).expect("own changes");
        self.sent = self.document.oplog_vv();
        message
    }

    fn receive(&mut self, message: &[u8]) {
        self.document.import(message).expect("an update of a peer");
    }

    fn count(&self) -> usize {
        self.document.get_list("items").len()
    }

    fn encode(&mut self) -> Vec<u8> {
        self.document.export(ExportMode::all_updates()).expect("a document of its own")
    }

    fn decode(bytes: &[u8]) -> Self {
        let mut loro = Self::empty(3);
        loro.receive(bytes);
        loro
    }

    fn read(&self) -> String {
        let items = self.document.get_list("items").get_deep_value();
        let settings = self.document.get_map("settings").get_deep_value();
        let json = |value: &LoroValue| serde_json::to_value(value).expect("JSON");
        serde_json::json!({"items": json(&items), "settings": json(&settings)}).to_string()
    }
}
