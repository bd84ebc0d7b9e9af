//! The agent's own binary.

use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Agent {
    process: Child,
    home: tempfile::TempDir,
}

impl Agent {
    pub(crate) fn start(socket: &Path, certs_d: &Path, server: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_berth-tracer-agent"))
            .env_clear()
            .arg("--node-name=worker-3")
            .arg(format!("--server-url={server}"))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--certs-d={}", certs_d.display()))
            .args(["--http-address=127.0.0.1:0", "--report-interval=200ms"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { process, home }
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the agent said:\n{}", self.log());
        }
    }
}
