//! Somebody who means harm: nothing of theirs reaches the terminal as they wrote it. What they can write is a text, a name, the
//! name of a file, and as a server, whatever a server says. `tests/scalars.rs` tries every character; here it is the real
//! program and a few.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use cede::sync::Message as Sync;
use cede_net::presence::{Agreement, Color, Peer as Guest, PeerId, Presence};
use cede_net::rights::Rights;
use cede_net::wire::{Refusal, ServerControl};
use cede_tests::terminal::desk::{SIZE, join_url, position, quit, save, wait_until_open};
use cede_tests::terminal::{Ended, Key, Terminal, output, shows};

use crate::desk;
use crate::peer::Peer;

/// Sets the clipboard, the title and a colour, asks for an answer, turns the direction of writing, resets the terminal;
/// each in the 7-bit and the 8-bit form where there are two.
const PAYLOAD: &str = "\u{1b}]52;c;cHduZWQ=\u{7}\u{9d}52;c;cHduZWQ=\u{9c}\u{1b}]0;pwned\u{1b}\\\u{1b}[31m\u{9b}31m\u{1b}[6n\
    \u{1b}P+q544e\u{1b}\\\u{1b}c\u{202e}\u{2066}\u{200f}\u{7}\u{8}\u{7f}\u{0}\r\u{85}\u{2028}\u{e0041}";

#[test]
fn nothing_of_a_hostile_peer_reaches_the_terminal_raw() {
    let desk = desk();
    let mut host = desk.edit("Ada", &["share", "notes.md"]);
    let mut eve = Peer::join(&join_url(&host), &format!("Eve{PAYLOAD}"), 666);
    eve.type_text(&format!("begin{PAYLOAD}end"));
    eve.wait_until_acknowledged();
    host.wait_for("the text made visible", |screen| shows(screen, "begin") && shows(screen, "‹U+202E›"));

    host.press(Key::F(2));
    host.wait_for_text("Eve");
    host.type_text("f");
    host.wait_for_text("following Eve");
    host.press(Key::F(5));
    host.wait_for_text("History:");
    host.press(Key::Esc);
    host.wait_for_no("History:");
    host.press(Key::Ctrl('f'));
    host.wait_for_text("Find");
    host.paste(PAYLOAD);
    host.press(Key::Enter);
    host.wait_for_no("Find:");
    save(&mut host);
    drop(eve);
    host.wait_for_no("1 peer");
    host.press(Key::Ctrl('q'));
    assert_eq!(host.wait_for_end(), Ended::Code(0));
    if let Err(stray) = output::check(&host.output()) {
        panic!("{stray}");
    }
    assert!(desk.read("notes.md").contains("begin\u{1b}]52;"), "the text itself is kept as it is");
}

#[test]
fn the_tools_make_hostile_text_visible_on_a_terminal() {
    let desk = desk();
    desk.write("notes.md", &format!("begin{PAYLOAD}end\n"));
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.wait_for_text("begin");
    editor.type_text("x");
    save(&mut editor);
    quit(editor);
    for tool in ["cat", "log", "stats", "export"] {
        let mut terminal = Terminal::spawn(tool, &desk.cede(&[tool, "notes.md.cede"]), SIZE);
        assert_eq!(terminal.wait_for_end(), Ended::Code(0), "{tool}");
        if let Err(stray) = output::check(&terminal.output()) {
            panic!("{tool}: {stray}");
        }
    }
}

#[test]
fn a_hostile_file_name_is_shown_harmless() {
    let desk = desk();
    let name = "a\u{1b}]0;pwned\u{7}\u{202e}.md";
    let mut editor = desk.edit("Ada", &[name]);
    editor.type_text("x");
    let mut second = Terminal::spawn("Ben", &desk.cede(&[name]), SIZE);
    second.wait_for_text("open in another editor");
    second.type_text("q");
    assert_eq!(second.wait_for_end(), Ended::Code(0));
    save(&mut editor);
    editor.press(Key::Ctrl('q'));
    editor.wait_for_end();
    for terminal in [&editor, &second] {
        if let Err(stray) = output::check(&terminal.output()) {
            panic!("{stray}");
        }
    }
}

/// Answers whoever comes by `serve`, each on a thread of its own, at this address.
fn false_server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn assert_harmless(editor: &Terminal) {
    if let Err(stray) = output::check(&editor.output()) {
        panic!("{stray}");
    }
}

#[test]
fn nothing_that_a_server_says_reaches_the_terminal_raw() {
    let server = false_server(|stream| {
        let mut socket = tokio_tungstenite::tungstenite::accept(stream).expect("a client");
        let mut say = |control: ServerControl| socket.send(control.to_json().into()).expect("a client that listens");
        let (id, name) = (PeerId(2), format!("Eve{PAYLOAD}"));
        let (color, agent) = (Color(9, 9, 9), cede::AgentId::new(666));
        let (presence, agreement, rights) = (Presence::default(), Agreement::Differs, Rights::Host);
        let eve = Guest { id, name, color, agent, presence, agreement, rights };
        say(ServerControl::Welcome { you: PeerId(1), peers: vec![eve], rights: Rights::Write, pass: None });
        say(ServerControl::Notice { text: format!("hear this{PAYLOAD}") });
        let nothing = Sync::Meta(cede::Document::new().summary()).encode();
        socket.send(nothing.into()).expect("a client that listens");
        // A letter typed says that the notice has been seen.
        while socket.read().expect("a letter").to_text().is_ok_and(|text| text.starts_with('{')) {}
        while !matches!(&socket.read().expect("a letter"), message if is_data(message)) {}
        let reason = format!("enough{PAYLOAD}");
        let refused = ServerControl::Refused { code: Refusal::Forbidden, reason };
        socket.send(refused.to_json().into()).expect("a client that listens");
        while socket.read().is_ok() {}
    });
    let desk = desk();
    let mut editor = Terminal::spawn("Ada", &desk.cede(&["join", &format!("ws://{server}/notes"), "a.md"]), SIZE);
    wait_until_open(&editor);
    editor.wait_for_text("hear this");
    editor.press(Key::F(2));
    editor.wait_for_text("Eve");
    editor.press(Key::Esc);
    editor.wait_for_no("Eve");
    editor.type_text("x");
    editor.wait_for_text("enough");
    assert_harmless(&editor);
}

fn is_data(message: &tokio_tungstenite::tungstenite::Message) -> bool {
    matches!(Sync::decode(&message.clone().into_data()), Ok(Sync::Data(_)))
}

#[test]
fn nothing_that_a_server_answers_instead_reaches_the_terminal_raw() {
    let server = false_server(|mut stream| {
        let mut head = [0; 2048];
        let _ = stream.read(&mut head);
        let body = format!("no way{PAYLOAD}");
        let answer = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).expect("a client that listens");
    });
    let desk = desk();
    let editor = Terminal::spawn("Ada", &desk.cede(&["join", &format!("ws://{server}/notes"), "a.md"]), SIZE);
    editor.wait_for_text("no way");
    assert_harmless(&editor);
}

#[test]
fn characters_of_every_kind_in_a_file_are_shown_harmless() {
    let desk = desk();
    // Every 997th, and what steers, joins, selects or hides.
    let is_chosen = |c: &char| {
        u32::from(*c) % 997 == 0
            || matches!(c, '\u{1}'..='\u{ff}' | '\u{300}'..='\u{320}' | '\u{200b}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e007f}')
    };
    let lines: Vec<String> = ('\u{1}'..=char::MAX)
        .filter(|c| is_chosen(c) && !matches!(c, '\n' | '\r'))
        .map(|c| format!("{c} a{c}b {c}\u{301}{c} 👩\u{200d}{c} 🇩{c} \u{1b}[{c}31m"))
        .collect();
    desk.write("all.md", &format!("{}\nthe end\n", lines.join("\n")));
    let mut editor = desk.edit("Ada", &["all.md"]);
    // Each page is drawn before the next is asked for.
    while !shows(&editor.screen(), "the end") {
        let before = position(&editor.screen());
        editor.press(Key::PageDown);
        editor.wait_for("another page", |screen| position(screen) != before);
    }
    assert_harmless(&editor);
    quit(editor);
}
