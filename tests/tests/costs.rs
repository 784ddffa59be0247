//! What strangers can make a replica pay: any update of at most 64 KiB is read or refused within 16 MiB of memory, and a
//! million events that can never be let in add at most 16 MiB.
//!
//! The inputs are the worst that we could think of, made by hand; bytes changed at random are in `refusals`. The
//! allocator counts, so everything is one test, on one thread. Bugs to plant (not tried yet):
//!
//! - `allowance` in `engine/src/codec/columns.rs` grants `64 << 20` instead of `14 << 20`: "endless columns" take 24 MiB
//!   and more;
//! - `MAX_PIECES` and `MAX_BYTES` in `engine/src/log/pending.rs` are a thousand times as large: a million waiting events take
//!   over 400 MiB.

use cede::{AgentId, Chars, Document, Sender, Session};
use cede_tests::forge::{self, Op, Piece, number, packed, piece, sealed, update};
use cede_tests::growth::SHAPES;
use cede_tests::tell;
use peak_alloc::PeakAlloc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The largest input that the promise is about.
const INPUT: usize = 64 << 10;
const MEMORY: usize = 16 << 20;
const TIME: Duration = Duration::from_millis(250);

/// The shapes that take longer, as `tests/README.md` says, with what decoding each may take: merging events of two branches
/// far apart costs the length of the branches (`ARCHITECTURE.md`, "What grows"). Shapes are decoded only: imported into a
/// document that holds something, they are merged in the order of arrival, which takes seconds for some and minutes for
/// one. That is not held to anything yet.
fn time_of(name: &str) -> Duration {
    match name {
        "Bridges" => 40 * TIME,
        _ => TIME,
    }
}

/// The most that was held while `run` ran, above what was held before, and how long it took.
fn cost<T>(run: impl FnOnce() -> T) -> (usize, Duration, T) {
    ALLOCATOR.reset_peak_usage();
    let (before, start) = (ALLOCATOR.current_usage(), Instant::now());
    let result = run();
    (ALLOCATOR.peak_usage().saturating_sub(before), start.elapsed(), result)
}

#[test]
fn what_a_stranger_sends_costs_little() {
    let mut worst = (0, Duration::ZERO);
    for (name, bytes) in inputs() {
        assert!(bytes.len() <= INPUT, "{name}: {} bytes", bytes.len());
        let all = [("decoded", decode as fn(&[u8]) -> bool), ("imported", import), ("merged", merge)];
        let is_shape = SHAPES.iter().any(|shape| format!("{shape:?}") == name);
        for (way, take) in all.into_iter().filter(|(way, _)| !is_shape || *way == "decoded") {
            let (memory, mut time, taken) = cost(|| take(&bytes));
            // A machine that does something else for a moment is no excess.
            for _ in 0..2 {
                if time > time_of(&name) {
                    time = time.min(cost(|| take(&bytes)).1);
                }
            }
            tell(format_args!("{name}, {way}: {} bytes, {memory} of memory, {time:?}, taken in: {taken}", bytes.len()));
            assert!(memory <= MEMORY, "{name}, {way}: {memory} bytes of memory for {}", bytes.len());
            assert!(time <= time_of(&name), "{name}, {way}: {time:?} for {} bytes", bytes.len());
            worst = (worst.0.max(memory), worst.1.max(time));
        }
    }
    tell(format_args!("the worst took {} bytes of memory, {:?}", worst.0, worst.1));
    events_that_wait_for_nothing();
}

fn decode(bytes: &[u8]) -> bool {
    Document::decode(bytes).is_ok()
}

fn import(bytes: &[u8]) -> bool {
    let mut document = Document::new();
    // Something is known, so that pieces are taken in one by one.
    document
        .import::<Chars>(&update(&[piece(5 << 100, 0, Some(&[]), &[Op::Insert(0, "known")])]))
        .expect("a good update");
    document.import::<Chars>(bytes).is_ok()
}

fn merge(bytes: &[u8]) -> bool {
    let mut session = Session::new(AgentId::new(6));
    session.insert(Chars(0), "typed").expect("the start");
    session.merge::<Chars>(bytes).is_ok()
}

fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| inputs.push((name.to_owned(), bytes));
    for column in 0..COLUMNS.len() {
        add(&format!("an endless column {column}"), endless(&[column]));
    }
    add("endless columns", endless(&(0..COLUMNS.len()).collect::<Vec<_>>()));
    for (name, heads) in [("going on", 0), ("new groups", 1), ("own and another", 1 + 4 + 1), ("three others", 1 + 3)] {
        for runs in [1, 20] {
            add(&format!("many pieces, {name}, {runs} runs each"), pieces_of_one_head(heads, runs));
        }
    }
    add("turns", turns());
    add("many agents", agents());
    for (roots, children) in [(2_600, 1), (700, 20), (240, 80)] {
        add(&format!("{roots} parents, {children} times"), parents(roots, children));
    }
    add("the longest deletion", update(&[piece(1, 0, Some(&[]), &[Op::Delete(0, (1 << 30) - 2)])]));
    add("the longest backspace", update(&[piece(1, 0, Some(&[]), &[Op::Backspace((1 << 30) - 2, (1 << 30) - 3)])]));
    let deletions: Vec<Op> = (0..10_000).map(|n| Op::Delete(n % 2, 100_000)).collect();
    add("many long deletions", update(&[piece(1, 0, Some(&[]), &deletions)]));
    let waits: Vec<Piece> =
        (0..8_000).map(|n| piece(1, 7 + 2 * n, Some(&[(2, 5)]), &[Op::Delete(0, 100_000)])).collect();
    add("long deletions that wait", update(&waits[..4_000]));
    add("long deletions that wait, packed", packed(&waits[..4_000]));
    for shape in SHAPES {
        add(
            &format!("{shape:?}"),
            largest(|events| {
                Document::decode(&shape.history(events, 1).update())
                    .map(|document| document.encode())
                    .expect("a history that breaks no rule")
            }),
        );
    }
    inputs
}

/// The largest of these inputs that fits, of some sizes: most shapes need 8 bytes an event and more.
fn largest(input: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut inputs = [8_000, 4_000, 2_000].into_iter().map(input);
    inputs.find(|input| input.len() <= INPUT).unwrap_or_default()
}

/// The weights of the columns of a packed update (`engine/FORMAT.md`).
const COLUMNS: [usize; 10] = [128, 1, 1, 24, 1, 1, 32, 1, 1, 3];

/// What a reader grants 64 KiB.
const GRANTED: usize = 14 << 20;

/// A packed update by one agent whose columns are as given, each compressed.
fn of_columns(columns: &[Vec<u8>; 10], agents: u64) -> Vec<u8> {
    let mut bytes = b"CEDu\x02".to_vec();
    number(&mut bytes, agents);
    (0..agents)
        .for_each(|agent| bytes.extend((u128::from(agent) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()));
    for column in columns {
        number(&mut bytes, column.len() as u64);
        let frame = forge::repeated(column);
        number(&mut bytes, frame.len() as u64);
        bytes.extend(frame);
        if column.is_empty() {
            continue;
        }
    }
    sealed(bytes)
}

/// Zeros in these columns, as many as are granted to all of them.
fn endless(which: &[usize]) -> Vec<u8> {
    let weights: usize = which.iter().map(|&column| COLUMNS[column]).sum();
    let mut columns: [Vec<u8>; 10] = Default::default();
    which.iter().for_each(|&column| columns[column] = vec![0; GRANTED / weights]);
    of_columns(&columns, 1)
}

/// As many pieces as are granted, all with this head, each of so many runs of one char.
fn pieces_of_one_head(head: u8, runs: u8) -> Vec<u8> {
    let parents = match head {
        0 => 0,
        head => usize::from((head - 1) % 4),
    };
    let each = 128 + 1 + 25 * parents + usize::from(runs) * (32 + 3);
    let count = GRANTED / each;
    let mut columns: [Vec<u8>; 10] = Default::default();
    columns[0] = vec![head; count];
    columns[0][0] = 2 * 18 + 1;
    columns[1] = vec![0];
    columns[2] = vec![runs; count];
    columns[3] = vec![1; (count - 1) * parents];
    columns[4] = vec![0; (count - 1) * parents];
    columns[6] = vec![0; count * usize::from(runs)];
    columns[9] = vec![b'a'; count * usize::from(runs)];
    of_columns(&columns, 1)
}

/// Two agents by turns, each of whose events names the other's last one.
fn turns() -> Vec<u8> {
    let count = GRANTED / (128 + 1 + 2 + 25 + 35);
    let mut columns: [Vec<u8>; 10] = Default::default();
    // The last author that was another; its own last event and one more.
    columns[0] = vec![18 + 1 + 4 + 1; count];
    (columns[0][0], columns[0][1], columns[0][2]) = (2 * 18 + 1, 2 * 18 + 1 + 1, 18 + 1 + 4 + 1);
    columns[1] = vec![0, 1];
    columns[2] = vec![1; count];
    columns[3] = vec![1; count - 1];
    columns[4] = vec![0; count - 1];
    columns[6] = vec![0; count];
    columns[9] = vec![b'a'; count];
    of_columns(&columns, 2)
}

/// As many agents as there is room for.
fn agents() -> Vec<u8> {
    let pieces: Vec<Piece> = (0..2_700).map(|agent| piece(agent << 90, 0, Some(&[]), &[Op::Insert(0, "a")])).collect();
    update(&pieces)
}

/// Agents none of whom has seen another, and events that name them all.
fn parents(roots: u128, children: u128) -> Vec<u8> {
    let named: Vec<(u128, u64)> = (0..roots).map(|agent| (agent << 90, 0)).collect();
    let root = |agent: u128| piece(agent << 90, 0, Some(&[]), &[Op::Insert(0, "a")]);
    // One more than the clock that would go on with the group.
    let join = |child: u128| piece(child << 90, 2, Some(&named), &[Op::Insert(0, "b")]);
    let all: Vec<Piece> = (0..roots).map(root).chain((0..children).map(join)).collect();
    forge::compressed(&packed(&all))
}

/// Events whose parents never come, from one sender in as many messages as it takes.
fn events_that_wait_for_nothing() {
    // In pieces of one they are 16,384 that wait long before; `EVENTS=1000000` takes half a minute.
    let events = std::env::var("EVENTS").map_or(100_000u64, |count| count.parse().expect("EVENTS is a number"));
    for (name, each) in
        [("in pieces of one", 1u64), ("in pieces of a hundred", 100), ("in runs of ten thousand", 10_000)]
    {
        let mut document = Document::new();
        document
            .import::<Chars>(&update(&[piece(5 << 100, 0, Some(&[]), &[Op::Insert(0, "known")])]))
            .expect("a good update");
        let (memory, time, ()) = cost(|| {
            let mut sent = 0;
            while sent < events {
                let count = (events - sent).div_ceil(each).min(1_000);
                let pieces: Vec<Piece> = (0..count)
                    .map(|n| {
                        let agent = u128::from(sent + n * each) << 64 | 99;
                        piece(agent, 8, Some(&[(agent + 1, 7)]), &[Op::Delete(0, each)])
                    })
                    .collect();
                sent += count * each;
                document.import_from::<Chars>(Sender(sent), &update(&pieces)).expect("it waits");
            }
        });
        let held = document.waiting();
        tell(format_args!("{events} events {name}: {memory} bytes of memory, {time:?}, {held} still wait"));
        assert!(memory <= MEMORY, "{events} events {name}: {memory} bytes");
        assert_eq!(document.text(), "known");
    }
}
