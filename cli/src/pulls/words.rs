//! Pulls in words: table cells, and the line of one pull.

use jiff::Timestamp;
use tracer_model::{Phase, PullStatus};

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// Columns of the table.
pub(crate) const HEADER: [&str; 8] = [
    "NODE", "IMAGE", "STATE", "PROGRESS", "SIZE", "SPEED", "TIME", "PODS",
];
/// Those that the wide table has besides.
pub(crate) const WIDE: [&str; 3] = ["DIGEST", "ENDPOINTS", "SOURCE"];

/// A text that others wrote, a registry's answer for example, as it may stand on a terminal: it moves no cursor.
pub(crate) fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// A row of the table.
pub(crate) fn row(pull: &PullStatus, now: Timestamp) -> Vec<String> {
    vec![
        or_dash(&pull.node_name),
        image(pull).to_owned(),
        state(pull),
        progress(pull),
        size(pull),
        speed(pull),
        time(pull, now),
        pods(pull),
    ]
}

/// What the wide table adds to a row.
pub(crate) fn wide(pull: &PullStatus) -> Vec<String> {
    let endpoints: Vec<&str> = pull
        .expected_endpoints
        .iter()
        .map(|endpoint| endpoint.url.as_str())
        .collect();
    vec![
        or_dash(pull.digest.get(..19).unwrap_or(&pull.digest)),
        or_dash(&endpoints.join(",")),
        pull.source.as_str().to_owned(),
    ]
}

/// One pull in one line, for output that is followed without a terminal.
pub(crate) fn line(pull: &PullStatus, now: Timestamp) -> String {
    let amount = match pull.phase {
        Phase::Done => format!("  {} in {}", size(pull), time(pull, now)),
        Phase::Downloading | Phase::Unpacking => format!("  {} of {}", progress(pull), size(pull)),
        _ => String::new(),
    };
    let why = match &pull.failure {
        Some(failure) => failure.message.as_str(),
        None => pull.error.as_str(),
    };
    let colon = if why.is_empty() { "" } else { ": " };
    plain(&format!(
        "{}  {}  {}{amount}{colon}{why}",
        or_dash(&pull.node_name),
        image(pull),
        state(pull)
    ))
}

/// The image's name, while nobody knows it some words.
pub(crate) fn image(pull: &PullStatus) -> &str {
    match pull.image_ref.as_str() {
        "" | "__pulling__" => "(not named yet)",
        name => name,
    }
}

/// The state, with the cause of a failure.
pub(crate) fn state(pull: &PullStatus) -> String {
    match &pull.failure {
        Some(failure) => format!("{} ({})", pull.phase.as_str(), failure.class.as_str()),
        None => pull.phase.as_str().to_owned(),
    }
}

fn progress(pull: &PullStatus) -> String {
    match pull.phase {
        Phase::Done => "100 %".to_owned(),
        Phase::Unpacking => format!("unpacked {} %", pull.unpack_percent.floor()),
        _ if pull.total_known => format!("{} %", pull.percent.floor()),
        _ => "-".to_owned(),
    }
}

fn size(pull: &PullStatus) -> String {
    if pull.total_known || pull.downloaded_bytes > 0 {
        bytes(pull.total_bytes.max(pull.downloaded_bytes))
    } else {
        "-".to_owned()
    }
}

fn speed(pull: &PullStatus) -> String {
    if pull.bytes_per_sec >= 1.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a speed fits, and is not negative"
        )]
        let whole = pull.bytes_per_sec as u64;
        format!("{}/s", bytes(whole))
    } else {
        "-".to_owned()
    }
}

fn time(pull: &PullStatus, now: Timestamp) -> String {
    let end = pull.completed_at.unwrap_or(now);
    seconds(end.duration_since(pull.started_at).as_secs())
}

fn pods(pull: &PullStatus) -> String {
    let Some(first) = pull.pods.first() else {
        return "-".to_owned();
    };
    let others = pull.pods.len() - 1;
    let more = if others > 0 {
        format!(" +{others}")
    } else {
        String::new()
    };
    format!("{}/{}{more}", first.namespace, first.pod_name)
}

/// A count of bytes as people read it.
pub(crate) fn bytes(count: u64) -> String {
    let mut unit = 0;
    let mut divisor = 1_u64;
    while count / divisor >= 1024 && unit + 1 < UNITS.len() {
        divisor *= 1024;
        unit += 1;
    }
    if unit == 0 {
        return format!("{count} B");
    }
    let tenths = u128::from(count) * 10 / u128::from(divisor);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

fn seconds(count: i64) -> String {
    match count.max(0) {
        count @ 0..60 => format!("{count}s"),
        count @ 60..3600 => format!("{}m{}s", count / 60, count % 60),
        count => format!("{}h{}m", count / 3600, count % 3600 / 60),
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::pull;
    use super::*;

    #[test]
    fn a_row_tells_what_a_person_asks() {
        let now = "2026-01-01T00:01:05Z".parse().unwrap();
        let mut nginx = pull(
            "worker-1",
            "docker.io/library/nginx:1.27",
            &["shop/web", "shop/api"],
        );
        assert_eq!(
            row(&nginx, now),
            [
                "worker-1",
                "docker.io/library/nginx:1.27",
                "downloading",
                "50 %",
                "10.0 MiB",
                "1.0 MiB/s",
                "1m5s",
                "shop/web +1"
            ]
        );
        nginx.failure = Some(tracer_model::Failure {
            class: tracer_model::FailureClass::RateLimited,
            message: "429 Too Many Requests".into(),
        });
        nginx.phase = Phase::Failed;
        assert_eq!(
            line(&nginx, now),
            "worker-1  docker.io/library/nginx:1.27  failed (rate-limited): 429 Too Many Requests"
        );
        nginx.image_ref = "a\u{1b}[2J\nb".into();
        assert!(line(&nginx, now).contains("a\u{fffd}[2J\u{fffd}b"));
        nginx.image_ref = "__pulling__".into();
        assert_eq!(image(&nginx), "(not named yet)");
    }

    #[test]
    fn bytes_read_in_powers_of_1024() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (17_308_090, "16.5 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (count, text) in table {
            assert_eq!(bytes(count), text);
        }
    }
}
