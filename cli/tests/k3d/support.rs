//! The binary under both of its names, and servers on loopback.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::process::{Command, Output};
use std::thread;

pub(crate) struct Program {
    pub(crate) folder: tempfile::TempDir,
}

impl Program {
    /// The binary under both of its names.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["berth", "k3d"] {
            symlink(env!("CARGO_BIN_EXE_berth"), folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn run(&self, line: &str) -> Answer {
        self.run_with(line, &[])
    }

    pub(crate) fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Answer {
        let mut words = line.split(' ');
        let output = Command::new(self.folder.path().join(words.next().unwrap()))
            .args(words.filter(|word| !word.is_empty()))
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", self.folder.path())
            .env("HOME", self.folder.path())
            // No Engine: names are not completed, commands that need one fail.
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Answer::from(&output)
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<&Output> for Answer {
    fn from(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

/// Answers each request with what `answer` makes of its first line and its headers, until the test ends.
pub(crate) fn serve(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = read_head(&mut stream);
            let line = head.lines().next().unwrap_or_default();
            stream.write_all(answer(line, &head).as_bytes()).unwrap();
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}
