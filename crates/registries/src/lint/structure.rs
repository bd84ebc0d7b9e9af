//! Keys that nobody knows, keys that stand twice, and what is read and never used.

use super::Linter;
use super::catalog::{
    AUTH_IDENTITYTOKEN, AUTH_TOKEN, AUTHS_IGNORED, DUPLICATE_KEY, FURTHER_DOCUMENT, UNKNOWN_KEY,
};
use crate::error::Place;
use crate::strict::{Ignored, IgnoredKind};

pub(super) fn check(linter: &mut Linter<'_>) {
    let decoded = linter.decoded;
    for ignored in &decoded.ignored {
        let place = Some(Place {
            line: ignored.line,
            column: ignored.column,
        });
        let (rule, message, help) = match ignored.kind {
            IgnoredKind::UnknownKey => unknown(ignored),
            IgnoredKind::DuplicateKey => (
                DUPLICATE_KEY,
                "the key stands twice; the later one wins, or adds to the earlier".to_owned(),
                "keep one of them".to_owned(),
            ),
            IgnoredKind::FurtherDocument => (
                FURTHER_DOCUMENT,
                "a second document starts here, which is not read".to_owned(),
                "move what it says above, and remove `---`".to_owned(),
            ),
        };
        linter.report_at(rule, ignored.path.clone(), place, message, help);
    }
    if !linter.registries.auths.is_empty() {
        linter.report(
            AUTHS_IGNORED,
            &["auths"],
            "`auths` is read and never used: pulls go out anonymously",
            "write each credential as `configs.<host>.auth`",
        );
    }
}

fn unknown(ignored: &Ignored) -> (super::Rule, String, String) {
    let name = ignored.path.rsplit('.').next().unwrap_or_default();
    let in_auth =
        ignored.path.starts_with("configs.") && ignored.path.ends_with(&format!(".auth.{name}"));
    if in_auth
        && matches!(
            name,
            "token" | "registrytoken" | "registry_token" | "access_token" | "bearer"
        )
    {
        return (
            AUTH_TOKEN,
            "no such field: the token is dropped in silence and pulls go out anonymously".to_owned(),
            "put a refresh token in `identity_token`, and an access token in `password` with its user name \
             (`oauth2accesstoken` for Google, `AWS` for ECR)"
                .to_owned(),
        );
    }
    if in_auth && matches!(name, "identitytoken" | "identityToken" | "refresh_token") {
        return (
            AUTH_IDENTITYTOKEN,
            "no such field: the token is dropped in silence and pulls go out anonymously"
                .to_owned(),
            "write `identity_token`".to_owned(),
        );
    }
    let help = match nearest(name, ignored.path.matches('.').count() == 0) {
        Some(known) => format!("write `{known}` if that is meant, or remove the key"),
        None => "remove the key, or indent it below the key that it belongs to".to_owned(),
    };
    (
        UNKNOWN_KEY,
        "nobody knows this key; it is dropped in silence with all below it".to_owned(),
        help,
    )
}

/// The known key that a name most likely means.
fn nearest(name: &str, at_top: bool) -> Option<&'static str> {
    const TOP: [&str; 2] = ["mirrors", "configs"];
    const BELOW: [&str; 12] = [
        "endpoint",
        "rewrite",
        "auth",
        "tls",
        "username",
        "password",
        "identity_token",
        "ca_file",
        "cert_file",
        "key_file",
        "insecure_skip_verify",
        "insecure_skip_verify",
    ];
    const SYNONYMS: [(&str, &str); 10] = [
        ("skip_verify", "insecure_skip_verify"),
        ("insecureskipverify", "insecure_skip_verify"),
        ("insecure", "insecure_skip_verify"),
        ("ca", "ca_file"),
        ("cert", "cert_file"),
        ("key", "key_file"),
        ("user", "username"),
        ("pass", "password"),
        ("url", "endpoint"),
        ("server", "endpoint"),
    ];
    let plain = name.to_ascii_lowercase();
    if !at_top && let Some((_, known)) = SYNONYMS.iter().find(|(synonym, _)| *synonym == plain) {
        return Some(known);
    }
    let candidates: &[&str] = if at_top { &TOP } else { &BELOW };
    let limit = if plain.len() > 4 { 2 } else { 1 };
    candidates
        .iter()
        .map(|known| (distance(&plain, known), *known))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, known)| known)
}

/// How many letters have to be put in, taken out or replaced.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
