//! Keeps an [`Access`] as its file of tokens says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::access::Access;
use crate::tokens::{self, Grant, TokensError};

/// How long a revoked token stays good at most. Reading a file of a hundred lines takes microseconds.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the file again and again, for ever, and has the server act by it: whoever's token is gone is shown out.
///
/// A file that cannot be read or is not understood changes nothing: somebody is in the middle of changing it, and nobody
/// shall be shown out, or let in, by half a file. It is logged.
pub async fn follow_tokens(path: PathBuf, mut grants: Vec<Grant>, access: Access) {
    let mut trouble = String::new();
    loop {
        sleep(INTERVAL).await;
        match read(&path).await {
            Ok(found) => {
                trouble.clear();
                if found != grants {
                    tracing::info!(tokens = found.len(), "the tokens have changed");
                    grants.clone_from(&found);
                    access.replace(found);
                }
            }
            Err(error) => {
                let error = error.to_string();
                if error != trouble {
                    tracing::error!(%error, "the file of tokens cannot be read; those read before stay valid");
                    trouble = error;
                }
            }
        }
    }
}

async fn read(path: &Path) -> Result<Vec<Grant>, TokensError> {
    let path = path.to_owned();
    spawn_blocking(move || tokens::read(&path)).await.unwrap_or_else(|gone| Err(std::io::Error::other(gone).into()))
}
