//! Versions of components and channels of k3s, from servers on loopback.

use crate::support::{Program, response, serve};

#[test]
fn a_channel_that_cannot_be_resolved_is_told_before_anything_is_done() {
    let program = Program::new();
    let create = |channels: &str, image: &str| {
        let line = format!("berth cluster create demo --image {image}");
        program
            .run_with(&line, &[("K3D_CHANNEL_URL", channels)])
            .stderr
    };
    let failing = serve(|_, _| response("500 Internal Server Error", "", ""));
    let said = format!("FATA[0000] call made to '{failing}' failed with status code '500'\n");
    assert_eq!(create(&failing, "stable"), said);
    let empty = serve(|_, _| response("200 OK", "", r#"{"data":[]}"#));
    let said = create(&empty, "+v1.33");
    assert!(
        said.contains("no latest version found for channel v1.33"),
        "{said}"
    );
    // What is resolved goes on to the Engine, which is not there.
    let good = serve(|_, _| {
        response(
            "200 OK",
            "",
            r#"{"data":[{"name":"latest","latest":"v1.40.0+k3s1"}]}"#,
        )
    });
    assert!(create(&good, "latest").contains("docker.sock"));
}

#[test]
fn versions_are_listed_from_a_registry_with_a_token_and_pages() {
    let (send, receive) = std::sync::mpsc::channel::<String>();
    let registry = serve({
        let own = std::sync::Mutex::new(None::<String>);
        move |line, head| {
            let mut own = own.lock().unwrap();
            let address = own.get_or_insert_with(|| receive.recv().unwrap()).clone();
            let lower = head.to_ascii_lowercase();
            if line.starts_with("GET /token?service=tags&scope=repository%3Arancher%2Fk3s%3Apull") {
                response("200 OK", "", r#"{"token":"made-up"}"#)
            } else if !lower.contains("authorization: bearer made-up") {
                let asks = format!(
                    "WWW-Authenticate: Bearer realm=\"{address}/token\",service=\"tags\"\r\n"
                );
                response("401 Unauthorized", &asks, "{}")
            } else if line.contains("last=") {
                response(
                    "200 OK",
                    "",
                    r#"{"tags":["v1.33.1-k3s1","v1.33.2-rc1-k3s1"]}"#,
                )
            } else {
                let link = "Link: </v2/rancher/k3s/tags/list?last=v1>; rel=\"next\"\r\n";
                response("200 OK", link, r#"{"tags":["v1.9.0-k3s1","v1.34.0-k3s1"]}"#)
            }
        }
    });
    send.send(registry.clone()).unwrap();
    let program = Program::new();
    let environment = [("K3D_REGISTRY_URL", registry.as_str())];
    let all = program.run_with("k3d version list k3s", &environment);
    assert_eq!(
        all.stdout, "v1.34.0-k3s1\nv1.33.1-k3s1\nv1.9.0-k3s1\n",
        "{all:?}"
    );
    let repo = program.run_with("berth version ls k3s -l 1 -s asc -o repo", &environment);
    assert_eq!(repo.stdout, "docker.io/rancher/k3s:v1.9.0-k3s1\n");
    let many = program.run_with("k3d version list k3s --limit 99 -i 1.34", &environment);
    assert_eq!(many.stdout, "v1.34.0-k3s1\n");
    assert!(!format!("{all:?}{repo:?}{many:?}").contains("made-up"));
}

#[test]
fn a_registry_that_fails_is_named_in_one_line() {
    let program = Program::new();
    let registry = serve(|_, _| response("503 Service Unavailable", "", ""));
    let failed = program.run_with(
        "k3d version list k3d",
        &[("K3D_REGISTRY_URL", &registry), ("LOG_COLORS", "false")],
    );
    assert_eq!((failed.code, failed.stdout.as_str()), (1, ""));
    assert!(failed.stderr.contains("level=fatal") && failed.stderr.contains("status code '503'"));
    assert_eq!(failed.stderr.lines().count(), 1, "{failed:?}");
    let gone = program.run_with(
        "berth version list k3d",
        &[("K3D_REGISTRY_URL", "http://127.0.0.1:1")],
    );
    assert_eq!(gone.code, 1);
    assert!(
        gone.stderr
            .starts_with("FATA[0000] failed to reach http://127.0.0.1:1"),
        "{gone:?}"
    );
}
