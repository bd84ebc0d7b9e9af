use std::process::Command;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::{Entry, Reader, TarError};
use crate::tar::{Kind, end, entry, padding};

/// An archive that comes in pieces of `size` bytes.
fn reader(archive: &[u8], size: usize) -> Reader {
    let pieces: Vec<_> = archive
        .chunks(size)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    Reader::new(stream::iter(pieces).boxed())
}

async fn all(mut reader: Reader) -> Result<Vec<(Entry, Bytes)>, TarError> {
    let mut found = Vec::new();
    while let Some(entry) = reader.next().await? {
        let content = reader.whole(u64::MAX).await?.unwrap();
        found.push((entry, content));
    }
    Ok(found)
}

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = entry(path, Kind::File, 0o644, content.len() as u64);
    bytes.extend(content);
    bytes.resize(bytes.len() + padding(content.len() as u64), 0);
    bytes
}

#[tokio::test]
async fn what_is_written_reads_back_however_it_comes_in() {
    let long = format!("{}/name", "folder/".repeat(40));
    let files = [
        ("a", &b"1"[..]),
        (long.as_str(), &[7; 1000]),
        ("empty", b""),
    ];
    let mut archive: Vec<u8> = files
        .iter()
        .flat_map(|(path, content)| file(path, content))
        .collect();
    archive.extend(end());
    for size in [1, 7, 511, 512, 513, 100_000] {
        let found = all(reader(&archive, size)).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(entry, content)| (entry.path.as_str(), content.as_ref()))
            .collect();
        assert_eq!(found, files, "in pieces of {size}");
    }
}

#[tokio::test]
async fn archives_of_gnu_tar_read_in_both_of_its_formats() {
    let folder = tempfile::tempdir().unwrap();
    let long = "n".repeat(150);
    std::fs::write(folder.path().join(&long), "content").unwrap();
    std::os::unix::fs::symlink(&long, folder.path().join("zlink")).unwrap();
    for format in ["gnu", "pax"] {
        let archive = Command::new("tar")
            .args(["--sort=name", "--format", format, "-cf", "-", "-C"])
            .arg(folder.path())
            .args([long.as_str(), "zlink"])
            .output()
            .unwrap()
            .stdout;
        let found = all(reader(&archive, 1000)).await.unwrap();
        assert_eq!(found[0].0.path, long);
        assert_eq!(&found[0].1[..], b"content");
        assert_eq!((found[1].0.kind, &found[1].0.link), (Kind::Symlink, &long));
    }
}

#[tokio::test]
async fn entries_that_are_not_read_are_skipped() {
    let mut archive = file("big", &[1; 5000]);
    archive.extend(file("small", b"x"));
    let mut reader = reader(&archive, 100);
    reader.next().await.unwrap();
    reader.chunk().await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap().path, "small");
    assert_eq!(reader.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_archive_that_breaks_off_is_no_archive_that_ends() {
    let whole = file("a", &[1; 5000]);
    for length in [100, 512, 600, 5511, 5600] {
        let broken = all(reader(&whole[..length], 64)).await;
        assert!(
            matches!(broken, Err(TarError::Short)),
            "{length}: {broken:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    let text = "GIF89a".repeat(200);
    let broken = all(reader(text.as_bytes(), 64)).await;
    assert!(matches!(broken, Err(TarError::Header)), "{broken:?}");
}

#[tokio::test]
async fn a_claimed_size_takes_no_memory() {
    let mut archive = entry("huge", Kind::File, 0o644, u64::MAX / 2);
    archive.extend([0; 512]);
    let mut huge = reader(&archive, 512);
    assert_eq!(huge.next().await.unwrap().unwrap().size, u64::MAX / 2);
    assert_eq!(huge.whole(1024).await.unwrap(), None);
    assert!(matches!(all(huge).await, Err(TarError::Short)));
    let note = entry("note", Kind::Pax, 0o644, 1 << 40);
    let broken = all(reader(&note, 512)).await;
    assert!(matches!(broken, Err(TarError::Note(_))), "{broken:?}");
}
