use proptest::prelude::*;

use super::*;

const TRAVERSALS: [&str; 14] = [
    "", ".", "..", "../x", "a/../b", "a//b", "/a", "a/", "a\0b", "a%2f", "a\\b", "a b", "ä", "a\nb",
];

#[test]
fn names_follow_the_specification() {
    let longest = "a".repeat(255);
    for name in [
        "a",
        "0",
        "a/b",
        "library/nginx",
        "a.b",
        "a_b",
        "a__b",
        "a---b",
        "a-b.c_d/e0",
        &longest,
    ] {
        assert_eq!(Name::parse(name).unwrap().as_str(), name);
    }
    let too_long = "a".repeat(256);
    for name in [
        "A", "a..b", "a___b", "a._b", "-a", "a-", ".a", "a.", "_a", "a:b", "a@b", &too_long,
    ] {
        assert_eq!(Name::parse(name), Err(GrammarError::Name), "{name}");
    }
}

#[test]
fn tags_follow_the_specification() {
    let longest = "a".repeat(128);
    for tag in [
        "1",
        "_",
        "latest",
        "1.27-alpine",
        "A_b.c-d",
        "a..b",
        &longest,
    ] {
        assert_eq!(Tag::parse(tag).unwrap().as_str(), tag);
    }
    let too_long = "a".repeat(129);
    for tag in [".a", "-a", "a/b", "a:b", "a+b", &too_long] {
        assert_eq!(Tag::parse(tag), Err(GrammarError::Tag), "{tag}");
    }
}

#[test]
fn digests_are_of_two_kinds_and_in_lower_case() {
    let short = format!("sha256:{}", "0a".repeat(32));
    let long = format!("sha512:{}", "0a".repeat(64));
    let digest = Digest::parse(&short).unwrap();
    assert_eq!((digest.algorithm(), digest.hex()), ("sha256", &short[7..]));
    let digest = Digest::parse(&long).unwrap();
    assert_eq!((digest.algorithm(), digest.hex()), ("sha512", &long[7..]));
    for digest in [
        "sha256:",
        "sha256:baddigeststring",
        "sha256:../../../../etc/passwd",
        &short.to_uppercase(),
        &short.replace("0a", "0A"),
        &short[..70],
        &format!("{short}0"),
        &long.replace("sha512", "sha256"),
        &short.replace("sha256", "sha512"),
        &short.replace("sha256", "md5"),
        &short.replace(':', ""),
    ] {
        assert_eq!(Digest::parse(digest), Err(GrammarError::Digest), "{digest}");
    }
}

#[test]
fn content_is_recognised_by_its_digest() {
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Digest::of(b"").as_str(), empty);
    assert!(Digest::of(b"a").is_of(b"a") && !Digest::of(b"a").is_of(b"b"));
    let long = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    assert!(Digest::parse(long).unwrap().is_of(b"abc"));
}

#[test]
fn a_reference_with_a_colon_is_a_digest() {
    assert!(matches!(Reference::parse("1.27"), Ok(Reference::Tag(_))));
    assert_eq!(
        Reference::parse("sha256:baddigeststring"),
        Err(GrammarError::Digest)
    );
    assert!(matches!(
        Reference::parse(Digest::of(b"").as_str()),
        Ok(Reference::Digest(_))
    ));
}

#[test]
fn hosts_have_one_spelling() {
    for (text, host) in [
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("Registry-1.Docker.io", "docker.io"),
        ("GHCR.io", "ghcr.io"),
        ("localhost", "localhost"),
        ("127.0.0.1:15000", "127.0.0.1:15000"),
        ("[::1]:5000", "[::1]:5000"),
        ("[::1]", "[::1]"),
        ("k3d-registry:5000", "k3d-registry:5000"),
    ] {
        assert_eq!(Host::parse(text).unwrap().as_str(), host);
    }
    for text in [
        "a:0", "a:", "a:+80", "a:-80", "a: 80", "a:８０", "a:000000", "a:65536", "a:b", ":5000",
        "user@a", "a/b", "http://a", "[::1", "::1", "[a]", "-a", "a-", "a..b", "a?b", "a#b",
    ] {
        assert_eq!(Host::parse(text), Err(GrammarError::Host), "{text}");
    }
}

#[test]
fn nothing_that_moves_through_folders_passes() {
    for text in TRAVERSALS {
        assert!(Name::parse(text).is_err(), "{text:?}");
        assert!(Tag::parse(text).is_err(), "{text:?}");
        assert!(Digest::parse(text).is_err(), "{text:?}");
        assert!(
            Digest::parse(&format!("sha256:{text}")).is_err(),
            "{text:?}"
        );
        assert!(Host::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_is_read_back_is_checked_again() {
    assert!(serde_json::from_str::<Digest>("\"sha256:../x\"").is_err());
    assert!(serde_json::from_str::<Name>("\"a/../b\"").is_err());
    let digest = Digest::of(b"x");
    let text = serde_json::to_string(&digest).unwrap();
    assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
}

proptest! {
    #[test]
    fn the_name_s_grammar_is_that_of_the_specification(text in "[a-z0-9._/A-Z-]{0,24}") {
        let pattern = regex::Regex::new(
            r"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z",
        ).unwrap();
        prop_assert_eq!(Name::parse(&text).is_ok(), pattern.is_match(&text));
    }

    #[test]
    fn the_tag_s_grammar_is_that_of_the_specification(text in "[a-zA-Z0-9._/:-]{0,12}") {
        let pattern = regex::Regex::new(r"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z").unwrap();
        prop_assert_eq!(Tag::parse(&text).is_ok(), pattern.is_match(&text));
    }

    #[test]
    fn no_text_makes_a_parser_fall_over(text in any::<String>()) {
        let _ = (Name::parse(&text), Tag::parse(&text), Reference::parse(&text), Host::parse(&text));
    }

    #[test]
    fn whatever_passes_stays_in_its_folder(text in any::<String>()) {
        let stays = |text: &str| text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if let Ok(name) = Name::parse(&text) { prop_assert!(stays(name.as_str())); }
        if let Ok(tag) = Tag::parse(&text) { prop_assert!(stays(tag.as_str()) && !tag.as_str().contains('/')); }
    }
}
