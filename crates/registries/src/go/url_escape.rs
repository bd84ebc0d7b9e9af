//! Percent escapes of URLs: which part may hold what, as Go's `net/url` has it.

use super::quote::quote;

/// The part of a URL that a text stands in, or comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Host,
    Zone,
    UserPassword,
    QueryComponent,
    Fragment,
}

fn should_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() {
        return false;
    }
    let in_host = matches!(part, Part::Host | Part::Zone);
    match byte {
        b'-' | b'_' | b'.' | b'~' => false,
        _ if in_host && b"!'()*[]<>\"$&+,;=:".contains(&byte) => false,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::UserPassword => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::QueryComponent | Part::Host | Part::Zone => true,
            Part::Fragment => false,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

pub(super) fn escape(bytes: &[u8], part: Part) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == b' ' && part == Part::QueryComponent {
            text.push('+');
        } else if should_escape(byte, part) {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

pub(super) fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        if byte == b'%' {
            plain.push(unescape_triplet(&bytes[index..], part)?);
            index += 3;
            continue;
        }
        let in_host = matches!(part, Part::Host | Part::Zone);
        if in_host && byte.is_ascii() && should_escape(byte, part) {
            let character = quote(&char::from(byte).to_string());
            return Err(format!("invalid character {character} in host name"));
        }
        plain.push(if byte == b'+' && part == Part::QueryComponent {
            b' '
        } else {
            byte
        });
        index += 1;
    }
    Ok(plain)
}

fn unescape_triplet(bytes: &[u8], part: Part) -> Result<u8, String> {
    let refused = || {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(3)]);
        format!("invalid URL escape {}", quote(&shown))
    };
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let (Some(high), Some(low)) = (digit(1), digit(2)) else {
        return Err(refused());
    };
    let value = u8::try_from(high << 4 | low).map_err(|_| refused())?;
    let is_percent = value == b'%';
    let allowed = match part {
        // A host may escape bytes beyond ASCII only, and the percent sign of a zone.
        Part::Host => high >= 8 || is_percent,
        Part::Zone => is_percent || value == b' ' || !should_escape(value, Part::Host),
        _ => true,
    };
    if allowed { Ok(value) } else { Err(refused()) }
}

pub(super) fn escaped(plain: &[u8], raw: &str, part: Part) -> String {
    let keeps_raw = !raw.is_empty()
        && raw
            .bytes()
            .all(|byte| b"!$&'()*+,;=:@[]%".contains(&byte) || !should_escape(byte, part))
        && unescape(raw, part).is_ok_and(|decoded| decoded == plain);
    if keeps_raw {
        return raw.to_owned();
    }
    if part == Part::Path && plain == b"*" {
        return "*".to_owned();
    }
    escape(plain, part)
}
