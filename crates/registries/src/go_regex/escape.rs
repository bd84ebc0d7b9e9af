//! Escapes of one character: octal, hexadecimal, control characters, punctuation.

use super::GoRefusal;

/// The character that an escape at the start of `text` stands for, and the length of the escape.
pub(super) fn character(text: &str) -> Result<(u32, usize), GoRefusal> {
    let after = &text[1..];
    let letter = after.chars().next().ok_or(GoRefusal::TrailingBackslash)?;
    let rest = &after[letter.len_utf8()..];
    let octal_follows = rest.starts_with(|c: char| matches!(c, '0'..='7'));
    let simple = match letter {
        '1'..='7' if octal_follows => return Ok(octal(after)),
        '0' => return Ok(octal(after)),
        'x' => {
            let (character, digits) = hexadecimal(rest).ok_or(GoRefusal::Escape)?;
            return Ok((character, 2 + digits));
        }
        'a' => 0x07,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => u32::from(letter),
        _ => return Err(GoRefusal::Escape),
    };
    Ok((simple, 2))
}

/// Up to three octal digits.
fn octal(digits: &str) -> (u32, usize) {
    let values = digits.chars().map_while(|c| c.to_digit(8)).take(3);
    let (value, count) = values.fold((0, 0), |(value, count), digit| {
        (value * 8 + digit, count + 1)
    });
    (value, 1 + count)
}

/// `41` or `{0041}`, and how much of the text that is.
fn hexadecimal(text: &str) -> Option<(u32, usize)> {
    let Some(braced) = text.strip_prefix('{') else {
        let mut digits = text.chars().map_while(|c| c.to_digit(16));
        return Some((digits.next()? * 16 + digits.next()?, 2));
    };
    let digits = &braced[..braced.find('}')?];
    if digits.is_empty() {
        return None;
    }
    let value = digits.chars().try_fold(0u32, |value, c| {
        let value = value.checked_mul(16)? + c.to_digit(16)?;
        (value <= u32::from(char::MAX)).then_some(value)
    })?;
    Some((value, digits.len() + 2))
}
