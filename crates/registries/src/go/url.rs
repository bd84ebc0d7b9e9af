//! Go's `net/url` as of Go 1.26: what it parses, what it refuses, and how it writes a URL back.
//!
//! Decoded parts are bytes, because a percent escape may stand for any byte.

use std::net::Ipv6Addr;

use super::quote::quote;
use super::url_escape::{Part, escape, escaped, unescape};

/// Why Go refuses a URL; the texts are Go's and repeat part of the input, so there is no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UrlError {
    reason: String,
    url: String,
}

impl UrlError {
    /// `parse "<url>": <reason>`, as k3s logs it.
    pub(crate) fn go_text(&self) -> String {
        format!("parse {}: {}", quote(&self.url), self.reason)
    }
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Userinfo {
    username: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// A parsed URL; empty parts are absent parts, as in Go.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct GoUrl {
    pub(crate) scheme: String,
    opaque: String,
    user: Option<Userinfo>,
    pub(crate) host: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) raw_path: String,
    omit_host: bool,
    force_query: bool,
    pub(crate) raw_query: String,
    fragment: Vec<u8>,
    raw_fragment: String,
}

impl GoUrl {
    /// `url.Parse`.
    pub(crate) fn parse(raw: &str) -> Result<Self, UrlError> {
        let (before, fragment) = cut(raw, '#');
        let mut url = parse_without_fragment(before).map_err(|reason| UrlError {
            reason,
            url: before.to_owned(),
        })?;
        if !fragment.is_empty() {
            url.fragment = unescape(fragment, Part::Fragment).map_err(|reason| UrlError {
                reason,
                url: raw.to_owned(),
            })?;
            if escape(&url.fragment, Part::Fragment) != fragment {
                fragment.clone_into(&mut url.raw_fragment);
            }
        }
        Ok(url)
    }

    /// `URL.Port`: the numeric port, or nothing.
    pub(crate) fn port(&self) -> String {
        let colon = self.host.iter().rposition(|byte| *byte == b':');
        match colon {
            Some(at) if is_optional_port(&self.host[at..]) => {
                String::from_utf8_lossy(&self.host[at + 1..]).into_owned()
            }
            _ => String::new(),
        }
    }

    /// The host as text; bytes that are no UTF-8 become replacement characters.
    pub(crate) fn host_text(&self) -> String {
        String::from_utf8_lossy(&self.host).into_owned()
    }

    /// What `http.NewRequest` does to a host: an empty port goes, with its colon.
    pub(crate) fn remove_empty_port(&mut self) {
        let last_colon = self.host.iter().rposition(|byte| *byte == b':');
        let last_bracket = self.host.iter().rposition(|byte| *byte == b']');
        if last_colon > last_bracket && self.host.ends_with(b":") {
            self.host.pop();
        }
    }

    fn escaped_path(&self) -> String {
        escaped(&self.path, &self.raw_path, Part::Path)
    }
}

/// `URL.String`.
impl std::fmt::Display for GoUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text.push_str(&self.scheme);
            text.push(':');
        }
        if self.opaque.is_empty() {
            self.push_hierarchy(&mut text);
        } else {
            text.push_str(&self.opaque);
        }
        if self.force_query || !self.raw_query.is_empty() {
            text.push('?');
            text.push_str(&self.raw_query);
        }
        if !self.fragment.is_empty() {
            text.push('#');
            text.push_str(&escaped(&self.fragment, &self.raw_fragment, Part::Fragment));
        }
        formatter.write_str(&text)
    }
}

impl GoUrl {
    fn push_hierarchy(&self, text: &mut String) {
        let has_authority = !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some();
        let omitted = self.omit_host && self.host.is_empty() && self.user.is_none();
        if has_authority && !omitted {
            if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                text.push_str("//");
            }
            if let Some(user) = &self.user {
                text.push_str(&escape(&user.username, Part::UserPassword));
                if let Some(password) = &user.password {
                    text.push(':');
                    text.push_str(&escape(password, Part::UserPassword));
                }
                text.push('@');
            }
            text.push_str(&escape(&self.host, Part::Host));
        }
        let path = self.escaped_path();
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            text.push('/');
        }
        if text.is_empty() && cut(&path, '/').0.contains(':') {
            text.push_str("./");
        }
        text.push_str(&path);
    }
}

/// A query with one more value: parsed, sorted by key and encoded, as `url.Values` does it.
pub(crate) fn query_with(query: &str, key: &str, value: &str) -> String {
    let unescaped = |text: &str| {
        let bytes = unescape(text, Part::QueryComponent).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'));
    let mut pairs: Vec<(String, String)> = pairs
        .filter_map(|pair| {
            let (key, value) = cut(pair, '=');
            Some((unescaped(key)?, unescaped(value)?))
        })
        .collect();
    pairs.push((key.to_owned(), value.to_owned()));
    // A stable sort keeps the values of a key in order.
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let encoded = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", query_escape(key), query_escape(value)));
    encoded.collect::<Vec<String>>().join("&")
}

/// `url.QueryEscape`.
pub(crate) fn query_escape(text: &str) -> String {
    escape(text.as_bytes(), Part::QueryComponent)
}

fn cut(text: &str, separator: char) -> (&str, &str) {
    text.split_once(separator).unwrap_or((text, ""))
}

fn parse_without_fragment(raw: &str) -> Result<GoUrl, String> {
    if raw.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = GoUrl::default();
    if raw == "*" {
        url.path = b"*".to_vec();
        return Ok(url);
    }
    let (scheme, mut rest) = split_scheme(raw)?;
    url.scheme = scheme.to_ascii_lowercase();
    if rest.ends_with('?') && rest.matches('?').count() == 1 {
        url.force_query = true;
        rest = &rest[..rest.len() - 1];
    } else {
        let (path, query) = cut(rest, '?');
        rest = path;
        query.clone_into(&mut url.raw_query);
    }
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            return Ok(url);
        }
        if cut(rest, '/').0.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    if rest.starts_with("//") && (!url.scheme.is_empty() || !rest.starts_with("///")) {
        let after = &rest[2..];
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        rest = path;
        (url.user, url.host) = parse_authority(&url.scheme, authority)?;
    } else if !url.scheme.is_empty() && rest.starts_with('/') {
        url.omit_host = true;
    }
    url.path = unescape(rest, Part::Path)?;
    if escape(&url.path, Part::Path) != rest {
        rest.clone_into(&mut url.raw_path);
    }
    Ok(url)
}

fn split_scheme(raw: &str) -> Result<(&str, &str), String> {
    for (index, byte) in raw.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&raw[..index], &raw[index + 1..])),
            _ => return Ok(("", raw)),
        }
    }
    Ok(("", raw))
}

fn parse_authority(scheme: &str, authority: &str) -> Result<(Option<Userinfo>, Vec<u8>), String> {
    let Some(at) = authority.rfind('@') else {
        return Ok((None, parse_host(scheme, authority)?));
    };
    let host = parse_host(scheme, &authority[at + 1..])?;
    let userinfo = &authority[..at];
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || (c.is_ascii() && "-._:~!$&'()*+,;=%@".contains(c));
    if !userinfo.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let user = match userinfo.split_once(':') {
        None => Userinfo {
            username: unescape(userinfo, Part::UserPassword)?,
            password: None,
        },
        Some((username, password)) => Userinfo {
            username: unescape(username, Part::UserPassword)?,
            password: Some(unescape(password, Part::UserPassword)?),
        },
    };
    Ok((Some(user), host))
}

fn parse_host(scheme: &str, host: &str) -> Result<Vec<u8>, String> {
    match host.rfind('[') {
        Some(0) => return parse_ip_literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    // Since Go 1.26 http and https hosts have one colon at most.
    let strict = scheme == "http" || scheme == "https";
    let colon = if strict {
        host.find(':')
    } else {
        host.rfind(':')
    };
    if let Some(at) = colon {
        check_port(&host[at..])?;
    }
    unescape(host, Part::Host)
}

fn parse_ip_literal(host: &str) -> Result<Vec<u8>, String> {
    let Some(close) = host.rfind(']') else {
        return Err("missing ']' in host".to_owned());
    };
    let colon_port = &host[close + 1..];
    check_port(colon_port)?;
    let inner = &host[1..close];
    let unescaped = match inner.find("%25") {
        Some(zone) => {
            let mut all = unescape(&inner[..zone], Part::Host)?;
            all.extend(unescape(&inner[zone..], Part::Zone)?);
            all
        }
        None => unescape(inner, Part::Host)?,
    };
    check_ipv6(&unescaped)?;
    let mut literal = vec![b'['];
    literal.extend(unescaped);
    literal.push(b']');
    literal.extend(colon_port.bytes());
    Ok(literal)
}

/// Only an IPv6 address, with or without a zone, may stand in brackets.
fn check_ipv6(address: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(address);
    let (ip, zone) = match text.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (text.as_ref(), None),
    };
    if ip.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(|zone| !zone.is_empty()) {
        return Ok(());
    }
    if zone.is_none() && ip.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("invalid IP-literal".to_owned());
    }
    Err(format!(
        "invalid host: ParseAddr({}): unable to parse IP",
        quote(&text)
    ))
}

fn check_port(colon_port: &str) -> Result<(), String> {
    if is_optional_port(colon_port.as_bytes()) {
        Ok(())
    } else {
        Err(format!("invalid port {} after host", quote(colon_port)))
    }
}

fn is_optional_port(port: &[u8]) -> bool {
    match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}
