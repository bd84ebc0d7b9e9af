//! Values that are no text, array or table.

use std::sync::LazyLock;

use regex::Regex;

use super::Value;

/// A boolean, a number, a date or a time.
pub(super) fn read(token: &str) -> Option<Value> {
    static NUMBER_OR_TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        const INTEGER: &str = r"[+-]?(?:0|[1-9](?:_?[0-9])*)";
        const DIGITS: &str = r"[0-9](?:_?[0-9])*";
        const DATE: &str = r"[0-9]{4}-[0-9]{2}-[0-9]{2}";
        const TIME: &str = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?";
        let parts = [
            INTEGER.to_owned(),
            "0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*".to_owned(),
            "0o[0-7](?:_?[0-7])*".to_owned(),
            "0b[01](?:_?[01])*".to_owned(),
            format!(r"{INTEGER}(?:\.{DIGITS})?(?:[eE][+-]?{DIGITS})?"),
            "[+-]?(?:inf|nan)".to_owned(),
            DATE.to_owned(),
            TIME.to_owned(),
            format!("{DATE}[Tt ]{TIME}(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}})?"),
        ];
        Regex::new(&format!("^(?:{})$", parts.join("|"))).ok()
    });

    match token {
        "true" => Some(Value::Boolean(true)),
        "false" => Some(Value::Boolean(false)),
        _ => {
            let known = NUMBER_OR_TIME.as_ref()?.is_match(token);
            known.then_some(Value::Other)
        }
    }
}
