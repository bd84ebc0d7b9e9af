//! Nodes and registries: who moves what, how fast it was, who waits.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::super::feed::ago;
use super::*;

/// A pull that the kubelet asked for and the runtime did not begin.
fn queued(id: &str, image: &str, since: i64) -> Value {
    let mut pull = pull(id, image, 0, 0);
    pull["phase"] = json!("queued");
    pull["startedAt"] = json!(ago(since));
    pull["layers"] = json!([]);
    for nothing in ["totalKnown", "etaSeconds", "bytesPerSec", "digest"] {
        pull[nothing] = json!(null);
    }
    pull["totalKnown"] = json!(false);
    pull["bytesPerSec"] = json!(0.0);
    pull["digest"] = json!("");
    pull
}

#[test]
fn the_queue_of_a_serial_puller_stands_behind_its_pull_in_order() -> Result<()> {
    let tracer = Tracer::start()?;
    let cart = pull("a", "registry.example.com/shop/cart:1.4", 90, 40);
    let [postgres, redis] = [
        queued("q2", "docker.io/library/postgres:17", 12),
        queued("q1", "docker.io/library/redis:7", 40),
    ];
    tracer.report("worker-1", &[cart, postgres.clone(), redis.clone()], &[])?;
    tracer.report("worker-2", &[], &[])?;
    let browser = live(&tracer, "?view=nodes")?;
    browser.reads("Queue behind it 2")?;
    let queue = "return [...document.querySelectorAll('[aria-label=\"Node worker-1\"] .queue .repository')].map(name => name.innerText)";
    browser.see("the queue in its order", queue, |names| {
        *names == json!(["library/redis", "library/postgres"])
    })?;
    let moving = "return [...document.querySelectorAll('[aria-label=\"Node worker-1\"] .lines .repository')].map(name => name.innerText)";
    browser.see("what is before it", moving, |names| {
        *names == json!(["shop/cart"])
    })?;
    browser.see(
        "the node at rest",
        "return document.querySelector('.resting')?.innerText",
        |text| {
            text.as_str()
                .is_some_and(|text| text.contains("worker-2") && text.contains("containerd 1.7.24"))
        },
    )?;
    // The next one moves up while somebody looks.
    let redis = pull("q1", "docker.io/library/redis:7", 45, 5);
    tracer.report("worker-1", &[postgres, redis], &[])?;
    browser.see("a shorter queue", queue, |names| {
        *names == json!(["library/postgres"])
    })?;
    browser.press(&["1"])?;
    browser.run("[...document.querySelectorAll('.tile')].find(tile => tile.innerText.startsWith('Queued')).click()")?;
    browser.see("one row", ROWS, |rows| *rows == 1)?;
    browser.reads("behind another pull")
}

#[test]
fn a_node_whose_runtime_is_gone_comes_first_and_says_so() -> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    tracer.report_runtime("worker-9", "unreachable")?;
    let browser = live(&tracer, "?view=nodes")?;
    browser
        .see(
            "the first node",
            "return document.querySelector('.card')?.innerText",
            |text| {
                text.as_str().is_some_and(|text| {
                    text.starts_with("worker-9") && text.contains("runtime not reachable")
                })
            },
        )
        .map(drop)
}

/// How many points of a line are above the ground.
fn raised(of: &str) -> String {
    format!(
        "const svg = document.querySelector('{of} .spark'); const line = svg?.querySelector('.line')?.getAttribute('d') ?? '';
         const ground = svg?.viewBox.baseVal.height - 2;
         return line.slice(1).split('L').filter(point => point && Number(point.split(',')[1]) < ground).length"
    )
}

#[test]
fn a_page_that_opens_late_shows_what_moved_before_it_of_all_of_nodes_and_of_registries()
-> Result<()> {
    let tracer = Tracer::start()?;
    three_pulls(&tracer)?;
    // Seconds pass at the server while nobody looks.
    until("a past", || {
        let (_, past) = request(tracer.port, "GET", "/api/v1/throughput", None)?;
        let all = past["series"]["all"].as_array().map_or(0, Vec::len);
        ensure!(all >= 4, "{past}");
        Ok(())
    })?;
    let ended_cart = ended(pull("a", "registry.example.com/shop/cart:1.4", 90, 100));
    tracer.report("worker-1", &[], &[ended_cart])?;
    tracer.report(
        "worker-2",
        &[],
        &[ended(pull("b", "docker.io/library/redis:7", 45, 100))],
    )?;
    let browser = live(&tracer, "")?;
    let past = |of: &str| browser.see(of, &raised(of), |points| points.as_u64() >= Some(4));
    past(".speed")?;
    browser.press(&["3"])?;
    past("[aria-label=\"Registry docker.io\"]")?;
    past("[aria-label=\"Registry registry.example.com\"]")?;
    // A node's card is there while the node pulls.
    tracer.report(
        "worker-1",
        &[pull("z", "registry.example.com/shop/web:2", 90, 10)],
        &[],
    )?;
    browser.press(&["2"])?;
    past("[aria-label=\"Node worker-1\"]")?;
    let label = browser.run("return document.querySelector('[aria-label=\"Node worker-1\"] .spark').getAttribute('aria-label')")?;
    ensure!(
        label
            .as_str()
            .is_some_and(|label| label.contains("at most 6.2 MiB/s")),
        "{label}"
    );
    Ok(())
}
