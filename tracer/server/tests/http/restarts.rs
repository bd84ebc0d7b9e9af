use super::server::{Server, ended, ours, pull};

#[tokio::test]
async fn a_restart_loses_no_finished_pull_and_asks_for_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_history(folder.path()).await;
    server
        .report(&ours(
            "worker-1",
            1,
            "full",
            &[pull("1", 5), pull("2", 5)],
            &[],
        ))
        .await;
    assert_eq!(
        server
            .report(&ours("worker-1", 2, "delta", &[], &[ended("1")]))
            .await
            .status,
        200
    );
    // The answer may have been lost: the same again is no second pull.
    assert_eq!(
        server
            .report(&ours("worker-1", 2, "delta", &[], &[ended("1")]))
            .await
            .status,
        200
    );
    assert_eq!(server.get("/api/v1/pulls").await["total"], 2);
    server.end().await;

    let server = Server::with_history(folder.path()).await;
    let list = server.get("/api/v1/pulls").await;
    assert_eq!(
        (list["total"].as_u64(), list["pulls"][0]["id"].as_str()),
        (Some(1), Some("worker-1:1"))
    );
    assert_eq!(list["pulls"][0]["layers"][0]["digest"], "sha256:1");
    let answer = server
        .report(&ours("worker-1", 3, "delta", &[pull("2", 6)], &[]))
        .await;
    assert_eq!(
        (answer.status, answer.json()["resync"].as_bool()),
        (409, Some(true))
    );
    assert_eq!(
        server
            .report(&ours("worker-1", 4, "full", &[pull("2", 6)], &[]))
            .await
            .status,
        200
    );
    assert_eq!(
        server.get("/api/v1/pulls?state=active").await["pulls"][0]["id"],
        "worker-1:2"
    );
    server.end().await;
}

#[tokio::test]
async fn two_replicas_that_hear_the_same_say_the_same() {
    let replicas = [Server::start(&[]).await, Server::start(&[]).await];
    let mut answers = Vec::new();
    for replica in &replicas {
        replica
            .report(&ours(
                "worker-1",
                1,
                "full",
                &[pull("1", 5), pull("2", 7)],
                &[],
            ))
            .await;
        let mut done = ended("1");
        done["completedAt"] = "2026-11-21T02:00:09Z".into();
        replica
            .report(&ours("worker-1", 2, "delta", &[pull("2", 9)], &[done]))
            .await;
        answers.push(
            replica
                .get("/api/v1/pulls?since=2026-01-01T00:00:00Z")
                .await,
        );
    }
    assert_eq!(answers[0], answers[1]);
    for replica in replicas {
        replica.end().await;
    }
}
