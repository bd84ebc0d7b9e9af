use serde_json::{Value, json};

use super::*;
use crate::fixtures::{config, time};
use crate::settings::tests::run_settings;

fn pod(
    template: &str,
    role: Role,
    change: impl FnOnce(&mut NodeWriter),
    elsewhere: &[String],
) -> Value {
    let mut settings = run_settings().node_writer;
    change(&mut settings);
    let mut config = config("default");
    config.spec.node_selector = serde_json::from_value(json!({
        "matchLabels": {"zone": "a"},
        "matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}, {"key": "tier", "operator": "NotIn", "values": ["x"]}],
    }))
    .unwrap();
    let blueprint = Blueprint {
        config: &config,
        namespace: "berth-system",
        node_writer: &settings,
        folder: "/etc/rancher/k3s",
        elsewhere,
    };
    let runs = Template::of_label(template);
    let variant = Variant {
        role,
        template: &runs,
        since: time(0),
        selected: 1,
        absent: 0,
    };
    let template = super::template(&blueprint, &variant, BTreeMap::new());
    assert_eq!(folder_of(Some(&template)), Some("/etc/rancher/k3s"));
    serde_json::to_value(template).unwrap()["spec"].clone()
}

fn plain(template: &str) -> Value {
    pod(template, Role::Workers, |_| {}, &[])
}

#[test]
fn run_and_probe_get_the_same_flags_for_each_kind_of_template() {
    for (template, flags) in [
        (
            "r1",
            vec![
                "--source",
                "/config",
                "--folder",
                "/etc/rancher/k3s",
                "--revision",
                "r1",
            ],
        ),
        (
            "none",
            vec![
                "--folder",
                "/etc/rancher/k3s",
                "--revision",
                "none",
                "--record",
            ],
        ),
        (
            "restore",
            vec![
                "--folder",
                "/etc/rancher/k3s",
                "--revision",
                "restore",
                "--restore",
            ],
        ),
    ] {
        let container = &plain(template)["containers"][0];
        assert_eq!(container["command"], json!(["/node-writer"]));
        assert_eq!(container["args"], json!([&["run"], &flags[..]].concat()));
        assert_eq!(
            container["readinessProbe"]["exec"]["command"],
            json!([&["/node-writer", "status"], &flags[..]].concat())
        );
    }
}

#[test]
fn the_pod_has_no_token_no_capabilities_and_two_mounts() {
    let spec = plain("r1");
    assert_eq!(spec["automountServiceAccountToken"], false);
    let container = &spec["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
            "runAsGroup": 0, "runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    assert_eq!(
        spec["volumes"],
        json!([
            {"name": "folder", "hostPath": {"path": "/etc/rancher/k3s", "type": "DirectoryOrCreate"}},
            {"name": "config", "secret": {"secretName": "default-r1", "defaultMode": 256}},
        ])
    );
    assert_eq!(plain("none")["volumes"].as_array().unwrap().len(), 1);
    assert_eq!(container["imagePullPolicy"], "IfNotPresent");
    assert_eq!(spec["priorityClassName"], "system-node-critical");
    assert_eq!(spec["tolerations"], json!([{"operator": "Exists"}]));
}

#[test]
fn privileged_is_a_switch() {
    let spec = pod(
        "r1",
        Role::Workers,
        |settings| settings.privileged = true,
        &[],
    );
    let context = &spec["containers"][0]["securityContext"];
    assert_eq!(context["privileged"], true);
    assert_eq!(context["readOnlyRootFilesystem"], true);
}

#[test]
fn the_selector_becomes_node_affinity_of_each_half() {
    let terms = |role, elsewhere: &[String]| {
        let spec = pod("r1", role, |_| {}, elsewhere);
        spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"].clone()
    };
    let own = json!([
        {"key": "zone", "operator": "In", "values": ["a"]},
        {"key": "gpu", "operator": "DoesNotExist"},
        {"key": "tier", "operator": "NotIn", "values": ["x"]},
    ]);
    let workers = terms(Role::Workers, &[]);
    assert_eq!(workers.as_array().unwrap().len(), 1);
    let expressions = workers[0]["matchExpressions"].as_array().unwrap();
    assert_eq!(json!(expressions[..3]), own);
    assert_eq!(expressions[3]["operator"], "DoesNotExist");
    assert_eq!(expressions.len(), 6);
    let control_plane = terms(Role::ControlPlane, &[]);
    assert_eq!(control_plane.as_array().unwrap().len(), 3);
    assert_eq!(
        control_plane[2]["matchExpressions"][3]["operator"],
        "Exists"
    );

    let without = terms(Role::Workers, &["moved".to_owned()]);
    assert_eq!(
        without[0]["matchFields"],
        json!([{"key": "metadata.name", "operator": "NotIn", "values": ["moved"]}])
    );
}
