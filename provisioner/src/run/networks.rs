//! Networks: made or found, joined and left.

use docker::models::{
    Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest, NetworkInspect,
};

use super::{Failure, Runner};
use crate::cluster::{Role, Subnet};
use crate::names;
use crate::observed::Container;
use crate::payload::{self, NetworkFacts};
use crate::step::Effect;

impl Runner<'_> {
    pub(super) async fn ensure_network(
        &self,
        name: &str,
        subnet: &Subnet,
    ) -> Result<Effect, Failure> {
        let mut found = self.engine.networks_named(name).await?;
        if found.len() > 1 {
            let text = format!(
                "there are {} networks named '{name}', using the first",
                found.len()
            );
            self.reporter.warn(text);
        }
        if !found.is_empty() {
            let network = facts_of(&found.swap_remove(0), true);
            if *subnet != Subnet::Engine && !network.host {
                return Err(Failure::Other(format!(
                    "network '{name}' is there already, so its range cannot be chosen; leave --subnet out or remove the network"
                )));
            }
            self.reporter.info(format!(
                "Re-using existing network '{name}' ({})",
                network.id
            ));
            self.knows_network(network);
            return Ok(Effect::Found);
        }
        let range = match subnet {
            Subnet::Engine => None,
            Subnet::Range(range) => Some(range.clone()),
            Subnet::Auto => Some(self.free_range().await?),
        };
        let id = self
            .engine
            .create_network(network_request(name, range))
            .await?;
        self.reporter.info(format!("Created network '{name}'"));
        let network = self.engine.network(&id).await?;
        if let Some(network) = network {
            self.knows_network(facts_of(&network, false));
        }
        Ok(Effect::Made)
    }

    /// The range that the Engine would take next: it is asked by a network that goes at once.
    pub(super) async fn free_range(&self) -> Result<String, Failure> {
        let name = format!("k3d-fakenet-{}", crate::random::letters(10));
        let id = self
            .engine
            .create_network(network_request(&name, None))
            .await?;
        let network = self.engine.network(&id).await;
        self.engine.remove_network(&id).await?;
        let range = network?.and_then(|network| facts_of(&network, false).range);
        range.ok_or_else(|| {
            Failure::Other(
                "the Engine gave no range of addresses; give one with --subnet".to_owned(),
            )
        })
    }

    pub(super) async fn connect(&self, container: &str, network: &str) -> Result<Effect, Failure> {
        let inspected = self.engine.inspect(container).await?;
        let networks = inspected
            .network_settings
            .and_then(|settings| settings.networks);
        if networks.is_some_and(|networks| networks.contains_key(network)) {
            return Ok(Effect::Found);
        }
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: None,
        };
        self.engine.connect_network(network, request).await?;
        Ok(Effect::Made)
    }

    pub(super) async fn disconnect(
        &self,
        container: &str,
        network: &str,
    ) -> Result<Effect, Failure> {
        match self
            .engine
            .disconnect_network(network, container, true)
            .await
        {
            Ok(()) => Ok(Effect::Made),
            Err(error) if error.is_not_found() || error.says("is not connected") => {
                Ok(Effect::Found)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A network that somebody else's containers are in stays; registries are taken out of it.
    pub(super) async fn remove_network(&self, name: &str) -> Result<Effect, Failure> {
        let error = match self.engine.remove_network(name).await {
            Ok(()) => return Ok(Effect::Made),
            Err(error) if error.is_not_found() => return Ok(Effect::Found),
            Err(error) if error.is_in_use() => error,
            Err(error) => return Err(error.into()),
        };
        let Some(network) = self.engine.network(name).await? else {
            return Ok(Effect::Found);
        };
        let mut others = Vec::new();
        for endpoint in network.containers.unwrap_or_default().into_values() {
            let container = endpoint.name.unwrap_or_default();
            let found = self.engine.container(&container).await?;
            let found = found.and_then(Container::of);
            if found.is_some_and(|found| found.role == Role::Registry) {
                self.disconnect(&container, name).await?;
            } else {
                others.push(container);
            }
        }
        if others.is_empty() {
            self.engine.remove_network(name).await?;
            return Ok(Effect::Made);
        }
        let text = format!(
            "network '{name}' stays, because {} is in it: {error}",
            others.join(", ")
        );
        self.reporter.warn(text);
        Ok(Effect::Found)
    }
}

fn network_request(name: &str, range: Option<String>) -> NetworkCreateRequest {
    let ipam = range.map(|range| Ipam {
        config: Some(vec![IpamConfig {
            gateway: payload::gateway_address(&range).map(|address| address.to_string()),
            subnet: Some(range),
            ..Default::default()
        }]),
        ..Default::default()
    });
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        options: Some(
            [("com.docker.network.bridge.enable_ip_masquerade", "true")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        labels: Some([(names::LABEL_APP.to_owned(), names::APP.to_owned())].into()),
        ipam,
        ..Default::default()
    }
}

/// What plans and payloads need to know of a network.
pub fn facts_of(network: &NetworkInspect, external: bool) -> NetworkFacts {
    let config = network.ipam.as_ref().and_then(|ipam| ipam.config.as_ref());
    // Of several ranges the first one of IPv4 is the nodes'.
    let config = config.into_iter().flatten();
    let config = config.clone().find(|config| {
        config
            .subnet
            .as_deref()
            .is_some_and(|subnet| !subnet.contains(':'))
    });
    NetworkFacts {
        name: network.name.clone().unwrap_or_default(),
        id: network.id.clone().unwrap_or_default(),
        external,
        range: config.and_then(|config| config.subnet.clone()),
        gateway: config.and_then(|config| config.gateway.clone()),
        host: network.driver.as_deref() == Some("host"),
    }
}
