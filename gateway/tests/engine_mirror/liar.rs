//! A registry that has one manifest and none of what it names, which it may deny.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

/// A registry that has one manifest and nothing else.
pub(crate) struct Liar {
    pub(crate) address: String,
}

impl Liar {
    /// What it says of blobs is a status and, where that is a success, bytes that are not theirs.
    pub(crate) fn start(manifest: Vec<u8>, blobs: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let manifest = manifest.clone();
                thread::spawn(move || drop(answer(stream, &manifest, blobs)));
            }
        });
        Self { address }
    }
}

fn answer(mut stream: std::net::TcpStream, manifest: &[u8], blobs: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).split(b'\n');
    // Whoever tries encryption first says something that is no line of text.
    let Some(first) = lines
        .next()
        .transpose()?
        .and_then(|line| String::from_utf8(line).ok())
    else {
        return Ok(());
    };
    for line in lines {
        if line?.len() <= 1 {
            break;
        }
    }
    let (status, body) = if first.contains("/manifests/") {
        ("200 OK", manifest)
    } else if first.contains("/blobs/") {
        (blobs, &b"nothing of value"[..])
    } else {
        ("200 OK", &b""[..])
    };
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    if !first.starts_with("HEAD") {
        stream.write_all(body)?;
    }
    Ok(())
}
