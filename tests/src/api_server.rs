//! etcd, kube-apiserver and, when wanted, kube-controller-manager and kube-scheduler, in one folder and on free ports.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::process::{Server, free_ports, tail};
use crate::settings::Settings;
use crate::wait::eventually;

/// Bearer token of `system:masters`; it lives as long as one test.
const ADMIN: &str = "admin-of-one-test";
const READY: Duration = Duration::from_secs(60);

/// A Kubernetes control plane; every process ends when it is dropped.
pub struct ApiServer {
    pub address: String,
    pub port: u16,
    folder: PathBuf,
    programs: Settings,
    etcd_url: String,
    // Order of fields is order of death: controllers first, so that their logs do not end in noise.
    controllers: Vec<Server>,
    server: Option<Server>,
    _etcd: Server,
}

impl ApiServer {
    /// Starts etcd and the API server, which listens on `address`, and waits until it is ready.
    pub async fn start(settings: &Settings, folder: &Path, address: &str) -> Result<Self> {
        let mut first_error = None;
        for _ in 0..3 {
            // Another process may take a port between the search and the start.
            match Self::try_start(settings, folder, address).await {
                Ok(server) => return Ok(server),
                Err(error) => first_error = first_error.or(Some(error)),
            }
            let _ = std::fs::remove_dir_all(folder.join("etcd"));
        }
        Err(first_error.context("no attempt was made")?)
    }

    async fn try_start(settings: &Settings, folder: &Path, address: &str) -> Result<Self> {
        let [client_port, peer_port, port] = free_ports()?;
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let etcd = Server::start(
            &settings.program("etcd")?,
            [
                format!("--data-dir={}", folder.join("etcd").display()),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--logger=zap".into(),
                "--log-level=warn".into(),
            ],
            folder.join("etcd.log"),
        )?;
        write_inputs(folder)?;
        let mut this = Self {
            address: address.to_string(),
            port,
            folder: folder.to_path_buf(),
            programs: settings.clone(),
            etcd_url,
            controllers: Vec::new(),
            server: None,
            _etcd: etcd,
        };
        this.start_server().await?;
        Ok(this)
    }

    /// Starts the API server again after `stop_server`, on the same port.
    pub async fn start_server(&mut self) -> Result<()> {
        let mut server = Server::start(
            &self.programs.program("kube-apiserver")?,
            self.flags(),
            self.log("kube-apiserver"),
        )?;
        let certificate = self.certificate();
        eventually("the API server's certificate", READY, || {
            let found = server.check().and_then(|()| {
                if certificate.is_file() {
                    Ok(())
                } else {
                    bail!("not written yet")
                }
            });
            async { found }
        })
        .await?;
        self.server = Some(server);
        self.write_kubeconfig()?;
        let client = self.client().await?;
        eventually("a ready API server", READY, || {
            let alive = self.server.as_mut().map_or(Ok(()), Server::check);
            let client = client.clone();
            async move {
                alive?;
                let mut request =
                    kube::api::Request::new("/").list(&kube::api::ListParams::default())?;
                *request.uri_mut() = "/readyz".parse()?;
                client
                    .request_text(request)
                    .await
                    .map_err(anyhow::Error::from)
            }
        })
        .await?;
        Ok(())
    }

    /// Where etcd answers its clients in plain HTTP.
    pub fn etcd_url(&self) -> &str {
        &self.etcd_url
    }

    pub fn stop_server(&mut self) {
        self.server = None;
    }

    pub fn start_controllers(&mut self) -> Result<()> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        let manager = [
            kubeconfig.clone(),
            format!("--root-ca-file={}", self.certificate().display()),
            format!("--service-account-private-key-file={}", self.folder.join("accounts.key").display()),
            // What workloads, tokens and node health need, and nothing that costs time besides.
            "--controllers=daemonset,deployment,replicaset,statefulset,job,garbagecollector,namespace,serviceaccount,\
             serviceaccount-token,root-ca-cert-publisher,nodelifecycle,endpoint,disruption,podgc"
                .replace(' ', ""),
            "--leader-elect=false".into(),
            "--port=0".into(),
            "--secure-port=0".into(),
            "--kube-api-qps=1000".into(),
            "--kube-api-burst=2000".into(),
            "--node-monitor-grace-period=40s".into(),
            "--allocate-node-cidrs=false".into(),
        ];
        let scheduler = [
            kubeconfig,
            "--leader-elect=false".into(),
            "--port=0".into(),
            "--secure-port=0".into(),
            "--kube-api-qps=1000".into(),
            "--kube-api-burst=2000".into(),
        ];
        for (name, flags) in [
            ("kube-controller-manager", manager.to_vec()),
            ("kube-scheduler", scheduler.to_vec()),
        ] {
            self.controllers.push(Server::start(
                &self.programs.program(name)?,
                flags,
                self.log(name),
            )?);
        }
        Ok(())
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// A client with all rights.
    pub async fn client(&self) -> Result<Client> {
        self.client_as(None, &[]).await
    }

    /// A client that acts as another user, by impersonation.
    pub async fn client_as(&self, user: Option<&str>, groups: &[&str]) -> Result<Client> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        for named in &mut kubeconfig.auth_infos {
            if let Some(info) = &mut named.auth_info {
                info.impersonate = user.map(String::from);
                info.impersonate_groups =
                    (!groups.is_empty()).then(|| groups.iter().map(ToString::to_string).collect());
            }
        }
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// What was written, by whom: the audit log, one JSON object per line.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// The ends of all logs.
    pub fn describe(&self) -> String {
        [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        ]
        .map(|name| format!("== {name} ==\n{}\n", tail(&self.log(name), 15)))
        .concat()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("certificates/apiserver.crt")
    }

    fn flags(&self) -> Vec<String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        vec![
            format!("--etcd-servers={}", self.etcd_url),
            "--bind-address=0.0.0.0".into(),
            // The certificate that the server makes for itself names this address.
            format!("--advertise-address={}", self.address),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", file("certificates")),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            "--endpoint-reconciler-type=none".into(),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--allow-privileged=true".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", file("accounts.key")),
            format!(
                "--service-account-signing-key-file={}",
                file("accounts.key")
            ),
            format!("--audit-policy-file={}", file("audit.yaml")),
            format!("--audit-log-path={}", file("audit.log")),
            "--profiling=false".into(),
        ]
    }

    fn write_kubeconfig(&self) -> Result<()> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{}:{}", self.address, self.port),
                "certificate-authority": self.certificate(),
            }}],
            "users": [{"name": "admin", "user": {"token": ADMIN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        });
        write_private(&self.kubeconfig(), config.to_string().as_bytes())
    }
}

/// The files that flags name: tokens, the key of service accounts, what the audit log holds.
fn write_inputs(folder: &Path) -> Result<()> {
    write_private(
        &folder.join("tokens.csv"),
        format!("{ADMIN},admin,admin,system:masters\n").as_bytes(),
    )?;
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "Metadata"},
        ],
    });
    std::fs::write(folder.join("audit.yaml"), policy.to_string())?;
    let key = Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .context("failed to run openssl")?;
    if !key.status.success() {
        bail!("openssl genpkey: {}", String::from_utf8_lossy(&key.stderr));
    }
    // `openssl rsa` would give the traditional form; the server reads both.
    write_private(&folder.join("accounts.key"), &key.stdout)
}

fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(content)?)
}
