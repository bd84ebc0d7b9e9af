//! Which `RegistryConfig` is reconciled when: whatever changed wakes it, failures come back with growing pauses.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::RegistryConfig;
use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;

use crate::error::Error;
use crate::reconcile::Reconciler;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A time is never asked for again sooner than this: conditions count in seconds.
const SHORTEST_WAKE: Duration = Duration::from_millis(250);

struct Context {
    reconciler: Arc<Reconciler>,
    /// How often each object failed in a row.
    failures: Mutex<HashMap<String, u32>>,
}

/// Reconciles until `stop` ends; reconciles that are under way are finished.
pub(crate) async fn run(
    reconciler: Arc<Reconciler>,
    configs: impl futures::Stream<Item = Result<RegistryConfig, watcher::Error>> + Send + 'static,
    store: Store<RegistryConfig>,
    wakes: UnboundedReceiver<ObjectRef<RegistryConfig>>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let concurrency = reconciler.settings.concurrency;
    let context = Arc::new(Context {
        reconciler,
        failures: Mutex::default(),
    });
    Controller::for_stream(configs, store)
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(wakes)
        .graceful_shutdown_on(stop)
        .run(reconcile, |config, error, context| back_off(&config, error, &context), context)
        .for_each(|result| async move {
            if let Err(kube::runtime::controller::Error::QueueError(error)) = result {
                let error = crate::index::describe(&error);
                tracing::warn!(error = %error, "the watch of RegistryConfigs was interrupted and starts again");
            }
        })
        .await;
}

async fn reconcile(config: Arc<RegistryConfig>, context: Arc<Context>) -> Result<Action, Error> {
    let name = config.name_any();
    let started = Instant::now();
    let now = seconds(Timestamp::now());
    let wake = context.reconciler.reconcile(&name, now).await;
    context.reconciler.metrics.reconciled(started.elapsed());
    let wake = wake?;
    context.failures().remove(&name);
    let resync = jittered(context.reconciler.settings.resync());
    Ok(Action::requeue(wake.map_or(resync, |wake| {
        // Half a second later, for the server's clock counts whole seconds.
        (wake.max(SHORTEST_WAKE) + Duration::from_millis(500)).min(resync)
    })))
}

fn back_off(config: &RegistryConfig, error: &Error, context: &Context) -> Action {
    let name = config.name_any();
    let reason = error.reason();
    let attempt = {
        let mut failures = context.failures();
        let attempt = failures.entry(name.clone()).or_default();
        *attempt += 1;
        *attempt
    };
    context.reconciler.metrics.failed(reason);
    let pause = jittered(pause(attempt));
    // Somebody else wrote at the same time: the next look will see it.
    if reason == "Conflict" {
        tracing::debug!(config.name = %name, %error, "somebody else wrote first");
    } else {
        tracing::warn!(config.name = %name, reason, %error, pause = ?pause, "a reconcile failed and is repeated");
    }
    Action::requeue(pause)
}

impl Context {
    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(attempt: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

/// Between three quarters and five quarters of a time, so that what failed together does not come back together.
fn jittered(time: Duration) -> Duration {
    // A fresh RandomState is keyed anew, which is all the randomness that is needed here.
    let share = RandomState::new().hash_one(0_u8) % 512;
    let share = u32::try_from(share).unwrap_or(256);
    time.saturating_mul(768 + share) / 1024
}

/// Conditions count in whole seconds, so a reconcile does too.
fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_end_and_never_meet() {
        assert_eq!(pause(1), FIRST_PAUSE);
        assert_eq!(pause(2), FIRST_PAUSE * 2);
        assert_eq!(pause(100), LONGEST_PAUSE);
        let pauses: std::collections::BTreeSet<_> =
            (0..64).map(|_| jittered(LONGEST_PAUSE)).collect();
        assert!(pauses.len() > 8);
        assert!(
            pauses
                .iter()
                .all(|pause| *pause >= LONGEST_PAUSE * 3 / 4 && *pause <= LONGEST_PAUSE * 5 / 4)
        );
    }
}
