//! `kubeconfig get|merge`.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use provisioner::kubeconfig::{ClusterKubeconfig, MergeOptions, Store, default_files};
use provisioner::names::DEFAULT_CLUSTER;
use provisioner::ops::{Provisioner, user_files};

use super::{Context, Done, session};
use crate::clusters::arguments::{Get, KubeconfigCommand, Merge};
use crate::clusters::settings::variable;
use crate::output::Streams;

pub(crate) async fn run(
    command: KubeconfigCommand,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    match command {
        KubeconfigCommand::Get(arguments) => get(&arguments, context, streams).await,
        KubeconfigCommand::Merge(arguments) => merge(&arguments, context, streams).await,
    }
}

async fn names(
    provisioner: &Provisioner,
    all: bool,
    names: &[String],
    context: &Context<'_>,
) -> Result<Vec<String>> {
    if all {
        let clusters = provisioner.clusters().await?;
        if clusters.is_empty() {
            context.log.info("No clusters found");
        }
        return Ok(clusters.into_iter().map(|cluster| cluster.name).collect());
    }
    for name in names {
        provisioner.cluster(name).await?;
    }
    Ok(names.to_vec())
}

async fn get(arguments: &Get, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    if !arguments.all && arguments.names.is_empty() {
        bail!("nothing to get: name clusters or use --all");
    }
    let provisioner = session::connect(context).await?;
    for name in names(&provisioner, arguments.all, &arguments.names, context).await? {
        let kubeconfig = provisioner.access(&name).await?;
        streams.data("---")?;
        streams.data(kubeconfig.expose().trim_end())?;
    }
    Ok(Done::Success)
}

async fn merge(arguments: &Merge, context: &Context<'_>, streams: &mut Streams) -> Result<Done> {
    if arguments.kubeconfig_merge_default && arguments.output.is_some() {
        bail!("--output and --kubeconfig-merge-default cannot be used together; leave one out");
    }
    let provisioner = session::connect(context).await?;
    let default = [DEFAULT_CLUSTER.to_owned()];
    let asked = match arguments.names.as_slice() {
        [] => default.as_slice(),
        names => names,
    };
    let names = names(&provisioner, arguments.all, asked, context).await?;
    let mut written: Vec<PathBuf> = Vec::new();
    let mut done = Done::Success;
    for name in &names {
        match merge_one(&provisioner, name, arguments, streams).await {
            Ok(files) => written.extend(files),
            Err(error) => {
                let text = format!("failed to write the kubeconfig of cluster '{name}': {error:#}");
                context.log.error(text);
                done = Done::Failure;
            }
        }
    }
    written.dedup();
    if !written.is_empty() {
        let paths: Vec<String> = written
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        streams.data(paths.join(":"))?;
    }
    Ok(done)
}

/// Says where it was, or would be, written; nothing for standard output.
async fn merge_one(
    provisioner: &Provisioner,
    name: &str,
    arguments: &Merge,
    streams: &mut Streams,
) -> Result<Vec<PathBuf>> {
    let kubeconfig = provisioner.access(name).await?;
    let options = MergeOptions {
        update: arguments.update,
        switch: arguments.kubeconfig_switch_context,
        overwrite: arguments.overwrite,
    };
    let (folders, default) = user_files(&variable)?;
    let file = match &arguments.output {
        Some(path) if path == Path::new("-") => {
            streams.data(kubeconfig.expose().trim_end())?;
            return Ok(Vec::new());
        }
        _ if arguments.kubeconfig_merge_default && arguments.dry_run => {
            let home = variable("HOME").map(PathBuf::from);
            let listed = variable("KUBECONFIG").map(OsString::from);
            return Ok(default_files(listed.as_deref(), home.as_deref())?);
        }
        _ if arguments.kubeconfig_merge_default => return Ok(default.merge(&kubeconfig, options)?),
        Some(path) => path.clone(),
        None => folders.cluster_file(name),
    };
    if arguments.dry_run {
        return Ok(vec![file]);
    }
    write_into(file, &kubeconfig, options)
}

fn write_into(
    file: PathBuf,
    kubeconfig: &ClusterKubeconfig,
    options: MergeOptions,
) -> Result<Vec<PathBuf>> {
    Ok(Store::new(vec![file]).merge(kubeconfig, options)?)
}

/// Writes a file that may hold secrets, for commands that make new ones.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32, replace: bool) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(mode);
    if replace {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let failed = || format!("failed to write {}", path.display());
    let mut file = options.open(path).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)
}
