//! Folders that cannot be written: read-only, full, without rights. Nothing is lost, and the reason is named.

use std::fs;
use std::process::{Command, Output};

use node_files::Reason;

use crate::node::{Node, stderr};

const OURS: &str = "mirrors: {docker.io: {endpoint: [\"https://mirror.internal\"]}}\n";
const THEIRS: &str = "mirrors: {}\n";

/// Runs `once` in a mount namespace of its own, as root without any capability, after `prepare`; the folder is `$F`.
/// The document that is there afterwards ends up in `after`.
fn once_after(node: &Node, prepare: &str) -> Output {
    fs::create_dir_all(node.folder()).unwrap();
    let script = format!(
        "set -e; F={folder}; {prepare}; set +e
         setpriv --bounding-set=-all --inh-caps=-all {binary} \"$@\"; code=$?
         cat $F/registries.yaml > {after}; ls -A $F > {listing}
         exit $code",
        folder = node.folder().display(),
        binary = env!("CARGO_BIN_EXE_node-writer"),
        after = node.path("after").display(),
        listing = node.path("listing").display(),
    );
    let namespaces = if rustix::process::geteuid().is_root() {
        "--mount"
    } else {
        "--mount --map-root-user"
    };
    Command::new("unshare")
        .args(namespaces.split(' '))
        .args(["--propagation", "private", "sh", "-c", &script, "sh"])
        .args(node.arguments("once"))
        .output()
        .unwrap()
}

fn assert_refused(node: &Node, prepare: &str, reason: Reason) {
    let result = once_after(node, prepare);
    assert_eq!(
        result.status.code(),
        Some(1),
        "{prepare}: {}",
        stderr(&result)
    );
    let report = node.report().unwrap();
    assert_eq!(report.reason, reason, "{prepare}: {}", report.message);
    assert!(
        report.message.contains(node.folder().to_str().unwrap()),
        "{}",
        report.message
    );
    assert_eq!(
        fs::read_to_string(node.path("after")).unwrap(),
        THEIRS,
        "{prepare}"
    );
    let listing = fs::read_to_string(node.path("listing")).unwrap();
    assert!(!listing.contains("berth-new"), "{prepare}: {listing}");
}

fn node_with_theirs() -> Node {
    let node = Node::with(OURS);
    node.set_document(THEIRS);
    node
}

#[test]
fn a_folder_mounted_read_only_is_named_and_unchanged() {
    let read_only = "mount --bind $F $F; mount -o remount,bind,ro $F";
    assert_refused(&node_with_theirs(), read_only, Reason::FolderReadOnly);
    let node = node_with_theirs();
    assert!(node.once().status.success());
    node.set_source("registries.yaml", "mirrors: {a: {}}\n");
    fs::write(node.document(), THEIRS).unwrap();
    assert_refused(&node, read_only, Reason::FolderReadOnly);
}

#[test]
fn a_full_disk_is_named_and_the_old_file_stays_whole() {
    let fill = "mount -t tmpfs -o size=64k tmpfs $F; printf 'mirrors: {}\\n' > $F/registries.yaml; \
        dd if=/dev/zero of=$F/filler bs=4k 2>/dev/null || true";
    assert_refused(&node_with_theirs(), fill, Reason::DiskFull);
}

#[test]
fn a_disk_that_fills_up_half_way_is_named_and_the_old_file_stays_whole() {
    for free_pages in 1..5 {
        let fill = format!(
            "mount -t tmpfs -o size=64k tmpfs $F; printf 'mirrors: {{}}\\n' > $F/registries.yaml; \
             dd if=/dev/zero of=$F/filler bs=4k count={} 2>/dev/null",
            15 - free_pages
        );
        let node = node_with_theirs();
        let large = format!("# {}\n{OURS}", "x".repeat(5 * 4096));
        node.set_source("registries.yaml", &large);
        assert_refused(&node, &fill, Reason::DiskFull);
    }
}

#[test]
fn a_disk_without_inodes_is_a_full_disk() {
    let fill =
        "mount -t tmpfs -o nr_inodes=4 tmpfs $F; printf 'mirrors: {}\\n' > $F/registries.yaml";
    assert_refused(&node_with_theirs(), fill, Reason::DiskFull);
}

#[test]
fn a_folder_without_rights_is_named_and_unchanged() {
    let node = node_with_theirs();
    assert_refused(&node, "chmod 0555 $F", Reason::PermissionDenied);
}

#[test]
fn a_writable_folder_needs_no_capability() {
    let node = node_with_theirs();
    let result = once_after(&node, "true");
    assert!(result.status.success(), "{}", stderr(&result));
    assert_eq!(fs::read_to_string(node.path("after")).unwrap(), OURS);
}

#[test]
fn a_file_that_is_a_mount_point_of_its_own_is_named_with_the_mend() {
    let node = node_with_theirs();
    let result = once_after(&node, "mount --bind $F/registries.yaml $F/registries.yaml");
    assert_eq!(result.status.code(), Some(1));
    let report = node.report().unwrap();
    assert!(
        report.message.contains("mount its folder instead"),
        "{}",
        report.message
    );
    assert_eq!(fs::read_to_string(node.path("after")).unwrap(), THEIRS);
}
