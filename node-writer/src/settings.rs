//! Everything that can be configured, read and checked before anything starts.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use daemon::logs::{Filter, Format, LogError};

/// Not created where nobody mounted it: that is the kubelet's part.
pub(crate) const DEFAULT_TERMINATION_LOG: &str = "/dev/termination-log";

const MAX_REVISION_BYTES: usize = 64;

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) command: Command,
    pub(crate) goal: Goal,
    pub(crate) folder: PathBuf,
    pub(crate) revision: String,
    pub(crate) node: Option<String>,
    pub(crate) termination_log: PathBuf,
    pub(crate) log_format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Run,
    Once,
    Status,
}

/// What the node is to come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The files of the source.
    Apply { source: PathBuf },
    /// A record of what is there, and nothing else.
    Record,
    /// What was there before the first write.
    Restore,
}

/// Keeps registries.yaml of its node equal to the mounted revision.
#[derive(Debug, Parser)]
#[command(name = "node-writer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Write the files, then stay and undo what others change.
    Run(Flags),
    /// Write the files and exit.
    Once(Flags),
    /// Say in one line whether the node has the revision; exit code 0 when it has, else 1.
    Status(Flags),
}

#[derive(Debug, Args)]
struct Flags {
    /// Folder with registries.yaml and its certificate files, as the Secret is mounted.
    #[arg(long, env = "BERTH_SOURCE", value_name = "DIR")]
    source: Option<PathBuf>,
    /// Folder of the node that k3s or RKE2 reads.
    #[arg(long, env = "BERTH_FOLDER", value_name = "DIR", default_value = node_files::layout::FOLDER_K3S)]
    folder: PathBuf,
    /// Name of the revision, for logs and reports.
    #[arg(long, env = "BERTH_REVISION", default_value = "none", value_parser = check_revision)]
    revision: String,
    /// Record what the node has, and write nothing else.
    #[arg(long, env = "BERTH_RECORD")]
    record: bool,
    /// Put back what the node had before the first write.
    #[arg(long, env = "BERTH_RESTORE")]
    restore: bool,
    /// Where a failure is reported to the kubelet.
    #[arg(long, env = "BERTH_TERMINATION_LOG", value_name = "FILE", default_value = DEFAULT_TERMINATION_LOG)]
    termination_log: PathBuf,
    /// text or json.
    #[arg(long, env = "BERTH_LOG_FORMAT", default_value = "text")]
    log_format: Format,
    /// error, warn, info, debug or trace.
    #[arg(long, env = "BERTH_LOG_LEVEL", default_value = "info")]
    log_level: Filter,
    /// Name of the node, for logs.
    #[arg(long, env = "NODE_NAME", hide = true)]
    node_name: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    #[error(transparent)]
    Logs(#[from] LogError),
}

impl UsageError {
    /// On stderr, but help and version, which somebody asked for; exit code 2 for a mistake.
    pub(crate) fn explain(self) -> ExitCode {
        let error = match self {
            Self::CommandLine(error) => error,
            Self::Logs(error) => Arguments::command().error(ErrorKind::Io, error),
        };
        // Nothing is left to say it with when stderr is closed.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    }
}

impl Settings {
    /// Reads arguments and `BERTH_*`, checks them and sets up the log.
    pub(crate) fn from_command_line() -> Result<Self, UsageError> {
        let (settings, filter) = Self::check(Arguments::try_parse()?)?;
        if settings.command != Command::Status {
            daemon::logs::init(settings.log_format, filter)?;
        }
        Ok(settings)
    }

    fn check(arguments: Arguments) -> Result<(Self, Filter), clap::Error> {
        let (command, flags) = match arguments.command {
            Subcommands::Run(flags) => (Command::Run, flags),
            Subcommands::Once(flags) => (Command::Once, flags),
            Subcommands::Status(flags) => (Command::Status, flags),
        };
        let wrong = |text: &str| Err(Arguments::command().error(ErrorKind::ValueValidation, text));
        let goal = match (flags.source, flags.record, flags.restore) {
            (Some(source), false, false) => Goal::Apply { source },
            (None, true, false) => Goal::Record,
            (None, false, true) => Goal::Restore,
            _ => return wrong("give exactly one of --source DIR, --record and --restore"),
        };
        if !flags.folder.is_absolute() {
            return wrong("--folder must be an absolute path");
        }
        let settings = Self {
            command,
            goal,
            folder: flags.folder,
            revision: flags.revision,
            node: flags.node_name,
            termination_log: flags.termination_log,
            log_format: flags.log_format,
        };
        Ok((settings, flags.log_level))
    }
}

fn check_revision(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || text.len() > MAX_REVISION_BYTES || !text.bytes().all(allowed) {
        return Err("a revision has 1 to 64 letters, digits, '-', '.' or '_'");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, clap::Error> {
        let all = std::iter::once("node-writer").chain(arguments.iter().copied());
        Settings::check(Arguments::try_parse_from(all)?).map(|(settings, _)| settings)
    }

    #[test]
    fn the_command_line_of_each_rollout_step_is_understood() {
        let folder = "/etc/rancher/rke2";
        let settings = parse(&[
            "run",
            "--source",
            "/config",
            "--folder",
            folder,
            "--revision",
            "4c1f0a9b2d",
        ])
        .unwrap();
        assert_eq!(
            settings.goal,
            Goal::Apply {
                source: "/config".into()
            }
        );
        assert_eq!(
            (settings.command, settings.revision.as_str()),
            (Command::Run, "4c1f0a9b2d")
        );
        assert_eq!(
            settings.termination_log,
            PathBuf::from(DEFAULT_TERMINATION_LOG)
        );
        let settings =
            parse(&["run", "--folder", folder, "--revision", "none", "--record"]).unwrap();
        assert_eq!(settings.goal, Goal::Record);
        let settings = parse(&[
            "status",
            "--folder",
            folder,
            "--revision",
            "restore",
            "--restore",
        ])
        .unwrap();
        assert_eq!(
            (settings.command, settings.goal),
            (Command::Status, Goal::Restore)
        );
    }

    #[test]
    fn a_command_line_that_means_nothing_is_refused_at_the_start() {
        for arguments in [
            &["run"][..],
            &["run", "--source", "/config", "--restore"],
            &["run", "--record", "--restore"],
            &["once", "--source", "/config", "--folder", "relative"],
            &["once", "--source", "/config", "--revision", "a b"],
            &["once", "--source", "/config", "--log-format", "xml"],
            &["once", "--source", "/config", "--log-level", "info,x=loud"],
            &[],
        ] {
            assert_eq!(
                parse(arguments).unwrap_err().exit_code(),
                2,
                "{arguments:?}"
            );
        }
    }
}
