//! Sets of characters: `[...]`, `[:name:]`, `\pN`, `\d` and the like.

use regex_syntax::hir::ClassUnicode;

use super::GoRefusal;
use super::class;
use super::names;
use super::parser::{Flags, Outcome, Parser};

impl Parser<'_> {
    /// `\pL`, `\p{Greek}`, `\P{^Greek}`, `\d` and the like, inside and outside brackets.
    pub(super) fn class_escape(&mut self) -> Outcome<Option<ClassUnicode>> {
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

    pub(super) fn bracket(&mut self) -> Outcome<()> {
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
