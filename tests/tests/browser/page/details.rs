//! A pull beside the table: cause, layers, addresses that open it.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_failed_pull_tells_its_cause_and_the_command_that_explains() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "?state=failed")?;
    browser.see("one row", ROWS, |rows| *rows == 1)?;
    let badge = "return document.querySelector('.rows .badge')?.innerText";
    browser.see("a failed row", badge, |text| text == "Failed")?;
    browser.run("document.querySelector('.rows [role=row]').click()")?;
    for words in [
        "not found",
        NOT_FOUND,
        "berth explain registry.example.com/shop/cart:9.9",
        "https://mirror.internal:5000/v2",
    ] {
        browser.reads(words)?;
    }
    // In the row, the cause stands where a bar would be.
    let cause = "return document.querySelector('.rows .row .progress').innerText";
    let cause = browser.run(cause)?;
    ensure!(cause == format!("Not found\n{NOT_FOUND}"), "{cause}");
    let bar = browser.run(FIRST_BAR)?;
    ensure!(bar.is_null(), "a failed pull shows {bar} per cent");
    // A registry's failures lead to these pulls.
    browser.press(&["3"])?;
    browser.see(
        "the registry's failures",
        "return [...document.querySelectorAll('.chips.bad button')].map(chip => chip.innerText)",
        |chips| *chips == json!(["Not found"]),
    )?;
    browser.run("document.querySelector('.chips.bad button').click()")?;
    browser.see("the failures' address", ADDRESS, |text| {
        text.as_str().is_some_and(|text| {
            text.contains("search=not-found&state=failed&registry=registry.example.com")
        })
    })?;
    browser.see("one row", ROWS, |rows| *rows == 1).map(drop)
}

/// A layer of a hundred bytes in a state.
fn layer(order: u64, state: &str, done: u64) -> Value {
    json!({
        "digest": format!("sha256:{order:064x}"), "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "totalBytes": 100 << 20, "downloadedBytes": done << 20, "totalKnown": true, "state": state, "order": order,
        "bytesPerSec": if state == "downloading" { 2_097_152.0 } else { 0.0 },
    })
}

#[test]
fn every_layer_says_its_state_and_moves_while_somebody_looks() -> Result<()> {
    let tracer = Tracer::start()?;
    let states = [
        ("cached", 100),
        ("waiting-shared", 0),
        ("done", 100),
        ("unpacking", 100),
        ("downloaded", 100),
        ("downloading", 40),
        ("queued", 0),
        ("failed", 10),
    ];
    let report = |downloaded: u64| {
        let mut cart = pull("a", "registry.example.com/shop/cart:1.4", 800, 55);
        let layers = (0..).zip(states).map(|(order, (state, done))| {
            let done = if state == "downloading" {
                downloaded
            } else {
                done
            };
            layer(order, state, done)
        });
        cart["layers"] = layers.collect();
        tracer.report("worker-1", &[cart], &[])
    };
    report(40)?;
    let browser = live(&tracer, "?open=worker-1%3Aa")?;
    let words =
        "return [...document.querySelectorAll('.layers .what')].map(what => what.innerText)";
    let expected = json!([
        "On the node before",
        "Another pull fetches it",
        "Done",
        "Unpacking",
        "Downloaded",
        "Downloading, 2.0 MiB/s",
        "Queued",
        "Failed"
    ]);
    browser.see("the layers' states", words, |words| *words == expected)?;
    browser.reads("40.0 of 100 MiB")?;
    report(70)?;
    browser.reads("70.0 of 100 MiB")?;
    let bar =
        "return document.querySelector('.layers .downloading .bar').getAttribute('aria-valuenow')";
    browser
        .see("the layer's bar", bar, |now| now == "70")
        .map(drop)
}

#[test]
fn an_address_brings_back_filters_order_and_the_open_pull() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    tracer.report(
        "worker-4",
        &[pull("d", "docker.io/library/nginx:1", 300, 10)],
        &[],
    )?;
    let rest = "?search=library&state=active&registry=docker.io&open=worker-2%3Ab&sort=-size";
    let browser = live(&tracer, rest)?;
    let names =
        "return [...document.querySelectorAll('.rows .repository')].map(name => name.innerText)";
    browser.see("the largest first", names, |names| {
        *names == json!(["library/nginx", "library/redis"])
    })?;
    browser.see(
        "the choices",
        "return [...document.querySelectorAll('.filters input, .filters select')].map(choice => choice.value)",
        |values| *values == json!(["library", "active", "", "", "docker.io"]),
    )?;
    browser.see(
        "the order",
        "return document.querySelector('[aria-sort]').className + ' ' + document.querySelector('[aria-sort]').ariaSort",
        |order| order == "size descending",
    )?;
    browser.see(
        "the details",
        "return document.querySelector('aside h2')?.innerText",
        |name| name == "docker.io/library/redis:7",
    )?;
    // Nothing of it is lost by looking elsewhere and coming back.
    browser.run("[...document.querySelectorAll('nav button')].at(-1).click()")?;
    browser.see("the registries", ADDRESS, |text| {
        text.as_str()
            .is_some_and(|text| text.starts_with("?view=registries&search=library"))
    })?;
    browser.run("history.back()")?;
    browser.see("the rows again", names, |names| {
        *names == json!(["library/nginx", "library/redis"])
    })?;
    browser.run("document.querySelector('.clear').click()")?;
    browser.see("every row", ROWS, |rows| *rows == 4).map(drop)
}

#[test]
fn an_address_of_a_pull_that_is_gone_says_so() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "?open=worker-1%3Along-ago")?;
    browser.reads("not known any more")?;
    browser.press(&["Escape"])?;
    browser
        .see("no details", NO_DETAILS, |gone| *gone == true)
        .map(drop)
}
