//! The user's files on disk: read, decided about and written under kubectl's locks.

use std::path::PathBuf;
use std::time::Duration;

use super::cluster::ClusterKubeconfig;
use super::error::Result;
use super::lock::Locks;
use super::plan::{self, Change, File, MergeOptions};
use super::write::{create_folder_of, folder_of, read, resolve, write};

/// How long another program may hold a lock: kubectl holds it for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// One kubeconfig, or those of `$KUBECONFIG`. Every call blocks for as long as another program holds a lock.
#[derive(Clone, Debug)]
pub struct Store {
    files: Vec<PathBuf>,
    patience: Duration,
}

impl Store {
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            patience: PATIENCE,
        }
    }

    /// The files, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// How long a lock is waited for.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Puts the entries of a cluster in; says in which files they stand now.
    pub fn merge(
        &self,
        kubeconfig: &ClusterKubeconfig,
        options: MergeOptions,
    ) -> Result<Vec<PathBuf>> {
        if let Some(last) = self.files.last()
            && !self.files.iter().any(|file| file.exists())
        {
            create_folder_of(last)?;
        }
        self.change(|files| {
            let merged = plan::merge(files, kubeconfig, options)?;
            Ok((merged.changes, merged.files))
        })
    }

    /// Takes the entries of a cluster out; says which files changed.
    pub fn remove(&self, cluster: &str) -> Result<Vec<PathBuf>> {
        self.change(|files| {
            let changes = plan::remove(files, cluster)?;
            let paths = changes.iter().map(|change| change.path.clone()).collect();
            Ok((changes, paths))
        })
    }

    /// Makes a context the current one.
    pub fn switch(&self, context: &str) -> Result<()> {
        self.change(|files| Ok((plan::switch(files, context)?, ())))
    }

    fn change<T>(&self, decide: impl FnOnce(&[File]) -> Result<(Vec<Change>, T)>) -> Result<T> {
        let mut locked = Vec::new();
        for path in &self.files {
            // A link gets two locks: kubectl knows the link, others know the file.
            locked.push(path.clone());
            locked.push(resolve(path)?);
        }
        // Nobody makes a file where there is no folder without making the folder first.
        locked.retain(|path| folder_of(path).is_dir());
        let locks = Locks::take(&locked, self.patience)?;
        let read_file = |path: &PathBuf| -> Result<File> {
            Ok(File {
                path: path.clone(),
                text: read(path)?,
            })
        };
        let files = self
            .files
            .iter()
            .map(read_file)
            .collect::<Result<Vec<_>>>()?;
        let (changes, result) = decide(&files)?;
        for change in &changes {
            write(&change.path, &change.text)?;
        }
        drop(locks);
        Ok(result)
    }
}
