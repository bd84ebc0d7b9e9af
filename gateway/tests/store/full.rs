//! A full disk is said as such, leaves nothing behind, and what was there stays.

use std::path::Path;

use berth_gateway::names::{Digest, Reference};
use berth_gateway::store::{Expected, Space, Store, StoreError};

use super::{child, content, folder_of_child, is_whole, manifest, name, open, push, tag};

#[tokio::test]
async fn a_full_disk_is_said_and_the_store_stays_clean() {
    if let Some(folder) = folder_of_child() {
        return fill(&folder.join("store"), &folder).await;
    }
    // A disk of 4 MiB that vanishes with the other process.
    let folder = tempfile::tempdir().unwrap();
    let mount = r#"mount -t tmpfs -o size=4m tmpfs "$BERTH_TEST_STORE" && exec "$0" "$@""#;
    let test = "full::a_full_disk_is_said_and_the_store_stays_clean";
    let mut other = child(test, &["unshare", "--mount", "sh", "-c", mount]);
    let done = other.env(super::FOLDER, folder.path()).output().unwrap();
    let said =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

async fn fill(store_folder: &Path, disk: &Path) {
    let store = open(store_folder).await;
    push(&store, 1, 1_000_000).await.unwrap();
    assert!(matches!(
        push(&store, 2, 8_000_000).await,
        Err(StoreError::NoSpace)
    ));
    let expected = Expected {
        digest: Digest::of(&content(3, 6_000_000)),
        size: 6_000_000,
    };
    let mut writer = store.writer(Some(expected.clone())).await.unwrap();
    let blob = store.blob(&expected.digest).unwrap();
    let reading = tokio::spawn(async move {
        use futures::TryStreamExt as _;
        blob.bytes.read(0..6_000_000).try_collect::<Vec<_>>().await
    });
    let mut end = Ok(());
    for piece in content(3, 6_000_000).chunks(100_000) {
        end = writer.write(bytes::Bytes::copy_from_slice(piece)).await;
        if end.is_err() {
            break;
        }
    }
    assert!(matches!(end, Err(StoreError::NoSpace)));
    drop(writer);
    assert!(reading.await.unwrap().is_err());
    is_clean(&store, store_folder);
    push(&store, 4, 1_000_000).await.unwrap();

    // Not even a line of the journal fits.
    let ballast = disk.join("ballast");
    assert!(std::fs::write(&ballast, vec![1; 4_000_000]).is_err());
    let repository = store.repository(Space::Pushed, &name());
    let mut number = 0;
    let refused = loop {
        number += 1;
        let again = repository
            .put_manifest(&manifest(1), Some(&tag(1000 + number)), &[], None)
            .await;
        if again.is_err() || number == 1000 {
            break again;
        }
    };
    assert!(matches!(refused, Err(StoreError::NoSpace)));
    assert_eq!(
        repository.manifest(&Reference::Tag(tag(1000 + number))),
        None
    );
    std::fs::remove_file(ballast).unwrap();
    push(&store, 5, 500_000).await.unwrap();
    is_clean(&store, store_folder);
    let tags = repository.tags();
    drop((repository, store));

    let store = open(store_folder).await;
    let repository = store.repository(Space::Pushed, &name());
    assert_eq!(repository.tags(), tags);
    for number in [1, 4, 5] {
        assert_eq!(
            repository.manifest(&Reference::Tag(tag(number))),
            Some(manifest(number))
        );
    }
}

fn is_clean(store: &Store, folder: &Path) {
    is_whole(folder);
    assert_eq!(store.usage().arriving, 0);
}
