//! The events of each agent in a few bytes: whoever holds others under the same names finds out without seeing them.
//!
//! An agent's events are a chain, taken in order. Their *fingerprint* up to some event is a hash over everything that they
//! are: clocks, parents, contents, event by event, so that it does not matter in which pieces they came. Two replicas
//! compare theirs at the last event of whoever holds fewer (`sync`). `engine/FORMAT.md` has the bytes that are hashed.
//!
//! Nothing is kept while people type or histories are opened: hashing begins with the first question, stops are kept on
//! the way, and from then on what has come is hashed when the next update arrives. So an event is hashed once, and no
//! question costs more than the way between two stops.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{Contents, Log, Refusal, Rule};
use crate::graph::{AgentIndex, Fingerprint, RunView, Summary};
use crate::id::{Clock, EventId, Local};
use sha2::{Digest, Sha256};

/// A group starts: its clock and parents follow. No byte of UTF-8, which is what the contents of a text begin with.
const GROUP: u8 = 0xff;

/// Events between two stops: about as many as are hashed in the time that a message takes to be read.
const STRIDE: u32 = 1 << 14;

/// So many events are hashed with the next update, not with the next question.
const BEHIND: u32 = 1 << 12;

/// What has been hashed, by agents.
///
/// Invariant: each stop's hash is over all of its agent's events before `end`; stops ascend. All of them are over events
/// that cannot be taken back any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Chains {
    stops: Vec<Vec<Stop>>,
    /// All events before this one are in the last stops.
    done: Local,
}

#[derive(Clone, Debug)]
struct Stop {
    end: Local,
    hash: Sha256,
}

impl<C: Contents> Log<C> {
    /// What is held, a range for each agent, with its fingerprint up to its last event. O(agents), once all is hashed.
    pub(crate) fn meta(&self) -> Summary {
        let chains = self.chains.get_or_init(|| {
            let mut chains = Chains::default();
            chains.go_on(self);
            chains
        });
        let mut summary = self.graph.closed_summary();
        for agent in self.graph.agent_indexes() {
            let last = self.graph.last_of(agent);
            let clock = Clock(self.graph.clock(last));
            summary.vouch(EventId::new(self.graph.agent(agent), clock), chains.fingerprint(self, agent, last));
        }
        summary
    }

    /// Whether this log and somebody with this META hold the same events under the same names, as far as can be told
    /// here: whoever holds fewer of an agent's events leaves it to the other.
    ///
    /// # Errors
    /// The event up to which they differ.
    pub(crate) fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal> {
        let nothing = Chains::default();
        for (event, fingerprint) in theirs.fingerprints() {
            let Some(agent) = self.graph.agent_index(event.agent) else { continue };
            let is_same = match self.graph.local_of(agent, event.clock) {
                Some(local) => self.chains.get().unwrap_or(&nothing).fingerprint(self, agent, local) == fingerprint,
                // Its agent has gone on here, and in another way.
                None => self.graph.clock(self.graph.last_of(agent)) < event.clock.0,
            };
            if !is_same {
                return Err(Refusal { event, rule: Rule::Forked });
            }
        }
        Ok(())
    }

    /// Hashes what has come, if anybody has ever asked. Nothing of it may be taken back any more.
    pub(super) fn settle_chains(&mut self) {
        if self.chains.get().is_some_and(|chains| self.len() - chains.done >= BEHIND)
            && let Some(mut chains) = self.chains.take()
        {
            chains.go_on(self);
            self.chains = chains.into();
        }
    }

    /// Hashes what these events of one run are.
    fn hash_part(&self, run: RunView<'_>, part: std::ops::Range<Local>, hash: &mut Sha256) {
        let is_first = part.start == run.span.start;
        let previous = if is_first && run.starts_group {
            hash.update([GROUP]);
            hash.update(run.clock.to_le_bytes());
            hash.update((run.parents.len() as u32).to_le_bytes());
            for id in self.graph.frontier(run.parents).ids() {
                hash.update(id.agent.get().to_be_bytes());
                hash.update(id.clock.0.to_le_bytes());
            }
            None
        } else if is_first {
            run.parents.first().map(|parent| parent.0)
        } else {
            part.start.0.checked_sub(1)
        };
        self.contents.tell(part.start.0..part.end.0, previous, &mut |bytes| hash.update(bytes));
    }
}

impl Chains {
    /// Goes on to the end of a log.
    fn go_on<C: Contents>(&mut self, log: &Log<C>) {
        self.stops.resize(log.graph.agent_count(), Vec::new());
        for (agent, stops) in log.graph.agent_indexes().zip(&mut self.stops) {
            let end = log.graph.last_of(agent) + 1;
            let mut stop = stops.pop().unwrap_or_else(|| Stop::first(log, agent));
            let mut since = 0;
            // The last stop moves on; of those before it, one is left behind every so many events.
            if let Some(before) = stops.last() {
                since = stop.end - before.end;
            }
            stop.go_to(log, agent, end, |stop, count| {
                since += count;
                if since >= STRIDE {
                    stops.push(stop.clone());
                    since = 0;
                }
            });
            if stops.last().is_none_or(|last| last.end < end) {
                stops.push(stop);
            }
        }
        self.done = log.len();
    }

    /// The fingerprint of an agent's events up to this one.
    fn fingerprint<C: Contents>(&self, log: &Log<C>, agent: AgentIndex, last: Local) -> Fingerprint {
        let stops = self.stops.get(agent.number()).map(Vec::as_slice).unwrap_or_default();
        let before = stops.partition_point(|stop| stop.end <= last + 1).checked_sub(1);
        let stop = before.and_then(|number| stops.get(number)).cloned();
        let mut stop = stop.unwrap_or_else(|| Stop::first(log, agent));
        stop.go_to(log, agent, last + 1, |_, _| {});
        Fingerprint::of(&stop.hash.finalize())
    }
}

impl Stop {
    fn first<C: Contents>(log: &Log<C>, agent: AgentIndex) -> Self {
        let mut hash = Sha256::new();
        hash.update(log.graph.agent(agent).get().to_be_bytes());
        Self { end: Local(0), hash }
    }

    /// Hashes the agent's events before `end`, in pieces; `each` hears how many they were.
    fn go_to<C: Contents>(&mut self, log: &Log<C>, agent: AgentIndex, end: Local, mut each: impl FnMut(&Self, u32)) {
        for run in log.graph.runs_of(agent, self.end) {
            let (mut start, run_end) = (self.end.max(run.span.start), run.span.end.min(end));
            while start < run_end {
                let part_end = (start + (run_end - start).min(STRIDE)).min(run_end);
                log.hash_part(run, start..part_end, &mut self.hash);
                self.end = part_end;
                each(self, part_end - start);
                start = part_end;
            }
            if run.span.end >= end {
                break;
            }
        }
    }
}
