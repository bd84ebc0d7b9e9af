//! What the entrypoint itself does: prepare, run, stop.

use std::process::{Child, Command, Stdio};

use crate::sandbox::{SHELLS, Sandbox, Shell, end_of, terminate};
use crate::written::{server_files, text_of};

const MAIN: &str = "/bin/k3d-entrypoint.sh";

/// A k3s that runs until it is asked to end, and then ends with 7.
const K3S: &str = "#!/bin/sh
trap 'echo TERM >>\"$K3D_ENTRYPOINT_ROOT/k3s.end\"; exit 7' TERM
for word; do printf '<%s>\\n' \"$word\"; done >\"$K3D_ENTRYPOINT_ROOT/k3s.words\"
echo up >\"$K3D_ENTRYPOINT_ROOT/k3s.up\"
while :; do sleep 1 & wait $!; done
";
/// Fails while the file is there.
const KUBECTL: &str = "echo \"$@\" >>\"$K3D_ENTRYPOINT_ROOT/calls\"\necho \"$KUBECONFIG\" >\"$K3D_ENTRYPOINT_ROOT/kubeconfig\"\n[ ! -e \"$K3D_ENTRYPOINT_ROOT/down\" ] && echo \"$1\" >>\"$K3D_ENTRYPOINT_ROOT/answered\"";

fn node(shell: Shell) -> Sandbox {
    let sandbox = Sandbox::new(shell);
    sandbox.put_script(MAIN, &text_of(&server_files(), MAIN));
    sandbox.put_script("bin/k3s", K3S);
    sandbox.put_tool("kubectl", KUBECTL);
    sandbox
}

fn command(sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut command = sandbox.command(MAIN);
    command
        .args(words)
        .env("K3D_UNCORDON_PAUSE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn start(sandbox: &Sandbox, words: &[&str]) -> Child {
    let child = command(sandbox, words).spawn().unwrap();
    sandbox.wait_for("k3s.up", |text| !text.is_empty());
    child
}

#[test]
fn k3s_gets_its_words_as_they_are_and_its_end_is_the_nodes() {
    for shell in SHELLS {
        let sandbox = node(shell);
        let words = [
            "agent",
            "--node-label",
            "a=$(touch x) `id` \"q\" 'p'",
            "",
            "*",
            "a  b\nc",
        ];
        let child = start(&sandbox, &words);
        let expected: String = words.map(|word| format!("<{word}>\n")).concat();
        assert_eq!(sandbox.get("k3s.words"), expected);
        terminate(&child);
        assert_eq!(end_of(child), Some(7), "{shell:?}");
        assert_eq!(sandbox.get("k3s.end"), "TERM\n");
        // Agents have nothing to do with the API server.
        assert_eq!(sandbox.get("calls"), "");

        sandbox.put_script("bin/k3s", "#!/bin/sh\nexit 5\n");
        let child = command(&sandbox, &["agent"]).spawn().unwrap();
        assert_eq!(end_of(child), Some(5), "{shell:?}");
    }
}

#[test]
fn a_server_takes_pods_again_and_is_drained_before_it_stops() {
    for shell in SHELLS {
        let sandbox = node(shell);
        sandbox.put("down", "");
        let child = start(&sandbox, &["server"]);
        sandbox.wait_for("calls", |calls| calls.lines().count() > 3);
        std::fs::remove_file(sandbox.path("down")).unwrap();
        sandbox.wait_for("answered", |text| text.contains("uncordon"));
        terminate(&child);
        assert_eq!(end_of(child), Some(7), "{shell:?}");
        // It stops asking once it was answered.
        assert_eq!(sandbox.get("answered"), "uncordon\ndrain\n");
        let calls = sandbox.get("calls");
        let last = calls.lines().last().unwrap();
        assert_eq!(
            last,
            "drain k3d-demo-server-0 --force --delete-emptydir-data --ignore-daemonsets --disable-eviction --timeout=5s"
        );
        assert_eq!(sandbox.get("kubeconfig"), "/etc/rancher/k3s/k3s.yaml\n");
    }
}

#[test]
fn a_server_that_never_came_up_stops_at_once() {
    for shell in SHELLS {
        let sandbox = node(shell);
        sandbox.put("down", "");
        let child = start(&sandbox, &["server"]);
        sandbox.wait_for("calls", |calls| calls.contains("uncordon"));
        terminate(&child);
        assert_eq!(end_of(child), Some(7), "{shell:?}");
        assert_eq!(sandbox.get("k3s.end"), "TERM\n");
    }
}

#[test]
fn a_drain_that_hangs_leaves_k3s_time_to_stop() {
    for shell in SHELLS {
        let sandbox = node(shell);
        sandbox.put_tool("kubectl", "[ \"$1\" = uncordon ] || { echo hang >\"$K3D_ENTRYPOINT_ROOT/hang\"; while :; do sleep 1; done; }");
        let mut command = command(&sandbox, &["server"]);
        let child = command.env("K3D_DRAIN_SECONDS", "1").spawn().unwrap();
        sandbox.wait_for("k3s.up", |text| !text.is_empty());
        terminate(&child);
        sandbox.wait_for("hang", |text| !text.is_empty());
        // Who asks twice does not cut it short, and does no harm.
        terminate(&child);
        assert_eq!(end_of(child), Some(7), "{shell:?}");
        assert_eq!(sandbox.get("k3s.end"), "TERM\n");
    }
}

#[test]
fn a_node_is_known_by_the_name_that_it_registers_with() {
    for shell in SHELLS {
        for (words, variable, config, expected) in [
            (vec!["server", "--node-name", "One"], None, "", "one"),
            (
                vec!["server", "--node-name=two"],
                Some("x"),
                "node-name: y\n",
                "two",
            ),
            (vec!["server"], Some("three"), "", "three"),
            (
                vec!["server"],
                None,
                "a: b\nnode-name: \"four\" # c\n",
                "four",
            ),
            (vec!["server", "--node-name"], None, "", "k3d-demo-server-0"),
        ] {
            let sandbox = node(shell);
            sandbox.put("etc/rancher/k3s/config.yaml", config);
            let mut command = command(&sandbox, &words);
            if let Some(name) = variable {
                command.env("K3S_NODE_NAME", name);
            }
            let child = command
                .env("K3S_KUBECONFIG_OUTPUT", "/output/kubeconfig.yaml")
                .spawn()
                .unwrap();
            let calls = sandbox.wait_for("calls", |calls| calls.ends_with('\n'));
            assert_eq!(calls, format!("uncordon {expected}\n"), "{shell:?}");
            sandbox.wait_for("kubeconfig", |path| path == "/output/kubeconfig.yaml\n");
            sandbox.wait_for("k3s.up", |text| !text.is_empty());
            terminate(&child);
            assert_eq!(end_of(child), Some(7));
        }
    }
}

#[test]
fn a_name_that_never_appears_is_given_up() {
    for shell in SHELLS {
        let sandbox = node(shell);
        sandbox.put("down", "");
        let mut command = command(&sandbox, &["server"]);
        let child = command.env("K3D_UNCORDON_TRIES", "4").spawn().unwrap();
        sandbox.wait_for_log("gave up uncordoning node k3d-demo-server-0");
        sandbox.wait_for("k3s.up", |text| !text.is_empty());
        terminate(&child);
        assert_eq!(end_of(child), Some(7));
        let calls = sandbox.get("calls");
        assert_eq!(calls.matches("uncordon").count(), 4, "{shell:?}");
    }
}

#[test]
fn every_preparing_script_runs_in_order_before_k3s() {
    for shell in SHELLS {
        let sandbox = node(shell);
        for name in ["b", "a", "c d"] {
            let text = format!("#!/bin/sh\necho '{name}' >>\"$K3D_ENTRYPOINT_ROOT/order\"\n");
            sandbox.put_script(&format!("bin/k3d-entrypoint-{name}.sh"), &text);
        }
        let child = start(&sandbox, &["agent"]);
        assert_eq!(sandbox.get("order"), "a\nb\nc d\n");
        terminate(&child);
        end_of(child);
    }
}

#[test]
fn a_preparing_script_that_fails_keeps_k3s_from_starting_and_is_shown() {
    for shell in SHELLS {
        let sandbox = node(shell);
        sandbox.put_script(
            "bin/k3d-entrypoint-a.sh",
            "#!/bin/sh\necho no iptables here >&2\nexit 9\n",
        );
        let output = command(&sandbox, &["agent"])
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{shell:?}");
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            shown.contains("no iptables here") && shown.contains("k3d-entrypoint-a.sh failed"),
            "{shown}"
        );
        assert!(!sandbox.path("k3s.up").exists());
        assert!(sandbox.log().contains("no iptables here"));
    }
}
