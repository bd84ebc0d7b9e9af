//! A server on ports of its own, and requests to it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracer_server::settings::Settings;

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Server {
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let free = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let (address, metrics) = (free(), free());
        let (address_text, metrics_text) = (address.to_string(), metrics.to_string());
        let mut all = vec![
            "berth-tracer-server",
            "--kubernetes=false",
            "--stream-interval=50ms",
        ];
        all.extend([
            "--http-address",
            &address_text,
            "--metrics-address",
            &metrics_text,
        ]);
        all.extend(flags);
        let settings = Settings::try_parse_from(all).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(tracer_server::run::run(settings, async {
            let _ = stopped.await;
        }));
        let server = Self {
            address,
            stop: Some(stop),
            task,
        };
        let end = Instant::now() + SOON;
        while TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < end, "the server does not listen");
            sleep(Duration::from_millis(20)).await;
        }
        server
    }

    pub(crate) async fn legacy() -> Self {
        Self::start(&["--legacy-agents"]).await
    }

    pub(crate) async fn with_history(folder: &Path) -> Self {
        Self::start(&["--history-folder", folder.to_str().unwrap()]).await
    }

    pub(crate) async fn end(mut self) {
        let _ = self.stop.take().unwrap().send(());
        timeout(SOON, self.task).await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        // A server that refuses a large body need not read it.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut bytes)).await.unwrap();
        let split = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("an answer");
        let head = String::from_utf8(bytes[..split].to_vec())
            .unwrap()
            .to_lowercase();
        Answer {
            status: head[9..12].parse().unwrap(),
            head,
            body: bytes[split + 4..].to_vec(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &[], b"").await;
        assert_eq!(answer.status, 200, "{path}");
        answer.json()
    }

    pub(crate) async fn report(&self, report: &Value) -> Answer {
        self.ask(
            "POST",
            "/api/v1/report",
            &["Content-Type: application/json"],
            report.to_string().as_bytes(),
        )
        .await
    }
}

impl Answer {
    /// The body, which may be chunked.
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        let start = text.find('{').unwrap_or(0);
        let end = text.rfind('}').map_or(text.len(), |end| end + 1);
        serde_json::from_str(&text[start..end]).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

pub(crate) fn pull(id: &str, bytes: u64) -> Value {
    json!({"id": id, "imageRef": "quay.io/a:1", "nameConfidence": "exact", "source": "lease", "phase": "downloading",
           "totalBytes": 100, "downloadedBytes": bytes, "totalKnown": true, "startedAt": "2026-11-21T02:00:00Z",
           "layers": [{"digest": "sha256:1", "totalBytes": 100, "downloadedBytes": bytes, "totalKnown": true}]})
}

pub(crate) fn ended(id: &str) -> Value {
    let mut pull = pull(id, 100);
    pull["phase"] = json!("done");
    pull["completedAt"] = json!(jiff::Timestamp::now().to_string());
    pull
}

pub(crate) fn ours(
    node: &str,
    sequence: u64,
    kind: &str,
    pulls: &[Value],
    finished: &[Value],
) -> Value {
    json!({"nodeName": node, "timestamp": "2026-11-21T02:00:00Z", "protocol": 2, "bootId": "b", "sequence": sequence,
           "kind": kind, "pulls": pulls, "finished": finished})
}
