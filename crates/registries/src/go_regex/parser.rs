//! A parser of Go's regular expressions (RE2 syntax with Perl extensions), refusing what Go refuses.

use regex_syntax::hir::ClassUnicode;

use super::class;
use super::names;
use super::node::{Kind, Node, Repeat};
use super::{GoRefusal, Parsed};

/// Go's limit for counts and for products of nested counts.
const MOST_COPIES: u32 = 1_000;
/// Go's limit for nesting.
const MOST_LEVELS: u32 = 1_000;
/// Go's limit for the compiled size, in instructions.
const LARGEST: u64 = (128 << 20) / 40;

/// What `(?imsU)` switches.
#[derive(Clone, Copy, Default)]
struct Flags(u8);

impl Flags {
    const FOLD_CASE: u8 = 1;
    const MULTI_LINE: u8 = 2;
    const DOT_NEWLINE: u8 = 4;
    const NON_GREEDY: u8 = 8;

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    fn set(&mut self, flag: u8, on: bool) {
        self.0 = if on { self.0 | flag } else { self.0 & !flag };
    }
}

/// An open group.
struct Group {
    /// What holds again once the group is closed.
    flags_outside: Flags,
    captures: bool,
    alternatives: Vec<Node>,
    parts: Vec<Node>,
}

impl Group {
    fn new(flags_outside: Flags, captures: bool) -> Self {
        Self {
            flags_outside,
            captures,
            alternatives: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn end_alternative(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        self.alternatives.push(Node::concat(parts));
    }

    fn close(mut self) -> Node {
        self.end_alternative();
        let inner = Node::alternate(self.alternatives);
        if self.captures {
            Node::capture(inner)
        } else {
            inner
        }
    }
}

pub(super) struct Parser<'a> {
    rest: &'a str,
    flags: Flags,
    outer: Vec<Group>,
    current: Group,
    names: Vec<Option<String>>,
}

type Outcome<T> = Result<T, GoRefusal>;

/// Reads a whole expression.
pub(super) fn parse(pattern: &str) -> Outcome<Parsed> {
    let flags = Flags::default();
    let mut parser = Parser {
        rest: pattern,
        flags,
        outer: Vec::new(),
        current: Group::new(flags, false),
        names: vec![None],
    };
    parser.run()?;
    if !parser.outer.is_empty() {
        return Err(GoRefusal::MissingParen);
    }
    let node = within_limits(parser.current.close())?;
    Ok(Parsed {
        node,
        names: parser.names,
    })
}

fn within_limits(node: Node) -> Outcome<Node> {
    if node.height > MOST_LEVELS {
        return Err(GoRefusal::NestingDepth);
    }
    if node.size > LARGEST {
        return Err(GoRefusal::TooLarge);
    }
    Ok(node)
}

impl Parser<'_> {
    fn run(&mut self) -> Outcome<()> {
        let mut after_repeat = false;
        while let Some(character) = self.rest.chars().next() {
            let mut is_repeat = false;
            match character {
                '(' if self.rest.starts_with("(?") => self.perl_group()?,
                '(' => {
                    self.advance(1);
                    self.open(true, None);
                }
                '|' => {
                    self.advance(1);
                    self.current.end_alternative();
                }
                ')' => self.close()?,
                '^' | '$' | '.' => {
                    self.advance(1);
                    self.push(Node::leaf(self.assertion(character)))?;
                }
                '[' => self.bracket()?,
                '*' | '+' | '?' => {
                    self.advance(1);
                    let (min, max) = match character {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(min, max, false, after_repeat)?;
                    is_repeat = true;
                }
                '{' => is_repeat = self.brace(after_repeat)?,
                '\\' => self.escape()?,
                _ => {
                    self.advance(character.len_utf8());
                    self.literal(character)?;
                }
            }
            after_repeat = is_repeat;
        }
        Ok(())
    }

    /// A count, or else a literal brace; whether it was a count.
    fn brace(&mut self, after_repeat: bool) -> Outcome<bool> {
        let Some((min, max, length)) = count(self.rest) else {
            self.advance(1);
            return self.literal('{').map(|()| false);
        };
        self.advance(length);
        let (min, max) = checked_count(min, max)?;
        self.repeat(min, max, true, after_repeat).map(|()| true)
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn assertion(&self, character: char) -> Kind {
        let multi_line = self.flags.has(Flags::MULTI_LINE);
        match character {
            '^' if multi_line => Kind::BeginLine,
            '^' => Kind::BeginText,
            '$' if multi_line => Kind::EndLine,
            '$' => Kind::EndText,
            _ if self.flags.has(Flags::DOT_NEWLINE) => Kind::AnyChar,
            _ => Kind::AnyCharNotNewline,
        }
    }

    fn push(&mut self, node: Node) -> Outcome<()> {
        self.current.parts.push(within_limits(node)?);
        Ok(())
    }

    fn literal(&mut self, character: char) -> Outcome<()> {
        if self.flags.has(Flags::FOLD_CASE) {
            let code = u32::from(character);
            let mut class = class::range(code, code);
            class::fold(&mut class);
            if class.ranges().len() > 1 || class.ranges().iter().any(|range| range.len() > 1) {
                return self.push(Node::leaf(Kind::Class(class)));
            }
        }
        self.push(Node::leaf(Kind::Literal(character)))
    }

    fn open(&mut self, captures: bool, name: Option<String>) {
        if captures {
            self.names.push(name);
        }
        let group = Group::new(self.flags, captures);
        self.outer.push(std::mem::replace(&mut self.current, group));
    }

    fn close(&mut self) -> Outcome<()> {
        self.advance(1);
        let outer = self.outer.pop().ok_or(GoRefusal::UnexpectedParen)?;
        let group = std::mem::replace(&mut self.current, outer);
        self.flags = group.flags_outside;
        self.push(group.close())
    }

    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        counted: bool,
        after_repeat: bool,
    ) -> Outcome<()> {
        let mut greedy = !self.flags.has(Flags::NON_GREEDY);
        if self.rest.starts_with('?') {
            self.advance(1);
            greedy = !greedy;
        }
        if after_repeat {
            return Err(GoRefusal::NestedRepeat);
        }
        let repeated = self.current.parts.pop().ok_or(GoRefusal::NothingToRepeat)?;
        let repeat = Repeat {
            min,
            max,
            greedy,
            counted,
        };
        let node = within_limits(Node::repeat(repeated, repeat))?;
        let several = min >= 2 || max.is_some_and(|max| max >= 2);
        if counted && several && !node.copies_within(MOST_COPIES) {
            return Err(GoRefusal::RepeatSize);
        }
        self.push(node)
    }

    fn perl_group(&mut self) -> Outcome<()> {
        let after = &self.rest[2..];
        let named = after.strip_prefix("P<").or_else(|| after.strip_prefix('<'));
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            let (name, rest) = named.split_once('>').ok_or(GoRefusal::GroupName)?;
            let valid = |c: char| c == '_' || c.is_ascii_alphanumeric();
            if name.is_empty() || !name.chars().all(valid) {
                return Err(GoRefusal::GroupName);
            }
            self.rest = rest;
            self.open(true, Some(name.to_owned()));
            return Ok(());
        }
        self.flag_group()
    }

    fn flag_group(&mut self) -> Outcome<()> {
        let mut flags = self.flags;
        let (mut on, mut saw_flag) = (true, false);
        for (index, character) in self.rest[2..].char_indices() {
            match character {
                'i' => flags.set(Flags::FOLD_CASE, on),
                'm' => flags.set(Flags::MULTI_LINE, on),
                's' => flags.set(Flags::DOT_NEWLINE, on),
                'U' => flags.set(Flags::NON_GREEDY, on),
                '-' if on => {
                    (on, saw_flag) = (false, false);
                    continue;
                }
                ':' | ')' if on || saw_flag => {
                    self.advance(2 + index + 1);
                    if character == ':' {
                        self.open(false, None);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err(GoRefusal::PerlSyntax),
            }
            saw_flag = true;
        }
        Err(GoRefusal::PerlSyntax)
    }

    fn escape(&mut self) -> Outcome<()> {
        let kind = match self.rest[1..].chars().next() {
            Some('A') => Kind::BeginText,
            Some('b') => Kind::WordBoundary,
            Some('B') => Kind::NoWordBoundary,
            Some('z') => Kind::EndText,
            Some('C') => return Err(GoRefusal::Escape),
            Some('Q') => return self.quoted(),
            _ => {
                if let Some(class) = self.class_escape()? {
                    return self.push_class(class);
                }
                let character = self.character_escape()?;
                return match char::from_u32(character) {
                    Some(character) => self.literal(character),
                    // A surrogate: valid in Go, but no text holds one.
                    None => self.push_class(ClassUnicode::empty()),
                };
            }
        };
        self.advance(2);
        self.push(Node::leaf(kind))
    }

    fn push_class(&mut self, class: ClassUnicode) -> Outcome<()> {
        self.push(Node::leaf(Kind::Class(class)))
    }

    /// `\Q...\E`, or to the end of the expression.
    fn quoted(&mut self) -> Outcome<()> {
        let after = &self.rest[2..];
        let (quoted, rest) = after.split_once(r"\E").unwrap_or((after, ""));
        self.rest = rest;
        quoted
            .chars()
            .try_for_each(|character| self.literal(character))
    }

    /// `\pL`, `\p{Greek}`, `\P{^Greek}`, `\d` and the like, inside and outside brackets.
    fn class_escape(&mut self) -> Outcome<Option<ClassUnicode>> {
        let Some(letter) = self
            .rest
            .strip_prefix('\\')
            .and_then(|rest| rest.chars().next())
        else {
            return Ok(None);
        };
        if let Some(class) = class::perl(letter, self.flags.has(Flags::FOLD_CASE)) {
            self.advance(2);
            return Ok(Some(class));
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let after = &self.rest[2..];
        let first = after.chars().next().ok_or(GoRefusal::ClassRange)?;
        let (name, length) = if first == '{' {
            let end = after.find('}').ok_or(GoRefusal::ClassRange)?;
            (&after[1..end], end + 1)
        } else {
            (&after[..first.len_utf8()], first.len_utf8())
        };
        let (name, inverted) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let mut class = names::named(name).ok_or(GoRefusal::ClassRange)?;
        if self.flags.has(Flags::FOLD_CASE) {
            class::fold(&mut class);
        }
        if inverted != (letter == 'P') {
            class.negate();
        }
        self.advance(2 + length);
        Ok(Some(class))
    }

    fn character_escape(&mut self) -> Outcome<u32> {
        let (character, length) = super::escape::character(self.rest)?;
        self.advance(length);
        Ok(character)
    }

    fn bracket(&mut self) -> Outcome<()> {
        self.advance(1);
        let negated = self.rest.starts_with('^');
        if negated {
            self.advance(1);
        }
        let mut class = ClassUnicode::empty();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.rest.is_empty() {
                return Err(GoRefusal::MissingBracket);
            }
            if let Some(group) = self.posix_group()? {
                class.union(&group);
            } else if let Some(group) = self.class_escape()? {
                class.union(&group);
            } else {
                class.union(&self.bracket_range()?);
            }
        }
        self.advance(1);
        if negated {
            class.negate();
        }
        self.push_class(class)
    }

    fn posix_group(&mut self) -> Outcome<Option<ClassUnicode>> {
        let Some(after) = self.rest.strip_prefix("[:") else {
            return Ok(None);
        };
        let Some(end) = after.find(":]") else {
            return Ok(None);
        };
        let class = class::posix(&after[..end], self.flags.has(Flags::FOLD_CASE))
            .ok_or(GoRefusal::ClassRange)?;
        self.advance(2 + end + 2);
        Ok(Some(class))
    }

    fn bracket_range(&mut self) -> Outcome<ClassUnicode> {
        let low = self.bracket_character()?;
        let mut high = low;
        let after = self.rest.strip_prefix('-');
        if after.is_some_and(|after| !after.is_empty() && !after.starts_with(']')) {
            self.advance(1);
            high = self.bracket_character()?;
        }
        if high < low {
            return Err(GoRefusal::ClassRange);
        }
        let mut class = class::range(low, high);
        if self.flags.has(Flags::FOLD_CASE) {
            class::fold(&mut class);
        }
        Ok(class)
    }

    fn bracket_character(&mut self) -> Outcome<u32> {
        match self.rest.chars().next() {
            None => Err(GoRefusal::MissingBracket),
            Some('\\') => self.character_escape(),
            Some(character) => {
                self.advance(character.len_utf8());
                Ok(u32::from(character))
            }
        }
    }
}

/// A count too large to be read.
const OVERFLOW: u64 = u64::MAX;

/// Reads `{n}`, `{n,}` or `{n,m}`: the two numbers and the length; anything else is literal text.
fn count(text: &str) -> Option<(u64, Option<u64>, usize)> {
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

fn checked_count(min: u64, max: Option<u64>) -> Outcome<(u32, Option<u32>)> {
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
