use k8s_openapi::api::authentication::v1::UserInfo;

use super::*;

fn reviewed(user: &str, audience: &str, extra: &[(&str, &str)]) -> TokenReviewStatus {
    TokenReviewStatus {
        authenticated: Some(true),
        audiences: Some(vec![audience.to_owned()]),
        user: Some(UserInfo {
            username: Some(user.to_owned()),
            extra: Some(
                extra
                    .iter()
                    .map(|(name, value)| {
                        let name = format!("authentication.kubernetes.io/{name}");
                        (name, vec![(*value).to_owned()])
                    })
                    .collect(),
            ),
            ..UserInfo::default()
        }),
        ..TokenReviewStatus::default()
    }
}

#[test]
fn a_token_speaks_for_the_agents_pod_and_for_nothing_else() {
    let pod = [("pod-name", "agent-x"), ("pod-uid", "1")];
    let agent = "system:serviceaccount:berth:berth-tracer-agent";
    let good = reviewed(agent, AUDIENCE, &pod);
    assert_eq!(
        pod_of(&good, "berth-tracer-agent"),
        Some(Caller::Pod {
            namespace: "berth".to_owned(),
            name: "agent-x".to_owned(),
            uid: "1".to_owned(),
            node: None
        })
    );
    for (bad, why) in [
        (
            reviewed(agent, "https://kubernetes", &pod),
            "another audience",
        ),
        (
            reviewed("system:serviceaccount:berth:default", AUDIENCE, &pod),
            "another account",
        ),
        (reviewed("alice", AUDIENCE, &pod), "a person"),
        (reviewed(agent, AUDIENCE, &[]), "bound to no pod"),
        (
            TokenReviewStatus {
                authenticated: Some(false),
                ..good.clone()
            },
            "not authenticated",
        ),
        (
            TokenReviewStatus {
                audiences: None,
                ..good.clone()
            },
            "a server that knows no audiences",
        ),
    ] {
        assert_eq!(pod_of(&bad, "berth-tracer-agent"), None, "{why}");
    }
}

#[test]
fn an_account_of_the_same_name_in_another_namespace_is_no_agent() {
    let pod = [("pod-name", "agent-x"), ("pod-uid", "1")];
    let account = "system:serviceaccount:berth:berth-tracer-agent";
    let token = reviewed(account, AUDIENCE, &pod);
    assert!(pod_of(&token, "berth/berth-tracer-agent").is_some());
    for other in ["shop/berth-tracer-agent", "berth/agent", "/", "berth/"] {
        assert_eq!(pod_of(&token, other), None, "{other}");
    }
}

#[test]
fn the_scheme_is_required() {
    assert_eq!(bearer("Bearer abc"), Some("abc"));
    assert_eq!(bearer("bearer abc"), Some("abc"));
    assert_eq!(bearer("abc"), None);
    assert_eq!(bearer("Bearer "), None);
    assert_eq!(bearer("Basic abc"), None);
}

#[tokio::test]
async fn tokens_of_nodes_and_the_shared_one_are_told_apart() {
    let now = Timestamp::UNIX_EPOCH;
    let mut identities = Identities::default();
    assert_eq!(identities.identify(None, now).await, Ok(Caller::Anyone));
    identities.shared = Some("together".into());
    identities.nodes = read_tokens("# tokens\nworker-1 one\n\nworker-2  two\n").unwrap();
    let ask = async |token: &str| identities.identify(Some(token), now).await;
    assert_eq!(
        ask("Bearer two").await,
        Ok(Caller::Node("worker-2".to_owned()))
    );
    assert_eq!(ask("Bearer together").await, Ok(Caller::Shared));
    assert_eq!(ask("Bearer three").await, Err(Denied::Unauthorized));
    assert_eq!(ask("together").await, Err(Denied::Unauthorized));
    assert_eq!(
        identities.identify(None, now).await,
        Err(Denied::Unauthorized)
    );
    assert!(!format!("{identities:?}").contains("one"));
    assert_eq!(read_tokens("worker-1 a\nworker-2").err(), Some(2));
}
