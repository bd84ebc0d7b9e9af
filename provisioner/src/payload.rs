//! What the Engine is sent to make a container: the fields that both tools must set alike.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use docker::models::{
    ContainerCreateBody, DeviceRequest, EndpointIpamConfig, EndpointSettings, HostConfig,
    NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use crate::container::{Address, Attachment, ContainerSpec};
use crate::names;

/// What is known of the cluster's network once it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkFacts {
    pub name: String,
    pub id: String,
    /// It was there before.
    pub external: bool,
    /// `172.20.0.0/16`; `None` on the host's network.
    pub range: Option<String>,
    /// The host's address in it.
    pub gateway: Option<String>,
    /// The network's own driver is `host`.
    pub host: bool,
}

/// The body of the request. `network` is that of the cluster, for its members.
pub fn container(spec: &ContainerSpec, network: Option<&NetworkFacts>) -> ContainerCreateBody {
    let mut labels: HashMap<String, String> = spec.labels.clone().into_iter().collect();
    let network = network.filter(|_| spec.is_member);
    if let Some(network) = network {
        labels.extend(network_labels(network));
    }
    let mut endpoints = HashMap::new();
    for attachment in &spec.networks {
        let address = address(attachment, network);
        if let Some(address) = &address {
            labels.insert(names::LABEL_STATIC_IP.to_owned(), address.clone());
        }
        endpoints.insert(attachment.network.clone(), endpoint(address));
    }
    ContainerCreateBody {
        hostname: Some(spec.name.clone()).filter(|_| spec.network_mode != "host"),
        image: Some(spec.image.clone()),
        entrypoint: spec.entrypoint.clone(),
        cmd: Some(spec.command.clone()).filter(|command| !command.is_empty()),
        env: Some(spec.env.clone()),
        labels: Some(labels),
        exposed_ports: Some(spec.ports.keys().map(ToString::to_string).collect()),
        host_config: Some(host_config(spec)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(endpoints),
        }),
        ..Default::default()
    }
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let bindings = spec.ports.iter().map(|(port, bindings)| {
        let bindings = bindings.iter().map(|binding| PortBinding {
            host_ip: Some(binding.ip.clone()),
            host_port: Some(binding.port.clone()),
        });
        (port.to_string(), Some(bindings.collect()))
    });
    HostConfig {
        init: Some(spec.init),
        privileged: Some(true),
        userns_mode: Some("host".to_owned()),
        network_mode: Some(spec.network_mode.clone()),
        binds: Some(spec.binds.clone()),
        tmpfs: Some(
            ["/run", "/var/run"]
                .map(|path| (path.to_owned(), String::new()))
                .into(),
        ),
        port_bindings: Some(bindings.collect()),
        restart_policy: spec.restarts.then_some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        }),
        pid_mode: spec.host_pid.then(|| "host".to_owned()),
        memory: spec.memory,
        device_requests: spec.gpus.as_ref().map(|gpus| {
            vec![DeviceRequest {
                driver: Some(gpus.driver.clone()),
                count: Some(gpus.count),
                device_ids: Some(gpus.device_ids.clone()),
                capabilities: Some(gpus.capabilities.clone()),
                options: Some(gpus.options.clone().into_iter().collect()),
            }]
        }),
        ulimits: Some(
            spec.ulimits
                .iter()
                .map(|ulimit| ResourcesUlimits {
                    name: Some(ulimit.name.clone()),
                    soft: Some(ulimit.soft),
                    hard: Some(ulimit.hard),
                })
                .collect::<Vec<_>>(),
        )
        .filter(|ulimits| !ulimits.is_empty()),
        ..Default::default()
    }
}

fn network_labels(network: &NetworkFacts) -> [(String, String); 4] {
    [
        (names::LABEL_NETWORK, network.name.clone()),
        (names::LABEL_NETWORK_ID, network.id.clone()),
        (names::LABEL_NETWORK_EXTERNAL, network.external.to_string()),
        (
            names::LABEL_NETWORK_RANGE,
            network
                .range
                .clone()
                .unwrap_or_else(|| names::NO_RANGE.to_owned()),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
}

fn endpoint(address: Option<String>) -> EndpointSettings {
    EndpointSettings {
        ipam_config: address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn address(attachment: &Attachment, network: Option<&NetworkFacts>) -> Option<String> {
    match &attachment.address {
        Address::Engine => None,
        Address::Fixed(address) => Some(address.clone()),
        Address::Server(index) => {
            let range = network?.range.as_deref()?;
            server_address(range, *index).map(|address| address.to_string())
        }
    }
}

/// The first address is the gateway's and the second is kept free for k3d's helper; servers follow.
pub fn server_address(range: &str, index: u32) -> Option<Ipv4Addr> {
    let (base, bits) = range.split_once('/')?;
    let base = u32::from(base.parse::<Ipv4Addr>().ok()?);
    let bits: u32 = bits.parse().ok().filter(|bits| (1..=30).contains(bits))?;
    let mask = u32::MAX << (32 - bits);
    let network = base & mask;
    let address = network.checked_add(3)?.checked_add(index)?;
    // The last address is the broadcast.
    (address < network | !mask).then(|| Ipv4Addr::from(address))
}

/// The first address of a range, which the network's own side takes.
pub fn gateway_address(range: &str) -> Option<Ipv4Addr> {
    server_address(range, 0).map(|third| Ipv4Addr::from(u32::from(third) - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_count_from_the_third_address_and_end_before_the_broadcast() {
        let of = |range, index| server_address(range, index).map(|address| address.to_string());
        assert_eq!(of("172.80.0.0/16", 0).unwrap(), "172.80.0.3");
        assert_eq!(of("172.80.0.0/16", 300).unwrap(), "172.80.1.47");
        assert_eq!(of("10.0.0.0/29", 3).unwrap(), "10.0.0.6");
        assert_eq!(of("10.0.0.0/29", 4), None);
        assert_eq!(of("fd00::/64", 0), None);
        assert_eq!(
            gateway_address("172.80.0.0/16").unwrap().to_string(),
            "172.80.0.1"
        );
    }
}
