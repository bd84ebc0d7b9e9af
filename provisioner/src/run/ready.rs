//! Waits until a container says that it is ready, and tells why when it does not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use docker::models::{ContainerInspectResponse, ContainerStateStatusEnum};
use futures::StreamExt as _;

use super::{Failure, Runner};
use crate::step::Ready;

/// So many lines of a log are shown when a node fails.
const SHOWN: usize = 15;
/// Between two looks at a container that restarts.
const PAUSE: Duration = Duration::from_millis(500);
/// A load balancer applies a new file within a second.
const RELOAD: Duration = Duration::from_secs(5);
/// A node that restarts for so long is mentioned.
const LONG: Duration = Duration::from_secs(120);

impl Runner<'_> {
    /// Follows the log from the last start on.
    pub(super) async fn wait_until_ready(&self, name: &str, until: Ready) -> Result<(), Failure> {
        let Some(line) = until.line() else {
            return Ok(());
        };
        tokio::select! {
            result = self.follow(name, line) => result,
            () = self.halt.cancelled() => Err(Failure::Cancelled),
        }
    }

    /// The load balancer applies its new file; a node that it cannot find yet is no failure.
    pub(super) async fn wait_for_reload(&self, name: &str, since: u64) -> Result<(), Failure> {
        let applied = async {
            let mut lines = self.engine.logs(name, true, since);
            while let Some(line) = lines.next().await {
                let line = line?;
                let told = ["start worker processes", "host not found in upstream"];
                if told.iter().any(|text| line.contains(text)) {
                    break;
                }
            }
            Ok(())
        };
        tokio::select! {
            result = tokio::time::timeout(RELOAD, applied) => result.unwrap_or_else(|_| {
                let text = format!("{name} did not say within 5 s that it applied its new ports");
                self.reporter.warn(text);
                Ok(())
            }),
            () = self.halt.cancelled() => Err(Failure::Cancelled),
        }
    }

    async fn follow(&self, name: &str, line: &str) -> Result<(), Failure> {
        let wanted = line.to_lowercase();
        let begin = Instant::now();
        let mut last = VecDeque::with_capacity(SHOWN);
        let mut warned = false;
        for round in 0..=self.settings.restarts {
            let container = self.engine.inspect(name).await?;
            let mut lines = self.engine.logs(name, true, started(&container));
            while let Some(next) = lines.next().await {
                let next = next?;
                if next.to_lowercase().contains(&wanted) {
                    return Ok(());
                }
                if last.len() == SHOWN {
                    last.pop_front();
                }
                last.push_back(next);
            }
            let container = self.engine.inspect(name).await?;
            if !may_come_back(&container) {
                return Err(ended(name, line, &container, &last));
            }
            if !warned && begin.elapsed() > LONG {
                warned = true;
                let text = format!("node {name} has been restarting for more than 2 minutes");
                self.reporter.warn(text);
            }
            self.reporter
                .debug(format!("node {name} ended, waiting for it again ({round})"));
            tokio::time::sleep(PAUSE).await;
        }
        let container = self.engine.inspect(name).await?;
        Err(ended(name, line, &container, &last))
    }
}

/// Seconds since 1970 of the last start, so that lines of earlier starts do not count.
fn started(container: &ContainerInspectResponse) -> u64 {
    let state = container.state.as_ref();
    let text = state
        .and_then(|state| state.started_at.as_deref())
        .unwrap_or_default();
    let time = text
        .parse::<jiff::Timestamp>()
        .map_or(0, jiff::Timestamp::as_second);
    u64::try_from(time).unwrap_or(0)
}

/// Whether the Engine starts it again by itself, or has done so.
fn may_come_back(container: &ContainerInspectResponse) -> bool {
    let state = container.state.as_ref();
    let status = state.and_then(|state| state.status);
    matches!(
        status,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::RESTARTING)
    )
}

fn ended(
    name: &str,
    line: &str,
    container: &ContainerInspectResponse,
    last: &VecDeque<String>,
) -> Failure {
    let state = container.state.clone().unwrap_or_default();
    let status = state
        .status
        .map(|status| status.to_string())
        .unwrap_or_default();
    let code = state.exit_code.unwrap_or_default();
    let mut text = format!(
        "node {name} is {status} (exit code {code}) and never said \"{line}\"; its last lines:"
    );
    for line in last {
        text.push_str("\n    ");
        text.push_str(line.trim_end());
    }
    if last.is_empty() {
        text.push_str(" none");
    }
    Failure::Other(text)
}
