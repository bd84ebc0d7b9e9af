//! The built gateway, and questions to it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::registry::Encryption;

/// A gateway with a store of its own.
pub(crate) struct Gateway {
    pub(crate) address: String,
    pub(crate) folder: TempDir,
    docker_host: String,
    arguments: Vec<String>,
    /// Who vouches for it, when it is encrypted.
    authority: Option<PathBuf>,
    child: Option<Child>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn digest(&self) -> String {
        let digest = self.header("docker-content-digest");
        digest
            .unwrap_or_else(|| panic!("no digest: {self:?}"))
            .to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits until something is there.
#[track_caller]
pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

impl Gateway {
    pub(crate) fn start(docker_host: &str, arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1", docker_host, arguments)
    }

    pub(crate) fn start_at(at: &str, docker_host: &str, arguments: &[&str]) -> Self {
        Self::start_with(at, docker_host, arguments, None)
    }

    /// Encrypted, at this machine.
    pub(crate) fn encrypted(docker_host: &str, encryption: &Encryption) -> Self {
        let (certificate, key) = (&encryption.certificate, &encryption.key);
        let files = [certificate, key].map(|file| file.display().to_string());
        let arguments = ["--tls-cert", &files[0], "--tls-key", &files[1]];
        let authority = Some(certificate.clone());
        Self::start_with("127.0.0.1", docker_host, &arguments, authority)
    }

    fn start_with(
        at: &str,
        docker_host: &str,
        arguments: &[&str],
        authority: Option<PathBuf>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("{at}:{}", free_port(at));
        let mut gateway = Self {
            address,
            folder,
            docker_host: docker_host.to_owned(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            authority,
            child: None,
        };
        gateway.begin();
        gateway
    }

    fn begin(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_berth-gateway"))
            .args([
                "--address",
                &self.address,
                "--log-level",
                "debug",
                "--store",
            ])
            .arg(self.folder.path().join("store"))
            .args(&self.arguments)
            .env("DOCKER_HOST", &self.docker_host)
            .env("DOCKER_CONFIG", self.folder.path())
            .env("HOME", self.folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait("the gateway", || {
            (self.try_ask("/healthz", &[])?.status == 200).then_some(())
        });
    }

    /// Stops and starts with the same store.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.begin();
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Says what the `docker login` of the gateway's host is.
    pub(crate) fn set_login(&self, config: &Path) {
        fs::copy(
            config.join("config.json"),
            self.folder.path().join("config.json"),
        )
        .unwrap();
    }

    /// A question with arguments of curl, for example `-I`.
    pub(crate) fn ask(&self, path: &str, arguments: &[&str]) -> Answer {
        self.try_ask(path, arguments)
            .unwrap_or_else(|| panic!("no answer for {path}: {}", self.log()))
    }

    /// The same, when there may be no answer.
    pub(crate) fn try_ask(&self, path: &str, arguments: &[&str]) -> Option<Answer> {
        let folder = tempfile::tempdir().unwrap();
        let (head, body) = (folder.path().join("head"), folder.path().join("body"));
        let asked = Command::new("curl")
            .args(["--silent", "--max-time", "60", "--noproxy", "*"])
            .arg("--dump-header")
            .arg(&head)
            .arg("--output")
            .arg(&body)
            .args(self.trust())
            .args(arguments)
            .arg(format!("{}://{}{path}", self.scheme(), self.address))
            .status();
        if !asked.unwrap().success() {
            return None;
        }
        let head = fs::read_to_string(&head).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        Some(Answer {
            status,
            headers: headers.collect(),
            body: fs::read(&body).unwrap_or_default(),
        })
    }

    fn scheme(&self) -> &'static str {
        if self.authority.is_some() {
            "https"
        } else {
            "http"
        }
    }

    fn trust(&self) -> Vec<String> {
        let authority = self.authority.iter();
        authority
            .flat_map(|file| ["--cacert".to_owned(), file.display().to_string()])
            .collect()
    }

    /// A manifest of a mirrored image.
    pub(crate) fn manifest(
        &self,
        registry: &str,
        name: &str,
        reference: &str,
        login: Option<&str>,
    ) -> Answer {
        let path = format!("/v2/{name}/manifests/{reference}?ns={registry}");
        self.ask(&path, &login.map_or(vec![], |login| vec!["--user", login]))
    }

    /// A blob of a mirrored image.
    pub(crate) fn blob(
        &self,
        registry: &str,
        name: &str,
        digest: &str,
        login: Option<&str>,
    ) -> Answer {
        let path = format!("/v2/{name}/blobs/{digest}?ns={registry}");
        self.ask(&path, &login.map_or(vec![], |login| vec!["--user", login]))
    }

    /// Every blob of a manifest, which must be there and be what it is called.
    #[track_caller]
    pub(crate) fn all_blobs(
        &self,
        registry: &str,
        name: &str,
        manifest: &Answer,
        login: Option<&str>,
    ) {
        let manifest = manifest.json();
        let layers = manifest["layers"].as_array().unwrap().iter();
        for descriptor in layers.chain([&manifest["config"]]) {
            let digest = descriptor["digest"].as_str().unwrap();
            let blob = self.blob(registry, name, digest, login);
            assert_eq!(blob.status, 200, "{digest}: {blob:?} {}", self.log());
            assert_eq!(sha256(&blob.body), digest);
            assert_eq!(blob.body.len() as u64, descriptor["size"].as_u64().unwrap());
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in sha2::Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// How many files a folder has.
pub(crate) fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

/// Bytes that no disk makes smaller.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next)
        .flatten()
        .take(length)
        .collect()
}
