//! Networks.

use std::collections::HashMap;

use bollard::models::{
    NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest, NetworkInspect,
};
use bollard::query_parameters::ListNetworksOptions;

use crate::engine::Engine;
use crate::error::{Error, Operation};
use crate::names::checked;

impl Engine {
    /// The networks whose name is exactly `name`: Docker lets several have the same one.
    pub async fn networks_named(&self, name: &str) -> Result<Vec<NetworkInspect>, Error> {
        let operation = Operation::new("list networks", "");
        // The filter is a pattern in Docker and an exact text in Podman; both find at least what is meant.
        let filters = HashMap::from([("name".to_owned(), vec![name.to_owned()])]);
        let options = ListNetworksOptions {
            filters: Some(filters),
        };
        let found = self
            .call(operation, self.docker.list_networks(Some(options)))
            .await?;
        let mut networks = Vec::new();
        for network in found {
            if network.name.as_deref() == Some(name)
                && let Some(id) = network.id
                && let Some(network) = self.network(&id).await?
            {
                networks.push(network);
            }
        }
        Ok(networks)
    }

    /// The networks that have all of these labels, inspected.
    pub async fn networks(&self, labels: &[&str]) -> Result<Vec<NetworkInspect>, Error> {
        let operation = Operation::new("list networks", "");
        let options = ListNetworksOptions {
            filters: Some(crate::containers::label_filter(labels)),
        };
        let found = self
            .call(operation, self.docker.list_networks(Some(options)))
            .await?;
        let mut networks = Vec::new();
        for id in found.into_iter().filter_map(|network| network.id) {
            networks.extend(self.network(&id).await?);
        }
        Ok(networks)
    }

    /// A network by its name or id, if there is one, with the containers that are connected.
    pub async fn network(&self, name: &str) -> Result<Option<NetworkInspect>, Error> {
        let operation = Operation::new("inspect network", name);
        let name = checked(&operation, name)?;
        match self
            .call(operation, self.docker.inspect_network(name, None))
            .await
        {
            Ok(network) => Ok(Some(network)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a network and gives its id.
    pub async fn create_network(&self, request: NetworkCreateRequest) -> Result<String, Error> {
        let operation = Operation::new("create network", &request.name);
        Ok(self
            .call(operation, self.docker.create_network(request))
            .await?
            .id)
    }

    /// Connects a container, running or not.
    pub async fn connect_network(
        &self,
        network: &str,
        request: NetworkConnectRequest,
    ) -> Result<(), Error> {
        let object = format!("{} to network {network}", request.container);
        let operation = Operation::new("connect container", object);
        let network = checked(&operation, network)?;
        self.call(operation, self.docker.connect_network(network, request))
            .await
    }

    /// Disconnects a container; `force` also when it is gone already.
    pub async fn disconnect_network(
        &self,
        network: &str,
        container: &str,
        force: bool,
    ) -> Result<(), Error> {
        let object = format!("{container} from network {network}");
        let operation = Operation::new("disconnect container", object);
        let network = checked(&operation, network)?;
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(force),
        };
        self.call(operation, self.docker.disconnect_network(network, request))
            .await
    }

    /// Removes a network that nothing is connected to.
    pub async fn remove_network(&self, name: &str) -> Result<(), Error> {
        let operation = Operation::new("remove network", name);
        let name = checked(&operation, name)?;
        self.call(operation, self.docker.remove_network(name)).await
    }
}
