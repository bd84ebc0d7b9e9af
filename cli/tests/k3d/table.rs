//! What the command tree has: a list of every command with its flags, written down from k3d.

use Kind::{Array, Duration, Integer, Slice, Switch, Text};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Text,
    Switch,
    Integer,
    Duration,
    /// Repeatable, values verbatim.
    Array,
    /// Repeatable, split at commas.
    Slice,
}

pub(crate) struct Flag {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) kind: Kind,
    /// `None`: the default comes from the config file or from elsewhere.
    pub(crate) default: Option<&'static str>,
}

pub(crate) const fn flag(
    long: &'static str,
    short: char,
    kind: Kind,
    default: &'static str,
) -> Flag {
    Flag {
        long,
        short: if short == ' ' { None } else { Some(short) },
        kind,
        default: Some(default),
    }
}

/// A flag whose value can come from the config file, too: that it was not given must be known.
pub(crate) const fn open(long: &'static str, short: char, kind: Kind) -> Flag {
    Flag {
        long,
        short: if short == ' ' { None } else { Some(short) },
        kind,
        default: None,
    }
}

pub(crate) struct Listed {
    pub(crate) path: &'static str,
    pub(crate) aliases: &'static [&'static str],
    /// Names that make the command complete.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) flags: &'static [Flag],
}

pub(crate) const START: &[Flag] = &[
    flag("all", 'a', Switch, "false"),
    flag("wait", ' ', Switch, "true"),
    flag("timeout", ' ', Duration, "0s"),
];
pub(crate) const LISTING: &[Flag] = &[
    flag("no-headers", ' ', Switch, "false"),
    flag("output", 'o', Text, ""),
];
pub(crate) const PORTS: &[Flag] = &[
    open("port-add", ' ', Array),
    open("port-delete", ' ', Array),
];

pub(crate) const COMMANDS: &[Listed] = &[
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
