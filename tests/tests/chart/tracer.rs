//! The tracer's part of the chart: every value arrives, mounts fit the runtime, and nobody gets a right too many.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::settings::Settings;
use e2e::{Cluster, api_scenario};
use serde_json::{Value, json};

use super::helm::{Rendered, at, chart, helm, template, template_with};

const ON: [&str; 2] = ["--set", "tracer.enabled=true"];

fn values() -> Value {
    json!({
        "imagePullSecrets": [{"name": "login"}],
        "tracer": {
            "enabled": true, "runtime": "rke2", "logFormat": "text", "logLevel": "debug",
            "agent": {
                "image": {"registry": "mirror:5000", "repository": "a/agent", "tag": "1", "pullPolicy": "Always"},
                "socket": "/run/other/c.sock", "certsD": "/etc/other/certs.d", "namespaces": ["k8s.io", "default"],
                "reportInterval": "700ms", "maxUnavailable": 7,
                "podLabels": {"team": "a"}, "podAnnotations": {"note": "b"}, "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "t"}], "affinity": {"nodeAffinity": {}}, "priorityClassName": "low",
                "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "2m", "memory": "3Mi"}},
            },
            "server": {
                "image": {"registry": "mirror:5000", "repository": "a/server", "digest": "sha256:00", "pullPolicy": "Never"},
                "replicas": 2, "streamReaders": 9, "service": {"type": "NodePort", "port": 81, "annotations": {"s": "v"}},
                "podLabels": {"team": "c"}, "podAnnotations": {"note": "d"}, "nodeSelector": {"zone": "x"},
                "tolerations": [{"key": "u"}], "affinity": {"podAntiAffinity": {}}, "priorityClassName": "high",
                "resources": {"limits": {"memory": "4Gi"}, "requests": {"cpu": "5m", "memory": "6Mi"}},
            },
            "history": {"ttl": "99m", "pulls": 11, "pullsPerNode": 7, "mib": 5, "persistence": {"enabled": true, "size": "7Gi", "storageClassName": "fast"}},
            "watchNamespaces": ["shop", "bank"],
            "tls": {"secretName": "pair"}, "legacyAgents": {"secretName": "shared", "key": "word"},
            "otlp": {"endpoint": "http://collector:4317"},
            "ingress": {
                "enabled": true, "className": "traefik", "annotations": {"i": "w"}, "hosts": ["pulls.example.com"],
                "tls": [{"hosts": ["pulls.example.com"], "secretName": "edge"}],
            },
            "networkPolicy": {
                "enabled": true, "readersFrom": [{"podSelector": {"matchLabels": {"app": "portal"}}}],
                "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
                "serverEgress": [{"ports": [{"port": 4318}]}],
            },
            "podDisruptionBudget": {"enabled": true, "maxUnavailable": "50%"},
            "serviceMonitor": {"enabled": true, "labels": {"monitor": "e"}, "interval": "7s"},
            "prometheusRule": {"enabled": true, "labels": {"rule": "f"}},
        },
    })
}

fn tracer(rendered: &Rendered) -> Result<(&Value, &Value)> {
    let agent = rendered.named("DaemonSet", "berth-tracer-agent")?;
    let server = rendered.named("StatefulSet", "berth-tracer")?;
    Ok((agent, server))
}

fn variable<'a>(object: &'a Value, name: &str) -> &'a Value {
    let variables = object["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
    let mut variables = variables.into_iter().flatten();
    variables
        .find(|variable| variable["name"] == name)
        .map_or(&Value::Null, |variable| &variable["value"])
}

/// Where each folder of the host is seen, and whether it can be written to.
fn host_mounts(agent: &Value) -> Vec<(String, String, bool)> {
    let pod = &agent["spec"]["template"]["spec"];
    let mut found = Vec::new();
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let Some(path) = volume["hostPath"]["path"].as_str() else {
            continue;
        };
        let mounts = pod["containers"][0]["volumeMounts"].as_array();
        for mount in mounts.into_iter().flatten() {
            if mount["name"] == volume["name"] {
                let point = mount["mountPath"].as_str().unwrap_or_default();
                found.push((path.to_owned(), point.to_owned(), mount["readOnly"] == true));
            }
        }
    }
    found
}

#[test]
fn the_tracer_comes_only_when_it_is_asked_for_and_then_with_agents() -> Result<()> {
    let without = template(&[])?;
    let text = Value::from(without.0).to_string();
    ensure!(!text.contains("tracer"), "{text}");
    let with = template(&ON)?;
    tracer(&with)?;
    Ok(())
}

#[test]
fn helm_finds_nothing_to_complain_about_in_the_tracer() -> Result<()> {
    let file = super::helm::values_file(&serde_yaml::to_string(&values())?)?;
    let path = file.path().display().to_string();
    helm(&["lint", "--strict", &chart(), "--values", &path])?;
    helm(&[&["lint", "--strict", &chart()], &ON[..]].concat())?;
    Ok(())
}

#[test]
fn each_runtime_has_its_folder_below_host_and_never_its_socket() -> Result<()> {
    const K3S: &str = "/run/k3s/containerd";
    for (arguments, folders, certs_d, told) in [
        (
            &["--set", "tracer.runtime=k3s"][..],
            &[K3S][..],
            "/var/lib/rancher/k3s/agent/etc/containerd/certs.d",
            "k3s",
        ),
        (
            &["--set", "tracer.runtime=rke2"],
            &[K3S],
            "/var/lib/rancher/rke2/agent/etc/containerd/certs.d",
            "rke2",
        ),
        (
            &["--set", "tracer.runtime=containerd"],
            &["/run/containerd"],
            "/etc/containerd/certs.d",
            "containerd",
        ),
        (
            &["--set", "tracer.runtime=k0s"],
            &["/run/k0s"],
            "/etc/containerd/certs.d",
            "k0s",
        ),
        (
            &["--set", "tracer.runtime=microk8s"],
            &["/var/snap/microk8s/common/run"],
            "/var/snap/microk8s/current/args/certs.d",
            "microk8s",
        ),
        (
            &["--kube-version", "1.33.3+k3s1"],
            &[K3S],
            "/var/lib/rancher/k3s/agent/etc/containerd/certs.d",
            "k3s",
        ),
        (
            &["--kube-version", "1.33.3+rke2r1"],
            &[K3S],
            "/var/lib/rancher/rke2/agent/etc/containerd/certs.d",
            "rke2",
        ),
        (
            &["--set", "distribution=rke2"],
            &[K3S],
            "/var/lib/rancher/rke2/agent/etc/containerd/certs.d",
            "rke2",
        ),
        (
            &["--kube-version", "1.33.3"],
            &["/run/containerd", K3S, "/run/k0s"],
            "/etc/containerd/certs.d",
            "auto",
        ),
        (
            &["--set", "tracer.agent.socket=/srv/c/containerd.sock"],
            &["/srv/c"],
            "/etc/containerd/certs.d",
            "auto",
        ),
    ] {
        let rendered = template(&[&ON[..], arguments].concat())?;
        let (agent, _) = tracer(&rendered)?;
        let mut expected: Vec<_> = folders.iter().map(|folder| (*folder).to_owned()).collect();
        expected.push(certs_d.to_owned());
        let expected: Vec<_> = expected
            .into_iter()
            .map(|folder| (folder.clone(), format!("/host{folder}"), true))
            .collect();
        ensure!(
            host_mounts(agent) == expected,
            "{arguments:?}: {:?}",
            host_mounts(agent)
        );
        ensure!(
            variable(agent, "BERTH_TRACER_RUNTIME") == told,
            "{arguments:?}"
        );
        ensure!(variable(agent, "BERTH_TRACER_HOST_PREFIX") == "/host");
    }
    Ok(())
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a row for each value")]
fn every_value_of_the_tracer_reaches_its_pods() -> Result<()> {
    let rendered = template_with(&serde_yaml::to_string(&values())?, &[])?;
    let (agent, server) = tracer(&rendered)?;
    for (object, name, expected) in [
        (
            agent,
            "BERTH_TRACER_SERVER_URL",
            "https://berth-tracer-0.berth-tracer-servers.berth-system.svc:8080,\
             https://berth-tracer-1.berth-tracer-servers.berth-system.svc:8080",
        ),
        (
            agent,
            "BERTH_TRACER_TOKEN_FILE",
            "/var/run/secrets/berth-tracer/token",
        ),
        (
            agent,
            "BERTH_TRACER_CA_FILE",
            "/var/run/secrets/berth-tracer-ca/ca.crt",
        ),
        (agent, "BERTH_TRACER_RUNTIME", "rke2"),
        (agent, "BERTH_TRACER_SOCKET", "/run/other/c.sock"),
        (agent, "BERTH_TRACER_CERTS_D", "/etc/other/certs.d"),
        (agent, "BERTH_TRACER_NAMESPACES", "k8s.io,default"),
        (agent, "BERTH_TRACER_REPORT_INTERVAL", "700ms"),
        (agent, "BERTH_LOG_FORMAT", "text"),
        (agent, "BERTH_LOG_LEVEL", "debug"),
        (server, "BERTH_TRACER_HISTORY_TTL", "99m"),
        (
            server,
            "BERTH_TRACER_WATCH_NAMESPACES",
            "shop,bank,berth-system",
        ),
        (
            server,
            "BERTH_TRACER_AGENT_ACCOUNT",
            "berth-system/berth-tracer-agent",
        ),
        (server, "BERTH_TRACER_WRITER_NAMESPACE", "berth-system"),
        (
            server,
            "BERTH_TRACER_TLS_CERT",
            "/var/run/secrets/berth-tracer-tls/tls.crt",
        ),
        (
            server,
            "BERTH_TRACER_TLS_KEY",
            "/var/run/secrets/berth-tracer-tls/tls.key",
        ),
        (server, "BERTH_TRACER_LEGACY_AGENTS", "true"),
        (server, "BERTH_TRACER_HISTORY_PULLS", "11"),
        (server, "BERTH_TRACER_HISTORY_PULLS_PER_NODE", "7"),
        (server, "BERTH_TRACER_HISTORY_MIB", "5"),
        (
            server,
            "BERTH_TRACER_HISTORY_FOLDER",
            "/var/lib/berth-tracer",
        ),
        (server, "BERTH_TRACER_STREAM_READERS", "9"),
        (server, "BERTH_TRACER_TOKEN_REVIEW", "true"),
        (
            server,
            "BERTH_TRACER_OTLP_ENDPOINT",
            "http://collector:4317",
        ),
        (server, "BERTH_TRACER_LOG_FORMAT", "text"),
        (server, "BERTH_TRACER_LOG_LEVEL", "debug"),
    ] {
        ensure!(
            variable(object, name) == expected,
            "{name}: {}",
            variable(object, name)
        );
    }
    let pod = "/spec/template/spec";
    let both = |path: &str| format!("{pod}{path}");
    let service = rendered.named("Service", "berth-tracer")?;
    let ingress = rendered.only("Ingress")?;
    let policy = rendered.named("NetworkPolicy", "berth-tracer")?;
    let own = rendered.named("NetworkPolicy", "berth-tracer-agent")?;
    let scraper = json!([{"podSelector": {"matchLabels": {"app": "prometheus"}}}]);
    for (object, path, expected) in [
        (
            agent,
            both("/containers/0/image"),
            json!("mirror:5000/a/agent:1"),
        ),
        (
            agent,
            both("/containers/0/imagePullPolicy"),
            json!("Always"),
        ),
        (
            agent,
            both("/containers/0/resources/limits/memory"),
            json!("2Gi"),
        ),
        (
            agent,
            "/spec/updateStrategy/rollingUpdate/maxUnavailable".into(),
            json!(7),
        ),
        (
            agent,
            "/spec/template/metadata/labels/team".into(),
            json!("a"),
        ),
        (
            agent,
            "/spec/template/metadata/annotations/note".into(),
            json!("b"),
        ),
        (agent, both("/nodeSelector"), json!({"disk": "ssd"})),
        (agent, both("/tolerations"), json!([{"key": "t"}])),
        (agent, both("/affinity"), json!({"nodeAffinity": {}})),
        (agent, both("/priorityClassName"), json!("low")),
        (agent, both("/imagePullSecrets"), json!([{"name": "login"}])),
        (
            server,
            both("/imagePullSecrets"),
            json!([{"name": "login"}]),
        ),
        (
            server,
            both("/containers/0/image"),
            json!("mirror:5000/a/server@sha256:00"),
        ),
        (
            server,
            both("/containers/0/imagePullPolicy"),
            json!("Never"),
        ),
        (
            server,
            both("/containers/0/resources/limits/memory"),
            json!("4Gi"),
        ),
        (server, "/spec/replicas".into(), json!(2)),
        (
            server,
            "/spec/template/metadata/labels/team".into(),
            json!("c"),
        ),
        (
            server,
            "/spec/template/metadata/annotations/note".into(),
            json!("d"),
        ),
        (server, both("/nodeSelector"), json!({"zone": "x"})),
        (server, both("/tolerations"), json!([{"key": "u"}])),
        (server, both("/affinity"), json!({"podAntiAffinity": {}})),
        (server, both("/priorityClassName"), json!("high")),
        (
            server,
            "/spec/volumeClaimTemplates/0/spec/resources/requests/storage".into(),
            json!("7Gi"),
        ),
        (
            server,
            "/spec/volumeClaimTemplates/0/spec/storageClassName".into(),
            json!("fast"),
        ),
        (service, "/spec/type".into(), json!("NodePort")),
        (service, "/spec/ports/0/port".into(), json!(81)),
        (service, "/metadata/annotations/s".into(), json!("v")),
        (ingress, "/spec/ingressClassName".into(), json!("traefik")),
        (ingress, "/metadata/annotations/i".into(), json!("w")),
        (
            ingress,
            "/spec/rules/0/host".into(),
            json!("pulls.example.com"),
        ),
        (ingress, "/spec/tls/0/secretName".into(), json!("edge")),
        (
            policy,
            "/spec/ingress/1/from".into(),
            json!([{"podSelector": {"matchLabels": {"app": "portal"}}}]),
        ),
        (policy, "/spec/ingress/2/from".into(), scraper.clone()),
        (
            policy,
            "/spec/egress/1".into(),
            json!({"ports": [{"port": 4318}]}),
        ),
        (own, "/spec/ingress/0/from".into(), scraper),
        (
            rendered.only("PodDisruptionBudget")?,
            "/spec/maxUnavailable".into(),
            json!("50%"),
        ),
        (
            rendered.only("ServiceMonitor")?,
            "/metadata/labels/monitor".into(),
            json!("e"),
        ),
        (
            rendered.only("ServiceMonitor")?,
            "/spec/endpoints/0/interval".into(),
            json!("7s"),
        ),
        (
            rendered.only("PodMonitor")?,
            "/spec/podMetricsEndpoints/0/interval".into(),
            json!("7s"),
        ),
        (
            rendered.only("PrometheusRule")?,
            "/metadata/labels/rule".into(),
            json!("f"),
        ),
    ] {
        let found = at(object, &path)?;
        ensure!(*found == expected, "{} {path}: {found}", object["kind"]);
    }
    Ok(())
}

/// Every leaf below `tracer:` changes what is rendered, so that none is without effect.
#[test]
fn no_value_of_the_tracer_is_without_effect() -> Result<()> {
    let text =
        std::fs::read_to_string(e2e::settings::repository().join("charts/berth/values.yaml"))?;
    let defaults: Value = serde_yaml::from_str(&text)?;
    let mut given = Vec::new();
    leaves(&values()["tracer"], &defaults["tracer"], "", &mut given);
    let mut known = Vec::new();
    leaves(&defaults["tracer"], &defaults["tracer"], "", &mut known);
    let with = Value::from(template_with(&serde_yaml::to_string(&values())?, &[])?.0);
    // A tag and a digest exclude each other, so each image has one of them.
    let excused = ["/agent/image/digest", "/server/image/tag"];
    for path in known
        .iter()
        .filter(|path| !excused.contains(&path.as_str()))
    {
        ensure!(given.contains(path), "no test gives {path}");
        let mut changed = values();
        let place = format!("/tracer{path}");
        let default = defaults.pointer(&place).context("no default")?.clone();
        let leaf = changed.pointer_mut(&place).context("no value")?;
        ensure!(*leaf != default, "{place} is the default");
        if path == "/enabled" {
            continue;
        }
        // No host is no Ingress, which the chart refuses.
        *leaf = if path == "/ingress/hosts" {
            json!(["other"])
        } else {
            default
        };
        let without = Value::from(template_with(&serde_yaml::to_string(&changed)?, &[])?.0);
        ensure!(with != without, "{place} is without effect");
    }
    Ok(())
}

/// A map that holds something by default is taken apart, any other value is a leaf.
fn leaves(value: &Value, shape: &Value, path: &str, found: &mut Vec<String>) {
    const WHOLE: [&str; 1] = ["resources"];
    match (value.as_object(), shape.as_object()) {
        (Some(map), Some(shape))
            if !shape.is_empty() && !WHOLE.iter().any(|name| path.ends_with(name)) =>
        {
            for (name, value) in map {
                leaves(value, &shape[name], &format!("{path}/{name}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn an_agent_has_a_token_for_the_tracer_only_and_no_capability() -> Result<()> {
    let rendered = template(&ON)?;
    let (agent, server) = tracer(&rendered)?;
    let account = rendered.named("ServiceAccount", "berth-tracer-agent")?;
    ensure!(account["automountServiceAccountToken"] == false);
    let pod = &agent["spec"]["template"]["spec"];
    ensure!(pod["automountServiceAccountToken"] == false);
    let sources: Vec<_> = pod["volumes"].as_array().into_iter().flatten().collect();
    let tokens: Vec<_> = sources
        .iter()
        .filter_map(|volume| volume.pointer("/projected/sources"))
        .collect();
    let expected = json!([{"serviceAccountToken": {"audience": "berth-tracer", "expirationSeconds": 3600, "path": "token"}}]);
    ensure!(tokens == [&expected], "{tokens:?}");
    for (key, expected) in [
        ("hostNetwork", Value::Null),
        ("hostPID", Value::Null),
        ("hostIPC", Value::Null),
    ] {
        ensure!(pod[key] == expected, "{key}");
    }
    let hardened = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
    });
    for (object, port) in [(agent, "http"), (server, "metrics")] {
        let pod = &object["spec"]["template"]["spec"];
        ensure!(pod["containers"][0]["securityContext"] == hardened, "{pod}");
        ensure!(
            pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
            "{pod}"
        );
        for probe in ["livenessProbe", "readinessProbe"] {
            ensure!(
                pod["containers"][0][probe]["httpGet"]["port"] == port,
                "{probe}"
            );
        }
    }
    ensure!(pod["securityContext"]["runAsUser"] == 0);
    let pod = &server["spec"]["template"]["spec"];
    ensure!(
        pod["securityContext"]["runAsNonRoot"] == true
            && pod["securityContext"]["runAsUser"] == 65532
    );
    Ok(())
}

#[test]
fn readers_find_one_service_with_an_address_and_agents_one_without() -> Result<()> {
    let rendered = template(&ON)?;
    let services: Vec<_> = rendered
        .all("Service")
        .into_iter()
        .filter(|service| {
            let labels = &service["metadata"]["labels"];
            labels["app.kubernetes.io/part-of"] == "berth"
                && labels["app.kubernetes.io/component"] == "tracer-server"
        })
        .collect();
    let headless = |service: &&&Value| service["spec"]["clusterIP"] == "None";
    ensure!(services.len() == 2 && services.iter().filter(headless).count() == 1);
    let (_, server) = tracer(&rendered)?;
    let name = &server["spec"]["serviceName"];
    let governing = services
        .iter()
        .find(headless)
        .context("no headless Service")?;
    ensure!(governing["metadata"]["name"] == *name, "{name}");
    ensure!(
        services
            .iter()
            .all(|service| service["spec"]["ports"][0]["name"] == "http")
    );
    Ok(())
}

#[test]
fn alerts_of_the_tracer_name_the_command_that_explains() -> Result<()> {
    let rendered = template(&[&ON[..], &["--set", "tracer.prometheusRule.enabled=true"]].concat())?;
    let rules = at(rendered.only("PrometheusRule")?, "/spec/groups/0/rules")?;
    let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(rules.len() == 2, "{} alerts", rules.len());
    let mend = rules[0]["annotations"]["description"]
        .as_str()
        .unwrap_or_default();
    ensure!(mend.contains("`berth explain IMAGE`"), "{mend}");
    Ok(())
}

#[test]
fn an_ingress_without_a_host_is_refused() {
    let refused = template(&[&ON[..], &["--set", "tracer.ingress.enabled=true"]].concat());
    let told = refused.map(drop).unwrap_err().to_string();
    assert!(told.contains("tracer.ingress.hosts names nobody"), "{told}");
}

/// What the chart sets is what the programs read, so that no value is without effect there either.
#[test]
fn the_tracers_programs_know_every_variable_of_the_chart() -> Result<()> {
    let rendered = template_with(&serde_yaml::to_string(&values())?, &[])?;
    let (agent, server) = tracer(&rendered)?;
    for (object, program) in [
        (agent, "berth-tracer-agent"),
        (server, "berth-tracer-server"),
    ] {
        let program = Settings::from_env().binary(program)?;
        let help = Command::new(program).arg("--help").env_clear().output()?;
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let variables = at(object, "/spec/template/spec/containers/0/env")?;
        for variable in variables.as_array().into_iter().flatten() {
            let name = variable["name"].as_str().unwrap_or_default();
            // Help is broken into lines anywhere but within a name.
            let known = help.contains(&format!("{name}=")) || help.contains(&format!("{name}]"));
            ensure!(known, "{name} is unknown:\n{help}");
        }
    }
    Ok(())
}

/// A real API server takes every object and grants exactly what is wanted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tracer_may_read_pods_and_events_and_review_tokens_and_its_agents_may_nothing() {
    api_scenario(async |cluster: &mut Cluster| {
        cluster
            .tools
            .kubectl(&["create", "namespace", "berth-system"])
            .await?;
        let whole = helm(
            &[
                &[
                    "template",
                    "berth",
                    &chart(),
                    "--namespace",
                    "berth-system",
                    "--kube-version",
                    "1.20.2",
                    "--no-hooks",
                ],
                &ON[..],
                &[
                    "--set",
                    "tracer.networkPolicy.enabled=true",
                    "--set",
                    "tracer.podDisruptionBudget.enabled=true",
                ],
                &[
                    "--set",
                    "tracer.ingress.enabled=true",
                    "--set",
                    "tracer.ingress.hosts={pulls.example.com}",
                ],
            ]
            .concat(),
        )?;
        let file = cluster.folder().join("tracer.yaml");
        std::fs::write(&file, whole)?;
        let file = file.display().to_string();
        for _ in 0..2 {
            cluster
                .tools
                .kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file])
                .await?;
        }
        let server = "--as=system:serviceaccount:berth-system:berth-tracer";
        let agent = "--as=system:serviceaccount:berth-system:berth-tracer-agent";
        for (account, verb, resource, granted) in [
            (server, "list", "pods", true),
            (server, "watch", "events", true),
            (server, "list", "registryconfigs.berth.dev", true),
            (server, "create", "tokenreviews.authentication.k8s.io", true),
            (server, "get", "secrets", false),
            (server, "list", "secrets", false),
            (server, "list", "nodes", false),
            (server, "list", "configmaps", false),
            (server, "create", "pods", false),
            (server, "create", "events", false),
            (server, "update", "registryconfigs.berth.dev", false),
            (agent, "list", "pods", false),
            (agent, "get", "secrets", false),
            (agent, "create", "tokenreviews.authentication.k8s.io", false),
        ] {
            // `can-i` answers no with a failure.
            let answer = cluster
                .tools
                .kubectl(&["auth", "can-i", verb, resource, "--all-namespaces", account])
                .await;
            ensure!(
                answer.is_ok() == granted,
                "{account} {verb} {resource}: {answer:?}"
            );
        }
        Ok(())
    })
    .await;
}
