//! From bytes to text, with the refusals of yaml.v2's reader.

use std::borrow::Cow;

use crate::error::{ErrorKind, ParseError, Place};

/// The text of a document: UTF-8, or UTF-16 with a byte order mark, without characters that YAML forbids.
pub(crate) fn decode(document: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    let text = match document {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest)?,
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => utf8(document)?,
    };
    match text
        .char_indices()
        .find(|(_, character)| !is_allowed(*character))
    {
        Some((at, _)) => Err(ParseError::at(
            ErrorKind::ControlCharacter,
            place_of(&text[..at]),
        )),
        None => Ok(text),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, ParseError> {
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            ParseError::at(ErrorKind::NotUtf8, place_of(&before))
        })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, ParseError> {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| unit([pair[0], pair[1]]))
        .collect();
    String::from_utf16(&units)
        .map(Cow::Owned)
        .map_err(|_| ParseError::at(ErrorKind::NotUtf8, Place { line: 1, column: 1 }))
}

fn place_of(before: &str) -> Place {
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    Place::from_zero_based(line, column)
}

fn is_allowed(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..
    )
}
