//! The image of the load balancer: nothing but a static `berth`, as an archive for `docker load`.
//!
//! Its name holds the hash of all that it is, so an image that is there is the right one, and another version of
//! `berth` brings another image. The archive is never in memory: the file is read once to be hashed and once more to be
//! sent.
//!
//! ```text
//! <config digest>.json   entrypoint /berth balancer
//! manifest.json          names config, layer and tag
//! <layer digest>.tar     /berth (0755), /etc/confd/
//! ```

mod executable;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use docker::archive::{Kind, end, entry, padding};
use docker::{ByteStream, Engine};
use futures::stream::{self, StreamExt as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The name of every version of the image, before its tag.
pub const REPOSITORY: &str = "berth-balancer";

/// The hidden sub-command that the image runs.
pub const COMMAND: &str = "balancer";

const CHUNK: u64 = 256 * 1024;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("failed to read {file} for the load balancer's image", file = .file.display())]
    Read {
        /// The executable.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It would not start where there is nothing else.
    #[error(
        "failed to make the load balancer's image of {file}: it is no {what}; use a released berth, or name an image in \
         K3D_IMAGE_LOADBALANCER",
        file = .file.display()
    )]
    Unfit {
        /// The executable.
        file: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// The Engine's machine is of another kind than ours.
    #[error(
        "failed to make the load balancer's image: this berth is for {ours} and the Docker Engine runs on {theirs}; name an \
         image for {theirs} in K3D_IMAGE_LOADBALANCER"
    )]
    Architecture {
        /// What this program was built for.
        ours: &'static str,
        /// What the Engine's machine is.
        theirs: String,
    },
    /// The Engine refused.
    #[error(transparent)]
    Engine(#[from] docker::Error),
}

/// An image that can be loaded.
#[derive(Debug)]
pub struct Image {
    executable: File,
    size: u64,
    layer: String,
    config: Vec<u8>,
    config_digest: String,
}

/// Has the Engine hold the image of this executable; gives its name.
pub async fn ensure(engine: &Engine, executable: &Path) -> Result<String, ImageError> {
    let image = Image::of(executable)?;
    let name = image.name();
    if engine.image(&name).await?.is_none() {
        let theirs = engine.facts().await?.arch;
        if !theirs.is_empty() && theirs != architecture() {
            let ours = architecture();
            return Err(ImageError::Architecture { ours, theirs });
        }
        engine.load(image.archive()).await?;
    }
    Ok(name)
}

impl Image {
    /// Reads the executable once, to know what the image will be called.
    pub fn of(executable: &Path) -> Result<Self, ImageError> {
        let failed = |source| ImageError::Read {
            file: executable.to_owned(),
            source,
        };
        let mut file = File::open(executable).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if !executable::is_static(&mut file).map_err(failed)? {
            return Err(ImageError::Unfit {
                file: executable.to_owned(),
                what: "static Linux executable",
            });
        }
        let mut layer = Sha256::new();
        for piece in Layer::of(&file, size).map_err(failed)? {
            layer.update(piece.map_err(failed)?);
        }
        let layer = hex(&layer.finalize());
        let config = config(&layer);
        Ok(Self {
            config_digest: hex(&Sha256::digest(&config)),
            executable: file,
            size,
            layer,
            config,
        })
    }

    /// `berth-balancer:<12 digits of the hash of all that it is>`.
    pub fn name(&self) -> String {
        format!("{REPOSITORY}:{}", &self.config_digest[..12])
    }

    /// The archive in pieces; the same bytes for the same executable.
    pub fn archive(self) -> ByteStream {
        match self.pieces() {
            Ok(pieces) => stream::iter(pieces.map(|piece| piece.map(Into::into))).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn pieces(self) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + Send> {
        let config = format!("{}.json", self.config_digest);
        let layer = format!("{}.tar", self.layer);
        let manifest = json!([{
            "Config": config,
            "RepoTags": [self.name()],
            "Layers": [layer],
        }]);
        let mut start = small(&config, &self.config);
        start.extend(small("manifest.json", manifest.to_string().as_bytes()));
        let content = Layer::of(self.executable, self.size)?;
        // Whole blocks already, so nothing has to fill it up.
        start.extend(entry(&layer, Kind::File, 0o644, content.size()));
        Ok([Ok(start)]
            .into_iter()
            .chain(content)
            .chain([Ok(end().to_vec())]))
    }
}

/// The one layer, in pieces: what comes before the executable's bytes, they, and what comes after them.
struct Layer<R> {
    head: Option<Vec<u8>>,
    from: R,
    size: u64,
    left: u64,
    tail: Option<Vec<u8>>,
}

impl<R: Read + Seek> Layer<R> {
    fn of(mut from: R, size: u64) -> io::Result<Self> {
        from.seek(SeekFrom::Start(0))?;
        let mut head = entry("etc/", Kind::Folder, 0o755, 0);
        head.extend(entry("etc/confd/", Kind::Folder, 0o755, 0));
        head.extend(entry("berth", Kind::File, 0o755, size));
        let mut tail = vec![0; padding(size)];
        tail.extend(end());
        Ok(Self {
            head: Some(head),
            from,
            size,
            left: size,
            tail: Some(tail),
        })
    }

    /// Of a layer of which nothing was taken yet.
    fn size(&self) -> u64 {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, |part| part.len() as u64);
        length(&self.head) + self.size + length(&self.tail)
    }
}

impl<R: Read> Iterator for Layer<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(head) = self.head.take() {
            return Some(Ok(head));
        }
        if self.left == 0 {
            return self.tail.take().map(Ok);
        }
        let wanted = self.left.min(CHUNK);
        let mut piece = Vec::new();
        let read = (&mut self.from).take(wanted).read_to_end(&mut piece);
        // A file that became shorter would shift all that follows.
        if read.as_ref().is_ok_and(|count| *count as u64 != wanted) {
            return Some(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left -= wanted;
        Some(read.map(|_| piece))
    }
}

/// A file of the archive that fits in memory.
fn small(name: &str, content: &[u8]) -> Vec<u8> {
    let size = content.len() as u64;
    let mut bytes = entry(name, Kind::File, 0o644, size);
    bytes.extend(content);
    bytes.resize(bytes.len() + padding(size), 0);
    bytes
}

/// The image's configuration: deterministic, because its hash is the image's name and id.
fn config(layer: &str) -> Vec<u8> {
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": ["/berth", COMMAND],
            "WorkingDir": "/",
        },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "berth" }],
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
    });
    let mut bytes = config.to_string();
    bytes.push('\n');
    bytes.into_bytes()
}

/// What image indexes call the machine that this program was built for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

fn hex(digest: &[u8]) -> String {
    let digits: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[cfg(test)]
mod tests;
