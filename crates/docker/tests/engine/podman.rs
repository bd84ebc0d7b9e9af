//! Podman behind Docker's API: where its answers differ, callers see no difference.

use docker::image::{Format, Reader};
use docker::models::{EndpointSettings, NetworkCreateRequest, NetworkingConfig};
use docker::{Command, Digest};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::fixture::{Container, IMAGE, podman_with_image, run, shell, unique};

#[tokio::test]
async fn podman_is_recognised() {
    let facts = podman_with_image().await.facts().await.unwrap();
    assert!(facts.is_podman && facts.api_version >= (1, 41), "{facts:?}");
    assert!(
        facts.cgroup_version.is_some() && !facts.storage_driver.is_empty(),
        "{facts:?}"
    );
}

#[tokio::test]
async fn podmans_refusals_are_told_apart_as_dockers_are() {
    let engine = podman_with_image().await;
    let container = Container::create(&engine, shell("exec sleep 1000", "")).await;
    let taken = engine
        .create(&container.name, shell("true", ""))
        .await
        .unwrap_err();
    assert!(taken.is_conflict(), "{taken}");
    let not_running = engine
        .exec(&container.name, &Command::new(["true"]), None)
        .await
        .unwrap_err();
    assert!(not_running.is_conflict(), "{not_running}");
    engine.start(&container.name).await.unwrap();
    engine.start(&container.name).await.unwrap();
    let running = engine
        .remove(&container.name, false, true)
        .await
        .unwrap_err();
    assert!(running.is_conflict(), "{running}");
    let missing = engine.start("berth-docker-gone").await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    let missing = engine
        .save(&["berth-docker-gone:1"])
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert!(missing.to_string().contains("image not known"), "{missing}");
    assert_eq!(
        engine
            .get_file(&container.name, "/none/at/all")
            .await
            .unwrap(),
        None
    );
    let gone = engine
        .get_file("berth-docker-gone", "/etc/release")
        .await
        .unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
}

#[tokio::test]
async fn podman_takes_files_and_runs_commands() {
    let engine = podman_with_image().await;
    let container = Container::create(&engine, shell("exec sleep 1000", "")).await;
    engine
        .put_file(&container.name, "/etc/new/deep/file", 0o600, "one")
        .await
        .unwrap();
    engine.start(&container.name).await.unwrap();
    let command = Command::new([
        "stat",
        "-c",
        "%a %u %n",
        "/etc/new",
        "/etc/new/deep/file",
        "/tmp",
    ]);
    let output = engine.exec(&container.name, &command, None).await.unwrap();
    assert_eq!(
        output.stdout_text(),
        "755 0 /etc/new\n600 0 /etc/new/deep/file\n1777 0 /tmp\n"
    );
    let read = engine
        .get_file(&container.name, "/etc/new/deep/file")
        .await
        .unwrap();
    assert_eq!(read.as_deref(), Some(&b"one"[..]));

    let megabytes = || stream::iter((0..20).map(|_| Ok(vec![7; 1024 * 1024].into()))).boxed();
    let counted = engine
        .exec(
            &container.name,
            &Command::new(["wc", "-c"]),
            Some(megabytes()),
        )
        .await
        .unwrap();
    assert_eq!(counted.stdout_text().trim(), (20 * 1024 * 1024).to_string());
    let early = Command::new(["sh", "-c", "head -c 1 >/dev/null; exit 5"]);
    let output = engine
        .exec(&container.name, &early, Some(megabytes()))
        .await
        .unwrap();
    assert_eq!(output.exit_code, 5);
}

#[tokio::test]
async fn podmans_networks_are_found_and_known_to_be_in_use() {
    let engine = podman_with_image().await;
    let name = unique("network");
    let request = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".into()),
        ..NetworkCreateRequest::default()
    };
    engine.create_network(request).await.unwrap();
    let mut body = shell("exec sleep 1000", "");
    body.networking_config = Some(NetworkingConfig {
        endpoints_config: Some([(name.clone(), EndpointSettings::default())].into()),
    });
    // As k3d has it.
    body.host_config.as_mut().unwrap().network_mode = Some("bridge".into());
    let container = Container::create(&engine, body).await;
    engine.start(&container.name).await.unwrap();
    assert_eq!(engine.networks_named(&name).await.unwrap().len(), 1);
    let networks = engine
        .inspect(&container.name)
        .await
        .unwrap()
        .network_settings
        .unwrap()
        .networks
        .unwrap();
    assert_eq!(networks.keys().collect::<Vec<_>>(), [&name]);
    let busy = engine.remove_network(&name).await.unwrap_err();
    assert!(busy.is_in_use(), "{busy}");
    drop(container);
    engine.remove_network(&name).await.unwrap();
}

#[tokio::test]
async fn what_podman_saves_is_read() {
    let engine = podman_with_image().await;
    let layers = engine.layers(IMAGE).await.unwrap().unwrap();
    let mut reader = Reader::new(engine.save(&[IMAGE])).with_layers(&layers);
    let mut passed = Vec::new();
    while let Some(blob) = reader.next().await.unwrap() {
        passed.push(blob.digest.unwrap());
    }
    assert_eq!(passed, layers);
    let archive = reader.finish().await.unwrap();
    assert_eq!(archive.format, Format::Legacy);
    // The same manifest as from Docker: it follows from configuration and layers.
    let docker = run("docker", &["save", IMAGE]);
    let from_docker = Reader::new(crate::fixture::stream_of(docker))
        .finish()
        .await
        .unwrap();
    let digest =
        |archive: &docker::image::Archive| -> Digest { archive.images[0].target.digest.clone() };
    assert_eq!(digest(&archive), digest(&from_docker));
}
