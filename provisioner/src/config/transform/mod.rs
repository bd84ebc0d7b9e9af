//! From a merged configuration to a cluster that can be planned: every text is read, every filter resolved, and all that is
//! wrong is listed at once. The load balancer comes first, then servers, then agents.

mod addresses;
mod assign;
mod balancer;
mod checks;
mod files;
mod ports;
mod registries;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ::registries::Secret;

use super::filter::{Counts, Target};
use super::image::ImageChoice;
use super::merge::Merged;
use super::problem::{Findings, Place, Problem, Problems};
use super::{duration, gpus, memory};
use crate::cluster::{ClusterSpec, CreateOptions, NetworkSpec, NodeSpec, Role, Subnet};
use crate::names;

/// What the world outside answers when a configuration asks; whoever calls looks, so that nothing here does.
pub struct Outside<'a> {
    /// The image of the nodes, channels resolved: see [`Merged::image`].
    pub image: &'a str,
    /// The image of the load balancer.
    pub balancer_image: &'a str,
    /// Taken when the user gave no token.
    pub token: Secret,
    /// The host of an Engine on another machine, under which its ports are reached.
    pub engine_host: Option<&'a str>,
    /// Relative paths of the command line are seen from here.
    pub folder: &'a Path,
    /// The addresses of a host name; empty when it has none.
    pub addresses: &'a dyn Fn(&str) -> Vec<IpAddr>,
    /// A port of the host that nobody listens on.
    pub free_port: &'a dyn Fn() -> Option<u16>,
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    pub exists: &'a dyn Fn(&Path) -> bool,
}

/// A cluster that can be planned, and what is strange about its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformed {
    pub cluster: ClusterSpec,
    /// Those of loading and merging included.
    pub warnings: Vec<Problem>,
}

impl Merged {
    /// The image that the user wants; `None` for the default.
    pub fn image(&self) -> Option<ImageChoice> {
        let image = &self.simple.image;
        (!image.is_empty()).then(|| ImageChoice::of(image))
    }
}

/// Reads everything that is still text and says which node gets what.
pub fn transform(merged: &Merged, outside: &Outside<'_>) -> Result<Transformed, Problems> {
    let simple = &merged.simple;
    let host_network = simple.network == "host";
    let counts = Counts {
        load_balancer: !host_network && !simple.options.k3d.disable_loadbalancer,
        servers: simple.servers.map_or(1, |count| count as usize),
        agents: simple.agents.map_or(0, |count| count as usize),
    };
    let mut build = Build {
        merged,
        outside,
        findings: Findings::default(),
        name: String::new(),
        counts,
        host_network,
        nodes: Vec::new(),
        taken_ports: Vec::new(),
    };
    build.check();
    build.make_nodes();
    let api = build.api();
    let registries = build.registries();
    let balancer = build.balancer();
    build.assign(&registries);
    let balancer = build.publish(balancer);
    let host_aliases = build.host_aliases();
    let options = build.options();
    let cluster = ClusterSpec {
        name: build.name,
        token: if simple.token.is_empty() {
            outside.token.clone()
        } else {
            simple.token.clone()
        },
        network: network(merged, host_network),
        api,
        nodes: build.nodes,
        balancer,
        image_volume: !simple.options.k3d.disable_image_volume,
        host_aliases,
        registries,
        options,
    };
    let (cluster, warnings) = build.findings.finish(cluster)?;
    Ok(Transformed {
        cluster,
        warnings: merged.warnings.iter().cloned().chain(warnings).collect(),
    })
}

/// A cluster that is being put together.
struct Build<'a> {
    merged: &'a Merged,
    outside: &'a Outside<'a>,
    findings: Findings,
    name: String,
    counts: Counts,
    host_network: bool,
    nodes: Vec<NodeSpec>,
    taken_ports: Vec<ports::Taken>,
}

impl Build<'_> {
    fn place(&self, path: &str) -> Place {
        self.merged.place(path).clone()
    }

    fn node(&mut self, (role, index): Target) -> Option<&mut NodeSpec> {
        let before = match role {
            Role::LoadBalancer => 0,
            Role::Server => usize::from(self.counts.load_balancer),
            _ => usize::from(self.counts.load_balancer) + self.counts.servers,
        };
        self.nodes.get_mut(before + index)
    }

    /// Where relative paths of a value are seen from.
    fn folder(&self, place: &Place) -> PathBuf {
        match place {
            Place::File { .. } => self.outside.folder.join(&self.merged.folder),
            _ => self.outside.folder.to_owned(),
        }
    }

    fn make_nodes(&mut self) {
        let (cluster, image) = (self.name.clone(), self.outside.image);
        if self.counts.load_balancer {
            let name = names::load_balancer(&cluster);
            self.nodes.push(NodeSpec::new(
                name,
                Role::LoadBalancer,
                self.outside.balancer_image,
            ));
        }
        for index in 0..self.counts.servers {
            self.nodes.push(NodeSpec::new(
                names::server(&cluster, index),
                Role::Server,
                image,
            ));
        }
        for index in 0..self.counts.agents {
            self.nodes.push(NodeSpec::new(
                names::agent(&cluster, index),
                Role::Agent,
                image,
            ));
        }
        let runtime = &self.merged.simple.options.runtime;
        let servers = self.memory("options.runtime.serversMemory", &runtime.servers_memory);
        let agents = self.memory("options.runtime.agentsMemory", &runtime.agents_memory);
        let gpus = match runtime.gpu_request.as_str() {
            "" => None,
            text => {
                let place = self.place("options.runtime.gpuRequest");
                self.findings.take(&place, gpus::parse(text))
            }
        };
        for node in self.nodes.iter_mut().filter(|node| node.role.runs_k3s()) {
            node.memory = if node.role == Role::Server {
                servers
            } else {
                agents
            };
            node.gpus.clone_from(&gpus);
            node.host_pid = runtime.host_pid_mode;
        }
    }

    /// Bytes; nothing and zero are no limit.
    fn memory(&mut self, path: &str, text: &str) -> Option<i64> {
        if text.is_empty() {
            return None;
        }
        let place = self.place(path);
        self.findings
            .take(&place, memory::parse(text))
            .filter(|bytes| *bytes > 0)
    }

    fn options(&mut self) -> CreateOptions {
        let options = &self.merged.simple.options;
        let timeout = options.k3d.timeout.as_ref().and_then(|timeout| {
            let place = self.place("options.k3d.timeout");
            self.findings.take(&place, duration::parse(&timeout.0))
        });
        let update_kubeconfig = options.kubeconfig.update_default_kubeconfig.unwrap_or(true);
        CreateOptions {
            wait: self.merged.wait,
            timeout: timeout.filter(|timeout| !timeout.is_zero()),
            rollback: !options.k3d.disable_rollback,
            update_kubeconfig,
            switch_context: update_kubeconfig
                && options.kubeconfig.switch_current_context.unwrap_or(true),
        }
    }
}

fn network(merged: &Merged, host: bool) -> NetworkSpec {
    let simple = &merged.simple;
    let own = || {
        names::network(if simple.metadata.name.is_empty() {
            names::DEFAULT_CLUSTER
        } else {
            &simple.metadata.name
        })
    };
    NetworkSpec {
        name: if simple.network.is_empty() {
            own()
        } else {
            simple.network.clone()
        },
        host,
        subnet: match simple.subnet.as_str() {
            "" => Subnet::Engine,
            "auto" => Subnet::Auto,
            range => Subnet::Range(range.to_owned()),
        },
    }
}
