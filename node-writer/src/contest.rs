//! When to stop repairing: somebody else writes the file too, and two that both insist never end.

use std::fmt::Write;
use std::time::Duration;

use node_files::FoundFile;

pub(crate) const WINDOW: Duration = Duration::from_secs(600);
const MAX_REPAIRS: usize = 3;

/// Repairs of the revision that is on the node now. Times are those of any clock that only goes forward.
#[derive(Debug, Default)]
pub(crate) struct Repairs(Vec<Duration>);

impl Repairs {
    /// Whether one more repair is due, which then counts.
    pub(crate) fn allow(&mut self, now: Duration) -> bool {
        self.0.retain(|then| now.saturating_sub(*then) < WINDOW);
        let allowed = self.0.len() < MAX_REPAIRS;
        if allowed {
            self.0.push(now);
        }
        allowed
    }
}

/// Whether a contest that ended an earlier run of the same revision still holds this one back.
pub(crate) fn holds(marker: &node_files::Report, revision: &str, age: Duration) -> bool {
    marker.revision == revision && age < WINDOW
}

/// Says who keeps writing, as far as the file tells. Only fixed words and numbers are taken from it.
pub(crate) fn describe(path: &str, file: Option<&FoundFile>, is_rancher_node: bool) -> String {
    let mut text = format!(
        "{path} was changed by somebody else again after {MAX_REPAIRS} repairs within {} minutes, so it is left as it is",
        WINDOW.as_secs() / 60
    );
    // Writing to a String cannot fail.
    let _ = match file {
        Some(file) => write!(
            text,
            ": last written by user {} at {}, mode {:04o}",
            file.uid,
            clock_time(file.modified),
            file.mode
        ),
        None => write!(text, ": it was removed"),
    };
    let tool = file.and_then(|file| tool_named_in(file.bytes.expose()));
    if let Some(tool) = tool {
        let _ = write!(text, ", and its comments name {tool}");
    }
    if is_rancher_node {
        text.push_str(
            "; Rancher manages this node, and its rancher-system-agent writes this file from the registries of the cluster",
        );
    }
    text.push_str(": let only one of the two write it");
    text
}

fn tool_named_in(document: &[u8]) -> Option<&'static str> {
    const TOOLS: [&str; 5] = ["Ansible", "Puppet", "Chef", "Salt", "Rancher"];
    let text = String::from_utf8_lossy(document).to_lowercase();
    let mut comments = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('#'));
    comments.find_map(|comment| {
        TOOLS.into_iter().find(|tool| {
            let tool = tool.to_lowercase();
            comment
                .split(|character: char| !character.is_alphanumeric())
                .any(|word| word == tool)
        })
    })
}

/// Seconds since 1970 as `2026-11-21T05:00:00Z`.
fn clock_time(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days are counted from the first of March of year 0, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_files::{Reason, Report};

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    #[test]
    fn the_fourth_repair_within_ten_minutes_is_refused() {
        let mut repairs = Repairs::default();
        assert_eq!(
            [0, 1, 2, 3, 9].map(|at| repairs.allow(minutes(at))),
            [true, true, true, false, false]
        );
    }

    #[test]
    fn repairs_ten_minutes_apart_are_never_refused() {
        let mut repairs = Repairs::default();
        assert!((0..100).all(|count| repairs.allow(minutes(count * 4))));
    }

    #[test]
    fn an_earlier_contest_holds_only_its_own_revision_and_only_for_a_while() {
        let marker = Report {
            reason: Reason::FileContested,
            message: String::new(),
            revision: "a".into(),
        };
        assert!(holds(&marker, "a", minutes(9)));
        assert!(!holds(&marker, "b", minutes(9)));
        assert!(!holds(&marker, "a", minutes(10)));
    }

    #[test]
    fn the_description_names_the_writer_and_nothing_the_file_says() {
        let document = "# Ansible managed, password is hunter2\nmirrors: {}\n";
        let file = FoundFile {
            bytes: document.into(),
            mode: 0o644,
            uid: 1000,
            ours: false,
            modified: 1_795_237_200,
        };
        let text = describe("/etc/rancher/k3s/registries.yaml", Some(&file), true);
        for part in [
            "user 1000",
            "2026-11-21T05:00:00Z",
            "0644",
            "Ansible",
            "rancher-system-agent",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("hunter2"));
        let text = describe("/f", None, false);
        assert!(
            text.contains("it was removed") && !text.contains("Rancher"),
            "{text}"
        );
    }

    #[test]
    fn a_tool_is_taken_from_comments_as_a_whole_word_only() {
        assert_eq!(tool_named_in(b"mirrors: {ansible: {}}\n"), None);
        assert_eq!(tool_named_in(b"# salted\n"), None);
        assert_eq!(tool_named_in(b"  # BEGIN PUPPET BLOCK\n"), Some("Puppet"));
    }

    #[test]
    fn clock_times_are_right_around_leap_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(clock_time(seconds), text);
        }
    }
}
