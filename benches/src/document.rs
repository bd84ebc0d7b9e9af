//! The pure functions on a large document.

use std::fmt::Write as _;
use std::hint::black_box;

use anyhow::{Result, bail};
use registries::NodeOptions;
use registries::{LintOptions, lint};

use crate::samples::{Samples, milliseconds};

const MIRRORS: usize = 1_000;
const RUNS: usize = 30;

pub(crate) fn measure() -> Result<String> {
    let plain = row("one endpoint each", &document(false)?, "limit p50 10 ms")?;
    let dense = row(
        "two endpoints, a rewrite, a credential and a CA each",
        &document(true)?,
        "no limit",
    )?;
    Ok(format!("{plain}\n{dense}"))
}

fn row(name: &str, document: &str, limit: &str) -> Result<String> {
    let options = LintOptions::default();
    let node = NodeOptions::default();
    let parse = Samples::of(RUNS, || {
        registries::parse(document.as_bytes()).map(|parsed| drop(black_box(parsed)))
    })?;
    let lint = Samples::of(RUNS, || {
        black_box(lint(document.as_bytes(), &options));
        Ok::<_, anyhow::Error>(())
    })?;
    let whole = Samples::of(RUNS, || {
        let parsed = registries::parse(document.as_bytes())?;
        black_box(registries::lint(document.as_bytes(), &options));
        let rendering = registries::render::certs_d(&parsed, &node);
        if rendering.files.len() < MIRRORS {
            bail!("only {} files were rendered", rendering.files.len());
        }
        Ok(())
    })?;
    Ok(format!(
        "| parse + lint + render, {MIRRORS} mirrors, {name} ({} KiB) | {} (parse {}, lint {}) | {limit} |",
        document.len() / 1024,
        whole.text(),
        milliseconds(parse.percentile(50)),
        milliseconds(lint.percentile(50)),
    ))
}

fn document(dense: bool) -> Result<String> {
    let mut text = String::from("mirrors:\n");
    for number in 0..MIRRORS {
        writeln!(
            text,
            "  registry-{number}.example.com:\n    endpoint:\n      - \"https://mirror-{number}.example.com:5000\""
        )?;
        if dense {
            writeln!(
                text,
                "      - \"https://mirror.example.com/v2/project-{number}\"\n    rewrite:\n      \"^team/(.*)$\": \"proxy-{number}/$1\""
            )?;
        }
    }
    if !dense {
        return Ok(text);
    }
    text.push_str("configs:\n");
    for number in 0..MIRRORS {
        writeln!(
            text,
            "  \"mirror-{number}.example.com:5000\":\n    auth:\n      username: robot\n      password: made-up-{number}\n    \
             tls:\n      ca_file: /etc/ssl/certs/internal.pem"
        )?;
    }
    Ok(text)
}
