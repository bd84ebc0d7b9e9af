//! Pulls for tests.

use tracer_model::PullStatus;

/// A pull that goes on, at half of 10 MiB; pods as `namespace/name`.
pub(super) fn pull(node: &str, image: &str, pods: &[&str]) -> PullStatus {
    let pods: Vec<_> = pods
        .iter()
        .filter_map(|pod| pod.split_once('/'))
        .map(|(namespace, name)| {
            serde_json::json!({"namespace": namespace, "podName": name, "container": "app", "image": image})
        })
        .collect();
    let value = serde_json::json!({
        "id": format!("{node}/{image}"), "nodeName": node, "imageRef": image,
        "totalBytes": 10 << 20, "downloadedBytes": 5 << 20, "bytesPerSec": 1_048_576.0, "etaSeconds": 5.0, "percent": 50.0,
        "layerCount": 2, "layersDone": 1, "startedAt": "2026-01-01T00:00:00Z", "totalKnown": true, "pods": pods,
        "phase": "downloading", "state": "active", "nameConfidence": "exact", "source": "lease",
        "registry": "docker.io", "digest": format!("sha256:{}", "a".repeat(64)),
    });
    serde_json::from_value(value).unwrap()
}
