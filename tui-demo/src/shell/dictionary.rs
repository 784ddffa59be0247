//! `cede dict URL …`: one thing done to a dictionary that a server keeps, or all changes told.
//!
//! Knows a link, its client, and standard output. What is set or removed is on the server's disk when this is over. Watching
//! comes back by itself when the connection is lost, and tells then what has changed meanwhile.

use std::fmt;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use cede::{Dict, DictError, Entry};
use cede_net::client::{Client, DictChange, DictLink, LinkError};
use cede_net::presence::{Color, Identity};
use cede_net::rights::Rights;
use cede_net::tls::Trust;
use serde_json::json;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::ShellError;
use super::open::{fresh_agent, own_name, target};
use super::signals::Signals;
use crate::cli::{DictDeed, RemoteDict};
use crate::glyph;
use crate::plural::counted;

/// Does it.
///
/// # Errors
/// [`ShellError`]: the server cannot be reached, does not let us, or nothing stands under the key.
pub async fn run(order: RemoteDict) -> Result<(), ShellError> {
    let target = target(&order.url)?;
    let trust = order.ca.map_or(Trust::Machine, Trust::File);
    let identity = Identity { name: own_name(), color: Color(0, 0, 0) };
    let mut remote = Remote {
        dict: Dict::new(fresh_agent()?),
        link: DictLink::new(identity),
        address: target.to_string(),
        client: Client::spawn_trusting(target, trust),
    };
    let done = match order.deed {
        DictDeed::Watch => remote.watch().await,
        deed => remote.perform(deed).await.map_err(ShellError::Dictionary),
    };
    remote.client.close().await;
    done
}

struct Remote {
    dict: Dict,
    link: DictLink,
    client: Client,
    /// Without the token, for people.
    address: String,
}

impl Remote {
    async fn perform(&mut self, deed: DictDeed) -> Result<(), Failure> {
        self.step_until(|remote| remote.link.is_online()).await?;
        match deed {
            DictDeed::Get(key) => {
                let value = self.dict.get(&key).ok_or(Failure::Absent(key))?;
                print(&value.to_string());
            }
            DictDeed::List => {
                let lines = self.dict.iter().map(|entry| json!({"key": entry.key, "value": entry.value}).to_string());
                // Whoever reads no further has enough.
                lines.take_while(|line| print(line)).for_each(drop);
            }
            DictDeed::Set(key, value) => {
                self.check_rights()?;
                self.dict.set(&key, &value, wall())?;
                self.deliver().await?;
            }
            DictDeed::Remove(key) => {
                self.check_rights()?;
                if self.dict.get(&key).is_none() {
                    return Err(Failure::Absent(key));
                }
                self.dict.remove(&key, wall())?;
                self.deliver().await?;
            }
            DictDeed::Watch => {}
        }
        Ok(())
    }

    fn check_rights(&self) -> Result<(), Failure> {
        if self.link.rights() < Rights::Write { Err(Failure::ReadOnly) } else { Ok(()) }
    }

    /// Waits until the server has it on its disk.
    async fn deliver(&mut self) -> Result<(), Failure> {
        self.client.send(self.link.flush(&self.dict));
        let delivered = self.step_until(|remote| remote.link.is_durable(&remote.dict)).await;
        delivered.map_err(|failure| Failure::Unacknowledged(failure.to_string()))
    }

    async fn step_until(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        let mut said = None;
        while !done(self) {
            for change in self.next().await?.ok_or(Failure::Ended)? {
                match change {
                    DictChange::Offline { reason, .. } | DictChange::Refused { reason } => {
                        return Err(self.offline(said.unwrap_or(reason)));
                    }
                    // Said before a connection ends, and more to the point than that it ended.
                    DictChange::Notice(text) => said = Some(text),
                    DictChange::Entries(_) | DictChange::Online | DictChange::Durable => {}
                }
            }
        }
        Ok(())
    }

    fn offline(&self, reason: String) -> Failure {
        Failure::Offline { address: self.address.clone(), reason }
    }

    /// What the next message changes; `None` when nothing more comes.
    async fn next(&mut self) -> Result<Option<Vec<DictChange>>, Failure> {
        let Some(incoming) = self.client.next().await else { return Ok(None) };
        let changes = self.link.handle(&mut self.dict, incoming);
        self.client.send(self.link.flush(&self.dict));
        changes.map(Some).map_err(Failure::Link)
    }

    /// Prints changes until a signal comes, or nobody reads any more.
    async fn watch(&mut self) -> Result<(), ShellError> {
        let mut signals = Signals::listen().map_err(ShellError::Signals)?;
        // What is there at first is no change.
        let mut tells = false;
        loop {
            let changes = tokio::select! {
                changes = self.next() => changes,
                _ = signals.next() => return Ok(()),
            };
            let changes = match changes {
                Ok(Some(changes)) => changes,
                Ok(None) => return Err(ShellError::Dictionary(Failure::Ended)),
                // Another attempt follows.
                Err(failure) => {
                    note(&failure.to_string());
                    continue;
                }
            };
            for change in changes {
                match change {
                    DictChange::Entries(entries) if tells => {
                        if !entries.iter().all(|entry| print(&line(entry))) {
                            return Ok(());
                        }
                    }
                    DictChange::Online => {
                        tells = true;
                        note(&format!("watching {}", counted(self.dict.len() as u64, "key")));
                    }
                    DictChange::Offline { reason, retry_in } => {
                        note(&format!("offline, retry in {} s: {reason}", retry_in.as_secs_f32().ceil()));
                    }
                    DictChange::Refused { reason } => return Err(ShellError::Dictionary(self.offline(reason))),
                    DictChange::Notice(text) => note(&text),
                    DictChange::Entries(_) | DictChange::Durable => {}
                }
            }
        }
    }
}

/// Milliseconds since 1970, for people.
fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A change as a line of JSON. A removal has no value, for `null` is one.
fn line(entry: &Entry) -> String {
    let mut object = json!({"key": entry.key});
    match &entry.value {
        Some(value) => object["value"] = value.clone(),
        None => object["removed"] = true.into(),
    }
    if entry.wall > 0 {
        object["wall"] = entry.wall.into();
    }
    object.to_string()
}

/// Prints a line of JSON. False: nobody reads any more.
fn print(json: &str) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", harmless(json)).and_then(|()| out.flush()).is_ok()
}

/// The same JSON for a terminal. What JSON leaves as it is and terminals obey, or do not show, stands in strings alone, where
/// it can be written as an escape.
fn harmless(json: &str) -> String {
    use GeneralCategory as Is;
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c.general_category() {
            Is::Control
            | Is::Format
            | Is::LineSeparator
            | Is::ParagraphSeparator
            | Is::Surrogate
            | Is::PrivateUse
            | Is::Unassigned => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    safe.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => safe.push(c),
        }
    }
    safe
}

/// Says something to the person and not to whoever reads the output.
fn note(text: &str) {
    for line in format!("cede: {text}").lines() {
        // Nobody reads on: no harm done.
        let _ = writeln!(io::stderr(), "{}", glyph::label(line, NOTE_COLUMNS));
    }
}

/// Far more than any notice has.
const NOTE_COLUMNS: usize = 4000;

/// Why something could not be done to a dictionary.
#[derive(Debug)]
pub enum Failure {
    /// Nothing stands under this key.
    Absent(String),
    /// One may only read there.
    ReadOnly,
    /// There is no connection.
    Offline {
        /// Where to.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection broke before the server had said that it keeps what was done.
    Unacknowledged(String),
    /// The client has ended by itself.
    Ended,
    /// The server sent what the engine refuses.
    Link(LinkError),
    /// The engine does not take it.
    Dict(DictError),
}

impl From<DictError> for Failure {
    fn from(error: DictError) -> Self {
        Self::Dict(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(key) => write!(f, "nothing stands under {key:?}"),
            Self::ReadOnly => f.write_str("you may only read there"),
            Self::Offline { address, reason } => write!(f, "{address}: {reason}"),
            Self::Unacknowledged(reason) => {
                write!(f, "the server has not said that it keeps this, and may have it or not: {reason}")
            }
            Self::Ended => f.write_str("the connection has ended"),
            Self::Link(error) => error.fmt(f),
            Self::Dict(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn strangers_strings_carry_no_escape_sequences_and_stay_the_same_json() {
        let hostile = "\u{1b}[2J \u{7f}\u{9b}31m \u{202e}\u{2066} \u{feff}\u{200b} \u{2028} \u{e000}\u{e0041} ü😀";
        let value = json!({ hostile: [hostile] });
        let safe = harmless(&value.to_string());
        assert_eq!(serde_json::from_str::<Value>(&safe).unwrap(), value);
        assert!(safe.contains("ü😀"), "{safe}");
        let rest: String = safe.chars().filter(|c| !c.is_ascii_graphic() && !"ü😀 ".contains(*c)).collect();
        assert_eq!(rest, "");
    }

    /// "Connection refused" alone says nothing of a port that was mistyped, and the token is not for a screen.
    #[tokio::test]
    async fn who_cannot_be_reached_is_named_without_the_token() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("ws://{closed}/x#0123456789abcdef");
        let failed = run(RemoteDict { url, ca: None, deed: DictDeed::List }).await.unwrap_err().to_string();
        assert!(failed.starts_with(&format!("ws://{closed}/x: ")), "{failed}");
        assert!(!failed.contains("0123456789abcdef"), "{failed}");
    }

    #[test]
    fn a_removal_is_told_apart_from_null() {
        let event = cede::EventId::new(cede::AgentId::new(1), cede::Clock(0));
        let entry = |value| Entry { key: "a".into(), value, event, wall: 0 };
        assert_eq!(line(&entry(Some(Value::Null))), r#"{"key":"a","value":null}"#);
        assert_eq!(line(&entry(None)), r#"{"key":"a","removed":true}"#);
        assert_eq!(line(&Entry { wall: 17, ..entry(Some(json!(1))) }), r#"{"key":"a","value":1,"wall":17}"#);
    }
}
