//! Every figure of the peers that the registry has, each by its normal API; what is timed stands on the functions.
//!
//! Histories come from the files beside the traces where there are any. Else a peer lives the session through with a replica for each
//! author and says what it would save, unless that takes too long.
//!
//! Memory can be measured in a program whose allocator counts, and nothing else should.

mod automerge;
mod cola;
mod json;
mod jumprope;
mod loro;
mod yrs;

use cede_measuring::figures::Figure;
use cede_measuring::report::Report;
use cede_measuring::trace::Recording;

type Measure = fn(&Recording, &mut Report);

/// Measures a figure of every peer that has it, or of those that `PEERS` names, separated by commas.
pub fn measure(figure: Figure, recording: &Recording, report: &mut Report) {
    let peers: &[(&str, Measure)] = match figure {
        Figure::Open => &[("yrs", yrs::open), ("loro", loro::open), ("automerge", automerge::open)],
        Figure::Snapshot => &[("loro", loro::snapshot)],
        Figure::Typing => &[
            ("jumprope", jumprope::typing),
            ("cola", cola::typing),
            ("yrs", yrs::typing),
            ("loro", loro::typing),
            ("automerge", automerge::typing),
        ],
        Figure::Live => &[("yrs", yrs::live), ("loro", loro::live)],
        Figure::Size => &[("loro", loro::size), ("automerge", automerge::size)],
        Figure::JsonEdit | Figure::JsonOpen | Figure::JsonSize | Figure::JsonLive => {
            return measure_json(figure, recording, report);
        }
        Figure::Memory => &[("yrs", yrs::memory), ("loro", loro::memory), ("automerge", automerge::memory)],
    };
    let wanted = std::env::var("PEERS").ok();
    for (peer, measure) in peers {
        if wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|name| name == *peer)) {
            measure(recording, report);
        }
    }
}

/// Of those that keep the full history of JSON documents.
fn measure_json(figure: Figure, script: &Recording, report: &mut Report) {
    cede_measuring::json::measure::<json::Automerge>("automerge", figure, script, report);
    cede_measuring::json::measure::<json::Loro>("loro", figure, script, report);
}
