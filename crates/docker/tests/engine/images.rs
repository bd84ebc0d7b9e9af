//! Images: load, save, list, pull.

use docker::Engine;
use futures::TryStreamExt as _;

use crate::fixture::{IMAGE, engine_with_image, image_archive, stream_of, tar_of, unique};

/// Loads an image of one small layer.
pub(crate) async fn load_small(engine: &Engine, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("name"), name).unwrap();
    let archive = image_archive(name, &[tar_of(folder.path())]);
    let said = engine.load(stream_of(archive)).await.unwrap();
    assert_eq!(said, [format!("Loaded image: {name}")]);
}

#[tokio::test]
async fn what_is_saved_can_be_loaded_again() {
    let engine = engine_with_image().await;
    let name = format!("{}:1", unique("saved"));
    load_small(&engine, &name).await;
    let id = engine.image(&name).await.unwrap().unwrap().id;

    let pieces: Vec<bytes::Bytes> = engine.export(&[&name]).try_collect().await.unwrap();
    engine.remove_image(&name, false).await.unwrap();
    assert!(engine.image(&name).await.unwrap().is_none());

    engine.load(stream_of(pieces.concat())).await.unwrap();
    assert_eq!(engine.image(&name).await.unwrap().unwrap().id, id);
    engine.remove_image(&name, false).await.unwrap();
}

#[tokio::test]
async fn images_are_listed_with_their_names() {
    let engine = engine_with_image().await;
    let images = engine.images().await.unwrap();
    assert!(
        images
            .iter()
            .any(|image| image.repo_tags.contains(&IMAGE.to_owned()))
    );
    assert!(engine.image("berth-docker-gone:1").await.unwrap().is_none());
}

#[tokio::test]
async fn saving_what_is_not_there_is_an_error() {
    let engine = engine_with_image().await;
    let missing = engine
        .export(&["berth-docker-gone:1"])
        .try_collect::<Vec<_>>()
        .await;
    let missing = missing.unwrap_err();
    assert!(
        missing.says("reference does not exist") || missing.is_not_found(),
        "{missing}"
    );
}

#[tokio::test]
async fn loading_what_is_no_archive_is_an_error() {
    let engine = engine_with_image().await;
    let nonsense = engine.load(stream_of(b"GIF89a".repeat(1000))).await;
    assert!(nonsense.is_err(), "{nonsense:?}");
}
