//! `cluster create` and `cluster apply`.

use std::env;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use provisioner::channel::{self, CHANNELS_URL};
use provisioner::cluster::ClusterSpec;
use provisioner::config::image::ImageChoice;
use provisioner::config::{self, CreateFlags, Environment, Loaded, Outside, Problem};
use provisioner::fetch::Proxies;
use provisioner::ops::Provisioner;
use provisioner::random;

use super::session::{self, carry_out, show};
use super::{Context, Done, registry};
use crate::clusters::arguments::values::{Csv, Waiting};
use crate::clusters::arguments::{Apply, Create, PlanFormat};
use crate::clusters::narration::Narrator;
use crate::clusters::settings::{variable, variables};
use crate::output::Streams;

/// Replaces the address where the channels of k3s stand.
const CHANNEL_VARIABLE: &str = "K3D_CHANNEL_URL";

pub(crate) async fn run(
    arguments: &Create,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let flags = flags(arguments);
    let (mut provisioner, mut spec) = prepare(arguments.config.as_deref(), &flags, context).await?;
    if arguments.berth {
        provisioner::operator::include(&mut spec);
    }
    let plan = provisioner.plan_create(&mut spec).await?;
    if arguments.changes.dry_run {
        show(&plan, arguments.changes, streams)?;
        return Ok(Done::Success);
    }
    context.log.info("Prep: Network");
    let inner = provisioner.reporter.clone();
    provisioner.reporter = Arc::new(Narrator::new(inner, Some(spec.name.clone())));
    if let Err(unfinished) = provisioner.run(&plan).await {
        context.log.error(unfinished.failure.to_string());
        context.log.fatal(if unfinished.rolled_back {
            "Cluster creation FAILED, all changes have been rolled back!"
        } else {
            "Cluster creation FAILED, rollback deactivated."
        });
        return Ok(Done::Failure);
    }
    let name = &spec.name;
    context
        .log
        .info(format!("Cluster '{name}' created successfully!"));
    if arguments.berth {
        super::image::import_operator(&provisioner, name, context).await?;
    }
    context.log.info("You can now use it like this:");
    for line in usage(&spec, context.log.manner().program()) {
        streams.data(line)?;
    }
    Ok(Done::Success)
}

/// How the new cluster is used from here.
fn usage(spec: &ClusterSpec, program: &str) -> Vec<String> {
    let name = &spec.name;
    let mut lines = Vec::new();
    if !spec.options.update_kubeconfig {
        lines.push(format!(
            "export KUBECONFIG=$({program} kubeconfig write {name})"
        ));
    } else if !spec.options.switch_context {
        lines.push(format!("kubectl config use-context k3d-{name}"));
    }
    lines.push("kubectl cluster-info".to_owned());
    lines
}

/// Everything that is said about a cluster, read and checked.
async fn prepare(
    file: Option<&str>,
    flags: &CreateFlags,
    context: &Context<'_>,
) -> Result<(Provisioner, ClusterSpec)> {
    let environment: Environment = variables().into_iter().collect();
    let loaded = load(file, &environment)?;
    let merged = config::merge(loaded, flags, &environment).map_err(problems)?;
    let image = match merged.image() {
        None => channel::default_image(),
        Some(ImageChoice::Exact(image)) => image,
        Some(ImageChoice::Channel(channel)) => {
            let url = variable(CHANNEL_VARIABLE).unwrap_or_else(|| CHANNELS_URL.to_owned());
            channel::resolve(&format!("+{channel}"), &url, &Proxies::new(variable)).await?
        }
    };
    let provisioner = session::connect(context).await?;
    let folder = env::current_dir().context("failed to find the current folder")?;
    let balancer_image = provisioner.balancer_image(variable);
    let transformed = config::transform(
        &merged,
        &Outside {
            image: &image,
            balancer_image: balancer_image.as_deref().unwrap_or_default(),
            token: random::letters(20).into(),
            engine_host: provisioner.engine.endpoint().host(),
            folder: &folder,
            addresses: &addresses,
            free_port: &|| registry::free_port().ok(),
            read: &|path: &Path| fs::read(path),
            exists: &|path: &Path| path.exists(),
        },
    );
    let transformed = transformed.map_err(problems)?;
    // Without a load balancer there may be no image for one.
    if transformed.cluster.balancer.is_some() {
        balancer_image?;
    }
    for warning in &transformed.warnings {
        warn(warning, context);
    }
    Ok((provisioner, transformed.cluster))
}

fn load(file: Option<&str>, environment: &Environment) -> Result<Loaded> {
    match file.filter(|file| !file.is_empty()) {
        None => config::without_file(environment).map_err(problems),
        Some(file) => {
            let (text, origin) = super::config::read(file)?;
            config::load(&text, &origin, environment).map_err(problems)
        }
    }
}

/// The name that a config file gives its cluster.
pub(crate) fn name_in_file(file: &str) -> Result<Option<String>> {
    let environment: Environment = variables().into_iter().collect();
    let loaded = load(Some(file), &environment)?;
    Ok(loaded.cluster_name().map(ToOwned::to_owned))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what map_err hands over"
)]
fn problems(problems: config::Problems) -> anyhow::Error {
    anyhow::anyhow!("the configuration of the cluster cannot be used:\n{problems}")
}

fn warn(problem: &Problem, context: &Context<'_>) {
    context.log.warn(problem.to_string());
}

fn addresses(host: &str) -> Vec<IpAddr> {
    let found = (host, 0).to_socket_addrs();
    found.map_or_else(|_| Vec::new(), |all| all.map(|it| it.ip()).collect())
}

fn flags(arguments: &Create) -> CreateFlags {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let token = arguments.token.as_ref().filter(|token| !token.is_empty());
    CreateFlags {
        name: text(&arguments.name),
        api_port: text(&arguments.api_port),
        env: arguments.env.clone(),
        volumes: arguments.volume.clone(),
        ports: arguments.port.clone(),
        k3s_node_labels: arguments.k3s_node_label.clone(),
        runtime_labels: arguments.runtime_label.clone(),
        runtime_ulimits: arguments.runtime_ulimit.clone(),
        registry_create: text(&arguments.registry_create),
        enforce_registry_port_match: arguments.enforce_registry_port_match,
        host_aliases: arguments.host_alias.clone(),
        k3s_args: arguments.k3s_arg.clone(),
        servers: arguments.servers,
        agents: arguments.agents,
        image: text(&arguments.image),
        network: text(&arguments.network),
        subnet: text(&arguments.subnet),
        token: token.map(|token| token.expose().to_owned()),
        wait: arguments.wait.map(|wait| word(wait).to_owned()),
        timeout: arguments
            .timeout
            .map(|timeout| format!("{}ms", timeout.as_millis())),
        kubeconfig_update_default: arguments.kubeconfig_update_default,
        kubeconfig_switch_context: arguments.kubeconfig_switch_context,
        no_lb: arguments.no_lb,
        no_rollback: arguments.no_rollback,
        gpus: text(&arguments.gpus),
        servers_memory: text(&arguments.servers_memory),
        agents_memory: text(&arguments.agents_memory),
        host_pid_mode: arguments.host_pid_mode,
        no_image_volume: arguments.no_image_volume,
        registry_use: arguments.registry_use.clone(),
        registry_config: text(&arguments.registry_config),
        lb_config_override: Csv::join(&arguments.lb_config_override),
    }
}

fn word(wait: Waiting) -> &'static str {
    match wait {
        Waiting::No => "false",
        Waiting::Nodes => "true",
        Waiting::Pods => "pods",
    }
}

/// Brings a cluster to what a config file says.
pub(crate) async fn apply(
    arguments: &Apply,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let flags = CreateFlags {
        name: arguments.name.clone(),
        ..CreateFlags::default()
    };
    let (provisioner, mut spec) = prepare(arguments.config.as_deref(), &flags, context).await?;
    let limit = Some(arguments.timeout).filter(|timeout| !timeout.is_zero());
    let mut applying = provisioner.plan_apply(&mut spec).await?;
    applying.plan.timeout = limit.or(applying.plan.timeout);
    if !applying.impossible.is_empty() {
        bail!(
            "cluster '{}' cannot be changed to what the file says; delete and create it, or take this out:\n{}",
            spec.name,
            listed(&applying.impossible)
        );
    }
    let (changes, name) = (arguments.changes, &spec.name);
    if changes.output == PlanFormat::Text {
        for line in &applying.differences {
            streams.data(line)?;
        }
    }
    if applying.plan.is_empty() {
        context
            .log
            .info(format!("Cluster '{name}' is what the file says"));
        return Ok(Done::Success);
    }
    if carry_out(&provisioner, &applying.plan, changes, streams).await? {
        context
            .log
            .info(format!("Cluster '{name}' is now what the file says"));
    }
    Ok(Done::Success)
}

fn listed(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| format!("- {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
