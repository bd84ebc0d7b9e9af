//! `once` and `status`: exit codes, the line of the probe, the termination message.

use std::fs;
use std::os::unix::fs::symlink;

use node_files::Reason;

use crate::node::{Node, REVISION, output, stderr, stdout};

const DOCUMENT: &str = "mirrors: {docker.io: {endpoint: [\"https://mirror.internal\"]}}\n";

#[test]
fn once_writes_and_status_turns_ready() {
    let node = Node::with(DOCUMENT);
    let before = node.status();
    assert_eq!(before.status.code(), Some(1));
    assert!(
        stdout(&before).starts_with("not ready: "),
        "{}",
        stdout(&before)
    );
    assert!(node.once().status.success());
    assert_eq!(node.read(), DOCUMENT);
    let after = node.status();
    assert_eq!(after.status.code(), Some(0));
    let expected = format!(
        "ready: {} equals revision {REVISION}\n",
        node.document().display()
    );
    assert_eq!(stdout(&after), expected);
    assert_eq!(node.report(), None);
}

#[test]
fn status_keeps_no_state_and_writes_nothing() {
    let node = Node::with(DOCUMENT);
    assert_eq!(node.status().status.code(), Some(1));
    assert!(!node.folder().exists());
    node.once();
    fs::write(node.document(), "mirrors: {}\n").unwrap();
    let line = stdout(&node.status());
    assert!(
        line.starts_with("not ready: ") && line.contains("registries.yaml"),
        "{line}"
    );
    node.once();
    node.set_source("registries.yaml", "mirrors: {}\n");
    assert_eq!(node.status().status.code(), Some(1));
}

#[test]
fn certificate_files_travel_with_the_document() {
    let node = Node::new();
    let id = node_files::layout::tls_id("mirror.internal");
    let name = format!("{id}.ca.crt");
    let document = format!(
        "configs: {{mirror.internal: {{tls: {{ca_file: /etc/rancher/k3s/berth/{name}}}}}}}\n"
    );
    node.set_source("registries.yaml", &document);
    let refused = node.once();
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(node.report().unwrap().reason, Reason::InvalidDocument);
    assert_eq!(node.read(), "");
    node.set_source(&format!("tls.{name}"), "PEM");
    assert!(node.once().status.success());
    assert_eq!(fs::read_to_string(node.own(&name)).unwrap(), "PEM");
    fs::remove_file(node.own(&name)).unwrap();
    assert!(stdout(&node.status()).contains(&name));
    node.once();
    node.set_source("registries.yaml", DOCUMENT);
    fs::remove_file(node.source().join(format!("tls.{name}"))).unwrap();
    node.once();
    assert!(!node.own(&name).exists());
}

#[test]
fn a_document_that_k3s_cannot_read_never_reaches_the_node() {
    let node = Node::with(DOCUMENT);
    node.once();
    node.set_source("registries.yaml", "mirrors: [made-up-secret\n");
    let result = node.once();
    assert_eq!(result.status.code(), Some(1));
    let report = node.report().unwrap();
    assert_eq!(
        (report.reason, report.revision.as_str()),
        (Reason::InvalidDocument, REVISION)
    );
    assert!(
        report.message.contains("line ") && !report.message.contains("made-up"),
        "{}",
        report.message
    );
    assert_eq!(node.read(), DOCUMENT);
    assert!(stdout(&node.status()).starts_with("not ready: InvalidDocument: "));
}

#[test]
fn a_missing_secret_is_reported_as_unreadable() {
    let node = Node::new();
    assert_eq!(node.once().status.code(), Some(1));
    assert_eq!(node.report().unwrap().reason, Reason::SecretUnreadable);
    fs::remove_dir(node.source()).unwrap();
    node.once();
    let report = node.report().unwrap();
    assert_eq!(report.reason, Reason::SecretUnreadable);
    assert!(
        report.message.contains(node.source().to_str().unwrap()),
        "{}",
        report.message
    );
}

#[test]
fn a_link_or_directory_in_place_of_the_file_is_reported_and_left_alone() {
    let node = Node::with(DOCUMENT);
    fs::create_dir_all(node.folder()).unwrap();
    let outside = node.path("outside.yaml");
    fs::write(&outside, "theirs").unwrap();
    symlink(&outside, node.document()).unwrap();
    assert_eq!(node.once().status.code(), Some(1));
    assert_eq!(node.report().unwrap().reason, Reason::OwnedByAnother);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "theirs");
    fs::remove_file(node.document()).unwrap();
    fs::create_dir(node.document()).unwrap();
    assert_eq!(node.once().status.code(), Some(1));
    let report = node.report().unwrap();
    assert_eq!(report.reason, Reason::WriteFailed);
    assert!(
        report.message.contains("it is a directory"),
        "{}",
        report.message
    );
}

#[test]
fn recording_keeps_what_is_there_and_writes_nothing_else() {
    let node = Node::new();
    node.set_document("theirs: 1\n");
    let status = node.arguments_for("status", "--record");
    assert_eq!(output(&status).status.code(), Some(1));
    let result = output(&node.arguments_for("once", "--record"));
    assert!(result.status.success(), "{}", stderr(&result));
    assert_eq!(output(&status).status.code(), Some(0));
    assert_eq!(node.read(), "theirs: 1\n");
    assert_eq!(
        fs::read_to_string(node.own("original.yaml")).unwrap(),
        "theirs: 1\n"
    );
}

#[test]
fn restoring_brings_the_original_back_byte_for_byte() {
    for original in [None, Some("# mine\nmirrors: {}\n"), Some("not: [yaml\n")] {
        let node = Node::with(DOCUMENT);
        if let Some(text) = original {
            node.set_document(text);
        }
        node.once();
        assert_eq!(node.read(), DOCUMENT);
        let status = node.arguments_for("status", "--restore");
        assert_eq!(output(&status).status.code(), Some(1));
        let result = output(&node.arguments_for("once", "--restore"));
        assert!(result.status.success(), "{}", stderr(&result));
        assert_eq!(output(&status).status.code(), Some(0));
        assert_eq!(node.document().exists(), original.is_some());
        assert_eq!(node.read(), original.unwrap_or_default());
        assert!(!node.folder().join("berth").exists());
    }
}

#[test]
fn restoring_a_node_that_was_never_written_to_leaves_it_alone() {
    let node = Node::new();
    node.set_document("theirs: 1\n");
    assert!(
        output(&node.arguments_for("once", "--restore"))
            .status
            .success()
    );
    assert_eq!(node.read(), "theirs: 1\n");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_two_and_says_the_mend() {
    let node = Node::with(DOCUMENT);
    let both = [node.arguments("run"), vec!["--restore".into()]].concat();
    let result = output(&both);
    assert_eq!(result.status.code(), Some(2));
    assert!(stderr(&result).contains("exactly one of --source DIR, --record and --restore"));
    assert!(!node.folder().exists());
}

#[test]
fn everything_can_come_from_the_environment() {
    let node = Node::with(DOCUMENT);
    let mut command = crate::node::binary();
    command.arg("once");
    command
        .env("BERTH_SOURCE", node.source())
        .env("BERTH_FOLDER", node.folder());
    command
        .env("BERTH_REVISION", "abc")
        .env("BERTH_TERMINATION_LOG", node.termination_log());
    assert!(command.status().unwrap().success());
    assert_eq!(node.read(), DOCUMENT);
}

#[test]
fn a_termination_log_that_nobody_mounted_is_not_made() {
    let node = Node::new();
    let mut command = crate::node::binary();
    command
        .arg("once")
        .arg("--source")
        .arg(node.source())
        .arg("--folder")
        .arg(node.folder());
    let existed = std::path::Path::new("/dev/termination-log").exists();
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    assert_eq!(
        std::path::Path::new("/dev/termination-log").exists(),
        existed
    );
}
