//! Exec and HTTP probes, asked at their own period.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::node::Node;

/// A running container, as far as probes need to know it.
pub(super) struct Target<'a> {
    pub(super) sandbox: &'a Path,
    pub(super) spec: &'a Path,
    pub(super) pid: u32,
    pub(super) address: Option<&'a str>,
    pub(super) container: &'a Container,
    pub(super) node: &'a Node,
}

/// Counts results as thresholds ask; pure.
#[derive(Debug)]
pub(super) struct Verdict {
    healthy: bool,
    streak: (bool, i32),
    success_threshold: i32,
    failure_threshold: i32,
}

impl Verdict {
    pub(super) fn new(probe: &Probe, healthy: bool) -> Self {
        Self {
            healthy,
            streak: (healthy, 0),
            success_threshold: probe.success_threshold.unwrap_or(1).max(1),
            failure_threshold: probe.failure_threshold.unwrap_or(3).max(1),
        }
    }

    /// The state after one more result.
    pub(super) fn after(&mut self, result: bool) -> bool {
        self.streak = if self.streak.0 == result {
            (result, self.streak.1 + 1)
        } else {
            (result, 1)
        };
        let needed = if result {
            self.success_threshold
        } else {
            self.failure_threshold
        };
        if self.streak.1 >= needed {
            self.healthy = result;
        }
        self.healthy
    }
}

/// Probes for as long as the container lives; every new verdict is told.
pub(super) async fn watch(
    target: &Target<'_>,
    probe: &Probe,
    healthy: bool,
    mut tell: impl FnMut(bool),
) {
    let mut verdict = Verdict::new(probe, healthy);
    // The first question comes a moment after the start, as a kubelet's own start-up work makes it.
    sleep(seconds(probe.initial_delay_seconds, 0) + Duration::from_millis(100)).await;
    let mut last = healthy;
    loop {
        let now = verdict.after(ask(target, probe).await);
        if now != last {
            tell(now);
            last = now;
        }
        sleep(seconds(probe.period_seconds, 10)).await;
    }
}

async fn ask(target: &Target<'_>, probe: &Probe) -> bool {
    let limit = seconds(probe.timeout_seconds, 1);
    let answer = async {
        if let Some(exec) = &probe.exec {
            if target
                .node
                .refuses(target.container.args.as_deref().unwrap_or_default())
            {
                return false;
            }
            return exec_succeeds(target, exec.command.as_deref().unwrap_or_default()).await;
        }
        match (&probe.http_get, target.address) {
            (Some(get), Some(address)) => http_succeeds(target, get, address).await,
            _ => false,
        }
    };
    timeout(limit, answer).await.unwrap_or(false)
}

async fn exec_succeeds(target: &Target<'_>, command: &[String]) -> bool {
    let status = Command::new(target.sandbox)
        .arg("exec")
        .arg(target.spec)
        .arg(target.pid.to_string())
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

async fn http_succeeds(target: &Target<'_>, get: &HTTPGetAction, address: &str) -> bool {
    let Some(port) = port(&get.port, target.container) else {
        return false;
    };
    let path = get.path.as_deref().unwrap_or("/");
    let exchange = async {
        let mut stream = TcpStream::connect((address, port)).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kube-probe\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = exchange.await.unwrap_or_default();
    let code = std::str::from_utf8(answer.get(9..12).unwrap_or_default())
        .ok()
        .and_then(|code| code.parse::<u16>().ok());
    code.is_some_and(|code| (200..400).contains(&code))
}

fn port(port: &IntOrString, container: &Container) -> Option<u16> {
    match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let named = ports.find(|port| port.name.as_deref() == Some(name))?;
            u16::try_from(named.container_port).ok()
        }
    }
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(
        value
            .and_then(|value| u64::try_from(value).ok())
            .filter(|value| *value > 0)
            .unwrap_or(default),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_lost_after_three_failures_and_won_by_one_success() {
        let mut verdict = Verdict::new(&Probe::default(), false);
        let seen: Vec<bool> = [false, true, false, false, false, true]
            .into_iter()
            .map(|result| verdict.after(result))
            .collect();
        assert_eq!(seen, [false, true, true, true, false, true]);
    }
}
