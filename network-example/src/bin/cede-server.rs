//! `cede-server`: serves rooms until it is asked to stop. The least program around [`cede_net::server`]; `cede serve` has
//! tokens that can be changed while it runs, and logs.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cede_net::server::{self, Access, Config};
use cede_net::store::RedbStore;
use cede_net::tokens;

const USAGE: &str = "usage: cede-server [--listen 127.0.0.1:4000] [--store rooms.redb] [--tokens FILE] \
                     [--allow-origin https://…]… [--allow-host NAME]…";

struct Options {
    listen: SocketAddr,
    store: PathBuf,
    config: Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("cede-server: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), String> {
    let Some(options) = options(std::env::args().skip(1))? else {
        println!("{USAGE}");
        return Ok(());
    };
    let cannot_listen = |error| format!("cannot listen on {}: {error}", options.listen);
    let listener = server::listen(options.listen).map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    // After the port: one that is started twice touches nothing.
    let store = RedbStore::open(&options.store).map_err(|error| format!("{}: {error}", options.store.display()))?;
    println!("serving ws://{address}/ROOM");
    server::run(listener, options.config, store, server::asked_to_stop()).await.map_err(|error| error.to_string())
}

/// `None`: help was asked for.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
        store: PathBuf::from("rooms.redb"),
        config: Config::default(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--listen" => {
                let address = value()?;
                options.listen = address.parse().map_err(|_| format!("{address} is not ADDR:PORT"))?;
            }
            "--store" => options.store = value()?.into(),
            "--allow-host" => options.config.allowed_hosts.push(value()?),
            "--tokens" => {
                let file = value()?;
                let grants = tokens::read(Path::new(&file)).map_err(|error| format!("{file}: {error}"))?;
                options.config.access = Access::tokens(grants);
            }
            "--allow-origin" => options.config.allowed_origins.push(value()?),
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{argument:?} is not known\n{USAGE}")),
        }
    }
    Ok(Some(options))
}
