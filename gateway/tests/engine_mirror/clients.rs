//! Real clients: containerd's `ctr` as nodes are set up, skopeo, Docker.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::gateway::{Gateway, wait};
use crate::host::{Host, unique};
use crate::registry::{ADA, Registry};

/// A containerd of its own, whose registries are all behind the gateway.
struct Containerd {
    folder: TempDir,
    child: Child,
}

impl Containerd {
    fn start(gateway: &Gateway) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let hosts = at("hosts/_default");
        fs::create_dir_all(&hosts).unwrap();
        let mirror = format!(
            "[host.\"http://{}\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
            gateway.address
        );
        fs::write(hosts.join("hosts.toml"), mirror).unwrap();
        let settings = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = \"{}\"\n",
            at("root").display(),
            at("state").display(),
            at("socket").display()
        );
        fs::write(at("config.toml"), settings).unwrap();
        let log = File::create(at("log")).unwrap();
        let child = Command::new("containerd")
            .arg("--config")
            .arg(at("config.toml"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let containerd = Self { folder, child };
        wait("containerd", || containerd.ctr(&["version"]).ok());
        containerd
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ctr(&self, arguments: &[&str]) -> Result<String, String> {
        run(Command::new("ctr")
            .arg("--address")
            .arg(self.at("socket"))
            .args(arguments))
    }

    fn pull(&self, image: &str, more: &[&str]) -> Result<String, String> {
        let hosts = self.at("hosts").display().to_string();
        let fixed = [
            "images",
            "pull",
            "--snapshotter",
            "native",
            "--hosts-dir",
            &hosts,
        ];
        self.ctr(&[&fixed, more, &[image]].concat())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// `skopeo`, which trusts whoever signed an image and nobody who serves it.
pub(crate) fn skopeo(arguments: &[&str]) -> Result<String, String> {
    run(Command::new("skopeo")
        .arg("--insecure-policy")
        .args(arguments))
}

#[test]
fn containerd_pulls_what_the_engine_has_by_tag_and_digest() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let containerd = Containerd::start(&gateway);
    let name = unique("ctr");
    let hub = format!("docker.io/library/{name}");
    let with_port = format!("127.0.0.1:1/{name}");
    let _images = [
        host.image(&format!("{name}:1"), b"hub"),
        host.image(&format!("{with_port}:1"), &vec![9; 4 << 20]),
    ];
    for (registry, path, full) in [
        ("docker.io", format!("library/{name}"), &hub),
        ("127.0.0.1:1", name.clone(), &with_port),
    ] {
        containerd
            .pull(&format!("{full}:1"), &[])
            .unwrap_or_else(|told| panic!("{told} {}", gateway.log()));
        let digest = gateway.manifest(registry, &path, "1", None).digest();
        containerd.pull(&format!("{full}@{digest}"), &[]).unwrap();
        containerd.pull(&format!("{full}:1@{digest}"), &[]).unwrap();
    }
    let listed = containerd.ctr(&["images", "check"]).unwrap();
    assert_eq!(listed.matches("complete").count(), 6, "{listed}");
}

#[test]
fn containerd_pulls_private_images_with_its_login_only() {
    let host = Host::first();
    let registry = Registry::start(&host.registries, true);
    let gateway = Gateway::start(&host.address, &[]);
    let containerd = Containerd::start(&gateway);
    let name = unique("ctr-private");
    registry.fill(&host, &name, "1", name.as_bytes());
    let full = registry.name(&name, "1");
    let _pulled = host.named(&full);
    containerd
        .pull(&full, &["--user", ADA])
        .unwrap_or_else(|told| panic!("{told} {}", gateway.log()));
    containerd.ctr(&["images", "rm", "--sync", &full]).unwrap();
    assert!(containerd.pull(&full, &[]).is_err());
}

#[test]
fn skopeo_and_docker_copy_what_the_engine_has() {
    let host = Host::first();
    let gateway = Gateway::start(&host.address, &[]);
    let name = unique("skopeo");
    let _image = host.image(&format!("{name}:1"), &vec![3; 4 << 20]);
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().join("copy").display());
    let from = format!("docker://{}/{name}:1", gateway.address);
    let policy = ["--insecure-policy", "copy", "--src-tls-verify=false"];
    run(Command::new("skopeo").args(policy).args([&from, &to])).unwrap();
    let manifest = fs::read(Path::new(&to[4..]).join("manifest.json")).unwrap();
    let served = gateway.ask(&format!("/v2/{name}/manifests/1"), &[]);
    assert_eq!(manifest, served.body);
    let full = format!("{}/{name}:1", gateway.address);
    host.docker(&["pull", "--quiet", &full]).unwrap();
    let pulled = host.named(&full);
    assert_eq!(
        host.inspect(&pulled.name).unwrap()["Id"],
        host.inspect(&format!("{name}:1")).unwrap()["Id"]
    );
}
