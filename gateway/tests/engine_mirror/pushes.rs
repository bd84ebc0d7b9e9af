//! Pushes of real clients: Docker with its two kinds of stores, skopeo, with and without a login.

use std::fs;

use crate::clients::skopeo;
use crate::gateway::{Answer, Gateway, sha256};
use crate::host::{Host, unique};
use crate::registry::{ADA, EVE};

/// Every blob of a pushed image, which must be what it is called.
fn all_blobs(gateway: &Gateway, name: &str, manifest: &Answer) {
    let manifest = manifest.json();
    let layers = manifest["layers"].as_array().unwrap().iter();
    for descriptor in layers.chain([&manifest["config"]]) {
        let digest = descriptor["digest"].as_str().unwrap();
        let blob = gateway.ask(&format!("/v2/{name}/blobs/{digest}"), &[]);
        assert_eq!((blob.status, sha256(&blob.body).as_str()), (200, digest));
    }
}

fn pushes_are_pulled_again(host: &Host) {
    let mut gateway = Gateway::start_at(&host.registries, &host.address, &[]);
    let name = unique("pushed");
    let (one, other) = (
        format!("{}/{name}:1", gateway.address),
        format!("{}/{name}-other:1", gateway.address),
    );
    let image = host.image(&one, &vec![4; 3 << 20]);
    let id = host.inspect(&one).unwrap()["Id"].clone();
    host.docker(&["push", "--quiet", &one])
        .unwrap_or_else(|told| panic!("{told} {}", gateway.log()));
    // The same layers into another repository: they are mounted or found.
    let second = host.tagged(&one, &other);
    host.docker(&["push", "--quiet", &other]).unwrap();
    drop((image, second));
    assert!(host.inspect(&one).is_none());
    for _ in 0..2 {
        for name in [&name, &format!("{name}-other")] {
            let manifest = gateway.ask(&format!("/v2/{name}/manifests/1"), &[]);
            assert_eq!(manifest.status, 200, "{manifest:?}");
            assert_eq!(sha256(&manifest.body), manifest.digest());
            all_blobs(&gateway, name, &manifest);
        }
        gateway.restart();
    }
    host.docker(&["pull", "--quiet", &one]).unwrap();
    let pulled = host.named(&one);
    assert_eq!(host.inspect(&pulled.name).unwrap()["Id"], id);
}

#[test]
fn docker_pulls_again_what_it_pushed() {
    pushes_are_pulled_again(&Host::first());
}

#[test]
fn newer_docker_with_a_graph_driver_pulls_again_what_it_pushed() {
    pushes_are_pulled_again(&Host::newer_graph());
}

#[test]
fn newer_docker_with_containerds_store_pulls_again_what_it_pushed() {
    pushes_are_pulled_again(&Host::newer_containerd());
}

#[test]
fn skopeo_copies_to_the_gateway_and_between_its_repositories() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("copied");
    let _image = host.image(&format!("{name}:1"), &vec![6; 2 << 20]);
    let at = |name: &str| format!("docker://{}/{name}:2", gateway.address);
    let daemon = format!("docker-daemon:{name}:1");
    let socket = ["--src-daemon-host", &host.address];
    let plain = ["--dest-tls-verify=false"];
    let own = unique("own");
    skopeo(&[&["copy"], &socket[..], &plain, &[&daemon, &at(&own)]].concat())
        .unwrap_or_else(|told| panic!("{told} {}", gateway.log()));
    let next = unique("next");
    let both = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&[&both[..], &[&at(&own), &at(&next)]].concat()).unwrap();
    let manifests = [own, next].map(|name| {
        let manifest = gateway.ask(&format!("/v2/{name}/manifests/2"), &[]);
        all_blobs(&gateway, &name, &manifest);
        manifest.digest()
    });
    assert_eq!(manifests[0], manifests[1]);
    // The Engine's image stays what it was, beside what was pushed.
    assert_eq!(
        gateway.ask(&format!("/v2/{name}/manifests/1"), &[]).status,
        200
    );
}

#[test]
fn docker_and_skopeo_push_with_the_password_of_a_user_only() {
    let host = Host::first();
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let (user, password) = ADA.split_once(':').unwrap();
    fs::write(
        &users,
        format!("{user}:{}\n", bcrypt::hash(password, 4).unwrap()),
    )
    .unwrap();
    let file = users.display().to_string();
    let gateway = Gateway::start(&host.address, &["--push", "htpasswd", "--htpasswd", &file]);
    let name = unique("users");
    let full = format!("{}/{name}:1", gateway.address);
    let _image = host.image(&full, b"content");
    let config = folder.path().join("docker");
    fs::create_dir(&config).unwrap();
    let docker = |arguments: &[&str]| host.docker_with(&config, arguments);
    let login = |password: &str| {
        docker(&[
            "login",
            "--username",
            user,
            "--password",
            password,
            &gateway.address,
        ])
    };
    docker(&["push", "--quiet", &full]).unwrap_err();
    let (_, wrong) = EVE.split_once(':').unwrap();
    login(wrong).unwrap_err();
    docker(&["push", "--quiet", &full]).unwrap_err();
    let manifest = format!("/v2/{name}/manifests/2");
    login(password).unwrap();
    docker(&["push", "--quiet", &full]).unwrap_or_else(|told| panic!("{told} {}", gateway.log()));
    let image = format!("docker://{}/{name}", gateway.address);
    let copy = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let with = |password: &str| {
        let login = format!("{user}:{password}");
        let tags = [format!("{image}:1"), format!("{image}:2")];
        let more = [
            "--src-creds",
            &login,
            "--dest-creds",
            &login,
            &tags[0],
            &tags[1],
        ];
        skopeo(&[&copy[..], &more].concat())
    };
    with(wrong).unwrap_err();
    assert_eq!(gateway.ask(&manifest, &[]).status, 404);
    with(password).unwrap();
    // Who pulls needs no login.
    assert_eq!(gateway.ask(&manifest, &[]).status, 200);
    for secret in [password, wrong] {
        assert!(!gateway.log().contains(secret));
    }
}
