//! Exports of archives in all formats, that come in one piece, slowly, not at all, or broken.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use docker::ByteStream;
use futures::StreamExt as _;
use futures::stream::{self, TryStreamExt as _};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::fixtures::{Sample, Tar};
use super::{Export, ExportError, Exports};
use crate::content::Blob;
use crate::names::Digest;
use crate::store::{Limits, Store};

async fn store(folder: &TempDir) -> Store {
    Store::open(folder.path(), Limits::default()).await.unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn all_at_once(archive: &[u8]) -> ByteStream {
    let pieces: Vec<_> = archive
        .chunks(100_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces).boxed()
}

/// An archive that comes as it is sent.
fn sent() -> (mpsc::Sender<io::Result<Bytes>>, ByteStream) {
    let (sender, receiver) = mpsc::channel(1);
    let next = |mut receiver: mpsc::Receiver<_>| async {
        receiver.recv().await.map(|bytes| (bytes, receiver))
    };
    (sender, stream::unfold(receiver, next).boxed())
}

/// Exports that give these archives, one after the other, and count.
fn exports(store: &Store, archives: Vec<ByteStream>) -> (Exports, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let archives = std::sync::Mutex::new(archives.into_iter());
    let save = move |_: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        archives
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next()
            .expect("no archive is left")
    };
    (Exports::of(Box::new(save), store.clone(), 2), count)
}

async fn read(blob: &Blob) -> io::Result<Vec<u8>> {
    let pieces: Vec<Bytes> = blob.bytes.read(0..blob.size).try_collect().await?;
    Ok(pieces.concat())
}

async fn is_served(export: &Export, content: &[u8]) {
    let blob = export
        .blob(&Digest::of(content))
        .await
        .unwrap()
        .expect("the blob is part of the image");
    assert_eq!(blob.size, content.len() as u64);
    assert!(read(&blob).await.unwrap() == content);
}

#[tokio::test]
async fn every_format_serves_the_same_image() {
    for sample in [
        Sample::new(0, 1),
        Sample::new(0, 3).repeated(),
        Sample::new(0, 40),
    ] {
        let mut manifests = Vec::new();
        for archive in [sample.legacy(), sample.graph_driver()] {
            let folder = folder();
            let store = store(&folder).await;
            let (exports, _) = exports(&store, vec![all_at_once(&archive)]);
            let export = exports.start(&sample.inspected()).await.unwrap();
            let manifest = export.manifest().await.unwrap();
            assert_eq!(
                manifest.media_type,
                "application/vnd.oci.image.manifest.v1+json"
            );
            assert!(manifest.digest.is_of(&manifest.bytes));
            for layer in &sample.layers {
                is_served(&export, layer).await;
            }
            is_served(&export, &sample.config()).await;
            let found = export.finished().await.unwrap();
            assert_eq!(found.manifest, manifest);
            assert!(found.missing.is_empty() && found.absent.is_empty());
            // The layers, the configuration, the manifest; no descriptions of layers, no second copies.
            let layers: std::collections::BTreeSet<_> = sample.diff_ids().into_iter().collect();
            assert_eq!(store.usage().blobs, layers.len() as u64 + 2);
            assert_eq!(
                export
                    .blob(&Digest::of(b"none"))
                    .await
                    .unwrap()
                    .map(|blob| blob.size),
                None
            );
            manifests.push(manifest);
        }
        assert_eq!(manifests[0], manifests[1]);
        let folder = folder();
        let store = store(&folder).await;
        let original = sample.manifest(true);
        let (exports, _) = exports(
            &store,
            vec![all_at_once(&sample.containerd(&original, None))],
        );
        let export = exports
            .start(&sample.inspected_as(&Digest::of(&original)))
            .await
            .unwrap();
        assert_eq!(export.manifest().await.unwrap().bytes, original);
        for layer in &sample.layers {
            is_served(&export, layer).await;
        }
        is_served(&export, &sample.config()).await;
    }
}

#[tokio::test]
async fn an_index_is_served_with_the_platforms_that_are_there() {
    let (sample, folder) = (Sample::new(0, 3), folder());
    let store = store(&folder).await;
    let index = sample.index();
    let (exports, _) = exports(&store, vec![all_at_once(&sample.containerd(&index, None))]);
    let export = exports
        .start(&sample.inspected_as(&Digest::of(&index)))
        .await
        .unwrap();
    let manifest = export.manifest().await.unwrap();
    assert_eq!(
        (&manifest.bytes[..], manifest.media_type.as_str()),
        (&index[..], "application/vnd.oci.image.index.v1+json")
    );
    let child = Digest::of(&sample.manifest(true));
    assert_eq!(
        export.document(&child).await.unwrap().unwrap().bytes,
        sample.manifest(true)
    );
    let absent = Digest::of(b"another platform's");
    assert_eq!(export.document(&absent).await.unwrap(), None);
    assert_eq!(export.finished().await.unwrap().absent, [absent]);
}

#[tokio::test]
async fn a_manifest_that_does_not_say_what_it_is_gets_the_type_of_its_fields() {
    let (sample, folder) = (Sample::new(0, 1), folder());
    let store = store(&folder).await;
    let silent = sample.manifest(false);
    let (exports, _) = exports(&store, vec![all_at_once(&sample.containerd(&silent, None))]);
    let export = exports
        .start(&sample.inspected_as(&Digest::of(&silent)))
        .await
        .unwrap();
    let manifest = export.manifest().await.unwrap();
    assert_eq!(
        manifest.media_type,
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(manifest.bytes, silent);
}

#[tokio::test]
async fn a_layer_that_the_engine_lacks_is_told() {
    let (sample, folder) = (Sample::new(0, 3), folder());
    let store = store(&folder).await;
    let original = sample.manifest(true);
    let (exports, _) = exports(
        &store,
        vec![all_at_once(&sample.containerd(&original, Some(1)))],
    );
    let export = exports
        .start(&sample.inspected_as(&Digest::of(&original)))
        .await
        .unwrap();
    let found = export.finished().await.unwrap();
    assert_eq!(found.missing, [Digest::of(&sample.layers[1])]);
    assert!(export.blob(&found.missing[0]).await.unwrap().is_none());
}

/// Where the content of the last layer begins, unless the configuration comes after it.
fn last_layer(archive: &[u8], sample: &Sample) -> Option<usize> {
    let find = |content: &[u8]| {
        let found = archive
            .windows(content.len())
            .position(|window| window == content);
        found.unwrap()
    };
    let last = sample.layers.iter().map(|layer| find(layer)).max()?;
    (find(&sample.config()) < last).then_some(last)
}

#[tokio::test]
async fn the_manifest_is_known_when_the_last_layer_begins() {
    let mut count = 0;
    for seed in 0..6 {
        let sample = Sample::new(seed, 3);
        for archive in [sample.legacy(), sample.graph_driver()] {
            let Some(at) = last_layer(&archive, &sample) else {
                continue;
            };
            count += 1;
            let folder = folder();
            let store = store(&folder).await;
            let (sender, archive_stream) = sent();
            let (exports, _) = exports(&store, vec![archive_stream]);
            let export = exports.start(&sample.inspected()).await.unwrap();
            // The reader looks at how a layer begins.
            let (begin, rest) = archive.split_at(at + 512);
            sender
                .send(Ok(Bytes::copy_from_slice(begin)))
                .await
                .unwrap();
            let manifest = soon(export.manifest()).await.unwrap();
            sender.send(Ok(Bytes::copy_from_slice(rest))).await.unwrap();
            drop(sender);
            assert_eq!(soon(export.finished()).await.unwrap().manifest, manifest);
        }
    }
    assert!(count > 3);
}

/// What comes, comes soon.
async fn soon<T>(coming: impl Future<Output = T>) -> T {
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, coming)
        .await
        .expect("it did not come")
}

#[tokio::test]
async fn a_blob_is_handed_on_before_the_archive_ended() {
    let (sample, folder) = (Sample::new(0, 1), folder());
    let store = store(&folder).await;
    let large = Sample {
        layers: vec![Tar::default().file("content", vec![7; 2_000_000]).end()],
    };
    drop(sample);
    let archive = large.graph_driver();
    let (sender, archive_stream) = sent();
    let (exports, _) = exports(&store, vec![archive_stream]);
    let export = exports.start(&large.inspected()).await.unwrap();
    let layer = &large.layers[0];
    let at = archive
        .windows(64)
        .position(|window| window == &layer[..64])
        .unwrap();
    sender
        .send(Ok(Bytes::copy_from_slice(&archive[..at + 1_000_000])))
        .await
        .unwrap();
    let blob = export.blob(&Digest::of(layer)).await.unwrap().unwrap();
    let mut reading = blob.bytes.read(0..blob.size);
    let first = reading.next().await.unwrap().unwrap();
    assert!(!first.is_empty() && !store.has(&blob.digest));
    sender
        .send(Ok(Bytes::copy_from_slice(&archive[at + 1_000_000..])))
        .await
        .unwrap();
    drop(sender);
    let rest: Vec<Bytes> = reading.try_collect().await.unwrap();
    assert!([vec![first], rest].concat().concat() == *layer);
}

#[tokio::test]
async fn eight_at_once_make_one_export() {
    let (sample, folder) = (Sample::new(0, 3), folder());
    let store = store(&folder).await;
    let (exports, count) = exports(&store, vec![all_at_once(&sample.legacy())]);
    let image = sample.inspected();
    let all = (0..8).map(|_| async {
        let export = exports.start(&image).await.unwrap();
        export.manifest().await.unwrap()
    });
    let manifests = futures::future::join_all(all).await;
    assert!(manifests.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_the_export_and_who_comes_again_finds_it() {
    let (sample, folder) = (Sample::new(0, 3), folder());
    let store = store(&folder).await;
    let archive = sample.legacy();
    let (sender, archive_stream) = sent();
    let (exports, count) = exports(&store, vec![archive_stream]);
    let image = sample.inspected();
    let client = tokio::spawn({
        let (exports, image) = (exports.clone(), image.clone());
        async move { exports.start(&image).await.unwrap().manifest().await }
    });
    sender
        .send(Ok(Bytes::copy_from_slice(&archive[..1024])))
        .await
        .unwrap();
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    let again = exports.start(&image).await.unwrap();
    sender
        .send(Ok(Bytes::copy_from_slice(&archive[1024..])))
        .await
        .unwrap();
    drop(sender);
    again.finished().await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_export_that_breaks_off_is_told_and_the_next_one_passes_by_what_is_whole() {
    let (sample, folder) = (Sample::new(0, 40), folder());
    let store = store(&folder).await;
    let archive = sample.graph_driver();
    let half = archive.len() / 2;
    let broken = [
        Ok(Bytes::copy_from_slice(&archive[..half])),
        Err(io::Error::other("the socket is gone")),
    ];
    let short = [Ok(Bytes::copy_from_slice(&archive[..half]))];
    let archives = vec![
        stream::iter(broken).boxed(),
        stream::iter(short).boxed(),
        all_at_once(&archive),
    ];
    let (exports, count) = exports(&store, archives);
    for problem in ["the socket is gone", "ends too early"] {
        let export = exports.start(&sample.inspected()).await.unwrap();
        let Err(ExportError::Failed(text)) = export.finished().await else {
            panic!("half an archive was taken for whole");
        };
        assert!(text.contains(problem), "{text}");
        until(|| exports.going_on() == 0).await;
    }
    let kept = store.usage().blobs;
    assert!(kept > 0 && store.usage().arriving == 0);
    let export = exports.start(&sample.inspected()).await.unwrap();
    assert!(export.finished().await.unwrap().missing.is_empty());
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

/// Waits for what comes soon.
async fn until(condition: impl Fn() -> bool) {
    let soon = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    self::soon(soon).await;
}

#[tokio::test]
async fn a_panic_in_an_export_blocks_nobody() {
    let (sample, folder) = (Sample::new(0, 2), folder());
    let store = store(&folder).await;
    let panics = stream::poll_fn(|_| panic!("a reader that panics, as this test wants it")).boxed();
    let again = stream::poll_fn(|_| panic!("and once more")).boxed();
    let (exports, _) = exports(&store, vec![panics, again, all_at_once(&sample.legacy())]);
    for _ in 0..2 {
        let export = exports.start(&sample.inspected()).await.unwrap();
        assert!(export.manifest().await.is_err());
        until(|| exports.going_on() == 0).await;
    }
    let export = exports.start(&sample.inspected()).await.unwrap();
    export.finished().await.unwrap();
}

#[tokio::test]
async fn only_so_many_exports_run_at_a_time() {
    let folder = folder();
    let store = store(&folder).await;
    let samples: Vec<_> = (0..5).map(|seed| Sample::new(seed, 2)).collect();
    let (senders, archives): (Vec<_>, Vec<_>) = samples.iter().map(|_| sent()).unzip();
    let (exports, count) = exports(&store, archives);
    let mut running = Vec::new();
    for sample in &samples {
        running.push(exports.start(&sample.inspected()).await.unwrap());
    }
    until(|| count.load(Ordering::SeqCst) == 2).await;
    assert_eq!(exports.going_on(), 5);
    for (at, (sample, sender)) in samples.iter().zip(senders).enumerate() {
        assert!(count.load(Ordering::SeqCst) <= at + 2);
        for piece in sample.graph_driver().chunks(4096) {
            sender
                .send(Ok(Bytes::copy_from_slice(piece)))
                .await
                .unwrap();
        }
        drop(sender);
        running[at].finished().await.unwrap();
        let expected = (at + 3).min(5);
        until(|| count.load(Ordering::SeqCst) == expected).await;
    }
}

#[tokio::test]
async fn a_manifest_keeps_its_digest_over_restarts_and_without_the_store() {
    let sample = Sample::new(0, 3);
    let mut digests = Vec::new();
    for _ in 0..2 {
        let folder = folder();
        let store = store(&folder).await;
        let (exports, _) = exports(&store, vec![all_at_once(&sample.legacy())]);
        let export = exports.start(&sample.inspected()).await.unwrap();
        let manifest = export.finished().await.unwrap().manifest;
        drop((export, exports, store));
        let store = self::store(&folder).await;
        let known = store.facts().manifest_of(&sample.config_digest()).unwrap();
        assert_eq!(store.document(&known), Some(manifest));
        digests.push(known);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn what_an_archive_should_not_hold_is_refused_and_nothing_is_kept_of_it() {
    let sample = Sample::new(0, 1);
    let wrong = Tar::default().file(
        &format!("blobs/sha256/{}", sample.diff_ids()[0].hex()),
        b"not what it is called",
    );
    let archives = [
        Tar::default().file("../../etc/cron.d/evil", "x").end(),
        Tar::default().file("/etc/cron.d/evil", "x").end(),
        Tar::default()
            .link("a/layer.tar", "../../../etc/shadow")
            .end(),
        Tar::default().link("a/layer.tar", "/etc/shadow").end(),
        wrong.end(),
        b"no archive at all".repeat(100),
    ];
    for archive in archives {
        let folder = folder();
        let store = store(&folder).await;
        let (exports, _) = exports(&store, vec![all_at_once(&archive)]);
        let export = exports.start(&sample.inspected()).await.unwrap();
        assert!(matches!(
            export.finished().await,
            Err(ExportError::Failed(_))
        ));
        assert_eq!(store.usage(), crate::store::Usage::default());
    }
}

#[tokio::test]
async fn a_store_that_is_too_small_says_so() {
    let (sample, folder) = (Sample::new(0, 3), folder());
    let limits = Limits {
        capacity: Some(1000),
        ..Limits::default()
    };
    let store = Store::open(folder.path(), limits).await.unwrap();
    let (exports, _) = exports(&store, vec![all_at_once(&sample.graph_driver())]);
    let export = exports.start(&sample.inspected()).await.unwrap();
    assert!(matches!(
        export.finished().await,
        Err(ExportError::NoSpace(_))
    ));
    assert_eq!(store.usage().arriving, 0);
}

#[tokio::test]
async fn an_image_without_a_proper_id_is_not_asked_for() {
    let (folder, mut image) = (folder(), Sample::new(0, 1).inspected());
    let store = store(&folder).await;
    let (exports, count) = exports(&store, Vec::new());
    image.id = Some("../../x".to_owned());
    assert!(exports.start(&image).await.is_err());
    assert_eq!(count.load(Ordering::SeqCst), 0);
}
