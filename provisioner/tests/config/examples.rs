//! The config files that the documentation shows.

use std::path::{Path, PathBuf};

use provisioner::cluster::ClusterSpec;
use provisioner::config::{self, CreateFlags, Origin};

use crate::support::{environment, transform};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/clusters")
}

/// The cluster of an example; an example that is warned of is none.
fn cluster(file: &str) -> ClusterSpec {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let environment = environment(&[("MIRROR_PASSWORD", "made-up")]);
    let loaded = config::load(&text, &Origin::file(file), &environment)
        .unwrap_or_else(|problems| panic!("{file}:\n{problems}"));
    let merged = config::merge(loaded, &CreateFlags::default(), &environment).unwrap();
    let transformed = transform(&merged).unwrap_or_else(|problems| panic!("{file}:\n{problems}"));
    assert_eq!(transformed.warnings, [], "{file}");
    transformed.cluster
}

#[test]
fn every_example_becomes_a_cluster_without_a_warning() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["cache.yaml", "development.yaml", "three-servers.yaml"]
    );
    for file in files {
        assert_eq!(format!("{}.yaml", cluster(&file).name), file);
    }
}

#[test]
fn the_examples_keep_what_their_comments_promise() {
    let servers = cluster("three-servers.yaml");
    let agent = servers.nodes.last().unwrap();
    assert_eq!(agent.env, ["PRICE=5$"]);
    let development = cluster("development.yaml");
    assert_eq!(development.registries.create.unwrap().port, Some(5111));
    let cache = cluster("cache.yaml");
    let document = cache.registries.config.unwrap().0;
    assert!(document.contains("\"quay/$1\"") && document.contains("password: made-up"));
    let volumes = cache.registries.create.unwrap().volumes;
    assert_eq!(volumes, ["/project/docker-io:/var/lib/registry"]);
}
