//! `cede serve`: a server without an editor.
//!
//! Knows a store, an address and the signals that end it.

use tokio::net::TcpListener;

use super::ShellError;
use super::run::Signals;
use crate::cli::Serve;
use cede_net::server::{self, Config};
use cede_net::store::RedbStore;

/// Keeps rooms until a signal says otherwise.
///
/// # Errors
/// [`ShellError`]: the store, the address, or the server itself.
pub async fn serve(serve: Serve) -> Result<(), ShellError> {
    let store = RedbStore::open(&serve.store).map_err(ShellError::Store)?;
    let bind = |source| ShellError::Bind { address: serve.bind, source };
    let listener = TcpListener::bind(serve.bind).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let mut signals = Signals::listen().map_err(ShellError::Signals)?;
    println!("Rooms are open:  cede join ws://{address}/ROOM  (any ROOM: letters, digits, _ and -)");
    let stopped = async {
        signals.next().await;
    };
    server::run(listener, Config::default(), store, stopped).await.map_err(ShellError::Server)
}
