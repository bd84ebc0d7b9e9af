//! Which files a node gets.

use provisioner::cluster::{HostAlias, NodeFile, Role};
use provisioner::entrypoint::{
    EngineFacts, Error, Fixes, Names, NodeFacts, disables_coredns, files, fixes, manifests_folder,
    meminfo, merge_hosts,
};

use crate::sandbox::{SHELLS, Sandbox};

pub(crate) const ALL: Fixes = Fixes {
    cgroup_v2: true,
    dns: true,
    mounts: true,
};

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn alias(ip: &str, hostnames: &[&str]) -> HostAlias {
    HostAlias {
        ip: ip.to_owned(),
        hostnames: words(hostnames),
    }
}

fn node(role: Role, command: &[String]) -> NodeFacts<'_> {
    NodeFacts {
        role,
        command,
        env: &[],
        volumes: &[],
        host_network: false,
    }
}

pub(crate) fn server_files() -> Vec<NodeFile> {
    let aliases = [
        alias("192.168.1.5", &["git.example", "Registry.example"]),
        alias("fd00::7", &["six"]),
    ];
    let names = Names {
        gateway: Some([172, 18, 0, 1].into()),
        aliases: &aliases,
        members: &[],
    };
    files(ALL, &node(Role::Server, &words(&["server"])), &names).unwrap()
}

pub(crate) fn text_of(files: &[NodeFile], path: &str) -> String {
    let file = files.iter().find(|file| file.path == path);
    let file = file.unwrap_or_else(|| panic!("{path} is written"));
    String::from_utf8(file.content.clone()).unwrap()
}

fn paths(files: &[NodeFile]) -> Vec<&str> {
    let mut paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn a_server_gets_every_script_and_what_the_scripts_read() {
    let files = server_files();
    assert_eq!(
        paths(&files),
        [
            "/bin/k3d-entrypoint-cgroupv2.sh",
            "/bin/k3d-entrypoint-dns.sh",
            "/bin/k3d-entrypoint-hosts.sh",
            "/bin/k3d-entrypoint-memory.sh",
            "/bin/k3d-entrypoint-mounts.sh",
            "/bin/k3d-entrypoint.sh",
            "/etc/k3d/coredns-custom.yaml",
            "/etc/k3d/gateway",
            "/etc/k3d/hosts",
            "/etc/k3d/manifests",
        ]
    );
    for file in &files {
        let is_script = file.path.starts_with("/bin/");
        assert_eq!(
            file.mode,
            if is_script { 0o744 } else { 0o644 },
            "{}",
            file.path
        );
    }
    let golden = [
        ("/etc/k3d/hosts", include_str!("../golden/entrypoint/hosts")),
        (
            "/etc/k3d/coredns-custom.yaml",
            include_str!("../golden/entrypoint/coredns-custom.yaml"),
        ),
        ("/etc/k3d/gateway", "172.18.0.1\n"),
        (
            "/etc/k3d/manifests",
            "/var/lib/rancher/k3s/server/manifests\n",
        ),
    ];
    for (path, text) in golden {
        assert_eq!(text_of(&files, path), text, "{path}");
    }
}

#[test]
fn every_script_is_understood_by_every_shell() {
    for shell in SHELLS {
        for file in server_files() {
            if file.path.starts_with("/bin/") {
                let output = Sandbox::new(shell).check(&file.content);
                assert!(
                    output.status.success(),
                    "{shell:?} {}: {output:?}",
                    file.path
                );
            }
        }
    }
}

#[test]
fn what_a_user_says_never_becomes_text_of_a_script() {
    let scripts = |files: Vec<NodeFile>| -> Vec<NodeFile> {
        files
            .into_iter()
            .filter(|file| file.path.starts_with("/bin/"))
            .collect()
    };
    let other = Names {
        gateway: Some([10, 0, 0, 1].into()),
        ..Names::default()
    };
    let other = files(ALL, &node(Role::Server, &words(&["server", "--x"])), &other).unwrap();
    assert_eq!(scripts(server_files()), scripts(other));
}

#[test]
fn agents_and_servers_without_coredns_get_nothing_for_pods() {
    let names = Names {
        gateway: Some([10, 0, 0, 1].into()),
        ..Names::default()
    };
    let agent = files(ALL, &node(Role::Agent, &words(&["agent"])), &names).unwrap();
    assert!(!paths(&agent).contains(&"/etc/k3d/coredns-custom.yaml"));
    assert!(text_of(&agent, "/etc/k3d/hosts").ends_with("\n10.0.0.1 host.k3d.internal\n"));
    for command in [
        words(&["server", "--disable=traefik,coredns"]),
        words(&["server", "--disable", "coredns"]),
        words(&["server", "--no-deploy=coredns"]),
    ] {
        assert!(disables_coredns(&command));
        let server = files(ALL, &node(Role::Server, &command), &names).unwrap();
        assert!(
            !paths(&server).contains(&"/etc/k3d/coredns-custom.yaml"),
            "{command:?}"
        );
    }
    assert!(!disables_coredns(&words(&[
        "server",
        "--disable=traefik",
        "--disable-cloud-controller",
        "coredns"
    ])));
}

#[test]
fn members_of_the_network_are_names_for_pods_only() {
    let members = [alias("172.18.0.9", &["k3d-registry"])];
    let names = Names {
        members: &members,
        ..Names::default()
    };
    let files = files(
        Fixes { dns: false, ..ALL },
        &node(Role::Server, &[]),
        &names,
    )
    .unwrap();
    assert!(text_of(&files, "/etc/k3d/coredns-custom.yaml").contains(" IN A 172.18.0.9\"\n"));
    assert!(!text_of(&files, "/etc/k3d/hosts").contains("registry"));
}

#[test]
fn only_what_is_on_is_written() {
    let names = Names::default();
    let server = words(&["server"]);
    assert!(
        files(Fixes::default(), &node(Role::Server, &server), &names)
            .unwrap()
            .is_empty()
    );
    assert!(
        files(ALL, &node(Role::Registry, &[]), &names)
            .unwrap()
            .is_empty()
    );
    let host_network = NodeFacts {
        host_network: true,
        ..node(Role::Server, &server)
    };
    let written = files(ALL.without_dns(), &host_network, &names).unwrap();
    assert_eq!(
        paths(&written),
        [
            "/bin/k3d-entrypoint-cgroupv2.sh",
            "/bin/k3d-entrypoint-memory.sh",
            "/bin/k3d-entrypoint-mounts.sh",
            "/bin/k3d-entrypoint.sh"
        ]
    );
}

#[test]
fn the_dns_fix_is_refused_where_it_cannot_work() {
    let dns = |gateway, volumes: &[&str]| ALL.gateway_for_dns(gateway, &words(volumes));
    let gateway = Some([172, 18, 0, 1].into());
    assert!(
        dns(
            gateway,
            &[
                "/a:/b",
                "/etc/resolv.conf:/etc/x",
                "/etc/resolv.conf.d:/etc/resolv.conf.d"
            ]
        )
        .is_ok()
    );
    for volume in ["/x:/etc/resolv.conf", "/x:/etc/resolv.conf:ro"] {
        let error = dns(gateway, &[volume]).unwrap_err();
        assert_eq!(
            error,
            Error::ResolvConfMounted {
                volume: volume.to_owned()
            }
        );
    }
    assert_eq!(dns(None, &[]), Err(Error::NoGateway));
    assert_eq!(
        dns(Some("fd00::1".parse().unwrap()), &[]),
        Err(Error::NoGateway)
    );
    let said = Error::NoGateway.to_string();
    assert!(said.contains("K3D_FIX_DNS=false"), "{said}");
}

#[test]
fn fixes_follow_the_engine_unless_a_variable_says_otherwise() {
    let decide = |variables: &[(&str, &str)], version, name, host_network| {
        let find = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        let engine = EngineFacts {
            cgroup_version: version,
            name,
        };
        let fixes = fixes(find, engine, host_network);
        [fixes.cgroup_v2, fixes.dns, fixes.mounts]
    };
    assert_eq!(decide(&[], "2", "host", false), [true, true, true]);
    assert_eq!(decide(&[], "1", "host", false), [false, true, true]);
    assert_eq!(decide(&[], "", "colima", false), [false, false, true]);
    assert_eq!(decide(&[], "2", "host", true), [true, false, true]);
    let set = [
        ("K3D_FIX_CGROUPV2", "1"),
        ("K3D_FIX_DNS", "T"),
        ("K3D_FIX_MOUNTS", "False"),
    ];
    assert_eq!(decide(&set, "1", "colima", false), [true, true, false]);
    assert_eq!(decide(&set, "1", "colima", true), [true, false, false]);
    let odd = [
        ("K3D_FIX_CGROUPV2", "yes"),
        ("K3D_FIX_DNS", ""),
        ("K3D_FIX_MOUNTS", "tRuE"),
    ];
    assert_eq!(decide(&odd, "2", "host", false), [false, false, false]);
}

#[test]
fn aliases_that_are_no_addresses_and_names_are_refused() {
    let written = |alias: HostAlias| {
        let names = Names {
            gateway: None,
            aliases: std::slice::from_ref(&alias),
            members: &[],
        };
        files(ALL.without_dns(), &node(Role::Agent, &[]), &names)
    };
    let long = "a".repeat(64);
    for name in [
        "",
        "a b",
        "a..b",
        ".a",
        "-a",
        "$(reboot)",
        "a\nb",
        "a;b",
        "{",
        long.as_str(),
    ] {
        let error = written(alias("10.0.0.1", &["fine", name])).unwrap_err();
        assert!(
            matches!(&error, Error::AliasName { name: said, .. } if said == name),
            "{name}"
        );
    }
    assert!(matches!(
        written(alias("10.0.0", &["a"])),
        Err(Error::AliasAddress { .. })
    ));
    assert!(matches!(
        written(alias("10.0.0.1", &[])),
        Err(Error::AliasWithoutNames { .. })
    ));
    assert!(written(alias("10.0.0.1", &["_a.b-c", "A1"])).is_ok());
}

#[test]
fn the_manifests_folder_follows_the_data_folder() {
    let folder = |command: &[&str], env: &[&str]| manifests_folder(&words(command), &words(env));
    assert_eq!(
        folder(&["server"], &[]),
        "/var/lib/rancher/k3s/server/manifests"
    );
    assert_eq!(
        folder(&["server", "--data-dir=/data/"], &[]),
        "/data/server/manifests"
    );
    assert_eq!(
        folder(&["server", "-d", "/d"], &["K3S_DATA_DIR=/e"]),
        "/d/server/manifests"
    );
    assert_eq!(
        folder(&["server", "--disable", "x"], &["K3S_DATA_DIR=/e"]),
        "/e/server/manifests"
    );
    assert_eq!(
        folder(&["server", "-d", "${HOME}"], &[]),
        "/var/lib/rancher/k3s/server/manifests"
    );
}

#[test]
fn a_memory_limit_is_shown_in_kilobytes_of_a_thousand() {
    assert_eq!(meminfo(1 << 30), b"MemTotal: 1073741 kB\nSwapTotal: 0 kB\n");
    assert_eq!(
        meminfo(1_610_612_736),
        b"MemTotal: 1610612 kB\nSwapTotal: 0 kB\n"
    );
}

/// Hosts file, names, result. The script is held against the same table.
pub(crate) const MERGES: [(&str, &str, &str); 8] = [
    (
        "127.0.0.1\tlocalhost\n",
        "10.0.0.1 a\n",
        "127.0.0.1\tlocalhost\n10.0.0.1 a\n",
    ),
    ("", "10.0.0.1 a b\n", "10.0.0.1 a b\n"),
    ("127.0.0.1 localhost", "", "127.0.0.1 localhost\n"),
    // A name moves, its neighbours stay, a line that loses all of them goes.
    (
        "# c\n10.0.0.9 a b c # d\n10.0.0.8\tb\n\n::1 ip6 a\n",
        "# given\n\n10.0.0.1 a\n10.0.0.2 b\n",
        "# c\n10.0.0.9 c\n\n::1 ip6\n10.0.0.1 a\n10.0.0.2 b\n",
    ),
    // Lines that lose nothing keep their bytes, whatever they hold.
    (
        "  127.0.0.1   x\ty  # a\n#10.0.0.1 a\nbroken\n * * $HOME `id` \\ \n",
        "10.0.0.1 a\n",
        "  127.0.0.1   x\ty  # a\n#10.0.0.1 a\nbroken\n * * $HOME `id` \\ \n10.0.0.1 a\n",
    ),
    // Part of a name is another name.
    (
        "10.0.0.9 aa a.b ba\n",
        "10.0.0.1 a\n",
        "10.0.0.9 aa a.b ba\n10.0.0.1 a\n",
    ),
    // Both kinds of addresses.
    (
        "10.0.0.9 a\n",
        "10.0.0.1 a\nfd00::1 a\n",
        "10.0.0.1 a\nfd00::1 a\n",
    ),
    (
        "10.0.0.9 a\n\n\n",
        "10.0.0.1 b",
        "10.0.0.9 a\n\n\n10.0.0.1 b\n",
    ),
];

#[test]
fn names_are_merged_into_a_hosts_file_once() {
    for (existing, given, expected) in MERGES {
        let merged = merge_hosts(existing, given);
        assert_eq!(merged, expected);
        assert_eq!(merge_hosts(&merged, given), expected);
    }
}
