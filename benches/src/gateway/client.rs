//! One request over a connection, with its times.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// What came, and when.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) bytes: u64,
    /// Until the headers were there.
    pub(crate) first: Duration,
    /// Until the first bytes of the body were there.
    pub(crate) begun: Duration,
    pub(crate) total: Duration,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A request whose body is thrown away when it is large.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str) -> Result<Answer> {
    send(at, method, path, &[])
}

pub(crate) fn send(at: SocketAddr, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
    let start = Instant::now();
    let stream = TcpStream::connect(at)?;
    stream.set_nodelay(true)?;
    exchange(stream, start, method, path, body)
}

/// The archive that `docker save` writes, straight from the Engine's socket.
pub(crate) fn save(socket: &Path, image: &str) -> Result<Answer> {
    let start = Instant::now();
    let stream = UnixStream::connect(socket)?;
    exchange(
        stream,
        start,
        "GET",
        &format!("/images/get?names={image}"),
        &[],
    )
}

fn exchange(
    mut stream: impl Read + Write,
    start: Instant,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Answer> {
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Length: {length}\r\nContent-Type: application/octet-stream\r\n\r\n"
    )?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("no answer")?.parse()?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        ensure!(
            reader.read_line(&mut line)? > 0,
            "the answer has no end of headers"
        );
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        headers.push(line.to_owned());
    }
    let first = start.elapsed();
    let (mut bytes, mut kept, mut begun) = (0, Vec::new(), first);
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() || method == "HEAD" {
            break;
        }
        let count = piece.len();
        if bytes == 0 {
            begun = start.elapsed();
        }
        if bytes < 1 << 20 {
            kept.extend_from_slice(piece);
        }
        bytes += count as u64;
        reader.consume(count);
    }
    Ok(Answer {
        status,
        headers,
        body: kept,
        bytes,
        first,
        begun,
        total: start.elapsed(),
    })
}
