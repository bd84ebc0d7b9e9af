//! One export, from its turn to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use docker::ByteStream;
use docker::image::{Archive, Blob, Image, ImageError, Reader};
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::known::{Sizes, described};
use super::{Export, ExportError, Shared, with_sources};
use crate::content::Document;
use crate::names::Digest;
use crate::sources::Found;
use crate::store::{Expected, REST, Store};

/// How long the Engine may say nothing. Graph drivers write a copy of the whole image before the first byte.
const SILENCE: Duration = Duration::from_secs(900);

/// How many times the Engine may be ahead of the hash, and by how many of its pieces each time.
const AHEAD: usize = 4;
const TOGETHER: usize = 16;

/// Runs an export that nobody has to wait for.
pub(super) fn detach(
    shared: Arc<Shared>,
    id: Digest,
    layers: Vec<docker::Digest>,
    export: Arc<Export>,
) {
    tokio::spawn(async move {
        let guard = Guard { shared, id, export };
        let turn = Arc::clone(&guard.shared.turns).acquire_owned().await;
        let job = Job {
            shared: &guard.shared,
            id: &guard.id,
            export: &guard.export,
            sizes: Sizes::default(),
        };
        let end = job.run(&layers).await;
        if let Err(error) = &end {
            tracing::warn!(image.id = %guard.id, error = %error, "an export failed");
        }
        let digests = end.as_ref().map(parts_of).unwrap_or_default();
        guard
            .export
            .learn(|known| known.end = Some(end.map(Box::new)));
        let shared = Arc::downgrade(&guard.shared);
        drop((guard, turn));
        settle(&shared, &digests).await;
    });
}

/// Brings an image to the disk when whoever waited for it has most likely read it: until then the disk and the processor
/// are theirs. An image that is lost with the power meanwhile is exported once more.
async fn settle(shared: &Weak<Shared>, digests: &[Digest]) {
    if digests.is_empty() {
        return;
    }
    tokio::time::sleep(REST).await;
    let Some(shared) = shared.upgrade() else {
        return;
    };
    if let Err(error) = shared.store.sync(digests).await {
        tracing::warn!(error = %with_sources(&error), "failed to bring an exported image to the disk");
    }
}

fn parts_of(found: &Found) -> Vec<Digest> {
    let documents = found.documents.keys().chain([&found.manifest.digest]);
    found.blobs.keys().chain(documents).cloned().collect()
}

/// Ends an export however its task ends.
struct Guard {
    shared: Arc<Shared>,
    id: Digest,
    export: Arc<Export>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.going_on().remove(&self.id);
        self.export.learn(|known| {
            let ended = || Err(ExportError::Failed("it ended early; try again".to_owned()));
            known.end.get_or_insert_with(ended);
        });
    }
}

struct Job<'a> {
    shared: &'a Shared,
    id: &'a Digest,
    export: &'a Export,
    sizes: Sizes,
}

impl Job<'_> {
    async fn run(mut self, layers: &[docker::Digest]) -> Result<Found, ExportError> {
        let archive = ahead((self.shared.save)(self.id.as_str()));
        let mut reader = Reader::new(archive).with_layers(layers);
        while let Some(blob) = in_time(reader.next()).await? {
            if let Some(digest) = &blob.digest {
                self.sizes.add(digest.clone(), blob.size);
            }
            let target = self.target(&reader);
            self.look(target).await?;
            self.keep(&mut reader, &blob).await?;
        }
        let target = self.target(&reader);
        self.look(target).await?;
        let archive = in_time(reader.finish()).await?;
        self.finish(&archive).await
    }

    fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Brings a blob into the store. The reader verifies it, so it is hashed once.
    async fn keep(&mut self, reader: &mut Reader, blob: &Blob) -> Result<(), ExportError> {
        let digest = blob.digest.as_ref().map(ours);
        if let Some(digest) = &digest {
            let pins = self.store().pin([digest]);
            if !pins.is_empty() {
                self.export.learn(|known| known.pins.extend(pins));
                return in_time(reader.skip()).await;
            }
        }
        let expected = digest.map(|digest| Expected {
            digest,
            size: blob.size,
        });
        let mut writer = self.store().verified_writer(expected)?;
        self.export.learn(|_| ());
        while let Some(bytes) = in_time(reader.chunk()).await? {
            writer.write(bytes).await?;
        }
        let Some(passed) = reader.passed().cloned() else {
            return Err(ExportError::Failed("a blob has no digest".to_owned()));
        };
        let (_, _, pin) = writer.commit_pinned(Some(&ours(&passed))).await?;
        self.sizes.add(passed, blob.size);
        self.export.learn(|known| known.pins.push(pin));
        Ok(())
    }

    /// The document that has the image's id, if it passed by now.
    fn target(&self, reader: &Reader) -> Option<Bytes> {
        let id = self.id.as_str().parse().ok()?;
        reader.document(&id).cloned()
    }

    /// Tells the manifest when what passed by now is enough to know it.
    async fn look(&self, target: Option<Bytes>) -> Result<(), ExportError> {
        let is_known = self.export.known().manifest.is_some();
        let (false, Some(target), Ok(id)) = (is_known, target, self.id.as_str().parse()) else {
            return Ok(());
        };
        let Some(manifest) = self
            .sizes
            .manifest(&id, &target)
            .map_err(|error| failed(&error))?
        else {
            return Ok(());
        };
        if manifest.digest != *self.id {
            self.put(described_as(self.id, target)).await?;
        }
        self.tell(manifest).await
    }

    async fn tell(&self, manifest: Document) -> Result<(), ExportError> {
        self.put(manifest.clone()).await?;
        self.shared
            .store
            .facts()
            .set_manifest_of(self.id, &manifest.digest)
            .await?;
        self.export.learn(|known| {
            known
                .documents
                .insert(manifest.digest.clone(), manifest.clone());
            known.manifest = Some(manifest);
        });
        Ok(())
    }

    async fn put(&self, document: Document) -> Result<(), ExportError> {
        self.store().put_document(&document).await?;
        let pins = self.store().pin([&document.digest]);
        self.export.learn(|known| known.pins.extend(pins));
        Ok(())
    }

    /// Keeps the image's documents, and says what there is of it.
    async fn finish(&self, archive: &Archive) -> Result<Found, ExportError> {
        let image = self.image(archive)?;
        let target = ours(&image.target.digest);
        let manifest = archive
            .documents
            .get(&image.target.digest)
            .cloned()
            .and_then(described)
            .ok_or_else(|| ExportError::Failed(format!("{target} is no manifest")))?;
        let known = self.export.known().manifest.clone();
        if known.is_some_and(|known| known.digest != target) {
            let problem = "its manifest is not the one it had while it came";
            return Err(ExportError::Failed(problem.to_owned()));
        }
        let (documents, parts) = self.parts(archive, image).await?;
        let mut found = Found {
            manifest: manifest.clone(),
            documents,
            blobs: BTreeMap::new(),
            missing: Vec::new(),
            absent: image.absent.iter().map(|it| ours(&it.digest)).collect(),
        };
        for digest in parts {
            match self.store().blob(&digest) {
                Some(blob) => drop(found.blobs.insert(digest, blob)),
                None => found.missing.push(digest),
            }
        }
        self.tell(manifest).await?;
        Ok(found)
    }

    /// The image that was asked for; an archive may list its content more than once.
    fn image<'a>(&self, archive: &'a Archive) -> Result<&'a Image, ExportError> {
        let id = self.id.as_str();
        let is_asked_for = |image: &&Image| {
            let mut manifests = image.manifests.iter();
            image.target.digest.as_str() == id
                || manifests.any(|manifest| manifest.config.digest.as_str() == id)
        };
        let mut images = archive.images.iter();
        let found = images.find(is_asked_for).or(archive.images.first());
        found.ok_or_else(|| ExportError::Failed("the archive is empty".to_owned()))
    }

    /// Keeps every document that the image leads to, and names its configurations and layers.
    async fn parts(
        &self,
        archive: &Archive,
        image: &Image,
    ) -> Result<(BTreeMap<Digest, Document>, Vec<Digest>), ExportError> {
        let mut documents = BTreeMap::new();
        let mut parts = Vec::new();
        for manifest in &image.manifests {
            let own = [&manifest.descriptor, &manifest.config];
            let layers = manifest.layers.iter().map(|layer| &layer.descriptor);
            for descriptor in layers.chain(own) {
                let digest = ours(&descriptor.digest);
                if let Some(bytes) = archive.documents.get(&descriptor.digest) {
                    self.put(described_as(&digest, bytes.clone())).await?;
                }
                parts.push(digest);
            }
            let digest = ours(&manifest.descriptor.digest);
            parts.retain(|part| *part != digest);
            let bytes = archive.documents.get(&manifest.descriptor.digest);
            if let Some(document) = bytes.cloned().and_then(described) {
                documents.insert(digest, document);
            }
        }
        documents.remove(&ours(&image.target.digest));
        self.export
            .learn(|known| known.documents.extend(documents.clone()));
        parts.sort();
        parts.dedup();
        Ok((documents, parts))
    }
}

/// Reads on while what came before is hashed and written. What came meanwhile is handed over together: the Engine's pieces
/// are small, and each would cost a change of tasks.
fn ahead(archive: ByteStream) -> ByteStream {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut archive = archive.ready_chunks(TOGETHER);
        loop {
            let pieces = tokio::select! {
                pieces = archive.next() => pieces,
                () = sender.closed() => None,
            };
            let Some(pieces) = pieces else { return };
            if sender.send(pieces).await.is_err() {
                return;
            }
        }
    });
    let pieces = stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    // The reader asks for more after the end.
    pieces.flat_map(stream::iter).fuse().boxed()
}

/// A document whose type does not matter.
fn described_as(digest: &Digest, bytes: Bytes) -> Document {
    Document {
        media_type: "application/octet-stream".to_owned(),
        digest: digest.clone(),
        bytes,
    }
}

/// The reader knows SHA-256 only, and checks it.
fn ours(digest: &docker::Digest) -> Digest {
    Digest::from(digest)
}

async fn in_time<T>(step: impl Future<Output = Result<T, ImageError>>) -> Result<T, ExportError> {
    match tokio::time::timeout(SILENCE, step).await {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(_) => Err(ExportError::Failed(format!(
            "the Docker Engine said nothing for {} s",
            SILENCE.as_secs()
        ))),
    }
}

fn failed(error: &ImageError) -> ExportError {
    let gone = match error {
        ImageError::Source(source) => source
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<docker::Error>())
            .is_some_and(is_gone),
        _ => false,
    };
    if gone {
        ExportError::Gone
    } else {
        ExportError::Failed(with_sources(error))
    }
}

/// Old Engines do not say that an image is not there, but which file they do not find.
fn is_gone(error: &docker::Error) -> bool {
    error.is_not_found() || error.says("failed to get digest")
}
