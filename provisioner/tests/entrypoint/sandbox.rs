//! A folder that plays the root of a node, and the shells that play the node's.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);
/// What scripts may use of a node's tools.
const APPLETS: [&str; 18] = [
    "cat", "cmp", "cp", "date", "env", "grep", "hostname", "kill", "ls", "mkdir", "mv", "rm",
    "sed", "sh", "sleep", "touch", "tr", "true",
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shell {
    /// A small shell with the tools of this machine.
    Dash,
    /// The shell and the tools of k3s's image.
    Busybox,
}

pub(crate) const SHELLS: [Shell; 2] = [Shell::Dash, Shell::Busybox];

pub(crate) struct Sandbox {
    folder: TempDir,
    shell: Shell,
}

impl Sandbox {
    pub(crate) fn new(shell: Shell) -> Self {
        let sandbox = Self {
            folder: tempfile::tempdir().unwrap(),
            shell,
        };
        for folder in ["bin", "tools", "etc/k3d", "var/log", "sys/fs/cgroup"] {
            fs::create_dir_all(sandbox.path(folder)).unwrap();
        }
        if shell == Shell::Busybox {
            for name in APPLETS {
                symlink(busybox(), sandbox.path("tools").join(name)).unwrap();
            }
        }
        sandbox
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn get(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A script that runs in the shell of this node.
    pub(crate) fn put_script(&self, path: &str, text: &str) {
        let first_line = match self.shell {
            Shell::Dash => "#!/bin/dash".to_owned(),
            Shell::Busybox => format!("#!{} sh", busybox().display()),
        };
        self.put(path, &text.replacen("#!/bin/sh", &first_line, 1));
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program that the scripts call, played by a script.
    pub(crate) fn put_tool(&self, name: &str, text: &str) {
        self.put_script(&format!("tools/{name}"), &format!("#!/bin/sh\n{text}\n"));
    }

    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.path(script));
        let tools = self.path("tools");
        let path = match self.shell {
            Shell::Dash => format!("{}:/usr/bin:/bin", tools.display()),
            Shell::Busybox => tools.display().to_string(),
        };
        command
            .env_clear()
            .env("PATH", path)
            .env("HOSTNAME", "k3d-demo-server-0")
            .env("K3D_ENTRYPOINT_ROOT", self.folder.path())
            // The shell of busybox takes its own mount, whatever stands in the path.
            .env("K3D_ENTRYPOINT_MOUNT", tools.join("mount-of-the-test"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, script: &str) -> Output {
        self.command(script).output().unwrap()
    }

    pub(crate) fn run_well(&self, script: &str) {
        let output = self.run(script);
        assert!(output.status.success(), "{:?}: {output:?}", self.shell);
    }

    /// Checks a script without running it.
    pub(crate) fn check(&self, script: &[u8]) -> Output {
        let mut command = match self.shell {
            Shell::Dash => Command::new("/bin/dash"),
            Shell::Busybox => Command::new(busybox()),
        };
        if self.shell == Shell::Busybox {
            command.arg("sh");
        }
        let mut child = command
            .arg("-n")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Waits until the file says something that is wanted.
    pub(crate) fn wait_for(&self, path: &str, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.get(path);
            if wanted(&text) {
                return text;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "{:?}: {path} says: {text}\n{}",
                self.shell,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the entrypoint wrote this down.
    pub(crate) fn wait_for_log(&self, wanted: &str) {
        let start = Instant::now();
        while !self.log().contains(wanted) {
            assert!(
                start.elapsed() < DEADLINE,
                "{:?}: {}",
                self.shell,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the entrypoint wrote down.
    pub(crate) fn log(&self) -> String {
        let logs = fs::read_dir(self.path("var/log")).unwrap();
        let texts = logs.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        texts.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn terminate(child: &Child) {
    let status = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// The exit code of a child that is about to end.
pub(crate) fn end_of(mut child: Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn busybox() -> &'static Path {
    let places = ["/usr/bin/busybox", "/bin/busybox"];
    let found = places.into_iter().map(Path::new).find(|path| path.exists());
    found.expect("busybox is installed: apt-get install busybox-static")
}
