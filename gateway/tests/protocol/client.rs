//! A client that sends exactly what it is told and keeps exactly what comes back.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request to be.
pub(crate) struct Ask {
    at: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(at: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            at,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: vec![("Host".to_owned(), "registry.test:5000".to_owned())],
            body: Vec::new(),
            chunked: false,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks, without saying how long it is.
    pub(crate) fn streamed(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Sends the request and reads the answer to its end.
    pub(crate) async fn send(self) -> Answer {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let mut request = format!(
            "{} {} HTTP/1.1\r\nConnection: close\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        let framing = if self.chunked {
            "Transfer-Encoding: chunked\r\n\r\n".to_owned()
        } else {
            format!("Content-Length: {}\r\n\r\n", self.body.len())
        };
        request += &framing;
        stream.write_all(request.as_bytes()).await.unwrap();
        // A gateway that refuses early need not read the rest.
        let _ = if self.chunked {
            let mut body = Vec::new();
            for piece in self.body.chunks(700) {
                body.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                body.extend(piece);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            stream.write_all(&body).await
        } else {
            stream.write_all(&self.body).await
        };
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes).await;
        let answer = Answer::parse(&bytes)
            .unwrap_or_else(|| panic!("no answer, but {read:?} and {bytes:?}"));
        answer.check(&self.method);
        answer
    }
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// What holds for every answer.
    fn check(&self, method: &str) {
        if self.status != 204 && self.status != 304 && self.status < 600 {
            let length: usize = self
                .header("content-length")
                .expect("a length")
                .parse()
                .unwrap();
            let sent = if method == "HEAD" { 0 } else { length };
            assert_eq!(self.body.len(), sent, "{self:?}");
        } else {
            assert!(self.body.is_empty(), "{self:?}");
        }
        if self.status >= 400
            && method != "HEAD"
            && self.header("docker-distribution-api-version").is_some()
        {
            let error = &self.json()["errors"][0];
            assert!(
                error["code"].is_string() && error["message"].is_string(),
                "{self:?}"
            );
            assert_eq!(self.header("content-type"), Some("application/json"));
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers.sort();
        headers
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The code of the first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Checks the status and hands the answer on.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{} {:?}",
            String::from_utf8_lossy(&self.body),
            self.headers
        );
        self
    }

    /// Checks status and code.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.code(), code);
        answer
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location").expect("a location")
    }
}
