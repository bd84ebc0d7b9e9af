//! The line to the server: what goes over it, and what a break looks like.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_server_that_goes_is_told_with_its_age_and_found_again() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    browser.see("three rows", ROWS, |rows| *rows == 3)?;
    tracer.stop();
    let age = "const found = document.querySelector('.banner')?.innerText.match(/Not connected for (\\d+)\\s*s/); return found ? Number(found[1]) : -1";
    browser.see("the banner with its age", age, |seconds| {
        seconds.as_i64() >= Some(2)
    })?;
    let rows = browser.run(ROWS)?;
    ensure!(rows == 3, "what was known is gone: {rows}");
    // Clocks of pulls stand still: nobody knows what became of them.
    let clocks = "return [...document.querySelectorAll('.rows .time')].map(time => time.innerText)";
    let before = browser.run(clocks)?;
    browser.see("a later moment", age, |seconds| seconds.as_i64() >= Some(5))?;
    let after = browser.run(clocks)?;
    ensure!(after == before, "{before} became {after}");
    tracer.again()?;
    connected(&browser)?;
    browser.see(
        "no banner",
        "return document.querySelector('.banner') === null",
        |gone| *gone == true,
    )?;
    // Agents send everything again to a server that starts.
    tracer.report(
        "worker-2",
        &[pull("b", "docker.io/library/redis:7", 45, 90)],
        &[],
    )?;
    let bars = "return [...document.querySelectorAll('.rows [role=progressbar]')].map(bar => bar.getAttribute('aria-valuenow'))";
    browser
        .see("the newer state", bars, |bars| {
            bars.as_array()
                .is_some_and(|bars| bars.contains(&json!("90")))
        })
        .map(drop)
}

#[test]
fn the_page_asks_nobody_but_its_server() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    for rest in ["", "?view=nodes", "?view=registries"] {
        browser.open(&tracer.url(rest))?;
        connected(&browser)?;
    }
    let origin = tracer.url("");
    let mut asked = 0;
    for entry in browser.log("performance")? {
        let message: Value =
            serde_json::from_str(entry["message"].as_str().context("no message")?)?;
        let message = &message["message"];
        if message["method"] != "Network.requestWillBeSent" {
            continue;
        }
        let url = message["params"]["request"]["url"]
            .as_str()
            .unwrap_or_default();
        // What the browser itself opens before the page.
        if url.starts_with("chrome") || url.starts_with("data:") {
            continue;
        }
        ensure!(url.starts_with(&origin), "the page asks {url}");
        asked += 1;
    }
    ensure!(asked > 10, "only {asked} requests were seen");
    let complaints: Vec<_> = browser
        .log("browser")?
        .iter()
        .map(|entry| entry["message"].to_string())
        .collect();
    ensure!(complaints.is_empty(), "the console says: {complaints:#?}");
    Ok(())
}

/// Requests of the page and events of its line, as DevTools saw them since the last call.
fn heard(browser: &Browser) -> Result<(Vec<String>, Vec<Value>)> {
    let (mut urls, mut events) = (Vec::new(), Vec::new());
    for entry in browser.log("performance")? {
        let message: Value =
            serde_json::from_str(entry["message"].as_str().context("no message")?)?;
        let parameters = &message["message"]["params"];
        match message["message"]["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                urls.extend(parameters["request"]["url"].as_str().map(str::to_owned));
            }
            Some("Network.eventSourceMessageReceived") => {
                let data = parameters["data"].as_str().unwrap_or_default();
                let data: Value = serde_json::from_str(data).unwrap_or_default();
                if data["pull"].is_object() {
                    events.push(data["pull"].clone());
                }
            }
            _ => {}
        }
    }
    Ok((urls, events))
}

#[test]
fn layers_come_for_the_pull_that_is_looked_at_and_nothing_comes_twice() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    browser.see("three rows", ROWS, |rows| *rows == 3)?;
    let both = |percent: u64| {
        tracer.report(
            "worker-1",
            &[pull("a", "registry.example.com/shop/cart:1.4", 90, percent)],
            &[],
        )?;
        tracer.report(
            "worker-2",
            &[pull("b", "docker.io/library/redis:7", 45, percent)],
            &[],
        )
    };
    let arrived = |percent: &str| {
        let bars = "return [...document.querySelectorAll('.rows [role=progressbar]')].map(bar => bar.getAttribute('aria-valuenow'))";
        browser
            .see("both pulls", bars, |bars| {
                *bars == json!([percent, percent])
            })
            .map(drop)
    };
    both(75)?;
    arrived("75")?;
    let (urls, events) = heard(&browser)?;
    let line = urls
        .iter()
        .find(|url| url.contains("/events?"))
        .context("no line")?;
    ensure!(
        line.contains("layers=false") && line.contains("lastEventId="),
        "{line}"
    );
    ensure!(
        urls.iter().any(|url| url.contains("/pulls?layers=false")),
        "{urls:?}"
    );
    // The list was the snapshot: what it held is not told again.
    let ids: std::collections::BTreeSet<_> = events
        .iter()
        .filter_map(|pull| pull["id"].as_str())
        .collect();
    ensure!(events.len() == 2 && ids.len() == 2, "{events:#?}");
    ensure!(
        events.iter().all(|pull| pull["layers"].is_null()),
        "layers came for nobody"
    );

    let open = "const row = [...document.querySelectorAll('.rows [role=row]')].find(row => row.innerText.includes('shop/cart') && row.innerText.includes('1.4')); row.click()";
    browser.run(open)?;
    browser.reads("Layers")?;
    until("the new line", || {
        let (urls, _) = heard(&browser)?;
        ensure!(
            urls.iter().any(|url| url.contains("/events?")
                && url.contains("layers=worker-1%3Aa")
                && url.contains("lastEventId=")),
            "{urls:?}"
        );
        Ok(())
    })?;
    both(85)?;
    arrived("85")?;
    let (_, events) = heard(&browser)?;
    let with: Vec<_> = events
        .iter()
        .filter(|pull| pull["layers"].is_array())
        .map(|pull| pull["id"].clone())
        .collect();
    ensure!(with == [json!("worker-1:a")], "layers of {with:?}");
    ensure!(events.len() == 2, "{events:#?}");
    Ok(())
}
