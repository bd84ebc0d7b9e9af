//! Durations as Go writes them: `1m30s`, `90s`, `1.5h`.

use std::time::Duration;

use super::problem::Wrong;

const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

pub fn parse(text: &str) -> Result<Duration, Wrong> {
    let wrong = || {
        Wrong::new(format!("{text:?} is no duration"))
            .mend("write numbers with h, m, s or ms, such as 90s or 1m30s")
    };
    if text.starts_with('-') && parse(&text[1..]).is_ok_and(|duration| !duration.is_zero()) {
        return Err(
            Wrong::new(format!("the duration {text} is negative")).mend("write 0s for no limit")
        );
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = unsigned;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = part(rest).ok_or_else(wrong)?;
        total = total.checked_add(nanoseconds).ok_or_else(wrong)?;
        rest = after;
    }
    if unsigned.is_empty() || total > i64::MAX as u128 {
        return Err(wrong());
    }
    Ok(Duration::from_nanos(
        u64::try_from(total).map_err(|_| wrong())?,
    ))
}

/// Nanoseconds of the first number and unit, and what follows.
fn part(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let unit_end = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || whole.len() > 19 {
        return None;
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanoseconds = whole.checked_mul(*factor)?;
    let mut scale = *factor;
    for digit in fraction.chars() {
        scale /= 10;
        nanoseconds += u128::from(digit.to_digit(10)?) * scale;
    }
    Some((nanoseconds, rest))
}

/// As Go prints it: `1m30s`, `1.5s`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    for (unit, size, next) in [
        ("ns", 1, 1_000),
        ("µs", 1_000, 1_000_000),
        ("ms", 1_000_000, 1_000_000_000),
    ] {
        if nanoseconds < next {
            return format!("{}{unit}", decimal(nanoseconds, size));
        }
    }
    let minutes = duration.as_secs() / 60;
    let seconds = decimal(
        nanoseconds - u128::from(minutes) * 60_000_000_000,
        1_000_000_000,
    );
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// The same from a number of nanoseconds, which may be negative.
pub fn format_nanoseconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    format!(
        "{sign}{}",
        format(Duration::from_nanos(nanoseconds.unsigned_abs()))
    )
}

fn decimal(value: u128, unit: u128) -> String {
    let whole = value / unit;
    let fraction = value % unit;
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = unit.to_string().len() - 1;
    let fraction = format!("{fraction:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_and_printed_as_go_does() {
        for (text, milliseconds, printed) in [
            ("60s", 60_000, "1m0s"),
            ("1m30s", 90_000, "1m30s"),
            ("360s", 360_000, "6m0s"),
            ("1.5h", 5_400_000, "1h30m0s"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("-0s", 0, "0s"),
            ("100ms", 100, "100ms"),
            ("1.5s", 1_500, "1.5s"),
            (".5s", 500, "500ms"),
            ("2h", 7_200_000, "2h0m0s"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(format(duration), printed, "{text}");
        }
        assert_eq!(format(Duration::from_nanos(1_500)), "1.5µs");
        for text in [
            "",
            "60",
            "s",
            "1x",
            "1s2",
            "1..5s",
            ".s",
            "-",
            "+",
            "9999999999h",
            "1 s",
            "-5m",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("-5m").unwrap_err().what.contains("negative"));
    }

    proptest! {
        #[test]
        fn a_duration_that_is_printed_and_read_is_the_same(nanoseconds in 0_u64..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanoseconds);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_durations_panic(text in "[0-9.smhnuµ+-]{0,30}") {
            let _ = parse(&text);
        }
    }
}
