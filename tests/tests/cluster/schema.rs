//! What the schema of `RegistryConfig` lets through and refuses, asked of a real API server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::registry_config;
use e2e::settings::{Settings, repository};
use e2e::{Cluster, api_scenario, eventually};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};

const SECRET: &str = "never-to-be-printed";

/// Where a value is put, what it is, and whether old and new servers take it.
struct Case(&'static str, Value, Verdict);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Accepted,
    Refused,
    /// By a CEL rule: old servers leave it to the operator.
    RefusedByCel,
}
use Verdict::{Accepted, Refused, RefusedByCel};

fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(
        "berth.dev",
        "v1alpha1",
        "RegistryConfig",
    ))
}

fn many(count: usize, value: &Value) -> Value {
    (0..count)
        .map(|number| (format!("host{number}.internal"), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn list(count: usize, value: &Value) -> Value {
    vec![value.clone(); count].into()
}

fn spec_cases() -> Vec<Case> {
    vec![
        Case("/spec/nodeSelector", json!({}), Accepted),
        Case("/spec/nodeSelector", Value::Null, Refused),
        Case(
            "/spec/nodeSelector",
            json!({"matchLabels": {"a": "b"}}),
            Accepted,
        ),
        Case(
            "/spec/nodeSelector",
            json!({"matchLabels": many(64, &json!("b"))}),
            Accepted,
        ),
        Case(
            "/spec/nodeSelector",
            json!({"matchLabels": many(65, &json!("b"))}),
            Refused,
        ),
        Case(
            "/spec/nodeSelector",
            json!({"matchLabels": {"a": "b".repeat(64)}}),
            Refused,
        ),
        Case(
            "/spec/nodeSelector",
            json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]}),
            Accepted,
        ),
        Case(
            "/spec/nodeSelector",
            json!({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}),
            Refused,
        ),
        Case(
            "/spec/nodeSelector",
            json!({"matchExpressions": list(65, &json!({"key": "a", "operator": "Exists"}))}),
            Refused,
        ),
        Case("/spec/applyMode", json!("FileOnly"), Accepted),
        Case("/spec/applyMode", json!("Auto"), Refused),
        Case("/spec/deletionPolicy", json!("Retain"), Accepted),
        Case("/spec/deletionPolicy", json!("Delete"), Refused),
        Case("/spec/paused", json!(true), Accepted),
        Case("/spec/paused", json!("yes"), Refused),
        Case(
            "/spec/decryption",
            json!({"provider": "sops", "secretRef": {"name": "keys"}}),
            Accepted,
        ),
        Case(
            "/spec/decryption",
            json!({"provider": "vault", "secretRef": {"name": "keys"}}),
            Refused,
        ),
        Case(
            "/spec/decryption",
            json!({"provider": "sops", "secretRef": {"name": ""}}),
            Refused,
        ),
        Case("/spec/decryption", json!({"provider": "sops"}), Refused),
    ]
}

fn strategy_cases() -> Vec<Case> {
    let rolling = "/spec/updateStrategy/rollingUpdate";
    let max = |value: Value| json!({"maxUnavailable": value});
    let mut cases = vec![
        Case("/spec/updateStrategy/rollback", json!("Never"), Accepted),
        Case("/spec/updateStrategy/rollback", json!("Sometimes"), Refused),
        Case(rolling, json!({"minReadySeconds": 0}), Accepted),
        Case(rolling, json!({"minReadySeconds": -1}), Refused),
        Case(
            rolling,
            json!({"minReadySeconds": 86_401, "progressDeadlineSeconds": 86_400}),
            Refused,
        ),
        Case(
            rolling,
            json!({"minReadySeconds": 0, "progressDeadlineSeconds": 1}),
            Accepted,
        ),
        Case(
            rolling,
            json!({"minReadySeconds": 0, "progressDeadlineSeconds": 0}),
            Refused,
        ),
        Case(rolling, json!({"progressDeadlineSeconds": 86_401}), Refused),
        Case(
            rolling,
            json!({"minReadySeconds": 10, "progressDeadlineSeconds": 10}),
            RefusedByCel,
        ),
    ];
    for good in [
        json!(1),
        json!(10_000),
        json!("1%"),
        json!("25%"),
        json!("100%"),
    ] {
        cases.push(Case(rolling, max(good), Accepted));
    }
    for bad in [
        json!(0),
        json!(10_001),
        json!("0%"),
        json!("101%"),
        json!("5"),
        json!("05%"),
        json!(-1),
    ] {
        cases.push(Case(rolling, max(bad), Refused));
    }
    cases
}

fn mirror_cases() -> Vec<Case> {
    let mirrors = "/spec/registries/mirrors";
    let endpoint = |value: String| json!({"docker.io": {"endpoint": [value]}});
    let rewrite = |value: Value| json!({"docker.io": {"rewrite": value}});
    vec![
        Case(mirrors, Value::Null, Accepted),
        Case(mirrors, json!({"docker.io": null}), Accepted),
        Case(
            mirrors,
            json!({"*": {"endpoint": ["https://mirror.internal"]}}),
            Accepted,
        ),
        Case(mirrors, many(256, &json!({})), Accepted),
        Case(mirrors, many(257, &json!({})), Refused),
        Case(
            mirrors,
            json!({"docker.io": {"endpoint": list(16, &json!("a.internal"))}}),
            Accepted,
        ),
        Case(
            mirrors,
            json!({"docker.io": {"endpoint": list(17, &json!(SECRET))}}),
            Refused,
        ),
        Case(mirrors, json!({"docker.io": {"endpoint": SECRET}}), Refused),
        Case(
            mirrors,
            endpoint(format!("https://{}", "m".repeat(1016))),
            Accepted,
        ),
        Case(
            mirrors,
            endpoint(format!("https://{SECRET}{}", "m".repeat(1016))),
            RefusedByCel,
        ),
        Case(
            mirrors,
            endpoint(format!("https://user:{SECRET}@mirror.internal")),
            RefusedByCel,
        ),
        Case(
            mirrors,
            json!({format!("user:{SECRET}@docker.io"): {}}),
            RefusedByCel,
        ),
        Case(
            mirrors,
            rewrite(json!({"^library/(.*)$": "proxy/$1"})),
            Accepted,
        ),
        Case(mirrors, rewrite(many(32, &json!("$1"))), Accepted),
        Case(mirrors, rewrite(many(33, &json!("$1"))), Refused),
        Case(
            mirrors,
            rewrite(json!({"a": "b".repeat(513)})),
            RefusedByCel,
        ),
        Case(
            mirrors,
            rewrite(json!({"a".repeat(513): "b"})),
            RefusedByCel,
        ),
        Case(mirrors, rewrite(json!({"(": "b"})), RefusedByCel),
    ]
}

fn config_cases() -> Vec<Case> {
    let configs = "/spec/registries/configs";
    let auth = |value: Value| json!({"mirror.internal": {"auth": value}});
    let tls = |value: Value| json!({"mirror.internal": {"tls": value}});
    let mut cases = vec![
        Case(configs, json!({"mirror.internal": null}), Accepted),
        Case(configs, many(256, &json!({})), Accepted),
        Case(configs, many(257, &json!({})), Refused),
        Case(
            configs,
            json!({format!("user:{SECRET}@host"): {}}),
            RefusedByCel,
        ),
        Case(configs, auth(Value::Null), Accepted),
        Case(
            configs,
            auth(json!({"secretRef": {"name": "login"}})),
            Accepted,
        ),
        Case(configs, auth(json!({"secretRef": {"name": ""}})), Refused),
        Case(configs, auth(json!({})), RefusedByCel),
        Case(
            configs,
            tls(json!({"insecure_skip_verify": true})),
            Accepted,
        ),
        Case(
            configs,
            tls(json!({"insecure_skip_verify": "yes"})),
            Refused,
        ),
        Case(
            configs,
            tls(json!({"ca_file": "/etc/ssl/ca.pem"})),
            Accepted,
        ),
        Case(configs, tls(json!({"caRef": {"name": "ca"}})), Accepted),
        Case(
            configs,
            tls(json!({"caRef": {"name": "ca", "kind": "Secret", "key": "tls.crt"}})),
            Accepted,
        ),
        Case(
            configs,
            tls(json!({"caRef": {"name": "ca", "kind": "Node"}})),
            Refused,
        ),
        Case(
            configs,
            tls(json!({"caRef": {"name": "ca", "key": ""}})),
            Refused,
        ),
        Case(
            configs,
            tls(json!({"certificateRef": {"name": "client"}})),
            Accepted,
        ),
        Case(
            configs,
            tls(json!({"certificateRef": {"name": ""}})),
            Refused,
        ),
        Case(
            configs,
            tls(json!({"ca_file": "/a", "caRef": {"name": "ca"}})),
            RefusedByCel,
        ),
        Case(configs, tls(json!({"cert_file": "/a"})), RefusedByCel),
        Case(
            configs,
            tls(json!({"cert_file": "/a", "key_file": "/b", "certificateRef": {"name": "c"}})),
            RefusedByCel,
        ),
        Case(
            configs,
            tls(json!({"ca_file": format!("-----BEGIN PRIVATE KEY-----{SECRET}")})),
            RefusedByCel,
        ),
    ];
    for field in ["username", "password", "auth", "identity_token", "token"] {
        cases.push(Case(configs, auth(json!({field: SECRET})), Refused));
        cases.push(Case(
            configs,
            auth(json!({"secretRef": {"name": "login"}, field: SECRET})),
            Refused,
        ));
    }
    cases
}

fn source_cases() -> Vec<Case> {
    let from = "/spec/registriesFrom";
    let decrypting = json!({"secretRef": {"name": "a"}});
    vec![
        Case(from, list(16, &decrypting), Accepted),
        Case(from, list(17, &decrypting), Refused),
        Case(
            from,
            json!([{"secretRef": {"name": "a", "key": "b"}}]),
            Accepted,
        ),
        Case(
            from,
            json!([{"secretRef": {"name": "a", "key": ""}}]),
            Refused,
        ),
        Case(from, json!([{"secretRef": {"name": ""}}]), Refused),
        Case(from, json!([{"sops": ""}]), Refused),
        Case(from, json!([{}]), RefusedByCel),
        Case(
            from,
            json!([{"secretRef": {"name": "a"}, "sops": SECRET}]),
            RefusedByCel,
        ),
        Case(from, json!([{"sops": SECRET}]), RefusedByCel),
        Case(
            from,
            json!([{"sops": format!("{SECRET}{}", "x".repeat(262_144))}]),
            RefusedByCel,
        ),
    ]
}

fn object(Case(path, value, _): &Case) -> Result<DynamicObject> {
    let mut config = registry_config("schema");
    let (parent, key) = path.rsplit_once('/').context("no parent")?;
    let parent = config
        .pointer_mut(parent)
        .with_context(|| format!("the fixture has no {parent}"))?;
    parent[key] = value.clone();
    Ok(serde_json::from_value(config)?)
}

pub(crate) async fn install_crd(cluster: &Cluster, file: &str) -> Result<Api<DynamicObject>> {
    let path = repository().join("crds").join(file).display().to_string();
    cluster.tools.kubectl(&["create", "-f", &path]).await?;
    let configs = Api::<DynamicObject>::all_with(cluster.client.clone(), &resource());
    eventually("the new resource", Duration::from_secs(30), || async {
        configs
            .list(&kube::api::ListParams::default())
            .await
            .map(drop)
    })
    .await?;
    Ok(configs)
}

async fn every_case_ends_as_expected(configs: &Api<DynamicObject>, with_cel: bool) -> Result<()> {
    let try_only = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut wrong = Vec::new();
    for case in [
        spec_cases(),
        strategy_cases(),
        mirror_cases(),
        config_cases(),
        source_cases(),
    ]
    .into_iter()
    .flatten()
    {
        let expected = case.2 == Accepted || case.2 == RefusedByCel && !with_cel;
        let answer = configs.create(&try_only, &object(&case)?).await;
        let said = answer
            .as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default();
        let shown: String = case.1.to_string().chars().take(100).collect();
        if answer.is_ok() != expected {
            wrong.push(format!(
                "{} = {shown}: expected {:?}; {said}",
                case.0, case.2
            ));
        }
        if said.contains(SECRET) {
            wrong.push(format!(
                "{} = {shown}: the refusal repeats the value: {said}",
                case.0
            ));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bound_and_pattern_accepts_and_refuses_and_no_refusal_repeats_a_credential() {
    api_scenario(async |cluster: &mut Cluster| {
        let configs = install_crd(cluster, "registryconfigs-pre-1.25.yaml").await?;
        every_case_ends_as_expected(&configs, false).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_object_waits_for_the_operator_with_defaults_said_out_loud() {
    api_scenario(async |cluster: &mut Cluster| {
        let configs = install_crd(cluster, "registryconfigs-pre-1.25.yaml").await?;
        let minimal = json!({
            "apiVersion": "berth.dev/v1alpha1", "kind": "RegistryConfig", "metadata": {"name": "minimal"},
            "spec": {"nodeSelector": {}},
        });
        let created = configs.create(&PostParams::default(), &serde_json::from_value(minimal)?).await?;
        let condition = &created.data["status"]["conditions"][0];
        ensure!(
            (&condition["type"], &condition["status"], &condition["reason"])
                == (&json!("Ready"), &json!("Unknown"), &json!("Pending")),
            "{condition}"
        );
        let rolling = &created.data["spec"]["updateStrategy"]["rollingUpdate"];
        let expected = json!({"maxUnavailable": 1, "minReadySeconds": 10, "progressDeadlineSeconds": 600});
        ensure!(*rolling == expected, "{rolling}");
        let waited = cluster
            .tools
            .try_kubectl(&["wait", "registryconfig/minimal", "--for=condition=Ready", "--timeout=1s"], None)
            .await?;
        ensure!(!waited.success, "kubectl wait takes a new object for done");
        Ok(())
    })
    .await;
}

/// Runs where `KUBEBUILDER_ASSETS` names a server that knows CEL; `tests/run` counts it as skipped elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cel_rules_refuse_on_servers_that_know_them() -> Result<()> {
    let mut settings = Settings::from_env();
    settings.programs = settings
        .newer_programs
        .clone()
        .context("KUBEBUILDER_ASSETS names no API server")?;
    let cluster = Cluster::api_server_from(settings).await?;
    let configs = install_crd(&cluster, "registryconfigs.yaml").await?;
    every_case_ends_as_expected(&configs, true).await
}
