//! What the kubelet's Events say, read from their texts.

use tracer_model::FailureClass;
use tracer_model::failure::classify;

/// One Event about an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The kubelet asked for the image, or put it into its queue.
    Pulling { image: String },
    /// The image is there.
    Pulled {
        image: String,
        /// Seconds in the kubelet's queue, where the text tells both durations.
        queue_seconds: Option<f64>,
    },
    /// The image was there before.
    Present { image: String },
    /// The pull failed.
    Failed {
        image: String,
        class: FailureClass,
        message: String,
    },
    /// The kubelet waits before it asks again.
    BackOff { image: String },
}

impl Said {
    /// The image as the Event names it.
    pub fn image(&self) -> &str {
        match self {
            Self::Pulling { image }
            | Self::Pulled { image, .. }
            | Self::Present { image }
            | Self::Failed { image, .. }
            | Self::BackOff { image } => image,
        }
    }
}

/// Reads an Event; none when it is about something else.
pub fn read(reason: &str, message: &str) -> Option<Said> {
    let image = |prefix: &str| {
        let rest = message.strip_prefix(prefix)?.strip_prefix('"')?;
        let (image, rest) = rest.split_once('"')?;
        (!image.is_empty()).then(|| (image.to_owned(), rest))
    };
    match reason {
        "Pulling" => image("Pulling image ").map(|(image, _)| Said::Pulling { image }),
        "Pulled" => {
            if let Some((image, rest)) = image("Successfully pulled image ") {
                return Some(Said::Pulled {
                    image,
                    queue_seconds: queue_seconds(rest),
                });
            }
            let (image, rest) = image("Container image ")?;
            rest.starts_with(" already present on machine")
                .then_some(Said::Present { image })
        }
        "Failed" => {
            let (image, rest) = image("Failed to pull image ")?;
            let message = rest.strip_prefix(':').unwrap_or(rest).trim().to_owned();
            Some(Said::Failed {
                image,
                class: classify(&message),
                message,
            })
        }
        "BackOff" => image("Back-off pulling image ").map(|(image, _)| Said::BackOff { image }),
        _ => None,
    }
}

/// ` in 1.2s (3.4s including waiting). ...`: what the second is longer than the first.
fn queue_seconds(rest: &str) -> Option<f64> {
    let (pulling, rest) = rest.strip_prefix(" in ")?.split_once(" (")?;
    let (whole, _) = rest.split_once(" including waiting)")?;
    let queued = go_seconds(whole)? - go_seconds(pulling)?;
    Some(queued.max(0.0))
}

/// A duration as Go prints it: `1h2m3.5s`, `45ms`.
pub(crate) fn go_seconds(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        seconds += number
            * match rest.get(..unit)? {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "µs" | "us" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    Some(seconds)
}

/// The container of `spec.initContainers{setup}`.
pub fn container(field_path: &str) -> Option<&str> {
    let (_, rest) = field_path.split_once('{')?;
    rest.strip_suffix('}')
}

/// The address that a failure names: `Get "https://mirror:5000/v2/": ...`, `dial tcp 10.0.0.1:443: ...`.
pub fn observed_endpoint(message: &str) -> Option<String> {
    let start = message
        .find("https://")
        .or_else(|| message.find("http://"))?;
    let rest = message.get(start..)?;
    let end = rest.find(['"', ' ', '\n', '\'']).unwrap_or(rest.len());
    let url = url::Url::parse(rest.get(..end)?.trim_end_matches([':', ',', '.'])).ok()?;
    let host = url.host_str()?;
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_kubelets_are_read() {
        let table = [
            (
                "Pulling",
                r#"Pulling image "nginx:1.27""#,
                Some(("pulling", "nginx:1.27")),
            ),
            (
                "Pulling",
                r#"Pulling image "ghcr.io/a/b:v1""#,
                Some(("pulling", "ghcr.io/a/b:v1")),
            ),
            (
                "Pulling",
                r#"Pulling image "alpine:3.20""#,
                Some(("pulling", "alpine:3.20")),
            ),
            ("Pulling", "Pulling something", None),
            ("Pulling", r#"Pulling image """#, None),
            (
                "Pulled",
                r#"Successfully pulled image "nginx:1.27" in 2.5s"#,
                Some(("pulled", "nginx:1.27")),
            ),
            (
                "Pulled",
                r#"Successfully pulled image "a:1" in 2.5s (5s including waiting). Image size: 72000000 bytes."#,
                Some(("pulled 2.5", "a:1")),
            ),
            (
                "Pulled",
                r#"Successfully pulled image "a:1" in 800ms (1m0.8s including waiting)"#,
                Some(("pulled 60.0", "a:1")),
            ),
            (
                "Pulled",
                r#"Container image "a:1" already present on machine"#,
                Some(("present", "a:1")),
            ),
            ("Pulled", "Pulled", None),
            (
                "Failed",
                r#"Failed to pull image "a:1": rpc error: code = NotFound desc = a:1: not found"#,
                Some(("failed not-found", "a:1")),
            ),
            ("Failed", "Error: ErrImagePull", None),
            (
                "BackOff",
                r#"Back-off pulling image "a:1""#,
                Some(("back-off", "a:1")),
            ),
            ("BackOff", "Back-off restarting failed container", None),
            ("Scheduled", r#"Pulling image "a:1""#, None),
        ];
        for (reason, message, expected) in table {
            let said = read(reason, message);
            let found = said.as_ref().map(|said| {
                let what = match said {
                    Said::Pulling { .. } => "pulling".to_owned(),
                    Said::Pulled {
                        queue_seconds: Some(seconds),
                        ..
                    } => format!("pulled {seconds:.1}"),
                    Said::Pulled { .. } => "pulled".to_owned(),
                    Said::Present { .. } => "present".to_owned(),
                    Said::Failed { class, .. } => format!("failed {}", class.as_str()),
                    Said::BackOff { .. } => "back-off".to_owned(),
                };
                (what, said.image().to_owned())
            });
            let expected = expected.map(|(what, image)| (what.to_owned(), image.to_owned()));
            assert_eq!(found, expected, "{message}");
        }
    }

    #[test]
    fn a_field_path_names_its_container() {
        assert_eq!(container("spec.containers{app}"), Some("app"));
        assert_eq!(container("spec.initContainers{set-up}"), Some("set-up"));
        assert_eq!(container("spec"), None);
    }

    #[test]
    fn an_address_in_a_message_is_evidence() {
        let message = r#"failed to do request: Head "https://mirror.internal:5000/v2/a/manifests/1?ns=docker.io": dial tcp: i/o timeout"#;
        assert_eq!(
            observed_endpoint(message).as_deref(),
            Some("https://mirror.internal:5000")
        );
        assert_eq!(observed_endpoint("manifest unknown"), None);
    }
}
