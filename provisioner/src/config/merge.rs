//! File, environment and flags together: flags before environment before file before defaults; lists of flags go behind
//! those of the file, in the order of the command line.

use super::environment::{Environment, parse_bool};
use super::exposure::{self, PortChoice};
use super::filter::{self, Filtered};
use super::flags::CreateFlags;
use super::problem::{Findings, Place, Problem, Problems, Wrong};
use super::simple::Simple;
use super::tree::{Node, Value};
use super::{Loaded, ulimit};
use crate::cluster::Wait;

/// The schema sets the same bound for files.
const MOST_NODES: i64 = 65_535;

/// A configuration with everything laid over it, and where each of its values comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    pub simple: Simple,
    /// [`Simple`] knows only whether to wait; this knows for what.
    pub wait: Wait,
    pub warnings: Vec<Problem>,
    /// Whether the host of the API was given by a flag, which may be a name that is to be looked up.
    pub(super) looks_api_host_up: bool,
    pub(super) tree: Node,
    /// The folder that paths of the file are seen from.
    pub(super) folder: std::path::PathBuf,
}

impl Merged {
    /// Where a value of [`Simple`] comes from, by its path: `ports[2].port`.
    pub(super) fn place(&self, path: &str) -> &Place {
        self.tree.place_of(path)
    }
}

/// Lays the flags, and variables that stand for flags, over what was loaded.
pub fn merge(
    loaded: Loaded,
    flags: &CreateFlags,
    environment: &Environment,
) -> Result<Merged, Problems> {
    let mut layers = Layers {
        tree: loaded.tree,
        findings: Findings::default(),
    };
    layers.scalars(flags);
    let wait = layers.wait(flags);
    let looks_api_host_up = layers.api_port(flags);
    layers.registries(flags, environment);
    layers.lists(flags, environment);
    let Layers { tree, mut findings } = layers;
    let simple = decode(&tree, &mut findings);
    let (simple, warnings) = findings.finish(simple)?;
    let waits = simple.options.k3d.wait.unwrap_or(true);
    Ok(Merged {
        simple,
        wait: wait.unwrap_or(if waits { Wait::Nodes } else { Wait::No }),
        warnings: loaded.warnings.into_iter().chain(warnings).collect(),
        looks_api_host_up,
        tree,
        folder: loaded.folder,
    })
}

/// From the tree to types; the schema has seen the file already, so nothing of it can fail here.
pub(super) fn decode(tree: &Node, findings: &mut Findings) -> Simple {
    serde_json::from_value(tree.to_json()).unwrap_or_else(|_| {
        findings.problem(
            &tree.place,
            Wrong::new("failed to read the configuration: a value has the wrong type"),
        );
        Simple::default()
    })
}

struct Layers {
    tree: Node,
    findings: Findings,
}

impl Layers {
    fn set(&mut self, path: &str, flag: &str, value: Value) {
        self.tree.set(path, Node::new(&Place::flag(flag), value));
    }

    fn scalars(&mut self, flags: &CreateFlags) {
        for (flag, path, text) in [
            ("NAME", "metadata.name", &flags.name),
            ("--image", "image", &flags.image),
            ("--network", "network", &flags.network),
            ("--subnet", "subnet", &flags.subnet),
            ("--token", "token", &flags.token),
            ("--timeout", "options.k3d.timeout", &flags.timeout),
            ("--gpus", "options.runtime.gpuRequest", &flags.gpus),
            (
                "--servers-memory",
                "options.runtime.serversMemory",
                &flags.servers_memory,
            ),
            (
                "--agents-memory",
                "options.runtime.agentsMemory",
                &flags.agents_memory,
            ),
            (
                "--registry-config",
                "registries.config",
                &flags.registry_config,
            ),
        ] {
            if let Some(text) = text {
                self.set(path, flag, Value::text(text));
            }
        }
        for (flag, path, value) in [
            (
                "--kubeconfig-update-default",
                "options.kubeconfig.updateDefaultKubeconfig",
                flags.kubeconfig_update_default,
            ),
            (
                "--kubeconfig-switch-context",
                "options.kubeconfig.switchCurrentContext",
                flags.kubeconfig_switch_context,
            ),
            ("--no-lb", "options.k3d.disableLoadbalancer", flags.no_lb),
            (
                "--no-rollback",
                "options.k3d.disableRollback",
                flags.no_rollback,
            ),
            (
                "--host-pid-mode",
                "options.runtime.hostPidMode",
                flags.host_pid_mode,
            ),
            (
                "--no-image-volume",
                "options.k3d.disableImageVolume",
                flags.no_image_volume,
            ),
        ] {
            if let Some(value) = value {
                self.set(path, flag, Value::Bool(value));
            }
        }
        for (flag, path, number) in [
            ("--servers", "servers", flags.servers),
            ("--agents", "agents", flags.agents),
        ] {
            match number {
                Some(number) if (0..=MOST_NODES).contains(&number) => {
                    self.set(path, flag, Value::Integer(number));
                }
                Some(number) => {
                    let wrong = Wrong::new(format!("{number} is no number of nodes"));
                    self.findings.problem(&Place::flag(flag), wrong);
                }
                None => {}
            }
        }
    }

    fn wait(&mut self, flags: &CreateFlags) -> Option<Wait> {
        let text = flags.wait.as_deref()?;
        let wait = match text {
            "pods" => Some(Wait::Pods),
            _ => parse_bool(text).map(|waits| if waits { Wait::Nodes } else { Wait::No }),
        };
        let Some(wait) = wait else {
            let wrong = Wrong::new(format!("{text:?} is nothing to wait for"))
                .mend("write true, false or pods");
            self.findings.problem(&Place::flag("--wait"), wrong);
            return None;
        };
        self.set("options.k3d.wait", "--wait", Value::Bool(wait != Wait::No));
        Some(wait)
    }

    /// Replaces all that the file says of the API's exposure.
    fn api_port(&mut self, flags: &CreateFlags) -> bool {
        let place = Place::flag("--api-port");
        let Some(text) = &flags.api_port else {
            return false;
        };
        let Some(exposure) = self.findings.take(&place, exposure::parse(text)) else {
            return false;
        };
        let has_host = exposure.host.is_some();
        let host = exposure.host.unwrap_or_default();
        let new = Node::map(
            &place,
            [
                ("host", Value::Text(host)),
                ("hostPort", port(exposure.port)),
            ],
        );
        self.tree.set("kubeAPI", new);
        has_host
    }

    fn registries(&mut self, flags: &CreateFlags, environment: &Environment) {
        let variable = "K3D_CLI_REGISTRIES_CREATE";
        let (place, text) = match &flags.registry_create {
            Some(text) => (Place::flag("--registry-create"), Some(text.as_str())),
            None => (
                Place::Variable(variable.to_owned()),
                environment.given(variable),
            ),
        };
        match text {
            Some(text) => self.registry_create(&place, text),
            None if flags.enforce_registry_port_match => {
                let place = Place::flag("--enforce-registry-port-match");
                self.findings
                    .warn(&place, "has no effect without --registry-create");
            }
            None => {}
        }
        if text.is_some() && flags.enforce_registry_port_match {
            let flag = "--enforce-registry-port-match";
            self.set(
                "registries.create.enforcePortMatch",
                flag,
                Value::Bool(true),
            );
        }
        if !flags.registry_use.is_empty() {
            let list = Node::texts(
                &Place::flag("--registry-use"),
                flags.registry_use.iter().cloned(),
            );
            self.tree.set("registries.use", list);
        }
        if !flags.lb_config_override.is_empty() {
            let parts = flags
                .lb_config_override
                .iter()
                .flat_map(|text| text.split(','));
            let list = Node::texts(
                &Place::flag("--lb-config-override"),
                parts.map(ToOwned::to_owned),
            );
            self.tree
                .set("options.k3d.loadbalancer.configOverrides", list);
        }
    }

    /// `NAME[:HOST][:HOSTPORT]`; what it does not say stays as the file has it.
    fn registry_create(&mut self, place: &Place, text: &str) {
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        self.tree.set(
            "registries.create.name",
            Node::new(place, Value::text(name)),
        );
        let Some(rest) = rest else {
            return;
        };
        let is_host = !rest.contains(':') && exposure::parse_port(rest).is_none();
        if is_host && rest.contains(|c: char| c.is_ascii_alphabetic() || c == '.') {
            self.tree.set(
                "registries.create.host",
                Node::new(place, Value::text(rest)),
            );
        } else if let Some(exposure) = self.findings.take(place, exposure::parse(rest)) {
            if let Some(host) = exposure.host {
                self.tree.set(
                    "registries.create.host",
                    Node::new(place, Value::Text(host)),
                );
            }
            self.tree.set(
                "registries.create.hostPort",
                Node::new(place, port(exposure.port)),
            );
        }
    }

    fn lists(&mut self, flags: &CreateFlags, environment: &Environment) {
        let or_words = |flags: &[String], variable: &str| {
            if flags.is_empty() {
                environment.words(variable)
            } else {
                flags.to_vec()
            }
        };
        let place = |flag: &str, given: &[String], variable: &str| {
            if given.is_empty() {
                Place::Variable(variable.to_owned())
            } else {
                Place::flag(flag)
            }
        };
        // Labels have no variable that a shell could set: the name would hold hyphens.
        for (flag, given, variable, path, key) in [
            (
                "--volume",
                &flags.volumes,
                "K3D_CLI_VOLUMES",
                "volumes",
                "volume",
            ),
            ("--port", &flags.ports, "K3D_CLI_PORTS", "ports", "port"),
            ("--env", &flags.env, "K3D_CLI_ENV", "env", "envVar"),
            (
                "--k3s-arg",
                &flags.k3s_args,
                "K3D_CLI_K3SARGS",
                "options.k3s.extraArgs",
                "arg",
            ),
            (
                "--k3s-node-label",
                &flags.k3s_node_labels,
                "",
                "options.k3s.nodeLabels",
                "label",
            ),
            (
                "--runtime-label",
                &flags.runtime_labels,
                "",
                "options.runtime.labels",
                "label",
            ),
        ] {
            let place = place(flag, given, variable);
            self.filtered(&place, &or_words(given, variable), path, key);
        }
        for text in &flags.runtime_ulimits {
            let place = Place::flag("--runtime-ulimit");
            if let Some(limit) = self.findings.take(&place, ulimit::parse(text)) {
                let numbers = [
                    ("name", Value::Text(limit.name)),
                    ("soft", Value::Integer(limit.soft)),
                    ("hard", Value::Integer(limit.hard)),
                ];
                self.tree
                    .push("options.runtime.ulimits", Node::map(&place, numbers));
            }
        }
        let variable = "K3D_HOSTALIASES";
        let place = place("--host-alias", &flags.host_aliases, variable);
        for text in or_words(&flags.host_aliases, variable) {
            self.host_alias(&place, &text);
        }
    }

    /// `VALUE@FILTERS`: equal values become one entry with the filters of all.
    fn filtered(&mut self, place: &Place, texts: &[String], path: &str, key: &str) {
        let mut entries: Vec<Filtered> = Vec::new();
        for text in texts {
            let Some(new) = self.findings.take(place, filter::split(text)) else {
                continue;
            };
            match entries.iter_mut().find(|entry| entry.value == new.value) {
                Some(_) if key == "port" => {
                    let wrong = Wrong::new(format!("the port {:?} is given twice", new.value))
                        .mend("give it once, with all its node filters: PORT@FILTER;FILTER");
                    self.findings.problem(place, wrong);
                }
                Some(entry) => unite(entry, new),
                None => entries.push(new),
            }
        }
        for entry in entries {
            let mut node = Node::map(place, [(key, Value::Text(entry.value))]);
            if let Some(filters) = entry.filters {
                // The empty filter means every node, in files as well.
                let filters = if filters.is_empty() {
                    vec![String::new()]
                } else {
                    filters
                };
                node.set("nodeFilters", Node::texts(place, filters));
            }
            self.tree.push(path, node);
        }
    }

    /// `IP:NAME[,NAME...]`. Names hold no colon, so the last one ends the address, of whatever version.
    fn host_alias(&mut self, place: &Place, text: &str) {
        let Some((ip, names)) = text.rsplit_once(':') else {
            let wrong = Wrong::new(format!("the host alias {text:?} has no names"))
                .mend("write IP:NAME[,NAME...]");
            return self.findings.problem(place, wrong);
        };
        let ip = ip
            .strip_prefix('[')
            .and_then(|ip| ip.strip_suffix(']'))
            .unwrap_or(ip);
        let mut node = Node::map(place, [("ip", Value::text(ip))]);
        node.set(
            "hostnames",
            Node::texts(place, names.split(',').map(ToOwned::to_owned)),
        );
        self.tree.push("hostAliases", node);
    }
}

/// No filter on either side means every node there may be, so it stays so.
fn unite(entry: &mut Filtered, new: Filtered) {
    match (&mut entry.filters, new.filters) {
        (Some(known), Some(more)) if !known.is_empty() && !more.is_empty() => {
            for filter in more {
                if !known.contains(&filter) {
                    known.push(filter);
                }
            }
        }
        (Some(known), Some(_)) => known.clear(),
        (known, None) => *known = None,
        (None, Some(_)) => {}
    }
}

fn port(choice: PortChoice) -> Value {
    match choice {
        PortChoice::Random => Value::text("random"),
        PortChoice::Fixed(port) => Value::Text(port.to_string()),
    }
}
