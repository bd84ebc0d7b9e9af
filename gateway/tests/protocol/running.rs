//! A gateway that runs, and content for it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use berth_gateway::access::{Access, Networks, Peers, Push};
use berth_gateway::content::{Blob, Document};
use berth_gateway::http::{Gateway, Limits};
use berth_gateway::metrics::Metrics;
use berth_gateway::mirror::{Caller, Mirror, MirrorError, Reach};
use berth_gateway::names::{Digest, MirroredName, Reference};
use berth_gateway::serve::{self, Patience};
use berth_gateway::store::{self, Store};
use berth_gateway::target::Registries;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Answer, Ask};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How a gateway shall be.
pub(crate) struct Setup {
    pub(crate) push: Push,
    pub(crate) networks: &'static [&'static str],
    pub(crate) clients_are_local: bool,
    pub(crate) registries: Registries,
    pub(crate) limits: Limits,
    pub(crate) patience: Patience,
    pub(crate) images: Images,
    pub(crate) store: store::Limits,
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            push: Push::Local,
            networks: &[],
            clients_are_local: false,
            registries: Registries::default(),
            limits: Limits {
                body_rest: Duration::from_secs(20),
                ..Limits::default()
            },
            patience: Patience {
                drain: Duration::from_secs(20),
                ..Patience::default()
            },
            images: Images::default(),
            store: store::Limits::default(),
            tls: None,
        }
    }
}

/// A gateway that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) images: Images,
    pub(crate) folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

pub(crate) async fn start() -> Running {
    start_with(Setup::default()).await
}

pub(crate) async fn start_with(setup: Setup) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Arc::new(Gateway {
        store: Store::open(folder.path(), setup.store).await.unwrap(),
        mirror: Arc::new(setup.images.clone()),
        access: Access {
            push: setup.push,
            clients_are_local: setup.clients_are_local,
            peers: Peers::Fixed(Networks::parse(setup.networks.iter().copied()).unwrap()),
        },
        registries: setup.registries,
        limits: setup.limits,
        metrics: Metrics::new().unwrap(),
        readiness: daemon::http::Readiness::default(),
    });
    gateway.readiness.set(true);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve::serve(
        gateway,
        listener,
        setup.tls,
        setup.patience,
        stopped.map(drop),
    ));
    Running {
        address,
        images: setup.images,
        folder,
        stop: Some(stop),
        server,
    }
}

impl Running {
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, path)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send().await
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.ask("HEAD", path).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path).send().await
    }

    /// Pushes a blob in one request.
    pub(crate) async fn push_blob(&self, name: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        self.ask("POST", &path).body(content).send().await.is(201);
        digest
    }

    /// Begins an upload.
    pub(crate) async fn begin(&self, name: &str) -> String {
        let answer = self
            .ask("POST", &format!("/v2/{name}/blobs/uploads/"))
            .send()
            .await
            .is(202);
        answer.location().to_owned()
    }

    pub(crate) async fn put_manifest(
        &self,
        name: &str,
        reference: &str,
        manifest: &Value,
    ) -> Answer {
        let kind = manifest["mediaType"]
            .as_str()
            .unwrap_or(MANIFEST)
            .to_owned();
        let ask = self.ask("PUT", &format!("/v2/{name}/manifests/{reference}"));
        ask.header("Content-Type", &kind)
            .body(manifest.to_string())
            .send()
            .await
    }

    /// Pushes an image of one layer under a tag, and gives its manifest.
    pub(crate) async fn push_image(&self, name: &str, tag: &str) -> Value {
        let layer = format!("layer of {name}:{tag}");
        let manifest = manifest_of("{}", &layer);
        self.push_blob(name, b"{}").await;
        self.push_blob(name, layer.as_bytes()).await;
        self.put_manifest(name, tag, &manifest).await.is(201);
        manifest
    }

    /// Every file of the store that holds a blob.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let path = entry.path();
                    files.push(
                        path.strip_prefix(self.folder.path())
                            .unwrap()
                            .display()
                            .to_string(),
                    );
                }
            }
        }
        files.sort();
        files
    }

    pub(crate) fn ask_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn ended(self) {
        tokio::time::timeout(Duration::from_secs(20), self.server)
            .await
            .unwrap()
            .unwrap();
    }
}

pub(crate) fn descriptor(kind: &str, content: &str) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(content.as_bytes()), "size": content.len()})
}

pub(crate) fn manifest_of(config: &str, layer: &str) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
}

pub(crate) fn digest_of(manifest: &Value) -> Digest {
    Digest::of(manifest.to_string().as_bytes())
}

pub(crate) fn sha512(content: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha512::digest(content) {
        write!(hex, "{byte:02x}").unwrap();
    }
    format!("sha512:{hex}")
}

/// The images of an Engine that is not there.
#[derive(Clone, Default)]
pub(crate) struct Images(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    images: Vec<(MirroredName, String, Document)>,
    asked: Vec<(String, Option<String>, Reach)>,
    trouble: Option<MirrorError>,
}

impl Images {
    pub(crate) fn add(&self, host: &str, repository: &str, tag: &str, manifest: &Value) -> &Self {
        use berth_gateway::names::{Host, Name};
        let name = MirroredName {
            host: Host::parse(host).unwrap(),
            repository: Name::parse(repository).unwrap(),
        };
        let bytes = manifest.to_string();
        let document = Document {
            media_type: MANIFEST.to_owned(),
            digest: Digest::of(bytes.as_bytes()),
            bytes: bytes.into(),
        };
        self.0
            .lock()
            .unwrap()
            .images
            .push((name, tag.to_owned(), document));
        self
    }

    pub(crate) fn trouble(&self, error: Option<MirrorError>) {
        self.0.lock().unwrap().trouble = error;
    }

    /// Every image is gone.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap().images.clear();
    }

    /// What was asked since: the image, the caller's user, how far.
    pub(crate) fn asked(&self) -> Vec<(String, Option<String>, Reach)> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    fn find<T>(
        &self,
        name: &MirroredName,
        caller: &Caller,
        pick: impl Fn(&str, &Document) -> Option<T>,
    ) -> Result<T, MirrorError> {
        let mut held = self.0.lock().unwrap();
        held.asked.push((
            name.to_string(),
            caller.login.as_ref().map(|login| login.user.clone()),
            caller.reach,
        ));
        if let Some(error) = &held.trouble {
            return Err(error.clone());
        }
        let found = held
            .images
            .iter()
            .filter(|(other, ..)| other == name)
            .find_map(|(_, tag, document)| pick(tag, document));
        found.ok_or_else(|| MirrorError::Unknown(format!("nobody has {name}")))
    }
}

impl Mirror for Images {
    fn manifest<'a>(
        &'a self,
        name: &'a MirroredName,
        reference: &'a Reference,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Document, MirrorError>> {
        let found = self.find(name, caller, |tag, document| {
            let is_it = match reference {
                Reference::Tag(wanted) => wanted.as_str() == tag,
                Reference::Digest(digest) => *digest == document.digest,
            };
            is_it.then(|| document.clone())
        });
        std::future::ready(found).boxed()
    }

    fn blob<'a>(
        &'a self,
        name: &'a MirroredName,
        digest: &'a Digest,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Blob, MirrorError>> {
        let found = self.find(name, caller, |_, document| {
            let manifest: Value = serde_json::from_slice(&document.bytes).unwrap();
            // The only blob that these images have is one of letters.
            (manifest["layers"][0]["digest"] == digest.as_str()).then(|| Blob {
                digest: digest.clone(),
                size: manifest["layers"][0]["size"].as_u64().unwrap(),
                bytes: Arc::new(Letters),
            })
        });
        std::future::ready(found).boxed()
    }

    fn tags<'a>(
        &'a self,
        name: &'a MirroredName,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, MirrorError>> {
        let all = self.find(name, caller, |_, _| Some(()));
        let held = self.0.lock().unwrap();
        let tags = held
            .images
            .iter()
            .filter(|(other, ..)| other == name)
            .map(|(_, tag, _)| tag.clone())
            .collect();
        std::future::ready(match all {
            Ok(()) => Ok(Some(tags)),
            Err(MirrorError::Unknown(_)) => Ok(None),
            Err(error) => Err(error),
        })
        .boxed()
    }

    fn ready(&self) -> Result<(), MirrorError> {
        let held = self.0.lock().unwrap();
        held.trouble.clone().map_or(Ok(()), Err)
    }

    fn repositories(&self) -> BoxFuture<'_, Result<Vec<MirroredName>, MirrorError>> {
        let held = self.0.lock().unwrap();
        let names = held.images.iter().map(|(name, ..)| name.clone()).collect();
        std::future::ready(held.trouble.clone().map_or(Ok(names), Err)).boxed()
    }
}

/// As many letters as are wanted.
struct Letters;

impl berth_gateway::content::ReadRange for Letters {
    fn read(
        &self,
        range: std::ops::Range<u64>,
    ) -> futures::stream::BoxStream<'static, std::io::Result<bytes::Bytes>> {
        let letters = vec![b'a'; usize::try_from(range.end - range.start).unwrap()];
        Box::pin(futures::stream::once(async { Ok(letters.into()) }))
    }
}

/// A manifest whose layer is so many letters.
pub(crate) fn manifest_of_letters(count: usize) -> Value {
    manifest_of("{}", &"a".repeat(count))
}
