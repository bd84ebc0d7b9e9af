//! What changes in which file.

use std::path::{Path, PathBuf};

use provisioner::kubeconfig::{
    ClusterKubeconfig, Error, File, Folders, MergeOptions, default_files, merge, remove, switch,
};

use crate::{NODE, cluster, demo};

const CLUSTER: &str = include_str!("../golden/kubeconfig/cluster.yaml");
const OWN: &str = include_str!("../golden/kubeconfig/own.yaml");
const OWN_MERGED: &str = include_str!("../golden/kubeconfig/own.merged.yaml");
const OWN_REMOVED: &str = include_str!("../golden/kubeconfig/own.removed.yaml");

const KEEP: MergeOptions = MergeOptions {
    update: true,
    switch: false,
    overwrite: false,
};

fn switching() -> MergeOptions {
    MergeOptions::default()
}

fn file(path: &str, text: Option<&str>) -> File {
    File {
        path: PathBuf::from(path),
        text: text.map(str::to_owned),
    }
}

/// The text after a merge into one file.
fn merged(text: Option<&str>, kubeconfig: &ClusterKubeconfig, options: MergeOptions) -> String {
    let merged = merge(&[file("f", text)], kubeconfig, options).unwrap();
    let change = merged.changes.into_iter().next();
    change.map_or_else(|| text.unwrap_or_default().to_owned(), |change| change.text)
}

fn removed(text: &str, cluster: &str) -> String {
    let changes = remove(&[file("f", Some(text))], cluster).unwrap();
    let change = changes.into_iter().next();
    change.map_or_else(|| text.to_owned(), |change| change.text)
}

#[test]
fn the_kubeconfig_of_a_node_becomes_that_of_its_cluster() {
    assert_eq!(demo().expose(), CLUSTER);
    assert_eq!(demo().context(), "k3d-demo");
    let over_ipv6 = ClusterKubeconfig::of_node(NODE, "demo", "::1", 6443, "n").unwrap();
    assert!(
        over_ipv6
            .expose()
            .contains("server: \"https://[::1]:6443\"\n")
    );
}

#[test]
fn a_node_without_the_entries_of_k3s_is_an_error_and_no_crash() {
    for text in [
        "",
        "clusters: []\nkind: Config\n",
        CLUSTER,
        &NODE
            .replace("    server", "    x")
            .replace("- cluster:", "- cluster: ~\n  y:"),
    ] {
        let error =
            ClusterKubeconfig::of_node(text, "demo", "h", 1, "k3d-demo-server-0").unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("k3d-demo-server-0") && said.contains("named \"default\""),
            "{said}"
        );
    }
}

#[test]
fn an_empty_file_gets_the_whole_document() {
    for text in [None, Some("")] {
        assert_eq!(merged(text, &demo(), KEEP), CLUSTER);
    }
    assert_eq!(
        merged(Some("# mine\n"), &demo(), KEEP),
        format!("# mine\n{CLUSTER}")
    );
    assert_eq!(
        merged(Some("---\n"), &demo(), KEEP),
        format!("---\n{CLUSTER}")
    );
    let null_lists = "kind: Config\nclusters:\ncontexts: ~\nusers: null\n";
    let text = merged(Some(null_lists), &demo(), KEEP);
    assert_eq!(
        merge(&[file("f", Some(&text))], &demo(), switching())
            .unwrap()
            .changes,
        []
    );
}

#[test]
fn entries_are_changed_where_they_stand_and_everything_else_stays() {
    assert_eq!(merged(Some(OWN), &demo(), switching()), OWN_MERGED);
    assert_eq!(removed(OWN, "demo"), OWN_REMOVED);
    assert_eq!(
        removed(&merged(Some(OWN_REMOVED), &demo(), KEEP), "demo"),
        OWN_REMOVED
    );
}

#[test]
fn merging_a_second_time_changes_nothing() {
    let json = "{\"kind\": \"Config\", \"apiVersion\": \"v1\", \"clusters\": [], \"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": \"no\"}}], \"users\": [], \"current-context\": \"x\"}";
    for text in [
        None,
        Some(OWN),
        Some(CLUSTER),
        Some(json),
        Some("kind: Config"),
    ] {
        let once = merged(text, &demo(), switching());
        let again = merge(&[file("f", Some(&once))], &demo(), switching()).unwrap();
        assert_eq!(again.changes, [], "{once}");
        assert_eq!(again.files, [PathBuf::from("f")]);
    }
}

#[test]
fn braces_are_written_anew_with_all_they_say() {
    let json = "# top\n{kind: Config, users: [{name: me, user: {token: \"0123\", x-new: [1, \"1\"]}}], current-context: c}\n";
    let text = merged(Some(json), &demo(), KEEP);
    assert!(text.starts_with("# top\nkind: Config\nusers:\n- name: me\n  user:\n    token: \"0123\"\n    x-new:\n    - 1\n    - \"1\"\n- name: admin@k3d-demo\n"), "{text}");
    assert!(text.contains("current-context: c\n"));
}

#[test]
fn the_current_context_is_switched_when_asked_or_when_there_is_none() {
    let current = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("current-context:"));
        line.unwrap_or_default().to_owned()
    };
    let with = |line: &str| format!("{line}kind: Config\n");
    for (before, options, after) in [
        ("current-context: x\n", KEEP, "current-context: x"),
        (
            "current-context: x\n",
            switching(),
            "current-context: k3d-demo",
        ),
        ("current-context: \"\"\n", KEEP, "current-context: k3d-demo"),
        ("current-context:\n", KEEP, "current-context: k3d-demo"),
        ("", KEEP, "current-context: k3d-demo"),
    ] {
        let text = merged(Some(&with(before)), &demo(), options);
        assert_eq!(current(&text), after, "{before}");
    }
}

#[test]
fn without_updates_an_entry_that_is_there_is_a_conflict() {
    let options = MergeOptions {
        update: false,
        ..switching()
    };
    let error = merge(&[file("/k", Some(OWN))], &demo(), options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to merge into /k: it has a cluster named \"k3d-demo\" already: allow updates, or remove the entry"
    );
    assert!(merge(&[file("/k", Some(OWN))], &cluster("new", 1), options).is_ok());
}

#[test]
fn overwriting_leaves_nothing_else_and_does_not_read() {
    let options = MergeOptions {
        overwrite: true,
        ..switching()
    };
    assert_eq!(
        merged(Some("not: [a kubeconfig"), &demo(), options),
        CLUSTER
    );
}

#[test]
fn removing_the_current_context_makes_another_the_current_one() {
    let both = merged(Some(CLUSTER), &cluster("other", 2), switching());
    let left = removed(&both, "other");
    assert!(left.contains("current-context: k3d-demo\n"), "{left}");
    let none = removed(&left, "demo");
    assert_eq!(
        none,
        "apiVersion: v1\nclusters: []\ncontexts: []\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: []\n"
    );
    assert_eq!(remove(&[file("f", Some(&none))], "demo").unwrap(), []);
    assert_eq!(remove(&[file("f", None)], "demo").unwrap(), []);
}

#[test]
fn several_files_are_written_as_kubectl_writes_them() {
    let empty = "kind: Config\n";
    let paths = |files: &[File]| {
        let merged = merge(files, &demo(), switching()).unwrap();
        let changed = merged.changes.iter().map(|change| change.path.clone());
        changed.collect::<Vec<_>>()
    };
    // New entries: the first that exists, else the last.
    assert_eq!(
        paths(&[
            file("a", None),
            file("b", Some(empty)),
            file("c", Some(empty))
        ]),
        [Path::new("b")]
    );
    assert_eq!(paths(&[file("a", None), file("b", None)]), [Path::new("b")]);
    // A changed entry: the file that holds it; the current context: the first that exists.
    let old = cluster("demo", 1);
    let files = [file("a", Some(empty)), file("b", Some(old.expose()))];
    assert_eq!(paths(&files), [Path::new("a"), Path::new("b")]);
    let merged = merge(&files, &demo(), switching()).unwrap();
    assert_eq!(
        merged.changes[0].text,
        "kind: Config\ncurrent-context: k3d-demo\n"
    );
    assert_eq!(merged.changes[1].text, CLUSTER);
    // The current context of any file counts.
    let files = [
        file("a", Some(empty)),
        file("b", Some("current-context: x\n")),
    ];
    let merged = merge(&files, &demo(), KEEP).unwrap();
    assert!(!merged.changes[0].text.contains("current-context"));
}

#[test]
fn removing_takes_the_entries_out_of_every_file() {
    let files = [
        file(
            "a",
            Some("contexts:\n- name: k\ncurrent-context: k3d-demo\n"),
        ),
        file("b", None),
        file("c", Some(CLUSTER)),
    ];
    let changes = remove(&files, "demo").unwrap();
    assert_eq!(
        changes[0].text,
        "contexts:\n- name: k\ncurrent-context: k\n"
    );
    assert_eq!(changes[1].path, Path::new("c"));
    assert!(!changes[1].text.contains("demo"));
    assert_eq!(changes.len(), 2);
}

#[test]
fn a_switch_needs_a_context_that_exists_and_names_those() {
    let files = [file("a", Some("kind: Config\n")), file("b", Some(OWN))];
    let changes = switch(&files, "work").unwrap();
    assert_eq!(changes[0].text, "kind: Config\ncurrent-context: work\n");
    let error = switch(&files, "wrok").unwrap_err().to_string();
    assert!(error.contains("there are: k3d-demo, work"), "{error}");
}

#[test]
fn what_is_no_kubeconfig_is_refused_with_file_and_line() {
    for (text, line, problem) in [
        ("hello\n", 1, "not a kubeconfig"),
        ("\n- a\n", 2, "not a kubeconfig"),
        ("foo: bar\n", 1, "no clusters, contexts or users"),
        ("apiVersion: v1\nkind: Pod\n", 2, "kind is not Config"),
        ("apiVersion: apps/v1\n", 1, "apiVersion is not v1"),
        ("kind: Config\nusers: {me: {}}\n", 2, "users must be a list"),
        ("clusters:\n- name: a\n- cluster: {}\n", 3, "no name"),
        ("users:\n- name: a\n  user: s3cret\n", 3, "below user"),
        ("users: []\nkind: Config\nusers: []\n", 3, "a second time"),
        ("users:\n- name: \"s3cret\n", 3, "not valid YAML"),
        ("users:\n\t- name: a\n", 2, "not valid YAML"),
    ] {
        let files = [file("/home/me/.kube/config", Some(text))];
        let error = merge(&files, &demo(), switching()).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with(&format!(
                "failed to read /home/me/.kube/config, line {line}, "
            )),
            "{said}"
        );
        assert!(said.contains(problem), "{said}");
        assert!(!format!("{error:?} {said}").contains("s3cret"));
    }
}

#[test]
fn nothing_shows_a_key() {
    let merged = merge(&[file("f", Some(OWN))], &demo(), switching()).unwrap();
    let shown = format!("{:?} {:?} {:?}", demo(), merged, file("f", Some(OWN)));
    for secret in ["U0VDUkVULUtFWQ", "s3cr3t", "Q0VSVElGSUNBVEU"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(format!("{:?}", demo()), "kubeconfig of demo");
}

#[test]
fn the_default_files_are_those_of_kubectl() {
    let files = |kubeconfig: Option<&str>, home: Option<&str>| {
        default_files(kubeconfig.map(AsRef::as_ref), home.map(Path::new))
    };
    assert_eq!(
        files(None, Some("/h")).unwrap(),
        [Path::new("/h/.kube/config")]
    );
    assert_eq!(
        files(Some(""), Some("/h")).unwrap(),
        [Path::new("/h/.kube/config")]
    );
    assert_eq!(files(Some("/a"), None).unwrap(), [Path::new("/a")]);
    assert_eq!(
        files(Some(":/a::/b:/a"), Some("/h")).unwrap(),
        [Path::new("/a"), Path::new("/b")]
    );
    assert!(matches!(files(None, None), Err(Error::NoFile)));
}

#[test]
fn the_folder_of_k3d_is_known_beside_our_own() {
    let folders = Folders::new(Some("/x".as_ref()), Some(Path::new("/h"))).unwrap();
    assert_eq!(
        folders.cluster_file("c"),
        Path::new("/x/k3d/kubeconfig-c.yaml")
    );
    assert_eq!(folders.of_k3d, Path::new("/x"));
    let folders = Folders::new(None, Some(Path::new("/h"))).unwrap();
    assert_eq!(folders.own, Path::new("/h/.config/k3d"));
    assert_eq!(folders.own, folders.of_k3d);
}
