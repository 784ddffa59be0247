//! The real program, in a process of its own: it can be killed, and its memory is its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cede_net::client::Target;

pub(crate) struct Program {
    child: Child,
    pub(crate) target: Target,
}

impl Program {
    pub(crate) fn start(file: &Path, listen: &str, more: &[&str]) -> Self {
        Self::start_in(&[], file, listen, more)
    }

    /// A program whose allocator gives back at once what is not in use, so that its memory tells what it holds: what
    /// glibc's keeps otherwise differs from run to run by half of it.
    pub(crate) fn start_frugal(file: &Path, listen: &str) -> Self {
        let frugal = [
            ("MALLOC_ARENA_MAX", "1"),
            ("MALLOC_MMAP_THRESHOLD_", "16384"),
            ("MALLOC_TOP_PAD_", "0"),
            ("MALLOC_TRIM_THRESHOLD_", "0"),
        ];
        Self::start_in(&frugal, file, listen, &[])
    }

    fn start_in(environment: &[(&str, &str)], file: &Path, listen: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cede-server"))
            .envs(environment.iter().copied())
            .args(["--listen", listen, "--store"])
            .arg(file)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("serving ").expect("the program says where it serves");
        let target = Target::parse(&url.replace("ROOM", "notes")).unwrap();
        Self { child, target }
    }

    /// What it says when it cannot start.
    pub(crate) fn fails(file: &Path, listen: &str) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_cede-server"));
        let output = program.args(["--listen", listen, "--store"]).arg(file).output().unwrap();
        assert!(!output.status.success(), "it starts");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The same server, another room.
    pub(crate) fn room(&self, name: &str) -> Target {
        Target::new(self.target.host(), self.target.port(), name.parse().unwrap())
    }

    /// What it holds of the machine's memory, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// SIGTERM, as a machine that shuts down sends it.
    pub(crate) fn terminate(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        assert!(self.child.wait().unwrap().success(), "it ends as wished");
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
