//! Reading bytes from files, folders and standard input.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// No registries.yaml and no manifest that Kubernetes would take is larger.
const LARGEST: u64 = 16 * 1024 * 1024;

/// One file, with the name it is spoken of.
pub(crate) struct Source {
    pub label: String,
    pub content: Vec<u8>,
}

/// Reads every path; a folder stands for the YAML and JSON files directly in it, in order of their names.
pub(crate) fn read_sources(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = files_of(path)?;
            if files.is_empty() {
                bail!(
                    "folder {} holds no .yaml, .yml or .json file",
                    path.display()
                );
            }
            for file in files {
                sources.push(read_source(&file)?);
            }
        } else {
            sources.push(read_source(path)?);
        }
    }
    Ok(sources)
}

/// Reads one file, or standard input for `-`.
pub(crate) fn read_source(path: &Path) -> Result<Source> {
    let (label, content) = if path == Path::new("-") {
        (
            "standard input".to_owned(),
            read_bounded(io::stdin().lock()),
        )
    } else {
        let label = path.display().to_string();
        (label, fs::File::open(path).and_then(read_bounded))
    };
    let content = content.with_context(|| format!("failed to read {label}"))?;
    Ok(Source { label, content })
}

fn read_bounded(reader: impl io::Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    reader.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "more than 16 MiB: not a registries.yaml",
        ));
    }
    Ok(content)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("failed to read {}", folder.display()))?
            .path();
        let document = path
            .extension()
            .is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if document && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
