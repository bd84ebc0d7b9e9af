//! Reports as agents write them: compressed JSON with a token.

use std::io::Write as _;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// Layers of each pull.
const LAYERS: u64 = 8;
const LAYER: u64 = 40 << 20;
/// An agent sends shorter bodies as they are.
const WORTH_COMPRESSING: usize = 512;

pub(crate) fn node(number: usize) -> String {
    format!("worker-{number}")
}

pub(crate) fn token(number: usize) -> String {
    format!("made-up-{number}")
}

/// One node's series of reports.
pub(crate) struct Series {
    number: usize,
    sequence: u64,
}

impl Series {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            sequence: 0,
        }
    }

    /// The next report, as bytes of a request.
    pub(crate) fn request(
        &mut self,
        kind: &str,
        pulls: &[Value],
        finished: &[Value],
    ) -> Result<Vec<u8>> {
        self.sequence += 1;
        let body = json!({
            "nodeName": node(self.number), "timestamp": "2026-11-21T02:00:00Z", "protocol": 2, "bootId": "bench",
            "sequence": self.sequence, "kind": kind, "pulls": pulls, "finished": finished,
        })
        .to_string();
        let mut head = format!(
            "POST /api/v1/report HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n",
            token(self.number)
        );
        let mut body = body.into_bytes();
        if body.len() >= WORTH_COMPRESSING {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body)?;
            body = encoder.finish()?;
            head.push_str("Content-Encoding: gzip\r\n");
        }
        let mut request = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend(body);
        Ok(request)
    }
}

/// A pull of which so many thousandths are there.
pub(crate) fn pull(number: usize, id: &str, thousandths: u64) -> Value {
    let layers: Vec<Value> = (0..LAYERS)
        .map(|order| {
            json!({
                "digest": format!("sha256:{:064x}", number as u64 * 100 + order), "totalBytes": LAYER,
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "totalKnown": true, "order": order,
                "downloadedBytes": LAYER / 1000 * thousandths, "state": "downloading",
                "bytesPerSec": 5_000_000.0, "startedAt": "2026-11-21T02:00:00Z",
            })
        })
        .collect();
    json!({
        "id": id, "imageRef": format!("registry.example.com/team/app-{}:v1", number % 50), "nameConfidence": "exact",
        "registry": "registry.example.com", "repository": format!("team/app-{}", number % 50), "tag": "v1",
        "digest": format!("sha256:{number:064x}"), "source": "lease", "phase": "downloading", "totalKnown": true,
        "totalBytes": LAYERS * LAYER, "downloadedBytes": LAYERS * (LAYER / 1000 * thousandths),
        "bytesPerSec": 40_000_000.0, "startedAt": "2026-11-21T02:00:00Z", "layers": layers,
    })
}

/// The same pull at its end, now.
pub(crate) fn ended(number: usize, id: &str) -> Value {
    let mut pull = pull(number, id, 1000);
    if let Some(fields) = pull.as_object_mut() {
        fields.insert("phase".to_owned(), json!("done"));
    }
    pull
}
