//! Eight people, one server that is killed twice, and a network that loses a fifth of all packets, doubles some, lets them
//! overtake each other, and for a while parts some people from the server. Then it heals, and five seconds later, by the
//! simulation's clock, everybody is to see the same.
//!
//! ```text
//!   0 s       typing, storm, two kills, a partition, two connections that one end forgets       10 s   calm   ≤ 15 s
//!   ├──────────────────────────────────────────────────────────────────────────────────────────────┼──────────────┤
//! ```
//!
//! `STORMS=20000 cargo test -p cede-net --lib storm` runs so many; `SEED=7` one. The same seed is the same history.
//! Link, backoff, room and outbox are the real ones; streams are the simulation's, sockets and pings are not there.
//!
//! Planted bugs that this finds: `acked` (an ack before what it speaks of is on the disk), `resync` (what does not fit a
//! queue is dropped for good), `hoard` (the room hands nothing to the store).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cede::sync::Message;
use cede::{AgentId, Session};
use tokio_tungstenite::tungstenite;

use super::network::{Stream, Weather};
use super::{LIMITS, Random, assert_acknowledged_is_stored, assert_agreement, joining, number, person_types};
use crate::client::backoff::Backoff;
use crate::client::{Frame, Incoming, Link, Outgoing, State};
use crate::presence::{Agreement, Color, Identity, PeerId};
use crate::server::outbox::{Pickup, outbox};
use crate::server::room::Room;
use crate::server::writer::Stored;
use crate::wire::{ClientControl, ServerControl};

const PEOPLE: usize = 8;
const STORM: Weather = Weather { loss: 20, duplication: 10, latency: 200 };
const CALM: Weather = Weather { loss: 0, duplication: 0, latency: 50 };
/// When nobody types any more and everything heals.
const HEALS: Duration = Duration::from_secs(10);
/// How long coming together may take then.
const TOGETHER: Duration = Duration::from_secs(5);

/// What is sent up.
#[derive(Clone, Debug)]
enum Said {
    /// The first packet.
    Open,
    Frame(Frame),
}

/// What is sent down.
#[derive(Clone, Debug)]
enum Told {
    Frame(tungstenite::Message),
    /// The server has closed, or its kernel for it when it was killed.
    End,
}

/// What a packet carries.
#[derive(Clone, Debug)]
enum Packet {
    Up(u64, Said),
    /// Everything before this number has arrived up there.
    UpArrived(u64),
    Down(u64, Told),
    DownArrived(u64),
    /// To the client: nobody up there knows this connection.
    Unknown,
    /// To the server: nobody down here knows this connection.
    Forgotten,
}

#[derive(Debug)]
enum Event {
    Arrives(usize, Packet),
    /// A stream may have to send again.
    Resend(usize),
    Types(usize),
    Connects(usize),
    /// A client's end of its connection is gone, and only it knows.
    Forgets(usize),
    Kill,
    Start,
    /// These people and the server do not reach each other.
    Part(Vec<usize>),
    Join,
    Heal,
    /// The store of this process has made its batch durable.
    Committed(u64),
    Tick,
}

struct Connection {
    person: usize,
    up: Stream<Said>,
    down: Stream<Told>,
    /// The room's end, once the first frame has come, until the process or the connection ends.
    served: Option<Served>,
    /// The process that has accepted it.
    process: Option<u64>,
    /// The next look for what is to be sent again.
    resends: Option<Duration>,
}

struct Served {
    member: PeerId,
    pickup: Pickup,
}

struct Person {
    session: Session,
    link: Link,
    backoff: Backoff,
    /// The connection, and whether it stands.
    connection: Option<(usize, bool)>,
}

/// One life of a server.
struct Process {
    number: u64,
    room: Room,
    /// Handed to the store and not begun.
    pending: Vec<(u64, Vec<u8>)>,
    /// What is being made durable.
    batch: Vec<(u64, Vec<u8>)>,
}

struct Storm {
    random: Random,
    weather: Weather,
    began: Instant,
    now: Duration,
    /// What will happen, by time; at one time in the order in which it was planned.
    events: BTreeMap<(Duration, u64), Event>,
    planned: u64,
    /// The next tick that is planned.
    ticks: Option<Duration>,
    people: Vec<Person>,
    connections: Vec<Connection>,
    process: Option<Process>,
    processes: u64,
    parted: Vec<usize>,
    durable: Vec<Vec<u8>>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let person = |number| Person {
            session: Session::new(AgentId::new(1 + number as u128)),
            link: Link::new(Identity { name: format!("person {number}"), color: Color(1, 2, 3) }),
            backoff: Backoff::default(),
            connection: None,
        };
        let mut storm = Self {
            random: Random::from_seed(seed),
            weather: STORM,
            began: Instant::now(),
            now: Duration::ZERO,
            events: BTreeMap::new(),
            planned: 0,
            ticks: None,
            people: (0..PEOPLE).map(person).collect(),
            connections: Vec::new(),
            process: None,
            processes: 0,
            parted: Vec::new(),
            durable: Vec::new(),
        };
        storm.start();
        storm.plan();
        storm
    }

    /// What will happen, whatever else does.
    fn plan(&mut self) {
        for person in 0..PEOPLE {
            let (connects, types) = (self.millis(0, 300), self.millis(0, 1000));
            self.at(connects, Event::Connects(person));
            self.at(types, Event::Types(person));
        }
        // One kill in each half, and the server is back within it.
        for half in [500, 5500] {
            let kill = self.millis(half, half + 3000);
            let away = self.millis(50, 1400);
            self.at(kill, Event::Kill);
            self.at(kill + away, Event::Start);
        }
        let parts = self.millis(500, 6500);
        let for_long = self.millis(300, 3000);
        let parted = (0..1 + self.random.below(4)).map(|_| self.random.below(PEOPLE)).collect();
        self.at(parts, Event::Part(parted));
        self.at(parts + for_long, Event::Join);
        for _ in 0..2 {
            let (when, person) = (self.millis(500, 9500), self.random.below(PEOPLE));
            self.at(when, Event::Forgets(person));
        }
        self.at(HEALS, Event::Heal);
    }

    fn millis(&mut self, least: usize, most: usize) -> Duration {
        Duration::from_micros(1000 * least as u64 + self.random.below(1000 * (most - least)) as u64)
    }

    fn at(&mut self, time: Duration, event: Event) {
        self.planned += 1;
        self.events.insert((time, self.planned), event);
    }

    /// The room's clock.
    fn instant(&self) -> Instant {
        self.began + self.now
    }

    /// Runs until everybody is together. When that was.
    fn run(mut self) -> Duration {
        while let Some(((time, _), event)) = self.events.pop_first() {
            self.now = time;
            self.happen(event);
            if self.now >= HEALS && self.are_together() {
                self.check_agreement();
                return self.now - HEALS;
            }
            assert!(self.now <= HEALS + TOGETHER, "not together {TOGETHER:?} after healing:\n{}", self.told());
        }
        panic!("nothing more happens, and nobody is together:\n{}", self.told());
    }

    /// How everybody stands.
    fn told(&self) -> String {
        let person = |Person { session, link, .. }: &Person| {
            let (text, open, synced) = (session.text(), link.unacknowledged(session), link.in_sync(session));
            let peers: Vec<_> = link.peers().iter().map(|peer| (peer.id.0, peer.agreement)).collect();
            format!("{:?}, {open} unacknowledged, in sync {synced}, {peers:?}, {text:?}\n", link.state())
        };
        self.people.iter().map(person).collect()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives(connection, packet) => self.arrive(connection, packet),
            // Another look may have been planned for an earlier time.
            Event::Resend(connection) => {
                if self.connections[connection].resends.take_if(|planned| *planned == self.now).is_some() {
                    self.transmit(connection);
                }
            }
            Event::Types(person) => self.types(person),
            Event::Connects(person) => self.connect(person),
            Event::Forgets(person) => {
                if self.people[person].connection.is_some() {
                    self.lose(person, "forgotten");
                }
            }
            Event::Kill => self.kill(),
            Event::Start => {
                self.check_promises();
                self.start();
            }
            Event::Part(people) => self.parted = people,
            Event::Join => self.parted.clear(),
            Event::Heal => {
                self.weather = CALM;
                self.parted.clear();
            }
            Event::Committed(process) => self.committed(process),
            Event::Tick => self.tick(),
        }
        self.serve();
    }

    fn types(&mut self, person: usize) {
        let Person { session, link, .. } = &mut self.people[person];
        person_types(&mut self.random, session, link);
        self.flush(person);
        let next = self.now + self.millis(100, 1000);
        if next < HEALS {
            self.at(next, Event::Types(person));
        }
    }

    // What clients do.

    fn connect(&mut self, person: usize) {
        let (up, down) = (Stream::new(), Stream::new());
        self.people[person].connection = Some((self.connections.len(), false));
        self.connections.push(Connection { person, up, down, served: None, process: None, resends: None });
        let connection = self.connections.len() - 1;
        self.connections[connection].up.push(Said::Open);
        self.transmit(connection);
    }

    /// A client's connection is over; it waits and tries again.
    fn lose(&mut self, person: usize, reason: &str) {
        let wait = self.people[person].backoff.after_failure(self.random.below(1 << 31) as u32 * 2);
        self.people[person].connection = None;
        self.handle(person, Incoming::Closed { reason: reason.to_owned(), retry_in: wait });
        self.at(self.now + wait, Event::Connects(person));
    }

    fn handle(&mut self, person: usize, incoming: Incoming) {
        let Person { session, link, .. } = &mut self.people[person];
        link.handle(session, incoming).expect("an honest room");
        self.flush(person);
    }

    fn flush(&mut self, person: usize) {
        let Person { session, link, connection, .. } = &mut self.people[person];
        let outgoing = link.flush(session);
        let Some((connection, true)) = *connection else {
            assert!(outgoing.is_empty(), "no connection, no frames");
            return;
        };
        for Outgoing { connection: number, frame } in outgoing {
            assert_eq!(number, connection as u64, "frames are for the connection that stands");
            self.connections[connection].up.push(Said::Frame(frame));
        }
        self.transmit(connection);
    }

    /// What the server has said, in order.
    fn hear(&mut self, connection: usize, told: Told) {
        let person = self.connections[connection].person;
        if self.people[person].connection != Some((connection, true)) {
            return;
        }
        let incoming = match told {
            Told::End => return self.lose(person, "closed"),
            Told::Frame(tungstenite::Message::Binary(bytes)) => Incoming::Sync(Message::decode(&bytes).unwrap()),
            Told::Frame(tungstenite::Message::Text(json)) => match ServerControl::from_json(&json).unwrap() {
                ServerControl::Refused { code, reason } => {
                    assert!(!code.is_final(), "{code:?}: {reason}");
                    return self.lose(person, &reason);
                }
                control => {
                    if let ServerControl::Welcome { .. } = control {
                        self.people[person].backoff.succeeded();
                    }
                    Incoming::Control(control)
                }
            },
            Told::Frame(other) => panic!("{other:?}"),
        };
        self.handle(person, incoming);
    }

    // What the network does.

    fn transmit(&mut self, connection: usize) {
        let Connection { up, down, .. } = &mut self.connections[connection];
        let up: Vec<_> = up.packets(self.now).into_iter().map(|(number, said)| Packet::Up(number, said)).collect();
        let down = down.packets(self.now).into_iter().map(|(number, told)| Packet::Down(number, told));
        for packet in up.into_iter().chain(down.collect::<Vec<_>>()) {
            self.send(connection, packet);
        }
        let Connection { up, down, resends, .. } = &mut self.connections[connection];
        let due = [up.due(), down.due()].into_iter().flatten().min();
        if let Some(due) = due.filter(|due| resends.is_none_or(|planned| *due < planned)) {
            *resends = Some(due);
            self.at(due, Event::Resend(connection));
        }
    }

    fn send(&mut self, connection: usize, packet: Packet) {
        if self.parted.contains(&self.connections[connection].person) {
            return;
        }
        for after in self.weather.arrivals(&mut self.random) {
            self.at(self.now + after, Event::Arrives(connection, packet.clone()));
        }
    }

    fn arrive(&mut self, connection: usize, packet: Packet) {
        let (now, person) = (self.now, self.connections[connection].person);
        let is_known_below = self.people[person].connection.is_some_and(|(current, _)| current == connection);
        let is_known_above = self.is_accepted(connection, &packet);
        match packet {
            Packet::Up(..) if !is_known_above => self.send(connection, Packet::Unknown),
            Packet::Up(number, said) => {
                let (ordered, arrived) = self.connections[connection].up.arrive(number, said);
                self.send(connection, Packet::UpArrived(arrived));
                ordered.into_iter().for_each(|said| self.receive(connection, said));
            }
            Packet::Down(..) | Packet::Unknown | Packet::UpArrived(_) if !is_known_below => {
                self.connections[connection].up.give_up();
                self.send(connection, Packet::Forgotten);
            }
            Packet::Down(number, told) => {
                let (ordered, arrived) = self.connections[connection].down.arrive(number, told);
                self.send(connection, Packet::DownArrived(arrived));
                ordered.into_iter().for_each(|told| self.hear(connection, told));
            }
            Packet::UpArrived(number) => {
                self.connections[connection].up.confirm(now, number);
                if self.people[person].connection == Some((connection, false)) {
                    self.people[person].connection = Some((connection, true));
                    self.handle(person, Incoming::Opened { connection: connection as u64 });
                }
                self.transmit(connection);
            }
            Packet::DownArrived(number) => {
                self.connections[connection].down.confirm(now, number);
                self.transmit(connection);
            }
            Packet::Unknown => self.lose(person, "reset"),
            Packet::Forgotten => {
                self.connections[connection].down.give_up();
                self.leave(connection);
            }
        }
    }

    // What the server does.

    fn start(&mut self) {
        self.processes += 1;
        let room = Room::load(&self.durable, LIMITS).unwrap();
        self.process = Some(Process { number: self.processes, room, pending: Vec::new(), batch: Vec::new() });
    }

    /// kill -9: the batch under way is on the disk or not, what waits is gone, and the kernel closes every connection
    /// behind what it has been given.
    fn kill(&mut self) {
        let Some(process) = self.process.take() else { return };
        if self.random.below(2) == 0 {
            self.durable.extend(process.batch.into_iter().map(|(_, piece)| piece));
        }
        for connection in 0..self.connections.len() {
            if self.connections[connection].served.take().is_some() {
                self.connections[connection].down.push(Told::End);
                self.transmit(connection);
            }
        }
        self.check_promises();
    }

    /// Whether the server that runs knows the connection. It accepts whoever opens one.
    fn is_accepted(&mut self, connection: usize, packet: &Packet) -> bool {
        let running = self.process.as_ref().map(|process| process.number);
        let connection = &mut self.connections[connection];
        if connection.process.is_none() && matches!(packet, Packet::Up(_, Said::Open)) {
            connection.process = running;
        }
        running.is_some() && connection.process == running
    }

    fn receive(&mut self, connection: usize, said: Said) {
        let now = self.instant();
        let (Some(process), Said::Frame(frame)) = (&mut self.process, said) else { return };
        let served = self.connections[connection].served.as_ref().map(|served| served.member);
        match (frame, served) {
            (Frame::Control(ClientControl::Hello { name, color, agent, .. }), None) => {
                // Small enough to be full now and then.
                let (outbox, pickup) = outbox(500 + self.random.below(3000));
                let joining = joining(Identity { name, color }, agent, outbox);
                let member = process.room.join(now, joining).expect("room for all");
                self.connections[connection].served = Some(Served { member, pickup });
            }
            (Frame::Control(control), Some(member)) => process.room.receive_control(now, member, control),
            (Frame::Sync(message), Some(member)) => process.room.receive_frame(now, member, message.encode().into()),
            // It has been dismissed, and does not know yet.
            (_, None) => {}
            (frame, Some(member)) => panic!("{frame:?} from {member:?}"),
        }
    }

    fn leave(&mut self, connection: usize) {
        let now = self.instant();
        if let (Some(served), Some(process)) = (self.connections[connection].served.take(), &mut self.process) {
            process.room.leave(now, served.member);
        }
    }

    /// Moves on what the room has made: frames to connections, pieces to the store, its next tick.
    fn serve(&mut self) {
        for connection in 0..self.connections.len() {
            self.forward(connection);
        }
        let now = self.instant();
        let Some(process) = &mut self.process else { return };
        process.pending.extend(process.room.take_due(now));
        let begins = process.batch.is_empty() && !process.pending.is_empty();
        let deadline = process.room.deadline().map(|deadline| deadline.saturating_duration_since(self.began));
        let number = process.number;
        if begins {
            process.batch = std::mem::take(&mut process.pending);
            // A commit takes milliseconds, and the store may be resting from the last one.
            let committed = self.now + self.millis(1, 220);
            self.at(committed, Event::Committed(number));
        }
        if let Some(deadline) = deadline.filter(|deadline| self.ticks.is_none_or(|planned| *deadline < planned)) {
            self.ticks = Some(deadline);
            self.at(deadline.max(self.now), Event::Tick);
        }
    }

    fn forward(&mut self, connection: usize) {
        let now = self.instant();
        let Connection { down, served, .. } = &mut self.connections[connection];
        let (Some(Served { member, pickup }), Some(process)) = (served, &mut self.process) else { return };
        let mut moved = false;
        while down.takes_more() {
            let Some(frame) = pickup.try_take() else { break };
            moved = true;
            down.push(if frame.is_close() { Told::End } else { Told::Frame(frame) });
        }
        if down.takes_more() && pickup.flushed() {
            process.room.drained(now, *member);
            moved = true;
        }
        if moved {
            self.transmit(connection);
        }
    }

    fn committed(&mut self, number: u64) {
        let now = self.instant();
        let Some(process) = self.process.as_mut().filter(|process| process.number == number) else { return };
        for (number, piece) in std::mem::take(&mut process.batch) {
            self.durable.push(piece);
            process.room.stored(now, Stored::Durable(number));
        }
    }

    fn tick(&mut self) {
        let now = self.instant();
        self.ticks = None;
        if let Some(process) = &mut self.process
            && process.room.deadline().is_some_and(|deadline| deadline <= now)
        {
            process.room.tick(now);
        }
    }

    // What must hold.

    fn pairs(&self) -> impl Iterator<Item = (&Session, &Link)> {
        self.people.iter().map(|person| (&person.session, &person.link))
    }

    fn check_promises(&self) {
        assert_acknowledged_is_stored(self.pairs(), &self.durable);
    }

    fn are_together(&self) -> bool {
        self.people.iter().all(|Person { session, link, .. }| {
            let equal = link.peers().iter().filter(|peer| peer.agreement == Agreement::Equal);
            let is_settled = *link.state() == State::Online && link.unacknowledged(session) == 0;
            is_settled && link.in_sync(session) && equal.count() == PEOPLE - 1
        })
    }

    fn check_agreement(&self) {
        let process = self.process.as_ref().expect("a server that is back");
        assert_agreement(self.pairs(), &process.room, &self.durable);
    }
}

#[test]
fn people_come_together_within_five_seconds_after_any_storm() {
    let mut times = Vec::new();
    let storms = number("STORMS").unwrap_or(200);
    let seeds = number("SEED").map_or(0..storms, |seed| seed..seed + 1);
    for seed in seeds {
        println!("SEED={seed}");
        times.push(Storm::new(seed).run());
    }
    times.sort_unstable();
    println!(
        "{} storms; together after {:?}, at most {:?}",
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

#[test]
fn the_same_seed_is_the_same_storm() {
    assert_eq!(Storm::new(3).run(), Storm::new(3).run());
}
