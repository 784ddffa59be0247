//! `cede serve`: a server without an editor.
//!
//! Knows a store, an address, who may come in, and the signals that end it.

use std::path::PathBuf;

use tracing_subscriber::filter::LevelFilter;

use super::ShellError;
use super::signals::Signals;
use crate::cli::Serve;
use cede_net::server::{self, Access, Config};
use cede_net::store::RedbStore;
use cede_net::tls::Certificate;
use cede_net::tokens::{self, Grant};

/// Keeps rooms until a signal says otherwise.
///
/// # Errors
/// [`ShellError`]: the store, the address, the tokens, the certificate, or the server itself.
pub async fn serve(serve: Serve) -> Result<(), ShellError> {
    log();
    let certificate = serve.door.certificate.as_ref();
    let certificate = certificate.map(|(certificate, key)| Certificate::read(certificate, key));
    let certificate = certificate.transpose().map_err(ShellError::Tls)?;
    let (access, followed) = access(serve.tokens)?;
    let bind = |source| ShellError::Bind { address: serve.bind, source };
    let listener = server::listen(serve.bind).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    // After the port: one that is started twice touches nothing.
    let store = RedbStore::open(&serve.store);
    let store = store.map_err(|source| ShellError::Store { path: serve.store.clone(), source })?;
    let mut signals = Signals::listen().map_err(ShellError::Signals)?;
    let scheme = if certificate.is_some() { "wss" } else { "ws" };
    let token = if followed.is_some() { "#TOKEN" } else { "" };
    println!("Rooms are open:  cede join {scheme}://{address}/ROOM{token}  (any ROOM: letters, digits, _ and -)");
    if certificate.is_none() && !address.ip().is_loopback() {
        eprintln!("cede: nothing is encrypted, so whoever is in between can read along and take tokens; see --cert");
    }
    if let Some((path, grants)) = followed {
        tokio::spawn(server::follow_tokens(path, grants, access.clone()));
    }
    let config = Config {
        access,
        certificate,
        allowed_hosts: serve.door.hosts,
        allowed_origins: serve.origins,
        ..Config::default()
    };
    let stopped = async {
        signals.next().await;
    };
    server::run(listener, config, store, stopped).await.map_err(ShellError::Server)
}

/// A file of tokens, and what stood in it.
type Followed = (PathBuf, Vec<Grant>);

/// Whom the tokens let in, and the file that is to be followed.
fn access(tokens: Option<PathBuf>) -> Result<(Access, Option<Followed>), ShellError> {
    let Some(path) = tokens else {
        return Ok((Access::open(), None));
    };
    let grants = tokens::read(&path).map_err(|source| ShellError::Tokens { path: path.clone(), source })?;
    Ok((Access::tokens(grants.clone()), Some((path, grants))))
}

/// Logs go to standard error, from the level that `CEDE_LOG` names on: error, warn, info (the default), debug.
fn log() {
    let level = std::env::var("CEDE_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let logs = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false);
    // A second one in a process, as in tests, leaves the first as it is.
    let _ = logs.try_init();
}
