//! What somebody sees and does.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::chromium::Browser;
use super::feed::{Tracer, ended, failed, pull};

const NOT_FOUND: &str =
    "failed to resolve reference: registry.example.com/shop/cart:9.9: not found";
const FIRST_BAR: &str =
    "return document.querySelector('.rows [role=progressbar]')?.getAttribute('aria-valuenow')";
const ADDRESS: &str = "return location.search";
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
    let percent = browser.run(FIRST_BAR)?;
    ensure!(percent != "100", "a failed pull looks complete");
    Ok(())
}

#[test]
fn the_keyboard_is_enough_and_the_address_carries_the_filter() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    browser.see("three rows", ROWS, |rows| *rows == 3)?;
    browser.press(&["/"])?;
    browser.type_text("shop worker")?;
    browser.see("two rows", ROWS, |rows| *rows == 2)?;
    browser.see("the filter in the address", ADDRESS, |text| {
        text == "?search=shop+worker"
    })?;
    browser.reload()?;
    connected(&browser)?;
    browser.see("the filter after a reload", ROWS, |rows| *rows == 2)?;
    let typed = browser.run("return document.getElementById('search').value")?;
    ensure!(typed == "shop worker", "{typed}");

    // From the search into the rows, down and up, into the details and out.
    browser.press(&["/", "ArrowDown"])?;
    let row = "return document.activeElement?.getAttribute('aria-rowindex')";
    browser.see("the first row", row, |index| index == "2")?;
    browser.press(&["ArrowDown"])?;
    browser.see("the second row", row, |index| index == "3")?;
    browser.press(&["ArrowUp"])?;
    browser.see("the first row again", row, |index| index == "2")?;
    browser.press(&["Enter"])?;
    let details = "return document.querySelector('aside.details h2')?.innerText ?? ''";
    browser.see("the details", details, |text| {
        text.as_str().is_some_and(|text| text.contains("shop/cart"))
    })?;
    browser.see("the pull in the address", ADDRESS, |text| {
        text.as_str().is_some_and(|text| text.contains("open="))
    })?;
    browser.press(&["Escape"])?;
    browser.see(
        "no details",
        "return document.querySelector('aside.details') === null",
        |gone| *gone == true,
    )?;
    browser.press(&["2"])?;
    browser.see("the nodes", ADDRESS, |text| {
        text.as_str()
            .is_some_and(|text| text.contains("view=nodes"))
    })?;
    browser.reads("worker-3").map(drop)
}

#[test]
fn a_narrow_screen_shows_everything_without_a_sideways_scroll() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    let narrow = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": false});
    browser.devtools("Emulation.setDeviceMetricsOverride", &narrow)?;
    for rest in ["", "?view=nodes", "?view=registries", "?state=failed"] {
        browser.open(&tracer.url(rest))?;
        connected(&browser)?;
        browser.reads("Image pulls")?;
        let width = browser.run(
            "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)",
        )?;
        ensure!(width.as_u64() <= Some(360), "{rest}: {width} pixels");
        // What a row says must be inside the screen, not cut away.
        let outside = browser.run(
            "return [...document.querySelectorAll('.rows .badge, .rows .name, .rows .percent, .connection, nav button')]
               .filter(e => e.getBoundingClientRect().width > 0)
               .filter(e => e.getBoundingClientRect().left < 0 || e.getBoundingClientRect().right > 361).map(e => e.className || e.innerText)",
        )?;
        ensure!(outside == json!([]), "{rest}: {outside}");
    }
    browser.open(&tracer.url(""))?;
    browser.see("three rows", ROWS, |rows| *rows == 3)?;
    browser.run("document.querySelector('.rows [role=row]').click()")?;
    browser.reads("Layers")?;
    let width = browser
        .run("return document.querySelector('aside.details').getBoundingClientRect().right")?;
    ensure!(
        width.as_f64().is_some_and(|right| right <= 361.0),
        "the details end at {width}"
    );
    Ok(())
}

#[test]
fn nothing_is_cut_off_beside_the_details() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    browser.see("three rows", ROWS, |rows| *rows == 3)?;
    browser.run("document.querySelector('.rows [role=row]').click()")?;
    browser.reads("Layers")?;
    for width in [760, 1000, 1101, 1180, 1280, 1600] {
        let size = json!({"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", &size)?;
        let cut = "const edge = document.querySelector('.table').getBoundingClientRect().right;
                   return [...document.querySelectorAll('.rows [role=gridcell], .head [role=columnheader]')]
                     .filter(cell => cell.getBoundingClientRect().right > edge).map(cell => cell.className)";
        browser.see(&format!("whole rows at {width} pixels"), cut, |cut| {
            *cut == json!([])
        })?;
    }
    Ok(())
}

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
fn a_thousand_pulls_stay_smooth() -> Result<()> {
    let tracer = Tracer::start()?;
    let round = |percent: u64| -> Result<()> {
        for node in 0..50 {
            let pulls: Vec<Value> = (0..20)
                .map(|number| {
                    pull(
                        &format!("{number}"),
                        &format!("registry.example.com/team-{node}/app-{number}:1"),
                        80,
                        percent,
                    )
                })
                .collect();
            tracer.report(&format!("worker-{node:02}"), &pulls, &[])?;
        }
        Ok(())
    };
    round(10)?;
    let browser = live(&tracer, "")?;
    browser.reads("1000 pulls")?;
    browser.devtools("Performance.enable", &json!({"timeDomain": "threadTicks"}))?;
    let before = busy(&browser)?;
    browser.run(
        "window.long = []; window.frames = [];
         new PerformanceObserver(list => list.getEntries().forEach(e => window.long.push(e.duration))).observe({entryTypes: ['longtask']});
         let last = performance.now();
         const step = now => {
           window.frames.push(now - last); last = now;
           const box = document.querySelector('.scroll');
           if (box) box.scrollTop = (box.scrollTop + 60) % (box.scrollHeight - box.clientHeight);
           requestAnimationFrame(step);
         };
         requestAnimationFrame(step);",
    )?;
    for percent in [20, 30, 40, 50] {
        round(percent)?;
    }
    browser.see(
        "three hundred frames",
        "return window.frames.length",
        |count| count.as_u64() >= Some(300),
    )?;
    let rows = browser.run(ROWS)?;
    ensure!(rows.as_u64() < Some(80), "{rows} rows exist at once");
    let script = "const sorted = [...window.frames].sort((a, b) => a - b); const at = share => Math.round(sorted[Math.floor(sorted.length * share)]);
                  return {frames: sorted.length, median: at(0.5), p95: at(0.95), long: window.long.length, longest: Math.max(0, ...window.long)}";
    let found = browser.run(script)?;
    let per_frame = (busy(&browser)? - before) * 1000.0 / found["frames"].as_f64().unwrap_or(1.0);
    println!("1,000 pulls: {found}, {per_frame:.1} ms of processor a frame");
    // Sixty pictures a second have 16.7 ms each. What counts is the processor's time, since others may use the machine, too.
    ensure!(per_frame < 12.0, "{per_frame:.1} ms a frame; {found}");
    ensure!(
        found["median"].as_f64().is_some_and(|median| median < 50.0),
        "{found}"
    );
    Ok(())
}

/// Seconds of processor time that the page's main thread has used.
fn busy(browser: &Browser) -> Result<f64> {
    let metrics = browser.devtools("Performance.getMetrics", &json!({}))?;
    let mut metrics = metrics["metrics"].as_array().into_iter().flatten();
    let found = metrics.find(|metric| metric["name"] == "TaskDuration");
    found
        .and_then(|metric| metric["value"].as_f64())
        .context("no TaskDuration")
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
