//! Images that only some may have: a real registry with a login behind a real Engine.

use crate::gateway::{Answer, Gateway, sha256};
use crate::host::{Host, unique};
use crate::liar::Liar;
use crate::registry::{ADA, EVE, Registry};

fn is_challenge(answer: &Answer, registry: &str) -> bool {
    let expected = format!("Basic realm=\"{registry}\"");
    answer.header("www-authenticate") == Some(expected.as_str())
}

fn logins_decide_what_is_pulled(host: &Host) {
    let registry = Registry::start(&host.registries, true);
    let insecure = ["--insecure-registries", &registry.address];
    let mut gateway = Gateway::start(&host.address, &insecure);
    let name = unique("private");
    registry.fill(host, &name, "1", name.as_bytes());
    let _pulled = host.named(&registry.name(&name, "1"));
    let ask = |gateway: &Gateway, tag: &str, login| {
        gateway.manifest(&registry.address, &name, tag, login)
    };

    let nobody = ask(&gateway, "1", None);
    assert_eq!(
        (nobody.status, nobody.code().as_str()),
        (401, "UNAUTHORIZED"),
        "{}",
        gateway.log()
    );
    assert!(is_challenge(&nobody, &registry.address), "{nobody:?}");
    let wrong = ask(&gateway, "1", Some(EVE));
    assert_eq!(
        (wrong.status, wrong.header("www-authenticate")),
        (401, None),
        "{}",
        gateway.log()
    );
    let absent = ask(&gateway, "2", Some(ADA));
    assert_eq!(
        (absent.status, absent.code().as_str()),
        (404, "MANIFEST_UNKNOWN"),
        "{}",
        gateway.log()
    );

    let right = ask(&gateway, "1", Some(ADA));
    assert_eq!(right.status, 200, "{right:?} {}", gateway.log());
    gateway.all_blobs(&registry.address, &name, &right, Some(ADA));
    // It is here now, and still only for who may have it: by tag, by digest, and each blob, before and after a restart.
    let layer = right.json()["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..2 {
        for (login, status) in [(None, 401), (Some(EVE), 401), (Some(ADA), 200)] {
            for reference in ["1", &right.digest()] {
                let answer = ask(&gateway, reference, login);
                assert_eq!(
                    answer.status,
                    status,
                    "{reference} {answer:?} {}",
                    gateway.log()
                );
                assert_eq!(is_challenge(&answer, &registry.address), login.is_none());
            }
            let blob = gateway.blob(&registry.address, &name, &layer, login);
            assert_eq!(blob.status, status, "{blob:?}");
        }
        let tags = gateway.ask(
            &format!("/v2/{name}/tags/list?ns={}", registry.address),
            &[],
        );
        assert_eq!(tags.status, 401, "{tags:?}");
        let catalog = gateway.ask("/v2/_catalog?n=10000", &[]);
        assert_eq!(catalog.status, 200);
        assert!(!String::from_utf8_lossy(&catalog.body).contains(&name));
        let plain = gateway.ask(
            &format!(
                "/v2/{}/{name}/manifests/1",
                registry.address.replace(':', "%3A")
            ),
            &[],
        );
        assert_ne!(plain.status, 200, "{plain:?}");
        gateway.restart();
    }
    for secret in [ADA, EVE] {
        let (_, password) = secret.split_once(':').unwrap();
        assert!(!gateway.log().contains(password));
    }
}

#[test]
fn logins_decide_what_is_pulled_and_who_may_have_it_then() {
    logins_decide_what_is_pulled(&Host::first());
}

#[test]
fn newer_docker_with_a_graph_driver_lets_logins_decide_too() {
    logins_decide_what_is_pulled(&Host::newer_graph());
}

#[test]
fn newer_docker_with_containerds_store_lets_logins_decide_too() {
    logins_decide_what_is_pulled(&Host::newer_containerd());
}

#[test]
fn a_registry_that_is_down_proves_nothing() {
    let host = Host::first();
    let mut registry = Registry::start(&host.registries, true);
    let mut gateway = Gateway::start(&host.address, &[]);
    let name = unique("down");
    registry.fill(&host, &name, "1", name.as_bytes());
    let _pulled = host.named(&registry.name(&name, "1"));
    let ask = |gateway: &Gateway, login| gateway.manifest(&registry.address, &name, "1", login);
    assert_eq!(ask(&gateway, Some(ADA)).status, 200);
    let address = registry.address.clone();
    registry.stop();
    let ask = |gateway: &Gateway, login| gateway.manifest(&address, &name, "1", login);
    // Who has proved it lately need not again; who has not is told to come back.
    assert_eq!(ask(&gateway, Some(ADA)).status, 200);
    for login in [None, Some(EVE)] {
        let answer = ask(&gateway, login);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some());
    }
    gateway.restart();
    assert_eq!(ask(&gateway, Some(ADA)).status, 503);
    registry.resume();
    assert_eq!(ask(&gateway, Some(ADA)).status, 200, "{}", gateway.log());
}

#[test]
fn what_the_engine_had_is_for_everybody_unless_the_registry_is_to_be_asked() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, true);
    let name = unique("had");
    registry.fill(&host, &name, "1", name.as_bytes());
    let full = registry.name(&name, "1");
    host.docker_with(registry.login(), &["pull", "--quiet", &full])
        .unwrap();
    let _pulled = host.named(&full);
    let serving = Gateway::start(&host.address, &[]);
    let answer = serving.manifest(&registry.address, &name, "1", None);
    assert_eq!(answer.status, 200);
    assert!(!serving.log().contains("pulling"), "{}", serving.log());
    let asking = Gateway::start(&host.address, &["--local-images", "ask"]);
    for (login, status) in [(None, 401), (Some(EVE), 401), (Some(ADA), 200)] {
        let answer = asking.manifest(&registry.address, &name, "1", login);
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[test]
fn the_login_of_the_host_pulls_for_who_has_none() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, true);
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("login");
    registry.fill(&host, &name, "1", name.as_bytes());
    let _pulled = host.named(&registry.name(&name, "1"));
    gateway.set_login(registry.login());
    // Whoever says who he is gets what he may have, not what the host may.
    assert_eq!(
        gateway
            .manifest(&registry.address, &name, "1", Some(EVE))
            .status,
        401
    );
    let answer = gateway.manifest(&registry.address, &name, "1", None);
    assert_eq!(answer.status, 200, "{answer:?}");
    gateway.all_blobs(&registry.address, &name, &answer, None);
}

#[test]
fn digests_of_the_registry_come_from_there_where_the_engine_knows_only_layers() {
    let host = Host::first();
    let mut registry = Registry::start(&host.registries, true);
    let mut gateway = Gateway::start(&host.address, &[]);
    let name = unique("upstream");
    let digest = registry.fill(&host, &name, "1", name.as_bytes());
    let address = registry.address.clone();
    assert_eq!(gateway.manifest(&address, &name, &digest, None).status, 401);
    let found = gateway.manifest(&address, &name, &digest, Some(ADA));
    assert_eq!(
        (found.status, found.digest()),
        (200, digest.clone()),
        "{found:?}"
    );
    gateway.all_blobs(&address, &name, &found, Some(ADA));
    let layer = found.json()["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    for login in [None, Some(EVE)] {
        assert_eq!(
            gateway.manifest(&address, &name, &digest, login).status,
            401
        );
        assert_eq!(gateway.blob(&address, &name, &layer, login).status, 401);
    }
    registry.stop();
    gateway.restart();
    let down = gateway.manifest(&address, &name, &digest, Some(ADA));
    assert_eq!(down.status, 503, "{down:?}");
}

fn an_image_for_other_platforms_is_not_found(host: &Host) {
    let registry = Registry::start(&host.registries, false);
    let gateway = Gateway::start(&host.address, &["--insecure-registries", &registry.address]);
    let name = unique("platform");
    let digest = registry.fill(host, &name, "1", name.as_bytes());
    let platforms = serde_json::json!([{"architecture": "s390x", "os": "linux"}]);
    registry.put_index(&name, "other", &digest, &platforms);
    let answer = gateway.manifest(&registry.address, &name, "other", None);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (404, "MANIFEST_UNKNOWN"),
        "{answer:?} {}",
        gateway.log()
    );
}

#[test]
fn images_for_other_platforms_are_not_found() {
    an_image_for_other_platforms_is_not_found(&Host::first());
}

#[test]
fn newer_docker_with_a_graph_driver_finds_no_images_for_other_platforms() {
    an_image_for_other_platforms_is_not_found(&Host::newer_graph());
}

#[test]
fn newer_docker_with_containerds_store_finds_no_images_for_other_platforms() {
    an_image_for_other_platforms_is_not_found(&Host::newer_containerd());
}

#[test]
fn a_registry_that_cannot_be_found_is_a_bad_gateway() {
    let gateway = Gateway::start(&Host::first().address, &[]);
    for registry in ["nobody.invalid", "127.0.0.1:1"] {
        let answer = gateway.manifest(registry, "any", "1", None);
        assert!(matches!(answer.status, 502 | 504), "{answer:?}");
    }
}

#[test]
fn a_tag_that_moved_in_its_registry_is_followed_when_it_is_to_be() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, false);
    let name = unique("moves");
    registry.fill(&host, &name, "1", b"old");
    let full = registry.name(&name, "1");
    host.docker(&["pull", "--quiet", &full]).unwrap();
    let _pulled = host.named(&full);
    let old = host.inspect(&full).unwrap()["Id"].clone();
    let _old = host.named(old.as_str().unwrap());
    // The tag moves without the Engine's knowledge.
    let newer = host.image(&registry.name(&name, "2"), b"new");
    host.docker(&["push", "--quiet", &newer.name]).unwrap();
    registry.copy_tag(&name, "2", "1");
    let missing = Gateway::start(&host.address, &[]);
    let always = Gateway::start(&host.address, &["--upstream", "always"]);
    let id = |gateway: &Gateway| {
        let answer = gateway.manifest(&registry.address, &name, "1", None);
        assert_eq!(answer.status, 200, "{answer:?} {}", gateway.log());
        answer.json()["config"]["digest"].clone()
    };
    assert_eq!(id(&missing), old);
    assert_eq!(id(&always), host.inspect(&newer.name).unwrap()["Id"]);
    // What was built here is not what the registry has, and stays.
    let built = host.image(&full, b"built");
    assert_eq!(id(&always), host.inspect(&built.name).unwrap()["Id"]);
}

#[test]
fn a_manifest_that_names_somebody_elses_blobs_opens_none_of_them() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, true);
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("secret");
    let digest = registry.fill(&host, &name, "1", name.as_bytes());
    let secret = gateway.manifest(&registry.address, &name, &digest, Some(ADA));
    gateway.all_blobs(&registry.address, &name, &secret, Some(ADA));
    // The same manifest in a registry that has none of the blobs.
    let liar = Liar::start("127.0.0.1:0", secret.body.clone(), "404 Not Found");
    let mirrored = gateway.manifest(&liar.address, "any", &digest, None);
    assert_eq!(mirrored.status, 200, "{mirrored:?}");
    let manifest = secret.json();
    for descriptor in [&manifest["config"], &manifest["layers"][0]] {
        let wanted = descriptor["digest"].as_str().unwrap();
        assert_eq!(gateway.blob(&liar.address, "any", wanted, None).status, 401);
        assert_eq!(
            gateway.blob(&liar.address, "any", wanted, Some(EVE)).status,
            404
        );
    }
}

#[test]
fn a_registry_that_says_that_it_has_somebody_elses_blobs_gets_none_of_them() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, true);
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("secret");
    let digest = registry.fill(&host, &name, "1", name.as_bytes());
    let secret = gateway.manifest(&registry.address, &name, &digest, Some(ADA));
    let manifest = secret.json();
    let parts = [&manifest["config"], &manifest["layers"][0]];
    let parts = parts.map(|it| it["digest"].as_str().unwrap());
    let liar = Liar::start("127.0.0.1:0", secret.body.clone(), "200 OK");
    let lies = || {
        let mirrored = gateway.manifest(&liar.address, "any", &digest, None);
        assert_eq!(mirrored.status, 200, "{mirrored:?}");
        for wanted in parts {
            for _ in 0..2 {
                // The answer may begin, but what comes breaks off and is not what was asked for.
                let path = format!("/v2/any/blobs/{wanted}?ns={}", liar.address);
                let answer = gateway.try_ask(&path, &[]);
                let body = answer.map(|answer| answer.body).unwrap_or_default();
                assert_ne!(sha256(&body), wanted);
            }
        }
    };
    // Before the blobs are here, and when they are.
    lies();
    gateway.all_blobs(&registry.address, &name, &secret, Some(ADA));
    lies();
    // And nobody else is told the lies.
    gateway.all_blobs(&registry.address, &name, &secret, Some(ADA));
}
