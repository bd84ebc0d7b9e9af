//! Changes a text where it differs from a tree; everything else keeps its bytes.

use std::ops::Range;

use super::emit::{block_below, emit, entry_lines, inline, item_lines};
use super::node::{Content, Node, Place, Style};
use super::read::read;

/// The text that says what `new` says, given the text that `old` was read from.
///
/// What cannot be changed in place (braces, anchors, tags) makes the whole document be written anew: nothing that it
/// says is lost then, but comments other than those at its top are.
pub(crate) fn rewrite(text: &str, old: Option<&Node>, new: &Node) -> String {
    patch(text, old, new).unwrap_or_else(|| leading_comments(text) + &emit(new))
}

fn patch(text: &str, old: Option<&Node>, new: &Node) -> Option<String> {
    let mut edits = Edits {
        text,
        edits: Vec::new(),
    };
    match old {
        Some(old) if old == new => return Some(text.to_owned()),
        Some(old) => edits.collection(old, new)?,
        None => edits.insert(text.len(), &emit(new)),
    }
    let patched = edits.apply()?;
    // Whatever was overlooked above shows here.
    let reread = read(&patched).ok()??;
    (reread == *new).then_some(patched)
}

fn leading_comments(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    let comments = lines.take_while(|line| line.starts_with('#') && line.ends_with('\n'));
    comments.collect()
}

struct Edits<'t> {
    text: &'t str,
    edits: Vec<(Range<usize>, String)>,
}

impl Edits<'_> {
    /// Both are collections of the same kind, with something in them.
    fn collection(&mut self, old: &Node, new: &Node) -> Option<()> {
        let place = old.place.filter(|place| place.style == Style::Block)?;
        if old.tag != new.tag || new.is_empty_collection() || old.is_empty_collection() {
            return None;
        }
        match (&old.content, &new.content) {
            (Content::Mapping(old), Content::Mapping(new)) => self.mapping(place, old, new),
            (Content::Sequence(old), Content::Sequence(new)) => self.sequence(old, new),
            _ => None,
        }
    }

    fn mapping(&mut self, place: Place, old: &[(Node, Node)], new: &[(Node, Node)]) -> Option<()> {
        for (index, (key, value)) in old.iter().enumerate() {
            if old[..index].iter().any(|(earlier, _)| earlier == key) {
                return None;
            }
            match new.iter().find(|(name, _)| name == key) {
                Some((_, changed)) if changed == value => {}
                Some((_, changed)) => self.value(key, value, changed)?,
                None => {
                    let start = self.start_of_line(key.place?.start, "")?;
                    let end = self.end_of_line(self.end_of_entry(key, value)?)?;
                    self.edits.push((start..end, String::new()));
                }
            }
        }
        let (last_key, last_value) = old.last()?;
        let end = self.end_of_line(self.end_of_entry(last_key, last_value)?)?;
        for (key, value) in new {
            if !old.iter().any(|(name, _)| name == key) {
                self.insert(end, &entry_lines(key, value, place.column));
            }
        }
        Some(())
    }

    fn sequence(&mut self, old: &[Node], new: &[Node]) -> Option<()> {
        let mut rest = new;
        for item in old {
            match rest.split_first() {
                Some((first, after)) if is_same_item(item, first) => {
                    if item != first {
                        self.collection(item, first)?;
                    }
                    rest = after;
                }
                _ => {
                    let start = self.start_of_line(item.place?.start, "-")?;
                    let end = self.end_of_line(self.end_of_value(item)?)?;
                    self.edits.push((start..end, String::new()));
                }
            }
        }
        let last = old.last()?;
        let line = self.start_of_line(last.place?.start, "-")?;
        let indent = self.text[line..].find('-')?;
        let end = self.end_of_line(self.end_of_value(last)?)?;
        for item in rest {
            self.insert(end, &item_lines(item, indent));
        }
        Some(())
    }

    /// Gives a key another value.
    fn value(&mut self, key: &Node, old: &Node, new: &Node) -> Option<()> {
        let place = old.place.filter(|place| !place.is_bound)?;
        if is_deep(old, new) {
            return self.collection(old, new);
        }
        let behind_colon = self.colon(key)? + 1;
        let key_column = key.place?.column;
        let range = match place.style {
            Style::Inline if !place.is_empty() => behind_colon..place.end,
            Style::Inline | Style::Block => behind_colon..behind_colon,
            Style::BlockText => behind_colon..self.end_of_line(place.end)?,
        };
        match (inline(new), place.style) {
            (Some(inline), Style::Inline) => self.edits.push((range, format!(" {inline}"))),
            (Some(inline), Style::BlockText) => self.edits.push((range, format!(" {inline}\n"))),
            (None, Style::BlockText) => {
                let block = format!("\n{}", block_below(new, key_column));
                self.edits.push((range, block));
            }
            (None, Style::Inline) => {
                let line_end = self.end_of_line(range.end)?;
                self.edits.push((range, String::new()));
                self.insert(line_end, &block_below(new, key_column));
            }
            (inline, Style::Block) => {
                let first = self.end_of_line(behind_colon)?;
                let last = self.end_of_line(self.end_of_value(old)?)?;
                let lines = if let Some(inline) = inline {
                    self.edits.push((range, format!(" {inline}")));
                    String::new()
                } else {
                    block_below(new, key_column)
                };
                self.edits.push((first..last, lines));
            }
        }
        Some(())
    }

    fn insert(&mut self, at: usize, lines: &str) {
        let is_cut_short =
            at == self.text.len() && !self.text.is_empty() && !self.text.ends_with('\n');
        let is_first = !self.edits.iter().any(|(range, _)| *range == (at..at));
        let start = if is_cut_short && is_first { "\n" } else { "" };
        self.edits.push((at..at, format!("{start}{lines}")));
    }

    /// The start of the line, if nothing but spaces and `marks` stands before `at`.
    fn start_of_line(&self, at: usize, marks: &str) -> Option<usize> {
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let before = self.text[start..at].trim_matches(' ');
        (before == marks).then_some(start)
    }

    /// Where the next line starts, if nothing but a comment follows.
    fn end_of_line(&self, at: usize) -> Option<usize> {
        if self.text[..at].ends_with('\n') {
            return Some(at);
        }
        let rest = &self.text[at..];
        let length = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        let line = rest[..length].trim_end();
        let is_blank = line.is_empty();
        let is_comment = line.starts_with([' ', '\t']) && line.trim_start().starts_with('#');
        (is_blank || is_comment).then_some(at + length)
    }

    fn colon(&self, key: &Node) -> Option<usize> {
        let end = key.place?.end;
        let rest = &self.text[end..];
        let trimmed = rest.trim_start_matches(' ');
        trimmed
            .starts_with(':')
            .then(|| end + rest.len() - trimmed.len())
    }

    fn end_of_entry(&self, key: &Node, value: &Node) -> Option<usize> {
        if value.place?.is_empty() {
            return Some(self.colon(key)? + 1);
        }
        self.end_of_value(value)
    }

    fn end_of_value(&self, value: &Node) -> Option<usize> {
        let place = value.place?;
        match &value.content {
            Content::Sequence(items) if place.style == Style::Block => {
                self.end_of_value(items.last()?)
            }
            Content::Mapping(entries) if place.style == Style::Block => {
                let (key, value) = entries.last()?;
                self.end_of_entry(key, value)
            }
            _ => Some(place.end),
        }
    }

    fn apply(mut self) -> Option<String> {
        self.edits
            .sort_by_key(|(range, _)| (range.start, range.end));
        let newline = if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let mut patched = String::with_capacity(self.text.len());
        let mut done = 0;
        for (range, lines) in &self.edits {
            patched.push_str(self.text.get(done..range.start)?);
            patched.push_str(&lines.replace('\n', newline));
            done = range.end;
        }
        patched.push_str(self.text.get(done..)?);
        Some(patched)
    }
}

/// Whether a value can be changed inside instead of replaced whole.
fn is_deep(old: &Node, new: &Node) -> bool {
    let is_block = old.place.is_some_and(|place| place.style == Style::Block);
    let same_kind = matches!(
        (&old.content, &new.content),
        (Content::Mapping(_), Content::Mapping(_)) | (Content::Sequence(_), Content::Sequence(_))
    );
    is_block && same_kind && !new.is_empty_collection()
}

/// Items of a list are told apart by their `name`, if they have one.
fn is_same_item(old: &Node, new: &Node) -> bool {
    match (old.get("name"), new.get("name")) {
        (Some(old), Some(new)) => old == new,
        _ => old == new,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changed(text: &str, change: impl FnOnce(&mut Node)) -> String {
        let old = read(text).unwrap().unwrap();
        let mut new = old.clone();
        change(&mut new);
        let patched = rewrite(text, Some(&old), &new);
        assert!(read(&patched).unwrap().unwrap() == new, "{patched}");
        patched
    }

    const LIST: &str = "# top\nlist: # of things\n# before a\n- name: a # the first\n  x: |\n    1\n\n# before b\n-   name: b\n    y:\n# after b\nlast: 'q'";

    #[test]
    fn items_and_keys_are_changed_where_they_stand() {
        let appended = changed(LIST, |root| {
            let Content::Sequence(items) = &mut root.get_mut("list").unwrap().content else {
                panic!("a list");
            };
            items.push(Node::map([
                ("name", Node::text("c")),
                ("z", Node::list(vec![])),
            ]));
            root.set("new", Node::map([("k", Node::text("no"))]));
        });
        let expected =
            LIST.replace("    y:\n", "    y:\n- name: c\n  z: []\n") + "\nnew:\n  k: \"no\"\n";
        assert_eq!(appended, expected);

        let removed = changed(LIST, |root| {
            let Content::Sequence(items) = &mut root.get_mut("list").unwrap().content else {
                panic!("a list");
            };
            items.remove(1);
        });
        assert_eq!(removed, LIST.replace("-   name: b\n    y:\n", ""));

        let inside = changed(LIST, |root| {
            let Content::Sequence(items) = &mut root.get_mut("list").unwrap().content else {
                panic!("a list");
            };
            items[0].set("x", Node::text("2 3"));
            items[1].set("y", Node::list(vec![Node::text("v")]));
        });
        let expected = LIST
            .replace("x: |\n    1\n\n", "x: \"2 3\"\n")
            .replace("    y:\n", "    y:\n    - v\n");
        assert_eq!(inside, expected);
    }

    #[test]
    fn each_shape_of_a_value_turns_into_each_other() {
        let shapes = [
            "",
            " plain",
            " 'quoted' # c",
            " \"over\n  lines\"",
            " [] # c",
            " {a: 1}",
            " |\n    text\n    more",
            "\n  a: 1\n  b:",
            " # c\n  - x\n  - y:\n    z: {}",
            "\n- x",
        ];
        for from in shapes {
            for to in shapes {
                let document = |shape: &str| format!("k:{shape}\n# end\nl: 1\n");
                let (old, wanted) = (document(from), document(to));
                let wanted = read(&wanted).unwrap().unwrap();
                let patched = changed(&old, |root| {
                    root.set("k", wanted.get("k").unwrap().clone());
                });
                assert!(
                    patched.ends_with("# end\nl: 1\n"),
                    "{from} -> {to}: {patched}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_changed_in_place_is_written_anew_with_all_it_says() {
        let flow = "# top\n{\"a\": [1, \"1\"], b: {c: 0x1F}}\n";
        let patched = changed(flow, |root| root.set("d", Node::text("e")));
        assert_eq!(patched, "# top\na:\n- 1\n- \"1\"\nb:\n  c: 0x1F\nd: e\n");
        let alias = "a: &x {k: v}\nb: *x\n";
        let patched = changed(alias, |root| root.remove("a"));
        assert_eq!(patched, "b:\n  k: v\n");
    }

    #[test]
    fn line_ends_of_windows_stay() {
        let patched = changed("a: 1\r\nb:\r\n- name: x\r\n", |root| {
            root.set("c", Node::map([("d", Node::text("e"))]));
        });
        assert_eq!(patched, "a: 1\r\nb:\r\n- name: x\r\nc:\r\n  d: e\r\n");
    }

    #[test]
    fn an_empty_text_gets_the_document_behind_its_comments() {
        let new = Node::map([("a", Node::text("b"))]);
        assert_eq!(rewrite("", None, &new), "a: b\n");
        assert_eq!(rewrite("# mine", None, &new), "# mine\na: b\n");
    }

    #[test]
    fn faults_name_their_place_and_nothing_else() {
        let fault = read("a: 1\nb: \"s3cret\n").unwrap_err();
        assert_eq!(fault.line, 3);
        assert!(!format!("{fault:?}").contains("s3cret"));
        assert_eq!(
            read("? [a]\n: b\n").unwrap_err().problem,
            "a key must be a single text"
        );
        let bomb: String = (1..30).fold("x0: &x0 [a]\n".to_owned(), |text, level| {
            let before = level - 1;
            text + &format!("x{level}: &x{level} [*x{before}, *x{before}, *x{before}]\n")
        });
        assert_eq!(read(&bomb).unwrap_err().problem, "it has too many values");
    }

    fn scalar() -> impl Strategy<Value = Node> {
        let texts = prop_oneof![
            ".*",
            "[ -~]{0,12}",
            Just("no".to_owned()),
            Just("0x1F".to_owned()),
            Just(" - a: # b".to_owned()),
            Just("two\n lines \n\n".to_owned()),
            Just("\u{85}\u{2028}\u{FEFF}\u{7F}\0".to_owned()),
        ];
        let plain = prop_oneof![
            Just("null"),
            Just("1e3"),
            Just("yes"),
            Just("-"),
            Just("a b")
        ];
        let plain = plain.prop_map(|text| {
            let plain = text != "-";
            Node::of(Content::Scalar {
                text: text.to_owned(),
                plain,
            })
        });
        prop_oneof![3 => texts.prop_map(Node::text), 1 => plain]
    }

    fn tree() -> impl Strategy<Value = Node> {
        scalar().prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Node::list),
                prop::collection::btree_map(".{0,8}", inner, 0..4).prop_map(Node::map),
            ]
        })
    }

    fn document() -> impl Strategy<Value = Node> {
        prop::collection::btree_map("[a-d]", tree(), 1..4).prop_map(Node::map)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(tree in tree()) {
            let text = emit(&tree);
            prop_assert!(read(&text).unwrap().unwrap() == tree, "{text}");
        }

        #[test]
        fn any_document_becomes_any_other_and_keeps_what_they_share(
            old in document(),
            new in document(),
            note in "# [a-z]{8}",
        ) {
            let text = format!("{}\n{}", note, emit(&old));
            let before = read(&text).unwrap().unwrap();
            // Keys that stay keep their order: new ones come last, as our changes make them.
            let mut wanted = before.clone();
            let keys = before.entries().unwrap().to_vec();
            for (key, _) in &keys {
                let name = key.as_text().unwrap();
                match new.get(name) {
                    Some(value) => wanted.set(name, value.clone()),
                    None => wanted.remove(name),
                }
            }
            for (key, value) in new.entries().unwrap() {
                wanted.set(key.as_text().unwrap(), value.clone());
            }
            let after = rewrite(&text, Some(&before), &wanted);
            prop_assert!(read(&after).unwrap().unwrap() == wanted, "{text}\n->\n{after}");
            prop_assert!(after.starts_with(&note), "{after}");
        }
    }
}
