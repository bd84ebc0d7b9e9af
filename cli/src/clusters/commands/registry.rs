//! `registry ...`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

use anyhow::{Context as _, Result, bail};
use provisioner::cluster::{ContainerPort, RegistryProxy, RegistrySpec};
use provisioner::config::exposure::{self, PortChoice};
use provisioner::names;
use provisioner::step::Step;

use super::session::{self, carry_out};
use super::{Context, Done, help, listing, refused};
use crate::clusters::arguments::{
    CreateRegistry, DeleteRegistry, ListRegistries, RegistryCommand, SelectRegistries,
};
use crate::output::Streams;

pub(crate) async fn run(
    command: RegistryCommand,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    match command {
        RegistryCommand::Create(arguments) => Box::pin(create(&arguments, context, streams)).await,
        RegistryCommand::Delete(arguments) => Box::pin(delete(&arguments, context, streams)).await,
        RegistryCommand::List(arguments) => Box::pin(list(&arguments, context, streams)).await,
        RegistryCommand::Start(arguments) => {
            Box::pin(switch(&arguments, true, context, streams)).await
        }
        RegistryCommand::Stop(arguments) => {
            Box::pin(switch(&arguments, false, context, streams)).await
        }
    }
}

async fn create(
    arguments: &CreateRegistry,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let mut spec = spec(arguments)?;
    let provisioner = session::connect(context).await?;
    if arguments.from_docker {
        let mut volumes = provisioner.volumes_of_engine().await?;
        volumes.append(&mut spec.volumes);
        spec.volumes = volumes;
    }
    let mut plan = provisioner.plan_create_registry(&spec).await?;
    let name = &spec.name;
    for cluster in &arguments.cluster {
        plan.steps.push(Step::Connect {
            container: name.clone(),
            network: provisioner.cluster(cluster).await?.network(),
        });
    }
    if !carry_out(&provisioner, &plan, arguments.changes, streams).await? {
        return Ok(Done::Success);
    }
    context
        .log
        .info(format!("Successfully created registry '{name}'"));
    if !arguments.no_help {
        let registry = provisioner.node(name).await?;
        let inside = registry.ports().into_keys().next();
        let inside = inside.unwrap_or(ContainerPort::tcp(names::DEFAULT_REGISTRY_PORT));
        let port = registry.given_port(inside).or(spec.port);
        streams.data(how_to(
            context.log.manner().program(),
            name,
            port.unwrap_or_default(),
        ))?;
    }
    Ok(Done::Success)
}

fn spec(arguments: &CreateRegistry) -> Result<RegistrySpec> {
    let name = arguments.name.as_deref();
    let exposure = exposure::parse(&arguments.port)
        .map_err(|wrong| refused("--port", &arguments.port, &wrong))?;
    let host_ip = match exposure.host.as_deref() {
        // Whoever reaches it has the images of this machine; nodes reach it in their network.
        None | Some("") if arguments.from_docker => IpAddr::V4(Ipv4Addr::LOCALHOST),
        None | Some("") => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(host) => address_of(host)?,
    };
    let port = match exposure.port {
        PortChoice::Fixed(port) => Some(port),
        // The registry has to know its port when that is to be the same inside.
        PortChoice::Random if arguments.enforce_port_match => Some(free_port()?),
        PortChoice::Random => None,
    };
    let proxy = (!arguments.proxy_remote_url.is_empty()).then(|| RegistryProxy {
        remote_url: arguments.proxy_remote_url.clone(),
        username: arguments.proxy_username.clone(),
        password: arguments.proxy_password.clone(),
    });
    Ok(RegistrySpec {
        name: name.map_or_else(|| names::DEFAULT_REGISTRY_NAME.to_owned(), names::prefixed),
        image: arguments.image.clone(),
        host: exposure.host.unwrap_or_default(),
        host_ip,
        port,
        same_port: arguments.enforce_port_match,
        volumes: arguments.volume.clone(),
        proxy,
        delete_enabled: arguments.delete_enabled,
        network: arguments.default_network.clone(),
    })
}

/// The last address of a host, as k3d takes it; an address stands for itself.
fn address_of(host: &str) -> Result<IpAddr> {
    let mut addresses = (host, 0)
        .to_socket_addrs()
        .with_context(|| format!("failed to look up the host '{host}' of --port"))?;
    match addresses.rfind(SocketAddr::is_ipv4) {
        Some(address) => Ok(address.ip()),
        None => bail!("the host '{host}' of --port has no IPv4 address; name another"),
    }
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("0.0.0.0:0").context("failed to find a free port")?;
    Ok(listener.local_addr()?.port())
}

fn how_to(program: &str, name: &str, port: u16) -> String {
    format!(
        "# You can now use the registry like this, as {name}:{port}:\n\
         # 1. make a cluster that uses it\n\
         {program} cluster create --registry-use {name}:{port}\n\
         # 2. tag an image for it and push it from this machine\n\
         docker tag nginx:latest localhost:{port}/nginx:latest\n\
         docker push localhost:{port}/nginx:latest\n\
         # 3. run it in the cluster\n\
         kubectl run mynginx --image {name}:{port}/nginx:latest"
    )
}

async fn delete(
    arguments: &DeleteRegistry,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let names = if arguments.all {
        let registries = provisioner.registries().await?;
        registries.into_iter().map(|it| it.name).collect()
    } else if arguments.names.is_empty() {
        bail!("nothing to delete: name registries or use --all");
    } else {
        arguments.names.clone()
    };
    if names.is_empty() {
        context.log.info("No registries found");
        return Ok(Done::Success);
    }
    let plan = provisioner.plan_delete_registries(&names).await?;
    if carry_out(&provisioner, &plan, arguments.changes, streams).await? {
        context.log.info(format!(
            "Successfully deleted {} registr{}",
            names.len(),
            if names.len() == 1 { "y" } else { "ies" }
        ));
    }
    Ok(Done::Success)
}

async fn list(
    arguments: &ListRegistries,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let provisioner = session::connect(context).await?;
    let mut registries = provisioner.registries().await?;
    if !arguments.names.is_empty() {
        for name in &arguments.names {
            let known = registries
                .iter()
                .any(|registry| names::is_meant(name, &registry.name));
            if !known {
                // Says which nodes there are.
                provisioner.node(name).await?;
                bail!("node '{name}' is no registry");
            }
        }
        registries.retain(|registry| {
            let meant = |name: &String| names::is_meant(name, &registry.name);
            arguments.names.iter().any(meant)
        });
    }
    let none = listing::NoCluster::Star;
    listing::nodes(registries, &arguments.listing, none, streams)?;
    Ok(Done::Success)
}

/// Starts or stops registries; without names k3d prints the help of the group.
async fn switch(
    arguments: &SelectRegistries,
    start: bool,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    if arguments.names.is_empty() {
        return Ok(help(&["registry"]));
    }
    let provisioner = session::connect(context).await?;
    let registries = provisioner.registries().await?;
    for name in &arguments.names {
        let node = provisioner.node(name).await?;
        if !registries.iter().any(|registry| registry.name == node.name) {
            bail!("node '{}' is no registry", node.name);
        }
        let plan = if start {
            provisioner.plan_start_node(&node.name).await?
        } else {
            provisioner.plan_stop_node(&node.name).await?
        };
        carry_out(&provisioner, &plan, arguments.changes, streams).await?;
    }
    Ok(Done::Success)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        create: CreateRegistry,
    }

    fn made(words: &[&str]) -> RegistrySpec {
        spec(&Line::parse_from([&["create"], words].concat()).create).unwrap()
    }

    #[test]
    fn a_registry_of_the_engine_s_images_is_the_gateway_and_for_this_machine() {
        let gateway = made(&["--from-docker"]);
        assert_eq!(
            gateway.image,
            concat!("berth-gateway:", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(gateway.host_ip, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let wide = made(&["--from-docker", "--port", "0.0.0.0:5000", "--image", "mine"]);
        assert_eq!(
            (wide.image.as_str(), wide.host_ip),
            ("mine", IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        );
        let plain = made(&[]);
        assert_eq!(plain.image, "docker.io/library/registry:2");
        assert_eq!(plain.host_ip, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
}
