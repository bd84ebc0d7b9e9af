//! Channels of k3s: from a word such as `stable` to the image that it stands for today.

use serde::Deserialize;
use thiserror::Error;

use crate::fetch::{self, FetchError, Proxies};
use crate::names::DEFAULT_IMAGE_REPOSITORY;

/// Where the channels of k3s stand.
pub const CHANNELS_URL: &str = "https://update.k3s.io/v1-release/channels";

/// The k3s that is used when nobody says another; a build can choose it by `BERTH_K3S_VERSION`.
pub const DEFAULT_K3S_VERSION: &str = match option_env!("BERTH_K3S_VERSION") {
    Some(version) => version,
    None => "v1.35.5-k3s1",
};

/// The image that is used when nobody says another.
pub fn default_image() -> String {
    format!("{DEFAULT_IMAGE_REPOSITORY}:{DEFAULT_K3S_VERSION}")
}

/// Why a channel could not be resolved.
#[derive(Debug, Error)]
pub enum ChannelError {
    #[error("failed to ask for the channels of k3s")]
    Fetch(#[from] FetchError),
    #[error("call made to '{url}' failed with status code '{status}'")]
    Status { url: String, status: u16 },
    #[error("failed to read the channels of k3s at {url}: {reason}")]
    Document { url: String, reason: String },
    #[error("no latest version found for channel {channel} ({url}); it has {known}")]
    Unknown {
        channel: String,
        url: String,
        known: String,
    },
}

#[derive(Deserialize)]
struct Channels {
    data: Vec<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    name: String,
    #[serde(default)]
    latest: String,
}

/// The channel that an image stands for: `latest`, `stable` or `+NAME`; anything else is an image.
pub fn channel_of(image: &str) -> Option<&str> {
    match image {
        "latest" | "stable" => Some(image),
        _ => image.strip_prefix('+'),
    }
}

/// The image that a word stands for, as the channels at this address say; images stay what they are.
pub async fn resolve(image: &str, url: &str, proxies: &Proxies) -> Result<String, ChannelError> {
    let Some(channel) = channel_of(image) else {
        return Ok(image.to_owned());
    };
    let answer = fetch::get(url, None, proxies).await?;
    latest(channel, url, answer.status.as_u16(), &answer.body)
}

/// The image of a channel, from the answer of the channels' address.
pub fn latest(channel: &str, url: &str, status: u16, body: &[u8]) -> Result<String, ChannelError> {
    let url = url.to_owned();
    if status != 200 {
        return Err(ChannelError::Status { url, status });
    }
    let channels: Channels = match serde_json::from_slice(body) {
        Ok(channels) => channels,
        Err(error) => {
            let reason = error.to_string();
            return Err(ChannelError::Document { url, reason });
        }
    };
    let found = channels.data.iter().find(|entry| entry.name == channel);
    match found.map(|entry| entry.latest.as_str()) {
        Some(version) if !version.is_empty() => Ok(format!(
            "{DEFAULT_IMAGE_REPOSITORY}:{}",
            version.replace('+', "-")
        )),
        _ => {
            let known = channels.data.iter().map(|entry| entry.name.as_str());
            Err(ChannelError::Unknown {
                channel: channel.to_owned(),
                url,
                known: known.collect::<Vec<_>>().join(", "),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://localhost/channels";
    const BODY: &[u8] = br#"{"data":[
        {"name":"stable","latest":"v1.33.1+k3s1"},
        {"name":"v1.34","latest":"v1.34.0+k3s2"},
        {"name":"testing"}
    ]}"#;

    #[test]
    fn words_are_channels_and_everything_else_is_an_image() {
        assert_eq!(channel_of("stable"), Some("stable"));
        assert_eq!(channel_of("latest"), Some("latest"));
        assert_eq!(channel_of("+v1.34"), Some("v1.34"));
        assert_eq!(channel_of("rancher/k3s:latest"), None);
        assert_eq!(channel_of("rancher/k3s:v1.35.2-k3s1"), None);
    }

    #[test]
    fn the_latest_version_of_a_channel_becomes_a_tag() {
        assert_eq!(
            latest("v1.34", URL, 200, BODY).unwrap(),
            "docker.io/rancher/k3s:v1.34.0-k3s2"
        );
    }

    /// Answers one request on a port of its own.
    fn serve(status: &'static str, body: &'static [u8]) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/channels", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap();
            assert!(head[..length].starts_with(b"GET /channels HTTP/1.1\r\n"));
            let size = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n"
            )
            .unwrap();
            stream.write_all(body).unwrap();
        });
        url
    }

    fn resolved(image: &str, url: &str) -> Result<String, ChannelError> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(resolve(image, url, &Proxies::new(|_| None)))
    }

    #[test]
    fn a_channel_is_asked_for_over_http_and_an_image_is_not() {
        let image = resolved("+v1.34", &serve("200 OK", BODY)).unwrap();
        assert_eq!(image, "docker.io/rancher/k3s:v1.34.0-k3s2");
        let image = resolved("stable", &serve("200 OK", BODY)).unwrap();
        assert_eq!(image, "docker.io/rancher/k3s:v1.33.1-k3s1");
        let nowhere = "http://127.0.0.1:1/channels";
        assert_eq!(resolved("k3s:v1", nowhere).unwrap(), "k3s:v1");
        assert!(matches!(
            resolved("stable", nowhere),
            Err(ChannelError::Fetch(_))
        ));
    }

    #[test]
    fn answers_that_are_no_channels_are_refused() {
        let refused = |status, body| resolved("latest", &serve(status, body)).unwrap_err();
        let missing = refused("200 OK", BODY);
        assert!(matches!(missing, ChannelError::Unknown { .. }));
        let failed = refused("500 Internal Server Error", b"");
        assert!(matches!(failed, ChannelError::Status { status: 500, .. }));
        let broken = refused("200 OK", b"{");
        assert!(matches!(broken, ChannelError::Document { .. }));
    }

    #[test]
    fn failures_name_the_address_and_the_channel() {
        let said =
            |channel, status, body| latest(channel, URL, status, body).unwrap_err().to_string();
        assert_eq!(
            said("stable", 500, BODY),
            "call made to 'http://localhost/channels' failed with status code '500'"
        );
        assert!(
            said("v9", 200, BODY)
                .starts_with("no latest version found for channel v9 (http://localhost/channels)")
        );
        assert!(said("testing", 200, BODY).starts_with("no latest version found"));
        assert!(said("stable", 200, b"{").contains(URL));
    }
}
