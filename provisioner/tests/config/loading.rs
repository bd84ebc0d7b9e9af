//! Files and the environment before any flag.

use proptest::prelude::*;
use provisioner::config::{self, CreateFlags, Place};

use crate::support::{HEADER, environment, load};

#[test]
fn every_field_of_a_file_is_read() {
    let simple = load(&crate::golden::read("appendix-b.yaml"), &[])
        .unwrap()
        .simple();
    assert_eq!(simple.metadata.name, "demo");
    assert_eq!((simple.servers, simple.agents), (Some(1), Some(2)));
    assert_eq!(simple.kube_api.host_port, "6550");
    assert_eq!(simple.token.expose(), "s3cr3t");
    assert_eq!(simple.files[0].destination, "k3s-manifests-custom/ns.yaml");
    assert_eq!(
        simple.host_aliases[0].hostnames,
        ["db.local", "cache.local"]
    );
    assert_eq!(
        simple.registries.create.volumes,
        ["/var/cache/reg:/var/lib/registry"]
    );
    assert_eq!(
        simple.registries.create.proxy.remote_url,
        "https://registry-1.docker.io"
    );
    assert!(simple.registries.config.expose().contains('\n'));
    assert_eq!(simple.options.k3d.timeout.unwrap().0, "120s");
    assert_eq!(simple.options.runtime.ulimits[0].hard, 26677);
    assert_eq!(simple.options.k3s.extra_args[0].arg, "--disable=traefik");
}

#[test]
fn what_is_read_can_be_written_as_json_and_read_again() {
    let simple = load(&crate::golden::read("appendix-b.yaml"), &[])
        .unwrap()
        .simple();
    let json = serde_json::to_string(&simple).unwrap();
    assert!(
        json.contains("\"token\":\"s3cr3t\"") && json.contains("\"timeout\":\"120s\""),
        "{json}"
    );
    assert_eq!(
        serde_json::from_str::<config::Simple>(&json).unwrap(),
        simple
    );
}

#[test]
fn keys_may_be_written_in_any_case() {
    let loaded = load("APIVERSION: K3D.io/v1alpha5\nkind: Simple\nServers: 3\nkubeapi: {HOSTPORT: '1'}\noptions: {runtime: {HostPidMode: true}}\n", &[]).unwrap();
    let simple = loaded.simple();
    assert_eq!(simple.servers, Some(3));
    assert_eq!(simple.kube_api.host_port, "1");
    assert!(simple.options.runtime.host_pid_mode);
    let twice = load(&format!("{HEADER}servers: 1\nServers: 2\n"), &[]).unwrap_err();
    assert!(twice.to_string().contains("means the same"), "{twice}");
}

#[test]
fn yes_is_a_boolean_only_where_one_is_wanted() {
    let simple = load(
        &format!("{HEADER}token: yes\noptions: {{k3d: {{wait: no}}}}\n"),
        &[],
    )
    .unwrap()
    .simple();
    assert_eq!(simple.token.expose(), "yes");
    assert_eq!(simple.options.k3d.wait, Some(false));
}

#[test]
fn numbers_of_nanoseconds_are_durations() {
    let simple = load(
        &format!("{HEADER}options: {{k3d: {{timeout: 360000000000}}}}\n"),
        &[],
    )
    .unwrap()
    .simple();
    assert_eq!(simple.options.k3d.timeout.unwrap().0, "6m0s");
}

#[test]
fn variables_are_expanded_in_the_whole_text() {
    let text = format!("{HEADER}image: $REPO:${{TAG}}\ntoken: a$$b\nservers: $N\nsubnet: x$GONE\n");
    let loaded = load(&text, &[("REPO", "rancher/k3s"), ("TAG", "v1"), ("N", "3")]).unwrap();
    let simple = loaded.simple();
    assert_eq!(simple.image, "rancher/k3s:v1");
    assert_eq!(simple.token.expose(), "a$b");
    assert_eq!(simple.servers, Some(3));
    assert_eq!(simple.subnet, "x");
    let warning = loaded.warnings[0].to_string();
    assert!(
        warning.contains("$GONE") && warning.contains("conf/demo.yaml:6"),
        "{warning}"
    );
}

#[test]
fn the_environment_beats_the_file_and_flags_beat_both() {
    let text = format!(
        "{HEADER}metadata: {{name: file}}\nservers: 3\nagents: 1\noptions: {{k3d: {{wait: true}}}}\n"
    );
    let variables = environment(&[
        ("K3D_METADATA_NAME", "env"),
        ("K3D_SERVERS", "5"),
        ("K3D_AGENTS", ""),
        ("K3D_OPTIONS_K3D_WAIT", "false"),
        ("K3D_OPTIONS_RUNTIME_SERVERSMEMORY", "1g"),
        ("K3D_REGISTRIES_USE", "one two:5000"),
        ("K3D_KUBEAPI_HOSTPORT", "1234"),
        ("K3D_KIND", "Other"),
    ]);
    let origin = config::Origin::file("demo.yaml");
    let loaded = config::load(&text, &origin, &variables).unwrap();
    assert_eq!(loaded.cluster_name(), Some("env"));
    let flags = CreateFlags {
        servers: Some(7),
        ..CreateFlags::default()
    };
    let merged = config::merge(loaded, &flags, &variables).unwrap();
    let simple = merged.simple;
    assert_eq!((simple.servers, simple.agents), (Some(7), Some(1)));
    assert_eq!(simple.options.k3d.wait, Some(false));
    assert_eq!(simple.options.runtime.servers_memory, "1g");
    assert_eq!(simple.registries.using, ["one", "two:5000"]);
    // No file gives this one, and it is not among those that may come from the environment alone.
    assert_eq!(simple.kube_api.host_port, "");
}

#[test]
fn the_environment_reaches_keys_of_old_files() {
    let text = "apiVersion: k3d.io/v1alpha3\nkind: Simple\nname: file\n";
    let loaded = load(text, &[("K3D_NAME", "env")]).unwrap();
    assert_eq!(loaded.cluster_name(), Some("env"));
}

#[test]
fn a_variable_of_the_wrong_type_is_named() {
    let problems = config::without_file(&environment(&[
        ("K3D_SERVERS", "many"),
        ("K3D_TOKEN", "hunter2"),
    ]))
    .unwrap_err();
    assert_eq!(
        problems.0[0].place,
        Place::Variable("K3D_SERVERS".to_owned())
    );
    assert_eq!(
        problems.to_string(),
        "- $K3D_SERVERS: Invalid type. Expected: integer, given: string; write a number, without quotes"
    );
}

#[test]
fn unknown_keys_pass_where_k3d_lets_them_pass_but_are_named() {
    let text = format!(
        "{HEADER}registries: {{foo: 1}}\noptions: {{runtime: {{bar: 2}}}}\nhostAliases: [{{ip: 10.0.0.1, hostnames: [a], baz: 3}}]\n"
    );
    let loaded = load(&text, &[]).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for key in ["foo", "bar", "baz"] {
        assert!(
            warnings.iter().any(|warning| warning.contains(key)),
            "{warnings:?}"
        );
    }
}

#[test]
fn an_empty_registry_object_is_no_registry() {
    let simple = load(
        &format!("{HEADER}registries: {{create: {{}}, use: [k3d-a:5000]}}\n"),
        &[],
    )
    .unwrap()
    .simple();
    assert_eq!(
        simple.registries.create,
        config::simple::RegistryCreate::default()
    );
    assert_eq!(simple.registries.using.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_loading_panic(text in "([a-zA-Z]{1,9}: ?|[ \\[\\]{}&*!|>'\"$#,-]|\n|  |[0-9]{1,3}){0,40}") {
        for text in [text.clone(), format!("{HEADER}{text}")] {
            let _ = load(&text, &[]);
            let _ = config::migrate(&text, &config::Origin::standard_input());
        }
    }

    #[test]
    fn any_text_of_a_value_survives_migration(value in "[ -~\n\té€]{1,24}") {
        let written = serde_json::to_string(&value).unwrap();
        let text = format!("{HEADER}registries: {{config: {written}}}\nenv: [{{envVar: {written}}}]\n");
        let migrated = config::migrate(&text, &config::Origin::standard_input()).unwrap();
        // The value may hold what looks like variables, which only loading replaces.
        let protect = |text: &str| text.replace('$', "$$");
        let (old, new) = (load(&protect(&text), &[]).unwrap(), load(&protect(&migrated), &[]).unwrap());
        prop_assert_eq!(old.simple(), new.simple());
        prop_assert_eq!(&new.simple().env[0].env_var, &value);
    }
}
