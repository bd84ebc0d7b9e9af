//! One source to all nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use docker::image::{Archive, Layout, Reader};
use docker::{ByteStream, Digest, Engine};
use futures::future::{join, join_all};
use futures::stream::StreamExt as _;
use tokio::sync::watch;

use super::fan::{Fan, Taker};
use super::node::{self, NodeError};
use super::without::without;
use super::{Listener, Progress, Report, Source, SourceError, input};

/// A node that takes nothing for so long is not waited for any more.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often progress is told.
const TOLD: Duration = Duration::from_millis(100);

/// What is known of a source before it is read for the nodes.
#[derive(Debug, Default)]
struct Known {
    /// The layers of each image, lowest first.
    layers: Vec<Vec<Digest>>,
    size: Option<u64>,
}

/// What came of one reading.
struct Reading {
    /// What it held, if it was read to its end.
    archive: Option<Archive>,
    failed: BTreeMap<String, NodeError>,
}

/// Brings one source to the nodes and adds what came of it to the report.
pub(super) async fn run(
    engine: &Engine,
    nodes: &[String],
    source: &Source,
    listener: Listener<'_>,
    report: &mut Report,
) {
    let known = match known(engine, source).await {
        Ok(known) => known,
        Err(error) => return report.unread.push(error),
    };
    let batch = Batch {
        engine,
        source,
        listener,
        known,
    };
    let contents = join_all(nodes.iter().map(|name| node::content(engine, name))).await;
    let mut has = Has::new();
    for (name, content) in nodes.iter().zip(contents) {
        match content {
            Ok(content) => drop(has.insert(name.clone(), content)),
            Err(error) => batch.drop_node(name, error, report),
        }
    }
    if !has.is_empty() {
        batch.bring(&has, report).await;
    }
}

/// What the nodes have.
type Has = BTreeMap<String, BTreeSet<Digest>>;

/// What all of them have.
fn common(has: &Has) -> BTreeSet<Digest> {
    let both = |one: BTreeSet<_>, other: &BTreeSet<_>| one.intersection(other).cloned().collect();
    let mut contents = has.values();
    let first = contents.next().cloned().unwrap_or_default();
    contents.fold(first, both)
}

struct Batch<'a> {
    engine: &'a Engine,
    source: &'a Source,
    listener: Listener<'a>,
    known: Known,
}

impl Batch<'_> {
    async fn bring(&self, has: &Has, report: &mut Report) {
        let common = common(has);
        let mut reading = match self.read(has, &common, report).await {
            Ok(reading) => reading,
            Err(error) => return report.unread.push(error),
        };
        report.left_out += reading.archive.as_ref().map_or(0, |archive| {
            let blobs = archive.blobs.iter();
            let had = blobs.filter(|(digest, _)| common.contains(digest));
            had.map(|(_, size)| size).sum()
        });
        let again = self.again(has, &reading);
        if !again.is_empty() {
            match self.read(&again, &BTreeSet::new(), report).await {
                Ok(second) => {
                    reading.failed.retain(|name, _| !again.contains_key(name));
                    reading.failed.extend(second.failed);
                    reading.archive = reading.archive.or(second.archive);
                }
                Err(error) => report.unread.push(error),
            }
        }
        let names = reading.archive.map(|archive| self.names(&archive, report));
        let nodes: Vec<&String> = has.keys().collect();
        self.settle(&nodes, reading.failed, names.unwrap_or_default(), report)
            .await;
    }

    /// Nodes that failed without something that they had when they were asked: it may have been collected since, so they
    /// get everything once more.
    fn again(&self, has: &Has, reading: &Reading) -> Has {
        if *self.source == Source::Stdin {
            return Has::new();
        }
        let failed = reading.failed.keys();
        let lacked = failed.filter(|name| match (has.get(*name), &reading.archive) {
            (Some(had), Some(archive)) => archive.blobs.keys().any(|blob| had.contains(blob)),
            (Some(had), None) => !had.is_empty(),
            (None, _) => false,
        });
        lacked.map(|name| (name.clone(), BTreeSet::new())).collect()
    }

    /// Verifies the nodes that did not fail, and notes those that did.
    async fn settle(
        &self,
        nodes: &[&String],
        mut failed: BTreeMap<String, NodeError>,
        names: Vec<String>,
        report: &mut Report,
    ) {
        let good = nodes.iter().filter(|node| !failed.contains_key(**node));
        let verified = join_all(good.map(async |name| {
            let result = node::verify(self.engine, name, &names).await;
            (name, result)
        }))
        .await;
        for (name, result) in verified {
            match result {
                Ok(()) => (self.listener)(Progress::Imported {
                    node: name,
                    source: self.source,
                }),
                Err(error) => drop(failed.insert((*name).clone(), error)),
            }
        }
        if failed.len() < nodes.len() {
            report.images.extend(names);
        }
        for (name, error) in failed {
            self.drop_node(&name, error, report);
        }
    }

    fn drop_node(&self, name: &str, error: NodeError, report: &mut Report) {
        (self.listener)(Progress::Failed {
            node: name,
            error: &error,
        });
        report.failed.insert(name.to_owned(), error);
    }

    fn names(&self, archive: &Archive, report: &mut Report) -> Vec<String> {
        if archive.images.iter().any(|image| image.names.is_empty()) {
            let what = self.source.text();
            report.unread.push(SourceError::Nameless { what });
        }
        let names = archive.images.iter().flat_map(|image| &image.names);
        names.map(|name| node::full_name(name)).collect()
    }

    /// Reads the source once, for all of these nodes.
    async fn read(
        &self,
        has: &Has,
        leave_out: &BTreeSet<Digest>,
        report: &mut Report,
    ) -> Result<Reading, SourceError> {
        let (counted, count) = counted(open(self.engine, self.source)?);
        let layout = Layout::new(counted, leave_out.clone());
        let layers = self.known.layers.iter();
        let layout = layers.fold(layout, |layout, layers| layout.with_layers(layers));
        let (fan, takers) = Fan::new(has.len(), PATIENCE);
        let imports = has.iter().zip(takers).map(|((name, has), mut taker)| {
            taker.pieces = without(taker.pieces, has.clone());
            take(self.engine, name, taker)
        });
        let (sent, results) = join(self.send(layout, fan, count), join_all(imports)).await;
        let (archive, bytes) = sent?;
        report.sent += bytes;
        let results = has.keys().cloned().zip(results);
        let failed = results.filter_map(|(name, result)| Some((name, result.err()?)));
        Ok(Reading {
            archive,
            failed: failed.collect(),
        })
    }

    /// Sends what the source holds until it ends or nobody takes it any more.
    async fn send(
        &self,
        mut layout: Layout,
        mut fan: Fan,
        count: watch::Receiver<u64>,
    ) -> Result<(Option<Archive>, u64), SourceError> {
        let mut sent = 0;
        let mut told = Instant::now();
        self.tell(&count);
        let broken = loop {
            match layout.chunk().await {
                Ok(Some(piece)) => {
                    sent += piece.len() as u64;
                    if !fan.send(&piece).await {
                        return Ok((None, sent));
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
            if told.elapsed() > TOLD {
                told = Instant::now();
                self.tell(&count);
            }
        };
        self.tell(&count);
        fan.end(broken.is_none()).await;
        match broken {
            None => Ok((layout.archive().cloned(), sent)),
            Some(source) => Err(SourceError::Archive {
                what: self.source.text(),
                source,
            }),
        }
    }

    fn tell(&self, count: &watch::Receiver<u64>) {
        (self.listener)(Progress::Read {
            source: self.source,
            done: *count.borrow(),
            total: self.known.size,
        });
    }
}

/// One node's part.
async fn take(engine: &Engine, name: &str, taker: Taker) -> Result<(), NodeError> {
    let stalled = async {
        if taker.stalled.await.is_err() {
            // It was never given up: nothing will come, and nothing has to.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = node::import(engine, name, taker.pieces) => result,
        () = stalled => Err(NodeError::Stalled(PATIENCE)),
    }
}

async fn known(engine: &Engine, source: &Source) -> Result<Known, SourceError> {
    match source {
        Source::Images(names) => known_images(engine, names).await,
        Source::Archive(file) => known_archive(source, file).await,
        Source::Stdin => Ok(Known::default()),
    }
}

async fn known_images(engine: &Engine, names: &[String]) -> Result<Known, SourceError> {
    let mut known = Known::default();
    let mut size = 0;
    for name in names {
        let Some(image) = engine.image(name).await? else {
            // It went since the Engine listed it; saving says so.
            continue;
        };
        size += image
            .size
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or(0);
        let layers = image
            .root_fs
            .and_then(|root| root.layers)
            .unwrap_or_default();
        let layers = layers
            .iter()
            .filter_map(|layer| layer.parse().ok())
            .collect();
        known.layers.push(layers);
    }
    known.size = Some(size);
    Ok(known)
}

/// Reads a file once before any node gets a byte of it: then what is in it is known, and that it is whole.
async fn known_archive(source: &Source, file: &Path) -> Result<Known, SourceError> {
    let failed = |source| SourceError::File {
        file: file.to_owned(),
        source,
    };
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() {
        // A pipe can be read only once.
        return Ok(Known::default());
    }
    let content = input::file(file).map_err(failed)?;
    let archive = Reader::new(content).finish().await;
    let archive = archive.map_err(|error| SourceError::Archive {
        what: source.text(),
        source: error,
    })?;
    let manifests = archive.images.iter().flat_map(|image| &image.manifests);
    let layers = manifests.map(|manifest| {
        let layers = manifest.layers.iter();
        layers.filter_map(|layer| layer.diff_id.clone()).collect()
    });
    Ok(Known {
        layers: layers.collect(),
        size: Some(metadata.len()),
    })
}

fn open(engine: &Engine, source: &Source) -> Result<ByteStream, SourceError> {
    match source {
        Source::Images(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let archive = engine.export(&names);
            Ok(archive.map(|piece| piece.map_err(io::Error::other)).boxed())
        }
        Source::Archive(file) => input::file(file).map_err(|source| SourceError::File {
            file: file.clone(),
            source,
        }),
        Source::Stdin => Ok(input::stdin()),
    }
}

/// The same stream, and how much of it has passed.
fn counted(stream: ByteStream) -> (ByteStream, watch::Receiver<u64>) {
    let (sender, receiver) = watch::channel(0);
    let counted = stream.inspect(move |piece| {
        if let Ok(piece) = piece {
            sender.send_modify(|count| *count += piece.len() as u64);
        }
    });
    (counted.boxed(), receiver)
}
