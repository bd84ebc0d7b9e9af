//! Variables in the text of a config file: `$NAME` and `${NAME}` are replaced before the text is read as YAML.
//!
//! What differs from k3d: `$$` is a literal `$` (k3d takes both away), and a `$` that no name follows stays as it is (k3d
//! takes `$1`, `$!` and their like away, which breaks passwords and the rewrite rules of registries). A variable that is
//! not set gives nothing, as in k3d, but is named in a warning.

/// A text with its variables replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Expanded {
    pub text: String,
    /// Names that are not set, each once, with the line of the file that wants them; comments are not looked at.
    pub unset: Vec<(String, usize)>,
    /// For every line of `text` its line in the file: a variable may hold several.
    lines: Vec<usize>,
}

impl Expanded {
    /// The line of the file that this line of the text comes from; both count from 1.
    pub fn line(&self, line: usize) -> usize {
        self.lines
            .get(line.saturating_sub(1))
            .or(self.lines.last())
            .copied()
            .unwrap_or(line)
    }
}

/// Replaces the variables of a text.
pub fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Expanded {
    let mut expanded = Expanded {
        text: String::with_capacity(text.len()),
        unset: Vec::new(),
        lines: Vec::new(),
    };
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let is_comment = line.trim_start().starts_with('#');
        let before = expanded.text.len();
        for part in Parts(line) {
            match part {
                Part::Text(text) => expanded.text.push_str(text),
                Part::Variable(name) => match variable(name) {
                    Some(value) => expanded.text.push_str(&value),
                    None if is_comment => {}
                    None if expanded.unset.iter().any(|(known, _)| known == name) => {}
                    None => expanded.unset.push((name.to_owned(), number)),
                },
            }
        }
        let made = expanded.text[before..].matches('\n').count();
        let made = if line.ends_with('\n') { made } else { made + 1 };
        expanded.lines.extend(std::iter::repeat_n(number, made));
    }
    expanded
}

/// Whether a text refers to a variable.
pub fn has_variable(text: &str) -> bool {
    Parts(text).any(|part| matches!(part, Part::Variable(_)))
}

enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The rest of a text, part by part.
struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        let Some(rest) = text.strip_prefix('$') else {
            let end = text.find('$').unwrap_or(text.len());
            self.0 = &text[end..];
            return Some(Part::Text(&text[..end]));
        };
        if let Some(after) = rest.strip_prefix('$') {
            self.0 = after;
            return Some(Part::Text("$"));
        }
        if let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
            && name_length(name) == name.len()
            && !name.is_empty()
        {
            self.0 = after;
            return Some(Part::Variable(name));
        }
        let length = name_length(rest);
        self.0 = &rest[length..];
        Some(match length {
            0 => Part::Text("$"),
            _ => Part::Variable(&rest[..length]),
        })
    }
}

/// How many bytes at the start of a text make the name of a variable.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Expanded {
        expand(text, &|name| match name {
            "A" => Some("1".to_owned()),
            "LONG_NAME" => Some("two words".to_owned()),
            "LINES" => Some("x\ny".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_replaced_and_dollars_can_be_kept() {
        for (text, expected) in [
            ("a: $A", "a: 1"),
            ("a: ${A}b$A.", "a: 1b1."),
            ("$LONG_NAME!", "two words!"),
            ("$UNSET.", "."),
            ("$EMPTY.", "."),
            ("pa$$word", "pa$word"),
            ("$$A", "$A"),
            ("$$$A", "$1"),
            ("^library/(.*)$: proxy/$1", "^library/(.*)$: proxy/$1"),
            ("$", "$"),
            ("$ $! $? ${ ${} ${1} ${A", "$ $! $? ${ ${} ${1} ${A"),
        ] {
            assert_eq!(of(text).text, expected, "{text}");
        }
    }

    #[test]
    fn unset_variables_are_named_once_and_not_from_comments() {
        let expanded = of("# $ONE\na: $TWO\nb: $TWO ${THREE} $EMPTY\n");
        assert_eq!(
            expanded.unset,
            [("TWO".to_owned(), 2), ("THREE".to_owned(), 3)]
        );
    }

    #[test]
    fn lines_are_those_of_the_file_even_after_a_value_of_two_lines() {
        let expanded = of("a: $LINES\nb: 1\nc: $LINES");
        assert_eq!(expanded.text, "a: x\ny\nb: 1\nc: x\ny");
        let lines: Vec<usize> = (1..=6).map(|line| expanded.line(line)).collect();
        assert_eq!(lines, [1, 1, 2, 3, 3, 3]);
    }
}
