//! Wide and narrow screens.

use anyhow::{Result, ensure};
use serde_json::json;

use super::*;

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
