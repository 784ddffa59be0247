//! Links and a room without sockets: lost connections, lost servers, full queues, in every order that a seed makes.
//! [`storm`] has time and a network as well.
//!
//! What is checked is what people are promised: nothing that was acknowledged is ever missing from the store, and once
//! everybody is connected again all texts are equal and nothing is unacknowledged. `SEED=536` runs one history,
//! `HISTORIES=4000` as many (100 s).
//!
//! Bugs that were planted to see it fail, each found within a second: the room acknowledges what is not
//! durable yet (`owed.piece <= self.appended`), drops DATA without resync, the link settles one frame too many
//! (`batch.frames <= frames + 1`), or takes the server's META for durable before its ack.

mod network;
mod storm;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cede::sync::Message;
use cede::{AgentId, Chars, Session};
use tokio_tungstenite::tungstenite;

use crate::client::{Frame, Incoming, Link, Outgoing, State};
use crate::presence::{Agreement, Color, Identity, PeerId, Presence};
use crate::rights::Rights;
use crate::server::access::Credential;
use crate::server::outbox::{Outbox, Pickup, outbox};
use crate::server::room::{Joining, Limits, Room};
use crate::server::writer::Stored;
use crate::wire::{ClientControl, ServerControl};

const LIMITS: Limits = Limits { members: 10, patience: Duration::from_secs(30), events: 1 << 30, bytes: u64::MAX };

/// xorshift64*: small, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    /// Seeds that lie close together give numbers that have nothing in common.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        bits as usize % limit.max(1)
    }
}

struct Person {
    session: Session,
    link: Link,
    connections: u64,
    wire: Option<Wire>,
}

/// One connection, both directions still under way.
struct Wire {
    member: Option<PeerId>,
    capacity: usize,
    pickup: Option<Pickup>,
    up: VecDeque<Frame>,
}

struct World {
    random: Random,
    now: Instant,
    people: Vec<Person>,
    room: Room,
    /// What the store holds.
    durable: Vec<Vec<u8>>,
    /// What waits for the store.
    pending: VecDeque<(u64, Vec<u8>)>,
}

impl World {
    fn new(seed: u64, people: u128) -> Self {
        let person = |agent| Person {
            session: Session::new(AgentId::new(agent)),
            link: Link::new(Identity { name: format!("person {agent}"), color: Color(1, 2, 3) }),
            connections: 0,
            wire: None,
        };
        Self {
            random: Random::from_seed(seed),
            now: Instant::now(),
            people: (1..=people).map(person).collect(),
            room: Room::load(&[], LIMITS).unwrap(),
            durable: Vec::new(),
            pending: VecDeque::new(),
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.random.below(40) as u64);
        let person = self.random.below(self.people.len());
        match self.random.below(200) {
            0 => self.lose_server(),
            1..=4 => self.cut(person),
            5..=24 => self.connect(person),
            25..=69 => self.type_something(person),
            70..=119 => _ = self.send_one(person),
            120..=179 => _ = self.receive_one(person),
            180..=194 => _ = self.store_one(),
            _ => self.tick(),
        }
    }

    fn type_something(&mut self, person: usize) {
        let Person { session, link, .. } = &mut self.people[person];
        person_types(&mut self.random, session, link);
        self.flush(person);
    }

    fn flush(&mut self, person: usize) {
        let Person { session, link, connections, wire } = &mut self.people[person];
        for Outgoing { connection, frame } in link.flush(session) {
            assert_eq!(connection, *connections, "frames are for the connection that stands");
            wire.as_mut().expect("no connection, no frames").up.push_back(frame);
        }
    }

    fn handle(&mut self, person: usize, incoming: Incoming) {
        let Person { session, link, .. } = &mut self.people[person];
        link.handle(session, incoming).expect("an honest room");
        self.flush(person);
    }

    fn connect(&mut self, person: usize) {
        if self.people[person].wire.is_none() {
            // Small enough to be full now and then, large enough for a welcome.
            let capacity = 500 + self.random.below(3000);
            self.people[person].connections += 1;
            self.people[person].wire = Some(Wire { member: None, capacity, pickup: None, up: VecDeque::new() });
            let connection = self.people[person].connections;
            self.handle(person, Incoming::Opened { connection });
        }
    }

    fn cut(&mut self, person: usize) {
        if let Some(wire) = self.people[person].wire.take() {
            if let Some(member) = wire.member {
                self.room.leave(self.now, member);
            }
            let (reason, retry_in) = ("cut".to_owned(), Duration::ZERO);
            self.handle(person, Incoming::Closed { reason, retry_in });
        }
    }

    /// kill -9: what the store has not taken is gone, and so is everybody's connection.
    fn lose_server(&mut self) {
        self.pending.clear();
        self.room = Room::load(&self.durable, LIMITS).unwrap();
        (0..self.people.len()).for_each(|person| self.cut(person));
        self.check_promises();
    }

    fn check_promises(&self) {
        assert_acknowledged_is_stored(self.people.iter().map(|person| (&person.session, &person.link)), &self.durable);
    }

    fn send_one(&mut self, person: usize) -> bool {
        let Some(wire) = &mut self.people[person].wire else { return false };
        let Some(frame) = wire.up.pop_front() else { return false };
        match (frame, wire.member) {
            (Frame::Control(ClientControl::Hello { name, color, agent, .. }), None) => {
                let (outbox, pickup) = outbox(wire.capacity);
                wire.pickup = Some(pickup);
                let joined = self.room.join(self.now, joining(Identity { name, color }, agent, outbox));
                wire.member = Some(joined.unwrap());
            }
            (Frame::Control(control), Some(member)) => self.room.receive_control(self.now, member, control),
            (Frame::Sync(message), Some(member)) => {
                self.room.receive_frame(self.now, member, message.encode().into());
            }
            (frame, member) => panic!("{frame:?} from {member:?}"),
        }
        self.pending.extend(self.room.take_due(self.now));
        true
    }

    fn receive_one(&mut self, person: usize) -> bool {
        let Some(Wire { member: Some(member), pickup: Some(pickup), .. }) = &mut self.people[person].wire else {
            return false;
        };
        let message = pickup.try_take();
        if pickup.flushed() {
            self.room.drained(self.now, *member);
        }
        let Some(message) = message else { return false };
        let incoming = match message {
            tungstenite::Message::Text(json) => Incoming::Control(ServerControl::from_json(&json).unwrap()),
            tungstenite::Message::Binary(bytes) => Incoming::Sync(Message::decode(&bytes).unwrap()),
            other => panic!("{other:?}"),
        };
        self.handle(person, incoming);
        true
    }

    fn store_one(&mut self) -> bool {
        let Some((number, piece)) = self.pending.pop_front() else { return false };
        self.durable.push(piece);
        self.room.stored(self.now, Stored::Durable(number));
        true
    }

    fn tick(&mut self) {
        if self.room.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.room.tick(self.now);
            self.pending.extend(self.room.take_due(self.now));
        }
    }

    /// Everybody connects, everything arrives, and nobody types.
    fn heal(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            let mut moved = self.store_one();
            for person in 0..self.people.len() {
                self.connect(person);
                moved |= self.send_one(person);
                moved |= self.receive_one(person);
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if !moved && let Some(deadline) = self.room.deadline() {
                self.now = self.now.max(deadline);
                self.tick();
                quiet = 0;
            }
        }
    }

    fn check_agreement(&self) {
        let people = self.people.iter().map(|person| (&person.session, &person.link));
        assert_agreement(people, &self.room, &self.durable);
    }
}

/// Somebody who may write comes, with no token.
fn joining(identity: Identity, agent: AgentId, outbox: Outbox) -> Joining {
    Joining {
        identity,
        agent,
        outbox,
        credential: Credential::Anonymous,
        rights: Rights::Write,
        pass: None,
        held: None,
    }
}

/// A letter at the caret, mostly; sometimes a caret elsewhere, a deletion, or word of where the caret is.
fn person_types(random: &mut Random, session: &mut Session, link: &mut Link) {
    let length = session.text().len::<Chars>().0;
    match random.below(8) {
        0 => session.move_caret(Chars(random.below(length + 1))).unwrap(),
        1 if length > 0 => {
            let at = random.below(length);
            session.delete(Chars(at)..Chars(at + 1)).unwrap();
        }
        _ => {
            let caret: Chars = session.caret();
            let letter = char::from(b'a' + random.below(26) as u8);
            session.insert(caret, &letter.to_string()).unwrap();
        }
    }
    if random.below(3) == 0 {
        let caret = session.anchor(session.caret::<Chars>(), cede::Bias::Left).unwrap();
        link.set_presence(Presence { caret: Some(caret), selection: None });
    }
}

/// Whatever the store lacks of somebody's typing counts as unacknowledged with them.
fn assert_acknowledged_is_stored<'a>(people: impl Iterator<Item = (&'a Session, &'a Link)>, durable: &[Vec<u8>]) {
    let stored = Room::load(durable, LIMITS).unwrap().summary();
    for (session, link) in people {
        let own = |span: &cede::EventSpan| span.agent == session.agent();
        let count = |spans: Vec<cede::EventSpan>| spans.iter().map(|span| u64::from(span.len())).sum::<u64>();
        let made = count(session.document().summary().spans().filter(own).collect());
        let kept = count(stored.spans().filter(own).collect());
        let lost = made - kept;
        let open = link.unacknowledged(session);
        assert!(open >= lost, "{lost} events are not stored and only {open} are unacknowledged");
    }
}

/// Everybody, the room and the store have the same text, and everybody knows it of everybody.
fn assert_agreement<'a>(people: impl Iterator<Item = (&'a Session, &'a Link)>, room: &Room, durable: &[Vec<u8>]) {
    let (text, people) = (room.text(), people.collect::<Vec<_>>());
    for (number, (session, link)) in people.iter().enumerate() {
        assert_eq!(session.text().to_string(), text, "person {number}, beside the room");
        assert_eq!(link.unacknowledged(session), 0, "person {number}");
        assert_eq!(*link.state(), State::Online, "person {number}");
        assert!(link.in_sync(session), "person {number}: {link:?}");
        assert_eq!(link.peers().len(), people.len() - 1, "person {number}");
        for peer in link.peers() {
            assert_eq!(peer.agreement, Agreement::Equal, "person {number} about {peer:?}");
        }
    }
    assert_eq!(Room::load(durable, LIMITS).unwrap().text(), text, "the store");
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// One seed when `SEED` names it, as many as `HISTORIES` says otherwise, `count` when it says nothing.
pub(crate) fn seeds(count: u64) -> std::ops::Range<u64> {
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("HISTORIES").unwrap_or(count),
    }
}

#[test]
fn links_and_a_room_agree_after_any_history() {
    for seed in seeds(100) {
        println!("SEED={seed}");
        let mut world = World::new(seed, 2 + u128::from(seed % 4));
        for _ in 0..2 {
            (0..1500).for_each(|_| world.step());
            world.heal();
            world.check_agreement();
        }
    }
}
