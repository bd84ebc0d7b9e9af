//! Where container runtimes listen, and where they keep what `registries.yaml` became.

use std::path::{Path, PathBuf};

use registries::explain::Containerd;

/// Which distribution of Kubernetes runs the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Distribution {
    /// The first that answers.
    #[default]
    Auto,
    /// k3s.
    K3s,
    /// RKE2.
    Rke2,
    /// containerd as distributions of Linux install it.
    Containerd,
    /// k0s.
    K0s,
    /// `MicroK8s`.
    Microk8s,
}

/// A place where a runtime may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// On the host.
    pub socket: PathBuf,
    /// The same as the agent sees it.
    pub path: PathBuf,
    /// Folders on the host that may hold its certs.d.
    pub certs_d: Vec<PathBuf>,
    /// How it reads them.
    pub containerd: Containerd,
}

const K3S: &str = "/run/k3s/containerd/containerd.sock";
const CONTAINERD: &str = "/run/containerd/containerd.sock";
const K0S: &str = "/run/k0s/containerd.sock";
const MICROK8S: &str = "/var/snap/microk8s/common/run/containerd.sock";

/// Where to look, in order; a socket that was named leaves nothing else.
pub fn candidates(
    distribution: Distribution,
    socket: Option<&Path>,
    host_prefix: &Path,
) -> Vec<Candidate> {
    let sockets: Vec<PathBuf> = match (socket, distribution) {
        (Some(socket), _) => vec![socket.to_owned()],
        (None, Distribution::Auto) => [CONTAINERD, K3S, K0S, MICROK8S].map(PathBuf::from).to_vec(),
        (None, Distribution::K3s | Distribution::Rke2) => vec![PathBuf::from(K3S)],
        (None, Distribution::Containerd) => vec![PathBuf::from(CONTAINERD)],
        (None, Distribution::K0s) => vec![PathBuf::from(K0S)],
        (None, Distribution::Microk8s) => vec![PathBuf::from(MICROK8S)],
    };
    sockets
        .into_iter()
        .flat_map(with_alias)
        .map(|socket| candidate(socket, distribution, host_prefix))
        .collect()
}

/// A path below the folder that the host is mounted at.
pub fn under(host_prefix: &Path, path: &Path) -> PathBuf {
    host_prefix.join(path.strip_prefix("/").unwrap_or(path))
}

/// `/run` may be mounted as `/var/run`.
fn with_alias(socket: PathBuf) -> Vec<PathBuf> {
    match socket.strip_prefix("/run") {
        Ok(rest) => {
            let alias = Path::new("/var/run").join(rest);
            vec![socket, alias]
        }
        Err(_) => vec![socket],
    }
}

fn candidate(socket: PathBuf, distribution: Distribution, host_prefix: &Path) -> Candidate {
    const K3S_CERTS: &str = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d";
    const RKE2_CERTS: &str = "/var/lib/rancher/rke2/agent/etc/containerd/certs.d";
    let is_rancher = matches!(distribution, Distribution::K3s | Distribution::Rke2)
        || socket.to_string_lossy().contains("/k3s/");
    let certs_d: &[&str] = match distribution {
        Distribution::Rke2 => &[RKE2_CERTS],
        Distribution::K3s => &[K3S_CERTS],
        _ if is_rancher => &[K3S_CERTS, RKE2_CERTS],
        _ if socket.starts_with("/var/snap") => &["/var/snap/microk8s/current/args/certs.d"],
        _ => &["/etc/containerd/certs.d"],
    };
    Candidate {
        path: under(host_prefix, &socket),
        socket,
        certs_d: certs_d.iter().map(PathBuf::from).collect(),
        containerd: if is_rancher {
            Containerd::K3s
        } else {
            Containerd::Stock
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(distribution: Distribution, socket: Option<&str>, prefix: &str) -> Vec<String> {
        candidates(distribution, socket.map(Path::new), Path::new(prefix))
            .into_iter()
            .map(|candidate| candidate.path.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn every_distribution_has_its_places_under_the_host() {
        const BELOW_RUN: [&str; 2] = ["/host/run", "/host/var/run"];
        let in_run = |socket: &str| BELOW_RUN.map(|run| format!("{run}{socket}")).to_vec();
        let k3s = in_run("/k3s/containerd/containerd.sock");
        let stock = in_run("/containerd/containerd.sock");
        let k0s = in_run("/k0s/containerd.sock");
        let microk8s = vec!["/host/var/snap/microk8s/common/run/containerd.sock".to_owned()];
        let rancher = |name: &str| format!("/var/lib/rancher/{name}/agent/etc/containerd/certs.d");
        let etc = "/etc/containerd/certs.d".to_owned();
        for (distribution, sockets, certs_d) in [
            (Distribution::K3s, k3s.clone(), rancher("k3s")),
            (Distribution::Rke2, k3s.clone(), rancher("rke2")),
            (Distribution::Containerd, stock.clone(), etc.clone()),
            (Distribution::K0s, k0s.clone(), etc.clone()),
            (
                Distribution::Microk8s,
                microk8s.clone(),
                "/var/snap/microk8s/current/args/certs.d".to_owned(),
            ),
            (
                Distribution::Auto,
                [stock, k3s, k0s, microk8s].concat(),
                etc,
            ),
        ] {
            assert_eq!(paths(distribution, None, "/host"), sockets);
            let first = &candidates(distribution, None, Path::new("/host"))[0];
            assert_eq!(first.certs_d, [PathBuf::from(certs_d)], "{distribution:?}");
        }
        assert_eq!(
            paths(Distribution::K0s, Some("/x/y.sock"), "/"),
            ["/x/y.sock"]
        );
    }

    #[test]
    fn k3s_reads_its_own_certs_d() {
        let found = candidates(Distribution::Auto, None, Path::new("/"));
        let k3s = found
            .iter()
            .find(|found| found.socket == Path::new(K3S))
            .unwrap();
        assert_eq!((k3s.containerd, k3s.certs_d.len()), (Containerd::K3s, 2));
        assert_eq!(found[0].certs_d, [PathBuf::from("/etc/containerd/certs.d")]);
        assert_eq!(found[0].containerd, Containerd::Stock);
    }
}
