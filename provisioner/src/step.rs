//! Steps are data: what is done to an Engine, how it reads, and how it is undone.

use serde::Serialize;

use crate::balancer::config::Config;
use crate::cluster::{HostAlias, NodeFile, Role, Subnet, Wait};
use crate::container::ContainerSpec;

/// One thing that is done. A plan is a list of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing in here waits for another; as many as allowed run at the same time.
    Together(Vec<Step>),
    /// Pulls the image, if the Engine does not have it.
    EnsureImage {
        image: String,
    },
    /// Makes the image of our own load balancer, if the Engine does not have it.
    EnsureBalancerImage {
        image: String,
    },
    /// Makes the network, or uses the one that is there.
    EnsureNetwork {
        name: String,
        subnet: Subnet,
    },
    /// Makes the volume, if it is not there.
    EnsureVolume {
        name: String,
        cluster: String,
    },
    CreateContainer(Box<ContainerSpec>),
    Connect {
        container: String,
        network: String,
    },
    Disconnect {
        container: String,
        network: String,
    },
    /// Written before the start, whole or not at all.
    WriteFiles {
        container: String,
        files: Vec<NodeFile>,
    },
    /// Written into a node that runs, each by renaming: whoever reads one sees the old or the new.
    ReplaceFiles {
        container: String,
        files: Vec<NodeFile>,
    },
    /// With all that is below.
    RemoveFiles {
        container: String,
        paths: Vec<String>,
    },
    /// The scripts that run before k3s. They depend on the network and are written before every start by us.
    WriteEntrypoint {
        container: String,
        aliases: Vec<HostAlias>,
    },
    WriteBalancer {
        container: String,
        config: Config,
        /// The load balancer runs: it is waited for until the change is in effect.
        reload: bool,
    },
    Start {
        container: String,
        /// What is waited for afterwards.
        until: Ready,
    },
    /// The API answers and these nodes are registered, and Ready where a kubelet runs.
    WaitForNodes {
        server: String,
        nodes: Vec<String>,
        wait: Wait,
    },
    /// Tells tools in the cluster where its registry is; a failure is a warning.
    PublishRegistry {
        node: String,
    },
    /// `KEY=VALUE` each, for the Kubernetes node.
    LabelNode {
        server: String,
        node: String,
        labels: Vec<String>,
    },
    /// Takes the node out of Kubernetes.
    ForgetNode {
        server: String,
        node: String,
    },
    Stop {
        container: String,
    },
    Rename {
        container: String,
        to: String,
    },
    /// Running or not, with its anonymous volumes.
    RemoveContainer {
        container: String,
    },
    RemoveNetwork {
        name: String,
    },
    /// Every volume that the cluster's labels name.
    RemoveVolumes {
        cluster: String,
    },
    /// What a node with a memory limit sees in place of the machine's memory, on this machine.
    WriteNodeFolder {
        node: String,
        memory: i64,
    },
    RemoveNodeFolder {
        node: String,
    },
    /// Takes a file over from another container, if it is there.
    CopyFile {
        from: String,
        to: String,
        path: String,
    },
    MergeKubeconfig {
        cluster: String,
        server: String,
        switch: bool,
    },
    RemoveKubeconfig {
        cluster: String,
    },
    /// Those of other versions of us that no container has.
    RemoveOldBalancerImages,
}

/// The line of a log that tells that a container is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ready {
    /// The start of the container is enough.
    Started,
    /// The first of several servers, in a new cluster: it gets no further before others join.
    Initializing,
    /// The first of several servers, in a cluster that was there before.
    Restarting,
    Server,
    Agent,
    LoadBalancer,
}

impl Ready {
    /// Found anywhere in a line, whatever its case.
    pub fn line(self) -> Option<&'static str> {
        match self {
            Self::Started => None,
            Self::Initializing => Some("Containerd is now running"),
            Self::Restarting => Some("Running kube-apiserver"),
            Self::Server => Some("k3s is up and running"),
            Self::Agent => Some("Successfully registered node"),
            Self::LoadBalancer => Some("start worker processes"),
        }
    }

    /// What is waited for in a container of this role.
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Server => Self::Server,
            Role::Agent => Self::Agent,
            Role::LoadBalancer => Self::LoadBalancer,
            Role::Registry | Role::None => Self::Started,
        }
    }
}

/// What a step left behind, as far as undoing it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It made something that was not there.
    Made,
    /// It found everything as it should be.
    Found,
}

/// The step that takes this one back; `None` where there is nothing to take back, or something else takes it along.
pub fn undo(step: &Step, effect: Effect) -> Option<Step> {
    if effect == Effect::Found {
        return None;
    }
    match step {
        Step::EnsureNetwork { name, .. } => Some(Step::RemoveNetwork { name: name.clone() }),
        Step::EnsureVolume { cluster, .. } => Some(Step::RemoveVolumes {
            cluster: cluster.clone(),
        }),
        Step::CreateContainer(container) => Some(Step::RemoveContainer {
            container: container.name.clone(),
        }),
        Step::Connect { container, network } => Some(Step::Disconnect {
            container: container.clone(),
            network: network.clone(),
        }),
        Step::Disconnect { container, network } => Some(Step::Connect {
            container: container.clone(),
            network: network.clone(),
        }),
        Step::Rename { container, to } => Some(Step::Rename {
            container: to.clone(),
            to: container.clone(),
        }),
        Step::Stop { container } => Some(Step::Start {
            container: container.clone(),
            until: Ready::Started,
        }),
        Step::WriteNodeFolder { node, .. } => Some(Step::RemoveNodeFolder { node: node.clone() }),
        Step::MergeKubeconfig { cluster, .. } => Some(Step::RemoveKubeconfig {
            cluster: cluster.clone(),
        }),
        _ => None,
    }
}

impl Step {
    /// As `--dry-run` shows it: no value that may be a secret.
    pub fn describe(&self) -> String {
        match self {
            Self::Together(steps) => format!("at the same time: {} steps", steps.len()),
            Self::EnsureImage { image } => format!("pull image {image}, if it is not there"),
            Self::EnsureBalancerImage { image } => {
                format!("load image {image}, if it is not there")
            }
            Self::EnsureNetwork { name, subnet } => match subnet {
                Subnet::Engine => format!("create network {name}, or use it"),
                Subnet::Auto => format!("create network {name} with addresses of our own"),
                Subnet::Range(range) => format!("create network {name} with range {range}"),
            },
            Self::EnsureVolume { name, .. } => format!("create volume {name}"),
            Self::CreateContainer(container) => format!(
                "create {} {} from {}",
                container.role, container.name, container.image
            ),
            Self::Connect { container, network } => {
                format!("connect {container} to network {network}")
            }
            Self::Disconnect { container, network } => {
                format!("disconnect {container} from network {network}")
            }
            Self::WriteFiles { container, files } => {
                let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
                format!("write {} in {container}", paths.join(", "))
            }
            Self::ReplaceFiles { container, files } => {
                let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
                format!("replace {} in {container}", paths.join(", "))
            }
            Self::RemoveFiles { container, paths } => {
                format!("remove {} in {container}", paths.join(", "))
            }
            Self::WriteEntrypoint { container, .. } => {
                format!("write the entrypoint scripts of {container}")
            }
            Self::WriteBalancer {
                container, config, ..
            } => {
                let ports: Vec<_> = config.ports.keys().map(ToString::to_string).collect();
                format!("let {container} forward {}", ports.join(", "))
            }
            Self::Start { container, until } => match until.line() {
                Some(line) => format!("start {container} and wait for \"{line}\""),
                None => format!("start {container}"),
            },
            Self::WaitForNodes { nodes, wait, .. } => format!(
                "wait until the API answers and {} {}{}",
                nodes.join(", "),
                if nodes.len() == 1 {
                    "is Ready"
                } else {
                    "are Ready"
                },
                if *wait == Wait::Pods {
                    ", and the system's pods"
                } else {
                    ""
                }
            ),
            Self::PublishRegistry { node } => {
                format!("tell the cluster about its registry, through {node}")
            }
            Self::LabelNode { node, labels, .. } => {
                format!("label Kubernetes node {node}: {}", labels.join(", "))
            }
            Self::ForgetNode { node, .. } => format!("remove Kubernetes node {node}"),
            Self::Stop { container } => format!("stop {container}"),
            Self::Rename { container, to } => format!("rename {container} to {to}"),
            Self::RemoveContainer { container } => format!("remove {container}"),
            Self::RemoveNetwork { name } => format!("remove network {name}"),
            Self::RemoveVolumes { cluster } => format!("remove the volumes of cluster {cluster}"),
            Self::WriteNodeFolder { node, memory } => {
                format!("write what {node} sees as its memory, {memory} bytes")
            }
            Self::CopyFile { from, to, path } => format!("copy {path} from {from} to {to}"),
            Self::RemoveNodeFolder { node } => {
                format!("remove the files of {node} on this machine")
            }
            Self::MergeKubeconfig {
                cluster, switch, ..
            } => format!(
                "write the access to {cluster} into the kubeconfig{}",
                if *switch { " and switch to it" } else { "" }
            ),
            Self::RemoveKubeconfig { cluster } => {
                format!("remove the access to {cluster} from the kubeconfig")
            }
            Self::RemoveOldBalancerImages => {
                "remove images of the load balancer of other versions that nothing uses".to_owned()
            }
        }
    }
}

/// A plan as `--dry-run` prints it: numbered, what runs together is indented.
pub fn listing(steps: &[Step]) -> String {
    let mut lines = Vec::new();
    for (number, step) in (1..).zip(steps) {
        lines.push(format!("{number:>3}. {}", step.describe()));
        if let Step::Together(inner) = step {
            lines.extend(
                inner
                    .iter()
                    .map(|step| format!("     - {}", step.describe())),
            );
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}
