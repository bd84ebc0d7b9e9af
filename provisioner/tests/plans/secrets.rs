//! No token, password or variable of a user is in anything that is printed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use provisioner::cluster::*;
use provisioner::names;
use provisioner::plan::{self, Addition, ClusterRegistries, Found};
use provisioner::step::{Effect, Step, listing, undo};
use registries::Secret;

use super::samples::{around, demo, made};

/// Long and odd enough not to occur by chance.
fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!%&=_-]{12,40}"
}

fn leaky(token: &str, password: &str, variable: &str) -> (ClusterSpec, ClusterRegistries) {
    let mut cluster = demo(3, 1);
    cluster.token = Secret::from(token);
    let document = format!("configs: {{reg: {{auth: {{username: u, password: '{password}'}}}}}}\n");
    for node in &mut cluster.nodes {
        node.env = vec![format!("PASSWORD={variable}")];
        node.files = vec![NodeFile {
            path: "/etc/secret".to_owned(),
            mode: 0o600,
            content: variable.as_bytes().to_vec(),
        }];
    }
    cluster.registries = RegistriesSpec {
        create: Some(RegistrySpec {
            name: "reg".to_owned(),
            image: "registry:2".to_owned(),
            host: String::new(),
            host_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: Some(5111),
            same_port: false,
            volumes: Vec::new(),
            proxy: Some(RegistryProxy {
                remote_url: "https://registry-1.docker.io".to_owned(),
                username: "u".to_owned(),
                password: Secret::from(password),
            }),
            delete_enabled: true,
            network: "bridge".to_owned(),
        }),
        using: Vec::new(),
        config: Some(Document(document.clone())),
    };
    let registries = ClusterRegistries {
        files: vec![NodeFile {
            path: names::REGISTRIES_PATH.to_owned(),
            mode: 0o644,
            content: document.into_bytes(),
        }],
        ..ClusterRegistries::default()
    };
    (cluster, registries)
}

/// Everything that a user, a log or a crash could show of these steps.
fn shown(steps: &[Step]) -> String {
    let undone: Vec<_> = steps
        .iter()
        .filter_map(|step| undo(step, Effect::Made))
        .collect();
    format!(
        "{}{steps:?}{steps:#?}{}{undone:?}",
        listing(steps),
        listing(&undone)
    )
}

proptest! {
    #[test]
    fn plans_and_specifications_show_no_secret(
        token in secret(),
        password in secret(),
        variable in secret(),
    ) {
        let (cluster, registries) = leaky(&token, &password, &variable);
        let there = made(&cluster, true);
        let addition = Addition {
            name: "extra".to_owned(),
            replicas: 1,
            role: Role::Agent,
            image: None,
            memory: None,
            labels: BTreeMap::new(),
            ulimits: Vec::new(),
            node_labels: Vec::new(),
            networks: Vec::new(),
            token: Some(Secret::from(token.as_str())),
            args: Vec::new(),
            wait: Wait::Nodes,
        };
        let old = BTreeMap::from([(names::REGISTRIES_PATH.to_owned(), Vec::new())]);
        let found = Found {
            files: there.nodes.iter().map(|node| (node.name.clone(), old.clone())).collect(),
            ..Found::default()
        };
        let applied =
            plan::apply(&cluster, &there, &found, &registries, &around(), "abcde").unwrap();
        let mut text = format!("{registries:?}{there:?}{applied:?}");
        text += &shown(&plan::create(&cluster, &registries, &around()));
        text += &shown(&plan::start(&made(&cluster, false), Wait::Nodes));
        text += &shown(&plan::delete(&there, &around(), true));
        text += &shown(&plan::add_nodes(&there, &addition, None, &around()).unwrap());
        text += &shown(&plan::join_remote("https://x:6443", &addition, "k3s", &around()).unwrap());
        text += &shown(&applied.steps);
        text += &applied.differences.join("\n");
        for secret in [&token, &password, &variable] {
            prop_assert!(!text.contains(secret.as_str()), "{secret}");
        }
        let specified = format!("{cluster:?}{addition:?}");
        for secret in [&token, &password] {
            prop_assert!(!specified.contains(secret.as_str()), "{secret}");
        }
    }
}
