//! Files in nodes, and files for nodes on this machine.

use std::path::PathBuf;

use docker::File;

use super::{Failure, Runner};
use crate::balancer::config::Config;
use crate::cluster::{HostAlias, NodeFile};
use crate::observed::Container;
use crate::step::Effect;
use crate::{entrypoint, names};

impl Runner<'_> {
    pub(super) async fn write(&self, container: &str, files: &[NodeFile]) -> Result<(), Failure> {
        let files: Vec<File> = files
            .iter()
            .map(|file| File {
                path: file.path.clone(),
                mode: file.mode,
                content: file.content.clone().into(),
            })
            .collect();
        Ok(self.engine.put_files(container, &files).await?)
    }

    pub(super) async fn replace(&self, container: &str, files: &[NodeFile]) -> Result<(), Failure> {
        let beside = |path: &str| format!("{path}.new");
        let new: Vec<NodeFile> = files
            .iter()
            .map(|file| NodeFile {
                path: beside(&file.path),
                ..file.clone()
            })
            .collect();
        self.write(container, &new).await?;
        for file in files {
            let new = beside(&file.path);
            self.must_run(container, &["mv", "-f", "--", &new, &file.path])
                .await?;
        }
        Ok(())
    }

    pub(super) async fn must_run(&self, container: &str, words: &[&str]) -> Result<(), Failure> {
        let command = docker::Command::new(words.iter().copied());
        let output = self.engine.exec(container, &command, None).await?;
        if output.is_success() {
            return Ok(());
        }
        let program = words.first().copied().unwrap_or_default();
        Err(Failure::Other(format!(
            "failed to run {program} in {container}: {}",
            output.stderr_text().trim_end()
        )))
    }

    pub(super) async fn write_entrypoint(
        &self,
        container: &str,
        aliases: &[HostAlias],
    ) -> Result<(), Failure> {
        let inspected = self.engine.inspect(container).await?;
        let Some(node) = Container::of(inspected) else {
            return Ok(());
        };
        let (command, env, volumes) = (node.command(), node.env(), node.binds());
        let network = self.network();
        let host_network = network.as_ref().is_some_and(|network| network.host);
        let facts = entrypoint::NodeFacts {
            role: node.role,
            command: &command,
            env: &env,
            volumes: &volumes,
            host_network,
        };
        let gateway = network.and_then(|network| network.gateway?.parse().ok());
        let names = entrypoint::Names {
            gateway,
            aliases,
            members: &[],
        };
        // A node of a cluster elsewhere is in no network of ours, whose gateway could answer for DNS.
        let wanted = match gateway {
            Some(_) if !host_network => self.settings.fixes,
            _ => self.settings.fixes.without_dns(),
        };
        let files = entrypoint::files(wanted, &facts, &names);
        self.write(
            container,
            &files.map_err(|error| Failure::Other(error.to_string()))?,
        )
        .await
    }

    pub(super) async fn write_balancer(
        &self,
        container: &str,
        config: &Config,
        reload: bool,
    ) -> Result<(), Failure> {
        let since = jiff::Timestamp::now().as_second();
        let file = NodeFile {
            path: names::BALANCER_CONFIG_PATH.to_owned(),
            mode: 0o744,
            content: config.to_yaml().into_bytes(),
        };
        self.write(container, &[file]).await?;
        if reload {
            self.wait_for_reload(container, u64::try_from(since).unwrap_or(0))
                .await?;
        }
        Ok(())
    }

    pub(super) fn node_folder(&self, node: &str) -> PathBuf {
        self.settings.folders.of_k3d.join(format!(".{node}"))
    }

    pub(super) fn write_node_folder(&self, node: &str, memory: i64) -> Result<(), Failure> {
        let folder = self.node_folder(node);
        let written = std::fs::create_dir_all(folder.join("edac"))
            .and_then(|()| std::fs::write(folder.join("meminfo"), entrypoint::meminfo(memory)));
        written.map_err(|error| {
            let folder = folder.display();
            Failure::Other(format!(
                "failed to write {folder}: {error}; check its rights and free space"
            ))
        })
    }

    pub(super) fn remove_node_folder(&self, node: &str) -> Result<(), Failure> {
        let folder = self.node_folder(node);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::Other(format!(
                "failed to remove {}: {error}; remove it by hand",
                folder.display()
            ))),
        }
    }

    pub(super) async fn copy_file(
        &self,
        from: &str,
        to: &str,
        path: &str,
    ) -> Result<Effect, Failure> {
        let Some(content) = self.engine.get_file(from, path).await? else {
            return Ok(Effect::Found);
        };
        self.engine.put_file(to, path, 0o644, content).await?;
        Ok(Effect::Made)
    }
}
