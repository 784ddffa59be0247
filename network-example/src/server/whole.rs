//! What whoever has nothing yet is sent: a room's document in frames that are made once and shared by all who join.
//!
//! To encode a history costs about as much as to read it. People come one after the other, so what was made for the first is
//! kept, and what is passed on after that is kept behind it: the same bytes that lie in the outboxes. When that has become
//! much it is let go, and the next one who comes has it made anew. It costs a room that people have joined and edit what its
//! document takes in a file, and goes when the room rests.

use cede::Summary;
use cede::sync::Message;
use tokio_tungstenite::tungstenite::Bytes;

use super::kept::Kept;
use crate::planted::planted;
use crate::wire::CHUNK;

/// Of what is stored in more bytes nothing is kept.
const LARGE: u64 = 1024 * 1024;
/// Frames that are kept behind the document. Each is read on its own, which costs more than to read them as one.
const BEHIND: usize = 64;
/// Bytes of them.
const BEHIND_BYTES: usize = 64 * 1024;

/// See the module.
///
/// Invariant: the frames hold every event of the document, parents first.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    frames: Option<Vec<Bytes>>,
    /// How many of them were passed on after the others were made.
    behind: usize,
    behind_bytes: usize,
}

impl Whole {
    /// The frames, if they are kept: of a document that is stored in so many bytes.
    pub(crate) fn frames(&mut self, document: &Kept, stored_bytes: u64) -> Option<&[Bytes]> {
        if self.frames.is_none() && stored_bytes <= LARGE {
            self.frames = Some(encode(document));
        }
        self.frames.as_deref()
    }

    /// Something has come to the document, in this frame.
    pub(crate) fn extend(&mut self, frame: &Bytes) {
        let Some(frames) = self.frames.as_mut().filter(|_| !planted("stale")) else { return };
        self.behind += 1;
        self.behind_bytes += frame.len();
        let is_little = self.behind <= BEHIND && self.behind_bytes <= BEHIND_BYTES;
        if is_little {
            frames.push(frame.clone());
        } else {
            *self = Self::default();
        }
    }
}

/// In one frame if it fits, since all that is cut is read twice where the cuts are.
fn encode(document: &Kept) -> Vec<Bytes> {
    let nothing = Summary::new();
    let chunks: Vec<Vec<u8>> = document.each_chunk_since(&nothing, CHUNK).collect();
    let is_small = chunks.len() > 1 && chunks.iter().map(Vec::len).sum::<usize>() <= CHUNK;
    let chunks = match document.encode_since(&nothing).filter(|_| is_small) {
        Some(whole) => vec![whole],
        None => chunks,
    };
    chunks.into_iter().map(|chunk| Message::Data(chunk).encode().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cede::{AgentId, Chars, Document, Session};

    /// What somebody makes of the frames.
    fn read(frames: &[Bytes]) -> String {
        let mut document = Document::new();
        for frame in frames {
            let Ok(Message::Data(events)) = Message::decode(frame) else { panic!("not DATA") };
            document.import::<Chars>(&events).unwrap();
        }
        document.text().to_string()
    }

    #[test]
    fn the_frames_hold_all_that_there_is_and_are_made_anew_when_they_are_many() {
        let (mut kept, mut whole, mut ann) = (Kept::default(), Whole::default(), Session::new(AgentId::new(1)));
        assert!(whole.frames(&kept, 0).unwrap().is_empty());
        let mut counts = Vec::new();
        for key in 0..BEHIND + 3 {
            ann.insert(Chars(key), "x").unwrap();
            let data = ann.take_outgoing().unwrap();
            kept.absorb(&data).unwrap();
            whole.extend(&Bytes::from(Message::Data(data).encode()));
            let frames = whole.frames(&kept, 0).unwrap();
            assert_eq!(read(frames), ann.text().to_string());
            counts.push(frames.len());
        }
        assert_eq!(counts[..BEHIND], (1..=BEHIND).collect::<Vec<_>>());
        assert_eq!(counts[BEHIND..], [1, 2, 3]);
    }

    #[test]
    fn of_what_is_large_nothing_is_kept() {
        assert!(Whole::default().frames(&Kept::default(), LARGE + 1).is_none());
    }
}
