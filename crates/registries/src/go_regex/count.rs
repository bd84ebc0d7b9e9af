//! Counts of repetition: `{n}`, `{n,}`, `{n,m}`.

use super::GoRefusal;

/// Go's limit for counts and for products of nested counts.
pub(super) const MOST_COPIES: u32 = 1_000;
/// A count too large to be read.
const OVERFLOW: u64 = u64::MAX;

/// Reads `{n}`, `{n,}` or `{n,m}`: the two numbers and the length; anything else is literal text.
pub(super) fn count(text: &str) -> Option<(u64, Option<u64>, usize)> {
    let (min, rest) = number(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = number(rest)?;
            (Some(max), rest)
        }
    };
    let rest = rest.strip_prefix('}')?;
    Some((min, max, text.len() - rest.len()))
}

fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || (digits > 1 && text.starts_with('0')) {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    Some((number.parse().unwrap_or(OVERFLOW), rest))
}

pub(super) fn checked_count(min: u64, max: Option<u64>) -> Result<(u32, Option<u32>), GoRefusal> {
    let within = |number: u64| {
        u32::try_from(number)
            .ok()
            .filter(|number| *number <= MOST_COPIES)
            .ok_or(GoRefusal::RepeatSize)
    };
    let (min, max) = (within(min)?, max.map(within).transpose()?);
    if max.is_some_and(|max| max < min) {
        return Err(GoRefusal::RepeatSize);
    }
    Ok((min, max))
}
