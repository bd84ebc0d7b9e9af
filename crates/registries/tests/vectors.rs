//! Golden vectors: what k3s, containerd and wharfie really did with documents, endpoints, images and patterns.
//!
//! Runs every JSON file in `tests/vectors`, the vectors made from k3s's own test table when they lie beside the
//! repository, and the folder that `BERTH_VECTORS` names. Each field of `expected` is compared; a field that
//! nobody knows is a failure.

mod vector_kinds;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use vector_kinds::{check, text};

#[test]
fn all_vectors_agree() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = json_files(&manifest.join("tests/vectors"));
    assert!(!files.is_empty(), "tests/vectors holds no vectors");
    let beside = manifest.join("../../../shared/vectors/registries/k3s_config_test.json");
    files.extend(beside.exists().then_some(beside));
    if let Some(folder) = std::env::var_os("BERTH_VECTORS") {
        let further = json_files(Path::new(&folder));
        assert!(
            !further.is_empty(),
            "BERTH_VECTORS names a folder without vectors"
        );
        files.extend(further);
    }

    let mut count = 0;
    let mut failures = Vec::new();
    for path in files {
        let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let kind = text(&file, "kind").unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            count += 1;
            if let Err(failure) = check(kind, vector) {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                let name = text(vector, "name").unwrap();
                failures.push(format!("{file}: {name}: {failure}"));
            }
        }
    }
    println!("{count} vectors");
    assert!(
        failures.is_empty(),
        "{} of {count} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    files
}
