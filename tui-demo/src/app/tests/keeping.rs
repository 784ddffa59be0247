//! Saving, disk changes, what is written when, and leaving.

use std::time::Duration;

use cede::{Chars, Session};

use super::{DISK, Desk, ME, opening};
use crate::app::{Effect, Event, Home, Role};
use crate::files::history::Report;
use crate::files::text::{self, Snapshot, TextError};
use crate::files::watch::Seen;

/// What a file with this text would be read as.
fn snapshot(content: &str) -> Snapshot {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("any");
    std::fs::write(&path, content).expect("written");
    text::read(&path).expect("read").expect("there")
}

fn on_disk(desk: &mut Desk, content: &str) {
    desk.tell(Event::Disk(Seen::Content(snapshot(content)), DISK));
}

/// An editor on a file with this text.
fn on_file(content: &str) -> Desk {
    let mut desk = Desk::opened(opening(Session::new(ME)));
    on_disk(&mut desk, content);
    desk.effects.clear();
    desk
}

/// Does what the shell does to save.
fn save(desk: &mut Desk) -> String {
    assert!(desk.effects.contains(&Effect::Save), "{:?}", desk.effects);
    let save = desk.app.begin_save().expect("a file");
    desk.effects.clear();
    desk.tell(Event::Saved(Ok(())));
    save.text
}

fn refused() -> TextError {
    TextError::NotAFile { path: "/somewhere/notes.md".into() }
}

#[test]
fn a_file_is_opened_unmodified_and_nothing_is_said() {
    let desk = on_file("one\ntwo\n");
    assert_eq!(desk.text(), "one\ntwo\n");
    assert!(!desk.shows("[+]") && !desk.shows("changed"), "{}", desk.screen().join("\n"));
}

#[test]
fn a_file_that_cannot_be_read_any_more_lacks_the_text() {
    let mut desk = on_file("one");
    desk.tell(Event::Resize(100, 12));
    desk.tell(Event::Disk(Seen::Unreadable(TextError::NotUtf8 { path: "notes.md".into(), offset: 7 }), DISK));
    desk.assert_shows("saving replaces it");
    desk.assert_shows("[+]");
    desk.keys("<C-s>");
    assert_eq!(save(&mut desk), "one");
    assert!(!desk.shows("[+]"));
}

#[test]
fn a_file_whose_changes_cannot_be_taken_in_is_not_overwritten() {
    let mut desk = on_file("one");
    desk.keys("x");
    // In the name of the person at the desk, so it is refused.
    desk.tell(Event::Disk(Seen::Content(snapshot("one and more")), ME));
    desk.assert_shows("cannot be taken in");
    assert!(desk.app.begin_save().is_none(), "the other program's changes would be lost");
    on_disk(&mut desk, "one and more");
    assert_eq!(desk.text(), "xone and more");
    desk.keys("<C-s>");
    assert_eq!(save(&mut desk), "xone and more");
}

#[test]
fn the_modified_mark_says_whether_the_file_has_the_text() {
    let mut desk = on_file("one");
    assert!(!desk.shows("[+]"));
    desk.keys("x");
    desk.assert_shows("[+]");
    desk.keys("<C-z>");
    assert!(!desk.shows("[+]"), "the text is as the file again");
    desk.keys("y<C-s>");
    assert_eq!(save(&mut desk), "yone");
    assert!(!desk.shows("[+]"));
    desk.assert_shows("saved");
}

#[test]
fn a_failed_save_is_told_and_leaves_the_mark() {
    let mut desk = on_file("one");
    desk.keys("x<C-s>");
    desk.app.begin_save().expect("a file");
    desk.tell(Event::Saved(Err(refused())));
    desk.assert_shows("not a plain file");
    desk.assert_shows("[+]");
}

#[test]
fn while_saving_both_versions_are_remembered() {
    let mut desk = on_file("one");
    let saved = |desk: &mut Desk| desk.app.next_resume().expect("a change").saved;
    let before = saved(&mut desk);
    desk.keys("x<C-s>");
    desk.app.begin_save().expect("a file");
    let during = saved(&mut desk);
    desk.tell(Event::Saved(Ok(())));
    let after = saved(&mut desk);
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!(during, [before, after].concat());
    assert_eq!(desk.app.next_resume(), None, "nothing has changed since");
}

#[test]
fn changes_of_another_program_are_merged_with_typing() {
    let mut desk = on_file("red green blue\n");
    desk.keys("dark ");
    on_disk(&mut desk, "red grey blue\n");
    desk.assert_marked("dark |red grey blue\n");
    desk.assert_shows("merged");
    desk.assert_shows("[+]");
    // Taken back and done again: the file holds that, too.
    let mut desk = on_file("one two\n");
    desk.keys("x<C-z>");
    on_disk(&mut desk, "one 2\n");
    assert_eq!(desk.text(), "one 2\n");
    assert!(!desk.shows("[+]"));
}

#[test]
fn a_file_that_is_deleted_and_written_anew_takes_no_typing_back() {
    let mut desk = on_file("one\n");
    desk.keys("typed ");
    desk.tell(Event::Disk(Seen::Gone, DISK));
    desk.assert_shows("deleted");
    desk.assert_shows("[+]");
    on_disk(&mut desk, "one\ntwo\n");
    assert_eq!(desk.text(), "typed one\ntwo\n");
}

#[test]
fn alone_events_are_written_after_a_pause_and_every_second() {
    let millis = Duration::from_millis;
    let mut desk = on_file("");
    desk.wait(Duration::from_secs(60));
    desk.effects.clear();
    desk.keys("a").wait(millis(199));
    assert_eq!(desk.effects, []);
    desk.wait(millis(1));
    assert_eq!(desk.effects, [Effect::Record, Effect::KeepResume]);
    desk.effects.clear();
    for _ in 0..10 {
        desk.keys("b").wait(millis(100));
    }
    assert_eq!(desk.effects, [Effect::Record, Effect::KeepResume], "without a pause");
}

#[test]
fn a_history_that_cannot_be_written_is_told_and_tried_again() {
    let mut desk = on_file("");
    desk.keys("a");
    let reason = String::from("no space left");
    desk.tell(Event::History(Report::Failed { reason }));
    desk.assert_shows("no space left");
    desk.effects.clear();
    desk.wait(Duration::from_secs(5));
    assert!(desk.effects.contains(&Effect::RewriteHistory), "{:?}", desk.effects);
    desk.keys("<C-s>");
    save(&mut desk);
    desk.keys("<C-q>");
    desk.assert_shows("cannot be written");
    desk.keys("<Esc>");
    desk.tell(Event::History(Report::Kept { bytes: 10 }));
    desk.assert_shows("kept again");
}

#[test]
fn a_history_that_has_grown_is_written_anew_once() {
    let mut desk = on_file("");
    for bytes in [1 << 20, 5 << 20] {
        desk.effects.clear();
        desk.tell(Event::History(Report::Kept { bytes }));
    }
    assert_eq!(desk.effects, [Effect::RewriteHistory]);
    desk.effects.clear();
    for bytes in [2 << 20, 3 << 20, 7 << 20] {
        desk.tell(Event::History(Report::Kept { bytes }));
    }
    assert_eq!(desk.effects, [], "less than four times as long as it was then");
}

#[test]
fn leaving_asks_only_when_something_is_lost() {
    let mut desk = on_file("one");
    desk.keys("<C-q>");
    assert_eq!(desk.effects, [Effect::Quit]);

    let mut desk = on_file("one");
    desk.keys("x<C-q>");
    desk.assert_shows("changes that its file lacks");
    desk.keys("<Esc>y").assert_marked("xy|one");
    desk.keys("<C-q>q");
    assert_eq!(desk.effects, [Effect::Quit]);

    let mut desk = on_file("one");
    desk.keys("x<C-q>s");
    assert_eq!(save(&mut desk), "xone");
    assert!(desk.effects.contains(&Effect::Quit));

    let mut desk = on_file("one");
    desk.keys("x<C-q>s");
    desk.app.begin_save().expect("a file");
    desk.tell(Event::Saved(Err(refused())));
    assert!(!desk.effects.contains(&Effect::Quit), "what could not be saved stays");

    let mut desk = on_file("one");
    desk.keys("x<C-q>s");
    desk.tell(Event::Disk(Seen::Unreadable(TextError::NotUtf8 { path: "notes.md".into(), offset: 7 }), DISK));
    desk.effects.clear();
    desk.keys("y<C-s>");
    assert_eq!(save(&mut desk), "xyone");
    assert!(!desk.effects.contains(&Effect::Quit), "whoever typed on has stayed");
}

#[test]
fn a_nameless_text_asks_for_a_name() {
    let nameless = || {
        let mut opening = opening(Session::new(ME));
        opening.home = Home::Nameless;
        Desk::opened(opening)
    };
    let mut desk = nameless();
    desk.keys("<C-q>");
    assert_eq!(desk.effects, [Effect::Quit]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new.md");
    let name = path.to_str().expect("a plain name");
    let mut desk = nameless();
    desk.keys("text<C-q>");
    desk.assert_shows("no name");
    desk.keys(&format!("s{name}<Enter>"));
    assert_eq!(desk.effects, [Effect::Settle(path.clone())]);
    let home = Home::Named { path: path.clone(), form: text::Form::default(), versions: Vec::new() };
    desk.tell(Event::Settled(Ok(home)));
    assert_eq!(save(&mut desk), "text");
    assert!(desk.effects.contains(&Effect::Quit));

    std::fs::write(&path, "somebody's").expect("written");
    let mut desk = nameless();
    desk.tell(Event::Resize(200, 12));
    desk.keys(&format!("text<C-s>{name}<Enter>"));
    desk.assert_shows("already");
    assert_eq!(desk.effects, []);
}

#[test]
fn a_guest_of_this_machine_leaves_saving_to_the_host_and_takes_over_when_it_is_gone() {
    let mut opening = opening(Session::new(ME));
    opening.home = Home::Elsewhere("/somewhere/notes.md".into());
    opening.role = Role::Guest;
    let mut desk = Desk::opened(opening);
    desk.keys("typed<C-s>");
    // Without a connection the host is gone, or as good as.
    assert_eq!(desk.effects, [Effect::Settle("/somewhere/notes.md".into())]);
    desk.tell(Event::Settled(Err("still open".into())));
    desk.assert_shows("still open");
    assert_eq!(desk.app.caret(), Chars(5));
}
