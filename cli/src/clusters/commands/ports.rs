//! `--port-add` and `--port-delete`: what is typed, as changes of a cluster's ports.

use anyhow::{Result, bail};
use provisioner::cluster::Role;
use provisioner::config::Wrong;
use provisioner::config::filter::{self, Counts, Filter, Group, Suffix, Target};
use provisioner::config::port;
use provisioner::observed::Cluster;
use provisioner::plan::PortChange;

use super::refused;

/// Changes of a cluster; values may have node filters.
pub(crate) fn of_cluster(
    cluster: &Cluster,
    add: &[String],
    delete: &[String],
) -> Result<Vec<PortChange>> {
    let mut changes = Vec::new();
    for (text, removes) in flags(add, delete)? {
        let flag = flag(removes);
        let filtered = filter::split(text).map_err(|wrong| refused(flag, text, &wrong))?;
        let filters = filtered.filters.unwrap_or_default();
        let targets = targets(cluster, &filters).map_err(|wrong| refused(flag, text, &wrong))?;
        changes.extend(mappings(&filtered.value, flag, &targets, removes)?);
    }
    Ok(changes)
}

/// Changes of a load balancer alone; there are no filters, and what it forwards to stays.
pub(crate) fn of_node(add: &[String], delete: &[String]) -> Result<Vec<PortChange>> {
    let mut changes = Vec::new();
    for (text, removes) in flags(add, delete)? {
        if text.contains('@') {
            bail!(
                "failed to read {} '{text}': a single node has no node filters; leave out what begins with @",
                flag(removes)
            );
        }
        changes.extend(mappings(text, flag(removes), &[], removes)?);
    }
    Ok(changes)
}

fn flag(removes: bool) -> &'static str {
    if removes {
        "--port-delete"
    } else {
        "--port-add"
    }
}

fn flags<'a>(add: &'a [String], delete: &'a [String]) -> Result<Vec<(&'a str, bool)>> {
    let all: Vec<(&str, bool)> = add
        .iter()
        .map(|text| (text.as_str(), false))
        .chain(delete.iter().map(|text| (text.as_str(), true)))
        .collect();
    if all.is_empty() {
        bail!("nothing to change: use --port-add or --port-delete");
    }
    for (index, (text, removes)) in all.iter().enumerate() {
        if all[..index].iter().any(|(before, _)| before == text) {
            bail!(
                "{} '{text}' was given twice; once is enough",
                flag(*removes)
            );
        }
    }
    Ok(all)
}

fn mappings(text: &str, flag: &str, targets: &[String], removes: bool) -> Result<Vec<PortChange>> {
    let mappings = port::parse(text).map_err(|wrong| refused(flag, text, &wrong))?;
    let change = |mapping: &port::PortMapping| PortChange {
        port: mapping.container,
        binding: mapping.binding(),
        targets: targets.to_vec(),
        removes,
    };
    Ok(mappings.iter().map(change).collect())
}

/// The nodes that a port goes to: those of the filters, else every server and agent.
fn targets(cluster: &Cluster, filters: &[String]) -> Result<Vec<String>, Wrong> {
    let counts = Counts {
        load_balancer: cluster.balancer().is_some(),
        servers: cluster.servers().count(),
        agents: cluster.agents().count(),
    };
    let mut parsed = Vec::new();
    for text in filters {
        let filter: Filter = text.parse()?;
        if filter.suffix == Some(Suffix::Direct) {
            let what = "ports of a cluster that is there go through its load balancer";
            return Err(Wrong::new(what).mend("leave out :direct"));
        }
        parsed.push(filter);
    }
    let all = parsed.is_empty()
        || parsed
            .iter()
            .any(|filter| filter.group == Group::LoadBalancer);
    let chosen: Vec<Target> = if all {
        filter::everything(counts)
    } else {
        filter::select(&parsed, counts)?
    };
    let name = |(role, index): Target| {
        cluster
            .with_role(role)
            .nth(index)
            .map(|node| node.name.clone())
    };
    let nodes = chosen
        .into_iter()
        .filter(|(role, _)| *role != Role::LoadBalancer);
    Ok(nodes.filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use provisioner::observed::{self, Container};
    use serde_json::json;

    use super::*;

    fn cluster() -> Cluster {
        let node = |name: &str, role: &str| {
            let labels = json!({"app": "k3d", "k3d.role": role, "k3d.cluster": "a"});
            let told = json!({"Name": format!("/k3d-a-{name}"), "Config": {"Labels": labels}});
            Container::of(serde_json::from_value(told).unwrap()).unwrap()
        };
        let nodes = vec![
            node("serverlb", "loadbalancer"),
            node("server-0", "server"),
            node("agent-0", "agent"),
            node("agent-1", "agent"),
        ];
        observed::cluster("a".to_owned(), nodes)
    }

    fn targets_of(text: &str) -> Vec<String> {
        let changes = of_cluster(&cluster(), &[text.to_owned()], &[]).unwrap();
        changes.into_iter().next().unwrap().targets
    }

    #[test]
    fn a_port_goes_to_the_filtered_nodes_or_to_all_that_run_k3s() {
        let all = ["k3d-a-server-0", "k3d-a-agent-0", "k3d-a-agent-1"];
        assert_eq!(targets_of("8080:80"), all);
        assert_eq!(targets_of("8080:80@loadbalancer"), all);
        assert_eq!(targets_of("8080:80@agent:1"), ["k3d-a-agent-1"]);
        assert_eq!(targets_of("8080:80@servers:*:proxy"), ["k3d-a-server-0"]);
    }

    #[test]
    fn ranges_become_a_change_per_port() {
        let typed = ["8000-8001:80-81/udp".to_owned()];
        let changes = of_cluster(&cluster(), &[], &typed).unwrap();
        let told: Vec<_> = changes
            .iter()
            .map(|change| (change.port.to_string(), change.binding.port.clone()))
            .collect();
        let pair = |inside: &str, outside: &str| (inside.to_owned(), outside.to_owned());
        assert_eq!(told, [pair("80/udp", "8000"), pair("81/udp", "8001")]);
        assert!(changes.iter().all(|change| change.removes));
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        let refused = |add: &[&str]| {
            let add: Vec<String> = add.iter().map(ToString::to_string).collect();
            of_cluster(&cluster(), &add, &[]).unwrap_err().to_string()
        };
        assert!(refused(&[]).contains("nothing to change"));
        assert!(refused(&["1:2", "1:2"]).contains("given twice"));
        assert!(refused(&["1:2@agent:0:direct"]).contains(":direct"));
        assert!(refused(&["1:2@agent:7"]).contains("--port-add '1:2@agent:7'"));
        assert!(refused(&["eighty"]).contains("--port-add 'eighty'"));
        assert!(of_node(&["1:2@agent:0".to_owned()], &[]).is_err());
    }
}
