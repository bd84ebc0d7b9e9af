//! What the binary must never link: it is small, synchronous, and talks to nobody.

use std::process::Command;

#[test]
fn no_async_runtime_http_tls_metrics_or_kubernetes_is_linked() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "-p",
            "node-writer",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.contains(&"rustix"), "{tree}");
    for absent in [
        "tokio",
        "hyper",
        "axum",
        "reqwest",
        "rustls",
        "ring",
        "prometheus",
        "kube",
        "k8s-openapi",
        "tempfile",
    ] {
        assert!(!names.contains(&absent), "node-writer links {absent}");
    }
}
