//! What the arguments of `image import` mean.

use std::path::{Path, PathBuf};

use provisioner::import::{Source, Sources};

fn resolve(arguments: &[&str], present: &[&str]) -> Sources {
    let owned =
        |list: &[&str]| -> Vec<String> { list.iter().map(|&text| text.to_owned()).collect() };
    let is_file = |path: &Path| path == Path::new("images.tar") || path == Path::new("busybox");
    Sources::resolve(&owned(arguments), &owned(present), is_file)
}

const PRESENT: &[&str] = &[
    "busybox:latest",
    "registry/one:latest",
    "registry:1234/one:latest",
    "one/two:latest",
    "tagged:v1",
    "registry:1234/tagged:v1",
];

#[test]
fn names_are_found_however_they_are_written() {
    for (name, found) in [
        ("library/busybox", "busybox:latest"),
        ("docker.io/library/busybox", "busybox:latest"),
        ("docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:latest", "busybox:latest"),
        ("registry/one", "registry/one:latest"),
        ("registry/one:latest", "registry/one:latest"),
        ("registry:1234/one", "registry:1234/one:latest"),
        ("registry:1234/one:latest", "registry:1234/one:latest"),
        ("one/two", "one/two:latest"),
        ("docker.io/one/two", "one/two:latest"),
        ("tagged:v1", "tagged:v1"),
        ("docker.io/library/tagged:v1", "tagged:v1"),
        ("registry:1234/tagged:v1", "registry:1234/tagged:v1"),
    ] {
        assert_eq!(resolve(&[name], PRESENT).images, [found], "{name}");
    }
}

#[test]
fn other_names_are_not_found() {
    for name in ["nosuch", "tagged", "tagged:v2", "two", "registry:1234", "-"] {
        let sources = resolve(&[name, "tagged:v1"], PRESENT);
        assert_eq!(sources.unknown, [name]);
        assert_eq!(sources.images, ["tagged:v1"]);
    }
    assert!(resolve(&["nosuch"], PRESENT).is_empty());
}

#[test]
fn names_are_found_as_podman_lists_them() {
    let present = ["docker.io/library/alpine:latest", "localhost/mine:1"];
    assert_eq!(resolve(&["mine:1"], &present).images, ["localhost/mine:1"]);
    for name in ["alpine", "library/alpine", "docker.io/library/alpine"] {
        assert_eq!(
            resolve(&[name], &present).images,
            ["docker.io/library/alpine:latest"]
        );
    }
}

#[test]
fn a_file_comes_before_an_image_of_its_name() {
    let sources = resolve(
        &["busybox", "images.tar", "tagged:v1", "images.tar"],
        PRESENT,
    );
    assert_eq!(
        sources.archives,
        [PathBuf::from("busybox"), PathBuf::from("images.tar")]
    );
    assert_eq!(
        sources.batches(),
        [
            Source::Images(vec!["tagged:v1".to_owned()]),
            Source::Archive("busybox".into()),
            Source::Archive("images.tar".into()),
        ]
    );
}

#[test]
fn a_dash_alone_is_standard_input() {
    let sources = resolve(&["-"], PRESENT);
    assert!(sources.stdin);
    assert_eq!(sources.batches(), [Source::Stdin]);
    let is_file = |path: &Path| path == Path::new("images.tar");
    assert!(!Sources::needs_names(&["-".to_owned()], is_file));
    assert!(!Sources::needs_names(&["images.tar".to_owned()], is_file));
    assert!(Sources::needs_names(
        &["images.tar".to_owned(), "x".to_owned()],
        is_file
    ));
}

#[test]
fn what_is_named_twice_is_brought_once() {
    let sources = resolve(&["library/busybox", "busybox:latest", "tagged:v1"], PRESENT);
    assert_eq!(sources.images, ["busybox:latest", "tagged:v1"]);
}
