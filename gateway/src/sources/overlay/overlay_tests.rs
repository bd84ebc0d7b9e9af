//! A data root made by hand, as Docker 20.10 leaves it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::TryStreamExt as _;
use proptest::prelude::*;

use super::layer_tar::LayerTar;
use super::tar_split::tests::packed;
use super::{Overlay, Sizes};
use crate::content::Blob;
use crate::names::Digest;
use crate::sources::beneath::Folder;
use crate::sources::stream::Open as _;
use crate::sources::verify::Verdicts;

/// A part of an archive, as a test writes it.
enum Piece {
    Bytes(Vec<u8>),
    File(&'static [u8], Vec<u8>),
}

struct Made {
    place: tempfile::TempDir,
    below: Option<Digest>,
    layers: Vec<Digest>,
}

impl Made {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        for folder in [
            "image/overlay2/imagedb/content/sha256",
            "image/overlay2/layerdb/sha256",
            "overlay2",
        ] {
            std::fs::create_dir_all(place.path().join(folder)).unwrap();
        }
        Self {
            place,
            below: None,
            layers: Vec::new(),
        }
    }

    fn layerdb(&self) -> PathBuf {
        self.place.path().join("image/overlay2/layerdb/sha256")
    }

    fn diff(&self, at: usize) -> PathBuf {
        self.place.path().join(format!("overlay2/layer{at}/diff"))
    }

    /// Adds a layer whose archive is the pieces one after the other, and gives the archive.
    fn layer(&mut self, pieces: &[Piece]) -> Vec<u8> {
        let at = self.layers.len();
        let (mut archive, mut lines) = (Vec::new(), Vec::new());
        let diff = self.diff(at);
        std::fs::create_dir_all(&diff).unwrap();
        for (position, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Bytes(bytes) => {
                    let payload = STANDARD.encode(bytes);
                    lines.push(format!(
                        "{{\"type\":2,\"payload\":\"{payload}\",\"position\":{position}}}\n"
                    ));
                    archive.extend(bytes);
                }
                Piece::File(name, content) => {
                    use std::os::unix::ffi::OsStrExt as _;
                    let path = diff.join(std::ffi::OsStr::from_bytes(name));
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, content).unwrap();
                    let (raw, size) = (STANDARD.encode(name), content.len());
                    lines.push(format!(
                        "{{\"type\":1,\"name_raw\":\"{raw}\",\"size\":{size},\"payload\":\"\",\"position\":{position}}}\n"));
                    archive.extend(content);
                }
            }
        }
        let digest = Digest::of(&archive);
        let chain = match &self.below {
            Some(below) => Digest::of(format!("{below} {digest}").as_bytes()),
            None => digest.clone(),
        };
        let notes = self.layerdb().join(chain.hex());
        std::fs::create_dir_all(&notes).unwrap();
        std::fs::write(notes.join("diff"), digest.as_str()).unwrap();
        std::fs::write(notes.join("cache-id"), format!("layer{at}")).unwrap();
        std::fs::write(
            notes.join("tar-split.json.gz"),
            packed(lines.concat().as_bytes()),
        )
        .unwrap();
        self.below = Some(chain);
        self.layers.push(digest);
        archive
    }

    /// The image of all layers.
    fn image(&self) -> Digest {
        let layers: Vec<&str> = self.layers.iter().map(Digest::as_str).collect();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": layers}
        });
        let config = config.to_string();
        let id = Digest::of(config.as_bytes());
        let images = self
            .place
            .path()
            .join("image/overlay2/imagedb/content/sha256");
        std::fs::write(images.join(id.hex()), config).unwrap();
        id
    }

    fn open(&self) -> Overlay {
        Overlay::open(self.place.path(), &Sizes::default()).unwrap()
    }
}

fn header(text: &str) -> Piece {
    Piece::Bytes(text.as_bytes().repeat(64))
}

async fn content(blob: &Blob, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let pieces: Vec<bytes::Bytes> = blob.bytes.read(range).try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn an_image_is_found_with_the_archives_its_layers_came_from() {
    let mut made = Made::new();
    let pieces = [
        header("one"),
        Piece::File(b"etc/a", vec![7; 700_000]),
        header("two"),
        Piece::File(b"\xff raw", b"b".to_vec()),
        Piece::File(b"empty", Vec::new()),
        header("end"),
    ];
    let archives = [
        made.layer(&pieces),
        made.layer(&[header("only a whiteout")]),
        made.layer(&[]),
    ];
    let id = made.image();
    let verdicts = Verdicts::default();
    let found = made.open().find(&id, &verdicts).await.unwrap().unwrap();
    assert_eq!(found.manifest.digest, Digest::of(&found.manifest.bytes));
    assert!(found.missing.is_empty() && found.documents.is_empty());
    for archive in &archives {
        let blob = &found.blobs[&Digest::of(archive)];
        assert_eq!(blob.size, archive.len() as u64);
        assert_eq!(content(blob, 0..blob.size).await.unwrap(), *archive);
    }
    let config = &found.blobs[&id];
    assert_eq!(
        Digest::of(&content(config, 0..config.size).await.unwrap()),
        id
    );
}

#[tokio::test]
async fn an_image_that_is_not_here_or_has_lost_a_layer_is_not_found() {
    let mut made = Made::new();
    made.layer(&[header("one")]);
    let id = made.image();
    let verdicts = Verdicts::default();
    let overlay = made.open();
    assert!(
        overlay
            .find(&Digest::of(b"another"), &verdicts)
            .await
            .unwrap()
            .is_none()
    );
    let notes = made.layerdb().join(made.layers[0].hex());
    std::fs::remove_file(notes.join("tar-split.json.gz")).unwrap();
    assert!(overlay.find(&id, &verdicts).await.unwrap().is_none());
    std::fs::remove_dir_all(&notes).unwrap();
    assert!(overlay.find(&id, &verdicts).await.unwrap().is_none());
}

#[tokio::test]
async fn notes_that_lead_elsewhere_are_refused() {
    let mut made = Made::new();
    made.layer(&[header("one")]);
    let id = made.image();
    let notes = made.layerdb().join(made.layers[0].hex());
    for cache_id in ["../../etc", "a/b", "", ".."] {
        std::fs::write(notes.join("cache-id"), cache_id).unwrap();
        assert!(
            made.open().find(&id, &Verdicts::default()).await.is_err(),
            "{cache_id:?}"
        );
    }
    std::fs::write(notes.join("cache-id"), "layer0").unwrap();
    std::fs::write(notes.join("diff"), Digest::of(b"another").as_str()).unwrap();
    assert!(made.open().find(&id, &Verdicts::default()).await.is_err());
    let images = made
        .place
        .path()
        .join("image/overlay2/imagedb/content/sha256");
    std::fs::write(images.join(id.hex()), "{}").unwrap();
    assert!(made.open().find(&id, &Verdicts::default()).await.is_err());
}

#[tokio::test]
async fn a_layer_that_was_changed_is_never_read_to_its_end_and_the_image_is_not_found_again() {
    let mut made = Made::new();
    made.layer(&[header("one"), Piece::File(b"a", b"right".to_vec())]);
    let id = made.image();
    std::fs::write(made.diff(0).join("a"), "wrong").unwrap();
    let verdicts = Verdicts::default();
    let overlay = made.open();
    let found = overlay.find(&id, &verdicts).await.unwrap().unwrap();
    let blob = &found.blobs[&made.layers[0]];
    assert!(content(blob, 0..blob.size).await.is_err());
    assert!(overlay.find(&id, &verdicts).await.unwrap().is_none());
}

#[tokio::test]
async fn files_of_other_sizes_and_links_out_of_the_layer_end_the_reading() {
    for trouble in ["longer", "link", "gone", "folder"] {
        let mut made = Made::new();
        made.layer(&[header("one"), Piece::File(b"a", b"right".to_vec())]);
        let id = made.image();
        let file = made.diff(0).join("a");
        std::fs::remove_file(&file).unwrap();
        match trouble {
            "longer" => std::fs::write(&file, "right and more").unwrap(),
            "link" => {
                std::fs::write(made.place.path().join("right"), "right").unwrap();
                std::os::unix::fs::symlink(made.place.path().join("right"), &file).unwrap();
            }
            "folder" => std::fs::create_dir(&file).unwrap(),
            _ => {}
        }
        let found = made
            .open()
            .find(&id, &Verdicts::default())
            .await
            .unwrap()
            .unwrap();
        let blob = &found.blobs[&made.layers[0]];
        assert!(content(blob, 0..blob.size).await.is_err(), "{trouble}");
    }
}

/// Pieces of any kind, with files of every size class.
fn pieces() -> impl Strategy<Value = Vec<(bool, u8, usize)>> {
    prop::collection::vec((any::<bool>(), any::<u8>(), 0_usize..3000), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_place_reads_what_the_archive_has_there(pieces in pieces(), at in 0_usize..20_000, count in 0_usize..20_000) {
        const NAMES: [&[u8]; 12] = [b"a", b"b", b"c/a", b"c/b", b"d", b"e", b"f", b"g", b"h", b"i/j/k", b"l", b"m"];
        let mut made = Made::new();
        let pieces: Vec<Piece> = pieces
            .into_iter()
            .zip(NAMES)
            .map(|((is_file, byte, len), name)| if is_file {
                Piece::File(name, vec![byte; len])
            } else {
                Piece::Bytes(vec![byte; len])
            })
            .collect();
        let archive = made.layer(&pieces);
        let (start, end) = (at.min(archive.len()), (at + count).min(archive.len()));
        let layers = made.open().root.layers_of(
            format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, made.layers[0]).as_bytes()
        ).unwrap().unwrap();
        prop_assert_eq!(layers[0].files.size().unwrap(), archive.len() as u64);
        let mut read = vec![0; end - start];
        layers[0].files.open_at(start as u64).unwrap().read_exact(&mut read).unwrap();
        prop_assert_eq!(read, &archive[start..end]);
    }

    #[test]
    fn hostile_descriptions_open_nothing_outside(
        lines in prop::collection::vec(super::tar_split::tests::hostile_line(), 0..12),
        skip in 0_u64..100,
    ) {
        let place = tempfile::tempdir().unwrap();
        let diff = place.path().join("overlay2/layer0/diff");
        std::fs::create_dir_all(&diff).unwrap();
        let folder = Folder::open(Path::new(&diff)).unwrap();
        let document = packed(lines.join("\n").as_bytes());
        let mut tar = LayerTar::new(document.as_slice(), folder);
        let mut out = Vec::new();
        if tar.skip(skip).is_ok() {
            let ended = (&mut tar).take(1 << 20).read_to_end(&mut out);
            let encoded: usize = lines.iter().map(String::len).sum();
            // Only bytes that the description itself holds can come out of an empty folder.
            prop_assert!(ended.is_err() || out.len() <= encoded);
        }
    }
}
