//! The load balancer as a process: how fast it listens, its signals, both families of addresses.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::support::{STARTED, free_port};

struct Process {
    child: Child,
    log: Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, as most tests want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values.yaml");
        std::fs::write(&path, file).unwrap();
        let mut child = Command::new(program())
            .arg(&path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            log,
            _folder: folder,
        }
    }

    fn logged(&self, text: &str) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left).unwrap();
            if line.contains(text) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }
}

/// The example lies beside this test's own folder.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let built = own.parent().unwrap().parent().unwrap();
    let program = built.join("examples/load_balancer");
    assert!(
        program.exists(),
        "{} is built with the tests: cargo build -p provisioner --examples",
        program.display()
    );
    program
}

fn file(port: u16) -> String {
    format!("ports:\n  {port}.tcp:\n  - nobody.invalid\n")
}

#[test]
fn it_listens_within_a_second_at_both_families_of_addresses() {
    let port = free_port();
    let start = Instant::now();
    let process = Process::start(&file(port));
    process.logged(STARTED);
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", port)).unwrap();
    }
}

#[test]
fn the_signals_that_end_it_end_it_at_once_and_well() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let port = free_port();
        let mut process = Process::start(&file(port));
        process.logged(STARTED);
        let _open = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let start = Instant::now();
        process.signal(signal);
        assert!(process.child.wait().unwrap().success(), "{signal:?}");
        assert!(start.elapsed() < Duration::from_secs(1), "{signal:?}");
    }
}

#[test]
fn hang_up_applies_the_file_again() {
    let process = Process::start(&file(free_port()));
    process.logged(STARTED);
    process.signal(Signal::HUP);
    process.logged(STARTED);
}
