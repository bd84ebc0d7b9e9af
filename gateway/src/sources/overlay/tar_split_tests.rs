use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::{Encoded, LONGEST_LINE, Part, Parts};

pub(in crate::sources::overlay) fn packed(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

/// A file's name, or bytes, or a file's size.
type Said = (Option<Vec<u8>>, Vec<u8>, u64);

/// Everything the parts say, and how it ended.
fn read(document: &[u8]) -> (Vec<Said>, Option<io::ErrorKind>) {
    let mut parts = Parts::new(document);
    let mut all = Vec::new();
    loop {
        match parts.next() {
            Ok(Some(Part::Bytes(bytes))) => {
                let mut decoded = Vec::new();
                match bytes.decode(&mut decoded) {
                    Ok(()) => all.push((None, decoded, 0)),
                    Err(error) => return (all, Some(error.kind())),
                }
            }
            Ok(Some(Part::File { name, size })) => all.push((Some(name), Vec::new(), size)),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error.kind())),
        }
    }
}

#[test]
fn parts_come_in_their_order_with_names_of_any_bytes() {
    let document = concat!(
        r#"{"type":2,"payload":"aGVhZA==","position":0}"#,
        "\n",
        r#"{"type":1,"name":"a\u0026b","size":3,"payload":"6bENTzaoMAc=","position":1}"#,
        "\n",
        r#"{"type":1,"name_raw":"/2E=","payload":null,"position":2}"#,
        "\n",
        r#"{"type":2,"payload":null,"position":3}"#,
        "\n",
    );
    let document = packed(document.as_bytes());
    let (parts, error) = read(&document);
    assert_eq!(error, None);
    let expected = [
        (None, b"head".to_vec(), 0),
        (Some(b"a&b".to_vec()), vec![], 3),
        (Some(b"\xffa".to_vec()), vec![], 0),
        (None, vec![], 0),
    ];
    assert_eq!(parts, expected);
    assert_eq!(Parts::new(document.as_slice()).size().unwrap(), 7);
}

#[test]
fn documents_of_others_are_refused() {
    let line = |line: &str| packed(format!("{line}\n").as_bytes());
    let documents = [
        line("{}"),
        line("[]"),
        line(r#"{"type":3,"payload":"","position":0}"#),
        line(r#"{"type":1,"size":3,"position":0}"#),
        line(r#"{"type":1,"name":"a","size":-3,"position":0}"#),
        line(r#"{"type":1,"name":"a","name_raw":"Yg==","size":1,"position":0}"#),
        line(r#"{"type":1,"name_raw":"?","size":1,"position":0}"#),
        line(r#"{"type":2,"payload":"a","position":0}"#),
        line(r#"{"type":2,"payload":"====","position":0}"#),
        packed(&vec![b' '; usize::try_from(LONGEST_LINE).unwrap() + 1]),
        b"no gzip".to_vec(),
        packed(b"{\"type\":2}\n")[..10].to_vec(),
    ];
    for document in documents {
        assert!(
            read(&document).1.is_some(),
            "{:?}",
            String::from_utf8_lossy(&document)
        );
    }
}

#[test]
fn sizes_beyond_all_bounds_are_refused() {
    for sizes in [vec![u64::MAX], vec![u64::MAX, 2], vec![1 << 42, 1]] {
        let lines: Vec<String> = sizes
            .iter()
            .map(|size| format!("{{\"type\":1,\"name\":\"a\",\"size\":{size},\"position\":0}}\n"))
            .collect();
        let document = packed(lines.concat().as_bytes());
        assert!(Parts::new(document.as_slice()).size().is_err(), "{sizes:?}");
    }
}

proptest! {
    #[test]
    fn the_length_of_bytes_is_known_before_they_are_made(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = STANDARD.encode(&bytes);
        prop_assert_eq!(Encoded(&text).len(), Some(bytes.len()));
        let mut decoded = vec![1; 7];
        Encoded(&text).decode(&mut decoded).unwrap();
        prop_assert_eq!(decoded, bytes);
    }

    #[test]
    fn where_a_text_is_base64_its_length_is_right(text in "[A-Za-z0-9+/=]{0,24}") {
        let mut decoded = Vec::new();
        if Encoded(&text).decode(&mut decoded).is_ok() {
            prop_assert_eq!(Encoded(&text).len(), Some(decoded.len()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let _ = read(&packed(&bytes));
        let _ = Parts::new(packed(&bytes).as_slice()).size();
    }

    #[test]
    fn no_lines_make_it_panic(lines in prop::collection::vec(hostile_line(), 0..12), cut in 0_usize..200) {
        let document = packed(lines.join("\n").as_bytes());
        let (_, ended) = read(&document);
        if ended.is_none() {
            // What reads well has a size or is too large; it never is read otherwise.
            let _ = Parts::new(document.as_slice()).size();
        }
        let _ = read(&document[..document.len().saturating_sub(cut)]);
    }
}

/// Lines that are nearly right.
pub(in crate::sources::overlay) fn hostile_line() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        Just("1"),
        Just("2"),
        Just("3"),
        Just("-1"),
        Just("\"1\""),
        Just("null")
    ];
    let name = prop_oneof![
        Just(String::new()),
        Just(r#""name":"../../etc/passwd","#.to_owned()),
        Just(r#""name":"/dev/zero","#.to_owned()),
        Just(r#""name_raw":"Li4vYQ==","#.to_owned()),
        Just(r#""name":"\u0000","#.to_owned()),
        "[a-z/.]{0,9}".prop_map(|name| format!("\"name\":\"{name}\",")),
    ];
    let size = prop_oneof![
        Just(u64::MAX.to_string()),
        Just("-1".to_owned()),
        Just("1e30".to_owned()),
        any::<u32>().prop_map(|size| size.to_string()),
    ];
    let payload = prop_oneof![
        Just("null".to_owned()),
        "[A-Za-z0-9+/=]{0,12}".prop_map(|text| format!("\"{text}\""))
    ];
    (kind, name, size, payload).prop_map(|(kind, name, size, payload)| {
        format!("{{\"type\":{kind},{name}\"size\":{size},\"payload\":{payload},\"position\":0}}")
    })
}
