//! What is left of a session: found by the mark that stands in every name, shown, removed.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::Engine;

/// Names of sessions begin so; the process that owns one follows.
pub(super) const PREFIX: &str = "bt";

/// Everything in the engine whose name holds `mark`.
pub(super) async fn in_engine(engine: &Engine, mark: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (kind, names) in [
        ("container", engine.containers(mark).await?),
        ("network", engine.networks(mark).await?),
        ("volume", engine.volumes(mark).await?),
    ] {
        found.extend(names.into_iter().map(|name| format!("{kind} {name}")));
    }
    Ok(found)
}

/// The volumes that containers of the session mount; anonymous ones have no mark in their names.
pub(super) async fn mounted_volumes(engine: &Engine, mark: &str) -> Result<Vec<String>> {
    let mut volumes = Vec::new();
    for container in engine.containers(mark).await? {
        // It may be gone by now.
        let Ok(inspected) = engine.container(&container).await else {
            continue;
        };
        let mounts = inspected["Mounts"].as_array().cloned().unwrap_or_default();
        volumes.extend(
            mounts
                .iter()
                .filter(|mount| mount["Type"] == "volume")
                .filter_map(|mount| mount["Name"].as_str().map(String::from)),
        );
    }
    Ok(volumes)
}

/// Removes everything with the mark, containers first.
pub(super) async fn remove(engine: &Engine, mark: &str) -> Result<()> {
    for container in engine.containers(mark).await? {
        engine
            .run(&["rm", "--force", "--volumes", &container])
            .await?;
    }
    for network in engine.networks(mark).await? {
        for container in attached(engine, &network).await? {
            engine
                .run(&["network", "disconnect", "--force", &network, &container])
                .await?;
        }
        engine.run(&["network", "rm", &network]).await?;
    }
    for volume in engine.volumes(mark).await? {
        engine.run(&["volume", "rm", "--force", &volume]).await?;
    }
    for image in engine.images(mark).await? {
        engine.run(&["image", "rm", &image]).await?;
    }
    Ok(())
}

async fn attached(engine: &Engine, network: &str) -> Result<Vec<String>> {
    let inspected = engine.inspect("network", network).await?;
    let containers = inspected["Containers"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    Ok(containers.keys().cloned().collect())
}

/// Tests that were killed could not clean up: their sessions' processes are gone.
pub(super) async fn remove_of_killed_tests(engine: &Engine) -> Result<()> {
    let mut marks: Vec<String> = Vec::new();
    for found in in_engine(engine, PREFIX).await? {
        let words = found.split(|byte: char| !byte.is_ascii_alphanumeric());
        marks.extend(
            words
                .filter(|word| owner_is_gone(word))
                .map(|word| format!("{word}-")),
        );
    }
    marks.sort();
    marks.dedup();
    for mark in marks {
        // Another test may be at it, too.
        let _ = remove(engine, &mark).await;
    }
    Ok(())
}

/// Whether this is the mark of a process that does not run: `bt<process>x<number>`.
fn owner_is_gone(word: &str) -> bool {
    let owner = word
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('x'))
        .filter(|(owner, number)| {
            [owner, number]
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        });
    owner.is_some_and(|(owner, _)| !Path::new("/proc").join(owner).exists())
}

/// States and last log lines of the session's containers, for the reader of a failed test.
pub(super) async fn describe(engine: &Engine, mark: &str) -> String {
    let mut text = String::new();
    let names = engine.containers(mark).await.unwrap_or_default();
    for name in names {
        let state = match engine.container(&name).await {
            Ok(inspected) => inspected["State"].to_string(),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(text, "== {name}: {state} ==");
        let logs = engine
            .run_both(&["logs", "--tail", "25", &name])
            .await
            .unwrap_or_else(|error| error.to_string());
        for line in logs.lines() {
            let _ = writeln!(text, "{}", line.chars().take(400).collect::<String>());
        }
    }
    for kind in ["network", "volume"] {
        let listed = engine
            .run(&[kind, "ls", "--filter", &format!("name={mark}")])
            .await
            .unwrap_or_else(|error| error.to_string());
        let _ = writeln!(text, "== {kind}s ==\n{listed}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_of_processes_that_are_gone_are_swept() {
        let own = format!("{PREFIX}{}x0", std::process::id());
        assert!(!owner_is_gone(&own));
        assert!(owner_is_gone("bt4194305x0"));
        for other in ["bt", "btx", "bt12", "bt12xy", "server", "bt4194305y0"] {
            assert!(!owner_is_gone(other), "{other}");
        }
    }
}
