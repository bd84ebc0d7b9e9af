//! `run`: what it watches, what it repairs, when it stops, how it ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use node_files::Reason;

use crate::node::{Node, Running, output, wait_until};

const OURS: &str = "mirrors: {docker.io: {endpoint: [\"https://mirror.internal\"]}}\n";
const THEIRS: &str = "mirrors: {}\n";

fn settled(node: &Node) -> Running {
    let running = node.run();
    running.wait_until("the first write", || {
        node.read() == OURS && is_waiting(running.pid())
    });
    running
}

/// Whether the process sits in poll(2) without a time-out: nothing but an event wakes it.
fn is_waiting(pid: u32) -> bool {
    // poll on x86-64, ppoll on x86-64 and arm64.
    let Ok(call) = fs::read_to_string(format!("/proc/{pid}/syscall")) else {
        return false;
    };
    let words: Vec<&str> = call.split_whitespace().collect();
    match words.first() {
        Some(&"7") => matches!(words[3], "0xffffffff" | "0xffffffffffffffff"),
        Some(&("271" | "73")) => words[3] == "0x0",
        _ => false,
    }
}

#[test]
fn waiting_has_no_timer_and_no_second_thread() {
    let node = Node::with(OURS);
    let running = settled(&node);
    let threads = fs::read_dir(format!("/proc/{}/task", running.pid()))
        .unwrap()
        .count();
    assert_eq!(threads, 1);
}

#[test]
fn a_file_that_is_edited_removed_replaced_or_opened_up_is_put_back() {
    for damage in ["edit", "remove", "replace", "mode"] {
        let node = Node::with(OURS);
        let running = settled(&node);
        match damage {
            "edit" => fs::write(node.document(), THEIRS).unwrap(),
            "remove" => fs::remove_file(node.document()).unwrap(),
            "mode" => {
                fs::set_permissions(node.document(), fs::Permissions::from_mode(0o644)).unwrap();
            }
            _ => {
                fs::write(node.folder().join("new"), THEIRS).unwrap();
                fs::rename(node.folder().join("new"), node.document()).unwrap();
            }
        }
        running.wait_until(damage, || {
            let mode =
                fs::metadata(node.document()).map_or(0, |file| file.permissions().mode() & 0o777);
            node.read() == OURS
                && mode == 0o600
                && running.log().contains("putting the revision back")
        });
        assert!(node.status().status.success());
    }
}

#[test]
fn what_somebody_wrote_is_kept_as_the_previous_file() {
    let node = Node::with(OURS);
    let running = settled(&node);
    fs::write(node.document(), THEIRS).unwrap();
    running.wait_until("the repair", || node.read() == OURS);
    assert_eq!(
        fs::read_to_string(node.own("previous.yaml")).unwrap(),
        THEIRS
    );
}

#[test]
fn our_own_folder_comes_back_when_it_is_removed() {
    let node = Node::with(OURS);
    let running = settled(&node);
    fs::remove_dir_all(node.folder()).unwrap();
    running.wait_until("both folders", || {
        node.read() == OURS && node.own("lock").exists()
    });
    running.wait_until("waiting again", || is_waiting(running.pid()));
    fs::write(node.document(), THEIRS).unwrap();
    running.wait_until("a repair after that", || node.read() == OURS);
}

#[test]
fn a_volume_that_the_kubelet_swaps_is_followed() {
    let node = Node::new();
    let source = node.source();
    let fill = |revision: &str, text: &str| {
        fs::create_dir(source.join(revision)).unwrap();
        fs::write(source.join(revision).join("registries.yaml"), text).unwrap();
        symlink(revision, source.join("..data_tmp")).unwrap();
        fs::rename(source.join("..data_tmp"), source.join("..data")).unwrap();
    };
    fill("..1", OURS);
    symlink("..data/registries.yaml", source.join("registries.yaml")).unwrap();
    let running = settled(&node);
    for (count, text) in [
        "mirrors: {a: {}}\n",
        "mirrors: {b: {}}\n",
        "mirrors: {c: {}}\n",
        THEIRS,
        OURS,
    ]
    .into_iter()
    .enumerate()
    {
        fill(&format!("..{}", count + 2), text);
        running.wait_until("the new revision", || node.read() == text);
    }
    assert!(
        !running.log().contains("Somebody else"),
        "{}",
        running.log()
    );
}

#[test]
fn a_second_node_writer_is_refused_and_told_who_was_first() {
    let node = Node::with(OURS);
    let running = settled(&node);
    let second = node.run();
    assert_eq!(second.wait().code(), Some(1));
    let report = node.report().unwrap();
    assert_eq!(report.reason, Reason::OwnedByAnother);
    assert!(
        report.message.contains(&format!("pid {}", running.pid())),
        "{}",
        report.message
    );
    drop(running);
    assert!(node.once().status.success());
}

#[test]
fn one_that_only_records_is_at_peace_with_the_owner() {
    let node = Node::with(OURS);
    let running = settled(&node);
    let arguments = node.arguments_for("run", "--record");
    let recording = Running::start(&arguments, &node.path("record.log"));
    recording.wait_until("waiting", || is_waiting(recording.pid()));
    assert!(
        output(&node.arguments_for("status", "--record"))
            .status
            .success()
    );
    fs::write(node.document(), THEIRS).unwrap();
    running.wait_until("the repair by the owner", || node.read() == OURS);
    assert_eq!(recording.terminate().code(), Some(0));
}

#[test]
fn a_signal_ends_it_at_once_and_restores_nothing() {
    let node = Node::with(OURS);
    node.set_document(THEIRS);
    let running = settled(&node);
    let started = Instant::now();
    assert_eq!(running.terminate().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(node.read(), OURS);
    assert!(node.own("original.yaml").exists());
}

#[test]
fn after_a_restore_it_stays_and_touches_nothing_more() {
    let node = Node::with(OURS);
    node.set_document(THEIRS);
    node.once();
    let restoring = Running::start(
        &node.arguments_for("run", "--restore"),
        &node.path("restore.log"),
    );
    restoring.wait_until("the restore", || {
        node.read() == THEIRS && is_waiting(restoring.pid())
    });
    assert!(
        output(&node.arguments_for("status", "--restore"))
            .status
            .success()
    );
    assert!(
        node.once().status.success(),
        "the folder is free for the next owner"
    );
    assert_eq!(node.read(), OURS);
    assert_eq!(restoring.terminate().code(), Some(0));
    assert_eq!(node.read(), OURS);
}

#[test]
fn a_failed_pass_ends_with_one_and_a_report() {
    let node = Node::with(OURS);
    let running = settled(&node);
    fs::remove_file(node.document()).unwrap();
    fs::create_dir(node.document()).unwrap();
    assert_eq!(running.wait().code(), Some(1));
    assert_eq!(node.report().unwrap().reason, Reason::WriteFailed);
}

#[test]
fn after_three_repairs_it_stops_and_says_who_keeps_writing() {
    let node = Node::with(OURS);
    let running = settled(&node);
    let theirs = "# made-up-secret, Ansible managed\nmirrors: {}\n";
    for _ in 0..3 {
        fs::write(node.document(), theirs).unwrap();
        running.wait_until("a repair", || {
            node.read() == OURS && is_waiting(running.pid())
        });
    }
    fs::write(node.document(), theirs).unwrap();
    assert_eq!(running.wait().code(), Some(1));
    assert_eq!(node.read(), theirs);
    assert!(!node.status().status.success());
    let report = node.report().unwrap();
    assert_eq!(report.reason, Reason::FileContested);
    let user = format!("user {}", rustix::process::geteuid().as_raw());
    for part in ["registries.yaml", &user, "Ansible"] {
        assert!(report.message.contains(part), "{part}: {}", report.message);
    }
    assert!(!report.message.contains("made-up"), "{}", report.message);

    // The kubelet starts it again: the same revision does not begin the same fight.
    fs::remove_file(node.termination_log()).unwrap();
    assert_eq!(node.run().wait().code(), Some(1));
    assert_eq!(node.report().unwrap(), report);
    assert_eq!(node.read(), theirs);

    // Another revision is a new start.
    let mut arguments = node.arguments("run");
    let place = arguments
        .iter()
        .position(|argument| argument == crate::node::REVISION)
        .unwrap();
    arguments[place] = "another".to_owned();
    let other = Running::start(&arguments, &node.path("other.log"));
    other.wait_until("the other revision", || node.read() == OURS);
    wait_until(
        "the mark is gone",
        || !node.own("contested.json").exists(),
        || other.log(),
    );
}

#[test]
fn on_a_node_of_rancher_the_agent_of_rancher_is_named() {
    let node = Node::with(OURS);
    let mark = node.folder().join("config.yaml.d");
    fs::create_dir_all(&mark).unwrap();
    fs::write(mark.join("50-rancher.yaml"), "{}").unwrap();
    let running = settled(&node);
    for _ in 0..3 {
        fs::remove_file(node.document()).unwrap();
        running.wait_until("a repair", || {
            node.read() == OURS && is_waiting(running.pid())
        });
    }
    fs::remove_file(node.document()).unwrap();
    assert_eq!(running.wait().code(), Some(1));
    let message = node.report().unwrap().message;
    assert!(
        message.contains("rancher-system-agent") && message.contains("it was removed"),
        "{message}"
    );
}

#[test]
fn an_editor_that_saves_in_steps_counts_once() {
    let node = Node::with(OURS);
    let running = settled(&node);
    let save = |path: &Path| {
        fs::rename(path, path.with_extension("yaml~")).unwrap();
        fs::write(path, THEIRS).unwrap();
        fs::remove_file(path.with_extension("yaml~")).unwrap();
    };
    for _ in 0..3 {
        save(&node.document());
        running.wait_until("a repair", || {
            node.read() == OURS && is_waiting(running.pid())
        });
    }
    assert_eq!(
        running.log().matches("Somebody else").count(),
        3,
        "{}",
        running.log()
    );
}
