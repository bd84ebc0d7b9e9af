//! The `berth` binary as people run it: output, exit codes, bad input, secrets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

fn berth(folder: &Path, arguments: &[&str]) -> Answer {
    berth_with(folder, arguments, "", &[])
}

fn berth_with(
    folder: &Path,
    arguments: &[&str],
    stdin: &str,
    environment: &[(&str, &str)],
) -> Answer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("SOPS_AGE_KEY")
        .env_remove("SOPS_AGE_KEY_FILE")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

const PLAIN: &str = "mirrors:\n  docker.io:\n    endpoint: [\"https://mirror.example.com\"]\nconfigs:\n  mirror.example.com:\n    auth: {username: robot, password: made-up}\n";
const WRITTEN: &str = "node/etc/rancher/k3s/registries.yaml";

#[test]
fn apply_writes_the_file_once_and_shows_it_redacted() {
    let folder = folder(&[("registries.yaml", PLAIN)]);
    let first = berth(
        folder.path(),
        &["apply", "registries.yaml", "--root", "node"],
    );
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(
        first
            .stdout
            .contains("New configuration preview (secrets redacted):")
    );
    assert!(first.stdout.contains("password: <REDACTED>"));
    assert!(!format!("{}{}", first.stdout, first.stderr).contains("made-up"));
    let written = folder.path().join(WRITTEN);
    assert!(fs::read_to_string(&written).unwrap().contains("made-up"));
    assert_eq!(
        fs::metadata(&written).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let second = berth(
        folder.path(),
        &["apply", "registries.yaml", "--root", "node"],
    );
    assert_eq!(
        (second.code, second.stdout.as_str()),
        (0, "No configuration changes\n")
    );
}

#[test]
fn a_dry_run_tells_the_difference_and_writes_nothing() {
    let folder = folder(&[("registries.yaml", PLAIN)]);
    let arguments = ["apply", "registries.yaml", "--root", "node", "--dry-run"];
    let answer = berth(folder.path(), &arguments);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    assert!(!folder.path().join("node").exists());
    berth(folder.path(), &arguments[..4]);
    assert_eq!(berth(folder.path(), &arguments).code, 0);
}

#[test]
fn apply_composes_a_registry_config_with_the_secrets_beside_it() {
    let manifests = "apiVersion: berth.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {name: default}\nspec:\n  nodeSelector: {}\n  registries:\n    mirrors: {docker.io: {endpoint: [\"https://m:5000\"]}}\n    configs: {\"m:5000\": {auth: {secretRef: {name: login}}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: login}\ntype: kubernetes.io/basic-auth\nstringData: {username: robot, password: made-up}\n";
    let folder = folder(&[("all.yaml", manifests)]);
    let answer = berth(
        folder.path(),
        &["apply", "all.yaml", "--root", "node", "-o", "json"],
    );
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    let json: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        (json["change"].as_str(), json["written"].as_bool()),
        (Some("new"), Some(true))
    );
    assert!(
        fs::read_to_string(folder.path().join(WRITTEN))
            .unwrap()
            .contains("made-up")
    );
}

#[test]
fn a_missing_secret_is_named_with_its_field_and_nothing_is_written() {
    let manifest = "apiVersion: berth.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {name: default}\nspec:\n  nodeSelector: {}\n  registries: {configs: {m: {auth: {secretRef: {name: login}}}}}\n";
    let folder = folder(&[("config.yaml", manifest)]);
    let answer = berth(folder.path(), &["apply", "config.yaml", "--root", "node"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer
            .stderr
            .contains("spec.registries.configs.m.auth.secretRef"),
        "{}",
        answer.stderr
    );
    assert!(!folder.path().join("node").exists());
}

#[test]
fn diff_and_plan_tell_what_a_change_means() {
    let hot = PLAIN.replace(
        "https://mirror.example.com\"",
        "https://other.example.com\"",
    );
    let restart = PLAIN.replace("made-up", "another");
    let folder = folder(&[
        ("old.yaml", PLAIN),
        ("hot.yaml", &hot),
        ("restart.yaml", &restart),
    ]);
    let same = berth(folder.path(), &["diff", "old.yaml", "old.yaml"]);
    assert_eq!((same.code, same.stdout.as_str()), (0, ""));
    let changed = berth(folder.path(), &["diff", "old.yaml", "restart.yaml"]);
    assert_eq!(changed.code, 1);
    assert!(
        changed
            .stdout
            .contains("+        password: <REDACTED> (changed)"),
        "{}",
        changed.stdout
    );
    let new = berth(folder.path(), &["diff", "absent.yaml", "old.yaml"]);
    assert_eq!(
        new.code, 1,
        "a missing old file is an empty one: {}",
        new.stderr
    );
    for (file, effect, code) in [
        ("old.yaml", "none", 0),
        ("hot.yaml", "hot", 1),
        ("restart.yaml", "restart", 1),
    ] {
        let answer = berth(folder.path(), &["plan", "old.yaml", file, "-o", "json"]);
        let json: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(
            (json["effect"].as_str(), answer.code),
            (Some(effect), code),
            "{file}: {}",
            answer.stdout
        );
    }
}

#[test]
fn lint_reads_standard_input_and_fails_on_findings() {
    let folder = folder(&[]);
    let answer = berth_with(
        folder.path(),
        &["lint", "-"],
        "configs:\n  m:\n    auth: {token: made-up}\n",
        &[],
    );
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    assert!(
        answer.stdout.contains("standard input:3"),
        "{}",
        answer.stdout
    );
    assert!(!answer.stdout.contains("made-up"));
    let clean = berth_with(
        folder.path(),
        &["lint", "-", "-o", "json"],
        "mirrors: {}\n",
        &[],
    );
    assert_eq!(clean.code, 0, "{}", clean.stdout);
    let json: serde_json::Value = serde_json::from_str(&clean.stdout).unwrap();
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(0));
}

#[test]
fn explain_lists_the_attempts_in_order() {
    let folder = folder(&[("registries.yaml", PLAIN)]);
    let answer = berth(
        folder.path(),
        &["explain", "nginx", "--file", "registries.yaml"],
    );
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let first = answer
        .stdout
        .find("1. https://mirror.example.com/v2")
        .unwrap();
    let second = answer
        .stdout
        .find("2. https://registry-1.docker.io/v2")
        .unwrap();
    assert!(first < second);
    assert!(
        answer
            .stdout
            .contains("user name and password from configs.mirror.example.com")
    );
    assert!(!answer.stdout.contains("made-up") && !answer.stdout.contains("robot"));
}

#[test]
fn render_writes_what_k3s_would_for_its_owner_alone() {
    let folder = folder(&[("registries.yaml", PLAIN)]);
    let answer = berth(folder.path(), &["render", "registries.yaml", "--to", "out"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let hosts = fs::read_to_string(folder.path().join("out/certs.d/docker.io/hosts.toml")).unwrap();
    assert!(hosts.starts_with("# File generated by k3s. DO NOT EDIT.\n"));
    let config = folder.path().join("out/config.toml");
    assert!(
        fs::read_to_string(&config)
            .unwrap()
            .contains("password = \"made-up\"")
    );
    assert_eq!(
        fs::metadata(config).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!answer.stdout.contains("made-up"));
}

#[test]
fn bad_usage_and_unreadable_input_exit_with_2() {
    let folder = folder(&[
        ("broken.yaml", "mirrors: [hunter2\n"),
        ("locked.yaml", "sops: {mac: x}\nmirrors: {}\n"),
    ]);
    for arguments in [
        vec!["frobnicate"],
        vec!["lint"],
        vec!["lint", "absent.yaml"],
        vec!["explain", "nginx", "--file", "absent.yaml"],
        vec!["diff", "broken.yaml", "broken.yaml"],
        vec!["explain", "UPPER/case", "--file", "locked.yaml"],
        vec!["apply", "locked.yaml", "--root", "node"],
        vec!["lint", "--k3s-version", "banana", "-"],
    ] {
        let answer = berth(folder.path(), &arguments);
        assert_eq!(
            answer.code, 2,
            "{arguments:?}: {}{}",
            answer.stdout, answer.stderr
        );
        assert!(
            !answer.stderr.is_empty() && answer.stdout.is_empty(),
            "{arguments:?}"
        );
        assert!(
            !answer.stderr.contains("hunter2"),
            "{arguments:?}: {}",
            answer.stderr
        );
    }
    assert_eq!(berth(folder.path(), &["--help"]).code, 0);
    assert_eq!(berth(folder.path(), &["--version"]).code, 0);
}

#[test]
fn completions_are_there_for_every_shell() {
    let folder = folder(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = berth(folder.path(), &["completions", shell]);
        assert_eq!(answer.code, 0);
        assert!(answer.stdout.contains("explain"), "{shell}");
    }
}

#[test]
fn render_replaces_what_stands_there_and_follows_no_link() {
    let folder = folder(&[("registries.yaml", PLAIN), ("elsewhere", "keep")]);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    std::os::unix::fs::symlink("../elsewhere", out.join("config.toml")).unwrap();
    for _ in 0..2 {
        let answer = berth(folder.path(), &["render", "registries.yaml", "--to", "out"]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        let metadata = fs::symlink_metadata(out.join("config.toml")).unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(out.join("config.toml"), readable).unwrap();
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("elsewhere")).unwrap(),
        "keep"
    );
}

#[test]
fn what_render_says_of_files_and_dropped_endpoints_shows_no_credential() {
    let document = r#"mirrors:
  "user:hunter2@a.example": {endpoint: ["http://a"]}
  b.example: {endpoint: ["https://bob:hunter2@m:xx", "::hunter2"]}
"#;
    let folder = folder(&[("registries.yaml", document)]);
    for format in ["text", "json"] {
        let arguments = ["render", "registries.yaml", "--to", "out", "-o", format];
        let answer = berth(folder.path(), &arguments);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        assert!(answer.stdout.contains("a.example/hosts.toml"));
        assert!(answer.stderr.contains("berth lint"), "{}", answer.stderr);
        let all = answer.stdout + &answer.stderr;
        assert!(!all.contains("hunter2"), "{all}");
    }
}

#[test]
fn apply_follows_no_link_out_of_the_root() {
    let folder = folder(&[("registries.yaml", PLAIN)]);
    let (node, elsewhere) = (folder.path().join("node"), folder.path().join("elsewhere"));
    fs::create_dir(&node).unwrap();
    for exists in [false, true] {
        if exists {
            fs::create_dir(&elsewhere).unwrap();
        } else {
            std::os::unix::fs::symlink(&elsewhere, node.join("etc")).unwrap();
        }
        let answer = berth(folder.path(), &["apply", "registries.yaml", "--root=node"]);
        assert_eq!(answer.code, 2, "{}", answer.stdout);
        assert!(answer.stderr.contains("symbolic link"), "{}", answer.stderr);
    }
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
}

#[test]
fn a_manifest_without_end_is_refused_quickly() {
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let text = format!("{head}a: &a \"{}\"\nb:\n", "x".repeat(1 << 20));
    let aliases = text + &"- *a\n".repeat(10_000);
    let deep = format!("{head}a: {}{}\n", "[".repeat(200_000), "]".repeat(200_000));
    let folder = folder(&[("aliases.yaml", &aliases), ("deep.yaml", &deep)]);
    for file in ["aliases.yaml", "deep.yaml"] {
        let answer = berth(folder.path(), &["lint", file]);
        assert_eq!(answer.code, 2, "{file}: {}", answer.stderr);
        assert!(
            answer.stderr.contains("is not readable"),
            "{}",
            answer.stderr
        );
        assert!(answer.stderr.len() < 500);
    }
}

#[test]
fn a_value_or_key_in_the_wrong_place_of_a_command_is_not_repeated() {
    let manifest = "apiVersion: berth.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {name: a}\nspec:\n  nodeSelector: {}\n";
    let variant = format!("{manifest}  applyMode: 'hunter2:x'\n");
    let name = format!(
        "{manifest}  registries: {{configs: {{h: {{auth: {{secretRef: {{name: 'bob:hunter2'}}}}}}}}}}\n"
    );
    let folder = folder(&[("variant.yaml", &variant), ("name.yaml", &name)]);
    for arguments in [
        ["lint", "variant.yaml", "--fail-on=error"],
        ["lint", "name.yaml", "--fail-on=error"],
        [
            "lint",
            "name.yaml",
            "--age-key-file=AGE-SECRET-KEY-1HUNTER2",
        ],
    ] {
        let answer = berth(folder.path(), &arguments);
        assert_ne!(answer.code, 0);
        let all = answer.stdout + &answer.stderr;
        assert!(!all.to_lowercase().contains("hunter2"), "{all}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_command_prints_a_secret(secret in "[A-Z]{5}[0-9]{5}[a-z]{5}", broken in any::<bool>()) {
        let tail = if broken { format!("{secret}: [") } else { String::new() };
        let document = format!(
            "mirrors:\n  docker.io: {{endpoint: [\"https://u:{secret}@m.example.com/?k={secret}\"], token: {secret}}}\nconfigs:\n  m.example.com:\n    auth: {{username: {secret}, password: {secret}, auth: {secret}, identity_token: {secret}, token: {secret}}}\nauths: {{m: {{password: {secret}}}}}\n# {secret}\n{tail}"
        );
        let other = document.replace("m.example.com", "n.example.com");
        let manifest = format!("apiVersion: berth.dev/v1alpha1\nkind: RegistryConfig\nmetadata: {{name: default}}\nspec:\n  nodeSelector: {{}}\n  registries: {{configs: {{m: {{auth: {{password: {secret}, secretRef: {secret}1}}}}}}}}\n");
        let folder = folder(&[("a.yaml", &document), ("b.yaml", &other), ("m.yaml", &manifest)]);
        for arguments in [
            vec!["lint", "a.yaml"], vec!["lint", "a.yaml", "-o", "json"], vec!["lint", "m.yaml"],
            vec!["explain", "nginx", "--file", "a.yaml"], vec!["explain", "nginx", "--file", "a.yaml", "-o", "json"],
            vec!["diff", "a.yaml", "b.yaml"], vec!["diff", "absent", "a.yaml", "-o", "json"],
            vec!["plan", "a.yaml", "b.yaml"], vec!["plan", "a.yaml", "b.yaml", "-o", "json"],
            vec!["render", "a.yaml", "--to", "out"],
            vec!["apply", "a.yaml", "--root", "node"], vec!["apply", "b.yaml", "--root", "node", "-o", "json"],
            vec!["apply", "m.yaml", "--root", "node"],
        ] {
            let answer = berth(folder.path(), &arguments);
            prop_assert!(!answer.stdout.contains(&secret), "{arguments:?}: {}", answer.stdout);
            prop_assert!(!answer.stderr.contains(&secret), "{arguments:?}: {}", answer.stderr);
        }
    }
}
