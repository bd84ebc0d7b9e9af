//! Where a port is published: on the load balancer, which forwards it to nodes, or on one node itself.

use super::filter::{self, Counts, Filter, Group, Subset, Suffix, Target};
use super::port::PortMapping;
use super::problem::Wrong;
use crate::cluster::Protocol;

/// Who has a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Destination {
    /// The nodes that the load balancer forwards it to.
    pub(super) forwarded: Vec<Target>,
    /// The node that publishes it itself.
    pub(super) direct: Option<Target>,
}

/// What the filters of a port come to before they are read.
pub(super) enum Implied<'a> {
    /// These, whatever is written.
    Filters(Vec<Filter>),
    /// What is written.
    Written(&'a [String]),
}

/// Missing filters and those that name the load balancer mean every node behind it. Unlike k3d, a cluster of one node
/// without a load balancer publishes on that node.
pub(super) fn implied(texts: &[String], counts: Counts) -> Result<Implied<'_>, Wrong> {
    let every = |group: fn(Subset) -> Group| Filter {
        group: group(Subset::Every),
        suffix: Some(Suffix::Proxy),
    };
    let is_missing = texts.iter().all(String::is_empty);
    if is_missing && !counts.load_balancer {
        if counts.total() == 1 {
            return Ok(Implied::Filters(vec![Filter {
                group: Group::Servers(Subset::Indices(vec![0])),
                suffix: Some(Suffix::Direct),
            }]));
        }
        return Err(
            Wrong::new("there is no load balancer that could forward the port")
                .mend("write on which node it is published: @server:0:direct"),
        );
    }
    if is_missing || texts.iter().any(|text| text.starts_with("loadbalancer")) {
        return Ok(Implied::Filters(vec![
            every(Group::Servers),
            every(Group::Agents),
        ]));
    }
    Ok(Implied::Written(texts))
}

pub(super) fn resolve(filters: &[Filter], counts: Counts) -> Result<Destination, Wrong> {
    if filters.iter().any(|filter| filter.group == Group::All) {
        return Err(Wrong::new(
            "the load balancer cannot forward a port to itself, which all would mean",
        )
        .mend("write servers:* and agents:* instead of all"));
    }
    let (direct, forwarded): (Vec<Filter>, Vec<Filter>) = filters
        .iter()
        .cloned()
        .partition(|filter| filter.suffix == Some(Suffix::Direct));
    let forwarded = filter::select(&forwarded, counts)?;
    if !forwarded.is_empty() && !counts.load_balancer {
        return Err(
            Wrong::new("there is no load balancer that could forward the port")
                .mend("add :direct to the node filter, such as @server:0:direct"),
        );
    }
    let direct = filter::select(&direct, counts)?;
    if direct.len() > 1 {
        return Err(Wrong::new(format!(
            "{} nodes cannot share one port of the host",
            direct.len()
        ))
        .mend("choose one node, such as @agent:0:direct, or leave direct out"));
    }
    Ok(Destination {
        forwarded,
        direct: direct.first().copied(),
    })
}

pub(super) fn check_protocol(
    mapping: &PortMapping,
    destination: &Destination,
) -> Result<(), Wrong> {
    if mapping.container.protocol == Protocol::Sctp && !destination.forwarded.is_empty() {
        return Err(Wrong::new("the load balancer does not forward SCTP")
            .mend("publish it on a node: @server:0:direct"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Role;

    const COUNTS: Counts = Counts {
        load_balancer: true,
        servers: 1,
        agents: 2,
    };

    fn destination(texts: &[&str]) -> Result<Destination, Wrong> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let filters = match implied(&texts, COUNTS)? {
            Implied::Filters(filters) => filters,
            Implied::Written(texts) => texts
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?,
        };
        resolve(&filters, COUNTS)
    }

    #[test]
    fn ports_know_where_they_go() {
        let (server, agent) = ((Role::Server, 0), (Role::Agent, 1));
        for (filters, forwarded, direct) in [
            (&[][..], vec![server, (Role::Agent, 0), agent], None),
            (&[""], vec![server, (Role::Agent, 0), agent], None),
            (
                &["loadbalancer"],
                vec![server, (Role::Agent, 0), agent],
                None,
            ),
            (&["server:0", "agent:1:proxy"], vec![server, agent], None),
            (&["agent:1:direct"], vec![], Some(agent)),
            (&["server:0", "agent:1:direct"], vec![server], Some(agent)),
        ] {
            assert_eq!(
                destination(filters),
                Ok(Destination { forwarded, direct }),
                "{filters:?}"
            );
        }
        for filters in [&["all"], &["agents:*:direct"], &["agent:2"]] {
            assert!(destination(filters).is_err(), "{filters:?}");
        }
    }

    #[test]
    fn sctp_goes_past_the_load_balancer_only() {
        let mapping = &crate::config::port::parse("80:80/sctp").unwrap()[0];
        let direct = destination(&["server:0:direct"]).unwrap();
        assert!(check_protocol(mapping, &direct).is_ok());
        assert!(check_protocol(mapping, &destination(&[]).unwrap()).is_err());
    }
}
