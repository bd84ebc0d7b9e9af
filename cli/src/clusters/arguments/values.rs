//! Values as Go's flag library reads them.

use std::str::FromStr;
use std::time::Duration;

/// One use of a flag that takes several values at once: `a,b` by the rules of CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Csv(Vec<String>);

impl Csv {
    /// The values of all uses of a flag, in order.
    pub(crate) fn join(uses: &[Self]) -> Vec<String> {
        uses.iter().flat_map(|one| one.0.clone()).collect()
    }
}

impl FromStr for Csv {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        split_csv(text).map(Self)
    }
}

/// Splits one line of CSV; fields in quotes may hold commas, and `""` for a quote.
fn split_csv(line: &str) -> Result<Vec<String>, String> {
    if line.is_empty() {
        return Ok(Vec::new());
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => bare_field(rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

fn bare_field(text: &str) -> Result<(String, Option<&str>), String> {
    let (field, after) = match text.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (text, None),
    };
    if field.contains('"') {
        return Err("a quote inside a value: put the whole value in quotes".to_owned());
    }
    Ok((field.to_owned(), after))
}

/// `text` begins behind the opening quote.
fn quoted_field(text: &str) -> Result<(String, Option<&str>), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest
            .split_once('"')
            .ok_or("a value in quotes has no closing quote")?;
        field.push_str(part);
        if let Some(after) = after.strip_prefix('"') {
            field.push('"');
            rest = after;
        } else if after.is_empty() {
            return Ok((field, None));
        } else {
            let after = after
                .strip_prefix(',')
                .ok_or("text between a closing quote and the next comma")?;
            return Ok((field, Some(after)));
        }
    }
}

/// Reads a bool as Go does.
pub(crate) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// What a command waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    No,
    Nodes,
    Pods,
}

/// Reads a bool as Go does, or `pods`.
pub(crate) fn go_bool_or_pods(text: &str) -> Result<Waiting, String> {
    match text {
        "pods" => Ok(Waiting::Pods),
        _ => match go_bool(text) {
            Ok(true) => Ok(Waiting::Nodes),
            Ok(false) => Ok(Waiting::No),
            Err(_) => Err("write true, false or pods".to_owned()),
        },
    }
}

/// Reads an integer as Go does: decimal, or with the prefix `0x`, `0o` or `0b`.
pub(crate) fn go_integer(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let parsed = if let Some(hexadecimal) = lower.strip_prefix("0x") {
        i64::from_str_radix(hexadecimal, 16)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        i64::from_str_radix(octal, 8)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        i64::from_str_radix(binary, 2)
    } else {
        lower.parse()
    };
    match parsed {
        Ok(number) if !digits.starts_with(['-', '+']) => {
            Ok(if negative { -number } else { number })
        }
        _ => Err("write a whole number".to_owned()),
    }
}

/// Reads a duration as Go does: `90s`, `1m30s`, `1.5h`, `0`.
pub(crate) fn go_duration(text: &str) -> Result<Duration, String> {
    const MEND: &str = "write a duration such as 90s, 5m or 1h30m";
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err("a duration cannot be negative".to_owned());
    }
    let mut rest = text;
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(MEND)?;
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let number: f64 = number.parse().map_err(|_| MEND)?;
        seconds += number * seconds_of(unit).ok_or(MEND)?;
        rest = after;
    }
    if text.is_empty() {
        return Err(MEND.to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| MEND.to_owned())
}

fn seconds_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_splits_at_commas_but_not_inside_quotes() {
        let csv = |text: &str| split_csv(text);
        assert_eq!(csv("").unwrap(), Vec::<String>::new());
        assert_eq!(csv("a").unwrap(), ["a"]);
        assert_eq!(csv("a,b,").unwrap(), ["a", "b", ""]);
        assert_eq!(csv("\"a,b\",c").unwrap(), ["a,b", "c"]);
        assert_eq!(csv("\"a \"\"b\"\"\"").unwrap(), ["a \"b\""]);
        assert!(csv("a\"b").is_err());
        assert!(csv("\"a").is_err());
        assert!(csv("\"a\"b").is_err());
    }

    #[test]
    fn durations_are_those_of_go() {
        let seconds = |text: &str| go_duration(text).map(|duration| duration.as_secs_f64());
        for (text, expected) in [
            ("0", 0.0),
            ("0s", 0.0),
            ("360s", 360.0),
            ("1m30s", 90.0),
            ("1.5h", 5400.0),
            ("250ms", 0.25),
        ] {
            assert!((seconds(text).unwrap() - expected).abs() < 1e-9, "{text}");
        }
        for text in ["", "5", "m", "5x", "-5s", "1m5", "1..5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_go() {
        for (text, expected) in [("3", 3), ("-2", -2), ("+4", 4), ("0x10", 16), ("0b11", 3)] {
            assert_eq!(go_integer(text).unwrap(), expected);
        }
        for text in ["", "a", "--1", "1.5", "0x"] {
            assert!(go_integer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn switches_take_the_words_of_go() {
        assert!(go_bool("T").unwrap() && !go_bool("False").unwrap());
        assert!(go_bool("yes").is_err());
        assert_eq!(go_bool_or_pods("pods").unwrap(), Waiting::Pods);
        assert_eq!(go_bool_or_pods("false").unwrap(), Waiting::No);
    }
}
