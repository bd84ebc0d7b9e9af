//! The tree that the parser builds, with the sizes by which Go limits it.

use regex_syntax::hir::ClassUnicode;

/// A part of an expression.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Levels of nesting, this one included.
    pub(super) height: u32,
    /// Instructions that Go would need, as its parser estimates them.
    pub(super) size: u64,
}

#[derive(Debug)]
pub(super) enum Kind {
    Empty,
    Literal(char),
    Class(ClassUnicode),
    AnyChar,
    AnyCharNotNewline,
    BeginLine,
    EndLine,
    BeginText,
    EndText,
    WordBoundary,
    NoWordBoundary,
    Capture(Box<Node>),
    Repeat(Box<Node>, Repeat),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
}

/// How often something repeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    pub(super) min: u32,
    /// Nothing means without end.
    pub(super) max: Option<u32>,
    pub(super) greedy: bool,
    /// Written as `{n,m}`, which counts for Go's limit of 1,000 copies; `*`, `+` and `?` do not.
    pub(super) counted: bool,
}

impl Node {
    pub(super) fn leaf(kind: Kind) -> Self {
        Self {
            kind,
            height: 1,
            size: 1,
        }
    }

    pub(super) fn capture(inner: Self) -> Self {
        Self {
            height: inner.height + 1,
            size: inner.size.saturating_add(2),
            kind: Kind::Capture(Box::new(inner)),
        }
    }

    pub(super) fn repeat(inner: Self, repeat: Repeat) -> Self {
        let (min, max) = (u64::from(repeat.min), repeat.max.map(u64::from));
        let size = match (repeat.counted, max) {
            (true, Some(max)) => max.saturating_mul(inner.size).saturating_add(max - min),
            (true, None) if min > 0 => min.saturating_mul(inner.size).saturating_add(1),
            (false, _) if max == Some(1) || min == 1 => inner.size.saturating_add(1),
            _ => inner.size.saturating_add(2),
        };
        Self {
            height: inner.height + 1,
            size: size.max(1),
            kind: Kind::Repeat(Box::new(inner), repeat),
        }
    }

    pub(super) fn concat(parts: Vec<Self>) -> Self {
        Self::many(parts, Kind::Concat, 0)
    }

    pub(super) fn alternate(parts: Vec<Self>) -> Self {
        Self::many(parts, Kind::Alternate, 1)
    }

    fn many(mut parts: Vec<Self>, kind: fn(Vec<Self>) -> Kind, joint: u64) -> Self {
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => only,
            (_, None) => Self::leaf(Kind::Empty),
            (count, Some(last)) => {
                parts.push(last);
                let deepest = parts.iter().map(|part| part.height).max().unwrap_or(0);
                let sum = parts
                    .iter()
                    .fold(0u64, |sum, part| sum.saturating_add(part.size));
                let joints = joint * (count as u64 - 1);
                Self {
                    height: deepest + 1,
                    size: sum.saturating_add(joints).max(1),
                    kind: kind(parts),
                }
            }
        }
    }

    /// Whether nested counts stay within `copies` of the innermost part.
    pub(super) fn copies_within(&self, copies: u32) -> bool {
        let mut copies = copies;
        if let Kind::Repeat(
            _,
            Repeat {
                counted: true,
                min,
                max,
                ..
            },
        ) = &self.kind
        {
            let most = match max {
                Some(0) => return true,
                Some(max) => *max,
                None => *min,
            };
            if most > copies {
                return false;
            }
            copies = copies.checked_div(most).unwrap_or(copies);
        }
        match &self.kind {
            Kind::Capture(inner) | Kind::Repeat(inner, _) => inner.copies_within(copies),
            Kind::Concat(parts) | Kind::Alternate(parts) => {
                parts.iter().all(|part| part.copies_within(copies))
            }
            _ => true,
        }
    }
}
