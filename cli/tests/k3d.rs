//! The command tree that is shared with k3d: every command, flag, alias and default, and the two manners of the program.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use Kind::{Array, Duration, Integer, Slice, Switch, Text};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Switch,
    Integer,
    Duration,
    /// Repeatable, values verbatim.
    Array,
    /// Repeatable, split at commas.
    Slice,
}

struct Flag {
    long: &'static str,
    short: Option<char>,
    kind: Kind,
    /// `None`: the default comes from the config file or from elsewhere.
    default: Option<&'static str>,
}

const fn flag(long: &'static str, short: char, kind: Kind, default: &'static str) -> Flag {
    Flag {
        long,
        short: if short == ' ' { None } else { Some(short) },
        kind,
        default: Some(default),
    }
}

/// A flag whose value can come from the config file, too: that it was not given must be known.
const fn open(long: &'static str, short: char, kind: Kind) -> Flag {
    Flag {
        long,
        short: if short == ' ' { None } else { Some(short) },
        kind,
        default: None,
    }
}

struct Listed {
    path: &'static str,
    aliases: &'static [&'static str],
    /// Names that make the command complete.
    arguments: &'static [&'static str],
    flags: &'static [Flag],
}

const START: &[Flag] = &[
    flag("all", 'a', Switch, "false"),
    flag("wait", ' ', Switch, "true"),
    flag("timeout", ' ', Duration, "0s"),
];
const LISTING: &[Flag] = &[
    flag("no-headers", ' ', Switch, "false"),
    flag("output", 'o', Text, ""),
];
const PORTS: &[Flag] = &[
    open("port-add", ' ', Array),
    open("port-delete", ' ', Array),
];

const COMMANDS: &[Listed] = &[
    Listed {
        path: "version",
        aliases: &[],
        arguments: &[],
        flags: &[flag("output", 'o', Text, "")],
    },
    Listed {
        path: "version list",
        aliases: &["ls"],
        arguments: &["k3s"],
        flags: &[
            flag("include", 'i', Text, ".*"),
            flag(
                "exclude",
                'e',
                Text,
                "^sha-|.+(rc|engine|dind|alpha|beta|dev|test|arm|arm64|amd64|s390x).*",
            ),
            flag("limit", 'l', Integer, "0"),
        ],
    },
    Listed {
        path: "cluster create",
        aliases: &[],
        arguments: &["demo"],
        flags: &[
            open("config", 'c', Text),
            open("api-port", ' ', Text),
            open("env", 'e', Array),
            open("volume", 'v', Array),
            open("port", 'p', Array),
            open("k3s-node-label", ' ', Array),
            open("runtime-label", ' ', Array),
            open("runtime-ulimit", ' ', Array),
            open("registry-create", ' ', Text),
            flag("enforce-registry-port-match", ' ', Switch, "false"),
            open("host-alias", ' ', Array),
            open("k3s-arg", ' ', Array),
            open("servers", 's', Integer),
            open("agents", 'a', Integer),
            open("image", 'i', Text),
            open("network", ' ', Text),
            open("subnet", ' ', Text),
            open("token", ' ', Text),
            open("wait", ' ', Switch),
            open("timeout", ' ', Duration),
            open("kubeconfig-update-default", ' ', Switch),
            open("kubeconfig-switch-context", ' ', Switch),
            open("no-lb", ' ', Switch),
            open("no-rollback", ' ', Switch),
            open("gpus", ' ', Text),
            open("servers-memory", ' ', Text),
            open("agents-memory", ' ', Text),
            open("host-pid-mode", ' ', Switch),
            open("no-image-volume", ' ', Switch),
            open("registry-use", ' ', Array),
            open("registry-config", ' ', Text),
            open("lb-config-override", ' ', Slice),
        ],
    },
    Listed {
        path: "cluster start",
        aliases: &[],
        arguments: &["demo", "other"],
        flags: START,
    },
    Listed {
        path: "cluster restart",
        aliases: &[],
        arguments: &[],
        flags: START,
    },
    Listed {
        path: "cluster stop",
        aliases: &[],
        arguments: &[],
        flags: &[flag("all", 'a', Switch, "false")],
    },
    Listed {
        path: "cluster delete",
        aliases: &["del", "rm"],
        arguments: &[],
        flags: &[flag("all", 'a', Switch, "false"), open("config", 'c', Text)],
    },
    Listed {
        path: "cluster list",
        aliases: &["ls", "get"],
        arguments: &[],
        flags: &[
            flag("no-headers", ' ', Switch, "false"),
            flag("output", 'o', Text, ""),
            flag("token", ' ', Switch, "false"),
        ],
    },
    Listed {
        path: "cluster edit",
        aliases: &["update"],
        arguments: &["demo"],
        flags: PORTS,
    },
    Listed {
        path: "kubeconfig get",
        aliases: &["print", "show"],
        arguments: &[],
        flags: &[flag("all", 'a', Switch, "false")],
    },
    Listed {
        path: "kubeconfig merge",
        aliases: &["write"],
        arguments: &[],
        flags: &[
            open("output", 'o', Text),
            flag("kubeconfig-merge-default", 'd', Switch, "false"),
            flag("update", 'u', Switch, "true"),
            flag("kubeconfig-switch-context", 's', Switch, "true"),
            flag("overwrite", ' ', Switch, "false"),
            flag("all", 'a', Switch, "false"),
        ],
    },
    Listed {
        path: "node create",
        aliases: &[],
        arguments: &["extra"],
        flags: &[
            flag("replicas", ' ', Integer, "1"),
            flag("role", ' ', Text, "agent"),
            flag("cluster", 'c', Text, "k3s-default"),
            flag("image", 'i', Text, ""),
            flag("memory", ' ', Text, ""),
            flag("wait", ' ', Switch, "true"),
            flag("timeout", ' ', Duration, "0s"),
            open("runtime-label", ' ', Slice),
            open("runtime-ulimit", ' ', Slice),
            open("k3s-node-label", ' ', Slice),
            open("network", 'n', Slice),
            flag("token", 't', Text, ""),
            open("k3s-arg", ' ', Array),
        ],
    },
    Listed {
        path: "node start",
        aliases: &[],
        arguments: &["demo-server-0"],
        flags: &[],
    },
    Listed {
        path: "node stop",
        aliases: &[],
        arguments: &["demo-server-0"],
        flags: &[],
    },
    Listed {
        path: "node delete",
        aliases: &[],
        arguments: &[],
        flags: &[
            flag("all", 'a', Switch, "false"),
            flag("registries", 'r', Switch, "false"),
        ],
    },
    Listed {
        path: "node list",
        aliases: &["ls", "get"],
        arguments: &[],
        flags: LISTING,
    },
    Listed {
        path: "node edit",
        aliases: &["update"],
        arguments: &["k3d-demo-serverlb"],
        flags: PORTS,
    },
    Listed {
        path: "image import",
        aliases: &["load"],
        arguments: &["app:1", "-"],
        flags: &[
            flag("cluster", 'c', Array, "k3s-default"),
            flag("keep-tarball", 'k', Switch, "false"),
            flag("keep-tools", 't', Switch, "false"),
        ],
    },
    Listed {
        path: "registry create",
        aliases: &[],
        arguments: &[],
        flags: &[
            open("cluster", 'c', Array),
            flag("image", 'i', Text, "docker.io/library/registry:2"),
            flag("port", 'p', Text, "random"),
            open("volume", 'v', Array),
            flag("default-network", ' ', Text, "bridge"),
            flag("proxy-remote-url", ' ', Text, ""),
            flag("proxy-username", ' ', Text, ""),
            flag("proxy-password", ' ', Text, ""),
            flag("no-help", ' ', Switch, "false"),
            flag("delete-enabled", ' ', Switch, "false"),
            flag("enforce-port-match", ' ', Switch, "false"),
        ],
    },
    Listed {
        path: "registry delete",
        aliases: &["del", "rm"],
        arguments: &[],
        flags: &[flag("all", 'a', Switch, "false")],
    },
    Listed {
        path: "registry list",
        aliases: &["ls", "get"],
        arguments: &[],
        flags: LISTING,
    },
    Listed {
        path: "config init",
        aliases: &["create"],
        arguments: &[],
        flags: &[
            flag("output", 'o', Text, "k3d-default.yaml"),
            flag("force", 'f', Switch, "false"),
        ],
    },
    Listed {
        path: "config migrate",
        aliases: &["update"],
        arguments: &["old.yaml", "new.yaml"],
        flags: &[],
    },
    Listed {
        path: "runtime-info",
        aliases: &[],
        arguments: &[],
        flags: &[],
    },
    Listed {
        path: "debug loadbalancer get-config",
        aliases: &[],
        arguments: &["demo"],
        flags: &[],
    },
];

/// What is given beside the flag under test, where a command wants a name or `--all`.
fn completing(listed: &Listed, flag: &str) -> Vec<String> {
    let needs_all = matches!(
        listed.path,
        "kubeconfig get" | "node delete" | "registry delete"
    );
    let mut words: Vec<String> = listed.arguments.iter().map(ToString::to_string).collect();
    if needs_all && flag != "all" {
        words.push("--all".to_owned());
    }
    words
}

fn sample(kind: Kind) -> &'static str {
    match kind {
        Text | Array | Slice => "some=value",
        Switch => "true",
        Integer => "3",
        Duration => "1m30s",
    }
}

/// The texts that the program got for one flag.
fn parsed(program: &clap::Command, listed: &Listed, flag: &str, words: &[&str]) -> Vec<String> {
    let line = std::iter::once("k3d")
        .chain(listed.path.split(' '))
        .map(ToOwned::to_owned)
        .chain(words.iter().map(ToString::to_string))
        .chain(completing(listed, flag));
    let line: Vec<String> = line.collect();
    let matches = program
        .clone()
        .try_get_matches_from(&line)
        .map_err(|error| format!("{line:?}: {error}"))
        .unwrap();
    let mut here = &matches;
    while let Some((_, below)) = here.subcommand() {
        here = below;
    }
    here.get_raw(&flag.replace('-', "_"))
        .map(|values| {
            values
                .map(|value| value.to_str().unwrap().to_owned())
                .collect()
        })
        .unwrap_or_default()
}

#[test]
fn every_flag_of_every_command_is_taken_in_all_its_spellings() {
    let program = berth_cli::command_as_k3d();
    for listed in COMMANDS {
        for flag in listed.flags {
            let (long, value) = (flag.long, sample(flag.kind));
            let expected: Vec<String> = vec![value.to_owned()];
            let mut spellings = vec![vec![format!("--{long}={value}")]];
            if flag.kind == Switch {
                spellings.push(vec![format!("--{long}")]);
            } else {
                spellings.push(vec![format!("--{long}"), value.to_owned()]);
            }
            if let Some(short) = flag.short {
                spellings.push(match flag.kind {
                    Switch => vec![format!("-{short}")],
                    _ => vec![format!("-{short}"), value.to_owned()],
                });
                spellings.push(vec![format!("-{short}={value}")]);
            }
            for spelling in spellings {
                let words: Vec<&str> = spelling.iter().map(String::as_str).collect();
                assert_eq!(
                    parsed(&program, listed, long, &words),
                    expected,
                    "{} {words:?}",
                    listed.path
                );
            }
        }
    }
}

#[test]
fn every_flag_has_the_default_and_the_manner_of_its_kind() {
    let program = berth_cli::command_as_k3d();
    for listed in COMMANDS {
        for flag in listed.flags {
            let name = format!("{} --{}", listed.path, flag.long);
            let default: Vec<String> = flag.default.iter().map(ToString::to_string).collect();
            assert_eq!(default_of(&program, listed, flag.long), default, "{name}");
            let (one, two) = match flag.kind {
                Switch => ("true", "false"),
                Integer => ("1", "2"),
                Duration => ("1s", "2s"),
                Text | Array | Slice => ("a=1,2", "--b"),
            };
            let (one, two) = (
                format!("--{}={one}", flag.long),
                format!("--{}={two}", flag.long),
            );
            let both = parsed(&program, listed, flag.long, &[&one, &two]);
            let values = |texts: &[&String]| -> Vec<String> {
                let value = |text: &&String| text.split_once('=').unwrap().1.to_owned();
                texts.iter().map(value).collect()
            };
            let expected = match flag.kind {
                Array | Slice => values(&[&one, &two]),
                _ => values(&[&two]),
            };
            assert_eq!(both, expected, "{name}: the last use counts, lists collect");
        }
    }
}

/// The value that a flag has when it is not given.
fn default_of(program: &clap::Command, listed: &Listed, flag: &str) -> Vec<String> {
    let mut command = program;
    for name in listed.path.split(' ') {
        command = command.find_subcommand(name).unwrap();
    }
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|it| it.get_long() == Some(flag)).unwrap();
    let values = argument.get_default_values().iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn there_are_no_flags_but_the_listed_ones_and_those_for_plans() {
    let mut program = berth_cli::command_as_k3d();
    program.build();
    for listed in COMMANDS {
        let mut command = &program;
        for name in listed.path.split(' ') {
            command = command.find_subcommand(name).unwrap();
        }
        for argument in command.get_arguments() {
            let Some(long) = argument.get_long() else {
                continue;
            };
            let global = matches!(long, "help" | "verbose" | "trace" | "timestamps");
            let plan = matches!(long, "dry-run" | "output");
            let closed = matches!(long, "mode" | "sort" | "format");
            let known = listed.flags.iter().any(|flag| flag.long == long);
            assert!(
                global || plan || closed || known,
                "{} --{long}",
                listed.path
            );
        }
    }
}

#[test]
fn every_alias_leads_to_its_command() {
    let program = berth_cli::command_as_k3d();
    for listed in COMMANDS {
        let (parent, _) = listed.path.rsplit_once(' ').unwrap_or_default();
        for alias in listed.aliases {
            let mut words = vec!["k3d"];
            words.extend(parent.split(' ').filter(|word| !word.is_empty()));
            words.push(alias);
            let rest = completing(listed, "");
            let line = words
                .iter()
                .map(ToString::to_string)
                .chain(rest)
                .collect::<Vec<_>>();
            let matches = program.clone().try_get_matches_from(&line).unwrap();
            let mut here = &matches;
            let mut path = Vec::new();
            while let Some((name, below)) = here.subcommand() {
                path.push(name);
                here = below;
            }
            assert_eq!(path.join(" "), listed.path, "{alias}");
        }
    }
    for (alias, group) in [
        ("registries", "registry"),
        ("reg", "registry"),
        ("images", "image"),
    ] {
        let matches = program
            .clone()
            .try_get_matches_from(["k3d", alias])
            .unwrap();
        assert_eq!(matches.subcommand_name(), Some(group));
    }
}

#[test]
fn values_of_closed_sets_are_those_of_k3d() {
    let program = berth_cli::command_as_k3d();
    let accepted = |line: &str| {
        program
            .clone()
            .try_get_matches_from(line.split(' '))
            .is_ok()
    };
    for mode in ["auto", "direct", "tools-node", "tools"] {
        assert!(
            accepted(&format!("k3d image import -m {mode} app:1")),
            "{mode}"
        );
    }
    assert!(!accepted("k3d image import --mode fast app:1"));
    for (flag, values) in [
        ("--sort", ["desc", "asc", "off"].as_slice()),
        ("-s", &["desc"]),
        ("--output", &["raw", "repo"]),
        ("--format", &["raw", "repo"]),
        ("-f", &["raw"]),
    ] {
        for value in values {
            assert!(accepted(&format!("k3d version list k3d {flag} {value}")));
        }
    }
    assert!(!accepted("k3d version list k3d --format raw --output raw"));
    assert!(!accepted("k3d version list etcd"));
    for shell in ["bash", "zsh", "fish", "powershell", "psh"] {
        assert!(accepted(&format!("k3d completion {shell}")), "{shell}");
    }
    for component in ["k3d", "k3s", "k3d-proxy", "k3d-tools"] {
        assert!(
            accepted(&format!("k3d version ls {component}")),
            "{component}"
        );
    }
}

#[test]
fn values_may_begin_with_a_dash_and_switches_stand_together() {
    let program = berth_cli::command_as_k3d();
    let create = COMMANDS
        .iter()
        .find(|listed| listed.path == "cluster create")
        .unwrap();
    let words = [
        "--k3s-arg",
        "--disable=traefik@server:*",
        "--k3s-arg",
        "-v@",
    ];
    assert_eq!(
        parsed(&program, create, "k3s-arg", &words),
        ["--disable=traefik@server:*", "-v@"]
    );
    let matches = program
        .try_get_matches_from(["k3d", "kubeconfig", "merge", "-au=false", "--verbose=true"])
        .unwrap();
    let merge = matches.subcommand().unwrap().1.subcommand().unwrap().1;
    assert!(merge.get_flag("all") && !merge.get_flag("update") && merge.get_flag("verbose"));
}

#[test]
fn what_changes_something_can_be_planned_first() {
    let program = berth_cli::command_as_k3d();
    for listed in COMMANDS {
        let reads = ["version", "list", "get", "runtime-info", "get-config"];
        let last = listed.path.rsplit(' ').next().unwrap();
        if reads.contains(&last) {
            continue;
        }
        assert_eq!(
            parsed(&program, listed, "dry-run", &["--dry-run"]),
            ["true"],
            "{}",
            listed.path
        );
    }
}

struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    /// The binary under both of its names.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["berth", "k3d"] {
            symlink(env!("CARGO_BIN_EXE_berth"), folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn run(&self, line: &str) -> Answer {
        self.run_with(line, &[])
    }

    fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Answer {
        let mut words = line.split(' ');
        let output = Command::new(self.folder.path().join(words.next().unwrap()))
            .args(words.filter(|word| !word.is_empty()))
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", self.folder.path())
            .env("HOME", self.folder.path())
            // No Engine: names are not completed, commands that need one fail.
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Answer::from(&output)
    }
}

#[derive(Debug)]
struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<&Output> for Answer {
    fn from(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

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

fn plugin(folder: &Path, name: &str, script: &str) {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn plugins_get_the_remaining_words_and_give_their_exit_code() {
    let program = Program::new();
    let folder = program.folder.path();
    plugin(folder, "k3d-tell_me", "echo \"$0 $*\"; exit 7");
    plugin(folder, "k3d-tell_me-more", "echo \"more $*\"; exit 3");
    plugin(folder, "k3d-cluster", "echo never");
    fs::write(folder.join("k3d-plain"), "not executable").unwrap();
    for name in ["k3d", "berth"] {
        let answer = program.run(&format!("{name} tell-me now --loud"));
        assert_eq!(answer.code, 7, "{answer:?}");
        assert!(
            answer.stdout.ends_with("k3d-tell_me now --loud\n"),
            "{answer:?}"
        );
        let longest = program.run(&format!("{name} tell-me more --x y"));
        assert_eq!((longest.code, longest.stdout.as_str()), (3, "more --x y\n"));
        let own = program.run(&format!("{name} cluster"));
        assert!(own.stdout.contains("Usage: "), "{own:?}");
        assert_ne!(program.run(&format!("{name} plain")).code, 0);
    }
    assert_eq!(program.run("k3d plain").code, 1);
}

#[test]
fn completion_scripts_are_for_the_program_that_prints_them() {
    let program = Program::new();
    let zsh = program.run("k3d completion zsh").stdout;
    assert!(zsh.starts_with("#compdef k3d\n") && zsh.ends_with("\ncompdef _k3d k3d\n"));
    for shell in ["bash", "zsh", "fish", "powershell", "psh"] {
        let script = program.run(&format!("berth completion {shell}")).stdout;
        assert!(
            script.contains("berth") && script.contains("__complete"),
            "{shell}"
        );
        assert!(
            !script.contains("PROGRAM") && !script.contains("k3d"),
            "{shell}"
        );
    }
    for name in ["k3d", "berth"] {
        let script = program.run(&format!("{name} completion bash")).stdout;
        let checked = Command::new("bash").args(["-n", "-c", &script]).status();
        assert!(checked.unwrap().success());
    }
}

/// What bash offers behind these words, with the script that the program prints.
fn offered_by_bash(program: &Program, line: &str) -> Vec<String> {
    let script = program.run("k3d completion bash").stdout;
    let words: Vec<&str> = line.split(' ').collect();
    let commands = format!(
        "{script}\nCOMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}}\nCOMP_WORDS=({}) COMP_CWORD={}\n_k3d\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        line,
        words.len() - 1
    );
    let output = Command::new("bash")
        .args(["-c", &commands])
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", program.folder.path().display()),
        )
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn bash_offers_commands_flags_and_values() {
    let program = Program::new();
    assert_eq!(offered_by_bash(&program, "k3d clu"), ["cluster"]);
    assert_eq!(offered_by_bash(&program, "k3d cluster re"), ["restart"]);
    assert_eq!(
        offered_by_bash(&program, "k3d cluster create --no-l"),
        ["--no-lb"]
    );
    assert_eq!(
        offered_by_bash(&program, "k3d node create x --role "),
        ["agent", "server"]
    );
}

#[test]
fn candidates_come_with_descriptions_and_say_whether_files_are_wanted() {
    let program = Program::new();
    let answer = |line: &str| program.run(line).stdout;
    assert!(answer("k3d __complete cluster st").contains("start\tStart clusters"));
    assert_eq!(answer("k3d __completeNoDesc cluster star"), "start\n:4\n");
    assert_eq!(
        answer("k3d __completeNoDesc version list k3d-"),
        "k3d-proxy\nk3d-tools\n:4\n"
    );
    assert_eq!(
        answer("k3d __completeNoDesc cluster list -o=j"),
        "json\n:4\n"
    );
    assert_eq!(answer("k3d __complete cluster create --config x"), ":0\n");
    assert_eq!(answer("k3d __complete cluster create --image x"), ":4\n");
    // Nobody answers for names without an Engine, and nothing is said about it.
    let names = program.run("k3d __complete cluster start x");
    assert_eq!(
        (names.code, names.stdout.as_str(), names.stderr.as_str()),
        (0, ":4\n", "")
    );
    assert!(!answer("k3d __complete cluster x").contains("apply"));
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
fn a_channel_that_cannot_be_resolved_is_told_before_anything_is_done() {
    let program = Program::new();
    let create = |channels: &str, image: &str| {
        let line = format!("berth cluster create demo --image {image}");
        program
            .run_with(&line, &[("K3D_CHANNEL_URL", channels)])
            .stderr
    };
    let failing = serve(|_, _| response("500 Internal Server Error", "", ""));
    let said = format!("FATA[0000] call made to '{failing}' failed with status code '500'\n");
    assert_eq!(create(&failing, "stable"), said);
    let empty = serve(|_, _| response("200 OK", "", r#"{"data":[]}"#));
    let said = create(&empty, "+v1.33");
    assert!(
        said.contains("no latest version found for channel v1.33"),
        "{said}"
    );
    // What is resolved goes on to the Engine, which is not there.
    let good = serve(|_, _| {
        response(
            "200 OK",
            "",
            r#"{"data":[{"name":"latest","latest":"v1.40.0+k3s1"}]}"#,
        )
    });
    assert!(create(&good, "latest").contains("docker.sock"));
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

/// Answers each request with what `answer` makes of its first line and its headers, until the test ends.
fn serve(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = read_head(&mut stream);
            let line = head.lines().next().unwrap_or_default();
            stream.write_all(answer(line, &head).as_bytes()).unwrap();
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

#[test]
fn versions_are_listed_from_a_registry_with_a_token_and_pages() {
    let (send, receive) = std::sync::mpsc::channel::<String>();
    let registry = serve({
        let own = std::sync::Mutex::new(None::<String>);
        move |line, head| {
            let mut own = own.lock().unwrap();
            let address = own.get_or_insert_with(|| receive.recv().unwrap()).clone();
            let lower = head.to_ascii_lowercase();
            if line.starts_with("GET /token?service=tags&scope=repository%3Arancher%2Fk3s%3Apull") {
                response("200 OK", "", r#"{"token":"made-up"}"#)
            } else if !lower.contains("authorization: bearer made-up") {
                let asks = format!(
                    "WWW-Authenticate: Bearer realm=\"{address}/token\",service=\"tags\"\r\n"
                );
                response("401 Unauthorized", &asks, "{}")
            } else if line.contains("last=") {
                response(
                    "200 OK",
                    "",
                    r#"{"tags":["v1.33.1-k3s1","v1.33.2-rc1-k3s1"]}"#,
                )
            } else {
                let link = "Link: </v2/rancher/k3s/tags/list?last=v1>; rel=\"next\"\r\n";
                response("200 OK", link, r#"{"tags":["v1.9.0-k3s1","v1.34.0-k3s1"]}"#)
            }
        }
    });
    send.send(registry.clone()).unwrap();
    let program = Program::new();
    let environment = [("K3D_REGISTRY_URL", registry.as_str())];
    let all = program.run_with("k3d version list k3s", &environment);
    assert_eq!(
        all.stdout, "v1.34.0-k3s1\nv1.33.1-k3s1\nv1.9.0-k3s1\n",
        "{all:?}"
    );
    let repo = program.run_with("berth version ls k3s -l 1 -s asc -o repo", &environment);
    assert_eq!(repo.stdout, "docker.io/rancher/k3s:v1.9.0-k3s1\n");
    let many = program.run_with("k3d version list k3s --limit 99 -i 1.34", &environment);
    assert_eq!(many.stdout, "v1.34.0-k3s1\n");
    assert!(!format!("{all:?}{repo:?}{many:?}").contains("made-up"));
}

#[test]
fn a_registry_that_fails_is_named_in_one_line() {
    let program = Program::new();
    let registry = serve(|_, _| response("503 Service Unavailable", "", ""));
    let failed = program.run_with(
        "k3d version list k3d",
        &[("K3D_REGISTRY_URL", &registry), ("LOG_COLORS", "false")],
    );
    assert_eq!((failed.code, failed.stdout.as_str()), (1, ""));
    assert!(failed.stderr.contains("level=fatal") && failed.stderr.contains("status code '503'"));
    assert_eq!(failed.stderr.lines().count(), 1, "{failed:?}");
    let gone = program.run_with(
        "berth version list k3d",
        &[("K3D_REGISTRY_URL", "http://127.0.0.1:1")],
    );
    assert_eq!(gone.code, 1);
    assert!(
        gone.stderr
            .starts_with("FATA[0000] failed to reach http://127.0.0.1:1"),
        "{gone:?}"
    );
}
