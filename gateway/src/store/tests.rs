//! The store as a whole, in folders that are thrown away.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Binding, Expected, Limits, Space, Store, StoreError, Subject, UploadId};
use crate::content::{Blob, Document};
use crate::names::{Digest, Host, MirroredName, Name, Reference, Tag};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn open(folder: &TempDir) -> Store {
    Store::open(folder.path(), Limits::default()).await.unwrap()
}

async fn open_with(folder: &TempDir, capacity: u64) -> Store {
    let limits = Limits {
        capacity: Some(capacity),
        ..Limits::default()
    };
    Store::open(folder.path(), limits).await.unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn host() -> Host {
    Host::parse("docker.io").unwrap()
}

fn by_tag(text: &str) -> Reference {
    Reference::Tag(tag(text))
}

/// Content that looks like nothing else.
fn content(seed: u8, size: usize) -> Bytes {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

async fn add(store: &Store, bytes: &Bytes) -> Digest {
    let mut writer = store.writer(None).await.unwrap();
    for piece in bytes.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.commit(None).await.unwrap().0
}

async fn push(store: &Store, at: &Name, bytes: &Bytes) -> Digest {
    let id = store.start_upload(at, PEER).await.unwrap();
    let mut upload = store.upload(at, &id).await.unwrap();
    upload.append(0, bytes.clone()).await.unwrap();
    upload.finish(&Digest::of(bytes)).await.unwrap();
    Digest::of(bytes)
}

fn manifest(text: &str) -> Document {
    let bytes = Bytes::from(format!(
        r#"{{"schemaVersion":2,"config":{{}},"text":"{text}"}}"#
    ));
    Document {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        digest: Digest::of(&bytes),
        bytes,
    }
}

async fn read(blob: &Blob, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let pieces: Vec<Bytes> = blob.bytes.read(range).try_collect().await?;
    Ok(pieces.concat())
}

/// Files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found
}

#[tokio::test]
async fn a_blob_is_read_from_anywhere() {
    let folder = folder();
    let store = open(&folder).await;
    let bytes = content(1, 900_000);
    let digest = add(&store, &bytes).await;
    let blob = store.blob(&digest).unwrap();
    assert_eq!((blob.size, &blob.digest), (900_000, &digest));
    for range in [0..900_000, 0..1, 899_999..900_000, 262_143..524_289, 5..5] {
        let expected =
            &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert_eq!(read(&blob, range).await.unwrap(), expected);
    }
    let empty = add(&store, &Bytes::new()).await;
    assert_eq!(store.blob(&empty).unwrap().size, 0);
}

#[tokio::test]
async fn a_blob_that_is_not_what_it_should_be_leaves_nothing() {
    let folder = folder();
    let store = open(&folder).await;
    let mut writer = store.writer(None).await.unwrap();
    writer.write(content(1, 10)).await.unwrap();
    let wrong = Digest::of(b"another");
    let refused = writer.commit(Some(&wrong)).await;
    assert!(matches!(refused, Err(StoreError::DigestMismatch { .. })));
    assert!(!store.has(&wrong) && !store.has(&Digest::of(&content(1, 10))));
    let mut dropped = store.writer(None).await.unwrap();
    dropped.write(content(2, 600_000)).await.unwrap();
    drop(dropped);
    assert_eq!(files(&folder.path().join("arriving")), [""; 0]);
    assert_eq!(files(&folder.path().join("blobs")), [""; 0]);
    assert_eq!(store.usage(), super::Usage::default());
}

#[tokio::test]
async fn both_kinds_of_digests_are_verified() {
    let folder = folder();
    let store = open(&folder).await;
    let digest = Digest::parse(&format!("sha512:{}", "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75")).unwrap();
    for bytes in ["hello", "hellO"] {
        let mut writer = store.writer(None).await.unwrap();
        writer.write(bytes.into()).await.unwrap();
        let is_right = digest.is_of(bytes.as_bytes());
        assert_eq!(
            writer.commit(Some(&digest)).await.is_ok(),
            is_right,
            "{bytes}"
        );
    }
}

#[tokio::test]
async fn an_arriving_blob_is_read_while_it_comes_and_never_to_its_end_before_it_is_verified() {
    let folder = folder();
    let store = open(&folder).await;
    let bytes = content(3, 1_000_000);
    let digest = Digest::of(&bytes);
    let expected = Expected {
        digest: digest.clone(),
        size: 1_000_000,
    };
    let mut writer = store.writer(Some(expected)).await.unwrap();
    assert!(!store.has(&digest));
    let blob = store.blob(&digest).unwrap();
    assert_eq!(blob.size, 1_000_000);
    let mut stream = blob.bytes.read(0..1_000_000);
    writer.write(bytes.slice(..300_000)).await.unwrap();
    writer.flush().await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first, bytes.slice(..first.len()));
    writer.write(bytes.slice(300_000..)).await.unwrap();
    writer.flush().await.unwrap();
    let mut got = first.to_vec();
    while got.len() < 999_999 {
        got.extend(stream.next().await.unwrap().unwrap());
    }
    assert_eq!(got.len(), 999_999);
    let mut last = std::pin::pin!(stream.next());
    assert!(futures::poll!(&mut last).is_pending());
    writer.commit(None).await.unwrap();
    got.extend(last.await.unwrap().unwrap());
    assert_eq!(got, bytes);
    assert_eq!(read(&blob, 10..20).await.unwrap(), &bytes[10..20]);
    assert_eq!(
        read(&store.blob(&digest).unwrap(), 10..20).await.unwrap(),
        &bytes[10..20]
    );
}

#[tokio::test]
async fn readers_of_a_blob_that_fails_end_with_an_error() {
    let folder = folder();
    let store = open(&folder).await;
    let wrong = Expected {
        digest: Digest::of(b"something else"),
        size: 500_000,
    };
    for is_committed in [false, true] {
        let mut writer = store.writer(Some(wrong.clone())).await.unwrap();
        let blob = store.blob(&wrong.digest).unwrap();
        let reading = tokio::spawn(async move { read(&blob, 0..500_000).await });
        writer.write(content(1, 500_000)).await.unwrap();
        if is_committed {
            assert!(writer.commit(None).await.is_err());
        } else {
            drop(writer);
        }
        assert!(reading.await.unwrap().is_err());
        assert!(store.blob(&wrong.digest).is_none());
    }
    let mut writer = store.writer(Some(wrong)).await.unwrap();
    let more = writer.write(content(1, 500_001)).await;
    assert!(matches!(more, Err(StoreError::TooLarge { limit: 500_000 })));
}

#[tokio::test]
async fn two_writers_of_one_blob_both_succeed_and_it_stands_once() {
    let folder = folder();
    let store = open(&folder).await;
    let bytes = content(4, 400_000);
    let expected = || Expected {
        digest: Digest::of(&bytes),
        size: 400_000,
    };
    let mut first = store.writer(Some(expected())).await.unwrap();
    let mut second = store.writer(Some(expected())).await.unwrap();
    let blob = store.blob(&Digest::of(&bytes)).unwrap();
    first.write(bytes.clone()).await.unwrap();
    second.write(bytes.clone()).await.unwrap();
    second.commit(None).await.unwrap();
    first.commit(None).await.unwrap();
    assert_eq!(read(&blob, 0..400_000).await.unwrap(), bytes);
    assert_eq!(files(&folder.path().join("blobs")).len(), 1);
    assert_eq!(files(&folder.path().join("arriving")), [""; 0]);
    assert_eq!(
        store.usage(),
        super::Usage {
            blobs: 1,
            bytes: 400_000,
            arriving: 0
        }
    );
}

#[tokio::test]
async fn a_repository_shows_what_it_links_and_nothing_else() {
    let folder = folder();
    let store = open(&folder).await;
    let blob = add(&store, &content(1, 1000)).await;
    let document = manifest("a");
    let mirrored = store.repository(Space::Mirrored(host()), &name("library/shop"));
    mirrored
        .put_manifest(
            &document,
            Some(&tag("1")),
            std::slice::from_ref(&blob),
            None,
        )
        .await
        .unwrap();
    assert!(mirrored.has_blob(&blob));
    assert_eq!(mirrored.manifest(&by_tag("1")), Some(document.clone()));
    assert_eq!(
        mirrored.manifest(&Reference::Digest(document.digest.clone())),
        Some(document.clone())
    );
    let others = [
        store.repository(Space::Pushed, &name("library/shop")),
        store.repository(Space::Pushed, &name("docker.io/library/shop")),
        store.repository(
            Space::Mirrored(Host::parse("quay.io").unwrap()),
            &name("library/shop"),
        ),
        store.repository(Space::Mirrored(host()), &name("library/other")),
    ];
    for other in &others {
        assert!(!other.has_blob(&blob));
        assert_eq!(other.manifest(&by_tag("1")), None);
        assert_eq!(
            other.manifest(&Reference::Digest(document.digest.clone())),
            None
        );
        assert!(other.tags().is_empty());
    }
    assert_eq!(
        store.names(&Space::Mirrored(host())),
        [name("library/shop")]
    );
    assert!(store.names(&Space::Pushed).is_empty());
    // Whoever pushes a manifest does not get at blobs by naming them.
    others[0]
        .put_manifest(&document, None, std::slice::from_ref(&blob), None)
        .await
        .unwrap();
    assert!(!others[0].has_blob(&blob));
}

#[tokio::test]
async fn the_same_layers_in_two_repositories_are_stored_once() {
    let folder = folder();
    let store = open(&folder).await;
    let bytes = content(1, 300_000);
    for at in ["one", "two"] {
        let digest = push(&store, &name(at), &bytes).await;
        assert!(store.repository(Space::Pushed, &name(at)).has_blob(&digest));
    }
    assert_eq!(store.usage().bytes, 300_000);
    assert_eq!(files(&folder.path().join("blobs")).len(), 1);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = folder();
    let store = open(&folder).await;
    let at = name("team/shop");
    let blob = push(&store, &at, &content(1, 1000)).await;
    let (document, signature) = (manifest("a"), manifest("signature"));
    let repository = store.repository(Space::Pushed, &at);
    repository
        .put_manifest(
            &document,
            Some(&tag("1")),
            std::slice::from_ref(&blob),
            None,
        )
        .await
        .unwrap();
    let subject = Subject {
        digest: document.digest.clone(),
        artifact_type: Some("application/x.signature".to_owned()),
        annotations: BTreeMap::from([("by".to_owned(), "me".to_owned())]),
    };
    repository
        .put_manifest(&signature, None, &[], Some(subject))
        .await
        .unwrap();
    let image = Digest::of(b"image");
    let to = MirroredName {
        host: host(),
        repository: at.clone(),
    };
    store
        .facts()
        .set_binding(&image, &to, Binding::PulledWithCredentials)
        .await
        .unwrap();
    store
        .facts()
        .set_manifest_of(&image, &document.digest)
        .await
        .unwrap();
    let before = (
        repository.tags(),
        repository.referrers(&document.digest),
        store.names(&Space::Pushed),
        store.usage(),
    );
    assert_eq!(before.1[0].digest, signature.digest);
    drop((repository, store));

    let store = open(&folder).await;
    let repository = store.repository(Space::Pushed, &at);
    let after = (
        repository.tags(),
        repository.referrers(&document.digest),
        store.names(&Space::Pushed),
        store.usage(),
    );
    assert_eq!(before, after);
    assert!(repository.has_blob(&blob));
    assert_eq!(repository.manifest(&by_tag("1")), Some(document.clone()));
    assert_eq!(
        store.facts().binding(&image, &to),
        Some(Binding::PulledWithCredentials)
    );
    assert_eq!(
        store.facts().manifest_of(&image),
        Some(document.digest.clone())
    );
    assert_eq!(store.document(&document.digest), Some(document));
    store.facts().forget(&image).await.unwrap();
    assert_eq!(store.facts().binding(&image, &to), None);
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_what_others_need_stays() {
    let folder = folder();
    let store = open(&folder).await;
    let at = name("shop");
    let shared = push(&store, &at, &content(1, 1000)).await;
    let alone = push(&store, &at, &content(2, 1000)).await;
    let elsewhere = push(&store, &name("other"), &content(2, 1000)).await;
    let repository = store.repository(Space::Pushed, &at);
    let (first, second) = (manifest("1"), manifest("2"));
    repository
        .put_manifest(
            &first,
            Some(&tag("1")),
            &[shared.clone(), alone.clone()],
            None,
        )
        .await
        .unwrap();
    repository
        .put_manifest(
            &second,
            Some(&tag("2")),
            std::slice::from_ref(&shared),
            None,
        )
        .await
        .unwrap();
    assert!(repository.delete_tag(&tag("2")).await.unwrap());
    assert!(!repository.delete_tag(&tag("2")).await.unwrap());
    assert!(
        repository
            .manifest(&Reference::Digest(second.digest.clone()))
            .is_some()
    );
    assert!(repository.delete_manifest(&first.digest).await.unwrap());
    assert!(!repository.delete_manifest(&first.digest).await.unwrap());
    assert!(repository.tags().is_empty());
    assert!(repository.has_blob(&shared) && !repository.has_blob(&alone));
    assert!(
        store
            .repository(Space::Pushed, &name("other"))
            .has_blob(&elsewhere)
    );
    assert!(!store.has(&first.digest));
    assert!(repository.delete_blob(&shared).await.unwrap());
    assert!(!repository.delete_blob(&shared).await.unwrap());
    assert!(!store.has(&shared));
}

#[tokio::test]
async fn mirrored_content_makes_room_the_longest_unused_first_and_never_under_a_reader() {
    let folder = folder();
    let store = open_with(&folder, 10_000).await;
    let first = add(&store, &content(1, 4000)).await;
    let second = add(&store, &content(2, 4000)).await;
    drop(store.blob(&first));
    let third = add(&store, &content(3, 4000)).await;
    assert!(store.has(&first) && !store.has(&second) && store.has(&third));
    let reading = (store.blob(&first), store.blob(&third));
    let refused = store
        .writer(Some(Expected {
            digest: second.clone(),
            size: 4000,
        }))
        .await;
    assert!(matches!(refused, Err(StoreError::NoSpace)));
    drop(reading);
    add(&store, &content(2, 4000)).await;
    assert!(!store.has(&first) && store.has(&second));
    assert!(store.usage().bytes <= 10_000);
}

#[tokio::test]
async fn pushed_content_counts_and_never_goes_unasked() {
    let folder = folder();
    let store = open_with(&folder, 10_000).await;
    let pushed = push(&store, &name("shop"), &content(1, 5000)).await;
    let mirrored = add(&store, &content(2, 4000)).await;
    let more = Expected {
        digest: Digest::of(b""),
        size: 6000,
    };
    let refused = store.writer(Some(more)).await;
    assert!(matches!(refused, Err(StoreError::NoSpace)));
    let also = push(&store, &name("shop"), &content(3, 4000)).await;
    assert!(!store.has(&mirrored));
    assert!(store.has(&pushed) && store.has(&also));
    let id = store.start_upload(&name("shop"), PEER).await.unwrap();
    let mut upload = store.upload(&name("shop"), &id).await.unwrap();
    assert!(matches!(
        upload.append(0, content(4, 5000)).await,
        Err(StoreError::NoSpace)
    ));
    drop(upload);
    assert!(store.upload(&name("shop"), &id).await.is_none());
    assert_eq!(files(&folder.path().join("arriving")), [""; 0]);
}

#[tokio::test]
async fn an_upload_goes_on_where_it_ended() {
    let folder = folder();
    let store = open(&folder).await;
    let (at, bytes) = (name("shop"), content(1, 700_000));
    let id = store.start_upload(&at, PEER).await.unwrap();
    assert!(store.upload(&name("other"), &id).await.is_none());
    let mut upload = store.upload(&at, &id).await.unwrap();
    upload.append(0, bytes.slice(..300_000)).await.unwrap();
    let wrong = upload.append(299_999, bytes.slice(300_000..)).await;
    assert!(matches!(
        wrong,
        Err(StoreError::OutOfOrder { offset: 300_000 })
    ));
    drop(upload);
    let mut upload = store.upload(&at, &id).await.unwrap();
    assert_eq!(upload.offset(), 300_000);
    upload
        .append(300_000, bytes.slice(300_000..))
        .await
        .unwrap();
    assert_eq!(upload.finish(&Digest::of(&bytes)).await.unwrap(), 700_000);
    assert!(store.upload(&at, &id).await.is_none());
    assert!(
        store
            .repository(Space::Pushed, &at)
            .has_blob(&Digest::of(&bytes))
    );
    let known = store.blob(&Digest::of(&bytes)).unwrap();
    assert_eq!(read(&known, 0..700_000).await.unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_with_the_wrong_digest_or_given_up_leaves_nothing() {
    let folder = folder();
    let store = open(&folder).await;
    let at = name("shop");
    for is_cancelled in [true, false] {
        let id = store.start_upload(&at, PEER).await.unwrap();
        let mut upload = store.upload(&at, &id).await.unwrap();
        upload.append(0, content(1, 300_000)).await.unwrap();
        if is_cancelled {
            upload.cancel().await;
        } else {
            let wrong = upload.finish(&Digest::of(b"")).await;
            assert!(matches!(wrong, Err(StoreError::DigestMismatch { .. })));
        }
        assert!(store.upload(&at, &id).await.is_none());
        assert_eq!(files(&folder.path().join("arriving")), [""; 0]);
        assert_eq!(files(&folder.path().join("blobs")), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_uploads_go_on_for_one_peer_and_for_all() {
    let folder = folder();
    let limits = Limits {
        uploads: 3,
        uploads_of_peer: 2,
        ..Limits::default()
    };
    let store = Store::open(folder.path(), limits).await.unwrap();
    let (at, other) = (name("shop"), IpAddr::from([10, 0, 0, 1]));
    let full = |begun: Result<UploadId, StoreError>| {
        assert!(matches!(begun, Err(StoreError::TooManyUploads)));
    };
    let first = store.start_upload(&at, PEER).await.unwrap();
    store.start_upload(&at, PEER).await.unwrap();
    full(store.start_upload(&at, PEER).await);
    store.start_upload(&at, other).await.unwrap();
    full(store.start_upload(&at, other).await);
    assert_eq!(files(&folder.path().join("arriving")).len(), 3);
    // One that ends makes room, and so do those that rest too long.
    store.upload(&at, &first).await.unwrap().cancel().await;
    store.start_upload(&at, PEER).await.unwrap();
    full(store.start_upload(&at, PEER).await);
    tokio::time::advance(Duration::from_secs(3601)).await;
    store.start_upload(&at, PEER).await.unwrap();
    assert_eq!(files(&folder.path().join("arriving")).len(), 1);
}

#[tokio::test]
async fn blobs_that_say_that_they_are_endless_break_nothing() {
    let folder = folder();
    let store = open(&folder).await;
    let endless = |letter: u8| Expected {
        digest: Digest::of(&[letter]),
        size: u64::MAX,
    };
    let one = store.writer_apart(endless(1)).unwrap();
    let two = store.writer_apart(endless(2)).unwrap();
    drop((one, two));
    let pushed = push(&store, &name("shop"), &content(3, 4000)).await;
    assert!(store.has(&pushed));
    let folder = tempfile::tempdir().unwrap();
    let store = open_with(&folder, 10_000).await;
    assert!(matches!(
        store.writer_apart(endless(1)),
        Err(StoreError::NoSpace)
    ));
    let pushed = push(&store, &name("shop"), &content(3, 4000)).await;
    assert!(store.has(&pushed));
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_rests_too_long_is_dropped_and_one_at_work_is_not() {
    let folder = folder();
    let store = open(&folder).await;
    let at = name("shop");
    let (rests, works) = (
        store.start_upload(&at, PEER).await.unwrap(),
        store.start_upload(&at, PEER).await.unwrap(),
    );
    let held = store.upload(&at, &works).await.unwrap();
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(store.purge_uploads().await, 0);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(store.purge_uploads().await, 1);
    drop(held);
    assert!(store.upload(&at, &works).await.is_some());
    assert!(store.upload(&at, &rests).await.is_none());
    assert_eq!(files(&folder.path().join("arriving")).len(), 1);
}

#[test]
fn names_of_uploads_are_digits_only() {
    assert!(UploadId::parse(&"a".repeat(32)).is_some());
    for text in [
        "",
        "../../etc/passwd",
        &"A".repeat(32),
        &"a".repeat(33),
        &"/".repeat(32),
    ] {
        assert_eq!(UploadId::parse(text), None);
    }
}

#[tokio::test]
async fn opening_removes_what_is_not_whole_and_what_nothing_leads_to() {
    let folder = folder();
    let store = open(&folder).await;
    let kept = push(&store, &name("shop"), &content(1, 1000)).await;
    let unlinked = add(&store, &content(2, 1000)).await;
    let second = Store::open(folder.path(), Limits::default()).await;
    assert!(matches!(second, Err(StoreError::InUse(_))));
    drop(store);
    std::fs::write(folder.path().join("arriving/7"), "half").unwrap();
    std::fs::write(folder.path().join("blobs/sha256/stray"), "x").unwrap();
    let stray = folder
        .path()
        .join("blobs/sha256")
        .join(&kept.hex()[..2])
        .join("not-a-digest");
    std::fs::write(&stray, "x").unwrap();
    let store = open(&folder).await;
    assert!(store.has(&kept) && !store.has(&unlinked) && !stray.exists());
    assert_eq!(files(&folder.path().join("arriving")), [""; 0]);
    assert_eq!(files(&folder.path().join("blobs")), [kept.hex()]);
}

#[tokio::test]
async fn after_a_loss_of_power_only_what_reached_the_disk_is_believed() {
    let folder = folder();
    let store = open(&folder).await;
    let at = name("shop");
    let durable = push(&store, &at, &content(1, 1000)).await;
    let document = manifest("a");
    let repository = store.repository(Space::Pushed, &at);
    repository
        .put_manifest(
            &document,
            Some(&tag("1")),
            std::slice::from_ref(&durable),
            None,
        )
        .await
        .unwrap();
    let unsure = push(&store, &at, &content(2, 1000)).await;
    drop((repository, store));
    std::fs::write(folder.path().join("boot"), "another start of the machine").unwrap();
    let store = open(&folder).await;
    let repository = store.repository(Space::Pushed, &at);
    assert!(repository.has_blob(&durable) && repository.manifest(&by_tag("1")).is_some());
    assert!(!repository.has_blob(&unsure) && !store.has(&unsure));
}

/// What can be done to a repository.
#[derive(Clone, Debug)]
enum Deed {
    Push(u8, u8),
    Tag(u8, u8, u8),
    DeleteTag(u8, u8),
    DeleteManifest(u8, u8),
    DeleteBlob(u8, u8),
    Reopen,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        (0..3_u8, 0..5_u8).prop_map(|(at, blob)| Deed::Push(at, blob)),
        (0..3_u8, 0..4_u8, 0..5_u8).prop_map(|(at, tag, blob)| Deed::Tag(at, tag, blob)),
        (0..3_u8, 0..4_u8).prop_map(|(at, tag)| Deed::DeleteTag(at, tag)),
        (0..3_u8, 0..5_u8).prop_map(|(at, blob)| Deed::DeleteManifest(at, blob)),
        (0..3_u8, 0..5_u8).prop_map(|(at, blob)| Deed::DeleteBlob(at, blob)),
        Just(Deed::Reopen),
    ];
    prop::collection::vec(deed, 1..25)
}

async fn does(store: &Store, deed: &Deed) {
    let at = |number: &u8| name(&format!("shop-{number}"));
    let of = |number: &u8| manifest(&number.to_string());
    let pushed = |number: &u8| store.repository(Space::Pushed, &at(number));
    match deed {
        Deed::Push(to, blob) => {
            push(store, &at(to), &content(*blob, 500)).await;
        }
        Deed::Tag(to, number, blob) => {
            let links = [Digest::of(&content(*blob, 500))];
            let number = tag(&number.to_string());
            pushed(to)
                .put_manifest(&of(blob), Some(&number), &links, None)
                .await
                .unwrap();
        }
        Deed::DeleteTag(to, number) => {
            pushed(to)
                .delete_tag(&tag(&number.to_string()))
                .await
                .unwrap();
        }
        Deed::DeleteManifest(to, blob) => {
            pushed(to).delete_manifest(&of(blob).digest).await.unwrap();
        }
        Deed::DeleteBlob(to, blob) => {
            let digest = Digest::of(&content(*blob, 500));
            pushed(to).delete_blob(&digest).await.unwrap();
        }
        Deed::Reopen => {}
    }
}

/// Everything that can be seen.
fn seen(store: &Store) -> Vec<String> {
    let mut seen = Vec::new();
    for at in (0..3).map(|number| name(&format!("shop-{number}"))) {
        let repository = store.repository(Space::Pushed, &at);
        for tag in repository.tags() {
            let document = repository
                .manifest(&by_tag(&tag))
                .expect("a tag leads somewhere");
            seen.push(format!("{at}:{tag} {}", document.digest));
        }
        for blob in (0..5).map(|seed| Digest::of(&content(seed, 500))) {
            if repository.has_blob(&blob) {
                assert!(store.blob(&blob).is_some_and(|blob| blob.size == 500));
                seen.push(format!("{at} {blob}"));
            }
        }
    }
    seen.push(format!("{:?}", store.usage()));
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_done_a_restart_changes_nothing(deeds in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = folder();
            let mut store = open(&folder).await;
            for deed in deeds.iter().chain([&Deed::Reopen]) {
                does(&store, deed).await;
                if matches!(deed, Deed::Reopen) {
                    let before = seen(&store);
                    drop(store);
                    store = open(&folder).await;
                    assert_eq!(before, seen(&store));
                }
            }
        });
    }
}
