//! The store when it is killed, and when its disk is full: in a process of its own, on a disk of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod full;
mod killed;

use std::path::PathBuf;
use std::process::Command;

use berth_gateway::content::Document;
use berth_gateway::names::{Digest, Name, Tag};
use berth_gateway::store::{Limits, Space, Store, StoreError};
use bytes::Bytes;

/// Tells the other process which folder the store is in.
const FOLDER: &str = "BERTH_TEST_STORE";

/// The folder, when this is the other process.
fn folder_of_child() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// This program with only the named test, as the other process.
fn child(test: &str, through: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut words =
        through
            .iter()
            .copied()
            .chain([own.to_str().unwrap(), "--exact", test, "--nocapture"]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn name() -> Name {
    Name::parse("team/shop").unwrap()
}

fn tag(number: usize) -> Tag {
    Tag::parse(&number.to_string()).unwrap()
}

/// Content that is another one for each number.
fn content(number: usize, size: usize) -> Bytes {
    let block = format!("{number:08} ").repeat(8);
    block.bytes().cycle().take(size).collect()
}

fn manifest(number: usize) -> Document {
    let bytes = Bytes::from(format!(
        r#"{{"schemaVersion":2,"config":{{}},"number":{number}}}"#
    ));
    Document {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        digest: Digest::of(&bytes),
        bytes,
    }
}

const PEER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Pushes an image of one layer, as the tag of its number.
async fn push(store: &Store, number: usize, size: usize) -> Result<(), StoreError> {
    let bytes = content(number, size);
    let id = store.start_upload(&name(), PEER).await?;
    let mut upload = store.upload(&name(), &id).await.unwrap();
    for piece in bytes.chunks(50_000) {
        upload
            .append(upload.offset(), Bytes::copy_from_slice(piece))
            .await?;
    }
    upload.finish(&Digest::of(&bytes)).await?;
    let repository = store.repository(Space::Pushed, &name());
    let layer = [Digest::of(&bytes)];
    repository
        .put_manifest(&manifest(number), Some(&tag(number)), &layer, None)
        .await
}

async fn open(folder: &std::path::Path) -> Store {
    Store::open(folder, Limits::default()).await.unwrap()
}

/// Everything in the store is what it is called, and nothing is half.
fn is_whole(folder: &std::path::Path) {
    assert_eq!(
        std::fs::read_dir(folder.join("arriving")).unwrap().count(),
        0
    );
    for part in std::fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        for file in std::fs::read_dir(part.unwrap().path()).unwrap() {
            let file = file.unwrap();
            let digest = Digest::of(&std::fs::read(file.path()).unwrap());
            assert_eq!(file.file_name().to_str().unwrap(), digest.hex());
        }
    }
}
