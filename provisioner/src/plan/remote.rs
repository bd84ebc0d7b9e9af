//! The steps that let containers here join a cluster elsewhere.

use super::nodes::Addition;
use super::{Refusal, Surroundings, together};
use crate::cluster::{PortMap, Role, Wait};
use crate::container::{Address, Attachment, ContainerSpec, common_labels};
use crate::names;
use crate::step::{Ready, Step};

/// `url` is the cluster's; its token is in the addition. Nodes are in the networks that were named, else in Docker's own.
pub fn join_remote(
    url: &str,
    addition: &Addition,
    image: &str,
    around: &Surroundings,
) -> Result<Vec<Step>, Refusal> {
    let token = addition.token.as_ref().ok_or(Refusal::NoToken)?;
    if addition.role != Role::Agent && addition.role != Role::Server {
        return Err(Refusal::NotANode {
            role: addition.role.to_string(),
        });
    }
    let mut steps = vec![Step::EnsureImage {
        image: image.to_owned(),
    }];
    let mut made = Vec::new();
    let mut written = Vec::new();
    let mut started = Vec::new();
    for name in addition.names() {
        let mut labels = addition.labels.clone();
        labels.extend(common_labels(addition.role, url));
        for (key, value) in [
            (names::LABEL_CLUSTER_URL, url),
            (names::LABEL_CLUSTER_EXTERNAL, "true"),
            (names::LABEL_CLUSTER_TOKEN, token.expose()),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        let mut networks = addition.networks.clone();
        if networks.is_empty() {
            networks.push("bridge".to_owned());
        }
        let mut command = vec![addition.role.as_str().to_owned()];
        for label in &addition.node_labels {
            command.extend(["--node-label".to_owned(), label.clone()]);
        }
        command.extend(addition.args.iter().cloned());
        made.push(Step::CreateContainer(Box::new(ContainerSpec {
            name: name.clone(),
            role: addition.role,
            image: image.to_owned(),
            entrypoint: around
                .habits
                .entrypoint
                .then(|| vec![names::ENTRYPOINT.to_owned()]),
            command,
            env: vec![
                format!("K3S_URL={url}"),
                format!("K3S_TOKEN={}", token.expose()),
                format!("K3S_KUBECONFIG_OUTPUT={}", names::KUBECONFIG_PATH),
            ],
            labels,
            binds: Vec::new(),
            ports: PortMap::new(),
            networks: networks
                .into_iter()
                .map(|network| Attachment {
                    network,
                    address: Address::Engine,
                })
                .collect(),
            network_mode: "bridge".to_owned(),
            is_member: false,
            restarts: true,
            init: around.habits.init,
            memory: addition.memory,
            gpus: None,
            ulimits: addition.ulimits.clone(),
            host_pid: false,
        })));
        if around.habits.entrypoint {
            written.push(Step::WriteEntrypoint {
                container: name.clone(),
                aliases: Vec::new(),
            });
        }
        started.push(Step::Start {
            container: name,
            until: if addition.wait == Wait::No {
                Ready::Started
            } else {
                Ready::of_role(addition.role)
            },
        });
    }
    together(&mut steps, made);
    together(&mut steps, written);
    together(&mut steps, started);
    Ok(steps)
}
