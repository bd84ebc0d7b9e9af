//! The image of the nodes: a reference, or a word that stands for the newest version of a channel.

/// What the user wrote for the image; a channel is resolved over HTTP by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageChoice {
    /// Taken as it is.
    Exact(String),
    /// The newest version of this channel: `latest`, `stable`, `v1.33`.
    Channel(String),
}

impl ImageChoice {
    /// `latest`, `stable` and `+CHANNEL` are channels; `:latest` at the end of a reference is a tag like any other.
    pub fn of(text: &str) -> Self {
        match text.strip_prefix('+') {
            Some(channel) => Self::Channel(channel.to_owned()),
            None if matches!(text, "latest" | "stable") => Self::Channel(text.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_words_and_a_plus_mean_channels() {
        for text in ["latest", "stable", "+stable", "+v1.33", "+latest"] {
            let channel = text.trim_start_matches('+').to_owned();
            assert_eq!(ImageChoice::of(text), ImageChoice::Channel(channel));
        }
        for text in [
            "rancher/k3s:latest",
            "Latest",
            "v1.33",
            "rancher/k3s:v1.35.5-k3s1",
            "",
        ] {
            assert_eq!(ImageChoice::of(text), ImageChoice::Exact(text.to_owned()));
        }
    }
}
