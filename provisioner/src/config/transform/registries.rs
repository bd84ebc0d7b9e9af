//! Registries of a cluster: one that is made for it, those that it uses, and what the user wrote.

use super::Build;
use super::addresses::EVERY_ADDRESS;
use crate::cluster::{Document, RegistriesSpec, RegistryProxy, RegistrySpec};
use crate::config::problem::Wrong;
use crate::config::simple::RegistryCreate;
use crate::names;

impl Build<'_> {
    pub(super) fn registries(&mut self) -> RegistriesSpec {
        let simple = &self.merged.simple.registries;
        let using = self.used_registries();
        let create = (simple.create != RegistryCreate::default())
            .then(|| self.registry(&simple.create))
            // One that is used already is there, or its absence is found when it is looked for.
            .filter(|create| {
                !using
                    .iter()
                    .any(|used| names::is_meant(used, &create.name) || *used == create.name)
            });
        if let Some(create) = &create {
            self.reserve_registry(create);
        }
        RegistriesSpec {
            create,
            using,
            config: self.registries_document(),
        }
    }

    /// Names of containers: of `[http[s]://]HOST[:PORT[:PORT]]` only the host counts, the ports are the container's.
    fn used_registries(&mut self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (index, text) in self.merged.simple.registries.using.iter().enumerate() {
            let reference = text
                .strip_prefix("http://")
                .or_else(|| text.strip_prefix("https://"))
                .unwrap_or(text);
            let name = reference.split([':', '/']).next().unwrap_or_default();
            if name.is_empty() {
                let place = self.place(&format!("registries.use[{index}]"));
                let wrong = Wrong::new("names no registry")
                    .mend("write NAME[:PORT] of a registry that registry list shows");
                self.findings.problem(&place, wrong);
            } else if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    fn registry(&mut self, create: &RegistryCreate) -> RegistrySpec {
        let name = if create.name.is_empty() {
            names::registry(&self.name)
        } else {
            create.name.clone()
        };
        let place = self.place("registries.create.name");
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !is_name {
            let wrong = Wrong::new(format!("{name:?} cannot name a container"));
            self.findings.problem(
                &place,
                wrong.mend("write letters, digits, dots, hyphens and underscores"),
            );
        }
        let host = if create.host.is_empty() {
            EVERY_ADDRESS.to_string()
        } else {
            create.host.clone()
        };
        let (host_place, port_place) = (
            self.place("registries.create.host"),
            self.place("registries.create.hostPort"),
        );
        RegistrySpec {
            name,
            image: if create.image.is_empty() {
                names::DEFAULT_REGISTRY_IMAGE.to_owned()
            } else {
                create.image.clone()
            },
            host_ip: self.look_up(&host_place, &host),
            host,
            // Chosen now, because labels and the nodes' registries.yaml name it.
            port: Some(self.port(&port_place, &create.host_port)),
            same_port: create.enforce_port_match,
            volumes: self.registry_volumes(create),
            proxy: self.proxy(create),
            delete_enabled: false,
            network: names::DEFAULT_REGISTRY_NETWORK.to_owned(),
        }
    }

    fn registry_volumes(&mut self, create: &RegistryCreate) -> Vec<String> {
        let mut binds = Vec::new();
        for (index, text) in create.volumes.iter().enumerate() {
            let place = self.place(&format!("registries.create.volumes[{index}]"));
            let folder = self.folder(&place);
            let volume = self
                .findings
                .take(&place, crate::config::volume::parse(text));
            binds.extend(volume.map(|volume| volume.bind(&folder)));
        }
        binds
    }

    /// Addresses may hold credentials, so they are not shown.
    fn proxy(&mut self, create: &RegistryCreate) -> Option<RegistryProxy> {
        let proxy = &create.proxy;
        let place = self.place("registries.create.proxy.remoteURL");
        if proxy.remote_url.is_empty() {
            if *proxy != crate::config::simple::Proxy::default() {
                self.findings.warn(
                    &place,
                    "username and password have no effect without remoteURL",
                );
            }
            return None;
        }
        if !proxy.remote_url.starts_with("https://") && !proxy.remote_url.starts_with("http://") {
            let wrong = Wrong::new("the address of the registry has no scheme");
            self.findings.problem(
                &place,
                wrong.mend("write https://HOST, such as https://registry-1.docker.io"),
            );
        }
        Some(RegistryProxy {
            remote_url: proxy.remote_url.clone(),
            username: proxy.username.clone(),
            password: proxy.password.clone(),
        })
    }

    /// The content itself when it has a line break, else that of a file.
    fn registries_document(&mut self) -> Option<Document> {
        let text = self.merged.simple.registries.config.expose();
        if text.is_empty() {
            return None;
        }
        if text.contains('\n') {
            return Some(Document(text.to_owned()));
        }
        let place = self.place("registries.config");
        let path = self.outside.folder.join(text);
        // Somebody may have written the content on one line, so the path is not shown.
        let read = (self.outside.read)(&path)
            .map_err(|error| {
                Wrong::new(format!(
                    "failed to read the registries.yaml that is named here: {}",
                    error.kind()
                ))
            })
            .and_then(|bytes| {
                String::from_utf8(bytes)
                    .map_err(|_| Wrong::new("the registries.yaml that is named here is not UTF-8"))
            });
        self.findings.take(&place, read).map(Document)
    }
}
