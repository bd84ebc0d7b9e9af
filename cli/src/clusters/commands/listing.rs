//! Lists of clusters and nodes: tables, JSON and YAML.

use anyhow::Result;
use provisioner::cluster::Role;
use provisioner::observed::{Cluster, Container};
use serde_json::Value;

use super::shapes;
use crate::clusters::arguments::{List, Listing};
use crate::clusters::table;
use crate::output::Streams;

/// What the column CLUSTER says of a container that belongs to none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCluster {
    Empty,
    /// A star when there is not even an empty label, as for registries.
    Star,
}

pub(crate) fn clusters(
    clusters: &[Cluster],
    arguments: &List,
    streams: &mut Streams,
) -> Result<()> {
    let shape =
        |cluster: &Cluster| shapes::cluster(cluster, arguments.token, !arguments.names.is_empty());
    if let Some(format) = Format::of(&arguments.listing.output) {
        let all = clusters.iter().map(shape).collect();
        return format.print(Value::Array(all), streams);
    }
    let mut header = vec!["NAME", "SERVERS", "AGENTS", "LOADBALANCER"];
    if arguments.token {
        header.push("TOKEN");
    }
    let row = |cluster: &Cluster| {
        let count = |role| {
            let running = cluster.running(role);
            format!("{running}/{}", cluster.with_role(role).count())
        };
        let mut row = vec![
            cluster.name.clone(),
            count(Role::Server),
            count(Role::Agent),
            cluster.balancer().is_some().to_string(),
        ];
        if arguments.token {
            let token = cluster.token();
            row.push(token.map_or_else(String::new, |token| token.expose().to_owned()));
        }
        row
    };
    let rows: Vec<_> = clusters.iter().map(row).collect();
    print_table(&header, &rows, &arguments.listing, streams)
}

pub(crate) fn nodes(
    mut nodes: Vec<Container>,
    listing: &Listing,
    none: NoCluster,
    streams: &mut Streams,
) -> Result<()> {
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(format) = Format::of(&listing.output) {
        let all = nodes.iter().map(|node| shapes::node(node, false)).collect();
        return format.print(Value::Array(all), streams);
    }
    let row = |node: &Container| {
        let has_label = node.label(provisioner::names::LABEL_CLUSTER).is_some();
        let cluster = if has_label || none == NoCluster::Empty {
            node.cluster.clone()
        } else {
            "*".to_owned()
        };
        let role = shapes::role(node.role).to_owned();
        vec![node.name.clone(), role, cluster, node.status()]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    print_table(
        &["NAME", "ROLE", "CLUSTER", "STATUS"],
        &rows,
        listing,
        streams,
    )
}

fn print_table(
    header: &[&str],
    rows: &[Vec<String>],
    listing: &Listing,
    streams: &mut Streams,
) -> Result<()> {
    let header = (!listing.no_headers).then_some(header);
    for line in table::lines(header, rows) {
        streams.data(line)?;
    }
    Ok(())
}

/// A format for programs; a word that is none of these means a table.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Json,
    Yaml,
}

impl Format {
    fn of(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "yaml" => Some(Self::Yaml),
            _ => None,
        }
    }

    pub(crate) fn print(self, value: Value, streams: &mut Streams) -> Result<()> {
        match self {
            Self::Json => streams.data(value.to_string())?,
            Self::Yaml => streams.data(yaml(value)?.trim_end())?,
        }
        Ok(())
    }
}

/// YAML with keys in order.
fn yaml(value: Value) -> Result<String> {
    Ok(serde_yaml::to_string(&in_order(value))?)
}

/// Keys in order, whether or not maps keep theirs.
fn in_order(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(in_order).collect(),
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().collect();
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            let pairs = pairs.into_iter().map(|(key, value)| (key, in_order(value)));
            Value::Object(pairs.collect())
        }
        other => other,
    }
}
