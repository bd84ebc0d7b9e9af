//! Archives in the three formats, made here from the same image.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::{Archive, Format, ImageError, Layout, Reader, manifest_of, media_type};
use crate::digest::Digest;
use crate::engine::ByteStream;
use crate::tar::{self, Kind};

/// An archive that is being made.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let size = content.len() as u64;
        self.0.extend(tar::entry(path, Kind::File, 0o644, size));
        self.0.extend(content);
        self.0.resize(self.0.len() + tar::padding(size), 0);
        self
    }

    fn blob(self, content: impl AsRef<[u8]>) -> Self {
        let path = format!("blobs/sha256/{}", Digest::of(content.as_ref()).hex());
        self.file(&path, content)
    }

    fn link(self, path: &str, target: &str) -> Self {
        self.special(path, Kind::Symlink, target)
    }

    fn special(mut self, path: &str, kind: Kind, target: &str) -> Self {
        let mut block = tar::entry(path, kind, 0o777, 0);
        if kind == Kind::Other {
            block[156] = b'3';
        }
        block[157..157 + target.len()].copy_from_slice(target.as_bytes());
        block[148..156].copy_from_slice(b"        ");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend(tar::end());
        self.0
    }
}

fn source(archive: &[u8], piece: usize) -> ByteStream {
    let pieces: Vec<_> = archive
        .chunks(piece)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces).boxed()
}

async fn read(archive: &[u8]) -> Result<Archive, ImageError> {
    Reader::new(source(archive, 700)).finish().await
}

/// The same image for every format.
struct Sample {
    layers: Vec<Vec<u8>>,
}

impl Sample {
    fn new(layers: usize) -> Self {
        let layer = |index: usize| {
            let content = format!("layer {index}").repeat(100 * (index + 1));
            Tar::default().file("content", content).end()
        };
        Self {
            layers: (0..layers).map(layer).collect(),
        }
    }

    fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| Digest::of(layer)).collect()
    }

    fn config(&self) -> Vec<u8> {
        let rootfs = format!(
            r#"{{"type":"layers","diff_ids":{}}}"#,
            serde_json::to_string(&self.diff_ids()).unwrap()
        );
        format!(r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{rootfs}}}"#)
            .into_bytes()
    }

    /// As Docker 20.10 writes it; a layer that comes again is a link to where it came first, which may come later.
    fn legacy(&self) -> Vec<u8> {
        let config = self.config();
        let mut entries: BTreeMap<String, Tar> = BTreeMap::new();
        let mut folders = Vec::new();
        let mut first: BTreeMap<Digest, String> = BTreeMap::new();
        let (mut chain, mut parent) = (None::<Digest>, None::<Digest>);
        for (index, layer) in self.layers.iter().enumerate() {
            let diff_id = Digest::of(layer);
            chain = Some(match &chain {
                Some(chain) => Digest::of(format!("{chain} {diff_id}").as_bytes()),
                None => diff_id.clone(),
            });
            let is_top = index + 1 == self.layers.len();
            let id = legacy_id(chain.as_ref().unwrap(), parent.as_ref(), is_top);
            let folder = id.hex().to_owned();
            let mut tar = Tar::default()
                .special(&format!("{folder}/"), Kind::Folder, "")
                .file(&format!("{folder}/VERSION"), "1.0")
                .file(
                    &format!("{folder}/json"),
                    description(&folder, parent.as_ref()),
                );
            tar = match first.get(&diff_id) {
                Some(other) => tar.link(
                    &format!("{folder}/layer.tar"),
                    &format!("../{other}/layer.tar"),
                ),
                None => tar.file(&format!("{folder}/layer.tar"), layer),
            };
            first.entry(diff_id).or_insert_with(|| folder.clone());
            entries.insert(folder.clone(), tar);
            folders.push(format!("{folder}/layer.tar"));
            parent = Some(id);
        }
        let name = format!("{}.json", Digest::of(&config).hex());
        entries.insert(name.clone(), Tar::default().file(&name, &config));
        let saved = json!([{"Config": name, "RepoTags": ["shop:1", "box.lan:5000/shop:2"], "Layers": folders}]);
        let mut bytes: Vec<u8> = entries.into_values().flat_map(|tar| tar.0).collect();
        bytes.extend(
            Tar::default()
                .file("manifest.json", saved.to_string())
                .file("repositories", "{}")
                .0,
        );
        bytes.extend(tar::end());
        bytes
    }

    /// As Docker 25 and newer write it with a graph driver; version 25 forgot the layers in its manifest.
    fn graph_driver(&self) -> Vec<u8> {
        let config = self.config();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": descriptor(media_type::CONFIG, &config), "layers": [],
        })
        .to_string();
        let paths: Vec<_> = self
            .diff_ids()
            .iter()
            .map(|id| format!("blobs/sha256/{}", id.hex()))
            .collect();
        let saved = json!([{
            "Config": format!("blobs/sha256/{}", Digest::of(&config).hex()),
            "RepoTags": ["shop:1", "box.lan:5000/shop:2"],
            "Layers": paths,
        }]);
        let mut blobs: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        let descriptions = (0..self.layers.len()).map(|index| {
            description(
                &"0".repeat(64),
                Some(&Digest::of(&[index.to_le_bytes()[0]])),
            )
        });
        let all = self
            .layers
            .iter()
            .cloned()
            .chain(descriptions)
            .chain([config, manifest.clone().into_bytes()]);
        blobs.extend(all.map(|content| (Digest::of(&content), content)));
        let tar = blobs.values().fold(
            Tar::default().special("blobs/", Kind::Folder, ""),
            Tar::blob,
        );
        tar.file(
            "index.json",
            index(&[(
                "docker.io/library/shop:1",
                media_type::MANIFEST,
                manifest.as_bytes(),
            )]),
        )
        .file("manifest.json", saved.to_string())
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("repositories", r#"{"shop":{"1":"x"}}"#)
        .end()
    }

    fn manifest(&self) -> Vec<u8> {
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| descriptor(media_type::LAYER_GZIP, layer))
            .collect();
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": descriptor(media_type::CONFIG, &self.config()),
            "layers": layers,
            "annotations": {"of": "upstream"},
        })
        .to_string()
        .into_bytes()
    }

    /// As containerd's store writes it: everything as it was pulled.
    fn containerd(&self) -> Vec<u8> {
        let manifest = self.manifest();
        let saved = json!([{"Config": "blobs/sha256/x", "RepoTags": ["shop:1"], "Layers": []}]);
        self.layers
            .iter()
            .fold(Tar::default(), Tar::blob)
            .blob(self.config())
            .blob(&manifest)
            .file(
                "index.json",
                index(&[
                    ("docker.io/library/shop:1", media_type::MANIFEST, &manifest),
                    ("docker.io/library/shop:2", media_type::MANIFEST, &manifest),
                ]),
            )
            .file("manifest.json", saved.to_string())
            .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
            .end()
    }
}

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(content), "size": content.len()})
}

fn index(images: &[(&str, &str, &[u8])]) -> String {
    let named = |(name, kind, content): &(&str, &str, &[u8])| {
        let mut descriptor = descriptor(kind, content);
        descriptor["annotations"] = json!({"io.containerd.image.name": name});
        descriptor
    };
    let manifests: Vec<_> = images.iter().map(named).collect();
    json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests}).to_string()
}

const ABOUT: &str =
    r#""container_config":{"Hostname":"a,b","Env":null},"created":"1970-01-01T00:00:00Z""#;

fn description(id: &str, parent: Option<&Digest>) -> Vec<u8> {
    let parent = parent
        .map(|parent| format!(r#""parent":"{}","#, parent.hex()))
        .unwrap_or_default();
    format!(r#"{{"id":"{id}",{parent}{ABOUT},"os":"linux"}}"#).into_bytes()
}

/// The name that Docker gives to the folder of a layer.
fn legacy_id(chain: &Digest, parent: Option<&Digest>, is_top: bool) -> Digest {
    let os = if is_top { r#","os":"linux""# } else { "" };
    let parent = parent
        .map(|parent| format!(r#","parent":"{parent}""#))
        .unwrap_or_default();
    Digest::of(format!(r#"{{{ABOUT},"layer_id":"{chain}"{os}{parent}}}"#).as_bytes())
}

#[tokio::test]
async fn every_format_gives_the_same_image() {
    for count in [1, 3, 40] {
        let sample = Sample::new(count);
        let legacy = read(&sample.legacy()).await.unwrap();
        let graph_driver = read(&sample.graph_driver()).await.unwrap();
        let layout = read(&sample.containerd()).await.unwrap();
        assert_eq!(
            [legacy.format, graph_driver.format, layout.format],
            [Format::Legacy, Format::GraphDriver, Format::Layout]
        );
        assert_eq!(legacy.images, graph_driver.images);
        assert_eq!(legacy.images[0].names, ["shop:1", "box.lan:5000/shop:2"]);
        for archive in [&legacy, &layout] {
            let manifest = &archive.images[0].manifests[0];
            let diff_ids: Vec<_> = manifest
                .layers
                .iter()
                .filter_map(|layer| layer.diff_id.clone())
                .collect();
            assert_eq!(diff_ids, sample.diff_ids());
            assert_eq!(manifest.config.digest, Digest::of(&sample.config()));
            assert!(manifest.is_complete(&archive.documents));
            assert_eq!(
                archive.documents[&manifest.descriptor.digest].len() as u64,
                manifest.descriptor.size
            );
        }
        // What was pulled keeps its digest.
        assert_eq!(
            layout.images[0].target.digest,
            Digest::of(&sample.manifest())
        );
        assert_eq!(
            layout.images[0].names,
            ["docker.io/library/shop:1", "docker.io/library/shop:2"]
        );
    }
}

#[tokio::test]
async fn the_manifest_that_is_made_is_the_same_for_ever() {
    let archive = read(&Sample::new(1).legacy()).await.unwrap();
    let made = &archive.documents[&archive.images[0].target.digest];
    let (config, layer) = (
        Digest::of(&Sample::new(1).config()),
        Digest::of(&Sample::new(1).layers[0]),
    );
    let (config_size, layer_size) = (
        Sample::new(1).config().len(),
        Sample::new(1).layers[0].len(),
    );
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{config_size}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":{layer_size}}}]}}"#
    );
    assert_eq!(std::str::from_utf8(made).unwrap(), expected);
    let alone = manifest_of((&config, config_size as u64), &[(layer, layer_size as u64)]);
    assert_eq!(alone.unwrap(), expected);
}

#[tokio::test]
async fn what_passed_is_known_before_the_end() {
    let sample = Sample::new(2);
    for bytes in [sample.legacy(), sample.graph_driver()] {
        let mut reader = Reader::new(source(&bytes, 700)).with_layers(&sample.diff_ids());
        let config = Digest::of(&sample.config());
        assert_eq!(reader.document(&config), None);
        while let Some(blob) = reader.next().await.unwrap() {
            while reader.chunk().await.unwrap().is_some() {}
            assert_eq!(reader.passed(), blob.digest.as_ref());
        }
        assert_eq!(reader.document(&config).unwrap(), &sample.config());
    }
}

#[tokio::test]
async fn it_does_not_matter_in_which_pieces_an_archive_comes() {
    let sample = Sample::new(3);
    for bytes in [sample.legacy(), sample.graph_driver(), sample.containerd()] {
        let whole = read(&bytes).await.unwrap();
        for piece in [1, 100, 512, 513, 1_000_000] {
            let pieces = Reader::new(source(&bytes, piece)).finish().await.unwrap();
            assert_eq!(pieces.images, whole.images);
            assert_eq!(pieces.blobs, whole.blobs);
        }
    }
}

#[tokio::test]
async fn a_layer_that_repeats_is_a_link_even_to_what_comes_later() {
    let mut sample = Sample::new(5);
    sample.layers[2] = sample.layers[0].clone();
    sample.layers[4] = sample.layers[0].clone();
    let legacy = read(&sample.legacy()).await.unwrap();
    let layers: Vec<_> = legacy.images[0].manifests[0]
        .layers
        .iter()
        .map(|layer| layer.descriptor.digest.clone())
        .collect();
    assert_eq!(layers, sample.diff_ids());
    assert_eq!(legacy.blobs.len(), 3);
    assert_eq!(
        legacy.images,
        read(&sample.graph_driver()).await.unwrap().images
    );
}

#[tokio::test]
async fn blobs_are_handed_out_whole_and_known_where_they_can_be() {
    let sample = Sample::new(4);
    let announced = sample.diff_ids();
    let table = [
        (sample.legacy(), false, false),
        (sample.legacy(), true, true),
        (sample.graph_driver(), false, true),
        (sample.containerd(), false, true),
    ];
    for (bytes, announce, known) in table {
        let mut reader = Reader::new(source(&bytes, 999));
        if announce {
            reader = reader.with_layers(&announced);
        }
        let mut found = BTreeMap::new();
        while let Some(blob) = reader.next().await.unwrap() {
            assert_eq!(blob.digest.is_some(), known);
            let mut content = Vec::new();
            while let Some(chunk) = reader.chunk().await.unwrap() {
                content.extend(chunk);
            }
            assert_eq!(content.len() as u64, blob.size);
            assert!(
                blob.digest
                    .is_none_or(|digest| digest == Digest::of(&content))
            );
            found.insert(Digest::of(&content), content);
        }
        let expected: BTreeMap<_, _> = sample
            .layers
            .iter()
            .map(|layer| (Digest::of(layer), layer.clone()))
            .collect();
        assert_eq!(found, expected);
        reader.finish().await.unwrap();
    }
}

/// An index of two platforms, of which only the first is there, and an attestation.
fn several_platforms(sample: &Sample) -> (Vec<u8>, Vec<u8>) {
    let manifest = sample.manifest();
    let with_platform = |content: &[u8], os: &str, architecture: &str| {
        let mut descriptor = descriptor(media_type::MANIFEST, content);
        descriptor["platform"] = json!({"os": os, "architecture": architecture});
        descriptor
    };
    let top = json!({
        "schemaVersion": 2,
        "mediaType": media_type::INDEX,
        "manifests": [
            with_platform(&manifest, "linux", "amd64"),
            with_platform(b"absent", "linux", "arm64"),
            with_platform(b"absent attestation", "unknown", "unknown"),
        ],
    })
    .to_string()
    .into_bytes();
    let archive = sample
        .layers
        .iter()
        .fold(Tar::default(), Tar::blob)
        .blob(sample.config())
        .blob(&manifest)
        .blob(&top)
        .file(
            "index.json",
            index(&[("docker.io/library/shop:1", media_type::INDEX, &top)]),
        )
        .file("oci-layout", "{}")
        .end();
    (archive, top)
}

#[tokio::test]
async fn an_index_tells_which_of_its_platforms_are_there() {
    let sample = Sample::new(2);
    let (bytes, top) = several_platforms(&sample);
    let archive = read(&bytes).await.unwrap();
    let image = &archive.images[0];
    assert_eq!(image.target.digest, Digest::of(&top));
    assert_eq!((image.manifests.len(), image.absent.len()), (1, 2));
    let platform = image.manifests[0].descriptor.platform.as_ref().unwrap();
    assert_eq!(
        (platform.os.as_str(), platform.architecture.as_str()),
        ("linux", "amd64")
    );
}

#[tokio::test]
async fn a_layer_that_the_store_lacks_is_told() {
    let sample = Sample::new(3);
    let manifest = sample.manifest();
    let archive = Tar::default()
        .blob(&sample.layers[0])
        .blob(sample.config())
        .blob(&manifest)
        .file(
            "index.json",
            index(&[("docker.io/library/shop:1", media_type::MANIFEST, &manifest)]),
        )
        .end();
    let archive = read(&archive).await.unwrap();
    let manifest = &archive.images[0].manifests[0];
    let here: Vec<_> = manifest.layers.iter().map(|layer| layer.is_here).collect();
    assert_eq!(here, [true, false, false]);
    assert!(!manifest.is_complete(&archive.documents));
}

#[tokio::test]
async fn archives_of_other_tools_are_read() {
    let sample = Sample::new(2);
    let config = sample.config();
    // Layers by their digests, the configuration by its own: go-containerregistry; Podman appends .json.
    for config_name in [
        format!("sha256:{}", Digest::of(&config).hex()),
        format!("{}.json", Digest::of(&config).hex()),
    ] {
        let names: Vec<_> = sample
            .diff_ids()
            .iter()
            .map(|id| format!("{}.tar", id.hex()))
            .collect();
        let saved = json!([{"Config": config_name, "RepoTags": null, "Layers": names}]);
        let archive = Tar::default()
            .file("manifest.json", saved.to_string())
            .file(&names[0], &sample.layers[0])
            .file(&names[1], &sample.layers[1])
            .file(&config_name, &config)
            .end();
        let archive = read(&archive).await.unwrap();
        assert!(archive.images[0].names.is_empty());
        assert_eq!(
            archive.images[0].manifests,
            read(&sample.legacy()).await.unwrap().images[0].manifests
        );
    }
}

#[tokio::test]
async fn content_that_is_not_what_it_is_called_is_refused() {
    let sample = Sample::new(2);
    let path = |content: &[u8]| format!("blobs/sha256/{}", Digest::of(content).hex());
    let wrong_blob = Tar::default()
        .file(&path(b"other"), &sample.layers[0])
        .end();
    let wrong_document = Tar::default().file(&path(b"other"), sample.config()).end();
    for archive in [wrong_blob, wrong_document] {
        let error = read(&archive).await.unwrap_err();
        assert!(matches!(error, ImageError::Digest { .. }), "{error}");
    }

    let config = sample.config();
    let saved = |config_name: &str, layers: &[&str]| {
        json!([{"Config": config_name, "RepoTags": ["shop:1"], "Layers": layers}]).to_string()
    };
    let wrong_config = Tar::default()
        .file(&format!("{}.json", Digest::of(b"other").hex()), &config)
        .file(
            "manifest.json",
            saved(
                &format!("{}.json", Digest::of(b"other").hex()),
                &["a/layer.tar", "b/layer.tar"],
            ),
        )
        .end();
    assert!(matches!(
        read(&wrong_config).await.unwrap_err(),
        ImageError::Digest { .. }
    ));

    let with = |layers: &[&str]| {
        Tar::default()
            .file("config.json", &config)
            .file("a/layer.tar", &sample.layers[0])
            .file("b/layer.tar", &sample.layers[1])
            .file("manifest.json", saved("config.json", layers))
            .end()
    };
    read(&with(&["a/layer.tar", "b/layer.tar"])).await.unwrap();
    for layers in [&["b/layer.tar", "a/layer.tar"][..], &["a/layer.tar"]] {
        let error = read(&with(layers)).await.unwrap_err();
        assert!(matches!(error, ImageError::Inconsistent { .. }), "{error}");
    }
    let error = read(&with(&["a/layer.tar", "c/layer.tar"]))
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn what_leads_out_of_the_archive_is_refused() {
    let table = [
        Tar::default().file("../../etc/cron.d/x", "x"),
        Tar::default().file("/etc/cron.d/x", "x"),
        Tar::default().file("blobs/../../x.tar", "x"),
        Tar::default().link("a/layer.tar", "../../../etc/shadow"),
        Tar::default().link("a/layer.tar", "/etc/shadow"),
        Tar::default().special("a/layer.tar", Kind::Hardlink, "b/layer.tar"),
        Tar::default().special("a/layer.tar", Kind::Other, ""),
    ];
    for tar in table {
        let error = read(&tar.end()).await.unwrap_err();
        assert!(matches!(error, ImageError::Unusual { .. }), "{error}");
    }
}

#[tokio::test]
async fn links_in_a_circle_lead_nowhere() {
    let saved = json!([{"Config": "config.json", "Layers": ["a/layer.tar"]}]);
    let archive = Tar::default()
        .link("a/layer.tar", "../b/layer.tar")
        .link("b/layer.tar", "../a/layer.tar")
        .file("config.json", Sample::new(1).config())
        .file("manifest.json", saved.to_string())
        .end();
    assert!(matches!(
        read(&archive).await.unwrap_err(),
        ImageError::Missing { .. }
    ));
}

#[tokio::test]
async fn absurd_sizes_are_refused_unread() {
    let claim = |path: &str, size: u64| tar::entry(path, Kind::File, 0o644, size);
    for archive in [
        claim("a/layer.tar", 1 << 60),
        claim("manifest.json", 1 << 30),
        claim("a/json", 1 << 30),
    ] {
        let error = read(&archive).await.unwrap_err();
        assert!(matches!(error, ImageError::Unusual { .. }), "{error}");
    }
    // A claim that is kept is believed, one that is not is an archive that breaks off.
    let error = read(&claim("a/layer.tar", 1 << 40)).await.unwrap_err();
    assert!(matches!(error, ImageError::Short), "{error}");
    let document = vec![b'{'; 8 * 1024 * 1024];
    let many = (0..9).fold(Tar::default(), |tar, index| {
        tar.file(&format!("{index}.json"), &document)
    });
    let error = read(&many.end()).await.unwrap_err();
    assert!(
        error.to_string().contains("one document too many"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_archive_of_images_is_said() {
    let mut gzip = vec![0x1f, 0x8b, 8, 0];
    gzip.resize(1024, 7);
    let table: [(Vec<u8>, &str); 5] = [
        (gzip, "compressed with gzip"),
        (b"GIF89a".repeat(200), "no tar archive"),
        (
            Tar::default().file("readme", "x").end(),
            "written by `docker save`",
        ),
        (Sample::new(1).legacy()[..900].to_vec(), "ends too early"),
        (
            Tar::default().file("manifest.json", "[{\n]").end(),
            "line 2",
        ),
    ];
    for (bytes, expected) in table {
        let error = read(&bytes).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(matches!(read(b"").await.unwrap_err(), ImageError::NoImage));
    let broken = stream::iter([Err(std::io::Error::other("unplugged"))]).boxed();
    assert!(matches!(
        Reader::new(broken).finish().await.unwrap_err(),
        ImageError::Source(_)
    ));
}

/// The layout that comes out, and what its entries are called.
async fn rewrite(
    archive: &[u8],
    announced: &[Digest],
    leave_out: &[Digest],
) -> (Vec<u8>, Vec<String>) {
    let layout = Layout::new(source(archive, 700), leave_out.iter().cloned().collect());
    let pieces: Vec<Bytes> = layout
        .with_layers(announced)
        .into_stream()
        .try_collect()
        .await
        .unwrap();
    let bytes = pieces.concat();
    let mut reader = tar::Reader::new(source(&bytes, 4096));
    let mut names = Vec::new();
    while let Some(entry) = reader.next().await.unwrap() {
        names.push(entry.path);
    }
    (bytes, names)
}

#[tokio::test]
async fn every_format_comes_out_as_a_layout_of_the_same_image() {
    let sample = Sample::new(4);
    for bytes in [sample.legacy(), sample.graph_driver(), sample.containerd()] {
        let before = read(&bytes).await.unwrap();
        let (layout, names) = rewrite(&bytes, &sample.diff_ids(), &[]).await;
        let after = read(&layout).await.unwrap();
        assert_eq!(after.format, Format::Layout);
        assert_eq!(after.images[0].manifests, before.images[0].manifests);
        assert_eq!(
            after.images[0].target.digest,
            before.images[0].target.digest
        );
        assert!(
            after.images[0]
                .names
                .contains(&"docker.io/library/shop:1".to_owned())
        );
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        // Layers, configuration, manifest; index.json and oci-layout.
        assert_eq!(names.len(), 4 + 2 + 2, "{names:?}");
    }
}

#[tokio::test]
async fn what_is_left_out_does_not_come_out() {
    let sample = Sample::new(4);
    let mut leave_out = sample.diff_ids()[..3].to_vec();
    leave_out.push(Digest::of(&sample.config()));
    for bytes in [sample.legacy(), sample.graph_driver(), sample.containerd()] {
        let (layout, names) = rewrite(&bytes, &sample.diff_ids(), &leave_out).await;
        for digest in &leave_out {
            assert!(
                !names.iter().any(|name| name.contains(digest.hex())),
                "{names:?}"
            );
        }
        assert!(
            names
                .iter()
                .any(|name| name.contains(sample.diff_ids()[3].hex()))
        );
        assert_eq!(names.len(), 1 + 1 + 2, "{names:?}");
        let after = read(&layout).await.unwrap();
        assert_eq!(after.images[0].manifests[0].layers.len(), 4);
    }
}

#[tokio::test]
async fn a_layer_that_nobody_announced_comes_out_under_a_name_of_its_own() {
    let sample = Sample::new(2);
    let (_, names) = rewrite(&sample.legacy(), &[], &sample.diff_ids()).await;
    assert_eq!(names[..2], ["layers/1.tar", "layers/2.tar"]);
}

#[tokio::test]
async fn of_an_index_that_is_not_whole_the_manifests_that_are_come_out() {
    let sample = Sample::new(2);
    let (bytes, top) = several_platforms(&sample);
    let (layout, names) = rewrite(&bytes, &[], &[]).await;
    assert!(
        !names
            .iter()
            .any(|name| name.contains(Digest::of(&top).hex()))
    );
    let after = read(&layout).await.unwrap();
    assert_eq!(
        after.images[0].target.digest,
        Digest::of(&sample.manifest())
    );
    assert_eq!(after.images[0].names, ["docker.io/library/shop:1"]);
}

#[tokio::test]
async fn what_a_layout_held_is_known_at_its_end() {
    let sample = Sample::new(2);
    let mut layout = Layout::new(source(&sample.legacy(), 700), BTreeSet::new());
    let mut size = 0;
    while let Some(chunk) = layout.chunk().await.unwrap() {
        assert!(layout.archive().is_none() || size > 0);
        size += chunk.len();
    }
    assert_eq!(size % 512, 0);
    assert_eq!(layout.archive().unwrap().images[0].names[0], "shop:1");
    let broken = Layout::new(source(&sample.legacy()[..3000], 700), BTreeSet::new());
    let error = broken
        .into_stream()
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ends too early"), "{error}");
}
