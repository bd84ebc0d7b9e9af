//! Writing generated files, and finding those that are not as they would be written.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::generated::File;

/// The root of the repository.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .context("failed to find the root of the repository")
}

/// Writes the files that differ; the others keep their time stamps, and builds that watch them stay quiet.
pub(crate) fn write(root: &Path, files: &[File]) -> anyhow::Result<()> {
    for file in stale(root, files)? {
        let path = root.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
        }
        fs::write(&path, &file.content)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

/// The files that are missing or different.
pub(crate) fn stale<'a>(root: &Path, files: &'a [File]) -> anyhow::Result<Vec<&'a File>> {
    let mut stale = Vec::new();
    for file in files {
        let path = root.join(&file.path);
        let same = match fs::read(&path) {
            Ok(content) => content == file.content.as_bytes(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read {}", path.display()));
            }
        };
        if !same {
            stale.push(file);
        }
    }
    Ok(stale)
}

/// Says which files are stale and what to do.
pub(crate) fn report(stale: &[&File]) -> io::Result<()> {
    let mut out = io::stderr().lock();
    for file in stale {
        writeln!(
            out,
            "{} is not what `cargo xtask generate` writes; run it and commit the result",
            file.path
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_stale_until_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let files = [File {
            path: "made/here.yaml".to_owned(),
            content: "a: 1\n".to_owned(),
        }];
        assert_eq!(stale(root.path(), &files).unwrap().len(), 1);
        write(root.path(), &files).unwrap();
        assert!(stale(root.path(), &files).unwrap().is_empty());
        fs::write(root.path().join("made/here.yaml"), "a: 2\n").unwrap();
        assert_eq!(stale(root.path(), &files).unwrap(), [&files[0]]);
    }

    #[test]
    fn what_is_checked_in_is_what_would_be_generated() {
        let files = crate::generated::all().unwrap();
        let stale = stale(&root().unwrap(), &files).unwrap();
        let paths: Vec<_> = stale.iter().map(|file| &file.path).collect();
        assert!(paths.is_empty(), "run `cargo xtask generate`: {paths:?}");
    }
}
