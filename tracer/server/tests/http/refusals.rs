use serde_json::json;

use super::server::{Server, ended, ours, pull};

const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn every_refusal_has_its_status_and_a_reason_in_json() {
    let server = Server::legacy().await;
    let long = format!(r#"{{"nodeName":"{}"}}"#, "n".repeat(254));
    let large = vec![b' '; (1 << 20) + 1];
    for (method, path, headers, body, status, why) in [
        (
            "GET",
            "/api/v1/report",
            &[][..],
            &b""[..],
            405,
            "method not allowed",
        ),
        ("POST", "/api/v1/report", &[], b"{", 400, "invalid json"),
        (
            "POST",
            "/api/v1/report",
            &[JSON],
            br#"{"nodeName":""}"#,
            400,
            "invalid nodeName",
        ),
        (
            "POST",
            "/api/v1/report",
            &[JSON],
            long.as_bytes(),
            400,
            "invalid nodeName",
        ),
        (
            "POST",
            "/api/v1/report",
            &[JSON],
            br#"{"nodeName":"a","protocol":3}"#,
            400,
            "unknown protocol",
        ),
        (
            "POST",
            "/api/v1/report",
            &["Content-Type: text/plain"],
            b"{}",
            415,
            "unsupported media type",
        ),
        (
            "POST",
            "/api/v1/report",
            &["Content-Encoding: br"],
            b"{}",
            415,
            "unsupported content encoding",
        ),
        (
            "POST",
            "/api/v1/report",
            &["Content-Encoding: gzip"],
            b"{}",
            400,
            "invalid gzip",
        ),
        (
            "POST",
            "/api/v1/report",
            &[JSON],
            &large,
            413,
            "report too large",
        ),
        ("POST", "/api/v1/pulls", &[], b"", 405, "method not allowed"),
        (
            "GET",
            "/api/v1/pulls?limit=0",
            &[],
            b"",
            400,
            "invalid limit",
        ),
        (
            "GET",
            "/api/v1/pulls/nothing",
            &[],
            b"",
            404,
            "no such pull",
        ),
        ("GET", "/api/v2", &[], b"", 404, "not found"),
        ("DELETE", "/", &[], b"", 405, "method not allowed"),
    ] {
        let answer = server.ask(method, path, headers, body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let error = answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(error.contains(why), "{method} {path}: {error}");
        assert_eq!(
            answer.head.contains("allow: "),
            status == 405,
            "{}",
            answer.head
        );
        assert!(
            answer
                .head
                .contains("content-security-policy: default-src 'self'")
        );
    }
    server.end().await;
}

#[tokio::test]
async fn reports_of_the_earlier_program_are_taken_as_it_was_and_paced() {
    let server = Server::legacy().await;
    assert_eq!(server.get("/api/v1/pulls").await["pulls"], json!([]));
    let blob = json!({"imageRef": "layer-sha256:1", "startedAt": "2026-11-21T02:00:00Z", "totalKnown": true,
                      "layers": [{"digest": "layer-sha256:1", "totalBytes": 10, "downloadedBytes": 5, "totalKnown": true}]});
    let report =
        json!({"nodeName": "worker-1", "timestamp": "2026-11-21T02:00:00Z", "pulls": [blob, blob]});
    let answer = server.report(&report).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(
        server.report(&report).await.status,
        429,
        "the second at once"
    );
    let pulls = server.get("/api/v1/pulls").await;
    assert_eq!(pulls["pulls"][0]["imageRef"], "__pulling__");
    assert_eq!(pulls["pulls"][0]["layerCount"], 2);
    assert_eq!(pulls["pulls"][0]["totalBytes"], 20);
    server.end().await;
    let strict = Server::start(&[]).await;
    assert_eq!(
        strict.report(&report).await.status,
        403,
        "only when asked for"
    );
    strict.end().await;
}

#[tokio::test]
async fn a_token_speaks_for_its_node_alone() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "worker-1 one\nworker-2 two\n").unwrap();
    let flags = [
        "--node-tokens",
        tokens.to_str().unwrap(),
        "--agent-token=shared",
        "--legacy-agents",
    ];
    let server = Server::start(&flags).await;
    let mine = ours("worker-1", 1, "full", &[pull("1", 5)], &[]).to_string();
    let old = r#"{"nodeName":"worker-1"}"#.to_owned();
    for (token, body, status) in [
        (None, &mine, 401),
        (Some("Bearer three"), &mine, 401),
        (Some("one"), &mine, 401),
        (Some("Bearer two"), &mine, 403),
        (Some("Bearer shared"), &mine, 403),
        (Some("Bearer one"), &mine, 200),
        (Some("Bearer shared"), &old, 429),
    ] {
        let header = token.map(|token| format!("Authorization: {token}"));
        let headers: Vec<&str> = header.iter().map(String::as_str).chain([JSON]).collect();
        let answer = server
            .ask("POST", "/api/v1/report", &headers, body.as_bytes())
            .await;
        // The node has just reported: a shared token is accepted, its pace is judged next.
        let expected: &[u16] = if status == 429 {
            &[200, 429]
        } else {
            &[status]
        };
        assert!(
            expected.contains(&answer.status),
            "{token:?}: {}",
            answer.status
        );
    }
    server.end().await;
}

#[tokio::test]
async fn two_thousand_nodes_are_heard_and_lists_are_named_and_compressed() {
    let server = Server::start(&[]).await;
    for number in 0..2000 {
        let report = ours(&format!("worker-{number}"), 1, "full", &[], &[ended("1")]);
        assert_eq!(server.report(&report).await.status, 200, "{number}");
    }
    let list = server
        .get("/api/v1/pulls?layers=false&limit=10&sort=node")
        .await;
    assert_eq!(
        (
            list["total"].as_u64(),
            list["pulls"].as_array().map(Vec::len)
        ),
        (Some(2000), Some(10))
    );
    assert!(list["next"].is_string());
    let id = list["pulls"][0]["id"].as_str().unwrap();
    let one = server.get(&format!("/api/v1/pulls/{id}")).await;
    assert_eq!(one["layers"][0]["digest"], "sha256:1");
    let answer = server
        .ask("GET", "/api/v1/nodes", &["Accept-Encoding: gzip"], b"")
        .await;
    assert!(answer.head.contains("content-encoding: gzip"));
    let etag = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap()
        .to_owned();
    let again = server
        .ask(
            "GET",
            "/api/v1/nodes",
            &[&format!(
                "If-None-Match: W/{}",
                etag.trim_start_matches("w/")
            )],
            b"",
        )
        .await;
    assert_eq!(again.status, 304);
    let images = server.get("/api/v1/images").await;
    assert_eq!(images["images"][0]["pulls"], 2000);
    assert_eq!(
        server.get("/api/v1/stats").await["nodes"]["connected"],
        2000
    );
    server.end().await;
}
