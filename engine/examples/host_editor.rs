//! A host editor that has a buffer of its own, counted in UTF-16 as on the web, and lets Cede tell it what to change.
//!
//! `cargo run -p cede --example host_editor`

use cede::{AgentId, Patch, Session, Utf16};

/// Stands for the editor's own text widget: it knows nothing of replicas, only of UTF-16 offsets.
#[derive(Default)]
struct Widget {
    units: Vec<u16>,
}

impl Widget {
    fn splice(&mut self, start: usize, deleted: usize, inserted: &str) {
        self.units.splice(start..start + deleted, inserted.encode_utf16());
    }

    fn text(&self) -> String {
        String::from_utf16_lossy(&self.units)
    }
}

/// The binding: what the user does goes to the session, what others do comes back as patches.
struct Host {
    widget: Widget,
    session: Session,
}

impl Host {
    fn new(agent: u128) -> Self {
        Self { widget: Widget::default(), session: Session::new(AgentId::new(agent)) }
    }

    /// The user has replaced `deleted` units at `start`. The widget shows it already.
    fn on_edit(&mut self, start: usize, deleted: usize, inserted: &str) -> Option<Vec<u8>> {
        self.widget.splice(start, deleted, inserted);
        let range = Utf16(start)..Utf16(start + deleted);
        let edited = match (deleted, inserted) {
            (0, text) => self.session.insert(range.start, text),
            (_, "") => self.session.delete(range),
            (_, text) => self.session.replace(range, text),
        };
        edited.expect("the widget and the session hold the same text");
        self.session.take_outgoing()
    }

    /// Events have come from somebody else.
    fn on_message(&mut self, events: &[u8]) {
        match self.session.merge::<Utf16>(events) {
            Ok(patches) => patches.iter().for_each(|patch| self.show(patch)),
            Err(error) => eprintln!("refused, nothing has changed: {error}"),
        }
    }

    fn on_undo(&mut self) -> Option<Vec<u8>> {
        let patches = self.session.undo::<Utf16>().unwrap_or_default();
        patches.iter().for_each(|patch| self.show(patch));
        self.session.take_outgoing()
    }

    fn show(&mut self, patch: &Patch<Utf16>) {
        self.widget.splice(patch.start.0, patch.deleted.0, &patch.inserted);
    }
}

fn main() {
    let (mut here, mut there) = (Host::new(1), Host::new(2));
    let typed = here.on_edit(0, 0, "🙂 hello");
    typed.iter().for_each(|events| there.on_message(events));

    // Both edit without having seen each other: 🙂 counts two units.
    let (from_here, from_there) = (here.on_edit(3, 5, "goodbye"), there.on_edit(8, 0, ", world"));
    from_there.iter().for_each(|events| here.on_message(events));
    from_here.iter().for_each(|events| there.on_message(events));
    println!("here {:?}, there {:?}", here.widget.text(), there.widget.text());
    assert_eq!(here.widget.text(), there.widget.text());

    // Undo takes back one's own step only.
    here.on_undo().iter().for_each(|events| there.on_message(events));
    println!("after undo {:?}", there.widget.text());
    assert_eq!(there.widget.text(), "🙂 hello, world");
    assert_eq!(here.widget.text(), there.session.text().to_string());
}
