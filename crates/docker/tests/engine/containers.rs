//! Containers: life, files, logs, commands.

use std::time::Duration;

use docker::{Command, Engine, File};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::fixture::{Container, engine, engine_with_image, shell, unique};

#[tokio::test]
async fn the_engine_says_what_it_is() {
    let facts = engine().await.facts().await.unwrap();
    assert!(!facts.version.is_empty() && !facts.is_podman, "{facts:?}");
    assert!(facts.api_version >= (1, 41), "{facts:?}");
    assert_eq!(facts.os, "linux");
    assert!(
        !facts.name.is_empty() && !facts.storage_driver.is_empty(),
        "{facts:?}"
    );
    assert!(
        facts.cgroup_version.is_some() && facts.memory > 0,
        "{facts:?}"
    );
    assert!(facts.endpoint.contains("://"), "{facts:?}");
}

#[tokio::test]
async fn a_container_lives_from_creation_to_removal() {
    let engine = engine_with_image().await;
    let label = unique("life");
    let container = Container::create(&engine, shell("exec sleep 1000", &label)).await;
    let labels = format!("berth-docker-test={label}");

    let found = engine.containers(&[&labels]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].name.as_deref(),
        Some(format!("/{}", container.name).as_str())
    );
    assert_eq!(is_running(&engine, &container.name).await, Some(false));

    engine.start(&container.name).await.unwrap();
    engine.start(&container.name).await.unwrap();
    assert_eq!(is_running(&engine, &container.name).await, Some(true));

    let other_name = unique("renamed");
    engine.rename(&container.name, &other_name).await.unwrap();
    assert_eq!(is_running(&engine, &container.name).await, None);
    engine.rename(&other_name, &container.name).await.unwrap();

    engine.kill(&container.name, "SIGKILL").await.unwrap();
    assert_eq!(engine.wait(&container.name).await.unwrap(), 137);
    engine.start(&container.name).await.unwrap();
    engine
        .stop(&container.name, Some(Duration::from_secs(1)))
        .await
        .unwrap();
    engine.stop(&container.name, None).await.unwrap();
    assert_eq!(is_running(&engine, &container.name).await, Some(false));

    engine.start(&container.name).await.unwrap();
    let refused = engine
        .remove(&container.name, false, true)
        .await
        .unwrap_err();
    assert!(refused.is_conflict(), "{refused}");
    engine.remove(&container.name, true, true).await.unwrap();
    assert_eq!(is_running(&engine, &container.name).await, None);
    assert!(engine.containers(&[&labels]).await.unwrap().is_empty());
}

async fn is_running(engine: &Engine, name: &str) -> Option<bool> {
    let container = engine.container(name).await.unwrap()?;
    container.state.unwrap().running
}

#[tokio::test]
async fn failures_say_what_was_tried_and_can_be_told_apart() {
    let engine = engine_with_image().await;
    let container = Container::create(&engine, shell("true", "")).await;

    let taken = engine
        .create(&container.name, shell("true", ""))
        .await
        .unwrap_err();
    assert!(
        taken.is_conflict() && taken.says("already in use"),
        "{taken}"
    );
    assert!(
        taken
            .to_string()
            .starts_with(&format!("failed to create container {}: ", container.name))
    );

    let missing = engine.start("berth-docker-gone").await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    assert_eq!(
        missing.operation.to_string(),
        "start container berth-docker-gone"
    );

    let mut without_image = shell("true", "");
    without_image.image = Some("berth-docker-no-such-image:1".into());
    let no_image = engine
        .create(&unique("none"), without_image)
        .await
        .unwrap_err();
    assert!(
        no_image.is_not_found() && no_image.says("no such image"),
        "{no_image}"
    );
    assert!(
        no_image.to_string().contains("pull or build it first"),
        "{no_image}"
    );

    let elsewhere = engine.inspect("../images").await.unwrap_err();
    assert!(
        elsewhere.to_string().contains("cannot be the name"),
        "{elsewhere}"
    );
}

#[tokio::test]
async fn the_exit_code_of_a_container_is_waited_for() {
    let engine = engine_with_image().await;
    for (script, code) in [("true", 0), ("exit 7", 7)] {
        let container = Container::start(&engine, script).await;
        assert_eq!(engine.wait(&container.name).await.unwrap(), code);
    }
}

#[tokio::test]
async fn files_are_written_before_the_start_and_read_after_it() {
    let engine = engine_with_image().await;
    let script = "stat -c '%a %u %g %n' /etc/new /etc/new/deep /etc/new/deep/file /bin/script.sh /tmp; exec sleep 1000";
    let container = Container::create(&engine, shell(script, "")).await;
    let file = |path: &str, mode: u32, content: &'static str| File {
        path: path.into(),
        mode,
        content: content.into(),
    };
    let files = [
        file("/etc/new/deep/file", 0o600, "one"),
        file("/bin/script.sh", 0o744, "#!/bin/sh\necho ran\n"),
        file("/tmp/other", 0o644, "two"),
    ];
    engine.put_files(&container.name, &files).await.unwrap();
    engine.start(&container.name).await.unwrap();

    let lines: Vec<String> = engine
        .logs(&container.name, true, 0)
        .take(5)
        .try_collect()
        .await
        .unwrap();
    let expected = [
        "755 0 0 /etc/new",
        "755 0 0 /etc/new/deep",
        "600 0 0 /etc/new/deep/file",
        "744 0 0 /bin/script.sh",
        // A folder that was there keeps its mode.
        "1777 0 0 /tmp",
    ];
    assert_eq!(lines, expected);
    let ran = engine
        .exec(&container.name, &Command::new(["/bin/script.sh"]), None)
        .await
        .unwrap();
    assert_eq!(ran.stdout_text(), "ran\n");

    // Also into a running container, and over what is there.
    engine
        .put_file(&container.name, "/etc/new/deep/file", 0o644, "three")
        .await
        .unwrap();
    let read = engine
        .get_file(&container.name, "/etc/new/deep/file")
        .await
        .unwrap();
    assert_eq!(read.as_deref(), Some(&b"three"[..]));
    let through_a_link = engine
        .get_file(&container.name, "/var/release")
        .await
        .unwrap();
    assert_eq!(through_a_link.as_deref(), Some(&b"of the image\n"[..]));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_none_and_a_container_that_is_not_there_an_error() {
    let engine = engine_with_image().await;
    let container = Container::create(&engine, shell("true", "")).await;
    for path in ["/etc/none", "/none/at/all", "/etc/release/below"] {
        assert_eq!(
            engine.get_file(&container.name, path).await.unwrap(),
            None,
            "{path}"
        );
    }
    let missing = engine
        .get_file("berth-docker-gone", "/etc/release")
        .await
        .unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    let folder = engine.get_file(&container.name, "/etc").await.unwrap_err();
    assert!(folder.to_string().contains("/etc is no file"), "{folder}");
    let over_a_folder = engine.put_file(&container.name, "/etc", 0o644, "x").await;
    assert!(over_a_folder.is_err());
    let below_a_file = engine
        .put_file(&container.name, "/etc/release/below", 0o644, "x")
        .await
        .unwrap_err();
    assert!(below_a_file.says("not a directory"), "{below_a_file}");
    let nowhere = engine
        .put_file("berth-docker-gone", "/etc/x", 0o644, "x")
        .await
        .unwrap_err();
    assert!(nowhere.is_not_found(), "{nowhere}");
}

#[tokio::test]
async fn logs_come_as_lines_of_both_streams_and_end_with_the_container() {
    let engine = engine_with_image().await;
    let script = "echo out; echo err >&2; yes x | head -c 40000; echo; printf 'no end'";
    let container = Container::start(&engine, script).await;
    let mut lines: Vec<String> = engine
        .logs(&container.name, true, 0)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(lines.iter().filter(|line| *line == "x").count(), 20000);
    lines.retain(|line| line != "x");
    lines.sort();
    assert_eq!(lines, ["", "err", "no end", "out"]);
    let last: Vec<String> = engine
        .last_lines(&container.name, 1)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(last, ["no end"]);
    let missing = engine
        .logs("berth-docker-gone", false, 0)
        .next()
        .await
        .unwrap();
    assert!(missing.unwrap_err().is_not_found());
}

#[tokio::test]
async fn commands_give_their_output_and_their_exit_code() {
    let engine = engine_with_image().await;
    let container = Container::start(&engine, "exec sleep 1000").await;
    let command = Command {
        argv: ["sh", "-c", "echo $GREETING; echo no >&2; exit 3"]
            .map(String::from)
            .into(),
        env: vec!["GREETING=hello".into()],
        privileged: true,
    };
    let output = engine.exec(&container.name, &command, None).await.unwrap();
    assert_eq!((output.exit_code, output.is_success()), (3, false));
    assert_eq!(
        (output.stdout_text(), output.stderr_text()),
        ("hello\n".into(), "no\n".into())
    );

    let unknown = engine
        .exec(&container.name, &Command::new(["no-such-program"]), None)
        .await;
    assert!(!unknown.is_ok_and(|output| output.is_success()));
    let stopped = Container::create(&engine, shell("true", "")).await;
    let not_running = engine
        .exec(&stopped.name, &Command::new(["true"]), None)
        .await
        .unwrap_err();
    assert!(not_running.is_conflict(), "{not_running}");
}

#[tokio::test]
async fn a_command_is_fed_until_its_input_ends_or_it_does() {
    let engine = engine_with_image().await;
    let container = Container::start(&engine, "exec sleep 1000").await;
    let megabytes =
        |count: usize| stream::iter((0..count).map(|_| Ok(vec![7; 1024 * 1024].into()))).boxed();
    let counted = engine
        .exec(
            &container.name,
            &Command::new(["wc", "-c"]),
            Some(megabytes(20)),
        )
        .await
        .unwrap();
    assert_eq!(counted.stdout_text().trim(), (20 * 1024 * 1024).to_string());

    let early = Command::new(["sh", "-c", "head -c 1 >/dev/null; exit 5"]);
    let output = engine
        .exec(&container.name, &early, Some(megabytes(50)))
        .await
        .unwrap();
    assert_eq!(output.exit_code, 5);

    let broken = stream::iter([Err(std::io::Error::other("disk on fire"))]).boxed();
    let error = engine
        .exec(&container.name, &Command::new(["cat"]), Some(broken))
        .await
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "disk on fire");
}

#[tokio::test]
async fn exit_codes_are_right_for_commands_that_end_at_once() {
    let engine = engine_with_image().await;
    let container = Container::start(&engine, "exec sleep 1000").await;
    for code in [1, 0, 2, 0, 3, 0, 4, 0] {
        let command = Command::new(["sh".into(), "-c".into(), format!("exit {code}")]);
        let output = engine.exec(&container.name, &command, None).await.unwrap();
        assert_eq!(output.exit_code, code);
    }
}

#[tokio::test]
async fn events_tell_of_labelled_containers_only() {
    let engine = engine_with_image().await;
    let label = unique("events");
    let filter = format!("berth-docker-test={label}");
    let since = engine_time(&engine).await;
    let mine = Container::create(&engine, shell("true", &label)).await;
    let other = Container::create(&engine, shell("true", "")).await;
    engine.start(&other.name).await.unwrap();
    engine.start(&mine.name).await.unwrap();

    let events = engine.events(&[&filter], Some(since)).take(3);
    let events: Vec<_> =
        tokio::time::timeout(Duration::from_secs(60), events.try_collect::<Vec<_>>())
            .await
            .unwrap()
            .unwrap();
    let actions: Vec<_> = events
        .iter()
        .filter_map(|event| event.action.as_deref())
        .collect();
    assert_eq!(actions[..2], ["create", "start"]);
    for event in &events {
        let attributes = event.actor.clone().unwrap().attributes.unwrap();
        assert_eq!(attributes["name"], mine.name);
    }
}

/// The Engine runs on this machine's clock or, with another kernel, on one that may differ by seconds.
async fn engine_time(engine: &Engine) -> u64 {
    let container = Container::start(engine, "stat -c %Y /proc/self").await;
    engine.wait(&container.name).await.unwrap();
    let lines: Vec<String> = engine
        .logs(&container.name, false, 0)
        .try_collect()
        .await
        .unwrap();
    lines[0].parse().unwrap()
}
