//! Writes a document in the one way, so that equal documents are equal bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::document::{Auth, HostConfig, Mirror, Registries, Tls};
use crate::secret::Secret;

// Writing to a String cannot fail, so the results of `write!` are dropped throughout.

/// What every document of ours begins with.
pub const HEADER: &str =
    "# Written by Berth. Changes made here are undone; change the RegistryConfig instead.\n";

/// Longer keys are written with `?`: YAML gives up on finding the colon of a key after 1,024 characters.
const LONGEST_SIMPLE_KEY: usize = 900;

/// The document as YAML: known keys only, sorted, every text quoted; `auths`, which has no effect, is left out.
///
/// Reading it back gives the same document, and equal documents give equal bytes.
pub fn to_yaml(registries: &Registries) -> String {
    let mut yaml = Writer {
        text: HEADER.to_owned(),
    };
    yaml.section("mirrors", &registries.mirrors, Writer::mirror);
    yaml.section("configs", &registries.configs, Writer::host_config);
    yaml.text
}

struct Writer {
    text: String,
}

impl Writer {
    fn section<T>(
        &mut self,
        name: &str,
        entries: &BTreeMap<String, Option<T>>,
        write: fn(&mut Self, &T),
    ) {
        if entries.is_empty() {
            return;
        }
        self.line(0, &format!("{name}:"));
        for (key, entry) in entries {
            self.key(1, key);
            match entry {
                None => self.text.push_str(" null\n"),
                Some(entry) => write(self, entry),
            }
        }
    }

    fn mirror(&mut self, mirror: &Mirror) {
        if *mirror == Mirror::default() {
            self.text.push_str(" {}\n");
            return;
        }
        self.text.push('\n');
        if !mirror.endpoint.is_empty() {
            self.line(2, "endpoint:");
            for endpoint in &mirror.endpoint {
                self.line(3, &format!("- {}", quote(endpoint)));
            }
        }
        if !mirror.rewrite.is_empty() {
            self.line(2, "rewrite:");
            for (pattern, replacement) in &mirror.rewrite {
                self.key(3, pattern);
                let _ = writeln!(self.text, " {}", quote(replacement));
            }
        }
    }

    fn host_config(&mut self, config: &HostConfig) {
        if *config == HostConfig::default() {
            self.text.push_str(" {}\n");
            return;
        }
        self.text.push('\n');
        if let Some(auth) = &config.auth {
            self.fields("auth", &auth_fields(auth));
        }
        if let Some(tls) = &config.tls {
            self.fields("tls", &tls_fields(tls));
        }
    }

    fn fields(&mut self, name: &str, fields: &[(&str, String)]) {
        if fields.is_empty() {
            self.line(2, &format!("{name}: {{}}"));
            return;
        }
        self.line(2, &format!("{name}:"));
        for (field, value) in fields {
            self.line(3, &format!("{field}: {value}"));
        }
    }

    fn key(&mut self, level: usize, key: &str) {
        let quoted = quote(key);
        if quoted.chars().count() <= LONGEST_SIMPLE_KEY {
            self.indent(level);
            self.text.push_str(&quoted);
        } else {
            self.line(level, &format!("? {quoted}"));
            self.indent(level);
        }
        self.text.push(':');
    }

    fn line(&mut self, level: usize, text: &str) {
        self.indent(level);
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn indent(&mut self, level: usize) {
        self.text.extend(std::iter::repeat_n("  ", level));
    }
}

fn auth_fields(auth: &Auth) -> Vec<(&'static str, String)> {
    let fields: [(&str, &Secret); 4] = [
        ("username", &auth.username),
        ("password", &auth.password),
        ("auth", &auth.auth),
        ("identity_token", &auth.identity_token),
    ];
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name, quote(value.expose())))
        .collect()
}

fn tls_fields(tls: &Tls) -> Vec<(&'static str, String)> {
    let paths = [
        ("ca_file", &tls.ca_file),
        ("cert_file", &tls.cert_file),
        ("key_file", &tls.key_file),
    ];
    let mut fields: Vec<(&'static str, String)> = paths
        .into_iter()
        .filter(|(_, path)| !path.is_empty())
        .map(|(name, path)| (name, quote(path)))
        .collect();
    if tls.insecure_skip_verify {
        fields.push(("insecure_skip_verify", "true".to_owned()));
    }
    fields
}

/// A text in double quotes, with everything escaped that YAML would fold, trim or refuse.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            ' '..='~' => quoted.push(character),
            '\u{A1}'..='\u{2027}'
            | '\u{202A}'..='\u{D7FF}'
            | '\u{E000}'..='\u{FEFE}'
            | '\u{FF00}'..='\u{FFFD}' => {
                quoted.push(character);
            }
            other => escape(&mut quoted, u32::from(other)),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(quoted: &mut String, code: u32) {
    let _ = match code {
        0..=0xFF => write!(quoted, "\\x{code:02X}"),
        0x100..=0xFFFF => write!(quoted, "\\u{code:04X}"),
        _ => write!(quoted, "\\U{code:08X}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn writes_known_keys_sorted_and_quoted() {
        let document = b"configs:\n  b: {tls: {insecure_skip_verify: no}}\n  a: {auth: {password: 0123, username: yes}, x: y}\nauths: {z: {}}\nmirrors: {docker.io: , \"*\": {endpoint: [e, 1]}}\n";
        let expected = concat!(
            "mirrors:\n",
            "  \"*\":\n",
            "    endpoint:\n",
            "      - \"e\"\n",
            "      - \"1\"\n",
            "  \"docker.io\": null\n",
            "configs:\n",
            "  \"a\":\n",
            "    auth:\n",
            "      username: \"yes\"\n",
            "      password: \"0123\"\n",
            "  \"b\":\n",
            "    tls: {}\n",
        );
        assert_eq!(
            to_yaml(&parse(document).unwrap()),
            format!("{HEADER}{expected}")
        );
    }

    #[test]
    fn an_empty_document_is_the_header_alone() {
        assert_eq!(to_yaml(&Registries::default()), HEADER);
    }
}
