//! `~/.aws/config` and `~/.aws/credentials`: profiles, as AWS's own tools read them.

use std::collections::BTreeMap;
use std::path::Path;

use registries::Secret;

use crate::error::ChainError;

/// The settings of one profile. Any of them may be a secret.
pub(crate) type Profile = BTreeMap<String, Secret>;

/// All profiles of both files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profiles(BTreeMap<String, Profile>);

/// Which file a text is from: they write the names of profiles differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grammar {
    Config,
    Credentials,
}

impl Profiles {
    /// Reads both files; one that is not there is empty.
    pub(crate) fn read(
        config: Option<&Path>,
        credentials: Option<&Path>,
    ) -> Result<Self, ChainError> {
        let mut profiles = Self::default();
        // What stands in the file of credentials wins.
        for (path, grammar) in [
            (config, Grammar::Config),
            (credentials, Grammar::Credentials),
        ] {
            let Some(path) = path else { continue };
            let content = match std::fs::read(path) {
                Ok(content) => content,
                Err(error) if is_absent(&error) => continue,
                Err(source) => {
                    let path = path.to_owned();
                    return Err(ChainError::File { path, source });
                }
            };
            profiles
                .add(&String::from_utf8_lossy(&content), grammar)
                .map_err(|line| ChainError::Line {
                    path: path.to_owned(),
                    line,
                })?;
        }
        Ok(profiles)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// Adds the profiles of one text; otherwise the number of the line that is none.
    fn add(&mut self, text: &str, grammar: Grammar) -> Result<(), usize> {
        let mut section = None;
        for (number, line) in (1..).zip(text.lines()) {
            let continues = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(header) = line.strip_prefix('[') {
                let (name, rest) = header.split_once(']').ok_or(number)?;
                if !rest.trim().is_empty() && !rest.trim().starts_with(['#', ';']) {
                    return Err(number);
                }
                section = profile_name(name.trim(), grammar);
                if let Some(name) = &section {
                    self.0.entry(name.clone()).or_default();
                }
            } else if !continues {
                let (key, value) = line.split_once('=').ok_or(number)?;
                if let Some(profile) = section.as_ref().and_then(|name| self.0.get_mut(name)) {
                    let key = key.trim().to_ascii_lowercase();
                    profile.insert(key, Secret::from(without_comment(value)));
                }
            }
            // An indented line belongs to a setting of a kind that says nothing about credentials.
        }
        Ok(())
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// The profile that a header begins; others, such as `[sso-session ...]`, begin something else.
fn profile_name(header: &str, grammar: Grammar) -> Option<String> {
    let name = match (grammar, header.split_once([' ', '\t'])) {
        (Grammar::Credentials, _) | (Grammar::Config, None) if header == "default" => header,
        (Grammar::Credentials, _) => header,
        (Grammar::Config, Some(("profile", name))) => name.trim(),
        (Grammar::Config, _) => return None,
    };
    let quoted = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    let name = quoted('"').or_else(|| quoted('\'')).unwrap_or(name);
    (!name.is_empty()).then(|| name.to_owned())
}

/// A comment begins with `#` or `;` after a blank.
fn without_comment(value: &str) -> &str {
    let begin = value
        .match_indices(['#', ';'])
        .find(|(at, _)| value[..*at].ends_with([' ', '\t']))
        .map_or(value.len(), |(at, _)| at);
    value[..begin].trim()
}

#[cfg(test)]
impl Profiles {
    /// The profiles of two texts.
    pub(crate) fn of(config: &str, credentials: &str) -> Self {
        let mut profiles = Self::default();
        profiles.add(config, Grammar::Config).unwrap();
        profiles.add(credentials, Grammar::Credentials).unwrap();
        profiles
    }
}

#[cfg(test)]
mod tests {
    use super::{Grammar, Profiles};

    fn value<'a>(profiles: &'a Profiles, profile: &str, key: &str) -> Option<&'a str> {
        Some(profiles.get(profile)?.get(key)?.expose())
    }

    #[test]
    fn both_files_are_read_and_that_of_credentials_wins() {
        let profiles = Profiles::of(
            "# ours\n[default]\nregion=eu-central-1\naws_access_key_id = old\n[profile \"ada l\"] ; quoted\nREGION = us-east-1 # far\nkey = a#b\n[sso-session s]\nkey = other\n",
            "[default]\naws_access_key_id = new\ns3 =\n  max_queue_size = 3\n[ada]\nregion=x\n",
        );
        assert_eq!(value(&profiles, "default", "region"), Some("eu-central-1"));
        assert_eq!(
            value(&profiles, "default", "aws_access_key_id"),
            Some("new")
        );
        assert_eq!(value(&profiles, "default", "max_queue_size"), None);
        assert_eq!(value(&profiles, "ada l", "region"), Some("us-east-1"));
        assert_eq!(value(&profiles, "ada l", "key"), Some("a#b"));
        assert_eq!(value(&profiles, "ada", "region"), Some("x"));
        assert!(profiles.get("sso-session s").is_none());
    }

    #[test]
    fn only_the_file_of_credentials_names_profiles_without_the_word() {
        let profiles = Profiles::of("[ada]\nregion=x\n", "");
        assert!(profiles.get("ada").is_none());
    }

    #[test]
    fn a_line_that_is_neither_is_counted() {
        for text in [
            "[default]\nhunter2\n",
            "\n[default\n",
            "\n[default] hunter2\n",
        ] {
            let result = Profiles::default().add(text, Grammar::Config);
            assert_eq!(result, Err(2), "{text:?}");
        }
    }
}
