//! Rewrites of repositories, as containerd applies them at pull time.

use std::collections::{BTreeMap, BTreeSet};

use crate::go_regex::GoRegex;

/// The rules of one endpoint, compiled once.
#[derive(Default)]
pub struct Rewrites {
    rules: Vec<(GoRegex, String)>,
    refused: Vec<String>,
}

/// What becomes of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// What may be asked for, sorted: more than one where rules disagree, because the rules are walked in random
    /// order and the first one that changes the text wins.
    pub repositories: Vec<String>,
    /// Whether a rule is too large to be tried out here, so that there may be further answers.
    pub is_partial: bool,
}

impl std::fmt::Debug for Rewrites {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Rewrites")
            .field("rules", &self.rules.len())
            .field("refused", &self.refused.len())
            .finish()
    }
}

impl Rewrites {
    /// Compiles the rules that Go accepts; containerd skips the others with a warning.
    pub fn new(rules: &BTreeMap<String, String>) -> Self {
        let mut rewrites = Self::default();
        for (pattern, replacement) in rules {
            match GoRegex::new(pattern) {
                Ok(regex) => rewrites.rules.push((regex, replacement.clone())),
                Err(_) => rewrites.refused.push(pattern.clone()),
            }
        }
        rewrites
    }

    /// The patterns that Go refuses, sorted.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Applies the rules to a repository, without registry and tag. Results are not chained.
    pub fn apply(&self, repository: &str) -> Rewritten {
        let mut changed = BTreeSet::new();
        let mut is_partial = false;
        for (regex, replacement) in &self.rules {
            match regex.replace_all(repository, replacement) {
                Ok(text) if text != repository => {
                    changed.insert(text);
                }
                Ok(_) => {}
                Err(_) => is_partial = true,
            }
        }
        if changed.is_empty() {
            changed.insert(repository.to_owned());
        }
        Rewritten {
            repositories: changed.into_iter().collect(),
            is_partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rewrites;

    /// Rules, repository, what may come of it.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);

    fn rewrites(rules: &[(&str, &str)]) -> Rewrites {
        let rules = rules
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
        Rewrites::new(&rules.collect())
    }

    #[test]
    fn rules_that_disagree_leave_several_answers() {
        let table: [Case<'_>; 6] = [
            (&[], "a/b", &["a/b"]),
            (&[("^a", "x")], "a/b", &["x/b"]),
            (&[("^a", "x"), ("b$", "y")], "a/b", &["a/y", "x/b"]),
            (&[("^a", "x"), ("^(a)", "x")], "a/b", &["x/b"]),
            (&[("^a", "a"), ("^z", "y")], "a/b", &["a/b"]),
            (&[("^a", "b"), ("^b", "c")], "a/b", &["b/b"]),
        ];
        for (rules, repository, expected) in table {
            assert_eq!(rewrites(rules).apply(repository).repositories, expected);
        }
    }

    #[test]
    fn refused_rules_are_named_and_skipped() {
        let rewrites = rewrites(&[("(", "x"), ("^a", "y"), ("(?=b)", "z")]);
        assert_eq!(rewrites.refused(), ["(", "(?=b)"]);
        assert_eq!(rewrites.apply("a").repositories, ["y"]);
    }
}
