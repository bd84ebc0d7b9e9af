//! What has to change in which file. Nothing is read or written here.

use std::fmt;
use std::path::{Path, PathBuf};

use super::cluster::{ClusterKubeconfig, context_of, user_of};
use super::document::{Document, Draft, Kind};
use super::error::{Error, Result};

/// One of the user's files; without text it does not exist.
#[derive(Clone)]
pub struct File {
    pub path: PathBuf,
    pub text: Option<String>,
}

/// The new text of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    pub path: PathBuf,
    pub text: String,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// How entries are merged; the flags of `kubeconfig merge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeOptions {
    /// Entries that are there are updated; otherwise they are a conflict.
    pub update: bool,
    /// The context becomes the current one even if another is.
    pub switch: bool,
    /// The file gets these entries and nothing else.
    pub overwrite: bool,
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self {
            update: true,
            switch: true,
            overwrite: false,
        }
    }
}

/// What a merge comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Where the entries stand afterwards, changed or not.
    pub files: Vec<PathBuf>,
    pub changes: Vec<Change>,
}

/// Puts the entries of a cluster into the files.
pub fn merge(
    files: &[File],
    kubeconfig: &ClusterKubeconfig,
    options: MergeOptions,
) -> Result<Merged> {
    let default = default_file(files)?;
    if options.overwrite {
        let path = files[default].path.clone();
        let text = kubeconfig.expose().to_owned();
        let is_same = files[default].text.as_ref() == Some(&text);
        return Ok(Merged {
            files: vec![path.clone()],
            changes: if is_same {
                vec![]
            } else {
                vec![Change { path, text }]
            },
        });
    }
    let mut set = FileSet::read(files)?;
    let mut written = Vec::new();
    for (kind, name, body) in kubeconfig.entries() {
        let holder = set.holder(kind, &name);
        if let (Some(holder), false) = (holder, options.update) {
            return Err(Error::Conflict {
                path: files[holder].path.clone(),
                kind: kind.body(),
                name,
            });
        }
        let target = holder.unwrap_or(default);
        set.drafts[target].put(kind, &name, body);
        written.push(target);
    }
    if options.switch || set.current().is_none() {
        set.drafts[default].set_current(&kubeconfig.context());
        written.push(default);
    }
    written.sort_unstable();
    written.dedup();
    Ok(Merged {
        files: written
            .iter()
            .map(|file| files[*file].path.clone())
            .collect(),
        changes: set.changes(files),
    })
}

/// Takes the entries of a cluster out of every file. When its context was the current one, another that is left
/// becomes it.
pub fn remove(files: &[File], cluster: &str) -> Result<Vec<Change>> {
    if files.iter().all(|file| file.text.is_none()) {
        return Ok(Vec::new());
    }
    let mut set = FileSet::read(files)?;
    let (context, user) = (context_of(cluster), user_of(cluster));
    let was_current = set.current() == Some(&context);
    let left = set.names(Kind::Context).find(|name| *name != context);
    let left = left.map(str::to_owned);
    for (document, draft) in set.documents.iter().zip(&mut set.drafts) {
        draft.remove(Kind::Cluster, &context);
        draft.remove(Kind::Context, &context);
        draft.remove(Kind::User, &user);
        if document.current() == Some(&context) {
            draft.set_current("");
        }
    }
    if let (true, Some(left)) = (was_current, left) {
        set.drafts[default_file(files)?].set_current(&left);
    }
    Ok(set.changes(files))
}

/// Makes a context the current one.
pub fn switch(files: &[File], context: &str) -> Result<Vec<Change>> {
    let default = default_file(files)?;
    let mut set = FileSet::read(files)?;
    if !set.names(Kind::Context).any(|name| name == context) {
        return Err(Error::UnknownContext {
            context: context.to_owned(),
            known: set.names(Kind::Context).map(str::to_owned).collect(),
        });
    }
    set.drafts[default].set_current(context);
    Ok(set.changes(files))
}

/// The file for what is new: the first that exists, or the last.
fn default_file(files: &[File]) -> Result<usize> {
    let existing = files.iter().position(|file| file.text.is_some());
    existing.or(files.len().checked_sub(1)).ok_or(Error::NoFile)
}

/// The files and what becomes of them.
struct FileSet {
    documents: Vec<Document>,
    drafts: Vec<Draft>,
}

impl FileSet {
    fn read(files: &[File]) -> Result<Self> {
        let documents = files
            .iter()
            .map(|file| Document::read(file.text.as_deref().unwrap_or_default(), &show(&file.path)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            drafts: documents.iter().map(Document::draft).collect(),
            documents,
        })
    }

    fn holder(&self, kind: Kind, name: &str) -> Option<usize> {
        let mut documents = self.documents.iter();
        documents.position(|document| document.names(kind).any(|known| known == name))
    }

    fn current(&self) -> Option<&str> {
        self.documents.iter().find_map(Document::current)
    }

    fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let documents = self.documents.iter();
        documents.flat_map(move |document| document.names(kind))
    }

    fn changes(&self, files: &[File]) -> Vec<Change> {
        let drafts = self.documents.iter().zip(&self.drafts).zip(files);
        drafts
            .filter_map(|((document, draft), file)| {
                Some(Change {
                    path: file.path.clone(),
                    text: document.changed(draft)?,
                })
            })
            .collect()
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
