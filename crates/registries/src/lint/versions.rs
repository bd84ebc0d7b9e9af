//! Ranges of k3s releases, for rules about what changed between them.

use std::fmt;
use std::str::FromStr;

/// Major, minor, patch and the number behind `+k3s`.
type Release = [u32; 4];

/// A range of releases: one (`v1.31.2`, `v1.31.2+k3s1`), or limits joined by commas (`>=v1.28.6,<v1.33`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    from: Release,
    /// The first release that no longer belongs to the range.
    until: Release,
}

/// A text that is no range of releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionRangeError {
    /// Not a version where one is expected.
    #[error("failed to read the version; write it as v1.31, v1.31.2 or v1.31.2+k3s1")]
    NoVersion,
    /// The limits leave nothing.
    #[error("the range is empty; write it as >=v1.28.6,<v1.33")]
    Empty,
}

impl VersionRange {
    /// Whether the range holds a release from before a fix, which came to each minor in its own patch. Minors between
    /// the named ones never had it; later ones always do.
    pub(crate) fn has_release_before(&self, fixes: &[[u32; 3]]) -> bool {
        let Some(first) = fixes.first() else {
            return false;
        };
        let before_all = [0; 4]..[first[0], first[1], first[2], 0];
        let later = fixes
            .iter()
            .skip(1)
            .map(|[major, minor, patch]| [*major, *minor, 0, 0]..[*major, *minor, *patch, 0]);
        std::iter::once(before_all)
            .chain(later)
            .any(|range| self.overlaps(&range))
    }

    /// Whether the range holds one of these releases; with a fourth number, only that build of it.
    pub(crate) fn has_any(&self, releases: &[[u32; 3]], build: Option<u32>) -> bool {
        releases.iter().any(|[major, minor, patch]| {
            let range = match build {
                Some(build) => [*major, *minor, *patch, 0]..[*major, *minor, *patch, build + 1],
                None => [*major, *minor, *patch, 0]..[*major, *minor, *patch + 1, 0],
            };
            self.overlaps(&range)
        })
    }

    fn overlaps(&self, range: &std::ops::Range<Release>) -> bool {
        range.start < range.end && self.from < range.end && range.start < self.until
    }
}

impl FromStr for VersionRange {
    type Err = VersionRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut range = Self {
            text: text.trim().to_owned(),
            from: [0; 4],
            until: [u32::MAX; 4],
        };
        for limit in text.split(',') {
            let limit = limit.trim();
            let operator_length = limit
                .find(|c: char| !matches!(c, '<' | '>' | '='))
                .unwrap_or(limit.len());
            let (operator, version) = limit.split_at(operator_length);
            let (first, next) = release(version.trim()).ok_or(VersionRangeError::NoVersion)?;
            let (from, until) = match operator {
                "" | "=" | "==" => (first, next),
                ">=" => (first, [u32::MAX; 4]),
                ">" => (next, [u32::MAX; 4]),
                "<" => ([0; 4], first),
                "<=" => ([0; 4], next),
                _ => return Err(VersionRangeError::NoVersion),
            };
            range.from = range.from.max(from);
            range.until = range.until.min(until);
        }
        if range.from < range.until {
            Ok(range)
        } else {
            Err(VersionRangeError::Empty)
        }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The first release that a version names, and the first one after all that it names.
fn release(version: &str) -> Option<(Release, Release)> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let (numbers, build) = version
        .split_once('+')
        .map_or((version, None), |(numbers, build)| (numbers, Some(build)));
    let numbers = numbers.split('-').next().unwrap_or_default();
    let mut first = [0; 4];
    let mut named = 0;
    for part in numbers.split('.') {
        *first.get_mut(named).filter(|_| named < 3)? = part.parse().ok()?;
        named += 1;
    }
    if let Some(build) = build.filter(|_| named == 3) {
        let digits = build.trim_start_matches("k3s").trim_start_matches("rke2r");
        first[3] = digits.parse().ok()?;
        named = 4;
    }
    let mut next = first;
    *next.get_mut(named.checked_sub(1)?)? += 1;
    Some((first, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> VersionRange {
        text.parse().unwrap()
    }

    #[test]
    fn a_fix_reaches_each_minor_in_its_own_patch() {
        let fixes = [[1, 31, 11], [1, 32, 7], [1, 33, 3]];
        for (text, expected) in [
            ("v1.33.3+k3s1", false),
            ("v1.33.2+k3s1", true),
            ("v1.32.7", false),
            ("v1.31.12", false),
            ("v1.30.14+k3s2", true),
            (">=v1.33.3", false),
            (">=v1.33", true),
            (">=v1.31.11,<v1.32", false),
            (">=v1.31.11,<=v1.32", true),
            (">v1.32.6, <v1.33", false),
            ("v1.34", false),
            ("<v1.20", true),
        ] {
            assert_eq!(range(text).has_release_before(&fixes), expected, "{text}");
        }
    }

    #[test]
    fn single_builds_are_told_apart() {
        let broken = [[1, 28, 6]];
        assert!(range("v1.28.6+k3s1").has_any(&broken, Some(1)));
        assert!(!range("v1.28.6+k3s2").has_any(&broken, Some(1)));
        assert!(range("v1.28").has_any(&broken, None));
        assert!(!range("v1.28.7").has_any(&broken, None));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "x", "1.x", "v1.2.3.4", "~1.2", "v1.2.3+k3sx", ">"] {
            assert_eq!(
                text.parse::<VersionRange>(),
                Err(VersionRangeError::NoVersion),
                "{text}"
            );
        }
        assert_eq!(
            ">=v1.33,<v1.28".parse::<VersionRange>(),
            Err(VersionRangeError::Empty)
        );
    }
}
