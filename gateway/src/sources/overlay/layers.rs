//! Where the overlay2 graph driver keeps an image's configuration and layers.
//!
//! ```text
//!  image/overlay2/imagedb/content/sha256/<image id>      the configuration
//!  image/overlay2/layerdb/sha256/<chain>/diff            the layer's digest
//!                                       /cache-id        the name of its folder
//!                                       /tar-split.json.gz
//!  overlay2/<cache-id>/diff/                             its files
//! ```

use std::io;
use std::path::{Path, PathBuf};

use docker::Digest;
use serde::Deserialize;

use super::layer_tar::LayerFiles;
use super::tar_split::invalid;
use crate::sources::beneath::Folder;

/// The largest configuration.
const LARGEST_CONFIG: u64 = 8 * 1024 * 1024;
/// The largest file that holds a digest or a name.
const LARGEST_NOTE: u64 = 256;
/// The most layers; the Engine makes 127 at most.
const MOST_LAYERS: usize = 1024;

/// The data root of an Engine with overlay2.
#[derive(Clone, Debug)]
pub(super) struct DataRoot(PathBuf);

/// A layer as the Engine keeps it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The digest of its archive.
    pub(super) diff_id: Digest,
    /// The name of its folder; a layer that is made anew has another one.
    pub(super) cache_id: String,
    /// Its parts.
    pub(super) files: LayerFiles,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

impl DataRoot {
    /// Checks that everything that is needed is readable here.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = Self(root.to_path_buf());
        for folder in [root.images(), root.layers(), root.0.join("overlay2")] {
            // Listing tells a folder that is readable from one that only its owner enters.
            std::fs::read_dir(folder)?;
        }
        Ok(root)
    }

    fn images(&self) -> PathBuf {
        self.0.join("image/overlay2/imagedb/content/sha256")
    }

    fn layers(&self) -> PathBuf {
        self.0.join("image/overlay2/layerdb/sha256")
    }

    /// An image's configuration, verified; `None` when it is not here.
    pub(super) fn config(&self, id: &Digest) -> io::Result<Option<Vec<u8>>> {
        let config = Folder::open(&self.images())?.whole(id.hex(), LARGEST_CONFIG)?;
        match config {
            Some(config) if Digest::of(&config) != *id => {
                Err(invalid("the configuration is not what its name says"))
            }
            config => Ok(config),
        }
    }

    /// An image's layers, lowest first; `None` when one is not here.
    pub(super) fn layers_of(&self, config: &[u8]) -> io::Result<Option<Vec<Kept>>> {
        let config: Config = serde_json::from_slice(config)
            .map_err(|_| invalid("the configuration names no layers"))?;
        let diff_ids = config.rootfs.diff_ids.unwrap_or_default();
        if diff_ids.len() > MOST_LAYERS {
            return Err(invalid("the configuration names more layers than any"));
        }
        let layers = Folder::open(&self.layers())?;
        let chains = chains(&diff_ids);
        diff_ids
            .into_iter()
            .zip(chains)
            .map(|(diff_id, chain)| self.layer(&layers, diff_id, &chain))
            .collect()
    }

    fn layer(&self, layers: &Folder, diff_id: Digest, chain: &Digest) -> io::Result<Option<Kept>> {
        let note = |name: &str| -> io::Result<Option<String>> {
            let content = layers.whole(&format!("{}/{name}", chain.hex()), LARGEST_NOTE)?;
            let text = content.map(String::from_utf8).transpose();
            text.map_err(|_| invalid("a note about a layer is no text"))
        };
        let (Some(diff), Some(cache_id)) = (note("diff")?, note("cache-id")?) else {
            return Ok(None);
        };
        if diff.trim_end() != diff_id.as_str() {
            return Err(invalid("a layer is another one than its chain says"));
        }
        let cache_id = cache_id.trim_end().to_owned();
        if !is_folder_name(&cache_id) {
            return Err(invalid("the name of a layer's folder is none"));
        }
        let parts = self.layers().join(chain.hex()).join("tar-split.json.gz");
        let diff = self.0.join("overlay2").join(&cache_id).join("diff");
        // Layers of some migrations have no parts: only an export knows their archive.
        let is_whole = parts.is_file() && diff.is_dir();
        Ok(is_whole.then_some(Kept {
            diff_id,
            cache_id,
            files: LayerFiles { parts, diff },
        }))
    }
}

/// The names of layers on top of those below them.
fn chains(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chains: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        let chain = match chains.last() {
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
            None => diff_id.clone(),
        };
        chains.push(chain);
    }
    chains
}

fn is_folder_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use docker::Digest;

    use super::{chains, is_folder_name};

    #[test]
    fn a_chain_names_a_layer_and_all_below_it() {
        let [a, b, c] = ["a", "b", "c"].map(|text| Digest::of(text.as_bytes()));
        let found = chains(&[a.clone(), b.clone(), c.clone()]);
        let ab = Digest::of(format!("{a} {b}").as_bytes());
        let abc = Digest::of(format!("{ab} {c}").as_bytes());
        assert_eq!(found, [a, ab, abc]);
    }

    #[test]
    fn folders_of_layers_lead_nowhere_else() {
        assert!(is_folder_name("rc84v3ygo62l8mgeoyti49ca5") && is_folder_name("0f-init"));
        for name in ["", ".", "..", "../a", "a/b", "a\n", "a\0"] {
            assert!(!is_folder_name(name), "{name:?}");
        }
    }
}
