//! One reconcile: resolve -> validate -> decide -> build -> apply -> status. It never asks which event woke it.

use std::collections::BTreeSet;
use std::time::Duration;

use api::names::{self, FINALIZER, Role};
use api::{DeletionPolicy, RegistryConfig, RegistryConfigStatus};
use futures::future::try_join_all;
use jiff::Timestamp;
use kube::ResourceExt;
use registries::RevisionKey;

use crate::apply::Writer;
use crate::build::{Blueprint, Variant};
use crate::caches::Caches;
use crate::departure::{self, departures};
use crate::error::Error;
use crate::events::{self, Note};
use crate::facts::{ConfigFacts, PodFacts};
use crate::metrics::Metrics;
use crate::ownership;
use crate::resolve::{Current, Reader};
use crate::rollout::{self, Decision, Goal, Outcome, Situation};
use crate::selection::Selection;
use crate::settings::Run;
use crate::situation;
use crate::status::View;
use crate::uninstall::is_released;
use crate::validate::{Plan, some, validate};

/// What every reconcile needs.
pub(crate) struct Reconciler {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) caches: Caches,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Run,
    pub(crate) namespace: String,
    pub(crate) key: RevisionKey,
    pub(crate) started: Timestamp,
}

/// How soon to look again whether somebody else's object is gone.
const TAKEN: Duration = Duration::from_secs(30);

type Checked = Result<Plan, Vec<compose::Problem>>;

impl Reconciler {
    /// Brings one `RegistryConfig` a step further, and says when to look again although nothing happened.
    pub(crate) async fn reconcile(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Duration>, Error> {
        let Some(mut current) = self.reader.current(name).await? else {
            self.metrics.status(name, None);
            return Ok(None);
        };
        let deleting = current.config.metadata.deletion_timestamp.is_some();
        let held = current
            .config
            .finalizers()
            .iter()
            .any(|held| held == FINALIZER);
        if is_released(&current.config, self.started) {
            self.release(&current).await?;
            return Ok(None);
        }
        match (deleting, held) {
            (true, false) => {
                self.metrics.status(name, None);
                return Ok(None);
            }
            (false, false) => self.hold(&mut current.config).await?,
            _ => {}
        }
        let own = ConfigFacts::of(&current.config);
        let selection = self.selection(&own);
        let plan = self.plan(&current, &selection).await?;
        let pods = self.pods(name);
        let goal = situation::goal(&current.config, &selection, &plan);
        let situation = situation::situation(&current, goal, &selection, &pods, now);
        let decision = rollout::decide(&situation);
        let view = View {
            config: &current.config,
            selection: &selection,
            plan: &plan,
            situation: &situation,
            outcome: decision.outcome,
        };
        let status = view.status();
        // Said before it is done: whoever finds the old revision in the templates must know that it was put back.
        let said_first = matches!(decision.outcome, Outcome::RolledBack { .. });
        if said_first {
            self.tell(&current.config, &status, now).await?;
        }
        self.carry_out(&current, &selection, &plan, &situation, &decision)
            .await?;
        if !said_first {
            self.tell(&current.config, &status, now).await?;
        }
        self.tell_departures(&current, &own, &pods, now).await;
        self.prune(&own.name, &status, &situation, &pods).await?;
        if deleting && (decision.outcome == Outcome::Complete || retains(&current.config)) {
            self.let_go(&current, &situation).await?;
        }
        // Nobody says when somebody else's object is gone.
        Ok(decision.wake.or_else(|| {
            plan.is_err_and(|all| ownership::is_among(&all))
                .then_some(TAKEN)
        }))
    }

    fn selection(&self, own: &ConfigFacts) -> Selection {
        self.caches.nodes.with(|nodes| {
            self.caches
                .configs
                .with(|configs| Selection::of(own, nodes.values(), &configs.values()))
        })
    }

    fn pods(&self, config: &str) -> Vec<PodFacts> {
        self.caches.pods.with(|pods| {
            pods.values()
                .filter(|pod| pod.config == config)
                .cloned()
                .collect()
        })
    }

    async fn plan(&self, current: &Current, selection: &Selection) -> Result<Checked, Error> {
        let config = &current.config;
        // What goes needs no plan, and what it names may be gone already.
        if config.metadata.deletion_timestamp.is_some() {
            return Ok(Err(Vec::new()));
        }
        let inputs = self.reader.inputs(&config.spec).await?;
        let distribution = selection.distribution(self.settings.distribution);
        let (config, key) = (config.clone(), self.key.clone());
        let name = config.name_any();
        // A large document takes its time, and others are reconciled on the same thread.
        let checked =
            tokio::task::spawn_blocking(move || validate(&config, &inputs, distribution, &key));
        let checked = match checked.await {
            Ok(checked) => checked,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a run time that ends drops what it was given.
                Err(_) => std::future::pending().await,
            },
        };
        let strangers = self.strangers(current, &name, &checked);
        if strangers.is_empty() {
            return Ok(checked);
        }
        let problems = checked.err().unwrap_or_default();
        Ok(Err(strangers.into_iter().chain(problems).collect()))
    }

    /// What somebody else made under the names that are ours.
    fn strangers(&self, current: &Current, name: &str, checked: &Checked) -> Vec<compose::Problem> {
        let sets = current.taken.iter().map(|role| {
            ownership::taken(
                "DaemonSet",
                &self.namespace,
                &names::daemon_set(name, *role),
            )
        });
        let secret = checked.as_ref().ok().and_then(|plan| {
            let secret = names::revision_secret(name, &plan.revision);
            let is_taken = self.caches.secrets.with(|secrets| {
                secrets
                    .get(&secret)
                    .is_some_and(|found| !ownership::holds_revision(found, name, &plan.revision))
            });
            is_taken.then(|| ownership::taken("Secret", &self.namespace, &secret))
        });
        sets.chain(secret).collect()
    }

    async fn carry_out(
        &self,
        current: &Current,
        selection: &Selection,
        plan: &Checked,
        situation: &Situation,
        decision: &Decision,
    ) -> Result<(), Error> {
        let name = current.config.name_any();
        if let (Goal::Reach(revision), Ok(plan)) = (&situation.goal, plan) {
            let secret = names::revision_secret(&name, revision);
            let exists = self
                .caches
                .secrets
                .with(|secrets| secrets.contains_key(&secret));
            if !exists {
                let blueprint = self.blueprint(current, plan.folder, selection);
                self.writer
                    .secret(&blueprint.secret(revision, &plan.files))
                    .await?;
            }
        }
        let ours = decision
            .templates
            .iter()
            .filter(|(role, _)| !current.taken.contains(role));
        let applied = ours.map(|(role, template)| async move {
            let folder = folder(current, *role, plan);
            let half = situation.half(*role);
            let moved = half.template.as_ref() != Some(template);
            let variant = Variant {
                role: *role,
                template,
                since: half.since.filter(|_| !moved).unwrap_or(situation.now),
                selected: half.nodes.len(),
                absent: rollout::absent(half, template),
            };
            let desired = self.blueprint(current, folder, selection).daemon_set(&variant);
            let actual = current.daemon_sets.get(role);
            if self.writer.daemon_set(desired, actual).await? && moved {
                let (name, revision) = (current.config.name_any(), template.label());
                tracing::info!(config.name = %name, config.revision = %revision, role = %role, "nodes go to another revision");
            }
            Ok(())
        });
        try_join_all(applied).await.map(|_| ())
    }

    fn blueprint<'a>(
        &'a self,
        current: &'a Current,
        folder: &'a str,
        selection: &'a Selection,
    ) -> Blueprint<'a> {
        Blueprint {
            config: &current.config,
            namespace: &self.namespace,
            node_writer: &self.settings.node_writer,
            folder,
            elsewhere: &selection.elsewhere,
        }
    }

    /// Writes the status if it changed, and tells every transition once.
    async fn tell(
        &self,
        config: &RegistryConfig,
        status: &RegistryConfigStatus,
        now: Timestamp,
    ) -> Result<(), Error> {
        let name = config.name_any();
        self.metrics.status(&name, Some(status));
        if config.status.as_ref() == Some(status) {
            return Ok(());
        }
        self.writer.status(&name, status).await?;
        for note in events::transitions(config.status.as_ref(), status) {
            let (reason, message) = (&note.reason, &note.message);
            if note.warning {
                tracing::warn!(config.name = %name, reason = %reason, "{message}");
            } else {
                tracing::info!(config.name = %name, reason = %reason, "{message}");
            }
            self.event(config, &note, now).await;
        }
        Ok(())
    }

    /// Nodes that left keep their file, and nobody else would say so.
    async fn tell_departures(
        &self,
        current: &Current,
        own: &ConfigFacts,
        pods: &[PodFacts],
        now: Timestamp,
    ) {
        let config = &current.config;
        if config.metadata.deletion_timestamp.is_some() {
            return;
        }
        let left = self.caches.nodes.with(|nodes| {
            self.caches
                .configs
                .with(|configs| departures(own, nodes, configs, pods))
        });
        for pod in left {
            let set = Role::ALL.into_iter().find(|role| role.as_str() == pod.role);
            let folder = set.and_then(|role| written_folder(current, role));
            let note = departure::note(pod, folder.unwrap_or(node_files::layout::FOLDER_K3S));
            let mut event = events::event(config, &note, &self.settings.lease.identity, now);
            event.metadata.generate_name = None;
            event.metadata.name = Some(departure::event_name(config, pod));
            self.writer.event(&event).await;
        }
    }

    async fn event(&self, config: &RegistryConfig, note: &Note, now: Timestamp) {
        let event = events::event(config, note, &self.settings.lease.identity, now);
        self.writer.event(&event).await;
    }

    async fn prune(
        &self,
        config: &str,
        status: &RegistryConfigStatus,
        situation: &Situation,
        pods: &[PodFacts],
    ) -> Result<(), Error> {
        let secrets: Vec<_> = self.caches.secrets.with(|secrets| {
            let own = secrets
                .values()
                .filter(|secret| secret.config.as_deref() == Some(config));
            own.cloned().collect()
        });
        let mut named: BTreeSet<String> = pods.iter().map(|pod| pod.revision.clone()).collect();
        named.extend(status.revision.clone());
        named.extend(status.last_good_revision.clone());
        for role in Role::ALL {
            named.extend(
                situation
                    .half(role)
                    .template
                    .iter()
                    .map(|template| template.label().to_owned()),
            );
        }
        for name in crate::prune::prune(&secrets, &named) {
            self.writer.prune(&name).await?;
        }
        Ok(())
    }

    async fn hold(&self, config: &mut RegistryConfig) -> Result<(), Error> {
        let mut finalizers = config.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        self.writer.finalizers(config, &finalizers).await?;
        config.metadata.finalizers = Some(finalizers);
        Ok(())
    }

    async fn let_go(&self, current: &Current, situation: &Situation) -> Result<(), Error> {
        let config = &current.config;
        let left = rollout::left_behind(situation);
        if situation.goal == Goal::Restore && !left.is_empty() {
            let note = Note {
                warning: true,
                reason: api::Reason::RestoringNodes.to_string(),
                message: format!(
                    "nodes that were away for ten minutes keep the file of Berth: {}",
                    some(&left)
                ),
            };
            self.event(config, &note, situation.now).await;
        }
        self.delete_own(current).await?;
        self.drop_finalizer(config).await?;
        self.metrics.status(&config.name_any(), None);
        Ok(())
    }

    async fn drop_finalizer(&self, config: &RegistryConfig) -> Result<(), Error> {
        let finalizers: Vec<String> = config
            .finalizers()
            .iter()
            .filter(|finalizer| *finalizer != FINALIZER)
            .cloned()
            .collect();
        self.writer.finalizers(config, &finalizers).await?;
        let name = config.name_any();
        tracing::info!(config.name = %name, "let the RegistryConfig go");
        Ok(())
    }

    /// The operator is being uninstalled and this resource stays: nodes keep their files, nothing of ours stays.
    async fn release(&self, current: &Current) -> Result<(), Error> {
        self.delete_own(current).await?;
        if current
            .config
            .finalizers()
            .iter()
            .any(|held| held == FINALIZER)
        {
            self.drop_finalizer(&current.config).await?;
        }
        Ok(())
    }

    /// Nothing is left to the garbage collector, which does not know owners whose CRD is deleted right after them.
    async fn delete_own(&self, current: &Current) -> Result<(), Error> {
        let name = current.config.name_any();
        for role in current.daemon_sets.keys() {
            self.writer
                .delete_daemon_set(&names::daemon_set(&name, *role))
                .await?;
        }
        let secrets: Vec<String> = self.caches.secrets.with(|secrets| {
            let own = secrets
                .values()
                .filter(|secret| secret.config.as_ref() == Some(&name));
            own.map(|secret| secret.name.clone()).collect()
        });
        for secret in secrets {
            self.writer.prune(&secret).await?;
        }
        Ok(())
    }
}

/// Where the files go; a restore goes where the revision went, whatever the nodes look like now.
fn folder<'a>(current: &'a Current, role: Role, plan: &'a Checked) -> &'a str {
    if let Ok(plan) = plan {
        return plan.folder;
    }
    written_folder(current, role).unwrap_or(node_files::layout::FOLDER_K3S)
}

/// Where the pods of one half write now.
fn written_folder(current: &Current, role: Role) -> Option<&str> {
    let spec = current.daemon_sets.get(&role)?.spec.as_ref();
    crate::pod::folder_of(spec.map(|spec| &spec.template))
}

fn retains(config: &RegistryConfig) -> bool {
    config.spec.deletion_policy == DeletionPolicy::Retain
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
