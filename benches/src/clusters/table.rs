//! Samples of several tools beside each other, and the table of all rows.

use std::time::Duration;

use anyhow::Result;

use super::ground::{Ground, Tool};
use crate::samples::Samples;

/// The samples of one tool. Another tool than ours that fails is out of the race, and the table says why.
pub(crate) struct Lane<'a> {
    pub tool: &'a Tool,
    pub samples: Samples,
    failure: Option<String>,
    is_ours: bool,
}

impl<'a> Lane<'a> {
    /// One for each tool, ours first.
    pub(crate) fn of_all(ground: &'a Ground) -> Vec<Self> {
        let lane = |(index, tool)| Self {
            tool,
            samples: Samples::empty(),
            failure: None,
            is_ours: index == 0,
        };
        ground.tools.iter().enumerate().map(lane).collect()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.failure.is_none()
    }

    /// Adds what `run` took.
    pub(crate) fn add(&mut self, run: Result<Duration>) -> Result<()> {
        match run {
            Ok(duration) => self.samples.push(duration),
            Err(error) if self.is_ours => return Err(error),
            Err(error) => self.failure = Some(one_line(&error.to_string())),
        }
        Ok(())
    }

    pub(crate) fn text(&self) -> String {
        match &self.failure {
            Some(failure) => failure.clone(),
            None => self.samples.spread(),
        }
    }
}

/// A cell ends with its line, and its columns are its own.
fn one_line(text: &str) -> String {
    text.replace('\n', "; ").replace('|', "\\|")
}

/// One line of the table.
pub(crate) struct Row {
    pub what: String,
    pub ours: String,
    pub limit: String,
    pub peer: String,
    /// Empty where k3d is not there.
    pub k3d: String,
}

impl Row {
    /// A row of lanes alone.
    pub(crate) fn of(what: &str, lanes: &[Lane<'_>], limit: &str) -> Self {
        let text = |index: usize| lanes.get(index).map(Lane::text).unwrap_or_default();
        Self {
            what: what.to_owned(),
            ours: text(0),
            limit: limit.to_owned(),
            peer: String::new(),
            k3d: text(1),
        }
    }

    /// The same beside a peer, which ours may exceed by a factor.
    pub(crate) fn beside(self, ours: &Samples, peer: &Samples, limit: &str) -> Self {
        let factor = ours.percentile(50).as_secs_f64() / peer.percentile(50).as_secs_f64();
        Self {
            limit: format!("{factor:.2} x the peer, limit {limit} x"),
            peer: peer.spread(),
            ..self
        }
    }
}

/// Markdown; the column of k3d is left out where k3d is not there.
pub(crate) fn table(rows: &[Row], with_k3d: bool) -> String {
    let mut lines = Vec::with_capacity(rows.len() + 2);
    let mut line = |cells: [&str; 5]| {
        let count = if with_k3d { 5 } else { 4 };
        lines.push(format!("| {} |", cells[..count].join(" | ")));
    };
    line(["what", "berth", "limit", "peer", "k3d"]);
    line(["---", "---", "---", "---", "---"]);
    for row in rows {
        line([&row.what, &row.ours, &row.limit, &row.peer, &row.k3d]);
    }
    lines.join("\n")
}
