//! Rewrites that break hosts.toml, never match, or give different results by chance.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Linter;
use super::catalog::{
    REWRITE_BREAKS_FILE, REWRITE_CLIMBS, REWRITE_COLLISION, REWRITE_ESCAPE, REWRITE_HOST,
    REWRITE_INVALID, REWRITE_UNKNOWN_GROUP, REWRITE_UNPORTABLE, REWRITE_WITHOUT_ENDPOINTS,
    VERSION_INLINE, VERSION_REWRITE_SCOPE,
};
use crate::endpoint::DOCKER_HUB;
use crate::go_regex::{GoRefusal, GoRegex};
use crate::toml;

/// Rules are tried out on this many names at most.
const MAX_TRIALS: usize = 512;
/// No more patterns are matched than this for one mirror.
const MAX_MATCHES: usize = 100_000;

/// A rule as containerd gets it.
struct Rule {
    regex: Rc<GoRegex>,
    pattern: String,
    replacement: String,
}

/// Patterns that were read already: many mirrors share theirs, and compiling one takes longer than all else here.
type Known = BTreeMap<String, Result<Rc<GoRegex>, GoRefusal>>;

pub(super) fn check(linter: &mut Linter<'_>) {
    let registries = linter.registries;
    let mut known = Known::new();
    for (key, mirror) in &registries.mirrors {
        let Some(mirror) = mirror.as_ref().filter(|mirror| !mirror.rewrite.is_empty()) else {
            continue;
        };
        if mirror.endpoint.is_empty() {
            linter.report(
                REWRITE_WITHOUT_ENDPOINTS,
                &["mirrors", key, "rewrite"],
                "there is no endpoint to rewrite for: neither the default endpoint nor the embedded registry sees rewrites",
                "give the mirror an endpoint",
            );
        }
        let mut rules = Vec::new();
        for (pattern, replacement) in &mirror.rewrite {
            rules.extend(as_containerd_reads(
                linter,
                &mut known,
                key,
                (pattern, replacement),
            ));
        }
        check_collisions(linter, key, &rules);
        check_scope(linter, key);
    }
}

/// The rule behind TOML's escapes, checked; `None` when it is out of the game.
fn as_containerd_reads(
    linter: &mut Linter<'_>,
    known: &mut Known,
    key: &str,
    (pattern, replacement): (&str, &str),
) -> Option<Rule> {
    let path = ["mirrors", key, "rewrite", pattern];
    let Some((read, read_replacement)) = through_toml(pattern, replacement) else {
        linter.report(
            REWRITE_BREAKS_FILE,
            &path,
            "k3s pastes this into hosts.toml as it stands, where it is no TOML: all mirrors and TLS settings of the registry are void",
            "double every backslash, and write \\x22 with a doubled backslash for a double quote",
        );
        if linter.has_release_before(&[[1, 26, 13], [1, 27, 10], [1, 28, 6], [1, 29, 1]]) {
            linter.report(
                VERSION_INLINE,
                &path,
                "releases before 2024 write it to config.toml, so that containerd does not start",
                "double every backslash",
            );
        }
        return None;
    };
    let is_doubled = |text: &str, read: &str| text.replace("\\\\", "\\") == read;
    if !is_doubled(pattern, &read) || !is_doubled(replacement, &read_replacement) {
        linter.report(
            REWRITE_ESCAPE,
            &path,
            "TOML reads an escape in it first, so that containerd gets another text",
            "double every backslash that the regular expression needs",
        );
    }
    let compiled = known
        .entry(read.clone())
        .or_insert_with(|| GoRegex::new(&read).map(Rc::new));
    let regex = match compiled {
        Ok(regex) => Rc::clone(regex),
        Err(refusal) => {
            linter.report(
                REWRITE_INVALID,
                &path,
                format!("Go refuses the pattern ({refusal}): the rule is skipped at every pull"),
                "write it in Go's dialect (RE2): no lookaround, no backreferences, no nested repetition",
            );
            return None;
        }
    };
    check_rule(linter, &path, &regex, &read, &read_replacement);
    Some(Rule {
        regex,
        pattern: read,
        replacement: read_replacement,
    })
}

fn check_rule(
    linter: &mut Linter<'_>,
    path: &[&str],
    regex: &GoRegex,
    pattern: &str,
    replacement: &str,
) {
    if regex.replace_all("library/nginx", replacement).is_err() {
        linter.report(
            REWRITE_UNPORTABLE,
            path,
            "the pattern is valid in Go, but too large to be tried out here: nobody can tell what it does",
            "write a smaller pattern",
        );
    }
    if regex.names_unknown_group(replacement) {
        linter.report(
            REWRITE_UNKNOWN_GROUP,
            path,
            "the replacement names a group that the pattern does not have, which inserts nothing; $1x is the group `1x`",
            "write ${1} where letters, digits or underscores follow, and $$ for a dollar",
        );
    }
    if replacement.split('/').any(|segment| segment == "..") {
        linter.report(
            REWRITE_CLIMBS,
            path,
            "`..` climbs when the path is joined, out of the repository or out of the API",
            "write the whole path instead",
        );
    }
    let host = names_a_registry(linter, path[1], pattern);
    if host {
        linter.report(
            REWRITE_HOST,
            path,
            "rewrites see the repository only, so a pattern with the registry in front never matches",
            "remove the registry from the pattern; images of Docker Hub without a path are `library/<name>`",
        );
    }
}

/// Pattern and replacement after k3s pasted them into a TOML file and containerd read it.
fn through_toml(pattern: &str, replacement: &str) -> Option<(String, String)> {
    let document = toml::parse(&format!("\"{pattern}\" = \"{replacement}\"\n")).ok()?;
    let mut entries = document.root.into_iter();
    match (entries.next(), entries.next()) {
        (Some((pattern, toml::Value::String(replacement))), None) => Some((pattern, replacement)),
        _ => None,
    }
}

fn names_a_registry(linter: &Linter<'_>, key: &str, pattern: &str) -> bool {
    let literal = pattern.trim_start_matches(['^', '(']).replace('\\', "");
    let Some((first, _)) = literal.split_once('/') else {
        return false;
    };
    let is_registry = first.contains(['.', ':']) && linter.registries.mirrors.contains_key(first);
    first == key || first == DOCKER_HUB || is_registry
}

fn check_collisions(linter: &mut Linter<'_>, key: &str, rules: &[Rule]) {
    if rules.len() < 2 {
        return;
    }
    let results = |name: &str| {
        let results = rules
            .iter()
            .filter_map(|rule| rule.regex.replace_all(name, &rule.replacement).ok());
        results
            .filter(|result| result != name)
            .collect::<BTreeSet<String>>()
    };
    if trials(rules).iter().any(|name| results(name).len() > 1) {
        linter.report(
            REWRITE_COLLISION,
            &["mirrors", key, "rewrite"],
            "rules are walked in random order and the first one that changes the name wins: \
             some names match two rules with different results",
            "anchor the patterns so that no name matches two of them",
        );
    }
}

/// Names on which two rules may meet: ones that images have, and ones made to fit the patterns, alone and in pairs.
fn trials(rules: &[Rule]) -> Vec<String> {
    let mut names: Vec<String> = [
        "library/nginx",
        "nginx",
        "org/app",
        "org/group/app",
        "rancher/mirrored-pause",
    ]
    .map(str::to_owned)
    .to_vec();
    let fitting: Vec<String> = rules
        .iter()
        .filter_map(|rule| fitting_name(&rule.pattern))
        .collect();
    names.extend(fitting.iter().cloned());
    let pairs = fitting
        .iter()
        .flat_map(|first| fitting.iter().map(move |second| (first, second)));
    let pairs = pairs
        .filter(|(first, second)| first != second)
        .take(MAX_TRIALS);
    names.extend(pairs.map(|(first, second)| {
        format!(
            "{}/{}",
            first.trim_end_matches('/'),
            second.trim_start_matches('/')
        )
    }));
    names.truncate(MAX_TRIALS.min(MAX_MATCHES / rules.len()));
    names
}

/// A name that a simple pattern matches: its letters, with something where it takes anything.
fn fitting_name(pattern: &str) -> Option<String> {
    let plain = pattern.trim_start_matches('^').trim_end_matches('$');
    let mut name = plain.to_owned();
    for (any, something) in [
        ("[^/]+", "app"),
        ("[^/]*", "app"),
        (".*", "app"),
        (".+", "app"),
        ("\\.", "."),
        ("(", ""),
        (")", ""),
        ("?", ""),
    ] {
        name = name.replace(any, something);
    }
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
    Some(name).filter(|name| is_name && !name.is_empty())
}

/// Before December 2024 the token was asked for with the name as it was.
fn check_scope(linter: &mut Linter<'_>, key: &str) {
    let registries = linter.registries;
    let has_auth = linter.endpoints_of(key).iter().flatten().any(|endpoint| {
        matches!(registries.configs.get(&endpoint.registry), Some(Some(config)) if config.auth.is_some())
    });
    if has_auth && linter.has_release_before(&[[1, 29, 12], [1, 30, 8], [1, 31, 4]]) {
        linter.report(
            VERSION_REWRITE_SCOPE,
            &["mirrors", key, "rewrite"],
            "releases before v1.29.12, v1.30.8 and v1.31.4 ask for a token with the name before the rewrite, which many registries refuse",
            "upgrade, or give the credential access to the names before the rewrite",
        );
    }
}
