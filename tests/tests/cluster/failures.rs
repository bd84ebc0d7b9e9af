//! What a broken node and what bad input get.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{registry_config, secret, with_endpoint};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, eventually, operator, steadily};
use serde_json::{Value, json};

use super::support::{
    FILE, FOLDER, SOON, apply, condition, event, holding, installed, is_ready, nodes, pod_revision,
    revision, rolled_out, writers,
};

const FAULTS: [(&str, &str); 3] = [
    ("read-only", "FolderReadOnly"),
    ("full", "DiskFull"),
    ("rights", "PermissionDenied"),
];

fn grouped() -> Vec<NodeSpec> {
    FAULTS
        .iter()
        .flat_map(|(group, _)| {
            NodeSpec::workers(group, 2)
                .into_iter()
                .map(|node| node.label("group", group))
        })
        .collect()
}

fn of_group(group: &str) -> Value {
    let mut config = registry_config(group);
    config["spec"]["nodeSelector"] = json!({"matchLabels": {"group": group}});
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_node_holds_the_rollout_and_is_named_with_its_reason() {
    installed(grouped(), async |cluster: &mut Cluster| {
        for (group, _) in FAULTS {
            apply(cluster, &of_group(group)).await?;
        }
        for (group, _) in FAULTS {
            rolled_out(cluster, group).await?;
        }
        let all = nodes(cluster)?;
        for node in &all {
            match node.name.split_once('-').map(|(group, _)| group) {
                Some("read") => node.make_read_only(),
                Some("full") => node.fill_disk(FOLDER)?,
                _ => node.take_rights(FOLDER)?,
            }
        }
        for (group, _) in FAULTS {
            // As long as the disk allows it: a small change fits into a file that is already there.
            let long = format!("https://second.internal/{}", "x".repeat(900));
            apply(cluster, &with_endpoint(of_group(group), &long)).await?;
        }
        for (group, reason) in FAULTS {
            is_held(cluster, group, reason).await?;
        }
        for node in &all {
            node.heal();
            node.give_rights_back(FOLDER)?;
        }
        for (group, _) in FAULTS {
            rolled_out(cluster, group).await?;
        }
        ensure!(holding(&all, "https://second.internal").len() == all.len());
        Ok(())
    })
    .await;
}

async fn is_held(cluster: &Cluster, group: &str, reason: &str) -> Result<()> {
    let degraded = condition(cluster, group, "Degraded", "True", "NodesDegraded").await?;
    ensure!(
        degraded.message.contains(reason) && degraded.message.contains(&format!("{group}-")),
        "{}",
        degraded.message
    );
    event(cluster, group, "NodesDegraded", reason).await?;
    let wanted = revision(cluster, group).await?;
    let nodes: Vec<_> = nodes(cluster)?
        .into_iter()
        .filter(|node| node.name.starts_with(group))
        .collect();
    steadily(
        "one node tries and the other keeps what it has",
        Duration::from_secs(2),
        || async {
            let pods = writers(cluster, group).await?;
            let trying = pods
                .iter()
                .filter(|pod| pod_revision(pod) == Some(&wanted))
                .count();
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            ensure!(
                trying <= 1 && ready >= 1,
                "{trying} pods try, {ready} are ready"
            );
            let good = holding(&nodes, "https://mirror.internal:5000").len();
            ensure!(good == nodes.len(), "{good} nodes have the last good file");
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_writer_that_crashes_holds_the_rollout() {
    installed(
        NodeSpec::workers("worker", 3),
        async |cluster: &mut Cluster| {
            apply(cluster, &registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            let nodes = nodes(cluster)?;
            for node in &nodes {
                node.crash_image("node-writer");
            }
            apply(
                cluster,
                &with_endpoint(registry_config("default"), "https://second.internal"),
            )
            .await?;
            condition(cluster, "default", "Degraded", "True", "NodesDegraded").await?;
            ensure!(holding(&nodes, "https://mirror.internal:5000").len() == 3);
            for node in &nodes {
                node.heal();
            }
            rolled_out(cluster, "default").await?;
            ensure!(holding(&nodes, "https://second.internal").len() == 3);
            Ok(())
        },
    )
    .await;
}

/// The encrypted example, and a key that is not its own.
fn encrypted_for_somebody_else() -> Result<Bad> {
    let path = e2e::settings::repository().join("examples/sops/registryconfig.yaml");
    let example: Value = serde_yaml::from_str(&std::fs::read_to_string(path)?)?;
    let mut spec = example["spec"].clone();
    spec["nodeSelector"] = json!({});
    spec["decryption"]["secretRef"]["name"] = json!("other-keys");
    let key = std::process::Command::new("age-keygen")
        .output()
        .context("age-keygen is missing; tests/env/up installs it")?;
    let keys = secret(
        "other-keys",
        "Opaque",
        &[("other.agekey", &String::from_utf8(key.stdout)?)],
    );
    Ok(bad(
        vec![keys],
        "/spec",
        spec,
        "DecryptionFailed",
        &["spec.registriesFrom[0].sops"],
    ))
}

/// One bad input: objects to make first, the change of the spec, the reason, and what the message must name.
struct Bad {
    objects: Vec<Value>,
    field: &'static str,
    value: Value,
    reason: &'static str,
    names: &'static [&'static str],
}

const CREDENTIAL: &str = "never-in-a-condition";

fn bad(
    objects: Vec<Value>,
    field: &'static str,
    value: Value,
    reason: &'static str,
    names: &'static [&'static str],
) -> Bad {
    Bad {
        objects,
        field,
        value,
        reason,
        names,
    }
}

fn config_map(name: &str, key: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": operator::NAMESPACE}, "data": {key: value},
    })
}

fn bad_documents() -> Vec<Bad> {
    let opaque = |name: &str, text: &str| secret(name, "Opaque", &[("registries.yaml", text)]);
    let from = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| json!({"secretRef": {"name": name}}))
            .collect()
    };
    let unreadable = format!("configs:\n  a:\n    auth: {{password: {CREDENTIAL}\n mirrors: [");
    let clear_sops = format!("configs: {{a: {{auth: {{password: {CREDENTIAL}}}}}}}\n");
    let huge = (0..7000)
        .map(|number| {
            format!("  h{number}.internal: {{endpoint: [\"https://{number:0>64}.internal\"]}}\n")
        })
        .collect::<Vec<_>>()
        .concat();
    let (first, second) = (
        format!("mirrors:\n{huge}"),
        format!("mirrors:\n{}", huge.replace("  h", "  g")),
    );
    let from_field = "/spec/registriesFrom";
    vec![
        bad(
            vec![opaque("unreadable", &unreadable)],
            from_field,
            from(&["unreadable"]),
            "InvalidSpec",
            &["spec.registriesFrom[0]"],
        ),
        bad(
            vec![],
            from_field,
            from(&["absent"]),
            "ReferenceNotFound",
            &["spec.registriesFrom[0]", "absent"],
        ),
        bad(
            vec![secret("keyless", "Opaque", &[("other", "x")])],
            from_field,
            from(&["keyless"]),
            "ReferenceNotFound",
            &["spec.registriesFrom[0]", "registries.yaml"],
        ),
        bad(
            vec![opaque("first", &first), opaque("second", &second)],
            from_field,
            from(&["first", "second"]),
            "ConfigTooLarge",
            &["1048576"],
        ),
        bad(
            vec![secret("age-keys", "Opaque", &[("other.txt", "x")])],
            "/spec",
            json!({
                "nodeSelector": {}, "registriesFrom": [{"sops": clear_sops}],
                "decryption": {"provider": "sops", "secretRef": {"name": "age-keys"}},
            }),
            "InvalidSpec",
            &["spec.registriesFrom[0].sops"],
        ),
    ]
}

fn bad_references() -> Vec<Bad> {
    let auth = |name: &str| json!({"mirror.internal": {"auth": {"secretRef": {"name": name}}}});
    let tls = |value: Value| json!({"mirror.internal": {"tls": value}});
    let configs = "/spec/registries/configs";
    vec![
        bad(
            vec![],
            configs,
            auth("absent"),
            "ReferenceNotFound",
            &["auth.secretRef", "absent"],
        ),
        bad(
            vec![secret(
                "opaque",
                "Opaque",
                &[("username", "u"), ("password", CREDENTIAL)],
            )],
            configs,
            auth("opaque"),
            "InvalidSpec",
            &["auth.secretRef", "kubernetes.io/basic-auth"],
        ),
        bad(
            vec![],
            configs,
            tls(json!({"caRef": {"name": "absent"}})),
            "ReferenceNotFound",
            &["tls.caRef", "absent"],
        ),
        bad(
            vec![config_map("no-pem", "ca.crt", CREDENTIAL)],
            configs,
            tls(json!({"caRef": {"name": "no-pem"}})),
            "InvalidSpec",
            &["tls.caRef"],
        ),
        bad(
            vec![config_map("no-key", "other", "x")],
            configs,
            tls(json!({"caRef": {"name": "no-key"}})),
            "ReferenceNotFound",
            &["tls.caRef", "ca.crt"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_named_with_its_field_and_the_last_good_file_stays() {
    installed(
        NodeSpec::workers("worker", 2),
        async |cluster: &mut Cluster| {
            let mut wrong = Vec::new();
            for bad in bad_documents()
                .into_iter()
                .chain(bad_references())
                .chain([encrypted_for_somebody_else()?])
            {
                if let Err(error) = is_refused(cluster, &bad).await {
                    wrong.push(format!("{} {:?}: {error:#}", bad.field, bad.names));
                }
            }
            ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
            Ok(())
        },
    )
    .await;
}

async fn is_refused(cluster: &Cluster, bad: &Bad) -> Result<()> {
    apply(cluster, &registry_config("default")).await?;
    rolled_out(cluster, "default").await?;
    let good = revision(cluster, "default").await?;
    for object in &bad.objects {
        // Too large for the annotation that `kubectl apply` keeps.
        cluster
            .tools
            .try_kubectl(&["create", "-f", "-"], Some(&object.to_string()))
            .await?;
    }
    let mut config = registry_config("default");
    let (parent, key) = bad.field.rsplit_once('/').context("no parent")?;
    let parent = if parent.is_empty() {
        &mut config
    } else {
        config.pointer_mut(parent).context("no parent")?
    };
    parent[key] = bad.value.clone();
    apply(cluster, &config).await?;
    let stalled = condition(cluster, "default", "Stalled", "True", bad.reason).await?;
    for name in bad.names {
        ensure!(
            stalled.message.contains(name),
            "the message does not name {name}: {}",
            stalled.message
        );
    }
    ensure!(
        !stalled.message.contains(CREDENTIAL),
        "the message repeats a credential: {}",
        stalled.message
    );
    condition(cluster, "default", "Ready", "False", bad.reason).await?;
    event(cluster, "default", bad.reason, bad.names[0]).await?;
    let nodes = nodes(cluster)?;
    ensure!(
        holding(&nodes, "https://mirror.internal:5000").len() == 2,
        "the good file is gone"
    );
    let kept = super::support::configs(cluster)
        .get("default")
        .await?
        .status
        .and_then(|status| status.last_good_revision);
    ensure!(
        kept.as_deref() == Some(&good),
        "lastGoodRevision is {kept:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_the_node_is_undone() {
    installed(
        NodeSpec::workers("worker", 1),
        async |cluster: &mut Cluster| {
            apply(cluster, &registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            let node = cluster.kubelet()?.node("worker-0")?;
            let good = node.read(FILE).context("no file")?;
            node.write(FILE, "mirrors: {}\n")?;
            let is_back = || {
                let now = node.read(FILE);
                let same = now.as_deref() == Some(&good);
                async move {
                    if same {
                        Ok(())
                    } else {
                        Err(format!("{now:?}"))
                    }
                }
            };
            eventually("the repaired file", SOON, is_back).await?;
            std::fs::remove_file(node.path(FILE))?;
            eventually("the file that was deleted", SOON, is_back).await
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_keeps_changing_is_left_and_reported() {
    installed(
        NodeSpec::workers("worker", 1),
        async |cluster: &mut Cluster| {
            apply(cluster, &registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            let node = cluster.kubelet()?.node("worker-0")?;
            let good = node.read(FILE).context("no file")?;
            for _ in 0..3 {
                node.write(FILE, "mirrors: {}\n")?;
                eventually("a repair", SOON, || {
                    let same = node.read(FILE).as_deref() == Some(&good);
                    async move { if same { Ok(()) } else { Err("not yet") } }
                })
                .await?;
            }
            node.write(FILE, "mirrors: {}\n")?;
            let degraded =
                condition(cluster, "default", "Degraded", "True", "NodesDegraded").await?;
            ensure!(
                degraded.message.contains("FileContested"),
                "{}",
                degraded.message
            );
            Ok(())
        },
    )
    .await;
}
