//! A real private registry.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{free_port, wait};
use crate::host::Host;

/// The user of every registry here, and one that is none.
pub(crate) const ADA: &str = "ada:correct~horse/battery";
pub(crate) const EVE: &str = "ada:wrong~horse/battery";

/// What encrypts.
pub(crate) struct Encryption {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Encryption {
    /// A certificate for this machine, which vouches for itself.
    pub(crate) fn make(folder: &Path) -> Self {
        let this = Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", "/CN=registry"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&this.key)
            .arg("-out")
            .arg(&this.certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        this
    }
}

/// The login of the user, with some password.
pub(crate) fn credentials(password: &str) -> docker::Credentials {
    docker::Credentials {
        server: String::new(),
        username: "ada".to_owned(),
        proof: docker::credentials::Proof::Password(password.into()),
    }
}

/// Debian's `docker-registry`, with one user.
pub(crate) struct Registry {
    pub(crate) address: String,
    folder: TempDir,
    child: Option<Child>,
}

impl Registry {
    /// With a login, or open to everybody.
    pub(crate) fn start(at: &str, private: bool) -> Self {
        Self::begin(at, private, "")
    }

    /// Encrypted, with a login.
    pub(crate) fn encrypted(at: &str, encryption: &Encryption) -> Self {
        let files = format!(
            ", tls: {{certificate: {}, key: {}}}",
            encryption.certificate.display(),
            encryption.key.display()
        );
        Self::begin(at, true, &files)
    }

    fn begin(at: &str, private: bool, http: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("{at}:{}", free_port(at));
        let auth = if private {
            let (user, password) = ADA.split_once(':').unwrap();
            let hash = bcrypt::hash(password, 4).unwrap();
            fs::write(folder.path().join("htpasswd"), format!("{user}:{hash}\n")).unwrap();
            let file = folder.path().join("htpasswd");
            format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                file.display()
            )
        } else {
            String::new()
        };
        let settings = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: \"{address}\"{http}}}\n{auth}",
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("config.yml"), settings).unwrap();
        let auth = BASE64_STANDARD.encode(ADA);
        let config = format!(r#"{{"auths": {{"{address}": {{"auth": "{auth}"}}}}}}"#);
        fs::write(folder.path().join("config.json"), config).unwrap();
        let mut registry = Self {
            address,
            folder,
            child: None,
        };
        registry.resume();
        registry
    }

    pub(crate) fn resume(&mut self) {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(self.folder.path().join("config.yml"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait("the registry", || {
            std::net::TcpStream::connect(&self.address).ok()
        });
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Where the `docker login` of its user is.
    pub(crate) fn login(&self) -> &Path {
        self.folder.path()
    }

    /// The full name of an image here.
    pub(crate) fn name(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Pushes an image of these bytes and removes it from the Engine. Gives the registry's digest.
    pub(crate) fn fill(&self, host: &Host, repository: &str, tag: &str, content: &[u8]) -> String {
        let name = self.name(repository, tag);
        let image = host.image(&name, content);
        host.docker_with(self.login(), &["push", "--quiet", &name])
            .unwrap();
        let digests = host.inspect(&name).unwrap()["RepoDigests"].clone();
        drop(image);
        let mut digests = digests
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it.as_str());
        let ours = digests.find(|it| it.starts_with(&self.address)).unwrap();
        ours.split_once('@').unwrap().1.to_owned()
    }

    /// Gives a manifest another tag.
    pub(crate) fn copy_tag(&self, repository: &str, from: &str, to: &str) {
        let (kind, manifest) = self.manifest(repository, from);
        self.put(repository, to, &kind, &manifest);
    }

    /// Puts an index that says of an image that it is for other platforms.
    pub(crate) fn put_index(&self, repository: &str, tag: &str, digest: &str, platforms: &Value) {
        let (kind, manifest) = self.manifest(repository, digest);
        let entry = |platform: &Value| json!({"mediaType": kind, "digest": digest, "size": manifest.len(), "platform": platform});
        let entries: Vec<Value> = platforms.as_array().unwrap().iter().map(entry).collect();
        let list = "application/vnd.docker.distribution.manifest.list.v2+json";
        let index = json!({"schemaVersion": 2, "mediaType": list, "manifests": entries});
        self.put(repository, tag, list, index.to_string().as_bytes());
    }

    fn manifest(&self, repository: &str, reference: &str) -> (String, Vec<u8>) {
        let output = Command::new("curl")
            .args(["--silent", "--fail", "--noproxy", "*", "--user", ADA, "--header"])
            .arg("Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json")
            .arg(format!("http://{}/v2/{repository}/manifests/{reference}", self.address))
            .output()
            .unwrap();
        let manifest: Value = serde_json::from_slice(&output.stdout).unwrap();
        (
            manifest["mediaType"].as_str().unwrap().to_owned(),
            output.stdout,
        )
    }

    fn put(&self, repository: &str, tag: &str, kind: &str, manifest: &[u8]) {
        let file = self.folder.path().join("manifest");
        fs::write(&file, manifest).unwrap();
        let put = Command::new("curl")
            .args([
                "--silent",
                "--fail",
                "--noproxy",
                "*",
                "--user",
                ADA,
                "--request",
                "PUT",
                "--header",
            ])
            .arg(format!("Content-Type: {kind}"))
            .arg("--data-binary")
            .arg(format!("@{}", file.display()))
            .arg(format!(
                "http://{}/v2/{repository}/manifests/{tag}",
                self.address
            ))
            .status();
        assert!(put.unwrap().success());
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}
