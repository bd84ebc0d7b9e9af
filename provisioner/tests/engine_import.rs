//! `image import` on a real Engine, to nodes with a real containerd.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use docker::models::{ContainerCreateBody, HostConfig};
use docker::{Endpoint, Engine, Environment};
use futures::StreamExt as _;
use provisioner::import::{NodeError, Progress, Report, Source, SourceError, Sources};
use provisioner::import::{import, present};

const DEADLINE: Duration = Duration::from_secs(120);

/// Bytes of the layer of every image that is made here.
const LAYER: u64 = 24 << 20;

#[tokio::test]
async fn images_reach_all_nodes_and_the_second_time_almost_nothing_is_sent() {
    let engine = engine().await;
    let bench = Bench::new(&engine);
    let image = bench.image("first");
    let nodes = [bench.node().await, bench.node().await];
    let listed = present(&engine).await.unwrap();
    let short = image.strip_suffix(":latest").unwrap().to_owned();
    let sources = Sources::resolve(&[short], &listed, Path::is_file);
    assert_eq!(sources.images, [image.as_str()]);

    let report = bring(&engine, &nodes, &sources).await;
    assert!(report.is_success(), "{report:?}");
    let full = format!("docker.io/library/{image}");
    assert_eq!(report.images, [full.as_str()]);
    assert!(report.sent > LAYER && report.left_out == 0, "{report:?}");
    for node in &nodes {
        let check = ctr(node, &["images", "check"]);
        let line = check.lines().find(|line| line.contains(&full)).unwrap();
        assert!(
            line.contains("complete") && !line.contains("incomplete"),
            "{check}"
        );
    }

    let report = bring(&engine, &nodes, &sources).await;
    assert!(report.is_success(), "{report:?}");
    assert!(report.sent * 100 < LAYER, "{} bytes", report.sent);
    assert!(report.left_out > LAYER, "{report:?}");

    // A node that has nothing yet makes everything come.
    let more = [nodes[0].clone(), bench.node().await];
    let report = bring(&engine, &more, &sources).await;
    assert!(report.is_success(), "{report:?}");
    assert!(report.sent > LAYER);
    assert!(ctr(&more[1], &["images", "ls", "-q"]).contains(&full));
}

#[tokio::test]
async fn archives_are_imported_from_files_and_pipes() {
    let engine = engine().await;
    let bench = Bench::new(&engine);
    let (first, second) = (bench.image("first"), bench.image("second"));
    let node = [bench.node().await];
    let file = bench.path("first.tar");
    docker(&["save", "--output", &text(&file), &first]);
    // A pipe can be read only once, as standard input.
    let pipe = bench.path("second.pipe");
    run("mkfifo", &[&text(&pipe)]);
    let script = format!("docker save {second} > {}", pipe.display());
    let mut writer = Command::new("sh").args(["-c", &script]).spawn().unwrap();

    let sources = Sources {
        archives: vec![file.clone(), pipe],
        ..Sources::default()
    };
    let report = bring(&engine, &node, &sources).await;
    assert!(report.is_success(), "{report:?}");
    assert!(writer.wait().unwrap().success());
    let there = ctr(&node[0], &["images", "ls", "-q"]);
    for image in [&first, &second] {
        assert!(
            there.contains(&format!("docker.io/library/{image}")),
            "{there}"
        );
    }

    // Layers of a file are known before they are sent.
    let sources = Sources {
        archives: vec![file],
        ..Sources::default()
    };
    let report = bring(&engine, &node, &sources).await;
    assert!(
        report.is_success() && report.sent * 100 < LAYER,
        "{report:?}"
    );
}

#[tokio::test]
async fn a_node_that_fails_is_dropped_with_its_reason_and_the_others_go_on() {
    let engine = engine().await;
    let bench = Bench::new(&engine);
    let image = bench.image("first");
    let good = bench.node().await;
    let full_disk = bench.node().await;
    let says = "case \"$*\" in *import*) head -c 3000000 >/dev/null; echo 'no space left on device' >&2; exit 1;; esac";
    bench.replace_ctr(&full_disk, says).await;
    let forgetful = bench.node().await;
    bench
        .replace_ctr(&forgetful, "case \"$*\" in *import*) cat >/dev/null;; esac")
        .await;
    let stopped = bench.node().await;
    engine.stop(&stopped, Some(Duration::ZERO)).await.unwrap();

    let nodes = [&full_disk, &good, &stopped, &forgetful].map(Clone::clone);
    let sources = Sources {
        images: vec![image.clone()],
        ..Sources::default()
    };
    let report = bring(&engine, &nodes, &sources).await;
    assert!(!report.is_success());
    let reasons: BTreeMap<_, _> = report
        .failed
        .iter()
        .map(|(node, error)| (node, error.to_string()))
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(
        reasons[&full_disk].contains("no space left on device"),
        "{reasons:?}"
    );
    assert!(reasons[&stopped].contains(&stopped), "{reasons:?}");
    let missing = &report.failed[&forgetful];
    assert!(
        matches!(missing, NodeError::Missing(names) if names[0].ends_with(&image)),
        "{reasons:?}"
    );
    assert!(ctr(&good, &["images", "ls", "-q"]).contains(&image));
    assert_eq!(report.images.len(), 1);
}

#[tokio::test]
async fn an_archive_that_is_not_whole_reaches_no_node() {
    let engine = engine().await;
    let bench = Bench::new(&engine);
    let image = bench.image("first");
    let node = [bench.node().await];
    let whole = bench.path("whole.tar");
    docker(&["save", "--output", &text(&whole), &image]);
    let bytes = fs::read(&whole).unwrap();
    let cut = bench.path("cut.tar");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let absent = bench.path("absent.tar");
    let sources = Sources {
        archives: vec![cut.clone(), absent.clone(), whole],
        ..Sources::default()
    };
    let report = bring(&engine, &node, &sources).await;
    assert_eq!(report.unread.len(), 2, "{report:?}");
    assert!(matches!(&report.unread[0], SourceError::Archive { what, .. } if *what == text(&cut)));
    assert!(matches!(&report.unread[1], SourceError::File { file, .. } if *file == absent));
    assert!(report.failed.is_empty());
    assert!(
        ctr(&node[0], &["images", "ls", "-q"]).contains(&image),
        "the one after them came"
    );
}

#[tokio::test]
async fn an_image_that_the_engine_does_not_have_is_its_own_error() {
    let engine = engine().await;
    let bench = Bench::new(&engine);
    let node = [bench.node().await];
    let sources = Sources {
        images: vec!["berth-import-test-absent:1".to_owned()],
        ..Sources::default()
    };
    let report = bring(&engine, &node, &sources).await;
    assert_eq!(report.unread.len(), 1, "{report:?}");
    assert!(
        report.failed.is_empty(),
        "no node is blamed for it: {report:?}"
    );
}

async fn bring(engine: &Engine, nodes: &[String], sources: &Sources) -> Report {
    let told = Mutex::new((Vec::new(), Vec::new()));
    let report = import(engine, nodes, sources, &|progress| {
        let mut told = told.lock().unwrap();
        match progress {
            Progress::Read { done, .. } => told.0.push(done),
            Progress::Failed { node, .. } => told.1.push(node.to_owned()),
            Progress::Imported { source, .. } => assert!(sources.batches().contains(source)),
        }
    })
    .await;
    let (read, failed) = told.into_inner().unwrap();
    assert_eq!(
        failed.len(),
        report.failed.len(),
        "each failure is told once"
    );
    if matches!(sources.batches()[..], [Source::Images(_)]) && report.is_success() {
        assert!(
            read.is_sorted() && *read.last().unwrap() > LAYER,
            "{read:?}"
        );
    }
    report
}

/// Nodes and images that go when the test ends, however it ends.
struct Bench<'a> {
    engine: &'a Engine,
    name: String,
    folder: tempfile::TempDir,
    count: AtomicU32,
    images: Mutex<Vec<String>>,
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let filter = format!("name={}", self.name);
        for container in docker(&["ps", "--all", "--quiet", "--filter", &filter]).lines() {
            docker(&["rm", "--force", "--volumes", container]);
        }
        for image in self.images.lock().unwrap().iter() {
            docker(&["rmi", "--force", image]);
        }
    }
}

impl<'a> Bench<'a> {
    fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            name: format!("berth-import-test-{}", std::process::id()),
            folder: tempfile::tempdir().unwrap(),
            count: AtomicU32::new(0),
            images: Mutex::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An image with one layer that is like no other; gives its name.
    fn image(&self, suffix: &str) -> String {
        let folder = self.path(suffix);
        fs::create_dir(&folder).unwrap();
        let random = fs::File::open("/dev/urandom").unwrap();
        let mut content = fs::File::create(folder.join("content")).unwrap();
        std::io::copy(&mut std::io::Read::take(random, LAYER), &mut content).unwrap();
        let archive = self.path("layer.tar");
        run("tar", &["-C", &text(&folder), "-cf", &text(&archive), "."]);
        let name = format!("{}-{suffix}:latest", self.name);
        docker(&["import", &text(&archive), &name]);
        self.images.lock().unwrap().push(name.clone());
        name
    }

    /// A running server whose containerd answers.
    async fn node(&self) -> String {
        let name = format!(
            "{}-{}",
            self.name,
            self.count.fetch_add(1, Ordering::Relaxed)
        );
        let folders = ["/run", "/var/run"];
        let body = ContainerCreateBody {
            image: Some(node_image()),
            cmd: Some(vec!["server".to_owned()]),
            env: Some(vec!["K3S_TOKEN=made-up".to_owned()]),
            host_config: Some(HostConfig {
                init: Some(true),
                privileged: Some(true),
                tmpfs: Some(folders.map(|path| (path.to_owned(), String::new())).into()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        self.engine.create(&name, body).await.unwrap();
        self.engine.start(&name).await.unwrap();
        let mut lines = self.engine.logs(&name, true, 0);
        let ready = async {
            while let Some(line) = lines.next().await {
                if line.unwrap().contains("Containerd is now running") {
                    return true;
                }
            }
            false
        };
        assert_eq!(tokio::time::timeout(DEADLINE, ready).await, Ok(true));
        name
    }

    /// Puts a script where the node has its client.
    async fn replace_ctr(&self, node: &str, script: &str) {
        let script = format!("#!/bin/sh\n{script}\n");
        let path = docker(&["exec", node, "sh", "-c", "command -v ctr"]);
        docker(&["exec", node, "rm", path.trim()]);
        self.engine
            .put_file(node, path.trim(), 0o755, script)
            .await
            .unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by it which image nodes run"
)]
fn node_image() -> String {
    let named = |name| std::env::var(name).ok().filter(|image| !image.is_empty());
    named("K3S_IMAGE")
        .or_else(|| named("BERTH_K3S_IMAGE"))
        .unwrap_or_else(|| "berth-test/k3s:v1.20.2-k3s1".to_owned())
}

/// Asks a node's containerd.
fn ctr(node: &str, arguments: &[&str]) -> String {
    docker(&[&["exec", node, "ctr", "-n", "k8s.io"], arguments].concat())
}

async fn engine() -> Engine {
    let endpoint = Endpoint::resolve(&Environment::of_process()).unwrap();
    let engine = Engine::connect(endpoint).await;
    engine.expect(
        "run tests/env/up and source what it wrote, or leave Docker out with BERTH_SKIP=docker",
    )
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn docker(arguments: &[&str]) -> String {
    run("docker", arguments)
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}
