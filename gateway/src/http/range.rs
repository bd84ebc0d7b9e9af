//! `Range` and `If-None-Match` of a request, `Content-Range` of a chunk.

use std::ops::Range;

/// What of a blob is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes; never none.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Beyond,
}

/// Reads `bytes=500-1499`, `bytes=500-` or `bytes=-500`. Several ranges, and units that nobody knows, get the whole.
pub(super) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(ranges) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = ranges.split_once('-').filter(|_| !ranges.contains(',')) else {
        return Wanted::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => first..size,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Wanted::Whole,
    };
    if range.is_empty() {
        Wanted::Beyond
    } else {
        Wanted::Part(range)
    }
}

/// Whether `If-None-Match` names this entity tag.
pub(super) fn matches_tag(header: Option<&str>, digest: &str) -> bool {
    header.is_some_and(|tags| {
        tags.split(',').map(str::trim).any(|tag| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag == "*" || tag.trim_matches('"') == digest
        })
    })
}

/// Reads the place of a chunk: `0-1023`, and `bytes 0-1023/*` as some clients write it.
pub(super) fn chunk(header: &str) -> Option<Range<u64>> {
    let text = header.trim();
    let text = text.strip_prefix("bytes").map_or(text, str::trim_start);
    let (range, _) = text.split_once('/').unwrap_or((text, ""));
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    (first <= last).then(|| first..last.saturating_add(1))
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number holds still mean "to the end".
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_those_of_the_specification() {
        for (header, size, expected) in [
            ("bytes=500-1499", 2000, Wanted::Part(500..1500)),
            ("bytes=500-", 2000, Wanted::Part(500..2000)),
            ("bytes=-500", 2000, Wanted::Part(1500..2000)),
            ("bytes=-5000", 2000, Wanted::Part(0..2000)),
            ("bytes=500-9999", 2000, Wanted::Part(500..2000)),
            ("bytes=0-0", 2000, Wanted::Part(0..1)),
            ("bytes=500-0", 2000, Wanted::Beyond),
            ("bytes=2000-", 2000, Wanted::Beyond),
            ("bytes=3000-3001", 2000, Wanted::Beyond),
            ("bytes=-0", 2000, Wanted::Beyond),
            ("bytes=0-", 0, Wanted::Beyond),
            (
                "bytes=0-99999999999999999999999",
                2000,
                Wanted::Part(0..2000),
            ),
            ("bytes=0-1,5-6", 2000, Wanted::Whole),
            ("bytes=a-b", 2000, Wanted::Whole),
            ("bytes=-", 2000, Wanted::Whole),
            ("bytes=+1-2", 2000, Wanted::Whole),
            ("lines=0-1", 2000, Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), size), expected, "{header}");
        }
        assert_eq!(wanted(None, 5), Wanted::Whole);
    }

    #[test]
    fn chunks_say_where_they_belong() {
        for (header, range) in [
            ("0-1023", 0..1024),
            ("bytes 5-5/*", 5..6),
            ("bytes 5-9/10", 5..10),
        ] {
            assert_eq!(chunk(header), Some(range), "{header}");
        }
        for header in ["", "-", "1-", "-1", "5-4", "a-b", "0-1-2", "0x1-2"] {
            assert_eq!(chunk(header), None, "{header}");
        }
    }

    #[test]
    fn entity_tags_match_in_lists_and_weakly() {
        for header in ["\"d\"", "W/\"d\"", "\"x\", \"d\"", "*", "d"] {
            assert!(matches_tag(Some(header), "d"), "{header}");
        }
        assert!(!matches_tag(Some("\"x\""), "d") && !matches_tag(None, "d"));
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_always_inside(header in "bytes=[0-9]{0,6}-[0-9]{0,6}", size in 0_u64..10_000) {
            if let Wanted::Part(range) = wanted(Some(&header), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
