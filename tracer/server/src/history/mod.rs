//! Finished pulls: an index in memory that answers filters, the pulls themselves in one crash-safe file.
//!
//! A thread of its own writes: whoever waits for a pull to be safe waits for the next commit, which takes all that came
//! meanwhile. Without a folder the same database lives in memory.

pub mod index;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;
use tracer_model::PullStatus;

const PULLS: TableDefinition<u64, &[u8]> = TableDefinition::new("pulls");
/// Pages that the database keeps in memory.
const CACHE: usize = 8 << 20;
/// Pulls that wait for the writer; beyond that reports wait.
const QUEUE: usize = 4096;

/// Why the history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The folder or file is not usable.
    #[error(
        "failed to open the history at {path}; name a folder that this user may write, or none: {source}"
    )]
    Open {
        path: String,
        #[source]
        source: Box<redb::Error>,
    },
    /// The folder cannot be made.
    #[error("failed to create the folder of the history at {path}: {source}")]
    Folder {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// Something in the file cannot be read.
    #[error("failed to read the history: {0}")]
    Read(#[source] Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for HistoryError {
    fn from(error: E) -> Self {
        Self::Read(Box::new(error.into()))
    }
}

/// A pull of before the start: its number, itself without its layers, its size on disk.
pub type Stored = (u64, PullStatus, usize);

/// What the writer does.
enum Work {
    Put(u64, Vec<u8>),
    Delete(Vec<u64>),
    Safe(oneshot::Sender<bool>),
}

/// The pulls on disk.
#[derive(Debug)]
pub struct Store {
    database: Arc<Database>,
    work: Option<std::sync::mpsc::SyncSender<Work>>,
    writer: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens or creates the file in `folder`, and gives what is in it, oldest first.
    pub fn open(folder: Option<&Path>) -> Result<(Self, Vec<Stored>), HistoryError> {
        let database = Arc::new(database(folder)?);
        let known = read_all(&database)?;
        let (work, orders) = std::sync::mpsc::sync_channel(QUEUE);
        let target = Arc::clone(&database);
        let writer = std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || write(&target, &orders))
            .map_err(|source| HistoryError::Folder {
                path: "(thread)".to_owned(),
                source,
            })?;
        let store = Self {
            database,
            work: Some(work),
            writer: Some(writer),
        };
        Ok((store, known))
    }

    /// Writes a pull, in place of what stood under the number.
    pub fn put(&self, number: u64, json: Vec<u8>) {
        self.send(Work::Put(number, json));
    }

    /// Deletes pulls.
    pub fn delete(&self, numbers: Vec<u64>) {
        if !numbers.is_empty() {
            self.send(Work::Delete(numbers));
        }
    }

    /// Waits until everything put before is on disk; false when it could not be written.
    pub async fn safe(&self) -> bool {
        let (done, wait) = oneshot::channel();
        self.send(Work::Safe(done));
        wait.await.unwrap_or(false)
    }

    /// Reads pulls, in the order of `numbers`; what was deleted meanwhile is left out.
    pub fn get(&self, numbers: &[u64]) -> Result<Vec<PullStatus>, HistoryError> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(PULLS)?;
        let mut pulls = Vec::with_capacity(numbers.len());
        for number in numbers {
            if let Some(json) = table.get(number)?
                && let Ok(pull) = serde_json::from_slice(json.value())
            {
                pulls.push(pull);
            }
        }
        Ok(pulls)
    }

    fn send(&self, work: Work) {
        if let Some(queue) = &self.work
            && queue.send(work).is_err()
        {
            tracing::error!("failed to write the history: its writer ended");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.work = None;
        if let Some(writer) = self.writer.take() {
            // It ends when its queue is empty and closed.
            let _ = writer.join();
        }
    }
}

fn database(folder: Option<&Path>) -> Result<Database, HistoryError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    let Some(folder) = folder else {
        return Ok(builder.create_with_backend(InMemoryBackend::new())?);
    };
    std::fs::create_dir_all(folder).map_err(|source| HistoryError::Folder {
        path: folder.display().to_string(),
        source,
    })?;
    let path = folder.join("pulls.redb");
    builder.create(&path).map_err(|source| HistoryError::Open {
        path: path.display().to_string(),
        source: Box::new(source.into()),
    })
}

fn read_all(database: &Database) -> Result<Vec<Stored>, HistoryError> {
    let transaction = database.begin_write()?;
    transaction.open_table(PULLS)?;
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let table = transaction.open_table(PULLS)?;
    let mut known = Vec::new();
    for entry in table.iter()? {
        let (number, json) = entry?;
        // What a newer or older version wrote in another form is left where it is until its age is up.
        if let Ok(pull) = serde_json::from_slice::<PullStatus>(json.value()) {
            // Layers stay on disk: the index has no use for them.
            let bytes = json.value().len();
            known.push((number.value(), crate::hub::without_layers(&pull), bytes));
        }
    }
    Ok(known)
}

fn write(database: &Database, orders: &std::sync::mpsc::Receiver<Work>) {
    while let Ok(first) = orders.recv() {
        let mut waiting = Vec::new();
        let mut changes = Vec::new();
        let mut next = Some(first);
        while let Some(work) = next {
            match work {
                Work::Safe(done) => waiting.push(done),
                change => changes.push(change),
            }
            next = orders.try_recv().ok();
        }
        let written = changes.is_empty() || commit(database, changes);
        for done in waiting {
            // Whoever waited may have gone.
            let _ = done.send(written);
        }
    }
}

fn commit(database: &Database, changes: Vec<Work>) -> bool {
    let attempt = || -> Result<(), HistoryError> {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(PULLS)?;
            for change in changes {
                match change {
                    Work::Put(number, json) => {
                        table.insert(number, json.as_slice())?;
                    }
                    Work::Delete(numbers) => {
                        for number in numbers {
                            table.remove(number)?;
                        }
                    }
                    Work::Safe(_) => {}
                }
            }
        }
        transaction.commit()?;
        Ok(())
    };
    match attempt() {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "failed to write finished pulls to the history");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::finished;

    #[tokio::test]
    async fn what_was_safe_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        {
            let (store, known) = Store::open(Some(folder.path())).unwrap();
            assert!(known.is_empty());
            for number in 0..10 {
                let pull = finished("worker-1", &format!("a{number}"), "quay.io/a:1", 5);
                store.put(number, serde_json::to_vec(&pull).unwrap());
            }
            store.delete(vec![3]);
            assert!(store.safe().await);
            assert_eq!(store.get(&[4, 3]).unwrap().len(), 1);
        }
        let (_store, known) = Store::open(Some(folder.path())).unwrap();
        let numbers: Vec<u64> = known.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let error = Store::open(Some(Path::new("/proc/berth-history"))).unwrap_err();
        assert!(error.to_string().contains("/proc/berth-history"), "{error}");
    }
}
