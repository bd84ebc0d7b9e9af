//! `berth pulls --watch`: bars on a terminal, lines elsewhere.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tracer_model::{EventType, Phase, PullEvent, PullStatus};

use super::arguments::{Filter, Format};
use super::filter;
use super::server::Connection;
use super::words;
use crate::output::Streams;

/// After a break of the connection.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// Follows until the process ends; breaks of the connection are told and mended.
pub(crate) async fn follow(
    connection: &Connection,
    filter: &Filter,
    format: Format,
    streams: &mut Streams,
) -> Result<()> {
    let mut view = View::new(format);
    // A server that never answered is an error; one that stops answering is waited for.
    let mut events = connection.events().await?;
    let mut retry = FIRST_RETRY;
    loop {
        for pull in connection
            .pulls()
            .await
            .map(|list| list.pulls)
            .unwrap_or_default()
        {
            if filter::passes(filter, &pull) && !pull.phase.is_final() {
                view.show(&pull, streams)?;
            }
        }
        while let Some(Ok(event)) = events.next().await {
            retry = FIRST_RETRY;
            if event
                .pull
                .as_ref()
                .is_some_and(|pull| filter::passes(filter, pull))
            {
                view.event(&event, streams)?;
            }
        }
        events = loop {
            view.talk(
                &format!(
                    "the connection to the tracer broke; trying again in {} s",
                    retry.as_secs()
                ),
                streams,
            )?;
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(LAST_RETRY);
            if let Ok(events) = connection.events().await {
                break events;
            }
        };
    }
}

struct View {
    format: Format,
    since: Timestamp,
    terminal: bool,
    bars: MultiProgress,
    bar: HashMap<String, ProgressBar>,
    told: HashMap<String, Told>,
}

/// What was last said of a pull where there is no terminal.
type Told = (Phase, u64);
/// Lines are written at each of this many parts of a download.
const PARTS: f64 = 4.0;

impl View {
    fn new(format: Format) -> Self {
        Self {
            format,
            since: Timestamp::now(),
            terminal: io::stdout().is_terminal(),
            bars: MultiProgress::new(),
            bar: HashMap::new(),
            told: HashMap::new(),
        }
    }

    fn event(&mut self, event: &PullEvent, streams: &mut Streams) -> Result<()> {
        match (&event.pull, self.format) {
            (None, _) => Ok(()),
            (Some(_), Format::Json) => Ok(streams.data(serde_json::to_string(event)?)?),
            (Some(_), Format::Yaml) => {
                Ok(streams.data(format!("---\n{}", serde_yaml::to_string(event)?.trim_end()))?)
            }
            (Some(pull), _) if event.event_type == EventType::PullRemoved => {
                self.forget(&pull.id);
                Ok(())
            }
            (Some(pull), _) => self.show(pull, streams),
        }
    }

    fn show(&mut self, pull: &PullStatus, streams: &mut Streams) -> Result<()> {
        if matches!(self.format, Format::Json | Format::Yaml) {
            return Ok(());
        }
        if self.terminal {
            self.draw(pull);
            return Ok(());
        }
        let now = told(pull);
        let before = self.told.insert(pull.id.clone(), now);
        // A new connection begins with what is known, the past included.
        let is_past = before.is_none() && pull.completed_at.is_some_and(|end| end < self.since);
        if before != Some(now) && !is_past {
            streams.data(words::line(pull, Timestamp::now()))?;
        }
        Ok(())
    }

    fn draw(&mut self, pull: &PullStatus) {
        if pull.phase.is_final() {
            if let Some(bar) = self.bar.remove(&pull.id) {
                bar.finish_and_clear();
                // A terminal that went away ends the program by itself.
                let _ = self.bars.println(words::line(pull, Timestamp::now()));
            }
            return;
        }
        let bar = self
            .bar
            .entry(pull.id.clone())
            .or_insert_with(|| self.bars.add(bar()));
        bar.set_prefix(words::plain(&pull.node_name));
        let what = if pull.phase == Phase::Downloading {
            String::new()
        } else {
            format!("  {}", words::state(pull))
        };
        bar.set_message(words::plain(&format!("{}{what}", words::image(pull))));
        bar.set_length(pull.total_bytes.max(1));
        bar.set_position(pull.downloaded_bytes);
    }

    fn forget(&mut self, id: &str) {
        self.told.remove(id);
        if let Some(bar) = self.bar.remove(id) {
            bar.finish_and_clear();
        }
    }

    fn talk(&mut self, text: &str, streams: &mut Streams) -> Result<()> {
        if self.terminal {
            self.bars.println(text)?;
        } else {
            streams.talk(text)?;
        }
        Ok(())
    }
}

/// Two that are equal read the same but for the bytes in between.
fn told(pull: &PullStatus) -> Told {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of few"
    )]
    let part = (pull.percent.clamp(0.0, 100.0) / 100.0 * PARTS) as u64;
    (
        pull.phase,
        if pull.phase == Phase::Downloading {
            part
        } else {
            0
        },
    )
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix:16.dim} {bar:24.cyan} {percent:>3} % {binary_bytes:>10} of {binary_total_bytes:<10} {msg}",
    );
    let bar = ProgressBar::new(1);
    // The template is a constant; were it wrong, the plain bar would do.
    style.map_or(bar.clone(), |style| {
        bar.with_style(style.progress_chars("━╸─"))
    })
}
