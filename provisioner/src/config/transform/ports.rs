//! Published ports: through the load balancer to the chosen nodes, or on one node itself.

use super::Build;
use crate::cluster::{BalancerSpec, ContainerPort, HostBinding, Protocol, RegistrySpec, Role};
use crate::config::filter::Target;
use crate::config::port::{self, PortMapping};
use crate::config::problem::{Place, Wrong};
use crate::config::publication::{self, Destination, Implied};
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
        let mut balancer = balancer;
        if self.host_network {
            return balancer;
        }
        for (index, entry) in self.merged.simple.ports.iter().enumerate() {
            let path = format!("ports[{index}]");
            let place = self.place(&format!("{path}.port"));
            let mappings = self.findings.take(&place, port::parse(&entry.port));
            let Some(destination) = self.destination(&path, &entry.node_filters) else {
                continue;
            };
            for mapping in mappings.unwrap_or_default() {
                let checked = publication::check_protocol(&mapping, &destination);
                self.findings.take(&place, checked);
                self.publish_one(&place, &mapping, &destination, balancer.as_mut());
            }
        }
        balancer
    }

    fn destination(&mut self, path: &str, texts: &[String]) -> Option<Destination> {
        let place = self.place(&format!("{path}.nodeFilters"));
        let filters = match self
            .findings
            .take(&place, publication::implied(texts, self.counts))?
        {
            Implied::Filters(filters) => filters,
            Implied::Written(texts) => self.parse_filters(path, texts),
        };
        let destination = publication::resolve(&filters, self.counts);
        self.findings.take(&place, destination)
    }

    fn publish_one(
        &mut self,
        place: &Place,
        mapping: &PortMapping,
        destination: &Destination,
        balancer: Option<&mut BalancerSpec>,
    ) {
        if let Some(target) = destination.direct {
            self.bind(place, target, mapping);
        }
        let Some(balancer) = balancer.filter(|_| !destination.forwarded.is_empty()) else {
            return;
        };
        self.bind(place, (Role::LoadBalancer, 0), mapping);
        let forwarded = balancer
            .ports
            .entry(mapping.container.balancer_key())
            .or_default();
        for target in &destination.forwarded {
            let name = self.node(*target).map(|node| node.name.clone());
            if let Some(name) = name.filter(|name| !forwarded.contains(name)) {
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
