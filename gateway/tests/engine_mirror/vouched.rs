//! An Engine does not fetch what it has: that a registry names an image proves nothing, and brings it nobody else's.

use crate::gateway::{Answer, Gateway, free_port};
use crate::host::{Host, Named, unique};
use crate::liar::Liar;
use crate::registry::{ADA, EVE, Registry};

/// A private image that the Engine pulled with somebody's login through the gateway.
struct Secret<'a> {
    registry: Registry,
    gateway: Gateway,
    /// Where a liar may stand, as far as the gateway is concerned.
    liar: String,
    name: String,
    manifest: Answer,
    _pulled: Named<'a>,
}

/// The registry's image is reached by an index where `in_index`.
fn secret<'a>(host: &'a Host, in_index: bool, arguments: &[&str]) -> Secret<'a> {
    let registry = Registry::start(&host.registries, true);
    let liar = format!("{}:{}", host.registries, free_port(&host.registries));
    let plain = format!("{},{liar}", registry.address);
    let insecure = ["--insecure-registries", &plain];
    let gateway = Gateway::start(&host.address, &[&insecure, arguments].concat());
    let name = unique("vouched");
    let digest = registry.fill(host, &name, "1", name.as_bytes());
    if in_index {
        let platforms = serde_json::json!([{"architecture": "amd64", "os": "linux"}]);
        registry.put_index(&name, "1", &digest, &platforms);
    }
    let pulled = host.named(&registry.name(&name, "1"));
    let answer = gateway.manifest(&registry.address, &name, "1", Some(ADA));
    assert_eq!(answer.status, 200, "{answer:?} {}", gateway.log());
    let manifest = if in_index {
        gateway.manifest(&registry.address, &name, &digest, Some(ADA))
    } else {
        answer
    };
    gateway.all_blobs(&registry.address, &name, &manifest, Some(ADA));
    Secret {
        registry,
        gateway,
        liar,
        name,
        manifest,
        _pulled: pulled,
    }
}

impl Secret<'_> {
    /// Whoever asks for it under another registry's name gets none of it, before and after a restart.
    fn stays_one(&mut self, liar: &str, references: &[&str]) {
        let manifest = self.manifest.json();
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let config = manifest["config"]["digest"].as_str().unwrap();
        for _ in 0..2 {
            for login in [None, Some(EVE)] {
                for reference in references {
                    let answer = self.gateway.manifest(liar, "any", reference, login);
                    assert_ne!(answer.body, self.manifest.body, "{reference} {answer:?}");
                    assert_ne!(answer.status, 200, "{reference} {answer:?}");
                }
                for blob in [layer, config] {
                    let answer = self.gateway.blob(liar, "any", blob, login);
                    assert_ne!(answer.status, 200, "{blob}");
                }
            }
            self.gateway.restart();
        }
        // Its own callers notice nothing.
        let own = &self.registry.address;
        for (login, status) in [(Some(ADA), 200), (Some(EVE), 401), (None, 401)] {
            let answer = self.gateway.manifest(own, &self.name, "1", login);
            assert_eq!(answer.status, status, "{answer:?} {}", self.gateway.log());
        }
        let gateway = &self.gateway;
        gateway.all_blobs(own, &self.name, &self.manifest, Some(ADA));
    }
}

#[test]
fn newer_docker_with_containerds_store_shows_a_secret_to_a_liar_and_the_gateway_does_not() {
    let host = Host::newer_containerd();
    let mut secret = secret(&host, false, &[]);
    let digest = secret.manifest.digest();
    let junk = vec![b' '; secret.manifest.body.len()];
    let liar = Liar::claiming(&secret.liar, digest.clone(), junk, "404 Not Found");
    let names = ["any:1".to_owned(), format!("any@{digest}")];
    let names = names.map(|name| host.named(&format!("{}/{name}", liar.address)));
    secret.stays_one(&liar.address, &["1", &digest]);
    for named in &names {
        let shown = host.inspect(&named.name);
        assert!(shown.is_some(), "the Engine was not fooled: {}", named.name);
    }
}

fn what_is_below_a_secret_index_is_one_too(arguments: &[&str]) {
    let host = Host::newer_containerd();
    let mut secret = secret(&host, true, arguments);
    let digest = secret.manifest.digest();
    let junk = vec![b' '; secret.manifest.body.len()];
    let liar = Liar::claiming(&secret.liar, digest.clone(), junk, "404 Not Found");
    let fooled = host.named(&format!("{}/any:1", liar.address));
    secret.stays_one(&liar.address, &["1", &digest]);
    assert!(
        host.inspect(&fooled.name).is_some(),
        "the Engine was not fooled"
    );
}

#[test]
fn newer_docker_with_containerds_store_keeps_what_is_below_a_secret_index_one_too() {
    what_is_below_a_secret_index_is_one_too(&[]);
}

#[test]
fn newer_docker_whose_content_cannot_be_read_keeps_what_is_below_a_secret_index_one_too() {
    let nowhere = [
        "--data-root",
        "/nonexistent",
        "--containerd",
        "/nonexistent",
    ];
    what_is_below_a_secret_index_is_one_too(&nowhere);
}

/// Graph drivers take an image for pulled when they have its configuration.
fn a_registry_that_names_a_configuration_gets_no_layers(host: &Host) {
    let secret = secret(host, false, &[]);
    let liar = Liar::start(&secret.liar, secret.manifest.body.clone(), "404 Not Found");
    let fooled = host.named(&format!("{}/any:1", liar.address));
    let digest = secret.manifest.digest();
    let manifest = secret.manifest.json();
    for reference in ["1", digest.as_str()] {
        // The liar may show its own manifest, and it opens nothing.
        secret
            .gateway
            .manifest(&liar.address, "any", reference, None);
        for descriptor in [&manifest["config"], &manifest["layers"][0]] {
            let blob = descriptor["digest"].as_str().unwrap();
            let answer = secret.gateway.blob(&liar.address, "any", blob, None);
            assert_ne!(answer.status, 200, "{reference} {blob}");
        }
    }
    assert!(
        host.inspect(&fooled.name).is_some(),
        "the Engine was not fooled: {}",
        secret.gateway.log()
    );
}

#[test]
fn a_registry_that_names_somebody_elses_configuration_gets_no_layers_of_it() {
    a_registry_that_names_a_configuration_gets_no_layers(&Host::first());
}

#[test]
fn newer_docker_with_a_graph_driver_gives_a_liar_no_layers_either() {
    a_registry_that_names_a_configuration_gets_no_layers(&Host::newer_graph());
}

fn second_tags_and_older_names_go_on(host: &Host) {
    let registry = Registry::start(&host.registries, true);
    let name = unique("names");
    registry.fill(host, &name, "1", name.as_bytes());
    registry.copy_tag(&name, "1", "2");
    let (one, two) = (registry.name(&name, "1"), registry.name(&name, "2"));
    // The Engine has the image by itself under a name of its own before the gateway starts.
    host.docker_with(registry.login(), &["pull", "--quiet", &one])
        .unwrap();
    let older = host.named(&format!("127.0.0.1:1/{name}:older"));
    host.docker(&["tag", &one, &older.name]).unwrap();
    host.docker(&["rmi", &one]).unwrap();
    let mut gateway = Gateway::start(&host.address, &["--insecure-registries", &registry.address]);
    let _pulled = [host.named(&one), host.named(&two)];
    for tag in ["1", "2"] {
        let answer = gateway.manifest(&registry.address, &name, tag, Some(ADA));
        assert_eq!(answer.status, 200, "{tag} {answer:?} {}", gateway.log());
        gateway.all_blobs(&registry.address, &name, &answer, Some(ADA));
    }
    for _ in 0..2 {
        for (tag, login, status) in [
            ("1", None, 401),
            ("2", Some(EVE), 401),
            ("2", Some(ADA), 200),
        ] {
            let answer = gateway.manifest(&registry.address, &name, tag, login);
            assert_eq!(answer.status, status, "{tag} {answer:?} {}", gateway.log());
        }
        let answer = gateway.manifest("127.0.0.1:1", &name, "older", None);
        assert_eq!(answer.status, 200, "{answer:?} {}", gateway.log());
        gateway.all_blobs("127.0.0.1:1", &name, &answer, None);
        gateway.restart();
    }
}

#[test]
fn a_second_tag_is_pulled_as_the_first_and_an_older_name_stays_open() {
    second_tags_and_older_names_go_on(&Host::first());
}

#[test]
fn newer_docker_with_containerds_store_has_second_tags_and_older_names_too() {
    second_tags_and_older_names_go_on(&Host::newer_containerd());
}
