//! A registry that has one manifest and none of what it names, which it may deny.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, ToSocketAddrs};
use std::thread;

use serde_json::Value;

use crate::gateway::sha256;

/// How an encrypted connection begins.
const TLS_HANDSHAKE: u8 = 22;

/// A registry that has one manifest and nothing else.
pub(crate) struct Liar {
    pub(crate) address: String,
}

impl Liar {
    /// What it says of blobs is a status and, where that is a success, bytes that are not theirs.
    pub(crate) fn start(at: impl ToSocketAddrs, manifest: Vec<u8>, blobs: &'static str) -> Self {
        let digest = sha256(&manifest);
        Self::claiming(at, digest, manifest, blobs)
    }

    /// It says of its manifest that it has this digest.
    pub(crate) fn claiming(
        at: impl ToSocketAddrs,
        digest: String,
        manifest: Vec<u8>,
        blobs: &'static str,
    ) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (manifest, digest) = (manifest.clone(), digest.clone());
                thread::spawn(move || drop(answer(stream, (&manifest, &digest), blobs)));
            }
        });
        Self { address }
    }
}

fn answer(
    mut stream: std::net::TcpStream,
    (manifest, digest): (&[u8], &str),
    blobs: &str,
) -> std::io::Result<()> {
    let mut kind = [0];
    stream.peek(&mut kind)?;
    if kind == [TLS_HANDSHAKE] {
        // Whoever tries encryption first is told as other plain registries tell it.
        return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    }
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let (status, body, digest) = if first.contains("/manifests/") {
        let digest = format!("Docker-Content-Digest: {digest}\r\n");
        ("200 OK", manifest, digest)
    } else if first.contains("/blobs/") {
        (blobs, &b"nothing of value"[..], String::new())
    } else {
        ("200 OK", &b""[..], String::new())
    };
    let kind = serde_json::from_slice::<Value>(manifest).unwrap_or_default()["mediaType"].clone();
    let kind = kind
        .as_str()
        .unwrap_or("application/vnd.docker.distribution.manifest.v2+json");
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\n{digest}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    if !first.starts_with("HEAD") {
        stream.write_all(body)?;
    }
    Ok(())
}
