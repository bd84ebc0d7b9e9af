//! Where the keys of SOPS documents come from, in the order that sops itself has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Reads `--age-key-file`, else `SOPS_AGE_KEY`, else the file that `SOPS_AGE_KEY_FILE` names, else no key.
pub(crate) fn read_keys(file: Option<&Path>) -> Result<sops::AgeKeys> {
    if let Some(path) = file {
        return keys_of_file(path);
    }
    if let Some(text) = environment("SOPS_AGE_KEY") {
        return sops::AgeKeys::parse(&text).context("failed to read the keys in SOPS_AGE_KEY");
    }
    match environment("SOPS_AGE_KEY_FILE") {
        Some(path) => keys_of_file(&PathBuf::from(path)),
        None => Ok(sops::AgeKeys::default()),
    }
}

fn keys_of_file(path: &Path) -> Result<sops::AgeKeys> {
    // A key in the place of its file is easily given, and an error would print it.
    let given = path.to_string_lossy().to_ascii_uppercase();
    if given.contains("AGE-SECRET-KEY-") || given.contains("PRIVATE KEY") {
        bail!("a key was given where the name of a file belongs: put the key into SOPS_AGE_KEY");
    }
    let text = fs::read_to_string(path)
        .with_context(|| format!("failed to read keys from {}", path.display()))?;
    sops::AgeKeys::parse(&text)
        .with_context(|| format!("failed to read keys from {}", path.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the variables of sops hold keys, which no flag may take"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
