//! What it takes to give a running node another registries.yaml.

use std::collections::BTreeMap;

use provisioner::registry_config::{
    CERTS_D_PATH, Change, Error, NodeState, Way, change, node_options,
};
use registries::render::certs_d;
use registries::{NodeOptions, parse};

const MIRROR: &str = "mirrors: {docker.io: {endpoint: [https://one.example]}}\n";
const YAML: &str = "/etc/rancher/k3s/registries.yaml";

/// certs.d as k3s leaves it at a start with this document.
fn rendered(document: &str) -> BTreeMap<String, String> {
    certs_d(
        &parse(document.as_bytes()).unwrap(),
        &NodeOptions::default(),
    )
    .files
}

fn changed(old: &str, files: &BTreeMap<String, String>, new: &str) -> Change {
    let state = NodeState {
        registries_yaml: Some(old),
        certs_d: files,
        containerd_config: Some(
            "config_path = \"/var/lib/rancher/k3s/agent/etc/containerd/certs.d\"",
        ),
    };
    change(state, new, &NodeOptions::default()).unwrap()
}

fn written(change: &Change) -> Vec<&str> {
    let paths = change.write.iter().map(|file| file.path.as_str());
    paths
        .map(|path| path.strip_prefix(CERTS_D_PATH).unwrap_or(path))
        .collect()
}

/// What is there once a change was carried out.
fn carried_out(change: &Change, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut files = files.clone();
    for file in &change.write {
        if let Some(path) = file.path.strip_prefix(CERTS_D_PATH) {
            let text = String::from_utf8(file.content.clone()).unwrap();
            files.insert(path.trim_start_matches('/').to_owned(), text);
        }
    }
    for gone in &change.remove {
        let gone = gone
            .strip_prefix(CERTS_D_PATH)
            .unwrap()
            .trim_start_matches('/');
        assert!(!gone.is_empty());
        files.retain(|path, _| path != gone && !path.starts_with(&format!("{gone}/")));
    }
    files
}

#[test]
fn mirrors_are_changed_without_a_restart() {
    let new = "mirrors:\n  docker.io: {endpoint: [https://two.example]}\n  quay.io: {endpoint: [https://two.example]}\n";
    let files = rendered(MIRROR);
    let change = changed(MIRROR, &files, new);
    assert_eq!(change.way, Way::Hot);
    assert_eq!(
        written(&change),
        [YAML, "/docker.io/hosts.toml", "/quay.io/hosts.toml"]
    );
    assert!(change.remove.is_empty());
    assert!(change.write.iter().all(|file| file.mode == 0o600));
    assert!(
        change
            .diff
            .as_ref()
            .unwrap()
            .contains("+        - \"https://two.example\""),
        "{:?}",
        change.diff
    );
    assert_eq!(carried_out(&change, &files), rendered(new));
}

#[test]
fn what_is_no_longer_mirrored_goes_with_its_folder() {
    let old = "mirrors:\n  docker.io: {endpoint: [https://one.example]}\n  'https://a.example/p': {endpoint: [https://one.example]}\n  \"*\": {endpoint: [https://one.example]}\n";
    let mut files = rendered(old);
    files.insert(
        "mine.example/hosts.toml".to_owned(),
        "server = \"https://mine\"\n".to_owned(),
    );
    let change = changed(old, &files, MIRROR);
    assert_eq!(change.way, Way::Hot);
    assert_eq!(written(&change), [YAML]);
    // k3s leaves folders in folders alone, too.
    assert_eq!(change.remove, [format!("{CERTS_D_PATH}/_default")]);
    let left = carried_out(&change, &files);
    assert!(
        left.contains_key("mine.example/hosts.toml") && left.contains_key("docker.io/hosts.toml")
    );
    assert!(!left.contains_key("_default/hosts.toml"));
}

#[test]
fn credentials_need_a_restart_and_nothing_but_the_document() {
    let new =
        format!("{MIRROR}configs: {{one.example: {{auth: {{username: u, password: s3cret}}}}}}\n");
    let change = changed(MIRROR, &rendered(MIRROR), &new);
    let Way::Restart(reasons) = &change.way else {
        panic!("{change:?}");
    };
    assert!(reasons[0].starts_with("credentials changed"), "{reasons:?}");
    assert_eq!(written(&change), [YAML]);
    assert!(!format!("{change:?}").contains("s3cret"));
}

#[test]
fn the_same_again_is_nothing() {
    let files = rendered(MIRROR);
    let change = changed(MIRROR, &files, MIRROR);
    assert_eq!(
        change,
        Change {
            way: Way::Nothing,
            write: vec![],
            remove: vec![],
            diff: None
        }
    );
    let other_words = "# c\nmirrors:\n  docker.io:\n    endpoint: [https://one.example]\n";
    let change = changed(MIRROR, &files, other_words);
    assert_eq!((change.way, change.diff), (Way::Nothing, None));
    assert_eq!(change.write.len(), 1);
}

#[test]
fn what_somebody_changed_in_certs_d_is_mended() {
    let mut files = rendered(MIRROR);
    files.insert("docker.io/hosts.toml".to_owned(), "broken".to_owned());
    let change = changed(MIRROR, &files, MIRROR);
    assert_eq!(
        (change.way.clone(), written(&change)),
        (Way::Hot, vec!["/docker.io/hosts.toml"])
    );
    assert_eq!(carried_out(&change, &files), rendered(MIRROR));
}

#[test]
fn a_node_without_a_document_gets_its_first() {
    let state = NodeState {
        registries_yaml: None,
        certs_d: &BTreeMap::new(),
        containerd_config: None,
    };
    let first = change(state, MIRROR, &NodeOptions::default()).unwrap();
    assert_eq!(
        (&first.way, written(&first)),
        (&Way::Hot, vec![YAML, "/docker.io/hosts.toml"])
    );
    let old_release = NodeState {
        containerd_config: Some("[plugins.cri.registry.mirrors]"),
        ..state
    };
    let first = change(old_release, MIRROR, &NodeOptions::default()).unwrap();
    assert!(
        matches!(&first.way, Way::Restart(reasons) if reasons[0].contains("does not let containerd read certs.d"))
    );
    assert_eq!(written(&first), [YAML]);
    let unreadable = NodeState {
        registries_yaml: Some("mirrors: [\n"),
        ..state
    };
    let mended = change(unreadable, MIRROR, &NodeOptions::default()).unwrap();
    assert!(matches!(mended.way, Way::Restart(_)));
}

#[test]
fn a_name_that_leads_out_of_certs_d_is_refused() {
    let state = NodeState {
        registries_yaml: None,
        certs_d: &BTreeMap::new(),
        containerd_config: None,
    };
    let error = change(
        state,
        "mirrors: {../../x: {endpoint: [https://m]}}\n",
        &NodeOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error, Error::OutsideCertsD);
    let error = change(state, "mirrors: [s3cret]\n", &NodeOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the new registries.yaml: line 1") && !error.contains("s3cret"),
        "{error}"
    );
}

#[test]
fn the_command_line_of_k3s_decides_how_the_document_is_read() {
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let options = node_options(&words(&["agent"]), &words(&["server"]));
    assert_eq!(options, NodeOptions::default());
    let options = node_options(
        &words(&["agent", "--disable-default-registry-endpoint"]),
        &words(&["server", "--embedded-registry=true"]),
    );
    assert!(options.disable_default_registry_endpoint);
    assert_eq!(options.embedded_registry.as_deref(), Some("127.0.0.1:6443"));
    let options = node_options(
        &[],
        &words(&["server", "--embedded-registry", "--embedded-registry=false"]),
    );
    assert_eq!(options.embedded_registry, None);
    // With the embedded registry other mirrors need a start.
    let embedded = node_options(&[], &words(&["--embedded-registry"]));
    let state = NodeState {
        registries_yaml: Some(MIRROR),
        certs_d: &BTreeMap::new(),
        containerd_config: None,
    };
    let more = format!("{MIRROR}  \n").replace("}}\n", "}, quay.io: }\n");
    assert!(matches!(
        change(state, &more, &embedded).unwrap().way,
        Way::Restart(_)
    ));
}
