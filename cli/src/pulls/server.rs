//! The tracer's server, at an address or behind the API server's service proxy.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use futures::{AsyncBufReadExt as _, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::ListParams;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tracer_model::{PullEvent, PullList, PullStatus};

use super::arguments::Server;
use super::filter::PodName;

/// Of the Service that the chart makes.
const LABELS: &str = "app.kubernetes.io/part-of=berth,app.kubernetes.io/component=tracer-server";
/// Pulls in one answer.
const PAGE: usize = 500;

pub(crate) struct Connection {
    client: Client,
    /// What stands before `/api/v1/pulls`.
    prefix: String,
    /// Whether the client's server is a Kubernetes API server.
    asks_kubernetes: bool,
    /// Namespace of the kubeconfig's context.
    namespace: String,
}

impl Connection {
    pub(crate) async fn open(server: &Server) -> Result<Self> {
        match &server.address {
            Some(url) => Self::at(url, server.token_file.as_deref()),
            None => Self::behind_kubernetes(server).await,
        }
    }

    fn at(url: &str, token_file: Option<&Path>) -> Result<Self> {
        let address: http::Uri = url
            .parse()
            .with_context(|| format!("--server {url:?} is no address; write http://HOST:PORT"))?;
        if address.host().is_none() || address.scheme().is_none() {
            bail!("--server {url:?} is no address; write http://HOST:PORT");
        }
        let prefix = address.path().trim_end_matches('/').to_owned();
        let mut root = address.into_parts();
        root.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let mut config = Config::new(http::Uri::from_parts(root)?);
        config.auth_info = AuthInfo {
            token_file: token_file.map(|file| file.display().to_string()),
            ..AuthInfo::default()
        };
        Ok(Self {
            client: Client::try_from(config)
                .context("failed to prepare the connection to the tracer")?,
            prefix,
            asks_kubernetes: false,
            namespace: "default".to_owned(),
        })
    }

    async fn behind_kubernetes(server: &Server) -> Result<Self> {
        let options = KubeConfigOptions {
            context: server.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &server.kubeconfig {
            Some(file) => {
                let kubeconfig = Kubeconfig::read_from(file).with_context(|| format!("failed to read the kubeconfig {}", file.display()))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await
            }
            None => Config::from_kubeconfig(&options).await,
        }
        .context("failed to find a cluster; name a kubeconfig with --kubeconfig or the tracer with --server")?;
        let namespace = config.default_namespace.clone();
        let client =
            Client::try_from(config).context("failed to prepare the connection to the cluster")?;
        let service = match &server.service {
            Some(name) => name.clone(),
            None => find_service(&client).await?,
        };
        let (of, name) = service.split_once('/').ok_or_else(|| {
            anyhow!("--service {service:?} names no namespace; write NAMESPACE/NAME")
        })?;
        Ok(Self {
            prefix: format!("/api/v1/namespaces/{of}/services/{name}:http/proxy"),
            client,
            asks_kubernetes: true,
            namespace,
        })
    }

    /// Every pull the server knows.
    pub(crate) async fn pulls(&self) -> Result<PullList> {
        let mut pulls: Vec<PullStatus> = Vec::new();
        let mut next = None::<String>;
        loop {
            let cursor = next
                .map(|next| format!("&cursor={next}"))
                .unwrap_or_default();
            let request = self.get(&format!("/api/v1/pulls?limit={PAGE}{cursor}"))?;
            let page: PullList = self
                .client
                .request(request)
                .await
                .map_err(|error| self.unanswered(error))?;
            pulls.extend(page.pulls);
            next = page.next;
            if next.is_none() {
                return Ok(PullList {
                    total: Some(pulls.len() as u64),
                    pulls,
                    next: None,
                });
            }
        }
    }

    /// Events from now on, until the connection ends.
    pub(crate) async fn events(&self) -> Result<impl Stream<Item = Result<PullEvent>> + use<>> {
        let request = self.get("/api/v1/events")?;
        let lines = self
            .client
            .request_stream(request)
            .await
            .map_err(|error| self.unanswered(error))?
            .lines();
        let data = lines.filter_map(|line| async {
            match line {
                // What this version does not know is left out: a newer server may tell more.
                Ok(line) => line
                    .strip_prefix("data:")
                    .and_then(|data| serde_json::from_str(data.trim()).ok())
                    .map(Ok),
                Err(error) => Some(Err(
                    anyhow::Error::new(error).context("the connection to the tracer broke")
                )),
            }
        });
        Ok(Box::pin(data))
    }

    /// The pod, where Kubernetes can be asked.
    pub(crate) async fn pod(&self, name: &PodName) -> Result<Option<Pod>> {
        if !self.asks_kubernetes {
            return Ok(None);
        }
        let namespace = name.namespace.as_deref().unwrap_or(&self.namespace);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pod = pods
            .get_opt(&name.name)
            .await
            .context("failed to read the pod")?;
        pod.map(Some).ok_or_else(|| {
            anyhow!(
                "there is no pod {namespace}/{}; `kubectl get pods -A` lists them",
                name.name
            )
        })
    }

    fn get(&self, path: &str) -> Result<http::Request<Vec<u8>>> {
        Ok(http::Request::get(format!("{}{path}", self.prefix)).body(Vec::new())?)
    }

    fn unanswered(&self, error: kube::Error) -> anyhow::Error {
        let mend = if self.asks_kubernetes {
            "is the chart installed with tracer.enabled, and may you `get services/proxy` there?"
        } else {
            "is --server the address of berth-tracer-server?"
        };
        anyhow::Error::new(error).context(format!("the tracer does not answer; {mend}"))
    }
}

async fn find_service(client: &Client) -> Result<String> {
    let services: Api<Service> = Api::all(client.clone());
    let found = services
        .list(&ListParams::default().labels(LABELS))
        .await
        .context(
            "failed to look for the tracer's Service; name it with --service NAMESPACE/NAME",
        )?;
    let mut names = found
        .items
        .iter()
        .filter(|service| is_for_readers(service))
        .map(|service| {
            let metadata = &service.metadata;
            format!(
                "{}/{}",
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default()
            )
        });
    match (names.next(), names.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => bail!(
            "no tracer runs in this cluster; install the chart with tracer.enabled=true, or name its Service with --service NAMESPACE/NAME"
        ),
        (Some(one), Some(other)) => bail!(
            "several tracers run in this cluster, {one} and {other}; choose with --service NAMESPACE/NAME"
        ),
    }
}

/// The chart makes a second Service without an address of its own, for agents.
fn is_for_readers(service: &Service) -> bool {
    let address = service
        .spec
        .as_ref()
        .and_then(|spec| spec.cluster_ip.as_deref());
    address != Some("None")
}
