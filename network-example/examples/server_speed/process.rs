//! A server in a process of its own, and what that process has cost.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cede_net::server::{self, Config};
use cede_net::store::RedbStore;
use tokio::net::TcpListener;

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Relay,
    Server,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Relay { "bare relay" } else { "Cede" })
    }
}

/// See the module.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    store: std::path::PathBuf,
}

impl Process {
    pub(crate) fn start(kind: Kind) -> Self {
        let store = std::env::temp_dir().join(format!("cede-server-speed-{}.redb", std::process::id()));
        let _ = fs::remove_file(&store);
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        match kind {
            Kind::Relay => command.arg("relay"),
            Kind::Server => command.arg("serve").arg(&store),
        };
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        Self { child, address: line.trim().parse().expect("an address"), store }
    }

    /// Time of the processor so far, of all of its threads.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("Linux");
        let nanos = tasks.filter_map(|task| {
            let times = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            times.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.store);
    }
}

/// Runs Cede's server until the process is ended.
pub(crate) async fn serve(store: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let store = RedbStore::open(store).expect("a store");
    server::run(listener, Config::default(), store, std::future::pending()).await.expect("a server");
}
