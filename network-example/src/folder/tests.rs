//! Sessions that share nothing but folders which somebody copies badly.
//!
//! Every replica has a folder of its own, and a courier that copies files between them: late, old ones, halves of them, twice
//! under other names, and sometimes it loses some. `SEED=7` runs one history, `HISTORIES=500` as many.

use super::*;
use crate::client::{Change, Link, Outgoing, State};
use crate::presence::Color;
use crate::simulation::Random;
use cede::{AgentId, Chars, Session};

/// A folder that is gone when the test is.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cede-folder-{name}-{}", std::process::id()));
        // Left by one that was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The system clears its own folder in time if this fails.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An editor without a screen.
struct Person {
    session: Session,
    link: Link,
    folder: Folder,
    /// The largest file that their program reads.
    max_file: u64,
    connections: u64,
    notices: Vec<String>,
}

impl Person {
    fn open(agent: u128, id: u128, path: &Path, session: Session, now: Instant) -> Self {
        Self::with_max_file(MAX_FILE, agent, id, path, session, now)
    }

    fn with_max_file(max_file: u64, agent: u128, id: u128, path: &Path, session: Session, now: Instant) -> Self {
        let identity = Identity { name: format!("person {agent}"), color: Color(1, 2, 3) };
        let mut person = Self {
            session,
            link: Link::new(identity),
            folder: Folder::new(path, ReplicaId(id)),
            max_file,
            connections: 0,
            notices: Vec::new(),
        };
        person.connect(path, ReplicaId(id), now);
        person
    }

    /// Begins anew with the same session, as after a failure.
    fn connect(&mut self, path: &Path, id: ReplicaId, now: Instant) {
        self.folder = Folder { max_file: self.max_file, ..Folder::new(path, id) };
        self.connections += 1;
        let heard = self.folder.connect(self.connections, now).unwrap();
        self.hear(heard);
    }

    fn hear(&mut self, heard: Vec<Incoming>) {
        for incoming in heard {
            for change in self.link.handle(&mut self.session, incoming).expect("an honest folder") {
                if let Change::Notice(text) = change {
                    self.notices.push(text);
                }
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        let frames = self.link.flush(&self.session);
        for Outgoing { connection, frame } in frames {
            assert_eq!(connection, self.connections);
            let heard = self.folder.receive(frame).expect("nobody parts");
            self.hear(heard);
        }
    }

    fn look(&mut self, now: Instant) {
        let heard = self.folder.store().unwrap();
        self.hear(heard);
        let heard = self.folder.look(now).unwrap();
        self.hear(heard);
    }

    fn types(&mut self, random: &mut Random) {
        let length = self.session.text().len::<Chars>().0;
        match random.below(8) {
            0 => self.session.move_caret(Chars(random.below(length + 1))).unwrap(),
            1 if length > 0 => {
                let at = random.below(length);
                self.session.delete(Chars(at)..Chars(at + 1)).unwrap();
            }
            _ => {
                let (caret, letter) = (self.session.caret::<Chars>(), char::from(b'a' + random.below(26) as u8));
                self.session.insert(caret, &letter.to_string()).unwrap();
            }
        }
        self.flush();
    }

    fn text(&self) -> String {
        self.session.text().to_string()
    }
}

/// Files of `owner` in a folder, by name.
fn files_of(owner: ReplicaId, path: &Path) -> Vec<PathBuf> {
    let owns = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse);
        name.is_some_and(|name| name.owner() == owner)
    };
    let mut files: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(owns).collect();
    files.sort_unstable();
    files
}

/// Copies one file of somebody into somebody else's folder, more or less well.
fn carry(random: &mut Random, from: &Path, owner: ReplicaId, to: &Path, old: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let files = files_of(owner, from);
    if files.is_empty() {
        return;
    }
    let file = &files[random.below(files.len())];
    let target = to.join(file.file_name().unwrap());
    let bytes = fs::read(file).unwrap();
    match random.below(12) {
        // Torn.
        0 => fs::write(&target, &bytes[..random.below(bytes.len())]).unwrap(),
        // Lost.
        1 => _ = fs::remove_file(&target),
        // Flipped.
        2 => {
            let mut flipped = bytes.clone();
            flipped[random.below(bytes.len())] ^= 1 << random.below(8);
            fs::write(&target, flipped).unwrap();
        }
        // Twice.
        3 => fs::write(target.with_extension("data (copy)"), &bytes).unwrap(),
        // As it was some time ago.
        4 => fs::write(&target, old.get(file).unwrap_or(&bytes)).unwrap(),
        _ => fs::write(&target, &bytes).unwrap(),
    }
    if random.below(3) == 0 {
        old.insert(file.clone(), bytes);
    }
}

/// Makes the files of `owner` in a folder what they are where they were written.
fn carry_all(from: &Path, owner: ReplicaId, to: &Path) {
    for file in files_of(owner, to) {
        if !from.join(file.file_name().unwrap()).exists() {
            fs::remove_file(file).unwrap();
        }
    }
    for file in files_of(owner, from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// One seed when `SEED` names it, as many as `HISTORIES` says otherwise.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("HISTORIES").unwrap_or(8),
    }
}

#[test]
fn sessions_come_together_however_badly_their_folders_are_copied() {
    for seed in seeds() {
        println!("SEED={seed}");
        let (place, mut random, mut now) = (Place::new("random"), Random::from_seed(seed), Instant::now());
        let count = 2 + random.below(2);
        let paths: Vec<PathBuf> = (0..count).map(|number| place.0.join(format!("{number}"))).collect();
        paths.iter().for_each(|path| fs::create_dir(path).unwrap());
        let ids: Vec<ReplicaId> = (1..=count as u128).map(ReplicaId).collect();
        let mut agents = count as u128;
        let mut people: Vec<Person> = (0..count)
            .map(|at| {
                Person::open(at as u128 + 1, ids[at].0, &paths[at], Session::new(AgentId::new(at as u128 + 1)), now)
            })
            .collect();
        let mut old = BTreeMap::new();
        for _ in 0..150 {
            let (at, other) = (random.below(count), random.below(count));
            now += Duration::from_millis(random.below(2_000) as u64);
            match random.below(20) {
                0..8 => people[at].types(&mut random),
                8..14 if at != other => carry(&mut random, &paths[at], ids[at], &paths[other], &mut old),
                14 => people[at].connect(&paths[at], ids[at], now),
                // The editor is closed, everything written, and opened anew on what it keeps itself.
                15 => {
                    people[at].look(now);
                    agents += 1;
                    let document = people[at].session.document().clone();
                    let session = Session::with_document(document, AgentId::new(agents));
                    people[at] = Person::open(agents, ids[at].0, &paths[at], session, now);
                }
                _ => people[at].look(now),
            }
        }
        // Everybody looks and everything is copied as it is, until nothing more comes of it.
        for _ in 0..6 {
            now += GRACE;
            people.iter_mut().for_each(|person| person.look(now));
            for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).filter(|(a, b)| a != b) {
                carry_all(&paths[from], ids[from], &paths[to]);
            }
        }
        people.iter_mut().for_each(|person| person.look(now));
        let text = people[0].text();
        for (number, person) in people.iter().enumerate() {
            assert_eq!(person.text(), text, "person {number}");
            assert_eq!(person.link.unacknowledged(&person.session), 0, "person {number}");
            assert_eq!(*person.link.state(), State::Online, "person {number}");
            assert!(person.link.in_sync(&person.session), "person {number}: {:?}", person.folder);
            assert_eq!(person.link.peers().len(), count - 1, "person {number}");
            assert!(person.link.peers().iter().all(|peer| peer.agreement == Agreement::Equal), "person {number}");
        }
        // Whoever comes by any of the folders alone gets everything.
        for path in &paths {
            let late = Person::open(999, 999, path, Session::new(AgentId::new(999)), now);
            assert_eq!(late.text(), text);
        }
    }
}

fn session(agent: u128) -> Session {
    Session::new(AgentId::new(agent))
}

fn write(person: &mut Person, text: &str) {
    let end = person.session.text().len::<Chars>();
    person.session.insert(end, text).unwrap();
    person.flush();
}

#[test]
fn a_stick_that_is_carried_back_and_forth() {
    let (stick, now) = (Place::new("stick"), Instant::now());
    let mut ada = Person::open(1, 1, &stick.0, session(1), now);
    write(&mut ada, "Ada was here. ");
    ada.look(now);
    assert_eq!(ada.link.unacknowledged(&ada.session), 0);
    let kept = ada.session.document().clone();
    drop(ada);

    let mut ben = Person::open(2, 2, &stick.0, session(2), now);
    assert_eq!((ben.text().as_str(), ben.link.state()), ("Ada was here. ", &State::Online));
    assert_eq!(ben.link.peers()[0].name, "person 1");
    write(&mut ben, "Ben too. ");
    ben.look(now);
    drop(ben);

    let ada = Person::open(3, 1, &stick.0, Session::with_document(kept, AgentId::new(3)), now);
    assert_eq!(ada.text(), "Ada was here. Ben too. ");
    assert_eq!(ada.link.unacknowledged(&ada.session), 0, "nothing is written twice");
}

#[test]
fn a_damaged_file_is_named_and_taken_when_it_is_whole() {
    let (place, now) = (Place::new("damaged"), Instant::now());
    let mut ada = Person::open(1, 1, &place.0, session(1), now);
    write(&mut ada, "whole");
    ada.look(now);
    let file = files_of(ReplicaId(1), &place.0).into_iter().find(|file| file.extension().unwrap() == "data").unwrap();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();

    let mut ben = Person::open(2, 2, &place.0, session(2), now);
    let name = file.file_name().unwrap().to_str().unwrap();
    let notice = format!("{name} in the folder is passed over until it changes: it is not whole");
    assert_eq!(ben.notices, [notice]);
    ben.look(now);
    assert_eq!((ben.text().as_str(), ben.notices.len()), ("", 1), "it is named once");
    assert!(!ben.link.in_sync(&ben.session), "Ada has said that she holds more");
    fs::write(&file, &bytes).unwrap();
    ben.look(now);
    assert_eq!(ben.text(), "whole");
    assert!(ben.link.in_sync(&ben.session));
}

#[test]
fn what_is_lost_from_the_folder_is_written_again_by_who_holds_it() {
    let (place, mut now) = (Place::new("lost"), Instant::now());
    let mut ada = Person::open(1, 1, &place.0, session(1), now);
    write(&mut ada, "kept by Ben");
    ada.look(now);
    let mut ben = Person::open(2, 2, &place.0, session(2), now);
    drop(ada);
    files_of(ReplicaId(1), &place.0).into_iter().for_each(|file| fs::remove_file(file).unwrap());
    ben.look(now);
    assert!(files_of(ReplicaId(2), &place.0).iter().all(|file| file.extension().unwrap() != "data"), "not at once");
    now += GRACE;
    ben.look(now);
    let late = Person::open(3, 3, &place.0, session(3), now);
    assert_eq!(late.text(), "kept by Ben");
}

#[test]
fn many_files_of_ones_own_become_one_and_others_are_not_touched() {
    let (place, now) = (Place::new("many"), Instant::now());
    let mut ada = Person::open(1, 1, &place.0, session(1), now);
    let mut ben = Person::open(2, 2, &place.0, session(2), now);
    for round in 0..3 * MANY_FILES {
        write(&mut ada, &format!("{round} "));
        ada.look(now);
        let data = files_of(ReplicaId(1), &place.0).len() - 1;
        assert!(data <= MANY_FILES + 1, "{data} files");
        if round % 5 == 0 {
            write(&mut ben, "b ");
            ben.look(now);
        }
    }
    ben.look(now);
    let bens = files_of(ReplicaId(2), &place.0);
    drop(ada);
    let ada = Person::open(3, 1, &place.0, session(3), now);
    assert_eq!(ada.text(), ben.text());
    assert_eq!(files_of(ReplicaId(1), &place.0).len(), 2, "one file and META");
    assert_eq!(files_of(ReplicaId(2), &place.0), bens);
}

/// Small enough for a test, and for what it writes to be many times as much.
const SMALL: u64 = 20_000;

/// Letters that hardly compress.
fn noise(random: &mut Random, letters: usize) -> String {
    (0..letters).map(|_| char::from(b' ' + random.below(95) as u8)).collect()
}

/// All files of somebody can be read, and whoever comes now has this text.
fn assert_readable(place: &Place, owner: u128, text: &str, now: Instant) {
    for file in files_of(ReplicaId(owner), &place.0) {
        let bytes = fs::metadata(&file).unwrap().len();
        assert!(bytes <= SMALL, "{} has {bytes} bytes", file.display());
    }
    let late = Person::with_max_file(SMALL, 99, 99, &place.0, session(99), now);
    assert_eq!(late.notices, [""; 0]);
    assert!(late.text() == text, "{} of {} letters", late.text().len(), text.len());
}

/// One file in the place of all would be larger than any that is read: by others, and by its owner after a restart.
#[test]
fn a_folder_that_holds_more_than_a_file_may_have_is_put_together_into_several() {
    let (place, now, mut random) = (Place::new("large"), Instant::now(), Random::from_seed(1));
    let mut ada = Person::with_max_file(SMALL, 1, 1, &place.0, session(1), now);
    for _ in 0..60 {
        write(&mut ada, &noise(&mut random, 2_000));
        ada.look(now);
        let count = files_of(ReplicaId(1), &place.0).len();
        assert!(count <= 9 + MANY_FILES + 1, "{count} files");
    }
    let text = ada.text();
    drop(ada);
    assert_readable(&place, 1, &text, now);
    let again = Person::with_max_file(SMALL, 2, 1, &place.0, session(2), now);
    assert!(again.text() == text, "{} of {} letters", again.text().len(), text.len());
    let files = files_of(ReplicaId(1), &place.0);
    assert!(files.len() <= 10, "{} files", files.len());
    drop(again);
    drop(Person::with_max_file(SMALL, 3, 1, &place.0, session(3), now));
    assert_eq!(files_of(ReplicaId(1), &place.0), files, "what is put together already stays as it is");
}

/// Whoever brings much at once would write it into one file that nobody reads.
#[test]
fn what_is_brought_at_once_is_written_into_files_that_can_be_read() {
    let (place, now, mut random) = (Place::new("much"), Instant::now(), Random::from_seed(2));
    let mut before = session(1);
    before.insert(Chars(0), &noise(&mut random, 150_000)).unwrap();
    let mut ada = Person::with_max_file(SMALL, 1, 1, &place.0, before, now);
    ada.look(now);
    assert_eq!(ada.link.unacknowledged(&ada.session), 0);
    let text = ada.text();
    assert_readable(&place, 1, &text, now);

    let mut ben = Person::with_max_file(SMALL, 2, 2, &place.0, session(2), now);
    drop(ada);
    files_of(ReplicaId(1), &place.0).into_iter().for_each(|file| fs::remove_file(file).unwrap());
    ben.look(now);
    ben.look(now + GRACE);
    assert_readable(&place, 2, &text, now);
}

#[test]
fn what_else_lies_in_the_folder_is_left_alone() {
    let (place, now) = (Place::new("else"), Instant::now());
    let other = ReplicaId(7);
    fs::write(place.0.join("notes.md"), "mine").unwrap();
    fs::create_dir(place.0.join(format!("{other}.meta"))).unwrap();
    let mut dict = cede::Dict::new(AgentId::new(7));
    dict.set("a", &serde_json::json!(1), 0).unwrap();
    let messages = vec![Message::Meta(dict.summary()), Message::Data(dict.encode()), Message::Done];
    let bytes = Content { hello: None, messages }.encode();
    files::put(&place.0, FileName::Data(other, 1), &bytes).unwrap();
    let ada = Person::open(1, 1, &place.0, session(1), now);
    assert_eq!(
        ada.notices,
        [format!("{other}.1.data in the folder is passed over until it changes: it holds a dictionary, not a text")]
    );
    assert_eq!((ada.text().as_str(), ada.link.peers().len()), ("", 0));
    assert_eq!(fs::read_to_string(place.0.join("notes.md")).unwrap(), "mine");
}
