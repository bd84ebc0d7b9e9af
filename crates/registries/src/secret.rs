//! A text that hides itself: it prints as stars would and is wiped when dropped.

use std::fmt;
use std::hint::black_box;

use secrecy::{ExposeSecret, SecretString};

/// What every masked value prints as, whatever it is and however long.
pub const REDACTED: &str = "<REDACTED>";

/// A text that shows itself only to who asks by name.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself. Never log, format or put the result in an error.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether there is no text at all, which in a registries.yaml means "not set".
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self(SecretString::from(String::new()))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl PartialEq for Secret {
    /// Looks at every byte, so that the time taken tells nothing about where two texts differ.
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.expose().as_bytes(), other.expose().as_bytes());
        let difference = left
            .iter()
            .zip(right)
            .fold(0_u8, |difference, (a, b)| black_box(difference | (a ^ b)));
        left.len() == right.len() && difference == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_prints_the_same_mask_in_every_format() {
        for text in ["", "x", "hunter2"] {
            let secret = Secret::from(text);
            assert_eq!(
                format!("{secret} {secret:?} {secret:#?}"),
                "<REDACTED> <REDACTED> <REDACTED>"
            );
        }
    }

    #[test]
    fn secrets_are_equal_when_their_texts_are() {
        assert_eq!(Secret::from("a"), Secret::from(String::from("a")));
        assert_ne!(Secret::from("a"), Secret::from("ab"));
        assert_ne!(Secret::from("ab"), Secret::from("ac"));
        assert_eq!(Secret::default(), Secret::from(""));
    }
}
