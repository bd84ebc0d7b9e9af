//! Images made of noise, so that nothing shrinks, with layers that really unpack.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// A blob and its digest.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Layer {
    pub(crate) blob: Blob,
    diff_id: String,
}

pub(crate) struct Image {
    pub(crate) index: Blob,
    pub(crate) manifest: Blob,
    pub(crate) config: Blob,
    pub(crate) layers: Vec<Layer>,
}

impl Blob {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            digest: digest(&bytes),
            bytes,
        }
    }
}

impl Image {
    pub(crate) fn total(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| layer.blob.bytes.len() as u64)
            .sum()
    }
}

/// A layer with one file of so many bytes of noise; the seed makes it different from others.
pub(crate) fn layer(seed: u64, size: usize) -> Layer {
    let tar = tar(&format!("file-{seed}"), &noise(seed, size));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&tar).unwrap();
    Layer {
        diff_id: digest(&tar),
        blob: Blob::new(encoder.finish().unwrap()),
    }
}

/// A layer of many small files, which take time to unpack.
pub(crate) fn layer_of_many_files(seed: u64, files: usize, size: usize) -> Layer {
    let mut tar = Vec::new();
    for number in 0..files {
        let name = format!("many-{seed}/{number}");
        tar.extend(entry(&name, &noise(seed + number as u64, size)));
    }
    tar.resize(tar.len() + 1024, 0);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&tar).unwrap();
    Layer {
        diff_id: digest(&tar),
        blob: Blob::new(encoder.finish().unwrap()),
    }
}

pub(crate) fn image(layers: Vec<Layer>) -> Image {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = json(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/none"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }));
    let descriptors: Vec<_> = layers
        .iter()
        .map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer.blob))
        .collect();
    let manifest = json(&serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": descriptors,
    }));
    let mut child = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    child["platform"] = serde_json::json!({"architecture": "amd64", "os": "linux"});
    let index = json(&serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [child],
    }));
    Image {
        index,
        manifest,
        config,
        layers,
    }
}

fn json(value: &serde_json::Value) -> Blob {
    Blob::new(serde_json::to_vec(value).unwrap())
}

fn descriptor(media_type: &str, blob: &Blob) -> serde_json::Value {
    serde_json::json!({"mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", hex.concat())
}

fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = entry(name, content);
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = header.to_vec();
    entry.extend(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}
