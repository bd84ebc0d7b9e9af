//! Which node gets what: variables, volumes, arguments and labels, by their node filters.

use super::Build;
use crate::cluster::{RegistriesSpec, Ulimit};
use crate::config::filter::{self, Filter, Target};
use crate::config::problem::{Place, Wrong};
use crate::config::{ulimit, volume};

/// What it means that an entry has no node filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Every node, the load balancer included, with a warning.
    Everything,
    /// The user must say, unless there is one node only.
    Refused,
}

impl Build<'_> {
    pub(super) fn assign(&mut self, registries: &RegistriesSpec) {
        self.assign_volumes(registries);
        self.assign_env();
        self.assign_arguments();
        self.assign_node_labels();
        self.assign_labels();
        self.assign_ulimits();
        self.assign_files();
    }

    /// The nodes that an entry is for.
    pub(super) fn targets(
        &mut self,
        path: &str,
        filters: &[String],
        missing: Missing,
    ) -> Vec<Target> {
        let place = self.place(path);
        let everything = filter::everything(self.counts);
        match filters {
            [] if everything.len() <= 1 => return everything,
            [] if missing == Missing::Everything => {
                self.findings.warn(
                    &place,
                    "has no node filter, so it is for every node and the load balancer",
                );
                return everything;
            }
            [] => {
                let mend = match place {
                    Place::File { .. } => {
                        "say for which nodes: nodeFilters: [server:0], [\"servers:*\", \"agents:*\"] or [all]"
                    }
                    _ => {
                        "say for which nodes: @server:0, @servers:*;agents:* or @all behind the value"
                    }
                };
                let wrong = Wrong::new("has no node filter, and there is more than one node");
                self.findings.problem(&place, wrong.mend(mend));
                return Vec::new();
            }
            [one] if one.is_empty() => return everything,
            _ => {}
        }
        let parsed = self.parse_filters(path, filters);
        let selected = filter::select(&parsed, self.counts);
        self.findings.take(&place, selected).unwrap_or_default()
    }

    pub(super) fn parse_filters(&mut self, path: &str, filters: &[String]) -> Vec<Filter> {
        let mut parsed = Vec::new();
        for (index, text) in filters.iter().enumerate() {
            let place = self.place(&format!("{path}.nodeFilters[{index}]"));
            let filter = text.parse::<Filter>().map_err(|wrong| hide(&place, wrong));
            parsed.extend(self.findings.take(&place, filter));
        }
        parsed
    }

    fn assign_volumes(&mut self, registries: &RegistriesSpec) {
        let has_registries = registries.create.is_some()
            || !registries.using.is_empty()
            || registries.config.is_some();
        for (index, entry) in self.merged.simple.volumes.iter().enumerate() {
            let path = format!("volumes[{index}]");
            let place = self.place(&format!("{path}.volume"));
            let Some(volume) = self.findings.take(&place, volume::parse(&entry.volume)) else {
                continue;
            };
            let folder = self.folder(&place);
            if let Some(source) = volume
                .host_path(&folder)
                .filter(|path| !(self.outside.exists)(path))
            {
                let what = format!(
                    "{} does not exist on this machine; the Engine makes an empty folder of it",
                    source.display()
                );
                self.findings.warn(&place, what);
            }
            if has_registries && volume.covers_registries() {
                let what = "covers the file that the registries of this cluster are written to";
                self.findings.warn(&place, what);
            }
            for target in self.targets(&path, &entry.node_filters, Missing::Everything) {
                let bind = volume.bind(&folder);
                if let Some(node) = self.node(target) {
                    node.volumes.push(bind);
                }
            }
        }
    }

    fn assign_env(&mut self) {
        for (index, entry) in self.merged.simple.env.iter().enumerate() {
            let path = format!("env[{index}]");
            if entry.env_var.is_empty() || entry.env_var.starts_with('=') {
                let place = self.place(&path);
                let wrong = Wrong::new("the variable has no name").mend("write KEY=VALUE");
                self.findings.problem(&place, wrong);
            }
            for target in self.targets(&path, &entry.node_filters, Missing::Refused) {
                if let Some(node) = self.node(target) {
                    node.env.push(entry.env_var.clone());
                }
            }
        }
    }

    /// Arguments are for nodes that run k3s, so filters such as `all` do not give any to the load balancer.
    fn assign_arguments(&mut self) {
        for (index, entry) in self.merged.simple.options.k3s.extra_args.iter().enumerate() {
            let path = format!("options.k3s.extraArgs[{index}]");
            if entry.arg.is_empty() {
                let place = self.place(&path);
                self.findings
                    .problem(&place, Wrong::new("the argument is empty"));
            }
            for target in self.targets(&path, &entry.node_filters, Missing::Refused) {
                if let Some(node) = self.node(target).filter(|node| node.role.runs_k3s()) {
                    node.args.push(entry.arg.clone());
                }
            }
        }
    }

    fn assign_node_labels(&mut self) {
        for (index, entry) in self
            .merged
            .simple
            .options
            .k3s
            .node_labels
            .iter()
            .enumerate()
        {
            let path = format!("options.k3s.nodeLabels[{index}]");
            let (key, value) = self.label(&path, &entry.label);
            for target in self.targets(&path, &entry.node_filters, Missing::Refused) {
                if let Some(node) = self.node(target).filter(|node| node.role.runs_k3s()) {
                    let same_key = format!("{key}=");
                    node.node_labels
                        .retain(|label| !label.starts_with(&same_key));
                    node.node_labels.push(format!("{key}={value}"));
                }
            }
        }
    }

    fn assign_labels(&mut self) {
        for (index, entry) in self.merged.simple.options.runtime.labels.iter().enumerate() {
            let path = format!("options.runtime.labels[{index}]");
            let (key, value) = self.label(&path, &entry.label);
            if key == "app" || key.starts_with("k3d.") || key.starts_with("k3s.") {
                let place = self.place(&path);
                let wrong = Wrong::new(format!(
                    "the label {key} is one of those that clusters are found by"
                ));
                self.findings.problem(
                    &place,
                    wrong.mend("take a key that is not app and does not start with k3d. or k3s."),
                );
            }
            for target in self.targets(&path, &entry.node_filters, Missing::Refused) {
                if let Some(node) = self.node(target) {
                    node.labels.insert(key.clone(), value.clone());
                }
            }
        }
    }

    fn label(&mut self, path: &str, text: &str) -> (String, String) {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            let place = self.place(path);
            let wrong = Wrong::new("the label has no key").mend("write KEY=VALUE");
            self.findings.problem(&place, wrong);
        }
        (key.to_owned(), value.to_owned())
    }

    fn assign_ulimits(&mut self) {
        for (index, entry) in self
            .merged
            .simple
            .options
            .runtime
            .ulimits
            .iter()
            .enumerate()
        {
            let place = self.place(&format!("options.runtime.ulimits[{index}]"));
            let checked = ulimit::check(Ulimit::from(entry.clone()));
            if let Some(limit) = self.findings.take(&place, checked) {
                for node in &mut self.nodes {
                    node.ulimits.push(limit.clone());
                }
            }
        }
    }
}

/// What stands behind an `@` on a command line may be half a password.
fn hide(place: &Place, wrong: Wrong) -> Wrong {
    let may_be_secret = matches!(place, Place::Flag(flag) if flag == "--env" || flag == "--k3s-arg")
        || matches!(place, Place::Variable(_));
    if may_be_secret {
        Wrong::new("what follows the @ is no node filter")
            .mend("write \\@ for an @ that belongs to the value, and filters such as @server:0 or @agents:*")
    } else {
        wrong
    }
}
