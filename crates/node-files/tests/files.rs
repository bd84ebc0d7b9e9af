//! Reading and writing on a real file system.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use node_files::layout::{DOCUMENT, ORIGINAL, OWN_FOLDER, PREVIOUS, ca_secret_key, tls_id};
use node_files::{Error, Original, Reason, Wanted, carry_out, decide, decide_restore, find, own};
use tempfile::TempDir;

fn node() -> (TempDir, PathBuf) {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("etc/rancher/k3s");
    (root, folder)
}

fn converge(wanted: &Wanted, folder: &Path) -> usize {
    let actions = decide(wanted, &find(folder).unwrap());
    carry_out(folder, &actions).unwrap();
    assert_eq!(decide(wanted, &find(folder).unwrap()), []);
    actions.len()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn wanted(text: &str) -> Wanted {
    let pem = format!("{}.ca.crt", tls_id("mirror.internal"));
    Wanted::from_parts(text, [(pem, "PEM".into())])
}

#[test]
fn a_missing_folder_is_created_open_and_our_own_closed() {
    let (_root, folder) = node();
    converge(&wanted("a"), &folder);
    assert_eq!(mode(&folder) & 0o700, 0o700);
    assert_eq!(mode(folder.join(OWN_FOLDER)), 0o700);
    for entry in fs::read_dir(folder.join(OWN_FOLDER)).unwrap() {
        assert_eq!(mode(entry.unwrap().path()), 0o600);
    }
    assert_eq!(mode(folder.join(DOCUMENT)), 0o600);
    assert_eq!(fs::read(folder.join(DOCUMENT)).unwrap(), b"a");
}

#[test]
fn an_equal_file_is_not_written_again() {
    let (_root, folder) = node();
    converge(&wanted("a"), &folder);
    let before = fs::metadata(folder.join(DOCUMENT)).unwrap();
    assert_eq!(converge(&wanted("a"), &folder), 0);
    let after = fs::metadata(folder.join(DOCUMENT)).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );
}

#[test]
fn the_mode_of_an_equal_file_is_repaired_in_place() {
    let (_root, folder) = node();
    converge(&wanted("a"), &folder);
    let before = fs::metadata(folder.join(DOCUMENT)).unwrap().ino();
    fs::set_permissions(folder.join(DOCUMENT), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.join(OWN_FOLDER), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(converge(&wanted("a"), &folder), 1);
    assert_eq!(mode(folder.join(DOCUMENT)), 0o600);
    assert_eq!(mode(folder.join(OWN_FOLDER)), 0o700);
    assert_eq!(fs::metadata(folder.join(DOCUMENT)).unwrap().ino(), before);
}

#[test]
fn each_change_keeps_the_file_before_it_and_the_first_one_for_good() {
    let (_root, folder) = node();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(DOCUMENT), "theirs").unwrap();
    converge(&wanted("a"), &folder);
    converge(&wanted("b"), &folder);
    let kept = |name| fs::read_to_string(folder.join(OWN_FOLDER).join(name)).unwrap();
    assert_eq!(
        (kept(ORIGINAL), kept(PREVIOUS)),
        ("theirs".into(), "a".into())
    );
}

#[test]
fn a_previous_file_that_is_still_the_document_leaves_no_leftover() {
    let (_root, folder) = node();
    converge(&wanted("a"), &folder);
    let previous = folder.join(OWN_FOLDER).join(PREVIOUS);
    // As a kill between the link and the new document leaves it.
    fs::hard_link(folder.join(DOCUMENT), &previous).unwrap();
    converge(&wanted("b"), &folder);
    assert_eq!(fs::read(&previous).unwrap(), b"a");
    assert_eq!(fs::read(folder.join(DOCUMENT)).unwrap(), b"b");
    assert_eq!(find(&folder).unwrap().leftovers, []);
}

#[test]
fn a_restore_leaves_the_folder_as_it_was_before_us() {
    for original in [None, Some("theirs")] {
        let (_root, folder) = node();
        fs::create_dir_all(&folder).unwrap();
        if let Some(text) = original {
            fs::write(folder.join(DOCUMENT), text).unwrap();
        }
        let ownership = own(&folder, "test").unwrap();
        converge(&wanted("a"), &folder);
        converge(&wanted("b"), &folder);
        carry_out(&folder, &decide_restore(&find(&folder).unwrap())).unwrap();
        ownership.give_up().unwrap();
        let left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        let expected: Vec<_> = original
            .iter()
            .map(|_| std::ffi::OsString::from(DOCUMENT))
            .collect();
        assert_eq!(left, expected);
        if let Some(text) = original {
            assert_eq!(fs::read_to_string(folder.join(DOCUMENT)).unwrap(), text);
        }
    }
}

#[test]
fn giving_the_folder_up_leaves_the_files_of_others_in_it() {
    let (_root, folder) = node();
    let ownership = own(&folder, "test").unwrap();
    fs::write(folder.join(OWN_FOLDER).join("notes"), "mine").unwrap();
    ownership.give_up().unwrap();
    assert!(folder.join(OWN_FOLDER).join("notes").exists());
}

#[test]
fn leftovers_of_an_interrupted_write_are_swept() {
    let (_root, folder) = node();
    converge(&wanted("a"), &folder);
    let pem = format!(".{}.ca.crt.berth-new", tls_id("mirror.internal"));
    let leftovers = [
        folder.join(".registries.yaml.berth-new"),
        folder.join(OWN_FOLDER).join(pem),
    ];
    for leftover in &leftovers {
        fs::write(leftover, "half").unwrap();
    }
    assert_eq!(converge(&wanted("a"), &folder), 2);
    assert!(leftovers.iter().all(|leftover| !leftover.exists()));
}

#[test]
fn a_leftover_that_appears_meanwhile_does_not_stop_a_write() {
    let (root, folder) = node();
    let actions = decide(&wanted("a"), &find(&folder).unwrap());
    fs::create_dir_all(&folder).unwrap();
    let outside = root.path().join("outside");
    fs::write(&outside, "untouched").unwrap();
    symlink(&outside, folder.join(".registries.yaml.berth-new")).unwrap();
    carry_out(&folder, &actions).unwrap();
    assert_eq!(fs::read(folder.join(DOCUMENT)).unwrap(), b"a");
    assert_eq!(fs::read(&outside).unwrap(), b"untouched");
}

#[test]
fn a_link_in_place_of_the_document_is_neither_followed_nor_replaced() {
    let (root, folder) = node();
    fs::create_dir_all(&folder).unwrap();
    let outside = root.path().join("outside.yaml");
    fs::write(&outside, "theirs").unwrap();
    symlink(&outside, folder.join(DOCUMENT)).unwrap();
    let error = find(&folder).unwrap_err();
    assert_eq!(error.reason(), Reason::OwnedByAnother);
    assert!(error.to_string().contains("outside.yaml"), "{error}");
    assert_eq!(fs::read(&outside).unwrap(), b"theirs");
}

#[test]
fn links_in_our_own_folder_are_replaced_and_what_they_point_to_stays() {
    let (root, folder) = node();
    converge(&wanted("a"), &folder);
    let outside = root.path().join("outside");
    fs::write(&outside, "untouched").unwrap();
    let pem = folder
        .join(OWN_FOLDER)
        .join(format!("{}.ca.crt", tls_id("mirror.internal")));
    let previous = folder.join(OWN_FOLDER).join(PREVIOUS);
    fs::remove_file(&pem).unwrap();
    symlink(&outside, &pem).unwrap();
    symlink(&outside, &previous).unwrap();
    converge(&wanted("b"), &folder);
    assert_eq!(fs::read(&outside).unwrap(), b"untouched");
    assert_eq!(fs::read(&pem).unwrap(), b"PEM");
    assert_eq!(fs::read(&previous).unwrap(), b"a");
    assert!(!pem.is_symlink() && !previous.is_symlink());
}

#[test]
fn a_link_in_place_of_our_own_folder_is_refused() {
    let (root, folder) = node();
    fs::create_dir_all(&folder).unwrap();
    let outside = root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, folder.join(OWN_FOLDER)).unwrap();
    let error = own(&folder, "test").unwrap_err();
    assert!(error.to_string().contains("/berth: "), "{error}");
    assert!(
        carry_out(
            &folder,
            &decide(&wanted("a"), &node_files::Found::default())
        )
        .is_err()
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn whatever_is_no_file_in_place_of_the_document_is_named() {
    let (_root, folder) = node();
    fs::create_dir_all(folder.join(DOCUMENT)).unwrap();
    let text = find(&folder).unwrap_err().to_string();
    assert!(
        text.contains("registries.yaml: it is a directory"),
        "{text}"
    );
    fs::remove_dir(folder.join(DOCUMENT)).unwrap();
    let made = Command::new("mkfifo")
        .arg(folder.join(DOCUMENT))
        .status()
        .unwrap();
    assert!(made.success());
    let text = find(&folder).unwrap_err().to_string();
    assert!(text.contains("it is a pipe"), "{text}");
    fs::remove_file(folder.join(DOCUMENT)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join(DOCUMENT)).unwrap();
    let text = find(&folder).unwrap_err().to_string();
    assert!(text.contains("it is a socket"), "{text}");
}

#[test]
fn a_document_beyond_all_reason_is_not_read() {
    let (_root, folder) = node();
    fs::create_dir_all(&folder).unwrap();
    let file = fs::File::create(folder.join(DOCUMENT)).unwrap();
    file.set_len(9 * 1024 * 1024).unwrap();
    assert!(matches!(find(&folder).unwrap_err(), Error::TooLarge { .. }));
}

#[test]
fn a_folder_has_one_owner_at_a_time_and_the_refusal_names_it() {
    let (_root, folder) = node();
    let first = own(&folder, "berth-default-x7k2p, pid 1").unwrap();
    let error = own(&folder, "other").unwrap_err();
    assert_eq!(error.reason(), Reason::OwnedByAnother);
    assert!(
        error.to_string().contains("berth-default-x7k2p, pid 1"),
        "{error}"
    );
    drop(first);
    own(&folder, "other").unwrap();
}

#[test]
fn a_lock_file_that_was_given_up_protects_nobody() {
    let (_root, folder) = node();
    let first = own(&folder, "a").unwrap();
    first.give_up().unwrap();
    let _second = own(&folder, "b").unwrap();
    assert_eq!(
        own(&folder, "c").unwrap_err().reason(),
        Reason::OwnedByAnother
    );
}

#[test]
fn an_owner_notices_that_its_folder_was_taken_away() {
    let (_root, folder) = node();
    let ownership = own(&folder, "a").unwrap();
    assert!(ownership.holds());
    fs::rename(&folder, folder.with_extension("away")).unwrap();
    assert!(!ownership.holds());
    let _second = own(&folder, "b").unwrap();
    assert!(!ownership.holds());
}

#[test]
fn a_mounted_secret_is_read_through_the_link_of_the_kubelet() {
    let volume = TempDir::new().unwrap();
    let key = ca_secret_key(&tls_id("mirror.internal"));
    let revision = volume.path().join("..2026_11_21");
    fs::create_dir(&revision).unwrap();
    symlink("..2026_11_21", volume.path().join("..data")).unwrap();
    for (name, text) in [
        (DOCUMENT, "a"),
        (key.as_str(), "PEM"),
        ("other", "left out"),
    ] {
        fs::write(revision.join(name), text).unwrap();
        symlink(format!("..data/{name}"), volume.path().join(name)).unwrap();
    }
    assert_eq!(
        Wanted::from_secret_folder(volume.path()).unwrap(),
        wanted("a")
    );
}

#[test]
fn a_folder_made_by_hand_is_a_source_too() {
    let source = TempDir::new().unwrap();
    fs::write(source.path().join(DOCUMENT), "a").unwrap();
    let read = Wanted::from_secret_folder(source.path()).unwrap();
    assert_eq!(read, Wanted::from_parts("a", BTreeMap::new()));
}

#[test]
fn a_source_that_cannot_be_read_is_named_with_the_mend() {
    let source = TempDir::new().unwrap();
    for (path, text) in [
        (source.path().to_path_buf(), "it has no registries.yaml"),
        (
            source.path().join("missing"),
            "failed to open the folder: No such file or directory",
        ),
    ] {
        let error = Wanted::from_secret_folder(&path).unwrap_err();
        assert_eq!(error.reason(), Reason::SecretUnreadable);
        assert!(error.to_string().contains(text), "{error}");
    }
    fs::write(source.path().join(DOCUMENT), vec![b'#'; 1_048_577]).unwrap();
    let error = Wanted::from_secret_folder(source.path()).unwrap_err();
    assert_eq!(error.reason(), Reason::SecretUnreadable);
}

#[test]
fn a_pipe_in_the_source_is_refused_and_not_read_as_empty() {
    let source = TempDir::new().unwrap();
    let pipe = source.path().join(DOCUMENT);
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let error = Wanted::from_secret_folder(source.path()).unwrap_err();
    assert_eq!(error.reason(), Reason::SecretUnreadable);
    assert!(error.to_string().contains("is not a file"), "{error}");
}

#[test]
fn looking_at_a_node_writes_nothing() {
    let (root, folder) = node();
    assert_eq!(find(&folder).unwrap().original, Original::Unrecorded);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}
