//! A bridge per cluster and a network name space per pod that talks to somebody, so that every pod may listen on its own ports.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result, bail};

const LOCKS: &str = "/run/berth-tests";

/// The addresses 100.64.N.0/24 of one cluster; gone when dropped.
pub struct Network {
    index: u8,
    next: AtomicU8,
    // The lock goes with the process, so a killed test leaves nothing that a later one could not take over.
    _lock: File,
}

/// The network of one pod; gone when dropped.
pub struct PodNetwork {
    pub name: String,
    pub address: String,
}

impl Network {
    pub fn claim() -> Result<Self> {
        std::fs::create_dir_all(LOCKS)
            .context("failed to create the folder of locks; the tests need root")?;
        for index in 0..=u8::MAX {
            let lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(Path::new(LOCKS).join(index.to_string()))?;
            match lock.try_lock() {
                Ok(()) => {
                    let network = Self {
                        index,
                        next: AtomicU8::new(2),
                        _lock: lock,
                    };
                    network.remove();
                    network.create()?;
                    return Ok(network);
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).context("failed to lock a network");
                }
            }
        }
        bail!("all 256 test networks are taken")
    }

    /// Where the API server listens, as seen by the test and by pods.
    pub fn gateway(&self) -> String {
        format!("100.64.{}.1", self.index)
    }

    pub fn pod(&self) -> Result<PodNetwork> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("berth{}-{number}", self.index);
        let address = format!("100.64.{}.{number}", self.index);
        // The kernel takes its time to remove the interfaces of a test that ended, so their names are not used again.
        let outside = format!("bv{:x}-{number}", std::process::id());
        let bridge = self.bridge();
        ip(&["netns", "add", &name])?;
        let network = PodNetwork {
            name: name.clone(),
            address: address.clone(),
        };
        ip(&[
            "link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &name,
        ])?;
        ip(&["link", "set", &outside, "master", &bridge, "up"])?;
        ip(&[
            "-n",
            &name,
            "addr",
            "add",
            &format!("{address}/24"),
            "dev",
            "eth0",
        ])?;
        ip(&["-n", &name, "link", "set", "eth0", "up"])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        Ok(network)
    }

    fn bridge(&self) -> String {
        format!("berth{}", self.index)
    }

    fn create(&self) -> Result<()> {
        let bridge = self.bridge();
        // Otherwise the bridge takes the lowest address of its ports: with every pod that goes it could change, and the
        // packets of the other pods would be lost until they ask for it again.
        let mac = format!("02:64:40:00:{:02x}:01", self.index);
        ip(&["link", "add", &bridge, "address", &mac, "type", "bridge"])?;
        ip(&[
            "addr",
            "add",
            &format!("{}/24", self.gateway()),
            "dev",
            &bridge,
        ])?;
        ip(&["link", "set", &bridge, "up"])?;
        if filters_bridges() {
            run("iptables", &among_pods("--insert", &bridge))?;
        }
        Ok(())
    }

    fn remove(&self) {
        let mine = format!("berth{}-", self.index);
        for entry in std::fs::read_dir("/run/netns")
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&mine) {
                let _ = ip(&["netns", "del", &name]);
            }
        }
        if filters_bridges() {
            // More than one when tests were killed. None is left when the firewall was made anew.
            while run("iptables", &among_pods("--delete", &self.bridge())).is_ok() {}
        }
        // Absent at the first use.
        let _ = ip(&["link", "del", &self.bridge()]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

impl PodNetwork {
    pub fn file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }
}

impl Drop for PodNetwork {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// Where a Docker Engine runs, the firewall drops what is forwarded, and asks even for what stays on a bridge.
fn filters_bridges() -> bool {
    std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|setting| setting.trim() == "1")
}

/// The rule that lets the pods of a cluster talk to each other.
fn among_pods<'a>(change: &'a str, bridge: &'a str) -> [&'a str; 9] {
    [
        "--wait", change, "FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT",
    ]
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("failed to run {program} (packages iproute2 and iptables)"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    )
}
