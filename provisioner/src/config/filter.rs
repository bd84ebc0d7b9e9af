//! Node filters: which nodes of a cluster a setting is for.
//!
//! ```text
//! VALUE@FILTER[;FILTER...]         on the command line
//! GROUP[:SUBSET][:SUFFIX]          server(s) | agent(s) | loadbalancer | all;  0,2 | 1-3 | 1- | *;  proxy | direct
//! ```

use std::fmt;
use std::str::FromStr;

use super::problem::Wrong;
use crate::cluster::Role;

const FORM: &str = "write server:0, servers:*, agent:1-2, agents:0,2, loadbalancer or all";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub group: Group,
    pub suffix: Option<Suffix>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// Every node, the load balancer included.
    All,
    LoadBalancer,
    Servers(Subset),
    Agents(Subset),
}

/// Which nodes of a role, by their position in the order of creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subset {
    Every,
    Indices(Vec<usize>),
    /// Both ends are included; an open end is the last node.
    Range(usize, Option<usize>),
}

/// For ports: through the load balancer, or on the node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffix {
    Proxy,
    Direct,
}

impl FromStr for Filter {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::new(format!("{text:?} is no node filter")).mend(FORM);
        let mut parts = text.split(':');
        let group = parts.next().unwrap_or_default();
        let (mut subset, mut suffix) = (None, None);
        for (index, part) in parts.enumerate() {
            let is_word = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphabetic());
            match part {
                "proxy" if suffix.is_none() => suffix = Some(Suffix::Proxy),
                "direct" if suffix.is_none() => suffix = Some(Suffix::Direct),
                _ if is_word && suffix.is_none() => {
                    return Err(Wrong::new(format!("{text:?} ends in an unknown word"))
                        .mend("the last part may be proxy or direct"));
                }
                _ if index == 0 => subset = Some(part.parse::<Subset>().map_err(|()| wrong())?),
                _ => return Err(wrong()),
            }
        }
        let of_role = |role: &str| {
            subset.clone().ok_or_else(|| {
                Wrong::new(format!(
                    "the node filter {text:?} does not say which {role}"
                ))
                .mend(format!(
                    "write {group}:* for every {role} or {group}:0 for the first"
                ))
            })
        };
        let group = match group {
            "all" => Group::All,
            "loadbalancer" => Group::LoadBalancer,
            "server" | "servers" => Group::Servers(of_role("server")?),
            "agent" | "agents" => Group::Agents(of_role("agent")?),
            _ => return Err(wrong()),
        };
        Ok(Self { group, suffix })
    }
}

impl FromStr for Subset {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "*" {
            return Ok(Self::Every);
        }
        if let Some((start, end)) = text.split_once('-') {
            let start = if start.is_empty() { 0 } else { number(start)? };
            let end = (!end.is_empty()).then(|| number(end)).transpose()?;
            return Ok(Self::Range(start, end));
        }
        let list = text.strip_suffix(',').unwrap_or(text);
        list.split(',')
            .map(number)
            .collect::<Result<_, _>>()
            .map(Self::Indices)
    }
}

fn number(text: &str) -> Result<usize, ()> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| ())
    } else {
        Err(())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Group::All => f.write_str("all")?,
            Group::LoadBalancer => f.write_str("loadbalancer")?,
            Group::Servers(subset) => write!(f, "servers:{subset}")?,
            Group::Agents(subset) => write!(f, "agents:{subset}")?,
        }
        match self.suffix {
            Some(Suffix::Proxy) => f.write_str(":proxy"),
            Some(Suffix::Direct) => f.write_str(":direct"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("*"),
            Self::Indices(indices) => {
                let indices: Vec<String> = indices.iter().map(ToString::to_string).collect();
                f.write_str(&indices.join(","))
            }
            Self::Range(start, Some(end)) => write!(f, "{start}-{end}"),
            Self::Range(start, None) => write!(f, "{start}-"),
        }
    }
}

/// A value of the command line and its filters. `None`: no filter was given; an empty list: a bare `@`, every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    pub value: String,
    pub filters: Option<Vec<String>>,
}

/// Splits `VALUE@FILTER;FILTER`. `\@` is a literal `@`, and `\\@` a literal backslash before the separator.
///
/// Unlike k3d this takes a value whose only `@` are literal ones and that has no filter.
pub fn split(text: &str) -> Result<Filtered, Wrong> {
    let mut parts = vec![String::new()];
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let before = rest[..at].trim_end_matches('\\');
        let backslashes = at - before.len();
        let Some(part) = parts.last_mut() else { break };
        part.push_str(before);
        part.push_str(&"\\".repeat(backslashes / 2));
        if backslashes % 2 == 1 {
            part.push('@');
        } else {
            parts.push(String::new());
        }
        rest = &rest[at + 1..];
    }
    if let Some(part) = parts.last_mut() {
        part.push_str(rest);
    }
    let mut parts = parts.into_iter();
    let value = parts.next().unwrap_or_default();
    let filters = parts.next();
    if parts.next().is_some() {
        return Err(Wrong::new("more than one @ stands before node filters")
            .mend("write \\@ for an @ that belongs to the value"));
    }
    let filters = filters.map(|filters| {
        let named = filters.split(';').filter(|filter| !filter.is_empty());
        named.map(ToOwned::to_owned).collect()
    });
    Ok(Filtered { value, filters })
}

/// How many nodes of each role there are, which is all that filters need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub load_balancer: bool,
    pub servers: usize,
    pub agents: usize,
}

impl Counts {
    pub fn total(self) -> usize {
        usize::from(self.load_balancer) + self.servers + self.agents
    }
}

/// One node: its role and its position among those of that role.
pub type Target = (Role, usize);

/// Every node, in the order of creation.
pub fn everything(counts: Counts) -> Vec<Target> {
    let balancer = counts.load_balancer.then_some((Role::LoadBalancer, 0));
    let servers = (0..counts.servers).map(|index| (Role::Server, index));
    let agents = (0..counts.agents).map(|index| (Role::Agent, index));
    balancer.into_iter().chain(servers).chain(agents).collect()
}

/// The nodes that filters choose, each once, in the order of the filters.
///
/// As in k3d, `all` stands for every node whatever else is in the list, and nothing after `loadbalancer` counts.
pub fn select(filters: &[Filter], counts: Counts) -> Result<Vec<Target>, Wrong> {
    if filters.iter().any(|filter| filter.group == Group::All) {
        return Ok(everything(counts));
    }
    let mut targets: Vec<Target> = Vec::new();
    for filter in filters {
        let chosen = match &filter.group {
            Group::All => everything(counts),
            Group::LoadBalancer if counts.load_balancer => vec![(Role::LoadBalancer, 0)],
            Group::LoadBalancer => {
                return Err(Wrong::new(
                    "the node filter loadbalancer is given, but there is no load balancer",
                )
                .mend("take the filter away or let the cluster have one"));
            }
            Group::Servers(subset) => of_role(filter, subset, Role::Server, counts.servers)?,
            Group::Agents(subset) => of_role(filter, subset, Role::Agent, counts.agents)?,
        };
        for target in chosen {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if filter.group == Group::LoadBalancer {
            break;
        }
    }
    Ok(targets)
}

fn of_role(
    filter: &Filter,
    subset: &Subset,
    role: Role,
    count: usize,
) -> Result<Vec<Target>, Wrong> {
    let too_far = |index: usize| {
        let there = match count {
            0 => format!("the cluster has no {role}s"),
            1 => format!("the only {role} is 0"),
            _ => format!("the last {role} is {}", count - 1),
        };
        Wrong::new(format!(
            "the node filter {filter} names {role} {index}, but {there}"
        ))
    };
    let indices: Vec<usize> = match subset {
        Subset::Every | Subset::Range(0, None) => (0..count).collect(),
        Subset::Indices(indices) => indices.clone(),
        Subset::Range(start, Some(end)) if start > end => {
            return Err(Wrong::new(format!(
                "the range of the node filter {filter} ends before it starts"
            )));
        }
        Subset::Range(start, Some(end)) if *end >= count => {
            return Err(too_far((*start).max(*end)));
        }
        Subset::Range(start, None) if *start >= count => return Err(too_far(*start)),
        Subset::Range(start, end) => (*start..=end.unwrap_or(count.saturating_sub(1))).collect(),
    };
    match indices.iter().find(|index| **index >= count) {
        Some(index) => Err(too_far(*index)),
        None => Ok(indices.into_iter().map(|index| (role, index)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COUNTS: Counts = Counts {
        load_balancer: true,
        servers: 3,
        agents: 2,
    };

    fn chosen(filters: &[&str]) -> Result<String, String> {
        let filters: Result<Vec<Filter>, Wrong> = filters.iter().map(|text| text.parse()).collect();
        let targets = filters
            .and_then(|filters| select(&filters, COUNTS))
            .map_err(|wrong| wrong.what)?;
        let letters = targets
            .iter()
            .map(|(role, index)| format!("{}{index}", &role.as_str()[..1]));
        Ok(letters.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn filters_choose_nodes_in_their_order_each_once() {
        for (filters, expected) in [
            (&["server:0"][..], "s0"),
            (&["servers:0,2,"], "s0 s2"),
            (&["agent:*", "server:1", "agents:0"], "a0 a1 s1"),
            (&["server:1-"], "s1 s2"),
            (&["server:-1"], "s0 s1"),
            (&["server:-"], "s0 s1 s2"),
            (&["server:0-1", "server:1-2"], "s0 s1 s2"),
            (&["loadbalancer:0:proxy"], "l0"),
            (&["server:0", "loadbalancer", "agent:0"], "s0 l0"),
            (&["agent:0", "all"], "l0 s0 s1 s2 a0 a1"),
            (&["server:2:direct"], "s2"),
        ] {
            assert_eq!(chosen(filters).as_deref(), Ok(expected), "{filters:?}");
        }
    }

    #[test]
    fn filters_that_choose_nothing_that_exists_are_refused() {
        for (filter, expected) in [
            ("server", "does not say which server"),
            ("agents:proxy", "does not say which agent"),
            ("server:3", "the last server is 2"),
            ("agent:1-2", "names agent 2"),
            ("server:2-1", "ends before it starts"),
            ("server:9-", "names server 9"),
            ("worker:0", "is no node filter"),
            ("server[0]", "is no node filter"),
            ("server:a1", "is no node filter"),
            ("server:0:fast", "unknown word"),
            ("server:0:1", "is no node filter"),
            ("", "is no node filter"),
        ] {
            let error = chosen(&[filter]).unwrap_err();
            assert!(error.contains(expected), "{filter}: {error}");
        }
        let none = Counts {
            load_balancer: false,
            servers: 1,
            agents: 0,
        };
        assert!(select(&["loadbalancer".parse().unwrap()], none).is_err());
        assert_eq!(select(&["agents:*".parse().unwrap()], none), Ok(vec![]));
        assert_eq!(select(&["agents:-".parse().unwrap()], none), Ok(vec![]));
    }

    #[test]
    fn values_and_filters_are_split_at_the_one_bare_at_sign() {
        for (text, value, filters) in [
            ("a=b", "a=b", None),
            ("a=b@server:0", "a=b", Some(vec!["server:0"])),
            ("a@server:0;agent:*", "a", Some(vec!["server:0", "agent:*"])),
            (
                r"TEST_VAR=user\@pass\\@server:0",
                r"TEST_VAR=user@pass\",
                Some(vec!["server:0"]),
            ),
            (r"url=user\@host", "url=user@host", None),
            (r"C:\x\y@agent:0", r"C:\x\y", Some(vec!["agent:0"])),
            (r"\\share\x", r"\\share\x", None),
            ("--foo@", "--foo", Some(vec![])),
            ("", "", None),
        ] {
            let filters = filters.map(|list| list.into_iter().map(str::to_owned).collect());
            let value = value.to_owned();
            assert_eq!(split(text), Ok(Filtered { value, filters }), "{text}");
        }
        assert!(split("a@b@server:0").is_err());
    }

    fn subset() -> impl Strategy<Value = Subset> {
        prop_oneof![
            Just(Subset::Every),
            prop::collection::vec(0_usize..20, 1..4).prop_map(Subset::Indices),
            (0_usize..9, prop::option::of(0_usize..9))
                .prop_map(|(start, end)| Subset::Range(start, end)),
        ]
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let group = prop_oneof![
            Just(Group::All),
            Just(Group::LoadBalancer),
            subset().prop_map(Group::Servers),
            subset().prop_map(Group::Agents),
        ];
        let suffix = prop::option::of(prop_oneof![Just(Suffix::Proxy), Just(Suffix::Direct)]);
        (group, suffix).prop_map(|(group, suffix)| Filter { group, suffix })
    }

    proptest! {
        #[test]
        fn a_filter_that_is_printed_and_read_is_the_same(filter in filter()) {
            prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
        }

        #[test]
        fn no_text_makes_filters_panic(text in "[a-z:*,0-9@;\\\\-]{0,20}", servers in 0_usize..4, agents in 0_usize..4) {
            let counts = Counts { load_balancer: true, servers, agents };
            if let Ok(filter) = text.parse::<Filter>() {
                let _ = select(&[filter], counts);
            }
            let _ = split(&text);
        }

        #[test]
        fn only_nodes_that_exist_are_chosen(filters in prop::collection::vec(filter(), 0..4), servers in 0_usize..4, agents in 0_usize..4) {
            let counts = Counts { load_balancer: servers % 2 == 0, servers, agents };
            if let Ok(targets) = select(&filters, counts) {
                let every = everything(counts);
                for (index, target) in targets.iter().enumerate() {
                    prop_assert!(every.contains(target));
                    prop_assert!(!targets[..index].contains(target));
                }
            }
        }

        #[test]
        fn escaped_at_signs_come_back(value in "[a-z=@/]{0,12}") {
            let text = format!("{}@server:0", value.replace('@', "\\@"));
            prop_assert_eq!(split(&text), Ok(Filtered { value, filters: Some(vec!["server:0".to_owned()]) }));
        }
    }
}
