//! YAML 1.1 scalars, typed as yaml.v2 types them.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::tree::Scalar;
use crate::error::ErrorKind;

/// Go's `base64.StdEncoding`: padding demanded, trailing bits ignored.
pub(crate) const GO_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// What a scalar is.
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Anything that a text field takes by its source text.
    Text(String),
}

/// Types a scalar, or says why its tag does not allow it.
pub(crate) fn value(scalar: &Scalar) -> Result<Value, ErrorKind> {
    let text = scalar.text.as_str();
    match scalar.tag.as_deref() {
        None if !scalar.plain => Ok(Value::Text(text.to_owned())),
        None => Ok(untagged(text)),
        Some("!!binary") => binary(text).map(Value::Text),
        Some(tag @ ("!!bool" | "!!int" | "!!float" | "!!null" | "!!timestamp")) => {
            let found = kind(text, tag == "!!timestamp");
            let fits = found == tag || (tag == "!!float" && found == "!!int");
            if fits {
                Ok(untagged(text))
            } else {
                Err(ErrorKind::Tag)
            }
        }
        Some(_) => Ok(Value::Text(text.to_owned())),
    }
}

/// Whether yaml.v2 takes a scalar for null before it looks at what is wanted.
pub(crate) fn is_plain_null(scalar: &Scalar) -> bool {
    match scalar.tag.as_deref() {
        Some(tag) => tag == "!!null",
        None => scalar.plain && matches!(scalar.text.as_str(), "" | "~" | "null"),
    }
}

/// Whether a key is YAML's merge key.
pub(crate) fn is_merge_key(scalar: &Scalar) -> bool {
    scalar.text.as_str() == "<<" && (scalar.plain || scalar.tag.as_deref() == Some("!!merge"))
}

/// Whether a text needs no quotes to be read as text.
pub(crate) fn is_text(text: &str) -> bool {
    matches!(untagged(text), Value::Text(_))
}

fn untagged(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => Value::Text(text.to_owned()),
    }
}

fn kind(text: &str, timestamp_wanted: bool) -> &'static str {
    match untagged(text) {
        Value::Null => "!!null",
        Value::Bool(_) => "!!bool",
        Value::Text(_) if timestamp_wanted && looks_like_a_date(text) => "!!timestamp",
        Value::Text(_) if is_int(text) => "!!int",
        Value::Text(_) if is_float(text) => "!!float",
        Value::Text(_) => "!!str",
    }
}

fn is_int(text: &str) -> bool {
    let plain = text.replace('_', "");
    let digits = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
        && u64::from_str_radix(digits, radix).is_ok()
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || matches!(text, ".nan" | ".NaN" | ".NAN")
        || (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && text.replace('_', "").parse::<f64>().is_ok())
}

fn looks_like_a_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let number = |part: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| {
            lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    number(parts.next(), 4..=4)
        && number(parts.next(), 1..=2)
        && number(
            parts
                .next()
                .and_then(|day| day.split(['T', 't', ' ']).next()),
            1..=2,
        )
}

fn binary(text: &str) -> Result<String, ErrorKind> {
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = GO_BASE64
        .decode(packed)
        .map_err(|_| ErrorKind::BinaryNotBase64)?;
    String::from_utf8(bytes).map_err(|_| ErrorKind::BinaryNotText)
}

#[cfg(test)]
mod tests {
    use secrecy::zeroize::Zeroizing;

    use super::*;

    fn read(text: &str, plain: bool, tag: Option<&str>) -> Result<String, ErrorKind> {
        let scalar = Scalar {
            text: Zeroizing::new(text.to_owned()),
            plain: plain && tag.is_none(),
            tag: tag.map(str::to_owned),
        };
        value(&scalar).map(|value| match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Text(text) => format!("text {text}"),
        })
    }

    #[test]
    fn plain_scalars_are_typed_as_in_yaml_1_1() {
        for (text, expected) in [
            ("yes", "true"),
            ("Off", "false"),
            ("y", "true"),
            ("~", "null"),
            ("", "null"),
            ("NULL", "null"),
            ("0123", "text 0123"),
            ("1e3", "text 1e3"),
            ("yEs", "text yEs"),
        ] {
            assert_eq!(read(text, true, None).unwrap(), expected);
        }
        assert_eq!(read("yes", false, None).unwrap(), "text yes");
    }

    #[test]
    fn a_tag_must_fit_its_value() {
        assert_eq!(
            read("c2VjcmV0", true, Some("!!binary")).unwrap(),
            "text secret"
        );
        assert_eq!(
            read("c2Vj\ncmV0", true, Some("!!binary")).unwrap(),
            "text secret"
        );
        assert_eq!(
            read("c2V", true, Some("!!binary")),
            Err(ErrorKind::BinaryNotBase64)
        );
        assert_eq!(
            read("/w==", true, Some("!!binary")),
            Err(ErrorKind::BinaryNotText)
        );
        assert_eq!(read("yes", true, Some("!!bool")).unwrap(), "true");
        assert_eq!(read("17", true, Some("!!bool")), Err(ErrorKind::Tag));
        assert_eq!(read("0x1F", true, Some("!!int")).unwrap(), "text 0x1F");
        assert_eq!(read("17", true, Some("!!float")).unwrap(), "text 17");
        assert_eq!(read("1.5", true, Some("!!int")), Err(ErrorKind::Tag));
        assert_eq!(
            read("2024-01-02", true, Some("!!timestamp")).unwrap(),
            "text 2024-01-02"
        );
        assert_eq!(read("x", true, Some("!local")).unwrap(), "text x");
    }
}
