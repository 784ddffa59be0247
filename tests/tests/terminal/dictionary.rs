//! `cede dict URL …`: dictionaries that a server keeps, by the real program.

use std::io::{Read, Write};
use std::net::TcpStream;

use cede_tests::terminal::desk::SIZE;
use cede_tests::terminal::{Ended, Key, Terminal};

use crate::desk;

/// Asks a server over HTTP and returns the answer's status.
fn put(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a server");
    let length = body.len();
    write!(stream, "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_dictionary_is_set_read_removed_and_watched() {
    let desk = desk();
    let mut server = desk.serve();
    let (address, url) = (server.address().to_owned(), server.url("colors"));
    let dict = |words: &[&str]| desk.run(&[&["dict", &url], words].concat());
    let prints = |words: &[&str]| desk.prints(&[&["dict", &url], words].concat());
    let mut watcher = Terminal::spawn("watcher", &desk.cede(&["dict", &url, "watch"]), SIZE);
    watcher.wait_for_text("watching 0 keys");

    assert_eq!(prints(&["set", "color", "\"blue\""]), "");
    watcher.wait_for_text(r#"{"key":"color","value":"blue","wall":"#);
    assert_eq!(prints(&["get", "color"]), "\"blue\"\n");
    assert_eq!(put(&address, "/rooms/colors/dict/size", "[1, 2]"), "200");
    watcher.wait_for_text(r#"{"key":"size","value":[1,2],"wall":"#);
    assert_eq!(prints(&["list"]), "{\"key\":\"color\",\"value\":\"blue\"}\n{\"key\":\"size\",\"value\":[1,2]}\n");
    assert_eq!(prints(&["remove", "color"]), "");
    watcher.wait_for_text(r#"{"key":"color","removed":true,"wall":"#);
    for words in [["get", "color"], ["remove", "color"]] {
        let absent = dict(&words);
        assert_eq!(absent.status.code(), Some(1), "{absent:?}");
        assert!(String::from_utf8_lossy(&absent.stderr).contains("nothing stands under \"color\""), "{absent:?}");
    }

    // Strangers' strings stay strings.
    assert_eq!(put(&address, "/rooms/colors/dict/%1b%5b2J", "\"\u{9b}31m\u{202e}\""), "200");
    watcher.wait_for_text(r#"{"key":"\u001b[2J","value":"\u009b31m\u202e","wall":"#);
    let listed = dict(&["list"]).stdout;
    assert!(!String::from_utf8_lossy(&listed).contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{listed:?}");

    // What was acknowledged outlives the server, and the watcher comes back by itself.
    server.kill();
    watcher.wait_for_text("offline");
    let refused = dict(&["get", "size"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let _server = desk.serve_at(&address);
    assert_eq!(prints(&["get", "size"]), "[1,2]\n");
    prints(&["set", "late", "-1.5"]);
    watcher.wait_for_text(r#"{"key":"late","value":-1.5,"wall":"#);
    watcher.press(Key::Ctrl('c'));
    assert_eq!(watcher.wait_for_end(), Ended::Code(0));
}

#[test]
fn what_cannot_be_done_to_a_dictionary_says_why() {
    let desk = desk();
    let server = desk.serve();
    let mut editor = desk.edit("Ada", &["join", &server.url("notes")]);
    editor.type_text("text");
    editor.wait_for("it to be sent", cede_tests::terminal::desk::is_in_sync);
    let (notes, none) = (server.url("notes"), "ws://127.0.0.1:1/x");
    for (words, code, says) in [
        (&["dict", &notes, "set", "a", "1"][..], 1, "the room holds a text, not a dictionary"),
        (&["dict", none, "list"], 1, "no server listens at 127.0.0.1:1"),
        (&["dict", &notes, "set", "a", "red"], 2, "red is no JSON"),
        (&["dict", "http://x/y", "list"], 2, "expected ws://host:port/ROOM"),
        (&["dict"], 2, "FILE is missing"),
        (&["dict", none], 2, "cede dict needs set, get, remove, list or watch"),
    ] {
        let output = desk.run(words);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {complaint}");
        assert!(complaint.contains(says), "{words:?}: {complaint}");
    }
}
