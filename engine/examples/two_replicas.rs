//! Two people type at the same spot at the same time, on two replicas, and end with the same text.
//!
//! `cargo run -p cede --example two_replicas`

use cede::{AgentId, Chars, Session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In a program these are 128 random bits each, new for every session.
    let mut ann = Session::new(AgentId::new(1));
    let mut ben = Session::new(AgentId::new(2));

    ann.insert(Chars(0), "Dear ")?;
    let first = ann.take_outgoing().expect("Ann has typed");
    ben.merge::<Chars>(&first)?;

    // Ben answers what he sees; Ann, who has not seen it, types on. Letters cross on the wire.
    for (a, b) in "reader".chars().zip("friend".chars()) {
        ann.insert(ann.caret::<Chars>(), &a.to_string())?;
        ben.insert(ben.text().len::<Chars>(), &b.to_string())?;
        let (from_ann, from_ben) = (ann.take_outgoing(), ben.take_outgoing());
        from_ben.map(|events| ann.merge::<Chars>(&events)).transpose()?;
        from_ann.map(|events| ben.merge::<Chars>(&events)).transpose()?;
    }

    println!("Ann sees {:?}\nBen sees {:?}", ann.text().to_string(), ben.text().to_string());
    assert_eq!(ann.text(), ben.text());
    Ok(())
}
