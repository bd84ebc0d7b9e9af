//! A real registry that is encrypted.

use std::process::Command;

use berth_gateway::mirror::MirrorSettings;
use berth_gateway::names::{Host, MirroredName, Name, Reference};
use berth_gateway::upstream::{Problem, Upstream};

use crate::registry::{Encryption, Registry};

#[tokio::test]
async fn an_encrypted_registry_is_asked_when_its_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=registry",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(at("key.pem"))
        .arg("-out")
        .arg(at("certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let encryption = Encryption {
        certificate: at("certificate.pem"),
        key: at("key.pem"),
    };
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
    std::fs::copy(at("certificate.pem"), certificates.join("ca.crt")).unwrap();
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
