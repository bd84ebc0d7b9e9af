use super::*;

#[test]
fn what_the_server_adds_or_leaves_out_is_no_difference() {
    let desired = json!({"spec": {"minReadySeconds": 0, "paused": false, "args": ["a"], "labels": {}, "n": null}});
    assert!(covers(
        &json!({"spec": {"args": ["a"], "policy": "Always"}, "status": {}}),
        &desired
    ));
    for actual in [
        json!({"spec": {"args": ["a", "b"]}}),
        json!({"spec": {"args": ["b"]}}),
        json!({"spec": {}}),
        json!({"spec": {"args": ["a"], "minReadySeconds": 5}}),
    ] {
        assert!(!covers(&actual, &desired), "{actual}");
    }
}

#[test]
fn a_field_that_is_no_longer_set_changes_the_stamp() {
    let stamp = |seconds| {
        let mut set = DaemonSet::default();
        set.spec.get_or_insert_default().min_ready_seconds = seconds;
        stamped(&set).unwrap()["metadata"]["annotations"][ANNOTATION_APPLIED].clone()
    };
    assert_eq!(stamp(Some(3)), stamp(Some(3)));
    assert_ne!(stamp(Some(3)), stamp(None));
}
