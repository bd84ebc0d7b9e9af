//! What stands on disk, whoever else writes at the same time.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use provisioner::kubeconfig::{Error, Folders, MergeOptions, Store};

use crate::{cluster, demo};

const SHORT: Duration = Duration::from_millis(50);

fn store(path: &Path) -> Store {
    Store::new(vec![path.to_owned()])
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_file_is_made_with_its_folder_for_its_owner_only() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("new/.kube/config");
    let written = store(&path)
        .merge(&demo(), MergeOptions::default())
        .unwrap();
    assert_eq!(written, std::slice::from_ref(&path));
    assert_eq!(fs::read_to_string(&path).unwrap(), demo().expose());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(names_in(path.parent().unwrap()), ["config"]);
}

#[test]
fn a_link_stays_and_what_it_points_to_is_replaced_beside_itself() {
    let home = tempfile::tempdir().unwrap();
    let (near, far) = (home.path().join("near"), home.path().join("far"));
    fs::create_dir_all(&near).unwrap();
    fs::create_dir_all(&far).unwrap();
    let link = near.join("config");
    symlink("../far/real", &link).unwrap();
    for name in ["one", "two"] {
        // The first time the link points to nothing.
        store(&link)
            .merge(&cluster(name, 1), MergeOptions::default())
            .unwrap();
    }
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../far/real"));
    let text = fs::read_to_string(far.join("real")).unwrap();
    assert!(text.contains("k3d-one") && text.contains("k3d-two"));
    assert_eq!(names_in(&near), ["config"]);
    assert_eq!(names_in(&far), ["real"]);
    symlink("circle", home.path().join("circle")).unwrap();
    let error = store(&home.path().join("circle")).switch("x").unwrap_err();
    assert!(error.to_string().contains("go in a circle"), "{error}");
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    const WRITERS: u16 = 12;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config");
    symlink("config", home.path().join("link")).unwrap();
    store(&path)
        .merge(&cluster("gone", 1), MergeOptions::default())
        .unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // Whoever reads without a lock finds a whole file at every instant.
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) || seen == 0 {
                let text = fs::read_to_string(&path).unwrap();
                assert!(
                    text.starts_with("apiVersion") && text.contains("\nusers:"),
                    "{text}"
                );
                seen += 1;
            }
        });
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            let path = home
                .path()
                .join(if number % 2 == 0 { "config" } else { "link" });
            writers.push(scope.spawn(move || {
                let store = Store::new(vec![path]).with_patience(Duration::from_mins(1));
                store
                    .merge(
                        &cluster(&format!("c{number}"), number),
                        MergeOptions::default(),
                    )
                    .unwrap();
                store.remove("gone").unwrap();
            }));
        }
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let text = fs::read_to_string(&path).unwrap();
    for number in 0..WRITERS {
        for entry in [
            format!("name: k3d-c{number}\n"),
            format!("name: admin@k3d-c{number}\n"),
            format!(":{number}\n"),
        ] {
            assert!(text.contains(&entry), "{entry} is missing");
        }
    }
    assert!(!text.contains("gone"));
    assert_eq!(names_in(home.path()), ["config", "link"]);
}

#[test]
fn a_lock_of_kubectl_is_waited_for_and_one_that_stays_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config");
    let lock = home.path().join("config.lock");
    fs::write(&lock, "").unwrap();
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o000)).unwrap();
    let error = store(&path)
        .with_patience(SHORT)
        .merge(&demo(), MergeOptions::default())
        .unwrap_err();
    assert!(matches!(error, Error::Locked { holder: None, .. }));
    let said = error.to_string();
    assert!(
        said.contains(&format!(
            "{} is there",
            lock.canonicalize().unwrap().display()
        )),
        "{said}"
    );
    assert!(said.contains("remove that file"), "{said}");
    assert!(lock.exists() && !path.exists());

    thread::scope(|scope| {
        let writer = scope.spawn(|| store(&path).merge(&demo(), MergeOptions::default()));
        let start = Instant::now();
        // The writer is waiting, not failing.
        while start.elapsed() < SHORT {
            assert!(!writer.is_finished());
            thread::yield_now();
        }
        fs::remove_file(&lock).unwrap();
        writer.join().unwrap().unwrap();
    });
    assert_eq!(names_in(home.path()), ["config"]);
}

#[test]
fn a_lock_of_ours_names_its_process() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config.lock"), "4711").unwrap();
    let error = store(&home.path().join("config"))
        .with_patience(SHORT)
        .switch("x")
        .unwrap_err();
    assert!(
        error.to_string().contains("(written by process 4711)"),
        "{error}"
    );
}

#[test]
fn one_file_under_two_names_is_no_dead_lock() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config");
    fs::create_dir(home.path().join("sub")).unwrap();
    let again = home.path().join("sub/../config");
    let both = Store::new(vec![path.clone(), again]).with_patience(SHORT);
    both.merge(&demo(), MergeOptions::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), demo().expose());
}

#[test]
fn what_is_refused_is_left_as_it_was_and_unlocked() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config");
    for bytes in [b"kind: Pod\n".as_slice(), b"\xff\xfe\xfd"] {
        fs::write(&path, bytes).unwrap();
        let error = store(&path)
            .merge(&demo(), MergeOptions::default())
            .unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(names_in(home.path()), ["config"]);
    }
    let folder = store(home.path())
        .merge(&demo(), MergeOptions::default())
        .unwrap_err();
    assert!(folder.to_string().contains("it is a folder"), "{folder}");
}

#[test]
fn a_file_that_does_not_change_is_not_written() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config");
    store(&path)
        .merge(&demo(), MergeOptions::default())
        .unwrap();
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    store(&path)
        .merge(&demo(), MergeOptions::default())
        .unwrap();
    store(&path).switch("k3d-demo").unwrap();
    assert!(store(&path).remove("unknown").unwrap().is_empty());
    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.modified().unwrap(), before);
    assert_eq!(after.permissions().mode() & 0o777, 0o640);
}

#[test]
fn removing_where_nothing_is_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    assert!(
        store(&home.path().join("no/config"))
            .remove("demo")
            .unwrap()
            .is_empty()
    );
    assert!(names_in(home.path()).is_empty());
}

#[test]
fn the_files_of_a_single_cluster_are_removed_wherever_either_tool_wrote_them() {
    let home = tempfile::tempdir().unwrap();
    let folders = Folders::new(Some(home.path().as_os_str()), None).unwrap();
    let file = folders.cluster_file("demo");
    store(&file)
        .merge(&demo(), MergeOptions::default())
        .unwrap();
    fs::write(home.path().join("kubeconfig-demo.yaml"), "").unwrap();
    fs::write(home.path().join("kubeconfig-other.yaml"), "").unwrap();
    let removed: Vec<PathBuf> = folders.remove_cluster_files("demo").unwrap();
    assert_eq!(removed, [file, home.path().join("kubeconfig-demo.yaml")]);
    assert_eq!(
        folders.remove_cluster_files("demo").unwrap(),
        Vec::<PathBuf>::new()
    );
    assert_eq!(names_in(home.path()), ["k3d", "kubeconfig-other.yaml"]);
}
