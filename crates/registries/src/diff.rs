//! What differs between two documents, secrets masked, as a unified diff.

use std::collections::HashMap;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use crate::error::ParseError;
use crate::outline::{Line, lines};
use crate::secret::REDACTED;

const CONTEXT: usize = 3;

/// What differs, or `None` when nothing does.
///
/// Values are compared, not lines of text: order of keys, quotes and comments make no difference. A masked value
/// that changed shows `<REDACTED>` and `<REDACTED> (changed)`.
pub fn diff(
    old: &[u8],
    new: &[u8],
    old_label: &str,
    new_label: &str,
) -> Result<Option<String>, ParseError> {
    let (old, new) = (lines(old)?, lines(new)?);
    Ok(unified(&old, &new)
        .map(|hunks| format!("--- OLD {old_label}\n+++ NEW {new_label}\n{hunks}")))
}

/// The diff when the old document cannot be read: nothing of it is shown, all of the new one is.
pub fn diff_unreadable(new: &[u8], old_label: &str, new_label: &str) -> Result<String, ParseError> {
    let hunks = unified(&[], &lines(new)?).unwrap_or_default();
    Ok(format!(
        "--- OLD {old_label} (not readable as YAML, not shown)\n+++ NEW {new_label}\n{hunks}"
    ))
}

fn unified(old: &[Line], new: &[Line]) -> Option<String> {
    let mut numbers = HashMap::new();
    let number = |numbers: &mut HashMap<_, usize>, line| {
        let next = numbers.len();
        *numbers.entry(identity(line)).or_insert(next)
    };
    let old_numbers: Vec<usize> = old.iter().map(|line| number(&mut numbers, line)).collect();
    let new_numbers: Vec<usize> = new.iter().map(|line| number(&mut numbers, line)).collect();
    if old_numbers == new_numbers {
        return None;
    }
    let operations = capture_diff_slices(Algorithm::Myers, &old_numbers, &new_numbers);
    let hunks = group_diff_ops(operations, CONTEXT);
    let places = Places::of(old);
    Some(
        hunks
            .iter()
            .map(|operations| hunk(operations, old, new, &places))
            .collect(),
    )
}

/// What must be equal for two lines to be the same: what a mask hides counts, but only at the same place.
fn identity(line: &Line) -> (&[String], &str, Option<&str>) {
    (
        &line.path,
        &line.text,
        line.hidden.as_ref().map(|hidden| hidden.as_str()),
    )
}

fn hunk(operations: &[DiffOp], old: &[Line], new: &[Line], places: &Places<'_>) -> String {
    let (Some(first), Some(last)) = (operations.first(), operations.last()) else {
        return String::new();
    };
    let mut text = format!(
        "@@ -{} +{} @@\n",
        range(first.old_range().start, last.old_range().end),
        range(first.new_range().start, last.new_range().end)
    );
    for operation in operations {
        let (tag, before, after) = (
            operation.tag(),
            operation.old_range(),
            operation.new_range(),
        );
        if tag == DiffTag::Equal {
            text.extend(old[before].iter().map(|line| format!("   {}\n", line.text)));
            continue;
        }
        text.extend(old[before].iter().map(|line| format!("-  {}\n", line.text)));
        text.extend(
            new[after]
                .iter()
                .map(|line| format!("+  {}{}\n", line.text, changed(line, places))),
        );
    }
    text
}

/// The masked lines of the old document by path and text, the first one of each.
struct Places<'a>(HashMap<(&'a [String], &'a str), &'a Line>);

impl<'a> Places<'a> {
    fn of(old: &'a [Line]) -> Self {
        let mut places = HashMap::new();
        for line in old {
            places
                .entry((line.path.as_slice(), line.text.as_str()))
                .or_insert(line);
        }
        Self(places)
    }
}

/// Says so where only what the mask hides differs from the old document's line at the same place.
fn changed(line: &Line, places: &Places<'_>) -> &'static str {
    let is_changed = line.hidden.is_some()
        && line.text.contains(REDACTED)
        && places
            .0
            .get(&(line.path.as_slice(), line.text.as_str()))
            .is_some_and(|before| before.hidden != line.hidden);
    if is_changed { " (changed)" } else { "" }
}

fn range(start: usize, end: usize) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        length => format!("{},{length}", start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "configs:\n  docker.io:\n    auth: {username: u, password: old}\nmirrors:\n  docker.io:\n    endpoint: [\"https://old-registry.com\"]\n";

    fn of(old: &str, new: &str) -> Option<String> {
        diff(old.as_bytes(), new.as_bytes(), "/a", "/b").unwrap()
    }

    #[test]
    fn order_quotes_and_comments_are_no_difference() {
        let new = "# c\nmirrors: {docker.io: {endpoint: ['https://old-registry.com']}}\nconfigs: {docker.io: {auth: {password: \"old\", username: u}}}\n";
        assert_eq!(of(OLD, new), None);
    }

    #[test]
    fn an_endpoint_shows_and_a_secret_only_says_that_it_changed() {
        let new = OLD
            .replace("old-registry", "new-registry")
            .replace("password: old", "password: new");
        let expected = "--- OLD /a
+++ NEW /b
@@ -1,9 +1,9 @@
   configs:
     docker.io:
       auth:
-        password: <REDACTED>
+        password: <REDACTED> (changed)
         username: <REDACTED>
   mirrors:
     docker.io:
       endpoint:
-        - \"https://old-registry.com\"
+        - \"https://new-registry.com\"
";
        assert_eq!(of(OLD, &new).unwrap(), expected);
    }

    #[test]
    fn equal_secrets_at_different_places_are_not_told() {
        let one = "configs: {a: {auth: {password: same}}}\n";
        let two = "configs: {b: {auth: {password: same}}}\n";
        let three = "configs: {b: {auth: {password: other}}}\n";
        assert_eq!(of(one, two), of(one, three));
        let list =
            |a: &str, b: &str| format!("mirrors: {{m: {{endpoint: [\"{a}@h\", \"{b}@h\"]}}}}\n");
        assert_eq!(
            of(&list("x", "y"), &list("y", "x")),
            of(&list("x", "y"), &list("p", "q"))
        );
    }

    #[test]
    fn a_changed_userinfo_is_marked() {
        let shown = of(
            "mirrors: {m: {endpoint: [a@h]}}\n",
            "mirrors: {m: {endpoint: [b@h]}}\n",
        )
        .unwrap();
        assert!(
            shown.contains("-        - \"<REDACTED>@h\"\n+        - \"<REDACTED>@h\" (changed)\n"),
            "{shown}"
        );
    }

    #[test]
    fn an_unreadable_old_document_is_not_shown() {
        assert!(diff(b"a: \"secret", b"mirrors: {a: }\n", "x", "y").is_err());
        let shown = diff_unreadable(b"mirrors: {a: }\n", "x", "y").unwrap();
        assert_eq!(
            shown,
            "--- OLD x (not readable as YAML, not shown)\n+++ NEW y\n@@ -0,0 +1,2 @@\n+  mirrors:\n+    a:\n"
        );
    }
}
