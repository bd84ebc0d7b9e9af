//! Prints the plain documents: same order, text that readers of YAML 1.1 keep as text, in memory that is wiped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Format;
use crate::mac::plain_float;
use crate::tree::{Entry, Key, Node, Value};

/// Beyond this many bytes a YAML key needs the `? ` notation.
const LONGEST_SIMPLE_KEY: usize = 1000;

pub(crate) fn write(documents: &[Node], format: Format, expected: usize) -> Zeroizing<Vec<u8>> {
    let mut output = Output(Zeroizing::new(Vec::with_capacity(expected)));
    for (index, document) in documents.iter().enumerate() {
        match format {
            Format::Json => output.json(document, 0),
            Format::Yaml => {
                if index > 0 {
                    output.push("---\n");
                }
                output.yaml_document(document);
            }
        }
    }
    if format == Format::Json {
        output.push("\n");
    }
    output.0
}

/// A buffer that moves by itself when it is full, so that no copy stays behind unwiped.
struct Output(Zeroizing<Vec<u8>>);

impl Output {
    fn push(&mut self, text: &str) {
        let needed = self.0.len() + text.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.push("  ");
        }
    }

    fn yaml_document(&mut self, document: &Node) {
        match &document.value {
            Value::Map(entries) if entries.is_empty() => self.push("{}\n"),
            Value::Map(entries) => self.yaml_map(entries, 0, false),
            _ => self.push("null\n"),
        }
    }

    /// `inline`: the first key continues a line that is begun (`- `).
    fn yaml_map(&mut self, entries: &[Entry], depth: usize, inline: bool) {
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 || !inline {
                self.indent(depth);
            }
            self.yaml_key(&entry.key, depth);
            self.yaml_value(&entry.value, depth);
        }
    }

    fn yaml_key(&mut self, key: &Key, depth: usize) {
        let text = match key {
            Key::Text(text) => text.as_str(),
            Key::Merge | Key::Other => return self.push("<<:"),
        };
        let long = text.len() > LONGEST_SIMPLE_KEY / 6;
        if long {
            self.push("? ");
        }
        self.yaml_text(text);
        if long {
            self.push("\n");
            self.indent(depth);
        }
        self.push(":");
    }

    /// What follows `key:`, up to the end of its line or lines.
    fn yaml_value(&mut self, node: &Node, depth: usize) {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                self.push("\n");
                self.yaml_map(entries, depth + 1, false);
            }
            Value::List(items) if !items.is_empty() => {
                self.push("\n");
                self.yaml_list(items, depth + 1, false);
            }
            _ => {
                self.push(" ");
                self.yaml_scalar(&node.value);
                self.push("\n");
            }
        }
    }

    fn yaml_list(&mut self, items: &[Node], depth: usize, inline: bool) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 || !inline {
                self.indent(depth);
            }
            self.push("- ");
            match &item.value {
                Value::Map(entries) if !entries.is_empty() => {
                    self.yaml_map(entries, depth + 1, true);
                }
                Value::List(items) if !items.is_empty() => self.yaml_list(items, depth + 1, true),
                value => {
                    self.yaml_scalar(value);
                    self.push("\n");
                }
            }
        }
    }

    fn yaml_scalar(&mut self, value: &Value) {
        match value {
            Value::Null | Value::HugeInt | Value::Comment => self.push("null"),
            Value::Bool(flag) => self.push(if *flag { "true" } else { "false" }),
            Value::Int(number) => self.push(&Zeroizing::new(number.to_string())),
            Value::Float(number) => self.push(&Zeroizing::new(yaml_float(*number))),
            Value::Time(text) => self.push(text),
            Value::Text(bytes) => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    self.yaml_text(text);
                } else {
                    self.push("!!binary ");
                    self.push(&Zeroizing::new(STANDARD.encode(bytes)));
                }
            }
            Value::List(_) => self.push("[]"),
            Value::Map(_) => self.push("{}"),
        }
    }

    fn yaml_text(&mut self, text: &str) {
        if is_plain(text) {
            return self.push(text);
        }
        self.push("\"");
        for c in text.chars() {
            self.yaml_char(c);
        }
        self.push("\"");
    }

    fn yaml_char(&mut self, c: char) {
        let code = u32::from(c);
        match c {
            '"' => self.push("\\\""),
            '\\' => self.push("\\\\"),
            '\n' => self.push("\\n"),
            '\r' => self.push("\\r"),
            '\t' => self.push("\\t"),
            // Control characters, and what some readers take for line breaks, byte-order marks or garbage.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' => self.push(&format!("\\x{code:02x}")),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                self.push(&format!("\\u{code:04x}"));
            }
            _ => self.push(c.encode_utf8(&mut [0; 4])),
        }
    }

    fn json(&mut self, node: &Node, depth: usize) {
        match &node.value {
            Value::Null | Value::HugeInt | Value::Comment => self.push("null"),
            Value::Bool(flag) => self.push(if *flag { "true" } else { "false" }),
            Value::Int(number) => self.push(&Zeroizing::new(number.to_string())),
            Value::Float(number) => self.push(&Zeroizing::new(json_float(*number))),
            Value::Time(text) => self.json_text(text),
            Value::Text(bytes) => self.json_text(&Zeroizing::new(lossy(bytes))),
            Value::List(items) => self.json_items("[", "]", items, depth, |output, item| {
                output.json(item, depth + 1);
            }),
            Value::Map(entries) => self.json_items("{", "}", entries, depth, |output, entry| {
                output.json_text(entry.key.text());
                output.push(": ");
                output.json(&entry.value, depth + 1);
            }),
        }
    }

    fn json_items<T>(
        &mut self,
        open: &str,
        close: &str,
        items: &[T],
        depth: usize,
        mut each: impl FnMut(&mut Self, &T),
    ) {
        self.push(open);
        for (index, item) in items.iter().enumerate() {
            self.push(if index > 0 { ",\n" } else { "\n" });
            self.indent(depth + 1);
            each(self, item);
        }
        if !items.is_empty() {
            self.push("\n");
            self.indent(depth);
        }
        self.push(close);
    }

    fn json_text(&mut self, text: &str) {
        self.push("\"");
        for c in text.chars() {
            match c {
                '"' => self.push("\\\""),
                '\\' => self.push("\\\\"),
                '\n' => self.push("\\n"),
                '\0'..='\u{1f}' | '\u{7f}' => self.push(&format!("\\u{:04x}", u32::from(c))),
                _ => self.push(c.encode_utf8(&mut [0; 4])),
            }
        }
        self.push("\"");
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Text that every reader of YAML 1.1 and 1.2 takes for text without quotes; when in doubt, it is quoted.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-./+:@".contains(c);
    first
        && text.chars().all(inner)
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// As sops prints it: with an exponent below 1e-4 and from 1e6 on.
fn yaml_float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return plain_float(number);
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number == 0.0 || (-4..6).contains(&exponent) {
        return plain_float(number);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// JSON has no word for what is not a finite number.
fn json_float(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return format!("{number:e}");
    }
    plain_float(number)
}
