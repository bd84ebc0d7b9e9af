//! Killed, or refused by the kernel, at every system call in turn: each file is the old one or the new one, whole,
//! and the next run heals whatever was left. `strace` does the killing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use node_files::Reason;

use crate::node::{Node, output, stderr};

const SIGKILL: i32 = 9;
const MAX_CALLS: usize = 1_000;

const FIRST: &str = "0000000000000001.ca.crt";
const KEPT: &str = "0000000000000002.client.pem";
const LAST: &str = "0000000000000003.ca.crt";
const ORIGINAL: &str = "# theirs\nmirrors: {}\n";

fn document(names: [&str; 2]) -> String {
    let config = |name: &str| {
        format!("  host-{name}:\n    tls:\n      ca_file: /etc/rancher/k3s/berth/{name}\n")
    };
    format!("configs:\n{}{}", config(names[0]), config(names[1]))
}

/// A revision and its certificate files, all different from those of the other one.
fn set_revision(node: &Node, names: [&str; 2], version: &str) -> String {
    fs::remove_dir_all(node.source()).unwrap();
    fs::create_dir(node.source()).unwrap();
    let document = document(names);
    node.set_source("registries.yaml", &document);
    for name in names {
        node.set_source(&format!("tls.{name}"), &pem(name, version));
    }
    document
}

fn pem(name: &str, version: &str) -> String {
    format!("PEM {version} of {name}\n").repeat(200)
}

/// A node on its way from one revision to the next, or from the original to the first.
struct Change {
    node: Node,
    old: String,
    new: String,
    arguments: Vec<String>,
}

impl Change {
    fn first() -> Self {
        let node = Node::new();
        node.set_document(ORIGINAL);
        let new = set_revision(&node, [KEPT, LAST], "2");
        let arguments = node.arguments("once");
        Self {
            node,
            old: ORIGINAL.to_owned(),
            new,
            arguments,
        }
    }

    fn next() -> Self {
        let node = Node::new();
        node.set_document(ORIGINAL);
        let old = set_revision(&node, [FIRST, KEPT], "1");
        assert!(node.once().status.success());
        let new = set_revision(&node, [KEPT, LAST], "2");
        let arguments = node.arguments("once");
        Self {
            node,
            old,
            new,
            arguments,
        }
    }

    fn restore() -> Self {
        let Self { node, new: old, .. } = Self::next();
        assert!(node.once().status.success());
        let arguments = node.arguments_for("once", "--restore");
        Self {
            node,
            old,
            new: ORIGINAL.to_owned(),
            arguments,
        }
    }

    fn traced(&self, injection: &str) -> Output {
        Command::new("strace")
            .args(["-f", "-qq", "-e", injection, "-o"])
            .arg(self.node.path("trace"))
            .arg(env!("CARGO_BIN_EXE_node-writer"))
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
    }

    /// Returns what stands there: the old document or the new one.
    fn assert_whole(&self, when: &str) -> String {
        let found = self.node.read();
        assert!(
            found == self.old || found == self.new,
            "{when}: neither old nor new:\n{found}"
        );
        for name in [FIRST, KEPT, LAST] {
            let text = fs::read_to_string(self.node.own(name)).ok();
            assert!(
                !found.contains(name) || text.is_some(),
                "{when}: {name} is named and missing"
            );
            let known = [pem(name, "1"), pem(name, "2")];
            assert!(
                text.is_none_or(|text| known.contains(&text)),
                "{when}: {name} is not whole"
            );
        }
        let own = fs::read_to_string(self.node.own("original.yaml")).ok();
        assert!(
            own.is_none_or(|text| text == ORIGINAL),
            "{when}: the original is not whole"
        );
        let previous = fs::read_to_string(self.node.own("previous.yaml")).ok();
        let known = [ORIGINAL, &document([FIRST, KEPT]), &document([KEPT, LAST])];
        assert!(
            previous.is_none_or(|text| known.contains(&text.as_str())),
            "{when}: the previous file"
        );
        found
    }

    fn assert_heals(&self, when: &str) {
        let result = output(&self.arguments);
        assert!(result.status.success(), "{when}: {}", stderr(&result));
        assert_eq!(self.assert_whole(when), self.new, "{when}");
        let mut left = BTreeSet::new();
        for folder in [self.node.folder(), self.node.folder().join("berth")] {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                left.insert(entry.unwrap().file_name().into_string().unwrap());
            }
        }
        let expected: &[&str] = if self.new == ORIGINAL {
            &["registries.yaml"]
        } else {
            &[
                KEPT,
                LAST,
                "berth",
                "lock",
                "original.yaml",
                "previous.yaml",
                "registries.yaml",
            ]
        };
        assert_eq!(
            left,
            expected.iter().map(|name| (*name).to_owned()).collect(),
            "{when}"
        );
    }
}

fn kill_at_every_call(make: fn() -> Change) {
    let mut seen = BTreeSet::new();
    let mut kills = 0;
    // strace counts each kind of call for itself.
    for call in calls_made_by(&make()) {
        for count in 1..MAX_CALLS {
            let change = make();
            let result = change.traced(&format!("inject={call}:signal=KILL:when={count}"));
            let when = format!("killed at {call} {count}");
            if result.status.success() {
                assert_eq!(change.assert_whole(&when), change.new);
                break;
            }
            assert_eq!(
                result.status.signal(),
                Some(SIGKILL),
                "{when}: {}",
                stderr(&result)
            );
            kills += 1;
            seen.insert(change.assert_whole(&when));
            change.assert_heals(&when);
        }
    }
    assert!(kills > 100, "only {kills} kills");
    assert_eq!(
        seen.len(),
        2,
        "no kill left the old file, or none the new one"
    );
}

/// The kinds of system calls of an unharmed run.
fn calls_made_by(change: &Change) -> BTreeSet<String> {
    assert!(change.traced("trace=all").status.success());
    let trace = fs::read_to_string(change.node.path("trace")).unwrap();
    // With -f each line begins with the process: `123 openat(...`.
    let calls = trace
        .lines()
        .filter_map(|line| line.split_once('(')?.0.split_whitespace().last());
    let calls: BTreeSet<String> = calls
        .filter(|call| *call != "execve")
        .map(str::to_owned)
        .collect();
    assert!(
        ["openat", "write", "fsync", "renameat"]
            .iter()
            .all(|call| calls.contains(*call)),
        "{calls:?}"
    );
    calls
}

#[test]
fn killed_anywhere_in_the_first_write_it_leaves_the_old_file_or_the_new_one() {
    kill_at_every_call(Change::first);
}

#[test]
fn killed_anywhere_in_a_change_it_leaves_the_old_file_or_the_new_one() {
    kill_at_every_call(Change::next);
}

#[test]
fn killed_anywhere_in_a_restore_it_leaves_the_old_file_or_the_original() {
    kill_at_every_call(Change::restore);
}

fn fail_every_call(make: fn() -> Change, error: &str, reason: Reason) {
    let mut failures = 0;
    for call in [
        "openat", "write", "fsync", "fchmod", "renameat", "linkat", "mkdirat", "unlinkat", "flock",
        "fstat",
    ] {
        for count in 1..MAX_CALLS {
            let change = make();
            let result = change.traced(&format!("inject={call}:error={error}:when={count}"));
            let when = format!("{call} {count} failed with {error}");
            change.assert_whole(&when);
            let loaded = result.status.code() != Some(127);
            if loaded && !result.status.success() {
                assert_eq!(result.status.code(), Some(1), "{when}: {}", stderr(&result));
                let report = change.node.report().unwrap();
                // A source that cannot be read has a reason of its own.
                assert!(
                    [reason, Reason::SecretUnreadable].contains(&report.reason),
                    "{when}: {report:?}"
                );
                failures += 1;
            }
            change.assert_heals(&when);
            let trace = fs::read_to_string(change.node.path("trace")).unwrap();
            if !trace.contains("INJECTED") {
                break;
            }
        }
    }
    assert!(failures > 15, "only {failures} failures");
}

#[test]
fn a_disk_that_is_full_at_any_moment_loses_nothing() {
    fail_every_call(Change::next, "ENOSPC", Reason::DiskFull);
}

#[test]
fn a_folder_that_turns_read_only_at_any_moment_loses_nothing() {
    fail_every_call(Change::first, "EROFS", Reason::FolderReadOnly);
}

#[test]
fn a_disk_that_fails_at_any_moment_loses_nothing() {
    fail_every_call(Change::next, "EIO", Reason::WriteFailed);
}
