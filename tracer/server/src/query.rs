//! What a reader asks for: filters, order, page and fields, read from the query and applied.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use tracer_model::{PodCorrelation, PullStatus, State};

use crate::history::index::Summary;

/// Pulls on a page when nothing is said.
const LIMIT: usize = 1000;
/// The most that may be asked for.
const MOST: usize = 5000;

/// Which pulls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    states: Vec<String>,
    node: String,
    image: String,
    namespace: String,
    pod: String,
    registry: String,
    since: Option<Timestamp>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// What goes on first, then the newest.
    #[default]
    State,
    Node,
    Image,
    StartedAt,
    CompletedAt,
    TotalBytes,
    Duration,
    BytesPerSec,
    Percent,
}

/// A list as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub filter: Filter,
    pub sort: Sort,
    pub descending: bool,
    pub limit: usize,
    after: Option<(String, String)>,
    pub fields: Option<Vec<String>>,
    pub layers: bool,
}

/// A parameter that cannot be read: its name and what would do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {name}: expected {expected}")]
pub struct QueryError {
    name: &'static str,
    expected: &'static str,
}

impl Query {
    /// Reads a query; parameters that nobody knows are left alone.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, QueryError> {
        let mut query = Self {
            filter: Filter::parse(text, now)?,
            sort: Sort::State,
            descending: false,
            limit: LIMIT,
            after: None,
            fields: None,
            layers: true,
        };
        for (name, value) in pairs(text) {
            match name.as_str() {
                "sort" => {
                    query.descending = value.starts_with('-');
                    query.sort = Sort::parse(value.trim_start_matches('-'))?;
                }
                "limit" => {
                    let limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=MOST).contains(limit));
                    query.limit = limit.ok_or(QueryError {
                        name: "limit",
                        expected: "a number from 1 to 5000",
                    })?;
                }
                "cursor" if !value.is_empty() => query.after = Some(read_cursor(&value)?),
                "fields" if !value.is_empty() => {
                    query.fields = Some(
                        value
                            .split(',')
                            .map(|field| field.trim().to_owned())
                            .collect(),
                    );
                }
                "layers" => query.layers = value != "false",
                _ => {}
            }
        }
        Ok(query)
    }

    /// One page of `rows`, in order, with the cursor of the next page.
    pub fn page<T>(&self, rows: Vec<(Summary, T)>) -> (Vec<T>, usize, Option<String>) {
        let total = rows.len();
        let mut keyed: Vec<(String, Summary, T)> = rows
            .into_iter()
            .map(|(summary, row)| (self.sort.key(&summary), summary, row))
            .collect();
        let place = |a: &(String, Summary, T), key: &str, id: &str| {
            let order = a.0.as_str().cmp(key).then_with(|| a.1.id.as_ref().cmp(id));
            if self.descending {
                order.reverse()
            } else {
                order
            }
        };
        keyed.sort_by(|a, b| place(a, &b.0, &b.1.id));
        if let Some((key, id)) = &self.after {
            let start = keyed.partition_point(|row| place(row, key, id).is_le());
            keyed.drain(..start);
        }
        let more = keyed.len() > self.limit;
        keyed.truncate(self.limit);
        let next = keyed
            .last()
            .filter(|_| more)
            .map(|(key, summary, _)| write_cursor(key, &summary.id));
        (
            keyed.into_iter().map(|(.., row)| row).collect(),
            total,
            next,
        )
    }
}

impl Filter {
    /// Reads the filters of a query.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, QueryError> {
        let mut filter = Self::default();
        for (name, value) in pairs(text) {
            match name.as_str() {
                "state" if !value.is_empty() => {
                    filter.states = value
                        .split(',')
                        .map(|state| state.trim().to_owned())
                        .collect();
                    let known = |state: &String| {
                        let phases = tracer_model::Phase::ALL.iter().map(|phase| phase.as_str());
                        let states = State::ALL.iter().map(|state| state.as_str());
                        phases.chain(states).any(|word| word == state)
                    };
                    if !filter.states.iter().all(known) {
                        return Err(QueryError {
                            name: "state",
                            expected: "active, succeeded, failed, or phases, separated by commas",
                        });
                    }
                }
                "node" => filter.node = value.to_lowercase(),
                "image" => filter.image = value.to_lowercase(),
                "namespace" => filter.namespace = value.to_lowercase(),
                "pod" => filter.pod = value.to_lowercase(),
                "registry" => filter.registry = value.to_lowercase(),
                "since" if !value.is_empty() => filter.since = Some(since(&value, now)?),
                _ => {}
            }
        }
        Ok(filter)
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a pull passes.
    pub fn passes(&self, pull: &Summary) -> bool {
        let pods = || {
            pull.pods
                .iter()
                .map(|(namespace, pod)| (namespace.as_ref(), pod.as_ref()))
        };
        self.passes_facts(
            (pull.state, pull.phase),
            [&pull.node, &pull.image, &pull.registry],
            pods(),
            pull.completed.unwrap_or(Timestamp::MAX),
        )
    }

    /// Whether a pull of an event passes.
    pub fn passes_status(&self, pull: &PullStatus) -> bool {
        let pods = pull.pods.iter().map(
            |PodCorrelation {
                 namespace,
                 pod_name,
                 ..
             }| (namespace.as_str(), pod_name.as_str()),
        );
        self.passes_facts(
            (pull.state, pull.phase),
            [&pull.node_name, &pull.image_ref, &pull.registry],
            pods,
            pull.completed_at.unwrap_or(Timestamp::MAX),
        )
    }

    fn passes_facts(
        &self,
        (state, phase): (State, tracer_model::Phase),
        [node, image, registry]: [&str; 3],
        mut pods: impl Iterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
        completed: Timestamp,
    ) -> bool {
        let has = |text: &str, part: &str| part.is_empty() || text.to_lowercase().contains(part);
        let in_state = self.states.is_empty()
            || self
                .states
                .iter()
                .any(|word| word == state.as_str() || word == phase.as_str());
        in_state
            && has(node, &self.node)
            && has(image, &self.image)
            && has(registry, &self.registry)
            && self.since.is_none_or(|since| completed >= since)
            && (self.namespace.is_empty() && self.pod.is_empty()
                || pods.any(|(namespace, pod)| {
                    has(namespace.as_ref(), &self.namespace) && has(pod.as_ref(), &self.pod)
                }))
    }
}

impl Sort {
    fn parse(text: &str) -> Result<Self, QueryError> {
        Ok(match text {
            "" | "state" => Self::State,
            "node" => Self::Node,
            "image" => Self::Image,
            "startedAt" => Self::StartedAt,
            "completedAt" => Self::CompletedAt,
            "totalBytes" => Self::TotalBytes,
            "duration" => Self::Duration,
            "bytesPerSec" => Self::BytesPerSec,
            "percent" => Self::Percent,
            _ => {
                return Err(QueryError {
                    name: "sort",
                    expected: "state, node, image, startedAt, completedAt, totalBytes, duration, bytesPerSec or percent",
                });
            }
        })
    }

    /// Texts whose order is the wanted one, so that a cursor can hold them.
    fn key(self, pull: &Summary) -> String {
        let time = |time: Timestamp| format!("{:020}", time.as_nanosecond().max(0));
        let newest_first =
            |time: Timestamp| format!("{:020}", i128::from(i64::MAX) - time.as_nanosecond().max(0));
        let number = |number: f64| format!("{:030.6}", number.max(0.0));
        match self {
            Self::State => {
                let (group, when) = match pull.completed {
                    None => (0, pull.started),
                    Some(completed) => (1, completed),
                };
                format!("{group}{}", newest_first(when))
            }
            Self::Node => pull.node.to_string(),
            Self::Image => pull.image.to_string(),
            Self::StartedAt => time(pull.started),
            Self::CompletedAt => pull.completed.map_or_else(|| "~".to_owned(), time),
            Self::TotalBytes => format!("{:020}", pull.total_bytes),
            Self::Duration => number(pull.seconds().unwrap_or_default()),
            Self::BytesPerSec => number(pull.bytes_per_sec),
            Self::Percent => number(pull.percent),
        }
    }
}

/// The parameters of a query.
pub fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned()
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, QueryError> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let seconds = text
        .split_at_checked(text.len().saturating_sub(1))
        .and_then(|(number, unit)| {
            let number: i64 = number
                .parse()
                .ok()
                .filter(|number| (0..=100_000).contains(number))?;
            Some(
                number
                    * match unit {
                        "s" => 1,
                        "m" => 60,
                        "h" => 3600,
                        "d" => 86_400,
                        _ => return None,
                    },
            )
        });
    seconds
        .and_then(|seconds| now.checked_sub(SignedDuration::from_secs(seconds)).ok())
        .ok_or(QueryError {
            name: "since",
            expected: "a time as 2026-11-21T02:08:04Z or a span as 30m, 12h, 7d",
        })
}

fn write_cursor(key: &str, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{key}\n{id}"))
}

fn read_cursor(text: &str) -> Result<(String, String), QueryError> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            text.split_once('\n')
                .map(|(key, id)| (key.to_owned(), id.to_owned()))
        })
        .ok_or(QueryError {
            name: "cursor",
            expected: "the `next` of the page before",
        })
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
