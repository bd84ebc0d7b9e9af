//! Plugins and completion.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::Program;

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
