use serde_json::{Value, json};

use super::*;
use crate::fixtures::{config, time};
use crate::settings::tests::run_settings;

fn daemon_set(config: &RegistryConfig, role: Role, template: &str, absent: usize) -> Value {
    let settings = run_settings().node_writer;
    let blueprint = Blueprint {
        config,
        namespace: "berth-system",
        node_writer: &settings,
        folder: "/etc/rancher/k3s",
        elsewhere: &[],
    };
    let template = Template::of_label(template);
    let variant = Variant {
        role,
        template: &template,
        since: time(0),
        selected: 25,
        absent,
    };
    serde_json::to_value(blueprint.daemon_set(&variant)).unwrap()
}

#[test]
fn a_daemon_set_belongs_to_its_resource_and_selects_its_own_pods() {
    let set = daemon_set(&config("default"), Role::Workers, "4c1f0a9b2d", 0);
    assert_eq!(set["metadata"]["name"], "default-workers");
    assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], "5f0c");
    assert_eq!(
        set["spec"]["selector"]["matchLabels"],
        json!({"berth.dev/registry-config": "default", "berth.dev/role": "workers"})
    );
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["berth.dev/revision"], "4c1f0a9b2d");
    assert_eq!(labels["berth.dev/role"], "workers");
    assert_eq!(set["spec"]["minReadySeconds"], 10);
}

#[test]
fn control_plane_nodes_go_one_at_a_time_whatever_workers_may() {
    let mut config = config("default");
    config.spec.update_strategy.rolling_update.max_unavailable =
        IntOrString::String("10%".to_owned());
    let limit = |role, absent| {
        let set = daemon_set(&config, role, "r1", absent);
        set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"].clone()
    };
    assert_eq!(limit(Role::Workers, 0), "10%");
    assert_eq!(limit(Role::ControlPlane, 0), 1);
    assert_eq!(
        limit(Role::Workers, 2),
        5,
        "a tenth of 25 is 3, and 2 are away"
    );
    assert_eq!(limit(Role::ControlPlane, 1), 2);
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let bytes = || daemon_set(&config("default"), Role::ControlPlane, "r1", 0).to_string();
    assert_eq!(bytes(), bytes());
}

#[test]
fn the_secret_is_immutable_and_named_by_its_revision() {
    let settings = run_settings().node_writer;
    let config = config("default");
    let blueprint = Blueprint {
        config: &config,
        namespace: "berth-system",
        node_writer: &settings,
        folder: "/etc/rancher/k3s",
        elsewhere: &[],
    };
    let files = BTreeMap::from([("registries.yaml".to_owned(), b"mirrors: {}\n".to_vec())]);
    let secret = serde_json::to_value(blueprint.secret("r1", &files)).unwrap();
    assert_eq!(secret["metadata"]["name"], "default-r1");
    assert_eq!(secret["immutable"], true);
    assert_eq!(secret["type"], "Opaque");
    assert_eq!(secret["metadata"]["labels"]["berth.dev/revision"], "r1");
    assert_eq!(secret["data"]["registries.yaml"], "bWlycm9yczoge30K");
}
