//! Reads the text of a TOML file.

use std::collections::BTreeMap;

use super::tables::{Tables, insert_inline};
use super::{Document, TomlError, TomlErrorKind, Value, scalar};

/// Arrays and inline tables in each other; more than any file of containerd has.
const DEEPEST: u32 = 64;

type Outcome<T> = Result<T, TomlErrorKind>;

/// Reads a whole file.
pub(crate) fn parse(text: &str) -> Result<Document, TomlError> {
    let mut reader = Reader { rest: text };
    let mut tables = Tables::new();
    let mut headers = Vec::new();
    match reader.file(&mut tables, &mut headers) {
        Ok(()) => Ok(Document {
            root: tables.finish(),
            headers,
        }),
        Err(kind) => {
            let read = &text[..text.len() - reader.rest.len()];
            let lines = read.bytes().filter(|byte| *byte == b'\n').count();
            Err(TomlError {
                line: u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(1),
                kind,
            })
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn file(&mut self, tables: &mut Tables, headers: &mut Vec<Vec<String>>) -> Outcome<()> {
        loop {
            self.blanks_and_lines()?;
            if self.rest.is_empty() {
                return Ok(());
            }
            if self.take("[[") {
                let path = self.key()?;
                self.expect("]]")?;
                tables.open_in_array(&path)?;
            } else if self.take("[") {
                let path = self.key()?;
                self.expect("]")?;
                tables.open(&path)?;
                headers.push(path);
            } else {
                let path = self.key()?;
                self.expect("=")?;
                self.blanks();
                let value = self.value(0)?;
                tables.insert(&path, value)?;
            }
            self.end_of_line()?;
        }
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Outcome<()> {
        if self.take(text) {
            Ok(())
        } else {
            Err(TomlErrorKind::Syntax)
        }
    }

    /// What matches, taken off the front.
    fn take_while(&mut self, matches: fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !matches(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t'));
    }

    fn line_end(&mut self) -> bool {
        self.take("\n") || self.take("\r\n")
    }

    fn comment(&mut self) -> Outcome<()> {
        if self.take("#") {
            self.take_while(|c| c == '\t' || !c.is_ascii_control());
            if !self.rest.is_empty()
                && !self.rest.starts_with('\n')
                && !self.rest.starts_with("\r\n")
            {
                return Err(TomlErrorKind::ControlCharacter);
            }
        }
        Ok(())
    }

    fn blanks_and_lines(&mut self) -> Outcome<()> {
        loop {
            self.blanks();
            self.comment()?;
            if !self.line_end() {
                return Ok(());
            }
        }
    }

    fn end_of_line(&mut self) -> Outcome<()> {
        self.blanks();
        self.comment()?;
        if self.rest.is_empty() || self.line_end() {
            Ok(())
        } else {
            Err(TomlErrorKind::Syntax)
        }
    }

    /// A dotted key and the blanks around its parts.
    fn key(&mut self) -> Outcome<Vec<String>> {
        let mut path = Vec::new();
        loop {
            self.blanks();
            path.push(self.key_part()?);
            self.blanks();
            if !self.take(".") {
                return Ok(path);
            }
        }
    }

    fn key_part(&mut self) -> Outcome<String> {
        if self.take("\"") {
            return self.basic(false);
        }
        if self.take("'") {
            return self.literal();
        }
        let bare = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if bare.is_empty() {
            return Err(TomlErrorKind::Syntax);
        }
        Ok(bare.to_owned())
    }

    fn value(&mut self, depth: u32) -> Outcome<Value> {
        if depth > DEEPEST {
            return Err(TomlErrorKind::Syntax);
        }
        if self.take("\"\"\"") {
            self.line_end();
            return self.basic(true).map(Value::String);
        }
        if self.take("'''") {
            self.line_end();
            return self.multi_line_literal().map(Value::String);
        }
        if self.take("\"") {
            return self.basic(false).map(Value::String);
        }
        if self.take("'") {
            return self.literal().map(Value::String);
        }
        if self.take("[") {
            return self.array(depth);
        }
        if self.take("{") {
            return self.inline_table(depth);
        }
        let mut token = self.take_while(is_scalar).to_owned();
        // A date and a time may be parted by one space.
        if token.len() == 10 && token.contains('-') && self.rest.starts_with(' ') {
            let time = self.rest[1..]
                .find(|c| !is_scalar(c))
                .map_or(&self.rest[1..], |end| &self.rest[1..=end]);
            if time.starts_with(|c: char| c.is_ascii_digit()) {
                token = format!("{token} {time}");
                self.rest = &self.rest[1 + time.len()..];
            }
        }
        scalar::read(&token).ok_or(TomlErrorKind::Syntax)
    }

    fn array(&mut self, depth: u32) -> Outcome<Value> {
        let mut values = Vec::new();
        loop {
            self.blanks_and_lines()?;
            if self.take("]") {
                return Ok(Value::Array(values));
            }
            values.push(self.value(depth + 1)?);
            self.blanks_and_lines()?;
            if !self.take(",") {
                self.expect("]")?;
                return Ok(Value::Array(values));
            }
        }
    }

    fn inline_table(&mut self, depth: u32) -> Outcome<Value> {
        let mut table = BTreeMap::new();
        self.blanks();
        if self.take("}") {
            return Ok(Value::Table(table));
        }
        loop {
            let path = self.key()?;
            self.expect("=")?;
            self.blanks();
            let value = self.value(depth + 1)?;
            insert_inline(&mut table, &path, value)?;
            self.blanks();
            if !self.take(",") {
                self.expect("}")?;
                return Ok(Value::Table(table));
            }
        }
    }

    /// The rest of a text in double quotes.
    fn basic(&mut self, multi_line: bool) -> Outcome<String> {
        let mut text = String::new();
        loop {
            let plain =
                self.take_while(|c| c != '"' && c != '\\' && (c == '\t' || !c.is_ascii_control()));
            text.push_str(plain);
            if self.take("\\") {
                if multi_line && self.line_continues() {
                    continue;
                }
                text.push(self.escape()?);
            } else if multi_line && self.take("\"\"\"") {
                // Up to two quotes may stand before the three that end the text.
                for _ in 0..2 {
                    if self.take("\"") {
                        text.push('"');
                    }
                }
                return Ok(text);
            } else if self.take("\"") {
                if !multi_line {
                    return Ok(text);
                }
                text.push('"');
            } else if multi_line && self.line_end() {
                text.push('\n');
            } else {
                return Err(self.bad_character());
            }
        }
    }

    /// A backslash before the end of a line swallows the white space that follows.
    fn line_continues(&mut self) -> bool {
        let after_blanks = self.rest.trim_start_matches([' ', '\t']);
        if !after_blanks.starts_with('\n') && !after_blanks.starts_with("\r\n") {
            return false;
        }
        self.rest = after_blanks;
        while self.line_end() {
            self.blanks();
        }
        true
    }

    fn escape(&mut self) -> Outcome<char> {
        let letter = self
            .rest
            .chars()
            .next()
            .ok_or(TomlErrorKind::UnclosedString)?;
        let character = match letter {
            '"' | '\\' => letter,
            'b' => '\u{8}',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.code_point(4),
            'U' => return self.code_point(8),
            _ => return Err(TomlErrorKind::Escape),
        };
        self.rest = &self.rest[1..];
        Ok(character)
    }

    fn code_point(&mut self, digits: usize) -> Outcome<char> {
        let hex = self.rest.get(1..=digits).ok_or(TomlErrorKind::Escape)?;
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TomlErrorKind::Escape);
        }
        let code = u32::from_str_radix(hex, 16).map_err(|_| TomlErrorKind::Escape)?;
        let character = char::from_u32(code).ok_or(TomlErrorKind::Escape)?;
        self.rest = &self.rest[1 + digits..];
        Ok(character)
    }

    fn literal(&mut self) -> Outcome<String> {
        let text = self.take_while(|c| c != '\'' && (c == '\t' || !c.is_ascii_control()));
        if self.take("'") {
            return Ok(text.to_owned());
        }
        Err(self.bad_character())
    }

    fn multi_line_literal(&mut self) -> Outcome<String> {
        let mut text = String::new();
        loop {
            let plain = self.take_while(|c| c != '\'' && (c == '\t' || !c.is_ascii_control()));
            text.push_str(plain);
            if self.take("'''") {
                for _ in 0..2 {
                    if self.take("'") {
                        text.push('\'');
                    }
                }
                return Ok(text);
            }
            if self.take("'") {
                text.push('\'');
            } else if self.line_end() {
                text.push('\n');
            } else {
                return Err(self.bad_character());
            }
        }
    }

    fn bad_character(&self) -> TomlErrorKind {
        if self.rest.is_empty() || self.rest.starts_with('\n') || self.rest.starts_with("\r\n") {
            TomlErrorKind::UnclosedString
        } else {
            TomlErrorKind::ControlCharacter
        }
    }
}

fn is_scalar(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '_' | '.' | ':')
}
