//! containerd's store may lack blobs of images that it has: it does not fetch layers that are unpacked.

use crate::gateway::{Gateway, files};
use crate::host::{Host, unique};
use crate::registry::Registry;

#[test]
fn newer_docker_lacks_blobs_and_the_registry_gives_them() {
    let host = Host::newer_containerd();
    let mut registry = Registry::start(&host.registries, false);
    let name = unique("lacks");
    let (one, two) = (registry.name(&name, "1"), registry.name(&name, "2"));
    let config = registry.login();
    {
        let _one = host.image(&one, name.as_bytes());
        let container = host.docker(&["create", &one, "nothing"]).unwrap();
        host.docker(&["commit", "--change", "LABEL two=2", &container, &two])
            .unwrap();
        let _two = host.named(&two);
        for image in [&one, &two] {
            host.docker_with(config, &["push", "--quiet", image])
                .unwrap();
        }
        host.docker(&["rm", "--force", &container]).unwrap();
    }
    host.docker(&["pull", "--quiet", &one]).unwrap();
    let container = host.docker(&["create", &one, "nothing"]).unwrap();
    // Without its last name the image lives on for the container until its id goes, too.
    let id = host.inspect(&one).unwrap()["Id"]
        .as_str()
        .unwrap()
        .to_owned();
    host.docker(&["rmi", "--force", &one]).unwrap();
    drop(host.docker(&["rmi", "--force", &id]));
    host.docker(&["pull", "--quiet", &two]).unwrap();
    let _two = host.named(&two);

    let address = registry.address.clone();
    let insecure = ["--insecure-registries", &address];
    let gateway = Gateway::start(&host.address, &insecure);
    let manifest = gateway.manifest(&address, &name, "2", None);
    assert_eq!(manifest.status, 200, "{manifest:?}");
    gateway.all_blobs(&address, &name, &manifest, None);
    let blobs = gateway.folder.path().join("store/blobs");
    assert!(
        files(&blobs) > 1,
        "the Engine lacked nothing: {}",
        gateway.log()
    );
    let by_digest = gateway.manifest(&address, &name, &manifest.digest(), None);
    assert_eq!(by_digest.status, 200);

    // Nobody can give the blobs now: no manifest is better than one that cannot be used.
    registry.stop();
    let gateway = Gateway::start(&host.address, &insecure);
    for reference in ["2", &manifest.digest()] {
        let answer = gateway.manifest(&address, &name, reference, None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "MANIFEST_UNKNOWN"),
            "{answer:?}"
        );
    }
    host.docker(&["rm", "--force", &container]).unwrap();
}
