//! What the environment says, read here and nowhere else.

use super::arguments::Globals;
use super::arguments::values::go_bool;
use super::log::Level;

/// How lines for people are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogSettings {
    pub level: Level,
    /// `None`: not said.
    pub colours: Option<bool>,
    pub timestamps: bool,
}

impl LogSettings {
    /// From flags and from `LOG_LEVEL`, `LOG_COLORS` and `LOG_TIMESTAMPS`.
    pub(crate) fn new(globals: Globals, variable: impl Fn(&str) -> Option<String>) -> Self {
        let switch = |name| variable(name).and_then(|text| go_bool(&text).ok());
        let level = if globals.trace {
            Level::Trace
        } else if globals.verbose {
            Level::Debug
        } else {
            variable("LOG_LEVEL")
                .and_then(|text| text.parse().ok())
                .unwrap_or(Level::Info)
        };
        Self {
            level,
            colours: switch("LOG_COLORS"),
            timestamps: globals.timestamps || switch("LOG_TIMESTAMPS") == Some(true),
        }
    }
}

/// A variable of this process; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "this is the module for it")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// All variables of this process whose names and values are texts.
pub(crate) fn variables() -> Vec<(String, String)> {
    let texts = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(texts).collect()
}

/// The folders where programs are looked for.
pub(crate) fn search_path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment() {
        let settings = |globals, level: &'static str| {
            LogSettings::new(globals, move |name| {
                (name == "LOG_LEVEL").then(|| level.to_owned())
            })
            .level
        };
        let none = Globals::default();
        let verbose = Globals {
            verbose: true,
            ..none
        };
        let both = Globals {
            trace: true,
            ..verbose
        };
        assert_eq!(settings(none, "warn"), Level::Warn);
        assert_eq!(settings(none, "nonsense"), Level::Info);
        assert_eq!(settings(verbose, "warn"), Level::Debug);
        assert_eq!(settings(both, "warn"), Level::Trace);
    }

    #[test]
    fn colours_go_only_when_they_are_refused() {
        let colours = |text: &'static str| {
            let variable = move |name: &str| (name == "LOG_COLORS").then(|| text.to_owned());
            LogSettings::new(Globals::default(), variable).colours
        };
        assert_eq!(colours("false"), Some(false));
        assert_eq!(colours("1"), Some(true));
        assert_eq!(colours("perhaps"), None);
    }
}
