//! What bad configurations are told: everything at once, with places and mends, and no secret.

use provisioner::config::CreateFlags;

use crate::golden;
use crate::support::{HEADER, from_file, from_flags, load, merged, texts, transform};

#[test]
fn everything_that_does_not_fit_the_schema_is_listed_at_once() {
    let problems = load(&golden::read("problems/schema.yaml"), &[]).unwrap_err();
    golden::same("problems/schema.txt", &format!("{problems}\n"));
}

#[test]
fn everything_that_makes_no_sense_is_listed_at_once() {
    let loaded = load(&golden::read("problems/meaning.yaml"), &[]).unwrap();
    let environment = provisioner::config::Environment::default();
    let flags = CreateFlags {
        volumes: texts(&["/data:k3s-store@all"]),
        ports: texts(&["8080:80@server:7"]),
        timeout: Some("soon".to_owned()),
        gpus: Some("some".to_owned()),
        ..CreateFlags::default()
    };
    let merged = provisioner::config::merge(loaded, &flags, &environment).unwrap();
    let problems = transform(&merged).unwrap_err();
    golden::same("problems/meaning.txt", &format!("{problems}\n"));
}

#[test]
fn a_numeric_name_is_refused_in_the_words_of_k3d() {
    let problems = load(&format!("{HEADER}metadata:\n  name: 1234\n"), &[]).unwrap_err();
    let text = problems.to_string();
    assert!(
        text.starts_with("- metadata.name: Invalid type. Expected: string, given: integer"),
        "{text}"
    );
    assert!(text.contains("conf/demo.yaml:4"), "{text}");
}

#[test]
fn unknown_versions_and_kinds_are_refused_and_the_known_ones_named() {
    for text in [
        "kind: Simple\n",
        "apiVersion: k3d.io/v9\nkind: Simple\n",
        "apiVersion: 5\nkind: Simple\n",
        "",
        "x",
        "- a\n",
    ] {
        let problems = load(text, &[]).unwrap_err().to_string();
        assert!(
            problems.contains("unsupported apiVersion") && problems.contains("k3d.io/v1alpha5"),
            "{problems}"
        );
    }
    for kind in ["Cluster", "ClusterList", "Complex"] {
        let problems = load(&format!("apiVersion: k3d.io/v1alpha5\nkind: {kind}\n"), &[])
            .unwrap_err()
            .to_string();
        assert!(
            problems.contains("kind must be one of the following: \"Simple\""),
            "{problems}"
        );
    }
}

#[test]
fn no_secret_is_shown_by_any_problem() {
    const SECRET: &str = "hunter2";
    let mut shown = Vec::new();
    for text in [
        "token: [hunter2]\n",
        "token: {hunter2: hunter2}\n",
        "registries: {create: {proxy: {password: {a: hunter2}}}}\n",
        "registries: {config: [hunter2]}\n",
        "env: [hunter2]\n",
        "env:\n- envVar: [hunter2]\n",
        "env:\n- A=hunter2\n",
        "servers: hunter2\n",
        "token: \"hunter2\n",
        "options: {k3d: {wait: hunter2}}\n",
    ] {
        shown.push(
            load(&format!("{HEADER}{text}"), &[])
                .unwrap_err()
                .to_string()
                .replace("token.hunter2", ""),
        );
    }
    for text in [
        "env: [{envVar: A=hunter2}]\nagents: 1\n",
        "env: [{envVar: =hunter2}]\n",
        "registries: {create: {name: r, proxy: {remoteURL: 'user:hunter2@h', password: hunter2}}}\n",
        "registries: {config: '{configs: {a: {auth: {password: hunter2}}}}'}\n",
        "options: {k3s: {extraArgs: [{arg: --token=hunter2}]}}\n",
    ] {
        shown.push(from_file(text).unwrap_err().to_string());
    }
    for flags in [
        CreateFlags {
            env: texts(&["PASSWORD=a@hunter2"]),
            ..CreateFlags::default()
        },
        CreateFlags {
            env: texts(&["PASSWORD=hunter2@x@y"]),
            ..CreateFlags::default()
        },
        CreateFlags {
            k3s_args: texts(&["--token=a@hunter2"]),
            ..CreateFlags::default()
        },
        CreateFlags {
            token: Some(SECRET.to_owned()),
            servers: Some(0),
            ..CreateFlags::default()
        },
    ] {
        shown.push(from_flags(&flags).unwrap_err().to_string());
        shown.push(format!("{flags:?}"));
    }
    let fine = merged("token: hunter2\nenv: [{envVar: A=hunter2, nodeFilters: [all]}]\nregistries: {config: \"a: hunter2\\n\"}\n", &CreateFlags::default()).unwrap();
    shown.push(format!("{fine:?}"));
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.is_empty());
    }
}

#[test]
fn warnings_of_the_volume_are_no_problems() {
    let transformed = from_file("volumes: [{volume: '/nowhere:/x'}]\n").unwrap();
    let warnings: Vec<String> = transformed
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("/nowhere does not exist")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("no node filter")),
        "{warnings:?}"
    );
}

#[test]
fn ports_of_the_host_that_two_want_are_found() {
    for ports in [
        "[{port: '8080:80'}, {port: '8080:81'}]",
        "[{port: '8080:80'}, {port: '127.0.0.1:8080:81'}]",
        "[{port: '6550:80'}]",
    ] {
        let text = format!("kubeAPI: {{hostPort: '6550'}}\nports: {ports}\n");
        let problems = from_file(&text).unwrap_err().to_string();
        assert!(problems.contains("is wanted twice"), "{problems}");
    }
    for ports in [
        "[{port: '8080:80/tcp'}, {port: '8080:80/udp'}]",
        "[{port: '127.0.0.1:8080:80'}, {port: '127.0.0.2:8080:81'}]",
        "[{port: '[::1]:8080:80'}, {port: '127.0.0.1:8080:80'}]",
        "[{port: '80'}, {port: '81'}]",
    ] {
        from_file(&format!("ports: {ports}\n")).unwrap_or_else(|problems| panic!("{problems}"));
    }
}
