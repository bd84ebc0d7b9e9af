//! Reads plain YAML scalars as sops does (Go's yaml.v3), because the MAC is computed over what it understood.

use zeroize::Zeroizing;

use crate::tree::Value;

/// What a plain scalar without a tag means.
pub(crate) fn resolve(plain: &str) -> Value {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let numeric = plain.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    number_or_time(plain)
        .filter(|_| numeric)
        .unwrap_or_else(|| text(plain))
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(Zeroizing::new(text.as_bytes().to_vec()))
}

fn number_or_time(plain: &str) -> Option<Value> {
    if let Some(time) = time(plain) {
        return Some(Value::Time(time));
    }
    let digits = if plain.starts_with('.') {
        plain.to_owned()
    } else {
        plain.replace('_', "")
    };
    if let Some(integer) = integer(&digits) {
        return Some(integer);
    }
    if !is_float(&digits) {
        return None;
    }
    digits.parse().ok().map(Value::Float)
}

/// Decimal, and hexadecimal, octal and binary by prefix; a leading zero alone means octal.
fn integer(digits: &str) -> Option<Value> {
    let (negative, unsigned) = match digits.as_bytes().first()? {
        b'-' => (true, &digits[1..]),
        b'+' => (false, &digits[1..]),
        _ => (false, digits),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if body.is_empty() || !body.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let Ok(magnitude) = u64::from_str_radix(body, radix) else {
        return None;
    };
    let value = i128::from(magnitude);
    let value = if negative { -value } else { value };
    match i64::try_from(value) {
        Ok(value) => Some(Value::Int(value)),
        Err(_) if negative => None,
        Err(_) => Some(Value::HugeInt),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => {
            digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// A YAML timestamp in the notation of RFC 3339, without needless zeros; none when the text is not one.
pub(crate) fn time(text: &str) -> Option<String> {
    let (year, rest) = number(text, 4, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 1, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let zoned = rest.starts_with(['T', 't']);
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (hour, rest) = number(rest, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = fraction(rest)?;
    let zone = match (zoned, rest) {
        (false, "") => "Z".to_owned(),
        (true, zone) => normal_zone(zone)?,
        _ => return None,
    };
    Some(format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    ))
}

fn normal_zone(zone: &str) -> Option<String> {
    if zone == "Z" {
        return Some("Z".to_owned());
    }
    let shape = zone.len() == 6 && zone.starts_with(['+', '-']) && zone.as_bytes()[3] == b':';
    let (hours, rest) = number(zone.get(1..).filter(|_| shape)?, 2, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(':')?, 2, 2)?;
    if !rest.is_empty() || hours > 24 || minutes > 59 {
        return None;
    }
    if hours == 0 && minutes == 0 {
        return Some("Z".to_owned());
    }
    Some(zone.to_owned())
}

fn fraction(rest: &str) -> Option<(String, &str)> {
    let Some(digits) = rest.strip_prefix('.') else {
        return Some((String::new(), rest));
    };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || length > 9 {
        return None;
    }
    let kept = digits[..length].trim_end_matches('0');
    let shown = if kept.is_empty() {
        String::new()
    } else {
        format!(".{kept}")
    };
    Some((shown, &digits[length..]))
}

/// The number at the start of a text and what follows it.
fn number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let length = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if length < least {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(plain: &str) -> String {
        match resolve(plain) {
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => format!("bool {flag}"),
            Value::Int(number) => format!("int {number}"),
            Value::HugeInt => "huge".to_owned(),
            Value::Float(number) => format!("float {number:?}"),
            Value::Time(text) => format!("time {text}"),
            _ => "text".to_owned(),
        }
    }

    #[test]
    fn plain_scalars_mean_what_they_mean_to_sops() {
        for (plain, meaning) in [
            ("", "null"),
            ("~", "null"),
            ("nUll", "text"),
            ("True", "bool true"),
            ("yes", "text"),
            ("012", "int 10"),
            ("089", "float 89.0"),
            ("0x_1F", "int 31"),
            ("-0b11", "int -3"),
            ("0o17", "int 15"),
            ("1_000", "int 1000"),
            ("+12", "int 12"),
            ("-", "text"),
            ("9223372036854775807", "int 9223372036854775807"),
            ("9223372036854775808", "huge"),
            ("18446744073709551616", "float 1.8446744073709552e19"),
            ("1e3", "float 1000.0"),
            ("1.", "float 1.0"),
            (".5", "float 0.5"),
            (".0_", "text"),
            (".", "text"),
            ("1e", "text"),
            ("1:30", "text"),
            ("-.inf", "float -inf"),
            ("2024-02-29", "time 2024-02-29T00:00:00Z"),
            ("2023-02-29", "text"),
            ("2024-1-2 3:4:5.10", "time 2024-01-02T03:04:05.1Z"),
            ("2024-01-02T03:04:05", "text"),
            ("2024-01-02T03:04:05+00:00", "time 2024-01-02T03:04:05Z"),
            (
                "2024-01-02t03:04:05-01:30",
                "time 2024-01-02T03:04:05-01:30",
            ),
            ("2024-01-02T24:00:00Z", "text"),
        ] {
            assert_eq!(shown(plain), meaning, "{plain}");
        }
    }
}
