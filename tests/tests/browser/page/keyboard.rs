//! Hands on the keyboard, and what a screen reader is told.

use anyhow::{Result, ensure};
use serde_json::json;

use super::*;

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
    browser.see("no details", NO_DETAILS, |gone| *gone == true)?;
    browser.press(&["2"])?;
    browser.see("the nodes", ADDRESS, |text| {
        text.as_str()
            .is_some_and(|text| text.contains("view=nodes"))
    })?;
    browser.reads("worker-3").map(drop)
}

#[test]
fn the_tab_key_goes_through_the_page_in_the_order_of_the_eye() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    browser.see("three rows", ROWS, |rows| *rows == 3)?;
    let focused = "const on = document.activeElement; return on.ariaLabel || on.id || on.ariaRowIndex || on.innerText || on.previousElementSibling?.innerText || on.tagName";
    let mut seen = Vec::new();
    for _ in 0..25 {
        browser.press(&["Tab"])?;
        let name = browser.run(focused)?;
        let name = name.as_str().unwrap_or_default();
        seen.push(
            name.lines()
                .next()
                .unwrap_or_default()
                .trim_end_matches(" ↑")
                .to_owned(),
        );
    }
    let expected = [
        "Skip to the pulls",
        "Pulls",
        "Nodes",
        "Registries",
        "Keys",
        "Colours: system",
        "Active",
        "Queued",
        "Failed",
        "Done",
        "search",
        "State",
        "Node",
        "Namespace",
        "Registry",
        "State",
        "Image",
        "Node and pod",
        "Progress",
        "Size",
        "Speed",
        "Time",
    ];
    ensure!(seen.starts_with(&expected.map(str::to_owned)), "{seen:?}");
    // One row stands for all of them: arrows do the rest.
    ensure!(
        seen.get(expected.len()).is_some_and(|row| row == "2"),
        "{seen:?}"
    );
    Ok(())
}

#[test]
fn details_give_the_keyboard_back_to_their_row() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    let row = "return document.activeElement?.getAttribute('aria-rowindex')";
    // Beside the table the row keeps the keyboard; over it, on a narrow screen, the details have it.
    for (width, taken) in [(1300, "2"), (420, "close square")] {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", &size)?;
        browser.open(&tracer.url(""))?;
        connected(&browser)?;
        browser.see("three rows", ROWS, |rows| *rows == 3)?;
        browser.press(&["/", "ArrowDown"])?;
        browser.see("the first row", row, |index| index == "2")?;
        browser.press(&["Enter"])?;
        browser.reads("Layers")?;
        let holder = "return document.activeElement?.getAttribute('aria-rowindex') ?? document.activeElement?.className";
        browser.see("who has the keyboard", holder, |holder| holder == taken)?;
        browser.press(&["Escape"])?;
        browser.see("no details", NO_DETAILS, |gone| *gone == true)?;
        browser.see("the row again", row, |index| index == "2")?;
    }
    Ok(())
}

#[test]
fn keys_are_listed_and_the_colours_are_remembered() -> Result<()> {
    let tracer = Tracer::start()?;
    let browser = live(&tracer, "")?;
    browser.press(&["?"])?;
    let dialog = "return document.querySelector('dialog').open";
    browser.see("the keys", dialog, |open| *open == true)?;
    browser.press(&["2", "Escape"])?;
    browser.see("no keys", dialog, |open| *open == false)?;
    let address = browser.run(ADDRESS)?;
    ensure!(address == "", "a key went past the dialog: {address}");
    let scheme = "return getComputedStyle(document.documentElement).colorScheme";
    for expected in ["light", "dark"] {
        browser.press(&["t"])?;
        browser.see("the colours", scheme, |scheme| scheme == expected)?;
    }
    browser.reload()?;
    connected(&browser)?;
    browser
        .see("the colours after a reload", scheme, |scheme| {
            scheme == "dark"
        })
        .map(drop)
}

/// What assistive technology gets to know, by role; nothing that can be used or measured may be without a name.
#[test]
fn everything_that_can_be_used_has_a_name() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    for rest in [
        "?open=worker-1%3Aa",
        "?view=nodes",
        "?view=registries",
        "?state=failed&open=worker-3%3Ac",
    ] {
        browser.open(&tracer.url(rest))?;
        connected(&browser)?;
        browser.reads("registry.example.com")?;
        let tree = browser.devtools("Accessibility.getFullAXTree", &json!({}))?;
        let mut named = 0;
        for node in tree["nodes"].as_array().into_iter().flatten() {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            let used = [
                "button",
                "link",
                "searchbox",
                "combobox",
                "grid",
                "row",
                "progressbar",
                "image",
                "complementary",
                "article",
            ];
            if node["ignored"] == json!(true) || !used.contains(&role) {
                continue;
            }
            let name = node["name"]["value"].as_str().unwrap_or_default();
            ensure!(
                !name.trim().is_empty(),
                "{rest}: a {role} without a name: {node}"
            );
            named += 1;
        }
        ensure!(named > 15, "{rest}: only {named} things were seen");
    }
    Ok(())
}

#[test]
fn nothing_glides_for_those_who_asked_for_less_motion() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    let browser = live(&tracer, "")?;
    browser.see("three rows", ROWS, |rows| *rows == 3)?;
    let moving = "return [...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s' || getComputedStyle(e).animationName !== 'none').length";
    for (wish, glides) in [("no-preference", true), ("reduce", false)] {
        let media = json!({"features": [{"name": "prefers-reduced-motion", "value": wish}]});
        browser.devtools("Emulation.setEmulatedMedia", &media)?;
        let count = browser.run(moving)?;
        ensure!((count != 0) == glides, "{wish}: {count}");
    }
    Ok(())
}
