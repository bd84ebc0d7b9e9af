use std::collections::BTreeSet;

use bytes::Bytes;
use docker::Digest;
use docker::archive::{Kind, end, entry, padding};
use proptest::prelude::*;

use super::Without;

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = entry(name, Kind::File, 0o644, content.len() as u64);
    bytes.extend(content);
    bytes.resize(bytes.len() + padding(content.len() as u64), 0);
    bytes
}

fn blob(content: &[u8]) -> Vec<u8> {
    file(
        &format!("blobs/sha256/{}", Digest::of(content).hex()),
        content,
    )
}

fn passed(archive: &[u8], has: &[&[u8]], piece: usize) -> Vec<u8> {
    let has: BTreeSet<_> = has.iter().map(|content| Digest::of(content)).collect();
    let mut without = Without::new(has);
    let pieces = archive.chunks(piece);
    let passed = pieces.flat_map(|piece| without.pass(Bytes::copy_from_slice(piece)));
    passed.collect::<Vec<_>>().concat()
}

proptest! {
    #[test]
    fn what_the_node_has_goes_and_everything_else_stays(
        sizes in prop::collection::vec((0usize..2000, any::<bool>()), 0..6),
        piece in 1usize..3000,
    ) {
        let contents: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(index, (size, _))| {
            let mut content = vec![u8::try_from(index).unwrap(); *size];
            content.extend(index.to_string().bytes());
            content
        }).collect();
        let mut archive = Vec::new();
        let mut expected = Vec::new();
        let mut has: Vec<&[u8]> = Vec::new();
        for (content, (_, is_there)) in contents.iter().zip(&sizes) {
            archive.extend(blob(content));
            if *is_there {
                has.push(content);
            } else {
                expected.extend(blob(content));
            }
        }
        for rest in [file("index.json", b"{}"), file("layers/1.tar", b"unknown"), end().to_vec()] {
            archive.extend(&rest);
            expected.extend(rest);
        }
        prop_assert_eq!(passed(&archive, &has, piece), expected);
    }

    #[test]
    fn what_is_no_layout_passes_unchanged(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1usize..600) {
        prop_assume!(bytes.get(156) != Some(&b'0'));
        let has: &[&[u8]] = &[b"content"];
        let whole = bytes.len() / 512 * 512;
        prop_assert_eq!(passed(&bytes[..whole], has, piece), &bytes[..whole]);
    }
}

#[test]
fn an_empty_blob_goes_with_its_header() {
    let archive = [blob(b""), file("index.json", b"{}"), end().to_vec()].concat();
    let expected = [file("index.json", b"{}"), end().to_vec()].concat();
    assert_eq!(passed(&archive, &[b""], 100), expected);
}
