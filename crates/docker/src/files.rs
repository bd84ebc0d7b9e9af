//! Files of containers, also of those that do not run.

use std::collections::{BTreeMap, BTreeSet};

use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures::stream::{StreamExt as _, TryStreamExt as _};

use crate::engine::Engine;
use crate::error::{Cause, Error, Operation};
use crate::names::checked;
use crate::tar::{self, Kind, Reader};

/// The largest file that is read as a whole.
const LARGEST: u64 = 64 * 1024 * 1024;

/// How many links are followed before they are taken for a circle.
const MOST_LINKS: usize = 16;

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Absolute path in the container.
    pub path: String,
    /// Permissions, for example `0o644`.
    pub mode: u32,
    /// Content.
    pub content: Bytes,
}

impl Engine {
    /// Writes a file, as [`Engine::put_files`] does.
    pub async fn put_file(
        &self,
        container: &str,
        path: &str,
        mode: u32,
        content: impl Into<Bytes>,
    ) -> Result<(), Error> {
        let file = File {
            path: path.to_owned(),
            mode,
            content: content.into(),
        };
        self.put_files(container, &[file]).await
    }

    /// Writes files that belong to root, in one go, whether the container runs or was only created. Folders that are
    /// missing are made with mode 0755; folders that are there keep theirs.
    pub async fn put_files(&self, container: &str, files: &[File]) -> Result<(), Error> {
        let operation = Operation::new("write files into container", container);
        let name = checked(&operation, container)?;
        if files.is_empty() {
            return Ok(());
        }
        let files: BTreeMap<String, &File> = files
            .iter()
            .map(|file| Ok((relative(&operation, &file.path)?, file)))
            .collect::<Result<_, Error>>()?;
        let mut folders = BTreeSet::new();
        for path in files.keys() {
            self.missing_folders(&operation, name, path, &mut folders)
                .await?;
        }
        let options = UploadToContainerOptions {
            path: "/".to_owned(),
            no_overwrite_dir_non_dir: Some("true".to_owned()),
            ..UploadToContainerOptions::default()
        };
        let body = bollard::body_full(archive(&folders, &files).into());
        let call = self.docker.upload_to_container(name, Some(options), body);
        self.patient_call(operation, call).await
    }

    /// The content of a file, if it is there; links are followed.
    pub async fn get_file(&self, container: &str, path: &str) -> Result<Option<Bytes>, Error> {
        let operation = Operation::new("read a file of container", container);
        let name = checked(&operation, container)?;
        let mut path = format!("/{}", relative(&operation, path)?);
        for _ in 0..MOST_LINKS {
            match self.get_entry(&operation, name, &path).await? {
                Found::Nothing => return Ok(None),
                Found::Content(content) => return Ok(Some(content)),
                Found::Link(link) => path = linked(&path, &link),
            }
        }
        let reason = format!("{path} is a circle of links");
        Err(operation.failed(Cause::Unusable(reason)))
    }

    async fn get_entry(
        &self,
        operation: &Operation,
        container: &str,
        path: &str,
    ) -> Result<Found, Error> {
        let options = DownloadFromContainerOptions {
            path: path.to_owned(),
        };
        let mut source = self
            .docker
            .download_from_container(container, Some(options));
        let first = match source.next().await {
            None => return Ok(Found::Nothing),
            Some(Ok(first)) => first,
            Some(Err(error)) => {
                let error = self.failed(operation, error);
                let absent = error.status() == Some(404) && !error.says("no such container")
                    // What should be a folder on the way is a file.
                    || error.says("not a directory");
                return if absent {
                    Ok(Found::Nothing)
                } else {
                    Err(error)
                };
            }
        };
        let rest = source.map_err(std::io::Error::other);
        let mut reader = Reader::new(futures::stream::iter([Ok(first)]).chain(rest).boxed());
        let unusable = |reason: String| operation.clone().failed(Cause::Unusable(reason));
        let broken = |error: tar::TarError| unusable(format!("{path}: {error}"));
        let Some(entry) = reader.next().await.map_err(broken)? else {
            return Ok(Found::Nothing);
        };
        match entry.kind {
            Kind::Symlink => Ok(Found::Link(entry.link)),
            Kind::File => match reader.whole(LARGEST).await.map_err(broken)? {
                Some(content) => Ok(Found::Content(content)),
                None => Err(unusable(format!(
                    "{path} has {} bytes, which is too much",
                    entry.size
                ))),
            },
            _ => Err(unusable(format!("{path} is no file"))),
        }
    }

    /// Adds the folders above `path` that the container does not have. Left out of the archive an Engine would make them
    /// with modes of its own; named in it, those that are there would get new modes.
    async fn missing_folders(
        &self,
        operation: &Operation,
        container: &str,
        path: &str,
        missing: &mut BTreeSet<String>,
    ) -> Result<(), Error> {
        for (end, _) in path.rmatch_indices('/') {
            let folder = &path[..end];
            if missing.contains(folder) || self.exists(operation, container, folder).await? {
                break;
            }
            missing.insert(folder.to_owned());
        }
        Ok(())
    }

    async fn exists(
        &self,
        operation: &Operation,
        container: &str,
        path: &str,
    ) -> Result<bool, Error> {
        let options = ContainerArchiveInfoOptions {
            path: format!("/{path}"),
        };
        let call = self
            .docker
            .get_container_archive_info(container, Some(options));
        match self.call(operation.clone(), call).await {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            // This answer has no body that could say what is wrong; writing fails for the same reason, with words.
            Err(error) if error.status().is_some() => Ok(true),
            Err(error) => Err(error),
        }
    }
}

enum Found {
    Nothing,
    Content(Bytes),
    Link(String),
}

/// An absolute path as archives write it.
fn relative(operation: &Operation, path: &str) -> Result<String, Error> {
    let parts: Vec<_> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if path.starts_with('/') && !parts.is_empty() && !parts.contains(&"..") && !path.contains('\0')
    {
        return Ok(parts.join("/"));
    }
    let reason = format!("{path:?} is no absolute path of a file");
    Err(operation.clone().failed(Cause::Unusable(reason)))
}

/// Where a link leads that stands at `path`.
fn linked(path: &str, link: &str) -> String {
    let mut parts: Vec<&str> = if link.starts_with('/') {
        Vec::new()
    } else {
        let mut parts: Vec<_> = path.split('/').collect();
        parts.pop();
        parts
    };
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    format!("/{}", parts.join("/"))
}

/// Folders sort before what is in them.
fn archive(folders: &BTreeSet<String>, files: &BTreeMap<String, &File>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for folder in folders {
        bytes.extend(tar::entry(&format!("{folder}/"), Kind::Folder, 0o755, 0));
    }
    for (path, file) in files {
        let size = file.content.len() as u64;
        bytes.extend(tar::entry(path, Kind::File, file.mode, size));
        bytes.extend_from_slice(&file.content);
        bytes.resize(bytes.len() + tar::padding(size), 0);
    }
    bytes.extend(tar::end());
    bytes
}

#[cfg(test)]
mod tests {
    use super::{linked, relative};
    use crate::error::Operation;

    #[test]
    fn only_absolute_paths_below_the_root_are_written() {
        let operation = Operation::new("write files into container", "x");
        let table = [
            ("/etc/hosts", Some("etc/hosts")),
            ("//etc/./hosts", Some("etc/hosts")),
            ("etc/hosts", None),
            ("/etc/../hosts", None),
            ("/", None),
            ("", None),
        ];
        for (path, expected) in table {
            assert_eq!(
                relative(&operation, path).ok().as_deref(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn links_lead_from_where_they_stand_and_not_above_the_root() {
        let table = [
            ("/etc/resolv.conf", "/run/resolv.conf", "/run/resolv.conf"),
            ("/etc/resolv.conf", "../run/resolv.conf", "/run/resolv.conf"),
            ("/etc/a", "b", "/etc/b"),
            ("/etc/a", "../../../../b", "/b"),
        ];
        for (path, link, expected) in table {
            assert_eq!(linked(path, link), expected);
        }
    }
}
