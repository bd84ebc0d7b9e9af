//! A node for tests: a source folder, a host folder, and the real binary between them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use node_files::Report;
use tempfile::TempDir;

pub(crate) const REVISION: &str = "4c1f0a9b2d";
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) root: TempDir,
}

impl Node {
    pub(crate) fn new() -> Self {
        let node = Self {
            root: TempDir::new().unwrap(),
        };
        fs::create_dir_all(node.source()).unwrap();
        node
    }

    pub(crate) fn with(document: &str) -> Self {
        let node = Self::new();
        node.set_source("registries.yaml", document);
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.path("config")
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.path("etc/rancher/k3s")
    }

    pub(crate) fn document(&self) -> PathBuf {
        self.folder().join("registries.yaml")
    }

    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.folder().join("berth").join(name)
    }

    pub(crate) fn termination_log(&self) -> PathBuf {
        self.path("termination-log")
    }

    /// What people had before us.
    pub(crate) fn set_document(&self, text: &str) {
        fs::create_dir_all(self.folder()).unwrap();
        fs::write(self.document(), text).unwrap();
    }

    pub(crate) fn set_source(&self, key: &str, text: &str) {
        fs::write(self.source().join(key), text).unwrap();
    }

    pub(crate) fn read(&self) -> String {
        fs::read_to_string(self.document()).unwrap_or_default()
    }

    pub(crate) fn arguments(&self, command: &str) -> Vec<String> {
        let goal = vec!["--source".to_owned(), self.source().display().to_string()];
        [vec![command.to_owned()], goal, self.common_arguments()].concat()
    }

    /// `--record` or `--restore` instead of a source.
    pub(crate) fn arguments_for(&self, command: &str, goal: &str) -> Vec<String> {
        [
            vec![command.to_owned(), goal.to_owned()],
            self.common_arguments(),
        ]
        .concat()
    }

    fn common_arguments(&self) -> Vec<String> {
        let (folder, log) = (self.folder(), self.termination_log());
        let pairs = [
            ("--folder", folder.to_str().unwrap()),
            ("--revision", REVISION),
            ("--termination-log", log.to_str().unwrap()),
        ];
        pairs
            .iter()
            .flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()])
            .collect()
    }

    pub(crate) fn once(&self) -> Output {
        output(&self.arguments("once"))
    }

    pub(crate) fn status(&self) -> Output {
        output(&self.arguments("status"))
    }

    pub(crate) fn report(&self) -> Option<Report> {
        Report::parse(&fs::read_to_string(self.termination_log()).ok()?)
    }

    pub(crate) fn run(&self) -> Running {
        Running::start(&self.arguments("run"), &self.path("run.log"))
    }
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_node-writer"));
    command.env_clear();
    command
}

pub(crate) fn output(arguments: &[String]) -> Output {
    binary().args(arguments).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A node-writer that stays. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn start(arguments: &[String], log: &Path) -> Self {
        let child = binary()
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            log: log.to_path_buf(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        wait_until(what, condition, || self.log());
    }

    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "still running:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool, dump: impl Fn() -> String) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < DEADLINE,
            "waited in vain: {what}\n{}",
            dump()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
