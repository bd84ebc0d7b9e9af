use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::process::Command;

use super::executable::is_static;
use super::{CHUNK, Image, ImageError, Layer};

/// The smallest file that counts as a static executable, and then some.
fn executable(folder: &tempfile::TempDir, size: usize) -> PathBuf {
    let mut bytes = vec![0; 64 + 56];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[32] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[64] = 1;
    bytes.extend((0..size).map(|at| u8::try_from(at % 251).unwrap()));
    let path = folder.path().join("berth");
    fs::write(&path, bytes).unwrap();
    path
}

fn archive(path: &std::path::Path) -> Vec<u8> {
    let pieces = Image::of(path).unwrap().pieces().unwrap();
    let pieces: Result<Vec<_>, _> = pieces.collect();
    pieces.unwrap().concat()
}

#[test]
fn equal_executables_make_equal_archives_and_others_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = executable(&folder, 1000);
    let (name, bytes) = (Image::of(&path).unwrap().name(), archive(&path));
    assert_eq!(Image::of(&executable(&folder, 1000)).unwrap().name(), name);
    assert_eq!(archive(&path), bytes);
    let other = Image::of(&executable(&folder, 1001)).unwrap().name();
    assert_ne!(other, name);
    let tag = name.strip_prefix("berth-balancer:").unwrap();
    assert!(tag.len() == 12 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn the_archive_holds_what_its_manifest_names() {
    let folder = tempfile::tempdir().unwrap();
    // Around whole blocks and whole pieces nothing may be too much or missing.
    for size in [
        0,
        1,
        511,
        512,
        513,
        usize::try_from(CHUNK).unwrap(),
        700_001,
    ] {
        let path = executable(&folder, size);
        fs::write(folder.path().join("image.tar"), archive(&path)).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        run("tar", &["-xf", "image.tar"]);
        let manifest = fs::read(folder.path().join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let config_file = manifest[0]["Config"].as_str().unwrap();
        let layer = manifest[0]["Layers"][0].as_str().unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], Image::of(&path).unwrap().name());
        let config = fs::read(folder.path().join(config_file)).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["config"]["Entrypoint"][1], "balancer");

        let digest = run("sha256sum", &[layer]);
        let digest = digest.split(' ').next().unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{digest}"));
        assert!(
            run("sha256sum", &[config_file])
                .starts_with(config_file.strip_suffix(".json").unwrap())
        );
        let listing = run("tar", &["-tvf", layer]);
        let lines: Vec<_> = listing.lines().collect();
        assert!(
            lines[0].starts_with("drwxr-xr-x") && lines[0].ends_with("etc/"),
            "{listing}"
        );
        assert!(lines[1].ends_with("etc/confd/"), "{listing}");
        assert!(
            lines[2].starts_with("-rwxr-xr-x") && lines[2].ends_with(" berth"),
            "{listing}"
        );
        let content = run(
            "sh",
            &[
                "-c",
                &format!("tar -xOf {layer} berth | cmp - berth && echo same"),
            ],
        );
        assert_eq!(content, "same\n");
    }
}

#[test]
fn a_file_that_became_shorter_is_no_layer() {
    let pieces: Result<Vec<_>, _> = Layer::of(Cursor::new(vec![7; 10]), 11).unwrap().collect();
    assert!(pieces.is_err());
}

#[test]
fn what_would_not_start_alone_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = executable(&folder, 10);
    let mut bytes = fs::read(&path).unwrap();
    bytes[64] = 3;
    for unfit in [&bytes[..], b"#!/bin/sh\n", b"", &bytes[..60]] {
        fs::write(&path, unfit).unwrap();
        let error = Image::of(&path).unwrap_err();
        assert!(matches!(error, ImageError::Unfit { .. }), "{error}");
        assert!(error.to_string().contains("K3D_IMAGE_LOADBALANCER"));
    }
    let error = Image::of(&folder.path().join("absent")).unwrap_err();
    assert!(matches!(error, ImageError::Read { .. }));
}

#[test]
fn programs_of_this_machine_are_told_apart() {
    // The shell of the distribution loads libraries.
    let mut shell = fs::File::open("/bin/sh").unwrap();
    assert!(!is_static(&mut shell).unwrap());
}
