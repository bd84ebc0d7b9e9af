//! What the chart lets the operator and the node-writer do, asked of a real API server.

use anyhow::{Result, ensure};
use e2e::kubelet::NodeSpec;
use e2e::{Cluster, operator};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;

use super::support::{apply, installed, rolled_out, writers};

const OWN: &str = operator::NAMESPACE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_may_do_its_work_and_read_secrets_nowhere_else() {
    installed(
        NodeSpec::workers("worker", 1),
        async |cluster: &mut Cluster| {
            let account = operator_account(cluster).await?;
            let cases = [
                ("get", "secrets", OWN, true),
                ("list", "secrets", OWN, true),
                ("create", "secrets", OWN, true),
                ("get", "secrets", "default", false),
                ("list", "secrets", "default", false),
                ("get", "secrets", "kube-system", false),
                ("get", "configmaps", OWN, true),
                ("get", "configmaps", "default", false),
                ("create", "configmaps", OWN, false),
                ("patch", "daemonsets.apps", OWN, true),
                ("patch", "daemonsets.apps", "default", false),
                ("get", "pods", OWN, true),
                ("create", "pods", OWN, false),
                ("delete", "pods", OWN, false),
                ("create", "pods/exec", OWN, false),
                ("create", "events", "default", true),
                ("list", "events", "default", false),
                ("list", "nodes", "", true),
                ("patch", "nodes", "", false),
                ("patch", "registryconfigs.berth.dev/status", "", true),
                ("impersonate", "users", "", false),
                (
                    "create",
                    "clusterrolebindings.rbac.authorization.k8s.io",
                    "",
                    false,
                ),
                ("create", "serviceaccounts/token", OWN, false),
            ];
            let mut wrong = Vec::new();
            for (verb, resource, namespace, expected) in cases {
                if may(cluster, &account, verb, resource, namespace).await? != expected {
                    wrong.push(format!(
                        "{verb} {resource} in {namespace:?} should be {expected}"
                    ));
                }
            }
            ensure!(wrong.is_empty(), "{}", wrong.join("\n"));

            let acting = cluster
                .api
                .client_as(
                    Some(&account),
                    &["system:serviceaccounts", "system:authenticated"],
                )
                .await?;
            for namespace in ["default", "kube-system"] {
                let answer = Api::<Secret>::namespaced(acting.clone(), namespace)
                    .list(&ListParams::default())
                    .await;
                let refused =
                    matches!(&answer, Err(kube::Error::Api(status)) if status.code == 403);
                ensure!(refused, "the operator reads Secrets in {namespace}");
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_writer_has_no_token_no_rights_and_no_privileges() {
    installed(
        NodeSpec::workers("worker", 1),
        async |cluster: &mut Cluster| {
            apply(cluster, &e2e::fixtures::registry_config("default")).await?;
            rolled_out(cluster, "default").await?;
            let pods = writers(cluster, "default").await?;
            ensure!(!pods.is_empty(), "no pods");
            for pod in pods {
                let spec = pod.spec.clone().unwrap_or_default();
                ensure!(
                    spec.automount_service_account_token == Some(false),
                    "a token is mounted"
                );
                let account = spec
                    .service_account_name
                    .clone()
                    .unwrap_or_else(|| "default".into());
                let user = format!("system:serviceaccount:{OWN}:{account}");
                for (verb, resource) in [
                    ("get", "secrets"),
                    ("list", "pods"),
                    ("get", "registryconfigs.berth.dev"),
                    ("get", "nodes"),
                ] {
                    ensure!(
                        !may(cluster, &user, verb, resource, OWN).await?,
                        "{user} may {verb} {resource}"
                    );
                }
                ensure!(
                    spec.host_network != Some(true) && spec.host_pid != Some(true),
                    "the host's name spaces"
                );
                let volumes = spec.volumes.unwrap_or_default();
                let host: Vec<_> = volumes
                    .iter()
                    .filter_map(|volume| volume.host_path.as_ref())
                    .map(|path| path.path.as_str())
                    .collect();
                ensure!(host == [super::support::FOLDER], "host paths {host:?}");
                for container in spec.containers {
                    let security = container.security_context.unwrap_or_default();
                    let dropped = security
                        .capabilities
                        .and_then(|capabilities| capabilities.drop)
                        .unwrap_or_default();
                    ensure!(dropped == ["ALL"], "capabilities are left");
                    ensure!(
                        security.read_only_root_filesystem == Some(true),
                        "a writable root"
                    );
                    ensure!(
                        security.allow_privilege_escalation == Some(false)
                            && security.privileged != Some(true),
                        "privileges"
                    );
                }
            }
            Ok(())
        },
    )
    .await;
}

async fn operator_account(cluster: &Cluster) -> Result<String> {
    let pods = operator::pods(cluster).await?;
    let account = pods
        .first()
        .and_then(|pod| pod.spec.as_ref()?.service_account_name.clone());
    Ok(format!(
        "system:serviceaccount:{OWN}:{}",
        account.unwrap_or_default()
    ))
}

async fn may(
    cluster: &Cluster,
    user: &str,
    verb: &str,
    resource: &str,
    namespace: &str,
) -> Result<bool> {
    let mut arguments = vec!["auth", "can-i", verb, resource, "--as", user];
    if !namespace.is_empty() {
        arguments.extend(["--namespace", namespace]);
    }
    // A resource that is not namespaced makes kubectl warn on stderr; the answer stands on stdout.
    let answer = cluster.tools.try_kubectl(&arguments, None).await?;
    Ok(answer.stdout.trim() == "yes")
}
