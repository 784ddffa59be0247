//! Others: who is in, where they are, what one tells them; by the messages of a server.

use std::time::Duration;

use cede::sync::Message;
use cede::{AgentId, Anchor, Chars, Session, Summary};
use cede_net::client::{Frame, Incoming, Link};
use cede_net::presence::{Agreement, Color, Identity, Peer, PeerId, Presence};
use cede_net::rights::Rights;
use cede_net::wire::{ClientControl, ServerControl};

use super::{Desk, ME, OTHER, opening};
use crate::app::{Effect, Event, Home, Role};

/// An editor with a server in which these people are already.
fn among(text: &str, people: &[&str], role: Role) -> Desk {
    let mut author = Session::new(OTHER);
    author.insert(Chars(0), text).expect("typed");
    let mut opening = opening(Session::with_document(author.into_document(), ME));
    opening.role = role;
    opening.link = Some(Link::new(Identity { name: "Me".into(), color: Color(1, 2, 3) }));
    let mut desk = Desk::opened(opening);
    let peers = people.iter().zip(1..).map(|(name, id)| peer(id, name)).collect();
    desk.hear(Incoming::Opened { connection: 1 });
    desk.hear(Incoming::Control(welcome(peers, Rights::Write)));
    desk.hear(Incoming::Sync(Message::Meta(Summary::new())));
    desk.hear(Incoming::Sync(Message::Done));
    desk.effects.clear();
    desk
}

fn welcome(peers: Vec<Peer>, rights: Rights) -> ServerControl {
    ServerControl::Welcome { you: PeerId(0), peers, rights, pass: None }
}

fn peer(id: u64, name: &str) -> Peer {
    Peer {
        id: PeerId(id),
        name: name.into(),
        color: Color(9, 9, 9),
        agent: AgentId::new(50 + u128::from(id)),
        presence: Presence::default(),
        agreement: Agreement::default(),
        rights: Rights::Write,
    }
}

impl Desk {
    fn hear(&mut self, incoming: Incoming) -> &mut Self {
        self.tell(Event::Incoming(incoming))
    }

    /// The person with this number puts the caret there.
    fn peer_at(&mut self, id: u64, at: usize) -> &mut Self {
        let mut view = Session::with_document(self.app.session().document().clone(), OTHER);
        let caret = view.anchor(Chars(at), cede::Bias::Left).expect("within the text");
        let presence = Presence { caret: Some(caret), selection: None };
        let id = PeerId(id);
        self.hear(Incoming::Control(ServerControl::Presence { id, presence }))
    }

    /// The person with this number may do this from here on.
    fn rights(&mut self, id: u64, rights: Rights) -> &mut Self {
        self.hear(Incoming::Control(ServerControl::Rights { id: PeerId(id), rights }))
    }

    /// What has been sent and not looked at yet.
    fn sent(&mut self) -> Vec<Frame> {
        let effects = std::mem::take(&mut self.effects);
        let frames = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(frames) => Some(frames.into_iter().map(|outgoing| outgoing.frame)),
            _ => None,
        });
        frames.flatten().collect()
    }
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame, Frame::Sync(Message::Data(_)))
}

#[test]
fn the_list_goes_to_a_person_and_follows() {
    let lines: String = (1..=60).map(|number| format!("line {number}\n")).collect();
    let mut desk = among(&lines, &["Ada", "Ben"], Role::Guest);
    desk.peer_at(1, 0).peer_at(2, 400);
    desk.keys("<F2>");
    desk.assert_shows("Ada");
    desk.assert_shows("you");
    desk.keys("<Down><Enter>");
    assert_eq!(desk.app.caret(), Chars(400));

    desk.keys("<C-Home><F2><Down>f");
    desk.assert_shows("line 50");
    assert_eq!(desk.app.caret(), Chars(0), "following moves the screen alone");
    desk.peer_at(2, 200);
    desk.assert_shows("line 27");
    desk.keys("<Right>");
    assert_eq!(desk.app.caret(), Chars(1));
    desk.peer_at(2, 400);
    assert!(!desk.shows("line 50"), "a key of one's own ends following");
}

#[test]
fn a_host_lets_somebody_read_only_and_write_again_from_the_list() {
    let mut desk = among("", &["Ada", "Ben"], Role::Host);
    desk.rights(0, Rights::Host);
    desk.keys("<F2><Down><Down>r");
    assert_eq!(desk.sent(), [Frame::Control(ClientControl::Allow { id: PeerId(2), rights: Rights::Read })]);
    desk.rights(2, Rights::Read);
    desk.assert_shows("read only");
    desk.keys("r");
    assert_eq!(desk.sent(), [Frame::Control(ClientControl::Allow { id: PeerId(2), rights: Rights::Write })]);
    desk.keys("<Up><Up>r").assert_shows("not to oneself");
    desk.rights(1, Rights::Host);
    desk.keys("<Down>x").assert_shows("a host too");
    assert_eq!(desk.sent(), []);
}

#[test]
fn a_host_is_asked_before_somebody_is_shown_out() {
    let mut desk = among("", &["Ada", "Ben"], Role::Host);
    desk.rights(0, Rights::Host);
    desk.keys("<F2>x").assert_shows("Show Ada out?");
    desk.keys("<Enter> x<Esc>");
    assert_eq!(desk.sent(), [], "only the answer that is named does it");
    desk.keys("xy");
    assert_eq!(desk.sent(), [Frame::Control(ClientControl::Remove { id: PeerId(1) })]);
}

#[test]
fn a_guest_says_nothing_about_others_rights() {
    let mut desk = among("", &["Ada", "Ben"], Role::Guest);
    desk.keys("<F2><Down>r").assert_shows("that is the host's to do");
    desk.keys("x");
    assert_eq!(desk.sent(), []);
}

#[test]
fn who_may_only_read_types_nothing_until_they_may_write() {
    let mut desk = among("abc", &["Ada"], Role::Guest);
    desk.rights(0, Rights::Read).assert_shows("you may read only");
    for keys in ["x", "<Del>", "<C-z>", "<C-y>", "<C-v>"] {
        desk.keys(keys);
        assert_eq!(desk.text(), "abc", "{keys}");
    }
    desk.assert_shows("read only");
    desk.rights(0, Rights::Write).assert_shows("you may write");
    desk.keys("x");
    assert_eq!(desk.text(), "xabc");
}

#[test]
fn unsent_typing_is_spoken_of_when_there_is_some() {
    let mut desk = among("", &["Ada"], Role::Guest);
    desk.rights(0, Rights::Read).assert_shows("you may read only");
    assert!(!desk.shows("what has not been sent"));
    desk.rights(0, Rights::Write).keys("x").wait(Duration::from_millis(50));
    desk.rights(0, Rights::Read).assert_shows("you may read only; what has not been sent stays here");
}

#[test]
fn a_join_line_that_is_made_anew_is_shown() {
    let mut opening = opening(Session::new(ME));
    opening.role = Role::Host;
    opening.size = (100, 12);
    opening.join = Some("ws://192.0.2.1:7/r#0123456789abcdef".into());
    opening.link = Some(Link::new(Identity { name: "Me".into(), color: Color(1, 2, 3) }));
    let mut desk = Desk::opened(opening);
    let token = "fedcba9876543210".parse().expect("a token");
    desk.hear(Incoming::Control(ServerControl::Invitation { rights: Rights::Write, token }));
    desk.assert_shows("the join line is a new one");
    desk.keys("<F5>").assert_shows("cede join ws://192.0.2.1:7/r#fedcba9876543210");
}

#[test]
fn a_join_line_that_is_longer_than_the_screen_can_be_copied_whole() {
    let (write, read) = ("ws://192.0.2.1:7/r#0123456789abcdef0123456789abcdef", "ws://192.0.2.1:7/r#fedcba9876543210");
    let mut opening = opening(Session::new(ME));
    (opening.role, opening.join, opening.join_to_read) = (Role::Host, Some(write.into()), Some(read.into()));
    let mut desk = Desk::opened(opening);
    desk.keys("<F5>").assert_shows("c copy join line  r that for reading");
    desk.keys("c").assert_shows("the join line is in the clipboard");
    desk.keys("R").assert_shows("the join line for reading only is in the clipboard");
    let copied = [write, read].map(|url| Effect::Copy(format!("cede join {url}")));
    assert_eq!(desk.effects, copied);
    desk.keys("<Esc><F1>c").assert_shows("not to be had here");
    assert_eq!(desk.effects, copied);
}

#[test]
fn the_choice_stays_on_a_person_when_others_come_and_go() {
    let mut desk = among("abcdef", &["Ada", "Ben"], Role::Guest);
    desk.peer_at(2, 5).keys("<F2><Down>");
    desk.hear(Incoming::Control(ServerControl::Left { id: PeerId(1) }));
    desk.hear(Incoming::Control(ServerControl::Joined { peer: peer(3, "Cy") }));
    desk.keys("<Enter>");
    desk.assert_marked("abcde|f");
}

#[test]
fn the_next_person_is_the_next_in_the_text() {
    let mut desk = among("abcdef", &["Ada", "Ben"], Role::Guest);
    desk.keys("<F4>").assert_shows("nobody");
    desk.peer_at(1, 4).peer_at(2, 2);
    for expected in ["ab|cdef", "abcd|ef", "ab|cdef"] {
        desk.keys("<F4>").assert_marked(expected);
    }
}

#[test]
fn comings_and_goings_are_told() {
    let mut desk = among("", &[], Role::Host);
    desk.hear(Incoming::Control(ServerControl::Joined { peer: peer(3, "Cy") }));
    desk.assert_shows("Cy came in");
    desk.hear(Incoming::Control(ServerControl::Left { id: PeerId(3) }));
    desk.assert_shows("Cy left");
}

#[test]
fn a_strangers_name_reaches_no_terminal_raw() {
    let name = "\u{1b}]0;owned\u{7}\u{202e}evil\u{1b}[2J";
    let mut desk = among("text", &[name], Role::Guest);
    desk.peer_at(1, 2);
    for keys in ["", "<F2>", "<Esc><F5>", "<Esc><F6>", "<C-q>"] {
        desk.keys(keys);
        for line in desk.screen() {
            let raw = line.chars().find(|&c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
            assert_eq!(raw, None, "{line:?} after {keys}");
        }
    }
}

#[test]
fn with_others_typing_is_sent_at_once_and_alone_after_a_pause() {
    let mut desk = among("", &["Ada"], Role::Guest);
    desk.keys("a").wait(Duration::from_millis(30));
    assert_eq!(desk.sent().iter().filter(|frame| is_data(frame)).count(), 1);

    let mut desk = among("", &[], Role::Alone);
    desk.wait(Duration::from_secs(1)).sent();
    desk.keys("a").wait(Duration::from_millis(190));
    assert_eq!(desk.sent(), []);
    desk.wait(Duration::from_millis(10));
    assert_eq!(desk.sent().iter().filter(|frame| is_data(frame)).count(), 1);
}

#[test]
fn others_are_told_where_one_is_when_it_changes() {
    let presences = |desk: &mut Desk| -> Vec<Presence> {
        desk.wait(Duration::from_millis(50));
        let frames = desk.sent().into_iter();
        frames
            .filter_map(|frame| match frame {
                Frame::Control(ClientControl::Presence(presence)) => Some(presence),
                _ => None,
            })
            .collect()
    };
    let mut desk = among("abc", &["Ada"], Role::Guest);
    presences(&mut desk);
    desk.keys("<Right>");
    let told = presences(&mut desk);
    assert!(matches!(told[..], [Presence { caret: Some(Anchor::Behind(_)), selection: None }]), "{told:?}");
    desk.keys("<S-Right>");
    assert!(matches!(presences(&mut desk)[..], [Presence { selection: Some(_), .. }]));
    desk.keys("<F1><Esc>");
    assert_eq!(presences(&mut desk), []);
}

#[test]
fn guests_events_are_taken_in_and_not_sent_back() {
    let mut desk = among("abc", &["Ada"], Role::Host);
    desk.remotely(|other| other.insert(Chars(3), "def").expect("typed"));
    assert_eq!(desk.text(), "abcdef");
    assert!(desk.effects.contains(&Effect::Record));
    desk.wait(Duration::from_secs(1));
    assert_eq!(desk.sent().iter().filter(|frame| is_data(frame)).count(), 0);
}

#[test]
fn who_has_no_name_is_somebody() {
    let mut desk = among("", &[" "], Role::Host);
    desk.assert_shows("here: somebody");
    desk.keys("<F2>").assert_shows("somebody");
}

#[test]
fn the_connection_is_told() {
    let mut desk = among("", &[], Role::Guest);
    desk.assert_shows("online");
    desk.hear(Incoming::Closed { reason: "reset".into(), retry_in: Duration::from_secs(4) });
    desk.assert_shows("offline, retry in 4 s");
    desk.wait(Duration::from_millis(1500));
    desk.assert_shows("offline, retry in 3 s");
    desk.hear(Incoming::Connecting { attempt: 3 });
    desk.assert_shows("connecting, attempt 3");
    let reason = String::from("the room is full");
    desk.hear(Incoming::Refused { reason });
    desk.assert_shows("the room is full");
}

#[test]
fn why_the_first_attempt_failed_is_told_once() {
    let mut opening = opening(Session::new(ME));
    (opening.role, opening.home) = (Role::Guest, Home::Nameless);
    opening.link = Some(Link::new(Identity { name: "Me".into(), color: Color(1, 2, 3) }));
    let mut desk = Desk::opened(opening);
    let closed = || Incoming::Closed { reason: "no server listens there".into(), retry_in: Duration::from_secs(90) };
    desk.hear(Incoming::Connecting { attempt: 1 }).hear(closed());
    desk.assert_shows("no connection yet: no server listens there");
    desk.wait(Duration::from_secs(60)).hear(Incoming::Connecting { attempt: 2 }).hear(closed());
    assert!(!desk.shows("no server listens there"));
}

#[test]
fn a_document_too_large_to_share_has_no_join_line_and_nobody_is_kept_out_of_it() {
    for (role, length, why) in [
        (Role::Alone, 16_000_000, "the document is too large to share; nobody else can join"),
        (Role::Host, 16_000_000, "the document is too large to share; nobody else can join"),
        (Role::Host, 3, "broken; nobody else can join"),
    ] {
        let mut author = Session::new(OTHER);
        author.insert(Chars(0), &"x\n".repeat(length / 2)).expect("typed");
        let mut opening = opening(Session::with_document(author.into_document(), ME));
        (opening.role, opening.join) = (role, Some("ws://127.0.0.1:7/r".into()));
        opening.link = Some(Link::new(Identity { name: "Me".into(), color: Color(1, 2, 3) }));
        let mut desk = Desk::opened(opening);
        desk.hear(Incoming::Refused { reason: "broken".into() }).assert_shows(why);
        desk.keys("<F5>");
        assert!(!desk.shows("cede join"), "{}", desk.screen().join("\n"));
    }
}

#[test]
fn a_host_says_so_before_it_closes_on_others() {
    let mut desk = among("", &["Ada", "Ben"], Role::Host);
    desk.keys("<C-q>");
    desk.assert_shows("2 others are in");
    assert_eq!(desk.effects, []);
    desk.keys("q");
    assert_eq!(desk.effects, [Effect::Quit]);
}

#[test]
fn a_guest_is_warned_of_what_nobody_else_has() {
    let mut opening = opening(Session::new(ME));
    opening.role = Role::Guest;
    opening.home = Home::Nameless;
    opening.link = Some(Link::new(Identity { name: "Me".into(), color: Color(1, 2, 3) }));
    let mut desk = Desk::opened(opening);
    desk.keys("typed<C-q>");
    desk.assert_shows("has not got 5 of your changes");
    desk.keys("q");
    assert!(desk.effects.contains(&Effect::Quit));
}
