//! What the preparing scripts do.

use std::fs;

use crate::sandbox::{SHELLS, Sandbox, Shell};
use crate::written::{MERGES, server_files, text_of};

const BEFORE: &str = include_str!("../golden/entrypoint/nat.before");
const AFTER: &str = include_str!("../golden/entrypoint/nat.after");
/// Answers while the file `api` is there; `node-hosts` is what `CoreDNS`'s own ConfigMap has.
const KUBECTL: &str = r#"root=$K3D_ENTRYPOINT_ROOT
echo "$@" >>"$root/calls"
[ -e "$root/api" ] || exit 1
case "$1 $3" in
  "get coredns") [ -e "$root/node-hosts" ] && printf '7\n' && cat "$root/node-hosts" ;;
  "patch coredns")
    for patch; do :; done
    printf '%s\n' "$patch" >"$root/patch"
    printf '%s\n' "$patch" | sed -n 's/^    //p' >"$root/node-hosts"
    ;;
  *) echo "$1" >>"$root/answered" ;;
esac
"#;
const MANIFESTS: &str = "var/lib/rancher/k3s/server/manifests";

fn with_script(shell: Shell, name: &str) -> Sandbox {
    let sandbox = Sandbox::new(shell);
    let path = format!("/bin/k3d-entrypoint-{name}.sh");
    sandbox.put_script(&path, &text_of(&server_files(), &path));
    sandbox
}

fn with_hosts(shell: Shell) -> Sandbox {
    let sandbox = with_script(shell, "hosts");
    sandbox.put("etc/hosts", "127.0.0.1\tlocalhost\n");
    for path in [
        "/etc/k3d/hosts",
        "/etc/k3d/coredns-custom.yaml",
        "/etc/k3d/manifests",
    ] {
        sandbox.put(path, &text_of(&server_files(), path));
    }
    sandbox.put("kubeconfig", "of k3s");
    sandbox.put_tool("kubectl", KUBECTL);
    sandbox
}

/// The hosts script in a hurry, with what it leaves behind.
fn run_hosts(sandbox: &Sandbox, variables: &[(&str, &str)]) {
    let mut command = sandbox.command("bin/k3d-entrypoint-hosts.sh");
    command
        .env("KUBECONFIG", sandbox.path("kubeconfig"))
        .env("K3D_COREDNS_PAUSE", "0.01")
        .env("K3D_COREDNS_TRIES", "100000")
        .env("K3D_COREDNS_AGAIN", "0")
        .env("K3D_COREDNS_ROUNDS", "3")
        .envs(variables.iter().copied());
    assert!(command.status().unwrap().success());
}

#[test]
fn the_hosts_script_merges_as_we_do() {
    for shell in SHELLS {
        let sandbox = with_script(shell, "hosts");
        for (existing, given, expected) in MERGES {
            sandbox.put("etc/hosts", existing);
            sandbox.put("etc/k3d/hosts", given);
            for _ in 0..2 {
                sandbox.run_well("bin/k3d-entrypoint-hosts.sh");
                assert_eq!(
                    sandbox.get("etc/hosts"),
                    if given.is_empty() { existing } else { expected },
                    "{shell:?}"
                );
            }
        }
    }
}

#[test]
fn the_hosts_file_is_written_in_place_because_it_is_a_mount() {
    use std::os::unix::fs::MetadataExt;
    for shell in SHELLS {
        let sandbox = with_hosts(shell);
        let number = || fs::metadata(sandbox.path("etc/hosts")).unwrap().ino();
        let before = number();
        run_hosts(&sandbox, &[("K3D_COREDNS_TRIES", "0")]);
        assert_eq!(number(), before);
        assert!(
            sandbox
                .get("etc/hosts")
                .ends_with("172.18.0.1 host.k3d.internal\n")
        );
    }
}

#[test]
fn k3s_is_given_the_names_for_pods_before_it_starts() {
    for shell in SHELLS {
        let sandbox = with_hosts(shell);
        sandbox.put(
            &format!("{MANIFESTS}/coredns.yaml"),
            "mounts: coredns-custom\n",
        );
        let own = format!("{MANIFESTS}/k3d-host-aliases.yaml");
        sandbox.put(&own, "of an earlier start: coredns-custom");
        for _ in 0..2 {
            run_hosts(&sandbox, &[("K3D_COREDNS_TRIES", "0")]);
            assert_eq!(
                sandbox.get(&own),
                include_str!("../golden/entrypoint/coredns-custom.yaml")
            );
        }
        assert_eq!(fs::read_dir(sandbox.path(MANIFESTS)).unwrap().count(), 2);
        assert_eq!(sandbox.get("calls"), "");
    }
}

#[test]
fn the_names_stand_in_the_node_hosts_of_coredns_beside_those_of_k3s() {
    for shell in SHELLS {
        let sandbox = with_hosts(shell);
        run_hosts(&sandbox, &[]);
        sandbox.wait_for("calls", |calls| calls.lines().count() > 2);
        // The API answers, then k3s applies its manifest, which tells of its own nodes.
        sandbox.put("api", "");
        let of_k3s = "172.18.0.2 k3d-demo-server-0\n10.9.9.9 git.example other\n";
        sandbox.put("node-hosts", of_k3s);
        let expected = "172.18.0.2 k3d-demo-server-0\n10.9.9.9 other\n192.168.1.5 git.example\n\
             192.168.1.5 Registry.example\nfd00::7 six\n172.18.0.1 host.k3d.internal\n";
        sandbox.wait_for("var/log/k3d-coredns.log", |log| {
            log.contains("CoreDNS knows")
        });
        assert_eq!(sandbox.get("node-hosts"), expected, "{shell:?}");
        assert!(
            sandbox
                .get("patch")
                .starts_with("metadata:\n  resourceVersion: \"7\"\ndata:\n  NodeHosts: |\n")
        );
        // It says the same three times; only the first made a change.
        let patches = |sandbox: &Sandbox| sandbox.get("calls").matches("patch configmap").count();
        assert_eq!(patches(&sandbox), 1);
        // Nothing is left of it when k3s writes its own anew, but for the next look.
        sandbox.put("node-hosts", "");
        fs::remove_file(sandbox.path("var/log/k3d-coredns.log")).unwrap();
        run_hosts(&sandbox, &[]);
        sandbox.wait_for("var/log/k3d-coredns.log", |log| {
            log.contains("CoreDNS knows")
        });
        assert!(
            sandbox
                .get("node-hosts")
                .starts_with("192.168.1.5 git.example\n")
        );
    }
}

#[test]
fn a_config_map_of_the_user_is_added_to_once_the_cluster_runs() {
    for shell in SHELLS {
        let sandbox = with_hosts(shell);
        sandbox.put(&format!("{MANIFESTS}/k3d-host-aliases.yaml"), "old");
        sandbox.put(
            &format!("{MANIFESTS}/mine.yaml"),
            "metadata: {name: coredns-custom}\n",
        );
        // It returns at once; what it left behind goes on until the API server answers.
        run_hosts(&sandbox, &[]);
        assert!(
            !sandbox
                .path(&format!("{MANIFESTS}/k3d-host-aliases.yaml"))
                .exists()
        );
        sandbox.wait_for("calls", |calls| calls.matches("create -f").count() > 2);
        sandbox.put("node-hosts", "");
        sandbox.put("api", "");
        sandbox.wait_for("var/log/k3d-coredns.log", |log| {
            log.contains("CoreDNS knows")
        });
        // k3s may take the key away again when it applies the other manifest.
        assert_eq!(sandbox.get("answered").lines().count(), 3);
        let calls = sandbox.get("calls");
        assert!(calls.starts_with(
            "patch configmap coredns-custom --namespace kube-system --type merge --patch #"
        ));
        assert!(calls.contains(" IN A 172.18.0.1\""));
    }
}

#[test]
fn a_manifest_that_cannot_be_written_is_created_in_the_cluster_and_given_up_in_the_end() {
    for shell in SHELLS {
        let sandbox = with_hosts(shell);
        sandbox.put("var/lib/rancher", "no folder");
        run_hosts(&sandbox, &[("K3D_COREDNS_TRIES", "2")]);
        sandbox.wait_for("var/log/k3d-coredns.log", |log| log.contains("gave up"));
        assert_eq!(sandbox.get("calls").matches("create -f").count(), 2);
    }
}

#[test]
fn a_node_without_names_keeps_its_hosts_file() {
    for shell in SHELLS {
        let sandbox = with_script(shell, "hosts");
        sandbox.put("etc/hosts", "127.0.0.1 x\n\n");
        sandbox.run_well("bin/k3d-entrypoint-hosts.sh");
        assert_eq!(sandbox.get("etc/hosts"), "127.0.0.1 x\n\n");
    }
}

fn with_dns(shell: Shell) -> Sandbox {
    let sandbox = with_script(shell, "dns");
    sandbox.put("etc/k3d/gateway", "172.18.0.1\n");
    sandbox.put(
        "etc/resolv.conf",
        "search x\nnameserver 127.0.0.11\noptions ndots:0\n",
    );
    sandbox.put("nat", BEFORE);
    sandbox.put_tool(
        "iptables-save",
        "[ \"$*\" = '-t nat' ] && cat \"$K3D_ENTRYPOINT_ROOT/nat\"",
    );
    sandbox.put_tool(
        "iptables-restore",
        "cat >\"$K3D_ENTRYPOINT_ROOT/nat.new\" && mv \"$K3D_ENTRYPOINT_ROOT/nat.new\" \"$K3D_ENTRYPOINT_ROOT/nat\"",
    );
    sandbox
}

#[test]
fn dockers_dns_server_answers_at_the_gateway_too() {
    for shell in SHELLS {
        let sandbox = with_dns(shell);
        for _ in 0..2 {
            sandbox.run_well("bin/k3d-entrypoint-dns.sh");
            assert_eq!(sandbox.get("nat"), AFTER, "{shell:?}");
            assert_eq!(
                sandbox.get("etc/resolv.conf"),
                "search x\nnameserver 172.18.0.1\noptions ndots:0\n"
            );
            assert!(
                sandbox
                    .get("etc/resolv.conf.original")
                    .contains("127.0.0.11")
            );
        }
        // After a restart the Engine has written its rules again, and leaves the changed file alone.
        sandbox.put("nat", BEFORE);
        sandbox.run_well("bin/k3d-entrypoint-dns.sh");
        assert_eq!(sandbox.get("nat"), AFTER);
    }
}

#[test]
fn a_network_without_dockers_dns_server_is_left_alone() {
    for shell in SHELLS {
        let sandbox = with_dns(shell);
        sandbox.put("nat", "*nat\nCOMMIT\n");
        sandbox.run_well("bin/k3d-entrypoint-dns.sh");
        assert_eq!(sandbox.get("nat"), "*nat\nCOMMIT\n");
        assert!(sandbox.get("etc/resolv.conf").contains("127.0.0.11"));
    }
}

#[test]
fn a_broken_dns_fix_keeps_the_node_from_starting_and_says_why() {
    for shell in SHELLS {
        let sandbox = with_dns(shell);
        sandbox.put("etc/k3d/gateway", "$(reboot)\n");
        let output = sandbox.run("bin/k3d-entrypoint-dns.sh");
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains("holds no IPv4 address"));
        sandbox.put("etc/k3d/gateway", "172.18.0.1");
        sandbox.put_tool("iptables-restore", "cat >/dev/null; exit 3");
        assert!(!sandbox.run("bin/k3d-entrypoint-dns.sh").status.success());
        assert!(sandbox.get("etc/resolv.conf").contains("127.0.0.11"));
    }
}

#[test]
fn processes_move_out_of_the_root_group_and_controllers_are_handed_down() {
    for shell in SHELLS {
        let sandbox = with_script(shell, "cgroupv2");
        sandbox.run_well("bin/k3d-entrypoint-cgroupv2.sh");
        assert!(!sandbox.path("sys/fs/cgroup/init").exists());
        sandbox.put(
            "sys/fs/cgroup/cgroup.controllers",
            "cpuset cpu memory pids\n",
        );
        sandbox.put("sys/fs/cgroup/cgroup.procs", "1\n7\n42\n");
        sandbox.run_well("bin/k3d-entrypoint-cgroupv2.sh");
        assert_eq!(sandbox.get("sys/fs/cgroup/init/cgroup.procs"), "1\n7\n42\n");
        assert_eq!(
            sandbox.get("sys/fs/cgroup/cgroup.subtree_control"),
            "+cpuset\n+cpu\n+memory\n+pids\n"
        );
    }
}

#[test]
fn mounts_are_shared() {
    for shell in SHELLS {
        let sandbox = with_script(shell, "mounts");
        sandbox.put_tool(
            "mount-of-the-test",
            "echo \"$@\" >>\"$K3D_ENTRYPOINT_ROOT/calls\"",
        );
        sandbox.run_well("bin/k3d-entrypoint-mounts.sh");
        assert_eq!(sandbox.get("calls"), "--make-rshared /\n");
    }
}

#[test]
fn a_memory_limit_is_laid_over_what_the_kernel_says() {
    for shell in SHELLS {
        let sandbox = with_script(shell, "memory");
        // Where nothing is to be mounted, no mount is called: there is none.
        sandbox.run_well("bin/k3d-entrypoint-memory.sh");
        sandbox.put("etc/k3d/meminfo", "MemTotal: 1 kB\n");
        sandbox.put("proc/meminfo", "MemTotal: 1 kB\n");
        sandbox.put_tool(
            "mount-of-the-test",
            "echo \"$@\" >>\"$K3D_ENTRYPOINT_ROOT/calls\"",
        );
        sandbox.run_well("bin/k3d-entrypoint-memory.sh");
        assert_eq!(sandbox.get("calls"), "");
        sandbox.put("proc/meminfo", "MemTotal: 9 kB\n");
        sandbox.put("sys/devices/system/edac/mc0", "");
        sandbox.run_well("bin/k3d-entrypoint-memory.sh");
        let root = sandbox.path("").display().to_string();
        let root = root.trim_end_matches('/');
        let expected = format!(
            "-o bind {root}/etc/k3d/meminfo {root}/proc/meminfo\n-o bind {root}/etc/k3d/edac {root}/sys/devices/system/edac\n"
        );
        assert_eq!(sandbox.get("calls"), expected);
    }
}
