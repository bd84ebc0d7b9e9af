//! What somebody sees and does.

mod details;
mod keyboard;
mod line;
mod pods;
mod screens;
mod smooth;
mod views;

use anyhow::Result;

use super::chromium::{Browser, until};
use super::feed::{Tracer, ended, failed, pull};
use super::http::request;

const NOT_FOUND: &str =
    "failed to resolve reference: registry.example.com/shop/cart:9.9: not found";
const FIRST_BAR: &str =
    "return document.querySelector('.rows [role=progressbar]')?.getAttribute('aria-valuenow')";
const ADDRESS: &str = "return location.search";
const NO_DETAILS: &str = "return document.querySelector('aside.details') === null";
const ROWS: &str = "return document.querySelectorAll('.rows [role=row]').length";

/// A page that is connected.
fn live(tracer: &Tracer, rest: &str) -> Result<Browser> {
    let browser = Browser::start()?;
    browser.open(&tracer.url(rest))?;
    connected(&browser)?;
    Ok(browser)
}

fn connected(browser: &Browser) -> Result<()> {
    let script = "return document.querySelector('.connection')?.innerText";
    browser
        .see("a live page", script, |text| text == "Live")
        .map(drop)
}

fn three_pulls(tracer: &Tracer) -> Result<()> {
    tracer.report(
        "worker-1",
        &[pull("a", "registry.example.com/shop/cart:1.4", 90, 40)],
        &[],
    )?;
    tracer.report(
        "worker-2",
        &[pull("b", "docker.io/library/redis:7", 45, 70)],
        &[],
    )?;
    tracer.report(
        "worker-3",
        &[],
        &[failed(
            pull("c", "registry.example.com/shop/cart:9.9", 0, 0),
            "not-found",
            NOT_FOUND,
        )],
    )
}

#[test]
fn a_pull_appears_moves_and_ends_while_somebody_looks() -> Result<()> {
    let tracer = Tracer::start()?;
    let browser = live(&tracer, "")?;
    browser.reads("No image is being pulled")?;
    for percent in [25, 75] {
        tracer.report(
            "worker-1",
            &[pull(
                "a",
                "registry.example.com/shop/cart:1.4",
                100,
                percent,
            )],
            &[],
        )?;
        let shown = serde_json::Value::from(percent.to_string());
        browser.see("the bar", FIRST_BAR, |now| *now == shown)?;
    }
    browser.reads("shop/cart")?;
    browser.reads("Downloading")?;
    tracer.report(
        "worker-1",
        &[],
        &[ended(pull(
            "a",
            "registry.example.com/shop/cart:1.4",
            100,
            100,
        ))],
    )?;
    let badge = "return document.querySelector('.rows .badge')?.innerText";
    browser.see("the end", badge, |text| text == "Done")?;
    browser
        .see("the bar", FIRST_BAR, |now| now == "100")
        .map(drop)
}
