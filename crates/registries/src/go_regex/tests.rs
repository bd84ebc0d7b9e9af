use super::{GoRefusal, GoRegex};

fn replaced(pattern: &str, text: &str, replacement: &str) -> String {
    GoRegex::new(pattern)
        .unwrap_or_else(|refusal| panic!("{pattern}: {refusal}"))
        .replace_all(text, replacement)
        .unwrap()
}

#[test]
fn refuses_what_go_refuses() {
    let deep = format!("{}a{}", "(".repeat(1001), ")".repeat(1001));
    let unclosed = "(".repeat(100_000);
    let table = [
        ("(", GoRefusal::MissingParen),
        (unclosed.as_str(), GoRefusal::MissingParen),
        (")", GoRefusal::UnexpectedParen),
        ("a|)b", GoRefusal::UnexpectedParen),
        ("[a", GoRefusal::MissingBracket),
        ("[]", GoRefusal::MissingBracket),
        ("[^]", GoRefusal::MissingBracket),
        ("[a-", GoRefusal::MissingBracket),
        ("[z-a]", GoRefusal::ClassRange),
        ("[[:foo:]]", GoRefusal::ClassRange),
        (r"\p", GoRefusal::ClassRange),
        (r"\p{Greek", GoRefusal::ClassRange),
        (r"\p{Script=Greek}", GoRefusal::ClassRange),
        (r"\p{Grek}", GoRefusal::ClassRange),
        (r"\p{Alphabetic}", GoRefusal::ClassRange),
        (r"\pX", GoRefusal::ClassRange),
        (r"[a-\d]", GoRefusal::Escape),
        (r"\8", GoRefusal::Escape),
        (r"\1", GoRefusal::Escape),
        (r"\y", GoRefusal::Escape),
        (r"\Z", GoRefusal::Escape),
        (r"\G", GoRefusal::Escape),
        (r"\C", GoRefusal::Escape),
        (r"\xg", GoRefusal::Escape),
        (r"\x4", GoRefusal::Escape),
        (r"\x{}", GoRefusal::Escape),
        (r"\x{110000}", GoRefusal::Escape),
        (r"\x{41", GoRefusal::Escape),
        (r"\é", GoRefusal::Escape),
        (r"[\b]", GoRefusal::Escape),
        (r"[\Qa\E]", GoRefusal::Escape),
        ("a\\", GoRefusal::TrailingBackslash),
        ("*", GoRefusal::NothingToRepeat),
        ("a|*", GoRefusal::NothingToRepeat),
        ("(+)", GoRefusal::NothingToRepeat),
        ("(?i)*", GoRefusal::NothingToRepeat),
        ("{1}", GoRefusal::NothingToRepeat),
        ("a**", GoRefusal::NestedRepeat),
        ("a*??", GoRefusal::NestedRepeat),
        ("a{2}{3}", GoRefusal::NestedRepeat),
        ("a{1001}", GoRefusal::RepeatSize),
        ("a{1,1001}", GoRefusal::RepeatSize),
        ("a{2,1}", GoRefusal::RepeatSize),
        ("a{99999999999999999999}", GoRefusal::RepeatSize),
        ("((a{100}){10}){2}", GoRefusal::RepeatSize),
        ("(?:(a{100,})*){11}", GoRefusal::RepeatSize),
        ("(?=a)", GoRefusal::PerlSyntax),
        ("(?>a)", GoRefusal::PerlSyntax),
        ("(?x)a", GoRefusal::PerlSyntax),
        ("(?i-)a", GoRefusal::PerlSyntax),
        ("(?--i)a", GoRefusal::PerlSyntax),
        ("(?i", GoRefusal::PerlSyntax),
        ("(?#a)", GoRefusal::PerlSyntax),
        ("(?P=n)", GoRefusal::PerlSyntax),
        ("(?<=a)", GoRefusal::GroupName),
        ("(?<!a)", GoRefusal::GroupName),
        ("(?P<n", GoRefusal::GroupName),
        ("(?P<>a)", GoRefusal::GroupName),
        ("(?P<a-b>a)", GoRefusal::GroupName),
        ("[[:alpha:]", GoRefusal::MissingBracket),
        (deep.as_str(), GoRefusal::NestingDepth),
    ];
    for (pattern, expected) in table {
        let shown: String = pattern.chars().take(40).collect();
        assert_eq!(GoRegex::new(pattern).err(), Some(expected), "{shown}");
    }
}

#[test]
fn means_what_go_means() {
    let table = [
        // pattern, text, replacement, expected
        ("a", "aXa", "b", "bXb"),
        ("", "ab", "-", "-a-b-"),
        ("a*", "baac", "x", "xbxcx"),
        ("a*", "é", "x", "xéx"),
        ("(?:)", "", "x", "x"),
        ("a{,3}", "a{,3}", "x", "x"),
        ("a{", "a{", "x", "x"),
        ("a{1", "a{1", "x", "x"),
        ("a{01}", "a{01}", "x", "x"),
        ("a{0}b", "ab", "x", "ax"),
        ("(a){0}b", "ab", "<$1>", "a<>"),
        ("x{2,}", "xxx x", "y", "y x"),
        (r"\Qa.b\E+", "a.bbb", "x", "x"),
        (r"\Q+", "a+", "x", "ax"),
        (r"a\Q\E*", "aaa", "x", "x"),
        (r"a*\Q\E*", "aaab", "x", "xbx"),
        (r"\0\07\141\x61\x{61}", "\0\u{7}aaa", "x", "x"),
        (r"\11\1777", "\t\u{7f}7", "x", "x"),
        (r"[\-\]\[^]+", "-][^", "x", "x"),
        ("[]a]+", "]a", "x", "x"),
        ("[a-]+", "a-", "x", "x"),
        ("[-a]+", "a-", "x", "x"),
        ("[a-c-e]+", "abc-e", "x", "x"),
        (r"[\d-z]+", "1-z", "x", "x"),
        ("[[:^alpha:][:digit:]]", "a1.", "x", "axx"),
        ("[[:word:]]+", "aé_1", "x", "xéx"),
        ("[[:alpha]+", "[:alph", "x", "x"),
        ("(?:(?P<n>a)|(?P<n>b))+", "ab", "$n", "a"),
        (r"\w", "aé", "x", "xé"),
        (r"\W", "aé", "x", "ax"),
        (r"\s", "\u{b}\t\u{a0}", "x", "\u{b}x\u{a0}"),
        ("(?i)é", "É", "x", "x"),
        ("(?i)k", "\u{212a}kK", "x", "xxx"),
        (r"(?i)\w", "\u{17f}\u{212a}", "x", "xx"),
        (r"(?i)\W", "\u{17f}.", "x", "\u{17f}x"),
        ("(?i)[a-c]", "ABCD", "x", "xxxD"),
        ("(?i)[^a]", "Ab", "x", "Ax"),
        (r"(?i)\p{Lu}", "a1", "x", "x1"),
        (r"\p{^Greek}", "αa", "x", "αx"),
        (r"\P{^Greek}", "αa", "x", "xa"),
        (r"\p{greek}\p{Old-Italic}?\pL", "αβ", "x", "x"),
        (r"\p{Letter}\p{ASCII}\p{Any}", "é!α", "x", "x"),
        (r"[\pN\p{Zs}]+", "1 ", "x", "x"),
        (r"[^\x00-\x{10FFFF}]|b", "ab", "x", "ax"),
        (r"\x{d800}|b", "ab", "x", "ax"),
        ("(?s).", "\n", "x", "x"),
        (".", "\n", "x", "\n"),
        ("(?s-s:.)", "\n", "x", "\n"),
        ("[^a]", "\n", "x", "x"),
        ("(?m)^", "a\nb", "x", "xa\nxb"),
        ("(?m)$", "a\nb", "x", "ax\nbx"),
        ("a$", "a\n", "x", "a\n"),
        (r"a\z", "a\n", "x", "a\n"),
        (r"\b", "a é", "|", "|a| é"),
        (r"\B", "é", "|", "|é|"),
        ("(?U)a+", "aa", "x", "xx"),
        ("(?U)a+?", "aa", "x", "x"),
        ("a+?", "aa", "x", "xx"),
        ("(?i:a)a", "AaA", "x", "xA"),
        ("(?i)a(?-i)b", "Ab AB", "x", "x AB"),
        ("((?i)a)b", "Ab AB", "x", "x AB"),
        ("(?i)a|b", "B", "x", "x"),
        ("a(?i)*", "aa", "x", "x"),
        ("^*a", "a", "x", "x"),
        ("(|a)*", "aa", "(x)", "(x)a(x)a(x)"),
        ("(|a)+", "aa", "(x)", "(x)a(x)a(x)"),
        ("(a|ab)(c|bcd)(d*)", "abcd", "$1,$2,$3", "a,bcd,"),
        ("(?P<n>a)(?<m>b)", "ab", "${m}$n", "ba"),
        ("(?P<1x>a)", "a", "$1x,$1", "a,a"),
        (
            "(a)",
            "a",
            "$1x|${1}x|$$|$|$-|${|${1|${}|$2|$0|$01",
            "|ax|$|$|$-|${|${1|${}||a|",
        ),
        ("(?P<9999999999>a)", "a", "$9999999999", "a"),
        ("a&&b|[a&&b]", "a&&b&", "x", "xx"),
        ("[a-c--b]", "-b", "x", "xx"),
        ("[[a]", "[a", "x", "xx"),
        (r"\<a", "<a a", "x", "x a"),
        ("a b#c", "a b#c", "x", "x"),
        ("(?)a", "a", "x", "x"),
        ("a||b", "b", "x", "xbx"),
    ];
    for (pattern, text, replacement, expected) in table {
        assert_eq!(
            replaced(pattern, text, replacement),
            expected,
            "{pattern} on {text} with {replacement}"
        );
    }
}

#[test]
fn takes_all_levels_and_copies_that_go_takes() {
    let deep = format!("{}a{}", "(".repeat(998), ")".repeat(998));
    assert!(GoRegex::new(&deep).is_ok());
    assert_eq!(
        replaced("(?:(?:a{10}){10}){10}", &"a".repeat(1000), "x"),
        "x"
    );
    assert_eq!(replaced("^a{1000}$", "a", "x"), "a");
}

#[test]
fn a_pattern_too_large_to_run_is_told_apart_from_a_refused_one() {
    let deep = format!("{}a{}", "(".repeat(500), ")".repeat(500));
    for pattern in [r"(?:\p{L}{500}|\p{Han}{500}){2}", &deep] {
        let regex = GoRegex::new(pattern).unwrap();
        assert!(regex.replace_all("a", "b").is_err());
    }
}
