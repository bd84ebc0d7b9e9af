//! Light and dark: every word is readable, and the pictures of the guide are made here.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::chromium::Browser;
use super::feed::{Tracer, ended, failed, pull};

/// Contrast of every piece of text with what is behind it, the worst first (WCAG 2 relative luminance).
const CONTRASTS: &str = r"
const channel = value => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const parse = text => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const behind = element => {
  if (!element) return [255, 255, 255, 1];
  const own = parse(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : over(own, behind(element.parentElement));
};
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.textContent.trim() || element.closest('noscript, .hidden, .skip, :disabled')) continue;
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.height === 0) continue;
  const style = getComputedStyle(element);
  let opacity = 1;
  for (let e = element; e; e = e.parentElement) opacity *= Number(getComputedStyle(e).opacity);
  const ground = behind(element);
  const ink = parse(style.color);
  const seen = over([ink[0], ink[1], ink[2], ink[3] * opacity], ground);
  const [a, b] = [light(seen), light(ground)].sort((x, y) => y - x);
  found.push({ratio: Math.round((a + 0.05) / (b + 0.05) * 100) / 100, text: node.textContent.trim().slice(0, 40), of: element.className || element.tagName});
}
return found.sort((a, b) => a.ratio - b.ratio)";

/// Pulls in every state, so that every colour is on the page.
fn show_everything(tracer: &Tracer) -> Result<()> {
    let mut resolving = pull("r", "ghcr.io/acme/search:2.1", 0, 0);
    resolving["phase"] = json!("resolving");
    resolving["totalKnown"] = json!(false);
    let mut stalled = pull("s", "registry.example.com/shop/video:8", 900, 31);
    stalled["progressAt"] = json!(super::feed::ago(95));
    stalled["startedAt"] = json!(super::feed::ago(240));
    stalled["bytesPerSec"] = json!(0.0);
    stalled["etaSeconds"] = Value::Null;
    let mut queued = pull("q", "docker.io/library/postgres:17", 120, 0);
    queued["phase"] = json!("queued");
    let mut orphaned = failed(
        pull("o", "quay.io/acme/batch:3", 60, 20),
        "runtime-restarted",
        "the container runtime was restarted",
    );
    orphaned["phase"] = json!("orphaned");
    let mut cancelled = failed(
        pull("x", "quay.io/acme/batch:4", 60, 20),
        "no-progress",
        "no byte came for 5 minutes",
    );
    cancelled["phase"] = json!("cancelled");
    tracer.report(
        "worker-1",
        &[
            pull("a", "registry.example.com/shop/cart:1.4", 92, 58),
            resolving,
            queued,
        ],
        &[
            ended(pull("d", "docker.io/library/nginx:1.27", 68, 100)),
            orphaned,
        ],
    )?;
    let cause = "failed to resolve reference \"registry.example.com/shop/cart:9.9\": not found";
    tracer.report(
        "worker-2",
        &[pull("b", "docker.io/library/redis:7", 45, 100), stalled],
        &[
            failed(
                pull("f", "registry.example.com/shop/cart:9.9", 0, 0),
                "not-found",
                cause,
            ),
            cancelled,
        ],
    )?;
    tracer.report(
        "worker-3",
        &[pull("m", "ghcr.io/acme/model-server:0.9", 4100, 12)],
        &[failed(
            pull("l", "docker.io/library/python:3.13", 0, 0),
            "rate-limited",
            "unexpected status code 429 Too Many Requests: toomanyrequests",
        )],
    )
}

fn readable(theme: &str) -> Result<()> {
    let tracer = Tracer::start()?;
    show_everything(&tracer)?;
    let browser = Browser::start()?;
    let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.devtools("Emulation.setEmulatedMedia", &media)?;
    for rest in [
        "?open=worker-1%3Aa",
        "?open=worker-2%3Af",
        "?state=failed",
        "?view=nodes",
        "?view=registries",
        "?search=nothing-has-this-name",
    ] {
        browser.open(&tracer.url(rest))?;
        let live = "return document.querySelector('.connection')?.innerText";
        browser.see("a live page", live, |text| text == "Live")?;
        if rest.contains("open=") {
            let title = "return document.querySelector('aside h2') !== null";
            browser.see("the details", title, |seen| *seen == true)?;
        }
        if rest == "?state=failed" {
            browser.press(&["?"])?;
        }
        let scheme =
            browser.run("return getComputedStyle(document.documentElement).colorScheme")?;
        ensure!(scheme == theme, "{scheme} instead of {theme}");
        let found = browser.run(CONTRASTS)?;
        let found = found.as_array().cloned().unwrap_or_default();
        ensure!(found.len() > 10, "{rest}: {} texts", found.len());
        let poor: Vec<_> = found
            .iter()
            .filter(|text| text["ratio"].as_f64() < Some(4.5))
            .collect();
        ensure!(poor.is_empty(), "{theme} {rest}: {poor:#?}");
    }
    Ok(())
}

#[test]
fn every_word_is_readable_on_a_light_page() -> Result<()> {
    readable("light")
}

#[test]
fn every_word_is_readable_on_a_dark_page() -> Result<()> {
    readable("dark")
}
