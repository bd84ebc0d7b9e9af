//! Engines with the overlay2 graph driver, the old one and a newer one.

use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use berth_gateway::sources::{Kind, Settings, Sources};

use crate::fixture::{Host, Image, add, content, noise, run};

/// The archive of a folder, as a program of the GNU project writes it.
fn tar_of(folder: &Path, options: &[&str]) -> Vec<u8> {
    let folder = folder.display().to_string();
    let always = [
        "--sort=name",
        "--mtime=@1700000000",
        "--numeric-owner",
        "-C",
        &folder,
        "-cf",
        "-",
        ".",
    ];
    run("tar", &[options, &always].concat())
}

/// Files of every kind that an archive can hold without being root of a device.
fn odd_files(folder: &Path) {
    let write = |path: &str, content: &[u8]| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("usr/lib/data", &noise(1, 300_000));
    write("empty", b"");
    write("one", b"1");
    write("block", &noise(2, 512));
    write(
        &format!("{}/{}", "deep/".repeat(30), "n".repeat(200)),
        b"a long name",
    );
    write("names with spaces and \u{fc}", b"x");
    let raw = folder.join(std::ffi::OsStr::from_bytes(b"no utf-8 \xff\xfe"));
    std::fs::write(raw, b"raw").unwrap();
    std::fs::hard_link(folder.join("usr/lib/data"), folder.join("usr/lib/hard")).unwrap();
    symlink("usr/lib", folder.join("lib")).unwrap();
    symlink("/etc/passwd", folder.join("absolute")).unwrap();
    symlink("nowhere", folder.join("n".repeat(150))).unwrap();
    let mut sparse = std::fs::File::create(folder.join("sparse")).unwrap();
    sparse.set_len(900_000).unwrap();
    sparse.write_all(b"begin").unwrap();
    run("mkfifo", &[&folder.join("pipe").display().to_string()]);
    let program = folder.join("program");
    std::fs::write(&program, b"program").unwrap();
    run(
        "setcap",
        &["cap_net_raw+ep", &program.display().to_string()],
    );
}

async fn odd_layers(host: &Host) {
    let folder = tempfile::tempdir().unwrap();
    odd_files(folder.path());
    let attributes = ["--xattrs", "--xattrs-include=*"];
    let layers = [
        tar_of(folder.path(), &["--format=gnu"]),
        tar_of(
            folder.path(),
            &[&["--format=pax"], &attributes[..]].concat(),
        ),
        // Whiteouts, and more at the end than there must be.
        {
            let mut archive = Vec::new();
            for name in [".wh.one", "usr/.wh..wh..opq", "usr/new"] {
                add(
                    &mut archive,
                    name,
                    if name == "usr/new" { b"new" } else { b"" },
                );
            }
            archive.resize(archive.len() + 20 * 1024, 0);
            archive
        },
    ];
    let image = host.load(&layers).await;
    let found = image.is_served_as_saved().await;
    for layer in &layers {
        let blob = &found.blobs[&berth_gateway::names::Digest::of(layer)];
        assert!(content(blob, 0..blob.size).await.unwrap() == *layer);
    }
}

async fn built_image(host: &Host) {
    let folder = tempfile::tempdir().unwrap();
    let (root, context) = (folder.path().join("root"), folder.path().join("context"));
    std::fs::create_dir_all(&context).unwrap();
    odd_files(&root_with_shell(&root));
    std::fs::write(
        context.join("root.tar"),
        tar_of(&root, &["--xattrs", "--xattrs-include=*"]),
    )
    .unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        "FROM scratch\nADD root.tar /\nENV A=b\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"rm one; rm -r /usr/lib; mkdir /usr/lib; \
         echo a > /usr/lib/a; ln /usr/lib/a /usr/lib/b; mkfifo /new\"]\nWORKDIR /work\nCOPY Dockerfile /work/\nLABEL a=b\n",
    )
    .unwrap();
    for with_buildkit in [false, true] {
        host.build(&context, with_buildkit)
            .is_served_as_saved()
            .await;
    }
}

fn root_with_shell(root: &Path) -> std::path::PathBuf {
    std::fs::create_dir_all(root.join("bin")).unwrap();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let busybox =
        busybox.expect("no static busybox: run tests/env/up, which installs busybox-static");
    std::fs::copy(busybox, root.join("bin/busybox")).unwrap();
    root.to_path_buf()
}

async fn many_layers(host: &Host) {
    let mut layers = Vec::new();
    for at in 0..40_u64 {
        let mut archive = Vec::new();
        // Some layers repeat, and some hold nothing at all.
        match at % 8 {
            6 => {}
            7 => add(&mut archive, "repeated", b"again"),
            _ => add(&mut archive, &format!("file{at}"), &noise(at, 40_000)),
        }
        archive.extend(docker::archive::end());
        layers.push(archive);
    }
    let image = host.load(&layers).await;
    let found = image.is_served_as_saved().await;
    assert_eq!(
        found.blobs.len(),
        30 + 2 + 1,
        "different layers and the configuration"
    );
}

async fn tags_that_move(host: &Host) {
    let layer = |text: &[u8]| {
        let mut archive = Vec::new();
        add(&mut archive, "text", text);
        archive
    };
    let first = host.load(&[layer(b"first")]).await;
    let before = first.is_served_as_saved().await;
    // Without its name it is removed by its id.
    let id = host
        .engine
        .image(&first.name)
        .await
        .unwrap()
        .unwrap()
        .id
        .unwrap();
    let _nameless = Image { host, name: id };
    let second = host.load(&[layer(b"second")]).await;
    host.docker(&["tag", &second.name, &first.name]);
    let after = first.is_served_as_saved().await;
    assert_ne!(before.manifest.digest, after.manifest.digest);
}

#[tokio::test]
async fn files_of_every_kind_come_as_they_were_loaded() {
    let host = Host::first().await;
    assert_eq!(host.sources.kind(), Kind::Overlay2);
    odd_layers(&host).await;
}

#[tokio::test]
async fn files_of_every_kind_come_as_they_were_loaded_on_newer_docker() {
    let host = Host::newer("BERTH_NEWER_DOCKER_GRAPH").await;
    assert_eq!(host.sources.kind(), Kind::Overlay2);
    odd_layers(&host).await;
}

#[tokio::test]
async fn what_the_engine_built_comes_as_it_saves_it() {
    built_image(&Host::first().await).await;
}

#[tokio::test]
async fn what_the_engine_built_comes_as_it_saves_it_on_newer_docker() {
    built_image(&Host::newer("BERTH_NEWER_DOCKER_GRAPH").await).await;
}

#[tokio::test]
async fn forty_layers_repeated_and_empty_ones_among_them() {
    many_layers(&Host::first().await).await;
}

#[tokio::test]
async fn forty_layers_repeated_and_empty_ones_among_them_on_newer_docker() {
    many_layers(&Host::newer("BERTH_NEWER_DOCKER_GRAPH").await).await;
}

#[tokio::test]
async fn a_name_that_means_another_image_is_found_anew() {
    tags_that_move(&Host::first().await).await;
}

/// The Engine does not save such an image at all.
#[tokio::test]
async fn an_image_without_layers_is_an_image() {
    let host = Host::first().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("Dockerfile"),
        "FROM scratch\nLABEL a=b\n",
    )
    .unwrap();
    let image = host.build(folder.path(), true);
    let found = image.found().await;
    let (digest, config) = found.blobs.first_key_value().unwrap();
    assert!(digest.is_of(&content(config, 0..config.size).await.unwrap()));
    assert_eq!(found.blobs.len(), 1);
}

#[tokio::test]
async fn an_archive_with_holes_is_served_right_or_not_at_all() {
    let host = Host::first().await;
    let folder = tempfile::tempdir().unwrap();
    odd_files(folder.path());
    // The Engine itself refuses the older way of writing holes.
    let layer = tar_of(folder.path(), &["--sparse", "--format=pax"]);
    let digest = berth_gateway::names::Digest::of(&layer);
    let image = host.load(&[layer]).await;
    if let Some(found) = host.find(&image.name).await {
        let blob = &found.blobs[&digest];
        let read = content(blob, 0..blob.size).await;
        assert!(read.is_err() || read.is_ok_and(|content| digest.is_of(&content)));
    }
}

#[tokio::test]
async fn a_data_root_that_appears_is_used_after_the_next_look() {
    let host = Host::first().await;
    let image = host.load(&[docker::archive::end().to_vec()]).await;
    let inspected = host.engine.image(&image.name).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().join("mount");
    let settings = Settings {
        data_root: Some(mount.clone()),
        ..Settings::default()
    };
    let sources = Sources::probe(&host.engine, &settings).await;
    assert_eq!(sources.kind(), Kind::Nothing);
    assert!(sources.find(&inspected).await.unwrap().is_none());
    symlink(host.engine.facts().await.unwrap().data_root, &mount).unwrap();
    sources.probe_again(&host.engine).await;
    assert_eq!(sources.kind(), Kind::Overlay2);
    assert_eq!(
        sources.find(&inspected).await.unwrap().unwrap().manifest,
        image.found().await.manifest
    );
}
