//! Names and archives that nobody would write: whatever comes, it is read or refused, and nothing of it leads anywhere.

use berth_gateway::names::{Digest, Host, Name, Reference, Tag};
use bytes::Bytes;
use docker::archive::{Kind, end, entry, padding};
use docker::image::Reader;
use futures::{StreamExt as _, stream};

#[test]
fn a_name_that_is_taken_stays_where_it_is_put() {
    bolero::check!()
        .with_iterations(20_000)
        .for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            names(&text);
            // Most bytes are no text that comes near a name.
            let near: String = bytes
                .iter()
                .map(|byte| NEAR[usize::from(*byte) % NEAR.len()])
                .collect();
            names(&near);
            names(&format!("sha256:{near}"));
        });
}

const NEAR: [char; 24] = [
    'a', 'b', 'z', '0', '9', 'f', '.', '.', '/', '_', '-', ':', '@', '[', ']', '%', 'A', 'Z', '\\',
    '\0', ' ', '~', '\n', 'é',
];

fn names(text: &str) {
    if let Ok(name) = Name::parse(text) {
        assert_eq!(name.as_str(), text);
        assert!(
            name.as_str()
                .split('/')
                .all(|part| !part.is_empty() && !part.starts_with('.'))
        );
    }
    if let Ok(tag) = Tag::parse(text) {
        assert!(!tag.as_str().contains('/') && !tag.as_str().starts_with('.'));
    }
    if let Ok(digest) = Digest::parse(text) {
        assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(matches!(digest.hex().len(), 64 | 128));
    }
    if let Ok(host) = Host::parse(text) {
        assert!(!host.as_str().contains(['/', '@', '%', '\\', '\0']));
        assert_eq!(Host::parse(host.as_str()), Ok(host));
    }
    if let Ok(reference) = Reference::parse(text) {
        assert!(!reference.to_string().contains('/'));
    }
}

#[test]
fn an_archive_that_was_tampered_with_is_read_or_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let archives = [legacy(), layout()];
    bolero::check!()
        .with_iterations(3_000)
        .with_type::<(bool, u16, Vec<(u16, u8)>)>()
        .for_each(|(which, cut, edits)| {
            let mut bytes = archives[usize::from(*which)].clone();
            for (at, byte) in edits {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *byte;
            }
            // One in a few is cut short, too.
            bytes.truncate(bytes.len().min(usize::from(*cut)));
            runtime.block_on(read(bytes));
        });
}

#[test]
fn bytes_that_are_no_archive_are_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    bolero::check!()
        .with_iterations(3_000)
        .for_each(|bytes: &[u8]| runtime.block_on(read(bytes.to_vec())));
}

/// Reads all of it; what comes out is verified, or it ends with an error.
async fn read(bytes: Vec<u8>) {
    let pieces: Vec<_> = bytes
        .chunks(700)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let mut reader = Reader::new(stream::iter(pieces).fuse().boxed());
    while let Ok(Some(blob)) = reader.next().await {
        let mut content = Vec::new();
        while let Ok(Some(chunk)) = reader.chunk().await {
            content.extend(chunk);
        }
        assert!(content.len() as u64 <= blob.size);
    }
    if let Ok(archive) = reader.finish().await {
        for (digest, document) in &archive.documents {
            assert_eq!(&docker::Digest::of(document), digest);
        }
    }
}

fn config(layer: &[u8]) -> Vec<u8> {
    let diff_id = Digest::of(layer);
    format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#).into_bytes()
}

fn legacy() -> Vec<u8> {
    let layer = b"a layer".repeat(60);
    let config = config(&layer);
    let name = format!("{}.json", Digest::of(&config).hex());
    let mut archive = Vec::new();
    add(&mut archive, "layer/json", br#"{"id":"layer"}"#);
    add(&mut archive, "layer/layer.tar", &layer);
    add(&mut archive, &name, &config);
    let saved =
        format!(r#"[{{"Config":"{name}","RepoTags":["a:1"],"Layers":["layer/layer.tar"]}}]"#);
    add(&mut archive, "manifest.json", saved.as_bytes());
    archive.extend(end());
    archive
}

fn layout() -> Vec<u8> {
    let layer = b"a layer".repeat(60);
    let config = config(&layer);
    let described = |content: &[u8]| {
        format!(
            r#"{{"digest":"{}","size":{}}}"#,
            Digest::of(content),
            content.len()
        )
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        described(&config),
        described(&layer)
    );
    let mut archive = Vec::new();
    for blob in [&layer, &config, &manifest.clone().into_bytes()] {
        add(
            &mut archive,
            &format!("blobs/sha256/{}", Digest::of(blob).hex()),
            blob,
        );
    }
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        described(manifest.as_bytes())
    );
    add(&mut archive, "index.json", index.as_bytes());
    archive.extend(end());
    archive
}

fn add(archive: &mut Vec<u8>, path: &str, content: &[u8]) {
    let size = content.len() as u64;
    archive.extend(entry(path, Kind::File, 0o644, size));
    archive.extend(content);
    archive.resize(archive.len() + padding(size), 0);
}
