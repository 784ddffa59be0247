//! What each run has seen, kept so that a question costs O(log n) however far back it reaches.
//!
//! The walks of `diff` pass every run between what they start from and what they look for, and where all of that is
//! common, they pass it in vain. Histories that people make are walked for next to nothing; in one that somebody made up
//! a thousand groups may each name an event of a year ago. So the walks count what they pass in vain, and when that has
//! become more than this index costs, it is made, once, and grows with the graph from then on.
//!
//! *Chains.* Each run goes on a chain whose last run it has seen, or begins one. Then what an event has seen of a chain
//! is everything below one bound, and what it has seen at all is a bound for each chain. *Bounds* are kept in a trie by
//! the numbers of the chains whose nodes are never changed: a run that has one parent shares its parent's, one that
//! merges takes over whole subtrees of either side. *The floor*: whoever has seen everything before it, has seen
//! everything below its own number, and so have those after it, so that their tries begin empty.
//!
//! Costs, for c chains: a question O(log c); a run with one parent O(1) when it goes on its chain, else O(log c); a merge the
//! nodes in which the two sides differ, each pair of nodes joined once while it is remembered.

use super::Graph;
use crate::id::Local;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Children of a node, as a power of two. Small in unit tests, so that tries grow high.
const BITS: u32 = if cfg!(test) { 1 } else { 4 };
const WIDTH: usize = 1 << BITS;
/// Joined pairs that are remembered.
const MOST_REMEMBERED: usize = 1 << 16;
/// So many chains that began last are tried for a run that goes on from none of its parents.
const TRIED: usize = 4;

/// Invariant: there is a mark for each run of the graph; the runs of a chain have seen each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Ancestry {
    marks: Vec<Mark>,
    /// The last run of each chain.
    tips: Vec<u32>,
    bounds: Bounds,
}

/// What is known of a run.
#[derive(Clone, Copy, Debug)]
struct Mark {
    chain: u32,
    /// The run before it in its chain, if any.
    before: Option<u32>,
    past: Past,
    /// How many nodes there were before it came.
    nodes: u32,
}

/// What an event has seen besides its own chain.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// Everything below.
    floor: Local,
    seen: Root,
}

/// What a version has seen.
#[derive(Debug, Default)]
pub(super) struct Outlook {
    floor: Local,
    /// Each trie once.
    seen: SmallVec<[Root; 2]>,
    /// Of each chain that one of the events is on, the bound, by chain.
    own: SmallVec<[(u32, Local); 2]>,
}

impl Ancestry {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut ancestry = Self::default();
        ancestry.cover(graph);
        ancestry
    }

    /// Adds the runs that have come since.
    pub(super) fn cover(&mut self, graph: &Graph) {
        for number in self.marks.len()..graph.runs.len() {
            self.add(graph, number);
        }
    }

    /// Forgets the runs from this number on.
    pub(super) fn truncate(&mut self, runs: usize) {
        while self.marks.len() > runs
            && let Some(mark) = self.marks.pop()
        {
            match mark.before {
                Some(before) => self.tips[mark.chain as usize] = before,
                None => drop(self.tips.pop()),
            }
            self.bounds.truncate(mark.nodes);
        }
    }

    fn add(&mut self, graph: &Graph, number: usize) {
        let run = graph.run(number);
        let nodes = self.bounds.nodes.len() as u32;
        let parents: SmallVec<[(usize, Local); 2]> =
            run.parents.iter().map(|&parent| (graph.run_number(parent), parent)).collect();
        let mut past = Past::default();
        if graph.runs[number].saw_all {
            past.floor = run.span.start;
        } else {
            for &(parent, _) in &parents {
                let theirs = self.marks[parent].past;
                past.floor = past.floor.max(theirs.floor);
                past.seen = self.bounds.join(past.seen, theirs.seen);
            }
        }
        let tip = self.tip_for(graph, number, &parents, past);
        let chain = tip.map_or(self.tips.len() as u32, |tip| self.marks[tip].chain);
        for (parent, event) in parents {
            let theirs = self.marks[parent].chain;
            if theirs != chain && event >= past.floor {
                past.seen = self.bounds.raise(past.seen, theirs, event + 1);
            }
        }
        match tip {
            Some(_) => self.tips[chain as usize] = number as u32,
            None => self.tips.push(number as u32),
        }
        self.marks.push(Mark { chain, before: tip.map(|tip| tip as u32), past, nodes });
    }

    /// A run with nothing behind it in its chain that this one has seen to its end.
    fn tip_for(&self, graph: &Graph, number: usize, parents: &[(usize, Local)], past: Past) -> Option<usize> {
        let is_tip = |run: usize| self.tips[self.marks[run].chain as usize] as usize == run;
        let seen_to_its_end = |run: usize| {
            let last = graph.run_end(run) - 1;
            let chain = self.marks[run].chain;
            let by_parent = |&(parent, event): &(usize, Local)| self.marks[parent].chain == chain && event >= last;
            last < past.floor || self.bounds.get(past.seen, chain) > last || parents.iter().any(by_parent)
        };
        let of_agent = &graph.agents[graph.runs[number].agent.0 as usize].runs;
        let at = of_agent.partition_point(|&run| (run as usize) < number);
        let own = of_agent[..at].last().map(|&run| run as usize);
        let newest = self.tips.iter().rev().take(TRIED).map(|&tip| tip as usize);
        let mut candidates = own.into_iter().chain(parents.iter().map(|&(run, _)| run)).chain(newest);
        candidates.find(|&run| is_tip(run) && seen_to_its_end(run))
    }

    pub(super) fn outlook(&self, graph: &Graph, version: &[Local]) -> Outlook {
        let mut outlook = Outlook::default();
        for &event in version {
            let mark = &self.marks[graph.run_number(event)];
            outlook.floor = outlook.floor.max(mark.past.floor);
            outlook.seen.push(mark.past.seen);
            outlook.own.push((mark.chain, event + 1));
        }
        outlook.seen.sort_unstable();
        outlook.seen.dedup();
        // Of several events on one chain the last one has seen the others.
        outlook.own.sort_unstable_by_key(|&(chain, bound)| (chain, std::cmp::Reverse(bound)));
        outlook.own.dedup_by_key(|(chain, _)| *chain);
        outlook
    }

    /// Of a run, and of the runs before it in its chain, a version has seen what is below this.
    pub(super) fn bound(&self, outlook: &Outlook, run: usize) -> Local {
        self.own_bound(outlook, run).max(self.past_bound(outlook, run))
    }

    /// Whether an event of a version, in this run, has been seen by another one of it.
    pub(super) fn is_dominated(&self, outlook: &Outlook, event: Local, run: usize) -> bool {
        self.own_bound(outlook, run) > event + 1 || self.past_bound(outlook, run) > event
    }

    fn own_bound(&self, outlook: &Outlook, run: usize) -> Local {
        let found = outlook.own.binary_search_by_key(&self.marks[run].chain, |&(chain, _)| chain);
        found.map_or(Local(0), |number| outlook.own[number].1)
    }

    fn past_bound(&self, outlook: &Outlook, run: usize) -> Local {
        let chain = self.marks[run].chain;
        let bounds = outlook.seen.iter().map(|&seen| self.bounds.get(seen, chain));
        bounds.max().unwrap_or_default().max(outlook.floor)
    }
}

/// A trie from chains to bounds: its topmost node, and how many levels there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Root {
    node: NodeNumber,
    height: u32,
}

/// One more than the place of a node, or 0 for one in which nothing is.
type NodeNumber = u32;

/// The nodes of all tries. Those of the lowest level hold bounds, which are exclusive, the others nodes.
#[derive(Clone, Debug, Default)]
struct Bounds {
    nodes: Vec<[u32; WIDTH]>,
    /// What became of two nodes.
    joined: HashMap<(NodeNumber, NodeNumber), NodeNumber>,
}

impl Bounds {
    fn get(&self, root: Root, chain: u32) -> Local {
        if root.height * BITS < u32::BITS && chain >> (root.height * BITS) > 0 {
            return Local(0);
        }
        let mut value = root.node;
        for level in (0..root.height).rev() {
            value = self.node(value)[slot(chain, level)];
        }
        Local(value)
    }

    /// The same with this bound for a chain, where it has none or a lower one.
    fn raise(&mut self, root: Root, chain: u32, bound: Local) -> Root {
        let mut height = root.height.max(1);
        while height * BITS < u32::BITS && chain >> (height * BITS) > 0 {
            height += 1;
        }
        let node = self.heightened(root, height);
        Root { node: self.raise_below(node, height - 1, chain, bound), height }
    }

    fn raise_below(&mut self, number: NodeNumber, level: u32, chain: u32, bound: Local) -> NodeNumber {
        let (mut node, slot) = (self.node(number), slot(chain, level));
        let value = match level.checked_sub(1) {
            None => node[slot].max(bound.0),
            Some(below) => self.raise_below(node[slot], below, chain, bound),
        };
        if value == node[slot] {
            return number;
        }
        node[slot] = value;
        self.push(node)
    }

    /// The larger bounds of the two.
    fn join(&mut self, a: Root, b: Root) -> Root {
        let height = a.height.max(b.height);
        if a == b || a.node == 0 || b.node == 0 {
            return if a.node == 0 { b } else { a };
        }
        let (a, b) = (self.heightened(a, height), self.heightened(b, height));
        Root { node: self.join_nodes(a, b, height - 1), height }
    }

    fn join_nodes(&mut self, a: NodeNumber, b: NodeNumber, level: u32) -> NodeNumber {
        if a == b || a == 0 || b == 0 {
            return a.max(b);
        }
        let pair = (a.min(b), a.max(b));
        if let Some(&known) = self.joined.get(&pair) {
            return known;
        }
        let (mut node, other) = (self.node(a), self.node(b));
        for (value, other) in node.iter_mut().zip(other) {
            *value = match level.checked_sub(1) {
                None => other.max(*value),
                Some(below) => self.join_nodes(*value, other, below),
            };
        }
        let number = if node == self.node(a) {
            a
        } else if node == other {
            b
        } else {
            self.push(node)
        };
        if self.joined.len() >= MOST_REMEMBERED {
            self.joined.clear();
        }
        self.joined.insert(pair, number);
        number
    }

    /// The topmost node of the same trie with more levels.
    fn heightened(&mut self, root: Root, height: u32) -> NodeNumber {
        let mut number = root.node;
        if number > 0 {
            for _ in root.height..height {
                let mut node = [0; WIDTH];
                node[0] = number;
                number = self.push(node);
            }
        }
        number
    }

    fn node(&self, number: NodeNumber) -> [u32; WIDTH] {
        number.checked_sub(1).map_or([0; WIDTH], |place| self.nodes[place as usize])
    }

    fn push(&mut self, node: [u32; WIDTH]) -> NodeNumber {
        self.nodes.push(node);
        self.nodes.len() as u32
    }

    fn truncate(&mut self, nodes: u32) {
        if self.nodes.len() > nodes as usize {
            self.nodes.truncate(nodes as usize);
            self.joined.clear();
        }
    }
}

fn slot(chain: u32, level: u32) -> usize {
    // Levels beyond the bits of a number are all first children.
    chain.checked_shr(level * BITS).unwrap_or(0) as usize % WIDTH
}
