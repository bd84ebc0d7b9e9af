//! Lines for people, in the format of k3d: `INFO[0003] message`.

use std::io::{self, IsTerminal as _, Write};
use std::str::FromStr;
use std::time::Instant;

use super::manner::Manner;
use super::settings::LogSettings;

/// How important a line is, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "panic" | "fatal" => Self::Fatal,
            "error" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return Err(()),
        })
    }
}

impl Level {
    fn short(self) -> &'static str {
        match self {
            Self::Fatal => "FATA",
            Self::Error => "ERRO",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBU",
            Self::Trace => "TRAC",
        }
    }

    fn long(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warn => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    fn colour(self) -> u8 {
        match self {
            Self::Fatal | Self::Error => 31,
            Self::Warn => 33,
            Self::Info => 36,
            Self::Debug | Self::Trace => 37,
        }
    }
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Coloured,
    Plain,
    /// `time=... level=info msg=...`.
    KeyValue,
}

/// Writes lines that are important enough.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    level: Level,
    style: Style,
    whole_time: bool,
    manner: Manner,
    start: Instant,
}

impl Log {
    pub(crate) fn new(manner: Manner, settings: LogSettings) -> Self {
        let style = match (settings.colours, manner) {
            (Some(false), _) => Style::KeyValue,
            (Some(true), _) | (None, Manner::K3d) => Style::Coloured,
            (None, Manner::Berth) if io::stderr().is_terminal() => Style::Coloured,
            (None, Manner::Berth) => Style::Plain,
        };
        Self {
            level: settings.level,
            style,
            whole_time: settings.timestamps,
            manner,
            start: Instant::now(),
        }
    }

    pub(crate) fn manner(&self) -> Manner {
        self.manner
    }

    pub(crate) fn shows(&self, level: Level) -> bool {
        level <= self.level
    }

    pub(crate) fn info(&self, message: impl AsRef<str>) {
        self.write(Level::Info, message.as_ref());
    }

    pub(crate) fn warn(&self, message: impl AsRef<str>) {
        self.write(Level::Warn, message.as_ref());
    }

    pub(crate) fn error(&self, message: impl AsRef<str>) {
        self.write(Level::Error, message.as_ref());
    }

    /// The reason why the command ends without success.
    pub(crate) fn fatal(&self, message: impl AsRef<str>) {
        self.write(Level::Fatal, message.as_ref());
    }

    pub(crate) fn write(&self, level: Level, message: &str) {
        if !self.shows(level) {
            return;
        }
        let line = self.line(level, message);
        // Nobody is left to tell when the stream is gone.
        let _ = if level > Level::Warn && self.manner == Manner::K3d {
            writeln!(io::stdout(), "{line}")
        } else {
            writeln!(io::stderr(), "{line}")
        };
    }

    fn line(&self, level: Level, message: &str) -> String {
        let time = if self.whole_time || self.style == Style::KeyValue {
            let seconds = jiff::Timestamp::now().as_second();
            jiff::Timestamp::from_second(seconds)
                .unwrap_or_default()
                .to_string()
        } else {
            format!("{:04}", self.start.elapsed().as_secs())
        };
        line(self.style, level, &time, message)
    }
}

fn line(style: Style, level: Level, time: &str, message: &str) -> String {
    match style {
        Style::Coloured => format!(
            "\u{1b}[{}m{}\u{1b}[0m[{time}] {message:<44} ",
            level.colour(),
            level.short()
        ),
        Style::Plain => format!("{}[{time}] {message}", level.short()),
        Style::KeyValue => format!(
            "time={} level={} msg={}",
            value(time),
            level.long(),
            value(message)
        ),
    }
}

/// In quotes, when anything but letters, digits and a few signs is in it.
fn value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_format_of_k3d() {
        assert_eq!(
            line(Style::Coloured, Level::Info, "0003", "Prep: Network"),
            format!("\u{1b}[36mINFO\u{1b}[0m[0003] {:<44} ", "Prep: Network")
        );
        assert_eq!(
            line(
                Style::KeyValue,
                Level::Warn,
                "2026-01-02T03:04:05Z",
                "a 'b' \"c\""
            ),
            "time=\"2026-01-02T03:04:05Z\" level=warning msg=\"a 'b' \\\"c\\\"\""
        );
        assert_eq!(
            line(Style::KeyValue, Level::Info, "t", "done"),
            "time=t level=info msg=done"
        );
        assert_eq!(
            line(Style::Plain, Level::Fatal, "0000", "x"),
            "FATA[0000] x"
        );
    }

    #[test]
    fn levels_are_ordered_by_importance() {
        assert!(Level::Fatal < Level::Warn && Level::Info < Level::Trace);
        assert_eq!("WARN".parse(), Ok(Level::Warn));
        assert_eq!("loud".parse::<Level>(), Err(()));
    }
}
