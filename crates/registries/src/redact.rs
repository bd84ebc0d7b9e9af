//! Prints a document without its secrets.

use crate::error::ParseError;
use crate::outline::lines;

pub use crate::mask::{redact_key, redact_path, redact_rewrite, redact_url};

/// The document as YAML, sorted, with secrets masked by position and without comments and further documents.
pub fn redact(document: &[u8]) -> Result<String, ParseError> {
    indented(document, "")
}

/// The same, indented by two spaces as it stands below a heading in a log.
pub fn preview(document: &[u8]) -> Result<String, ParseError> {
    indented(document, "  ")
}

fn indented(document: &[u8], indent: &str) -> Result<String, ParseError> {
    let mut text = String::new();
    for line in lines(document)? {
        text.extend([indent, &line.text, "\n"]);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_by_position_and_shows_the_rest_sorted() {
        let document = r#"
# comment
x-creds: &c {username: u, password: p}
mirrors:
  docker.io:
    endpoint:
      - "https://registry.example.com"
      - https://robot:pass@m.example.com/v2?t=q
    rewrite: {"^library/(.*)$": "proxy/$1"}
    unknown: {token: t}
  quay.io:
configs:
  "m.example.com:5000": {auth: *c, tls: {ca_file: /etc/ca.crt, insecure_skip_verify: yes, key_file: "-----BEGIN PRIVATE KEY-----"}}
  a: {auth: {<<: *c, token: t, nested: {deep: x}}}
  b: {auth: plain}
  c: {auth: [plain], tls: {}}
---
second: document
"#;
        let expected = r#"configs:
  a:
    auth:
      <<:
        password: <REDACTED>
        username: <REDACTED>
      nested: <REDACTED>
      token: <REDACTED>
  b:
    auth: <REDACTED>
  c:
    auth: <REDACTED>
    tls: {}
  "m.example.com:5000":
    auth:
      password: <REDACTED>
      username: <REDACTED>
    tls:
      ca_file: "/etc/ca.crt"
      insecure_skip_verify: true
      key_file: <REDACTED>
mirrors:
  docker.io:
    endpoint:
      - "https://registry.example.com"
      - "https://<REDACTED>@m.example.com/v2?<REDACTED>"
    rewrite:
      "^library/(.*)$": "proxy/$1"
    unknown: <REDACTED>
  quay.io:
x-creds: <REDACTED>
"#;
        assert_eq!(redact(document.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn an_empty_document_prints_nothing() {
        for document in ["", "# comment\n", "null\n"] {
            assert_eq!(redact(document.as_bytes()).unwrap(), "");
        }
    }

    #[test]
    fn the_preview_is_indented() {
        assert_eq!(
            preview(b"mirrors: {a: }\n").unwrap(),
            "  mirrors:\n    a:\n"
        );
    }
}
