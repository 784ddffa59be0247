//! Our JSON documents, edited by the scripts that the peers' are edited by.

use cede::{AgentId, Json};
use cede_measuring::json::{self, Edit, Leaf};
use serde_json::{Value, json};

/// A replica.
pub(super) struct Documents(Json);

fn value(leaf: &Leaf) -> Value {
    match leaf {
        Leaf::Text(text) => text.as_str().into(),
        Leaf::Number(number) => (*number).into(),
        Leaf::Flag(flag) => (*flag).into(),
    }
}

impl json::Documents for Documents {
    fn begin(identity: u32) -> Self {
        let mut document = Self::empty(identity);
        document.0.update(&json!({"items": [], "settings": {}})).expect("an object");
        document
    }

    fn empty(identity: u32) -> Self {
        Self(Json::new(AgentId::new(identity.into())))
    }

    fn apply(&mut self, edit: &Edit) {
        let document = self.0.edit();
        let done = match edit {
            Edit::InsertItem { index, title } => {
                let item = json!({"title": title, "done": false});
                document.get("items").insert(*index, &item).map(drop)
            }
            Edit::DeleteItem { index } => document.get("items").at(*index).delete(),
            Edit::SetItem { index, key, value: leaf } => document.get("items").at(*index).get(key).set(&value(leaf)),
            Edit::Set { key, value: leaf } => document.get("settings").get(key).set(&value(leaf)),
        };
        done.expect("an edit of the script");
    }

    fn commit(&mut self) -> Vec<u8> {
        self.0.take_outgoing().unwrap_or_default()
    }

    fn receive(&mut self, message: &[u8]) {
        self.0.import(message).expect("a message of a peer");
    }

    fn count(&self) -> usize {
        self.0.get("items").len()
    }

    fn encode(&mut self) -> Vec<u8> {
        self.0.encode()
    }

    fn decode(bytes: &[u8]) -> Self {
        Self(Json::decode(AgentId::new(3), bytes).expect("a history of ours"))
    }

    fn read(&self) -> String {
        self.0.to_value().to_string()
    }
}
