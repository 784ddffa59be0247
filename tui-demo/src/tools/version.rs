//! Which version of a history is meant.
//!
//! Knows the three ways a person has to name one. Does not know how a text is shown.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cede::sync::Replica;
use cede::{AgentId, AnyDocument, Clock, EventId, EventSpan, Frontier};

use super::ToolError;

/// A version as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// By its events: `AGENT/CLOCK,AGENT/CLOCK`, or `root`. As many digits of an agent do as tell it from the others.
    Version(String),
    /// By how many events of the log have happened: `1200`.
    Events(u64),
    /// By how many of a hundred events of the log have happened: `50%`.
    Percent(u8),
}

impl FromStr for At {
    type Err = AtError;

    fn from_str(text: &str) -> Result<Self, AtError> {
        let unknown = || AtError { text: text.to_owned() };
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|percent| *percent <= 100);
            percent.map(Self::Percent).ok_or_else(unknown)
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().map(Self::Events).map_err(|_| unknown())
        } else {
            let read: Result<Frontier, _> = text.parse();
            read.map(|_| Self::Version(text.to_owned())).map_err(|_| unknown())
        }
    }
}

impl At {
    /// The version in this document.
    ///
    /// # Errors
    /// When a number is beyond the events. Whether the document knows the events of a version is found on checkout.
    pub(super) fn version(&self, document: &AnyDocument) -> Result<Frontier, ToolError> {
        let events = document.event_count();
        match self {
            Self::Version(text) => named(document, text),
            Self::Events(asked) if *asked > events => Err(ToolError::EventNumber { asked: *asked, events }),
            Self::Events(asked) => Ok(version_after(document, *asked)),
            // At most 2^31 events, so nothing overflows.
            Self::Percent(percent) => Ok(version_after(document, events * u64::from(*percent) / 100)),
        }
    }
}

/// The version of these events. An agent that is not written out is the one whose name begins so, when it is only one.
fn named(document: &AnyDocument, text: &str) -> Result<Frontier, ToolError> {
    let version: Frontier = text.parse().map_err(|source| ToolError::VersionName { source })?;
    if version.ids().iter().all(|id| document.contains(*id)) {
        return Ok(version);
    }
    let agents: BTreeSet<AgentId> = document.groups().into_iter().map(|group| group.span.agent).collect();
    let id = |part: &str| -> Option<EventId> {
        let (prefix, clock) = part.split_once('/')?;
        let prefix = prefix.to_ascii_lowercase();
        let mut called = agents.iter().filter(|agent| agent.to_string().starts_with(&prefix));
        let agent = *called.next().filter(|_| called.next().is_none())?;
        Some(EventId { agent, clock: Clock(clock.parse().ok()?) })
    };
    let ids: Option<Vec<EventId>> = text.split(',').map(id).collect();
    Ok(ids.map_or(version, Frontier::from_ids))
}

/// The version after the first `count` events of the log: those of them that no other of them has as a parent. O(log).
fn version_after(document: &AnyDocument, mut count: u64) -> Frontier {
    let mut heads = BTreeSet::new();
    for (span, parents) in runs(document) {
        let played = u64::from(span.len()).min(count) as u32;
        if played == 0 {
            break;
        }
        for parent in parents.ids() {
            heads.remove(parent);
        }
        heads.insert(EventId { agent: span.agent, clock: Clock(span.start.0 + played - 1) });
        count -= u64::from(played);
    }
    Frontier::from_ids(heads.into_iter().collect())
}

/// Runs of events in the order of the log, each with its parents.
fn runs(document: &AnyDocument) -> Box<dyn Iterator<Item = (EventSpan, Frontier)> + '_> {
    match document {
        AnyDocument::Text(document) => Box::new(document.operations().map(|run| (run.span, run.parents))),
        AnyDocument::Json(json) => Box::new(json.operations().map(|run| (run.span, run.parents))),
        AnyDocument::Dict(dict) => Box::new(dict.operations().map(|(id, parents, _)| {
            let end = Clock(id.clock.0 + 1);
            (EventSpan { agent: id.agent, start: id.clock, end }, parents)
        })),
    }
}

/// A text that names no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtError {
    text: String,
}

impl fmt::Display for AtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no version: say AGENT/CLOCK,…, root, a number of events, or 0% to 100%", self.text)
    }
}

impl std::error::Error for AtError {}

#[cfg(test)]
mod tests {
    use cede::{AgentId, AnyDocument, Chars, Document, Frontier, Patch};

    use super::{At, version_after};

    #[test]
    fn a_version_is_named_by_events_by_a_number_or_in_percent() {
        assert_eq!("a/3,b/4".parse(), Ok(At::Version("a/3,b/4".to_owned())));
        assert_eq!("root".parse(), Ok(At::Version("root".to_owned())));
        assert_eq!("12".parse(), Ok(At::Events(12)));
        assert_eq!("50%".parse(), Ok(At::Percent(50)));
        for wrong in ["", "101%", "-1", "%", "99999999999999999999", "a/"] {
            assert!(wrong.parse::<At>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn an_agent_is_named_by_as_many_digits_as_it_takes() {
        let edit = Patch { start: Chars(0), deleted: Chars(0), inserted: "abc".to_owned() };
        let mut document = Document::new();
        for agent in [0xabcd << 112, 0xabce << 112] {
            document.author(AgentId::new(agent), &Frontier::root(), std::slice::from_ref(&edit)).unwrap();
        }
        let any = AnyDocument::Text(Box::new(document.clone()));
        let text = |version: &str| {
            let version = At::Version(version.to_owned()).version(&any).unwrap();
            document.checkout(&version).map(|text| text.to_string())
        };
        assert_eq!(text("abcd/1"), Ok("ab".to_owned()));
        assert_eq!(text("root"), Ok(String::new()));
        assert_eq!(text("abcd/2,ABCE/0").unwrap().len(), 4);
        assert!(text("abc/1").is_err(), "two agents are called so");
    }

    #[test]
    fn the_version_after_some_events_has_exactly_these() {
        let edit =
            |start, inserted: &str| Patch { start: Chars(start), deleted: Chars(0), inserted: inserted.to_owned() };
        let mut document = Document::new();
        let ab = document.author(AgentId::new(1), &Frontier::root(), &[edit(0, "ab")]).unwrap();
        let abc = document.author(AgentId::new(1), &ab, &[edit(2, "c")]).unwrap();
        document.author(AgentId::new(2), &ab, &[edit(0, "xy")]).unwrap();
        document.author(AgentId::new(1), &abc, &[edit(3, "d")]).unwrap();
        let any = AnyDocument::Text(Box::new(document.clone()));
        let texts: Vec<String> =
            (0..=6).map(|count| document.checkout(&version_after(&any, count)).unwrap().to_string()).collect();
        assert_eq!(texts, ["", "a", "ab", "abc", "xabc", "xyabc", "xyabcd"]);
    }
}
