//! What a cluster's DNS would know of pods below a Service, as the `/etc/hosts` of every container.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::lock;

pub(super) struct Hosts {
    file: PathBuf,
    /// By the pod's own name below its Service: the Service's name and the address.
    pods: Mutex<BTreeMap<String, (String, String)>>,
}

impl Hosts {
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let file = folder.join("hosts");
        std::fs::write(&file, "")?;
        // A resolver takes the first line of a name otherwise.
        std::fs::write(folder.join("host.conf"), "multi on\n")?;
        Ok(Self {
            file,
            pods: Mutex::default(),
        })
    }

    /// What is mounted where.
    pub(super) fn files(&self) -> [(PathBuf, &'static str); 2] {
        let settings = self.file.with_file_name("host.conf");
        [
            (self.file.clone(), "/etc/hosts"),
            (settings, "/etc/host.conf"),
        ]
    }

    pub(super) fn learn(&self, pod: &Pod) {
        let Some(spec) = &pod.spec else { return };
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
        let (Some(host), Some(below), Some(address)) = (&spec.hostname, &spec.subdomain, address)
        else {
            return;
        };
        let service = format!("{below}.{}.svc", pod.namespace().unwrap_or_default());
        let mut pods = lock(&self.pods);
        let entry = (service, address);
        if pods.insert(format!("{host}.{}", entry.0), entry.clone()) == Some(entry) {
            return;
        }
        // In place, because it is mounted. A name that nobody can resolve fails the test that needs it.
        let _ = std::fs::write(&self.file, lines(&pods));
    }
}

/// A Service's own name has all addresses of its pods.
fn lines(pods: &BTreeMap<String, (String, String)>) -> String {
    pods.iter()
        .map(|(pod, (service, address))| [address, " ", pod, " ", service, "\n"].concat())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_the_addresses_of_all_its_pods() {
        let pod = |number: u8| {
            let address = format!("10.0.0.{number}");
            (
                format!("web-{number}.web.shop.svc"),
                ("web.shop.svc".into(), address),
            )
        };
        let text = lines(&BTreeMap::from([pod(0), pod(1)]));
        assert_eq!(
            text,
            "10.0.0.0 web-0.web.shop.svc web.shop.svc\n10.0.0.1 web-1.web.shop.svc web.shop.svc\n"
        );
    }
}
