//! The state file: JSON with the SHA-256 of itself, so that a damaged one is never taken for another state.
//!
//! ```text
//! {"sha256":"9f86d0…","state":{"role":"b","phase":"MERGE",…}}
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::protocol::State;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    sha256: String,
    state: State,
}

/// The bytes of a state file.
pub(super) fn encode(state: &State) -> Vec<u8> {
    let sealed = Sealed { sha256: sha256(&plain(state)), state: state.clone() };
    let mut bytes = serde_json::to_vec(&sealed).expect("numbers, names and lists of them are JSON");
    bytes.push(b'\n');
    bytes
}

/// The state of such bytes.
///
/// # Errors
/// Why they hold none that could be gone on from.
pub(super) fn decode(bytes: &[u8]) -> Result<State, Damage> {
    let sealed: Sealed = serde_json::from_slice(bytes).map_err(Damage::Json)?;
    if sealed.sha256 == sha256(&plain(&sealed.state)) { Ok(sealed.state) } else { Err(Damage::Hash) }
}

/// What is hashed. A state is always written in the same way, so damage to the blanks between is no damage.
fn plain(state: &State) -> Vec<u8> {
    serde_json::to_vec(state).expect("numbers, names and lists of them are JSON")
}

/// As hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a state file holds no state.
#[derive(Debug)]
pub enum Damage {
    /// It is no JSON, or other JSON.
    Json(serde_json::Error),
    /// It is not what was written.
    Hash,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "{error}"),
            Self::Hash => f.write_str("its SHA-256 is that of another state"),
        }
    }
}

impl std::error::Error for Damage {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Hash => None,
        }
    }
}
