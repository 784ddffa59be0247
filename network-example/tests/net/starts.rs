//! A program that is started where another one runs.

use cede_net::store::{RedbStore, Store};

use crate::cast::{Folder, Person, until};
use crate::program::Program;

/// With the store opened before the port is bound, the second one makes a store and only then finds that it cannot listen.
#[test]
fn a_second_start_on_a_port_that_is_taken_touches_no_store() {
    let folder = Folder::new("starts-port");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (file, listen) = (folder.file("rooms.redb"), taken.local_addr().unwrap().to_string());
    let complaint = Program::fails(&file, &listen);
    assert!(complaint.contains(&format!("cannot listen on {listen}")), "{complaint}");
    assert!(!file.exists(), "it has made a store");
}

#[tokio::test]
async fn a_second_start_on_a_store_that_is_used_says_which_and_the_first_keeps_what_it_has() {
    let folder = Folder::new("starts-store");
    let file = folder.file("rooms.redb");
    let first = Program::start(&file, "127.0.0.1:0", &[]);
    let complaint = Program::fails(&file, "127.0.0.1:0");
    let reason = format!("{}: the store cannot be opened: another process has it open", file.display());
    assert!(complaint.contains(&reason), "{complaint}");
    let mut ada = Person::new("Ada", first.target.clone());
    ada.types("kept");
    until("it to be stored", [&mut ada], |[ada]| ada.is_settled()).await;
    first.terminate();
    assert!(!RedbStore::open(&file).unwrap().load(&"notes".parse().unwrap()).unwrap().is_empty());
}
