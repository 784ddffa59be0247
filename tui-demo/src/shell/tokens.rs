//! `cede token`: who may do what on a server, changed in its file.
//!
//! A running server reads the file again within a second, so what is revoked here is over there.

use cede_net::tokens::{self, Grant, Scope};

use super::ShellError;
use crate::cli::TokenChange;

/// Changes the file and says what there is to say.
///
/// # Errors
/// [`ShellError::Tokens`] names the file.
pub fn change(change: &TokenChange) -> Result<String, ShellError> {
    let (TokenChange::Add { file, .. } | TokenChange::List { file } | TokenChange::Revoke { file, .. }) = change;
    let wrong = |source| ShellError::Tokens { path: file.clone(), source };
    match change {
        TokenChange::Add { scope, rights, note, .. } => {
            let (grant, token) = Grant::new(scope.clone(), *rights, note).map_err(ShellError::Random)?;
            tokens::add(file, &grant).map_err(wrong)?;
            let room = match scope {
                Scope::All => "ROOM".to_owned(),
                Scope::Room(name) => name.to_string(),
            };
            // The one time that it is seen: the file keeps its hash.
            Ok(format!("{}\ncede join ws://HOST:PORT/{room}#{0}", token.as_str()))
        }
        TokenChange::List { .. } => {
            let grants = tokens::read(file).map_err(wrong)?;
            let lines =
                grants.iter().map(|Grant { id, scope, rights, note, .. }| format!("{id}  {scope}  {rights}  {note}"));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        TokenChange::Revoke { id, .. } => {
            tokens::revoke(file, id).map_err(wrong)?;
            Ok(format!("{id} is revoked; a server that runs shows its holder out within a second"))
        }
    }
}
