//! Published ports: through the load balancer to the chosen nodes, or on one node itself.

use super::Build;
use crate::cluster::{BalancerSpec, ContainerPort, HostBinding, Protocol, RegistrySpec};
use crate::config::filter::{self, Filter, Group, Subset, Suffix, Target};
use crate::config::port::{self, PortMapping};
use crate::config::problem::{Place, Wrong};
use crate::names;

/// A port of the host that some container is to have.
pub(super) struct Taken {
    binding: HostBinding,
    protocol: Protocol,
    /// What has it, for people.
    by: String,
}

impl Build<'_> {
    pub(super) fn publish(&mut self, balancer: Option<BalancerSpec>) -> Option<BalancerSpec> {
        if self.host_network {
            return balancer;
        }
        let mut balancer = balancer;
        for (index, entry) in self.merged.simple.ports.iter().enumerate() {
            let path = format!("ports[{index}]");
            let place = self.place(&format!("{path}.port"));
            let mappings = self.findings.take(&place, port::parse(&entry.port));
            let Some(filters) = self.port_filters(&path, &entry.node_filters) else {
                continue;
            };
            for mapping in mappings.unwrap_or_default() {
                self.publish_one(&place, &mapping, &filters, balancer.as_mut());
            }
        }
        balancer
    }

    /// The filters of an entry, with what k3d takes for them when they are missing or name the load balancer.
    fn port_filters(&mut self, path: &str, texts: &[String]) -> Option<Vec<Filter>> {
        let every = |group: fn(Subset) -> Group| Filter {
            group: group(Subset::Every),
            suffix: Some(Suffix::Proxy),
        };
        let default = vec![every(Group::Servers), every(Group::Agents)];
        let place = self.place(path);
        let is_missing = texts.iter().all(String::is_empty);
        if is_missing && !self.counts.load_balancer {
            if self.counts.total() == 1 {
                let group = Group::Servers(Subset::Indices(vec![0]));
                let suffix = Some(Suffix::Direct);
                return Some(vec![Filter { group, suffix }]);
            }
            let wrong = Wrong::new("there is no load balancer that could forward the port")
                .mend("write on which node it is published: @server:0:direct");
            self.findings.problem(&place, wrong);
            return None;
        }
        if is_missing || texts.iter().any(|text| text.starts_with("loadbalancer")) {
            return Some(default);
        }
        let filters = self.parse_filters(path, texts);
        if filters.iter().any(|filter| filter.group == Group::All) {
            let wrong = Wrong::new(
                "the load balancer cannot forward a port to itself, which all would mean",
            )
            .mend("write servers:* and agents:* instead of all");
            self.findings.problem(&place, wrong);
            return None;
        }
        Some(filters)
    }

    fn publish_one(
        &mut self,
        place: &Place,
        mapping: &PortMapping,
        filters: &[Filter],
        balancer: Option<&mut BalancerSpec>,
    ) {
        let (direct, proxied): (Vec<Filter>, Vec<Filter>) = filters
            .iter()
            .cloned()
            .partition(|filter| filter.suffix == Some(Suffix::Direct));
        if !proxied.is_empty() {
            self.publish_proxied(place, mapping, &proxied, balancer);
        }
        if direct.is_empty() {
            return;
        }
        let targets = filter::select(&direct, self.counts);
        match self.findings.take(place, targets).as_deref() {
            Some([one]) => self.bind(place, *one, mapping),
            Some([]) | None => {}
            Some(many) => {
                let what = format!("{} nodes cannot share one port of the host", many.len());
                let wrong = Wrong::new(what)
                    .mend("choose one node, such as @agent:0:direct, or leave direct out");
                self.findings.problem(place, wrong);
            }
        }
    }

    fn publish_proxied(
        &mut self,
        place: &Place,
        mapping: &PortMapping,
        filters: &[Filter],
        balancer: Option<&mut BalancerSpec>,
    ) {
        let selected = filter::select(filters, self.counts);
        let Some(targets) = self
            .findings
            .take(place, selected)
            .filter(|targets| !targets.is_empty())
        else {
            return;
        };
        let Some(balancer) = balancer else {
            let wrong = Wrong::new("there is no load balancer that could forward the port");
            self.findings.problem(
                place,
                wrong.mend("add :direct to the node filter, such as @server:0:direct"),
            );
            return;
        };
        if mapping.container.protocol == Protocol::Sctp {
            let wrong = Wrong::new("the load balancer does not forward SCTP");
            self.findings
                .problem(place, wrong.mend("publish it on a node: @server:0:direct"));
            return;
        }
        self.bind(place, (crate::cluster::Role::LoadBalancer, 0), mapping);
        let names: Vec<String> = targets
            .into_iter()
            .filter_map(|target| self.node(target).map(|node| node.name.clone()))
            .collect();
        let forwarded = balancer
            .ports
            .entry(mapping.container.balancer_key())
            .or_default();
        for name in names {
            if !forwarded.contains(&name) {
                forwarded.push(name);
            }
        }
    }

    fn bind(&mut self, place: &Place, target: Target, mapping: &PortMapping) {
        let binding = mapping.binding();
        let Some(node) = self.node(target) else {
            return;
        };
        let name = node.name.clone();
        let bindings = node.ports.entry(mapping.container).or_default();
        if bindings.contains(&binding) {
            return;
        }
        bindings.push(binding.clone());
        let by = format!("{} of {name}", mapping.container);
        self.take_port(place, binding, mapping.container.protocol, by);
    }

    /// The ports of the API and of the registry, which others may not have.
    pub(super) fn reserve_api(&mut self, ip: std::net::IpAddr, port: u16) {
        let place = self.place("kubeAPI.hostPort");
        let binding = HostBinding {
            ip: ip.to_string(),
            port: port.to_string(),
        };
        let by = format!("{} of the API", ContainerPort::tcp(names::API_PORT));
        self.take_port(&place, binding, Protocol::Tcp, by);
    }

    pub(super) fn reserve_registry(&mut self, registry: &RegistrySpec) {
        let place = self.place("registries.create");
        let binding = HostBinding {
            ip: registry.host_ip.to_string(),
            port: registry
                .port
                .map_or_else(String::new, |port| port.to_string()),
        };
        self.take_port(
            &place,
            binding,
            Protocol::Tcp,
            format!("the registry {}", registry.name),
        );
    }

    fn take_port(&mut self, place: &Place, binding: HostBinding, protocol: Protocol, by: String) {
        let new = Taken {
            binding,
            protocol,
            by,
        };
        if let Some(other) = self.taken_ports.iter().find(|taken| collide(taken, &new)) {
            let what = format!(
                "port {} of the host is wanted twice: for {} and for {}",
                new.binding.port, other.by, new.by
            );
            self.findings.problem(
                place,
                Wrong::new(what).mend("give one of them another port"),
            );
        }
        self.taken_ports.push(new);
    }
}

/// Ports that the Engine chooses collide with nothing.
fn collide(left: &Taken, right: &Taken) -> bool {
    let is_every = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
    let is_fixed = left.binding.port.parse::<u16>().is_ok_and(|port| port > 0);
    let (a, b) = (left.binding.ip.as_str(), right.binding.ip.as_str());
    // Every address of version 6 is none of version 4, but an empty one stands for both.
    let same_family = a.is_empty() || b.is_empty() || a.contains(':') == b.contains(':');
    is_fixed
        && left.protocol == right.protocol
        && left.binding.port == right.binding.port
        && same_family
        && (a == b || is_every(a) || is_every(b))
}
