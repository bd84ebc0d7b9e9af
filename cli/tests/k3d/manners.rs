//! What the program says and how it ends, called as k3d and as berth.

use std::fs;

use crate::support::Program;

#[test]
fn called_as_k3d_every_refusal_says_error_and_exits_with_one() {
    let program = Program::new();
    for (line, said) in [
        (
            "k3d cluster create --label a=b",
            "Error: unknown flag: --label\n",
        ),
        (
            "k3d cluster create --no-hostip",
            "Error: unknown flag: --no-hostip\n",
        ),
        (
            "k3d cluster create --k3s-server-arg x",
            "Error: unknown flag: --k3s-server-arg\n",
        ),
        (
            "k3d cluster create --k3s-agent-arg=x",
            "Error: unknown flag: --k3s-agent-arg\n",
        ),
        (
            "k3d cluster create -l a=b",
            "Error: unknown shorthand flag: 'l' in -l\n",
        ),
        ("k3d foo", "Error: unknown command \"foo\" for \"k3d\"\n"),
        (
            "k3d cluster foo",
            "Error: unknown command \"foo\" for \"k3d cluster\"\n",
        ),
        (
            "k3d cluster apply -c x",
            "Error: unknown command \"apply\" for \"k3d cluster\"\n",
        ),
        (
            "k3d lint x",
            "Error: unknown command \"lint\" for \"k3d\"\n",
        ),
        (
            "k3d balancer",
            "Error: unknown command \"balancer\" for \"k3d\"\n",
        ),
        (
            "k3d cluster create --image",
            "Error: flag needs an argument: --image\n",
        ),
        (
            "k3d cluster create -s many",
            "Error: invalid argument \"many\" for \"--servers\" flag",
        ),
        (
            "k3d cluster create --no-lb=perhaps",
            "Error: invalid argument \"perhaps\" for \"--no-lb\" flag",
        ),
        (
            "k3d cluster create a b",
            "Error: unknown argument \"b\" for \"k3d cluster create\"\n",
        ),
        ("k3d node create", "Error: missing <NAME>\n"),
        ("k3d kubeconfig get", "Error: missing"),
        ("k3d kubeconfig get a --all", "Error: "),
        (
            "k3d cluster edit a --port-add 1 --port-delete 2",
            "Error: --port-add and --port-delete cannot be used together\n",
        ),
    ] {
        let answer = program.run(line);
        assert_eq!(answer.code, 1, "{line}: {answer:?}");
        assert!(answer.stderr.starts_with(said), "{line}: {answer:?}");
        assert!(answer.stderr.contains("\nUsage: k3d"), "{line}: {answer:?}");
        assert_eq!(answer.stdout, "", "{line}");
    }
}

#[test]
fn called_as_berth_refusals_exit_with_two() {
    let program = Program::new();
    for line in [
        "berth cluster create --label a=b",
        "berth foo",
        "berth cluster create -s many",
        "berth node create",
    ] {
        let answer = program.run(line);
        assert_eq!(answer.code, 2, "{line}: {answer:?}");
        assert!(answer.stderr.starts_with("error: "), "{line}: {answer:?}");
        assert_eq!(answer.stdout, "", "{line}");
    }
}

#[test]
fn groups_alone_print_their_help_and_succeed() {
    let program = Program::new();
    for name in ["k3d", "berth"] {
        for group in [
            "cluster",
            "node",
            "registry",
            "image",
            "kubeconfig",
            "config",
            "debug",
            "debug loadbalancer",
            "registry start",
            "registry stop",
        ] {
            let answer = program.run(&format!("{name} {group}"));
            let shown = match group {
                "registry start" | "registry stop" => "registry",
                other => other,
            };
            assert_eq!(answer.code, 0, "{group}");
            let usage = format!("Usage: {name} {shown} ");
            assert!(answer.stdout.contains(&usage), "{group}: {answer:?}");
        }
    }
    let alone = program.run("k3d");
    assert_eq!(alone.code, 0);
    assert!(alone.stdout.contains("Usage: k3d "));
    assert!(!alone.stdout.contains("runtime-info") && !alone.stdout.contains("__complete"));
    let help = program.run("k3d help cluster create");
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Usage: k3d cluster create"));
    assert_eq!(program.run("k3d cluster create -h").code, 0);
}

#[test]
fn versions_are_told_in_the_manner_of_the_program() {
    let program = Program::new();
    let as_k3d = program.run("k3d version");
    let lines: Vec<&str> = as_k3d.stdout.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("k3d version v"));
    assert!(lines[1].starts_with("k3s version v") && lines[1].ends_with(" (default)"));
    assert_eq!(program.run("k3d --version").stdout, as_k3d.stdout);
    assert_eq!(program.run("k3d version -o yaml").stdout, as_k3d.stdout);
    let json = program.run_with("k3d version --output=JSON", &[("LOG_LEVEL", "error")]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["k3d", "k3s"]);
    let as_berth = program.run("berth version");
    assert!(as_berth.stdout.starts_with("berth version v"));
    assert!(as_berth.stdout.ends_with(&as_k3d.stdout));
}

#[test]
fn information_goes_to_standard_output_in_k3d_s_manner_and_to_standard_error_in_ours() {
    let program = Program::new();
    let plain = [("LOG_COLORS", "0")];
    let as_k3d = program.run_with("k3d config init", &plain);
    assert!(as_k3d.stdout.contains("level=info msg="), "{as_k3d:?}");
    assert_eq!((as_k3d.code, as_k3d.stderr.as_str()), (0, ""));
    let coloured = program.run("k3d config init -f");
    assert!(
        coloured
            .stdout
            .starts_with("\u{1b}[36mINFO\u{1b}[0m[0000] "),
        "{coloured:?}"
    );
    let as_berth = program.run("berth config init --force");
    assert!(as_berth.stderr.starts_with("INFO[0000] "), "{as_berth:?}");
    assert_eq!((as_berth.code, as_berth.stdout.as_str()), (0, ""));
    let quiet = program.run_with("k3d config init -f", &[("LOG_LEVEL", "warn")]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (0, ""));
    let loud = program.run_with(
        "k3d config init -f --verbose --timestamps",
        &[("LOG_LEVEL", "error")],
    );
    assert!(
        loud.stdout.contains("INFO") && loud.stdout.contains("Z] "),
        "{loud:?}"
    );
}

#[test]
fn results_do_not_depend_on_the_log_level() {
    let program = Program::new();
    let result = program.run("k3d config init -o -").stdout;
    assert!(
        result.starts_with("---\napiVersion: k3d.io/v1alpha5\nkind: Simple\n"),
        "{result}"
    );
    for level in ["fatal", "warn", "trace"] {
        let again = program.run_with("k3d config init --output=-", &[("LOG_LEVEL", level)]);
        assert_eq!(again.stdout, result);
    }
    assert_eq!(program.run("berth config init -o -").stdout, result);
}

#[test]
fn a_config_file_is_not_replaced_without_force() {
    let program = Program::new();
    let file = program.folder.path().join("k3d-default.yaml");
    assert_eq!(program.run("k3d config init --dry-run").code, 0);
    assert!(!file.exists());
    assert_eq!(program.run("k3d config create").code, 0);
    fs::write(&file, "mine").unwrap();
    let again = program.run("k3d config init");
    assert_eq!(again.code, 1);
    assert!(
        again.stderr.contains("FATA") && again.stderr.contains("--force"),
        "{again:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(program.run("k3d config init -f").code, 0);
    assert!(fs::read_to_string(&file).unwrap().contains("kind: Simple"));
}

#[test]
fn old_config_files_are_migrated_to_a_file_or_to_standard_output() {
    let program = Program::new();
    let old = "apiVersion: k3d.io/v1alpha4\nkind: Simple\nmetadata: {name: demo}\nagents: 2\n";
    fs::write(program.folder.path().join("old.yaml"), old).unwrap();
    let shown = program.run("k3d config migrate old.yaml");
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(
        shown.stdout.contains("apiVersion: k3d.io/v1alpha5"),
        "{shown:?}"
    );
    let written = program.run("k3d config update old.yaml new.yaml");
    assert_eq!(
        (written.code, written.stdout.as_str()),
        (0, ""),
        "{written:?}"
    );
    let new = fs::read_to_string(program.folder.path().join("new.yaml")).unwrap();
    assert_eq!(new, shown.stdout);
    let wrong = program.run("k3d config migrate missing.yaml");
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("missing.yaml"));
}

#[test]
fn without_an_engine_every_command_says_so_in_one_line() {
    let program = Program::new();
    for line in [
        "cluster list",
        "cluster create demo",
        "cluster delete demo",
        "cluster start",
        "node list",
        "node create extra",
        "registry create",
        "kubeconfig get demo",
        "image import app:1",
        "runtime-info",
    ] {
        for name in ["k3d", "berth"] {
            let answer = program.run(&format!("{name} {line}"));
            assert_eq!(
                (answer.code, answer.stdout.as_str()),
                (1, ""),
                "{line}: {answer:?}"
            );
            assert!(
                answer.stderr.contains("/nonexistent/docker.sock"),
                "{answer:?}"
            );
            assert_eq!(answer.stderr.lines().count(), 1, "{answer:?}");
        }
    }
}

#[test]
fn all_problems_of_flags_are_listed_at_once() {
    let program = Program::new();
    let answer = program.run("k3d cluster create --runtime-ulimit x --runtime-ulimit y=1");
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.stderr.contains("\"x\"") && answer.stderr.contains("\"y=1\""),
        "{answer:?}"
    );
}
