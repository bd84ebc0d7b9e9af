//! A parser of Go's regular expressions (RE2 syntax with Perl extensions), refusing what Go refuses.

use regex_syntax::hir::ClassUnicode;

use super::class;
use super::count::{MOST_COPIES, checked_count, count};
use super::node::{Kind, Node, Repeat};
use super::{GoRefusal, Parsed};

/// Go's limit for nesting.
const MOST_LEVELS: u32 = 1_000;
/// Go's limit for the compiled size, in instructions.
const LARGEST: u64 = (128 << 20) / 40;

/// What `(?imsU)` switches.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) const FOLD_CASE: u8 = 1;
    const MULTI_LINE: u8 = 2;
    const DOT_NEWLINE: u8 = 4;
    const NON_GREEDY: u8 = 8;

    pub(super) fn has(self, flag: u8) -> bool {
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
    pub(super) rest: &'a str,
    pub(super) flags: Flags,
    outer: Vec<Group>,
    current: Group,
    names: Vec<Option<String>>,
}

pub(super) type Outcome<T> = Result<T, GoRefusal>;

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

    pub(super) fn advance(&mut self, bytes: usize) {
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

    pub(super) fn push_class(&mut self, class: ClassUnicode) -> Outcome<()> {
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

    pub(super) fn character_escape(&mut self) -> Outcome<u32> {
        let (character, length) = super::escape::character(self.rest)?;
        self.advance(length);
        Ok(character)
    }
}
