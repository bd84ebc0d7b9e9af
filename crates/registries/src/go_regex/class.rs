//! Sets of characters: Perl and POSIX groups, ranges, case folding.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// The class of one range; surrogates, which no text holds, are left out.
pub(super) fn range(low: u32, high: u32) -> ClassUnicode {
    let below = (low.min(0xd800), high.min(0xd7ff));
    let above = (low.max(0xe000), high.max(0xdfff));
    let pieces = [below, above].into_iter().filter_map(|(start, end)| {
        let (start, end) = (char::from_u32(start)?, char::from_u32(end)?);
        (start <= end).then(|| ClassUnicodeRange::new(start, end))
    });
    ClassUnicode::new(pieces)
}

/// Adds everything that differs from a member only by case.
pub(super) fn fold(class: &mut ClassUnicode) {
    // Without the tables of regex-syntax folding would fail; they are compiled in.
    let _ = class.try_case_fold_simple();
}

/// `\d \s \w` and their negations: ASCII only, and `\s` without vertical tab.
pub(super) fn perl(letter: char, folded: bool) -> Option<ClassUnicode> {
    let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')],
        'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    };
    Some(group(ranges, letter.is_ascii_uppercase(), folded))
}

/// `[:name:]` and `[:^name:]`, given without the brackets and colons.
pub(super) fn posix(name: &str, folded: bool) -> Option<ClassUnicode> {
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\u{7f}')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(group(ranges, negated, folded))
}

fn group(ranges: &[(char, char)], negated: bool, folded: bool) -> ClassUnicode {
    let ranges = ranges
        .iter()
        .map(|(start, end)| ClassUnicodeRange::new(*start, *end));
    let mut class = ClassUnicode::new(ranges);
    if folded {
        fold(&mut class);
    }
    if negated {
        class.negate();
    }
    class
}
