//! Networks and volumes.

use std::collections::HashMap;

use docker::Engine;
use docker::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkCreateRequest, NetworkingConfig,
    VolumeCreateRequest,
};

use crate::fixture::{Container, engine_with_image, run, shell, unique};

struct Network {
    name: String,
}

impl Network {
    async fn create(engine: &Engine, subnet: Option<&str>) -> Self {
        let name = unique("network");
        let ipam = subnet.map(|subnet| Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.into()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        });
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".into()),
            labels: Some([("berth-docker-test".into(), name.clone())].into()),
            ipam,
            ..NetworkCreateRequest::default()
        };
        engine.create_network(request).await.unwrap();
        Self { name }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        run("docker", &["network", "rm", &self.name]);
    }
}

#[tokio::test]
async fn a_container_gets_all_of_its_networks_when_it_is_created() {
    let engine = engine_with_image().await;
    let first = Network::create(&engine, None).await;
    let second = Network::create(&engine, Some("10.213.77.0/24")).await;
    let mut body = shell("exec sleep 1000", "");
    let settings = |alias: &str, address: Option<&str>| EndpointSettings {
        aliases: Some(vec![alias.to_owned()]),
        ipam_config: address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.into()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some(HashMap::from([
            (first.name.clone(), settings("one", None)),
            (second.name.clone(), settings("two", Some("10.213.77.9"))),
        ])),
    });
    // As k3d has it.
    body.host_config.as_mut().unwrap().network_mode = Some("bridge".into());
    let container = Container::create(&engine, body).await;
    engine.start(&container.name).await.unwrap();

    let inspected = engine.inspect(&container.name).await.unwrap();
    let networks = inspected.network_settings.unwrap().networks.unwrap();
    let mut names: Vec<_> = networks.keys().cloned().collect();
    names.sort();
    let mut expected = vec![first.name.clone(), second.name.clone()];
    expected.sort();
    assert_eq!(names, expected);
    assert!(
        networks[&first.name]
            .aliases
            .as_ref()
            .unwrap()
            .contains(&"one".into())
    );
    assert!(
        networks[&second.name]
            .aliases
            .as_ref()
            .unwrap()
            .contains(&"two".into())
    );
    assert_eq!(
        networks[&second.name].ip_address.as_deref(),
        Some("10.213.77.9")
    );

    let connected = engine
        .network(&second.name)
        .await
        .unwrap()
        .unwrap()
        .containers
        .unwrap();
    assert_eq!(connected.len(), 1);
    let busy = engine.remove_network(&second.name).await.unwrap_err();
    assert!(busy.is_in_use() && !busy.is_conflict(), "{busy}");
    engine
        .disconnect_network(&second.name, &container.name, true)
        .await
        .unwrap();
    let connected = engine
        .network(&second.name)
        .await
        .unwrap()
        .unwrap()
        .containers
        .unwrap();
    assert!(connected.is_empty());
}

#[tokio::test]
async fn a_container_that_cannot_have_all_of_its_networks_is_not_left_behind() {
    let engine = engine_with_image().await;
    let networks = [
        Network::create(&engine, None).await,
        Network::create(&engine, None).await,
    ];
    // Addresses can be chosen only where the subnet was.
    let chosen = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some("10.213.78.9".into()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    let mut body = shell("true", "");
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some(HashMap::from([
            (networks[0].name.clone(), EndpointSettings::default()),
            (networks[1].name.clone(), chosen),
        ])),
    });
    let name = unique("unconnected");
    let error = engine.create(&name, body).await.unwrap_err();
    assert!(error.says("user configured subnet"), "{error}");
    assert!(engine.container(&name).await.unwrap().is_none());
}

#[tokio::test]
async fn networks_are_found_by_label_and_by_their_exact_name() {
    let engine = engine_with_image().await;
    let network = Network::create(&engine, None).await;
    let found = engine.networks_named(&network.name).await.unwrap();
    assert_eq!(found.len(), 1);
    let part = &network.name[..network.name.len() - 1];
    assert!(engine.networks_named(part).await.unwrap().is_empty());
    let label = format!("berth-docker-test={}", network.name);
    assert_eq!(engine.networks(&[&label]).await.unwrap().len(), 1);
    assert!(engine.network("berth-docker-gone").await.unwrap().is_none());
}

#[tokio::test]
async fn volumes_are_created_once_found_and_removed() {
    let engine = engine_with_image().await;
    let name = unique("volume");
    let request = VolumeCreateRequest {
        name: Some(name.clone()),
        labels: Some([("berth-docker-test".into(), name.clone())].into()),
        ..VolumeCreateRequest::default()
    };
    for _ in 0..2 {
        assert_eq!(
            engine.create_volume(request.clone()).await.unwrap().name,
            name
        );
    }
    let label = format!("berth-docker-test={name}");
    assert_eq!(engine.volumes(&[&label]).await.unwrap().len(), 1);
    engine.remove_volume(&name, false).await.unwrap();
    assert!(engine.volume(&name).await.unwrap().is_none());
    assert!(
        engine
            .remove_volume(&name, false)
            .await
            .unwrap_err()
            .is_not_found()
    );
    engine.remove_volume(&name, true).await.unwrap();
}
