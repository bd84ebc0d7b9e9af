//! Every flag, alias and default of the list, asked of the command line as data.

use crate::table::Kind::{Array, Duration, Integer, Slice, Switch, Text};
use crate::table::{COMMANDS, Kind, Listed};

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
            // Refused, and not shown, when called as k3d.
            let beyond = argument.is_hide_set();
            let known = listed.flags.iter().any(|flag| flag.long == long);
            assert!(
                global || plan || closed || beyond || known,
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
