//! Registries that are encrypted: a real one behind the gateway, and the gateway itself.

use std::process::Command;

use berth_gateway::mirror::MirrorSettings;
use berth_gateway::names::{Host, MirroredName, Name, Reference};
use berth_gateway::upstream::{Problem, Upstream};

use crate::clients::skopeo;
use crate::gateway::Gateway;
use crate::host::{Host as Engine, unique};
use crate::registry::{Encryption, Registry};

#[tokio::test]
async fn an_encrypted_registry_is_asked_when_its_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let encryption = Encryption::make(folder.path());
    let registry = Registry::encrypted("127.0.0.1", &encryption);
    let name = MirroredName {
        host: Host::parse(&registry.address).unwrap(),
        repository: Name::parse("any").unwrap(),
    };
    let tag = Reference::parse("1").unwrap();
    let certificates = at("certs.d").join(&registry.address);
    std::fs::create_dir_all(&certificates).unwrap();
    let settings = MirrorSettings {
        certificates: at("certs.d"),
        ..MirrorSettings::default()
    };
    // Nobody vouches for it, and what it is told without encryption it does not understand.
    let stranger = Upstream::new(&settings)
        .look(&name, &tag, None)
        .await
        .unwrap_err();
    assert!(
        !matches!(stranger.problem, Problem::Absent | Problem::Login),
        "{stranger}"
    );
    std::fs::copy(&encryption.certificate, certificates.join("ca.crt")).unwrap();
    let trusted = Upstream::new(&settings);
    let nobody = trusted.look(&name, &tag, None).await.unwrap_err();
    assert_eq!(nobody.problem, Problem::Login);
    let wrong = trusted
        .look(&name, &tag, Some(&crate::registry::credentials("wrong")))
        .await
        .unwrap_err();
    assert_eq!(wrong.problem, Problem::Login);
    let (_, password) = crate::registry::ADA.split_once(':').unwrap();
    let absent = trusted
        .look(&name, &tag, Some(&crate::registry::credentials(password)))
        .await
        .unwrap_err();
    assert_eq!(absent.problem, Problem::Absent);
}

#[test]
fn an_encrypted_gateway_serves_clients_that_trust_it_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let encryption = Encryption::make(folder.path());
    let engine = Engine::first();
    let gateway = Gateway::encrypted(&engine.address, &encryption);
    let name = unique("encrypted");
    let _image = engine.image(&format!("{name}:1"), &vec![5; 4 << 20]);
    let served = gateway.ask(&format!("/v2/{name}/manifests/1"), &[]);
    assert_eq!(served.status, 200, "{served:?}");
    let certificates = folder.path().join("certificates");
    std::fs::create_dir(&certificates).unwrap();
    let image = format!("docker://{}/{name}:1", gateway.address);
    let copy = |to: &str| {
        let to = folder.path().join(to);
        skopeo(&[
            "copy",
            "--src-cert-dir",
            &certificates.display().to_string(),
            &image,
            &format!("dir:{}", to.display()),
        ])
        .map(|_| std::fs::read(to.join("manifest.json")).unwrap())
    };
    let stranger = copy("stranger").unwrap_err();
    assert!(stranger.contains("x509"), "{stranger}");
    std::fs::copy(&encryption.certificate, certificates.join("ca.crt")).unwrap();
    assert_eq!(copy("trusted").unwrap(), served.body);
    // Docker trusts its own machine, and is encrypted all the same.
    let full = format!("{}/{name}:1", gateway.address);
    engine
        .docker(&[
            "push",
            "--quiet",
            &engine.tagged(&format!("{name}:1"), &full).name,
        ])
        .unwrap();
    engine.docker(&["pull", "--quiet", &full]).unwrap();
    let _pulled = engine.named(&full);
    let plain = format!("http://{}/v2/", gateway.address);
    let answer = Command::new("curl")
        .args(["--silent", "--noproxy", "*", &plain])
        .output()
        .unwrap();
    assert!(!answer.status.success(), "{answer:?}");
}
