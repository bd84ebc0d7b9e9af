//! What the operator remembers, the watches that keep it true, and whom they wake.
//!
//! Secrets, `ConfigMaps` and `DaemonSets` are followed by their metadata alone: contents are read when they are needed.

use std::sync::Arc;

use api::names::LABEL_REGISTRY_CONFIG;
use api::{RegistryConfig, RegistryConfigSpec, UpdateStrategy};
use daemon::watching;
use futures::channel::mpsc::UnboundedSender;
use futures::{Stream, TryStreamExt};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::facts::{ConfigFacts, NodeFacts, ObjectFacts, PodFacts};
use crate::index::Index;
use crate::selection::selects;

/// Small pages keep the memory of a first list small.
const PAGE: u32 = 100;

/// Asks for a reconcile.
pub(crate) type Wake = UnboundedSender<ObjectRef<RegistryConfig>>;

#[derive(Clone, Default)]
pub(crate) struct Caches {
    pub(crate) nodes: Index<NodeFacts>,
    pub(crate) pods: Index<PodFacts>,
    pub(crate) configs: Index<ConfigFacts>,
    pub(crate) secrets: Index<ObjectFacts>,
    config_maps: Index<ObjectFacts>,
    daemon_sets: Index<ObjectFacts>,
}

impl Caches {
    /// Starts every watch but the one of `RegistryConfigs`.
    pub(crate) fn follow(
        &self,
        client: &Client,
        namespace: &str,
        manifests: Option<(&str, Arc<Notify>)>,
        wake: &Wake,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let owned = || {
            watcher::Config::default()
                .labels(LABEL_REGISTRY_CONFIG)
                .page_size(PAGE)
        };
        let all = || watcher::Config::default().page_size(PAGE);

        let this = self.clone();
        let waker = wake.clone();
        let nodes = watching::follow(Api::<Node>::all(client.clone()), all());
        let node = move |node: &NodeFacts| this.wake_selecting(node, &waker);
        tasks.spawn(
            self.nodes
                .clone()
                .follow(nodes, |node| Some(NodeFacts::of(node)), node),
        );

        let waker = wake.clone();
        let pods = watching::follow(Api::<Pod>::namespaced(client.clone(), namespace), owned());
        let pod = move |pod: &PodFacts| self::wake(&waker, &pod.config);
        tasks.spawn(self.pods.clone().follow(pods, PodFacts::of, pod));

        let waker = wake.clone();
        let sets = Api::<PartialObjectMeta<DaemonSet>>::namespaced(client.clone(), namespace);
        let sets = watching::follow(sets, owned());
        let set = move |set: &ObjectFacts| {
            if let Some(config) = &set.config {
                self::wake(&waker, config);
            }
        };
        tasks.spawn(
            self.daemon_sets
                .clone()
                .follow(sets, |set| Some(ObjectFacts::of(set)), set),
        );

        let this = self.clone();
        let waker = wake.clone();
        let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), namespace);
        let secrets = watching::follow(secrets, all());
        let secret = move |secret: &ObjectFacts| {
            // One of ours that appears was made by a reconcile; one that vanishes has to be made again.
            let here = this.secrets.with(|all| all.contains_key(&secret.name));
            if let Some(config) = secret.config.as_ref().filter(|_| !here) {
                self::wake(&waker, config);
            }
            this.wake_naming(
                |config| config.references.secrets.contains(&secret.name),
                &waker,
            );
        };
        tasks.spawn(self.secrets.clone().follow(
            secrets,
            |secret| Some(ObjectFacts::of(secret)),
            secret,
        ));

        let this = self.clone();
        let waker = wake.clone();
        let manifests = manifests.map(|(name, notify)| (name.to_owned(), notify));
        let maps = Api::<PartialObjectMeta<ConfigMap>>::namespaced(client.clone(), namespace);
        let maps = watching::follow(maps, all());
        let map = move |map: &ObjectFacts| {
            if let Some((_, notify)) = manifests.as_ref().filter(|(name, _)| *name == map.name) {
                notify.notify_one();
            }
            this.wake_naming(
                |config| config.references.config_maps.contains(&map.name),
                &waker,
            );
        };
        tasks.spawn(
            self.config_maps
                .clone()
                .follow(maps, |map| Some(ObjectFacts::of(map)), map),
        );
        tasks
    }

    /// The watch of `RegistryConfigs`, which feeds this cache and the controller's own.
    pub(crate) fn configs(
        &self,
        client: &Client,
        wake: Wake,
    ) -> (
        impl Stream<Item = Result<RegistryConfig, watcher::Error>> + Send + 'static,
        Store<RegistryConfig>,
    ) {
        let (reader, writer) = store();
        let this = self.clone();
        let config = watcher::Config::default().page_size(PAGE);
        let stream = watching::follow(Api::<RegistryConfig>::all(client.clone()), config)
            .inspect_ok(move |event| {
                let changed = this
                    .configs
                    .take(event, |config| Some(ConfigFacts::of(config)));
                this.wake_overlapping(&changed, &wake);
            })
            .modify(trim)
            .reflect(writer)
            .touched_objects();
        (stream, reader)
    }

    /// Waits until everything is known once: deciding by half of the nodes would move the wrong ones.
    pub(crate) async fn wait_until_listed(&self) {
        self.nodes.wait_until_listed().await;
        self.pods.wait_until_listed().await;
        self.secrets.wait_until_listed().await;
        self.daemon_sets.wait_until_listed().await;
        self.config_maps.wait_until_listed().await;
    }

    fn wake_selecting(&self, node: &NodeFacts, waker: &Wake) {
        self.wake_naming(|config| selects(config, node), waker);
    }

    fn wake_naming(&self, names: impl Fn(&ConfigFacts) -> bool, waker: &Wake) {
        self.configs.with(|configs| {
            for config in configs.values().filter(|config| names(config)) {
                wake(waker, &config.name);
            }
        });
    }

    /// Who shares a node with a changed one may have won or lost it.
    fn wake_overlapping(&self, changed: &[ConfigFacts], waker: &Wake) {
        self.nodes.with(|nodes| {
            let touched = nodes
                .values()
                .filter(|node| changed.iter().any(|config| selects(config, node)));
            for node in touched {
                self.wake_selecting(node, waker);
            }
        });
    }
}

fn wake(waker: &Wake, config: &str) {
    // The receiver goes first only when the operator stops.
    let _ = waker.unbounded_send(ObjectRef::new(config));
}

/// A reconcile reads the resource anew, so the controller keeps its name alone.
fn trim(config: &mut RegistryConfig) {
    config.metadata.managed_fields = None;
    config.metadata.annotations = None;
    config.metadata.labels = None;
    config.spec = RegistryConfigSpec {
        node_selector: LabelSelector::default(),
        registries: None,
        registries_from: Vec::new(),
        decryption: None,
        apply_mode: config.spec.apply_mode,
        update_strategy: UpdateStrategy::default(),
        deletion_policy: config.spec.deletion_policy,
        paused: config.spec.paused,
    };
    config.status = None;
}

#[cfg(test)]
#[path = "caches_tests.rs"]
mod tests;
