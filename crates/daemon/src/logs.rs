//! Log lines on stderr, as text for people or as JSON for collectors.

use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line that people read.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Which lines are written: a level (`info`), or levels by target (`info,kube=warn`).
#[derive(Clone, Debug)]
pub struct Filter(Targets);

impl Filter {
    /// Writes nothing of `target`, whatever level was asked for: for libraries that log what they send and receive.
    #[must_use]
    pub fn silence(self, target: &'static str) -> Self {
        Self(self.0.with_target(target, LevelFilter::OFF))
    }

    /// Whether a line would be written.
    pub fn passes(&self, target: &str, level: tracing::Level) -> bool {
        self.0.would_enable(target, &level)
    }
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The format has no such name.
    #[error("unknown log format, use text or json")]
    Format,
    /// The filter does not parse.
    #[error(
        "failed to read the log level, use error, warn, info, debug or trace, or target=level pairs: {0}"
    )]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Another subscriber was there first.
    #[error("failed to set up logs: {0}")]
    Init(#[source] TryInitError),
}

impl FromStr for Format {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogError::Format),
        }
    }
}

impl FromStr for Filter {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(LogError::Filter)
    }
}

/// Sends every log line that passes `filter` to stderr, for the life of the process.
pub fn init(format: Format, filter: Filter) -> Result<(), LogError> {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => Box::new(lines.with_filter(filter.0)),
        Format::Json => Box::new(
            lines
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .with_filter(filter.0),
        ),
    };
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(LogError::Init)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_a_level_and_levels_by_target() {
        for text in [
            "info",
            "trace",
            "info,kube=warn",
            "warn,berth_operator=debug",
        ] {
            assert!(text.parse::<Filter>().is_ok(), "{text}");
        }
        assert!("info,kube=loud".parse::<Filter>().is_err());
    }

    #[test]
    fn a_silenced_target_stays_silent_at_trace() {
        let filter: Filter = "trace,chatty::wire=trace".parse().unwrap();
        let filter = filter.silence("chatty::wire");
        assert!(!filter.passes("chatty::wire", tracing::Level::ERROR));
        assert!(filter.passes("chatty", tracing::Level::TRACE));
    }

    #[test]
    fn a_format_is_text_or_json() {
        assert_eq!("text".parse::<Format>().unwrap(), Format::Text);
        assert_eq!("json".parse::<Format>().unwrap(), Format::Json);
        assert!("xml".parse::<Format>().is_err());
    }
}
