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
//! Costs, for c chains: a question O(log c); a run with one parent O(1) when it goes on its chain, else O(log c); a merge of p
//! versions p for each node in which they differ, and memory for those alone that are like none of theirs. What becomes of
//! the same nodes again and again is remembered.

use super::Graph;
use crate::id::Local;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Children of a node, as a power of two. Small in unit tests, so that tries grow high.
const BITS: u32 = if cfg!(test) { 1 } else { 3 };
const WIDTH: usize = 1 << BITS;
/// Tries whose unions are remembered.
const MOST_REMEMBERED: usize = 1 << 14;
/// So many tries of an outlook are asked one by one.
const FEW: usize = if cfg!(test) { 1 } else { 8 };
/// So many chains that began last are tried for a run that goes on from none of its parents.
const TRIED: usize = 4;

/// The parents of a run: the runs they are in, and they themselves.
type Parents = SmallVec<[(usize, Local); 2]>;

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
    /// Of the highest of them.
    height: u32,
    /// Of each chain that one of the events is on, the bound, by chain.
    own: SmallVec<[(u32, Local); 2]>,
    /// Where there are many tries: the ways down all of them at once that have been gone. The first one is their top.
    ways: Vec<Way>,
}

/// A place in several tries at once: what they have there, each once, and, once anybody has gone on from here, where the
/// places below are. None is at 0, where nothing is.
#[derive(Debug)]
struct Way {
    tries: SmallVec<[Root; 2]>,
    on: Option<[u32; WIDTH]>,
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
        let parents: Parents = run.parents.iter().map(|&parent| (graph.run_number(parent), parent)).collect();
        let (mut floor, mut tries) = (Local(0), SmallVec::<[Root; 2]>::new());
        if graph.runs[number].saw_all {
            floor = run.span.start;
        } else {
            for &(parent, _) in &parents {
                let theirs = self.marks[parent].past;
                floor = floor.max(theirs.floor);
                tries.push(theirs.seen);
            }
        }
        let tip = self.tip_for(graph, number, &parents, floor, &tries);
        let chain = tip.map_or(self.tips.len() as u32, |tip| self.marks[tip].chain);
        let theirs = parents.iter().map(|&(parent, event)| (self.marks[parent].chain, event));
        let mut raises: SmallVec<[(u32, Local); 2]> = theirs
            .filter(|&(theirs, event)| theirs != chain && event >= floor)
            .map(|(theirs, event)| (theirs, event + 1))
            .collect();
        raises.sort_unstable();
        let past = Past { floor, seen: self.bounds.union(tries, &raises) };
        match tip {
            Some(_) => self.tips[chain as usize] = number as u32,
            None => self.tips.push(number as u32),
        }
        self.marks.push(Mark { chain, before: tip.map(|tip| tip as u32), past, nodes });
    }

    /// A run with nothing behind it in its chain that this one has seen to its end.
    fn tip_for(
        &self,
        graph: &Graph,
        number: usize,
        parents: &[(usize, Local)],
        floor: Local,
        tries: &[Root],
    ) -> Option<usize> {
        let is_tip = |&run: &usize| self.tips[self.marks[run].chain as usize] as usize == run;
        let last = |run: usize| graph.run_end(run) - 1;
        let seen_to_its_end = |&run: &usize| {
            let (last, chain) = (last(run), self.marks[run].chain);
            let by_parent = |&(parent, event): &(usize, Local)| self.marks[parent].chain == chain && event >= last;
            last < floor
                || parents.iter().any(by_parent)
                || tries.iter().any(|&trie| self.bounds.get(trie, chain) > last)
        };
        let of_agent = &graph.agents[graph.runs[number].agent.0 as usize].runs;
        let at = of_agent.partition_point(|&run| (run as usize) < number);
        let own = of_agent[..at].last().map(|&run| run as usize);
        let whole_parents = parents.iter().filter(|&&(run, event)| event == last(run)).map(|&(run, _)| run);
        let newest = self.tips.iter().rev().take(TRIED).map(|&tip| tip as usize);
        own.into_iter()
            .filter(is_tip)
            .find(seen_to_its_end)
            .or_else(|| whole_parents.into_iter().find(is_tip))
            .or_else(|| newest.filter(is_tip).find(seen_to_its_end))
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
        outlook.height = outlook.seen.iter().map(|trie| trie.height).max().unwrap_or_default();
        // Of several events on one chain the last one has seen the others.
        outlook.own.sort_unstable_by_key(|&(chain, bound)| (chain, std::cmp::Reverse(bound)));
        outlook.own.dedup_by_key(|(chain, _)| *chain);
        outlook
    }

    /// Of a run, and of the runs before it in its chain, a version has seen what is below this.
    pub(super) fn bound(&self, outlook: &mut Outlook, run: usize) -> Local {
        outlook.own_bound(self.marks[run].chain).max(self.past_bound(outlook, run))
    }

    /// Whether an event of a version, in this run, has been seen by another one of it.
    pub(super) fn is_dominated(&self, outlook: &mut Outlook, event: Local, run: usize) -> bool {
        outlook.own_bound(self.marks[run].chain) > event + 1 || self.past_bound(outlook, run) > event
    }

    fn past_bound(&self, outlook: &mut Outlook, run: usize) -> Local {
        let chain = self.marks[run].chain;
        let seen = match outlook.seen.len() {
            ..=FEW => outlook.seen.iter().map(|&seen| self.bounds.get(seen, chain)).max().unwrap_or_default(),
            _ => self.bounds.largest(outlook, chain),
        };
        seen.max(outlook.floor)
    }
}

impl Outlook {
    fn own_bound(&self, chain: u32) -> Local {
        let found = self.own.binary_search_by_key(&chain, |&(chain, _)| chain);
        found.map_or(Local(0), |number| self.own[number].1)
    }
}

/// A trie from chains to bounds: its topmost node, and how many levels there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
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
    /// What became of several tries, in ascending order.
    united: HashMap<SmallVec<[Root; 2]>, NodeNumber>,
    /// How many tries these are.
    remembered: usize,
}

impl Bounds {
    fn get(&self, root: Root, chain: u32) -> Local {
        if height_for(chain) > root.height {
            return Local(0);
        }
        let mut value = root.node;
        for level in (0..root.height).rev() {
            value = self.node(value)[slot(chain, level)];
        }
        Local(value)
    }

    /// The largest bound that a version of many events has for this chain. The tries are gone down together, and each node is
    /// looked at once, so that thousands of questions to thousands of tries cost no more than what these differ in.
    fn largest(&self, outlook: &mut Outlook, chain: u32) -> Local {
        if height_for(chain) > outlook.height {
            return Local(0);
        }
        let ways = &mut outlook.ways;
        if ways.is_empty() {
            ways.push(Way { tries: outlook.seen.clone(), on: None });
        }
        let mut at = 0;
        for level in (0..outlook.height).rev() {
            let on = ways[at].on.unwrap_or_else(|| self.go_on(ways, at, level));
            at = on[slot(chain, level)] as usize;
            if at == 0 {
                return Local(0);
            }
        }
        // They are in ascending order.
        ways[at].tries.last().map_or(Local(0), |bound| Local(bound.node))
    }

    /// Finds what is below a place, at this level.
    fn go_on(&self, ways: &mut Vec<Way>, at: usize, level: u32) -> [u32; WIDTH] {
        let mut below: [SmallVec<[Root; 2]>; WIDTH] = Default::default();
        for &trie in &ways[at].tries {
            for (slot, below) in below.iter_mut().enumerate() {
                below.extend(Some(self.below(trie, level, slot)).filter(|trie| trie.node > 0));
            }
        }
        let on = below.map(|mut tries| {
            tries.sort_unstable();
            tries.dedup();
            if tries.is_empty() {
                return 0;
            }
            ways.push(Way { tries, on: None });
            ways.len() as u32 - 1
        });
        ways[at].on = Some(on);
        on
    }

    /// The larger bounds of all of these, and of these by chains, ascending. Makes no node that it does not keep.
    fn union(&mut self, tries: SmallVec<[Root; 2]>, raises: &[(u32, Local)]) -> Root {
        let for_raises = raises.last().map(|&(chain, _)| height_for(chain));
        let height = tries.iter().map(|trie| trie.height).chain(for_raises).max().unwrap_or_default();
        let node = self.union_below(tries, height, raises);
        Root { node, height: if node == 0 { 0 } else { height } }
    }

    fn union_below(&mut self, mut tries: SmallVec<[Root; 2]>, height: u32, raises: &[(u32, Local)]) -> NodeNumber {
        tries.retain(|trie| trie.node > 0);
        tries.sort_unstable();
        tries.dedup();
        if raises.is_empty() {
            match tries[..] {
                [] => return 0,
                [only] => return self.heightened(only, height),
                _ => {}
            }
            // What is remembered is as high as the highest of its tries.
            let own = tries.iter().map(|trie| trie.height).max().unwrap_or_default();
            if own < height {
                let node = self.union_below(tries, own, raises);
                return self.heightened(Root { node, height: own }, height);
            }
            if let Some(&known) = self.united.get(&tries) {
                return known;
            }
        }
        let level = height - 1;
        let (mut node, mut raises_left) = ([0; WIDTH], raises);
        for (at, value) in node.iter_mut().enumerate() {
            let count = raises_left.partition_point(|&(chain, _)| slot(chain, level) == at);
            let (here, left) = raises_left.split_at(count);
            raises_left = left;
            let below = tries.iter().map(|&trie| self.below(trie, level, at));
            *value = match level {
                0 => here.iter().map(|(_, bound)| bound.0).chain(below.map(|bound| bound.node)).max().unwrap_or(0),
                _ => {
                    let below = below.collect();
                    self.union_below(below, level, here)
                }
            };
        }
        let same = tries.iter().find(|trie| trie.height == height && self.node(trie.node) == node);
        let number = same.map_or_else(|| self.push(node), |trie| trie.node);
        if raises.is_empty() {
            self.remember(tries, number);
        }
        number
    }

    fn remember(&mut self, tries: SmallVec<[Root; 2]>, number: NodeNumber) {
        if self.remembered > MOST_REMEMBERED {
            self.forget();
        }
        self.remembered += tries.len();
        self.united.insert(tries, number);
    }

    fn forget(&mut self) {
        self.united.clear();
        self.remembered = 0;
    }

    /// What a trie has in a slot of a level, which may be above all of its own.
    fn below(&self, trie: Root, level: u32, slot: usize) -> Root {
        if trie.height > level {
            Root { node: self.node(trie.node)[slot], height: level }
        } else if slot == 0 {
            trie
        } else {
            Root::default()
        }
    }

    /// The topmost node of the same trie with more levels.
    fn heightened(&mut self, root: Root, height: u32) -> NodeNumber {
        (root.height..height).fold(root.node, |number, _| {
            let mut node = [0; WIDTH];
            node[0] = number;
            self.push(node)
        })
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
            self.forget();
        }
    }
}

/// How many levels a trie has in which there is a bound for this chain.
fn height_for(chain: u32) -> u32 {
    (u32::BITS - chain.leading_zeros()).div_ceil(BITS).max(1)
}

fn slot(chain: u32, level: u32) -> usize {
    // Levels beyond the bits of a number are all first children.
    chain.checked_shr(level * BITS).unwrap_or(0) as usize % WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, seeds};
    use std::collections::BTreeMap;

    /// It found that what was remembered of low tries was taken for a higher one. A planted bug that it catches: what
    /// became of tries with bounds of their own is remembered as what becomes of the tries alone.
    #[test]
    fn a_union_has_the_larger_bounds_of_all() {
        for seed in seeds(4) {
            let mut random = Random(seed);
            let mut bounds = Bounds::default();
            let mut known: Vec<(Root, BTreeMap<u32, u32>)> = vec![Default::default()];
            for _ in 0..400 {
                let few = known.len().min(6);
                let chosen: Vec<usize> = (0..random.below(4)).map(|_| known.len() - 1 - random.below(few)).collect();
                let more: BTreeMap<u32, u32> =
                    (0..random.below(3)).map(|_| (random.below(20) as u32, 1 + random.below(1000) as u32)).collect();
                // With bounds of their own and without.
                for raised in [more, BTreeMap::new()] {
                    let tries = chosen.iter().map(|&at| known[at].0).collect();
                    let raises: Vec<(u32, Local)> =
                        raised.iter().map(|(&chain, &bound)| (chain, Local(bound))).collect();
                    let united = bounds.union(tries, &raises);
                    let mut model = raised;
                    for (&chain, &bound) in chosen.iter().flat_map(|&at| &known[at].1) {
                        let known = model.entry(chain).or_default();
                        *known = bound.max(*known);
                    }
                    for chain in 0..24 {
                        let expected = Local(model.get(&chain).copied().unwrap_or(0));
                        assert_eq!(bounds.get(united, chain), expected, "chain {chain} of {chosen:?}");
                    }
                    known.push((united, model));
                }
            }
        }
    }
}
