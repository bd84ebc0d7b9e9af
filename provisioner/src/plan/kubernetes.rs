//! Which Kubernetes node a container becomes, by what k3s is told.

use crate::cluster::Role;

/// Behind this stands what only k3s knows.
pub(crate) const ANY_END: &str = "-*";

/// Whether this container registers a Kubernetes node.
pub(super) fn has_kubelet(role: Role, args: &[String]) -> bool {
    role == Role::Agent
        || (role == Role::Server
            && !args
                .iter()
                .any(|arg| arg == "--disable-agent" || arg == "--disable-agent=true"))
}

/// The name under which it does so; with `--with-node-id` k3s adds a number of its own, which reads as `-*`.
pub(super) fn kubernetes_name(container: &str, args: &[String], env: &[String]) -> String {
    let mut flag = args.iter().enumerate().filter_map(|(index, arg)| {
        let next = || args.get(index + 1).map(String::as_str);
        arg.strip_prefix("--node-name=")
            .or_else(|| (arg == "--node-name").then(next)?)
    });
    let mut variable = env
        .iter()
        .filter_map(|variable| variable.strip_prefix("K3S_NODE_NAME="));
    let given = flag.next_back().or_else(|| variable.next_back());
    // As k3s does: an upper-case name is none for Kubernetes.
    let mut name = given
        .filter(|name| !name.is_empty())
        .unwrap_or(container)
        .to_lowercase();
    let numbered = |arg: &String| arg == "--with-node-id" || arg == "--with-node-id=true";
    if args.iter().any(numbered) {
        name.push_str(ANY_END);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_node_is_known_by_the_name_that_k3s_gives_it() {
        for (args, env, name) in [
            (&[][..], &[][..], "k3d-a-agent-0"),
            (&["agent", "--node-name", "One"], &[], "one"),
            (&["--node-name=one"], &["K3S_NODE_NAME=two"], "one"),
            (&[], &["A=b", "K3S_NODE_NAME=two"], "two"),
            (&["--with-node-id"], &[], "k3d-a-agent-0-*"),
            (&["--with-node-id=false"], &[], "k3d-a-agent-0"),
        ] {
            assert_eq!(
                kubernetes_name("k3d-A-agent-0", &words(args), &words(env)),
                name
            );
        }
    }

    #[test]
    fn a_server_without_an_agent_has_no_node() {
        assert!(!has_kubelet(Role::Server, &words(&["--disable-agent"])));
        assert!(has_kubelet(
            Role::Server,
            &words(&["--disable-agent=false"])
        ));
        assert!(has_kubelet(Role::Agent, &[]));
        assert!(!has_kubelet(Role::LoadBalancer, &[]));
    }
}
