use super::{TomlErrorKind, Value, parse};

fn string(document: &str, key: &str) -> String {
    match parse(document).unwrap().root.get(key) {
        Some(Value::String(text)) => text.clone(),
        other => panic!("{document}: {other:?}"),
    }
}

#[test]
fn reads_texts_in_all_four_forms() {
    let table = [
        ("a = \"\"", ""),
        (
            "a = \"x\\b\\t\\n\\f\\r\\e\\\"\\\\\\u00e9\\U0001F600\"",
            "x\u{8}\t\n\u{c}\r\u{1b}\"\\é😀",
        ),
        (r"a = '\d'", r"\d"),
        ("a = \"\"\"\nx\\\n   y\"\"\"\"\"", "xy\"\""),
        ("a = '''x\n'y''''", "x\n'y'"),
        ("\"a\" = \"x\" # comment", "x"),
        ("  a\t=\t'x'  ", "x"),
    ];
    for (document, expected) in table {
        assert_eq!(string(document, "a"), expected, "{document}");
    }
}

#[test]
fn refuses_what_containerd_cannot_load() {
    let table = [
        ("a = \"\\d\"", TomlErrorKind::Escape, 1),
        ("\na = \"\\x7f\"", TomlErrorKind::Escape, 2),
        ("a = \"\\a\"", TomlErrorKind::Escape, 1),
        ("a = \"\\uD800\"", TomlErrorKind::Escape, 1),
        ("a = \"\\u12\"", TomlErrorKind::Escape, 1),
        ("a = \"x", TomlErrorKind::UnclosedString, 1),
        ("a = \"x\n\"", TomlErrorKind::UnclosedString, 1),
        ("a = \"x\u{1}\"", TomlErrorKind::ControlCharacter, 1),
        ("# \u{7f}", TomlErrorKind::ControlCharacter, 1),
        ("a = \"x\" y", TomlErrorKind::Syntax, 1),
        ("a = ", TomlErrorKind::Syntax, 1),
        ("a = [1", TomlErrorKind::Syntax, 1),
        ("a = 01", TomlErrorKind::Syntax, 1),
        ("[a", TomlErrorKind::Syntax, 1),
        ("[a'b]", TomlErrorKind::Syntax, 1),
        ("= 1", TomlErrorKind::Syntax, 1),
        ("a = 1\r", TomlErrorKind::Syntax, 1),
        ("a = 1\na = 2", TomlErrorKind::Duplicate, 2),
        ("[a]\n[a]", TomlErrorKind::Duplicate, 2),
        ("a.b = 1\n[a]", TomlErrorKind::Duplicate, 2),
        ("a = 1\n[a.b]", TomlErrorKind::Duplicate, 2),
        ("a = {b = 1}\n[a.c]", TomlErrorKind::Duplicate, 2),
        ("[[a]]\n[a]", TomlErrorKind::Duplicate, 2),
        ("a = {b = 1, b = 2}", TomlErrorKind::Duplicate, 1),
    ];
    for (document, kind, line) in table {
        let error = parse(document).expect_err(document);
        assert_eq!((error.kind, error.line), (kind, line), "{document}");
    }
}

#[test]
fn keeps_the_order_of_headers_and_merges_tables() {
    let document = "[b.'x y']\nk = [ 1, 2.5, # two\n 'c', ]\n[a]\n[b]\nz = {p.q = true, r = 1979-05-27 07:32:00Z}\n";
    let parsed = parse(document).unwrap();
    assert_eq!(parsed.headers, [vec!["b", "x y"], vec!["a"], vec!["b"]]);
    let Some(Value::Table(b)) = parsed.root.get("b") else {
        panic!()
    };
    assert!(b.contains_key("x y") && b.contains_key("z"));
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let document = format!("a = {}", "[".repeat(100_000));
    assert!(parse(&document).is_err());
}
