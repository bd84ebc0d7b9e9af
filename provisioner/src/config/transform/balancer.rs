//! What the load balancer forwards from the start, and its settings.

use std::collections::BTreeMap;

use super::Build;
use crate::cluster::{BalancerSpec, ContainerPort, Role};
use crate::config::problem::Wrong;
use crate::names;

impl Build<'_> {
    pub(super) fn balancer(&mut self) -> Option<BalancerSpec> {
        let overrides = &self.merged.simple.options.k3d.loadbalancer.config_overrides;
        let servers = self.nodes.iter().filter(|node| node.role == Role::Server);
        let servers: Vec<String> = servers.map(|node| node.name.clone()).collect();
        let mut spec = BalancerSpec {
            ports: BTreeMap::from([(ContainerPort::tcp(names::API_PORT).balancer_key(), servers)]),
            ..BalancerSpec::default()
        };
        for (index, text) in overrides.iter().enumerate() {
            let set = set(&mut spec, text);
            let place = self.place(&format!(
                "options.k3d.loadbalancer.configOverrides[{index}]"
            ));
            self.findings.take(&place, set);
        }
        if !overrides.is_empty() && !self.counts.load_balancer {
            let place = self.place("options.k3d.loadbalancer.configOverrides");
            self.findings
                .warn(&place, "has no effect: the cluster has no load balancer");
        }
        self.counts.load_balancer.then_some(spec)
    }
}

/// `path=value`; the paths are k3d's, in any case.
fn set(spec: &mut BalancerSpec, text: &str) -> Result<(), Wrong> {
    let known =
        "there are settings.workerConnections=NUMBER and settings.defaultProxyTimeout=SECONDS";
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| Wrong::new(format!("{text:?} sets nothing")).mend(known))?;
    let setting = match path.trim().to_ascii_lowercase().as_str() {
        "settings.workerconnections" => &mut spec.worker_connections,
        "settings.defaultproxytimeout" => &mut spec.proxy_timeout,
        _ => {
            return Err(
                Wrong::new(format!("the load balancer has no setting {path:?}")).mend(known),
            );
        }
    };
    let number = value.trim().parse().ok().filter(|number| *number > 0);
    let wrong = || Wrong::new(format!("{path} must be a number above 0")).mend(known);
    *setting = Some(number.ok_or_else(wrong)?);
    Ok(())
}
