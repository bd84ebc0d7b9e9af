//! Where content may be readable, in the order in which it is tried: pure.

use std::fmt;
use std::path::{Path, PathBuf};

use docker::Facts;

use super::Settings;
use super::content_files::STORE;

/// Where containers of the host keep what they have, unless somebody moved it.
const SYSTEM_CONTAINERD: &str = "/var/lib/containerd";
/// Where a containerd listens that does not say so: the host's, and the Engine's own.
const SOCKETS: [&str; 2] = [
    "/run/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
];
/// The Engine's namespace, unless it says another.
const NAMESPACE: &str = "moby";

/// Somewhere content may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Files of containerd's store.
    ContentFiles(PathBuf),
    /// containerd's socket.
    Containerd {
        /// Where it is.
        socket: PathBuf,
        /// Whose content.
        namespace: String,
    },
    /// A data root of overlay2.
    Overlay2(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContentFiles(path) => {
                write!(f, "files of containerd's store at {}", path.display())
            }
            Self::Containerd { socket, .. } => write!(f, "containerd at {}", socket.display()),
            Self::Overlay2(path) => write!(f, "layers of overlay2 at {}", path.display()),
        }
    }
}

/// The places of an Engine.
pub(super) fn places(facts: &Facts, settings: &Settings) -> Vec<Place> {
    let root = settings
        .data_root
        .as_deref()
        .unwrap_or(Path::new(&facts.data_root));
    let is_known = root.is_absolute();
    if facts.containerd_images {
        let own = is_known.then(|| root.join("containerd/daemon").join(STORE));
        let system = Path::new(SYSTEM_CONTAINERD).join(STORE);
        let files = own.into_iter().chain([system]).map(Place::ContentFiles);
        files.chain(sockets(facts, settings)).collect()
    } else if facts.storage_driver == "overlay2" && is_known {
        vec![Place::Overlay2(root.to_path_buf())]
    } else {
        Vec::new()
    }
}

fn sockets(facts: &Facts, settings: &Settings) -> Vec<Place> {
    let told = Some(facts.containerd_address.trim_start_matches("unix://"))
        .filter(|path| !path.is_empty());
    let sockets = match (&settings.containerd, told) {
        (Some(socket), _) => vec![socket.clone()],
        (None, Some(told)) => vec![told.into()],
        (None, None) => SOCKETS.map(PathBuf::from).into(),
    };
    let told = Some(facts.containerd_namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let place = |socket| Place::Containerd {
        socket,
        namespace: told.unwrap_or(NAMESPACE).to_owned(),
    };
    sockets.into_iter().map(place).collect()
}

/// What makes content readable.
pub(super) fn mend(facts: &Facts) -> String {
    let root = if facts.data_root.is_empty() {
        "/var/lib/docker"
    } else {
        &facts.data_root
    };
    if facts.containerd_images {
        format!(
            "mount the Engine's data root (-v {root}:{root}:ro) and, where containerd runs by itself, \
             {SYSTEM_CONTAINERD} (-v {SYSTEM_CONTAINERD}:{SYSTEM_CONTAINERD}:ro), and run as root"
        )
    } else if facts.storage_driver == "overlay2" {
        format!("mount the Engine's data root (-v {root}:{root}:ro) and run as root")
    } else {
        format!(
            "the storage driver {:?} can only be read by exporting; overlay2 and containerd's store can be read directly",
            facts.storage_driver
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use docker::Facts;

    use super::{Place, mend, places};
    use crate::sources::Settings;

    fn facts(driver: &str, containerd_images: bool, data_root: &str) -> Facts {
        Facts {
            storage_driver: driver.to_owned(),
            containerd_images,
            data_root: data_root.to_owned(),
            ..Facts::default()
        }
    }

    #[test]
    fn an_engine_with_overlay2_is_read_at_its_data_root() {
        let graph = facts("overlay2", false, "/data/docker");
        assert_eq!(
            places(&graph, &Settings::default()),
            [Place::Overlay2("/data/docker".into())]
        );
        let mounted = Settings {
            data_root: Some(PathBuf::from("/host/docker")),
            ..Settings::default()
        };
        assert_eq!(
            places(&graph, &mounted),
            [Place::Overlay2("/host/docker".into())]
        );
        assert!(mend(&graph).contains("-v /data/docker:/data/docker:ro"));
    }

    #[test]
    fn containerds_store_is_looked_for_with_the_engine_and_beside_it() {
        let store = facts("overlayfs", true, "/var/lib/docker");
        let expected = [
            "/var/lib/docker/containerd/daemon/io.containerd.content.v1.content",
            "/var/lib/containerd/io.containerd.content.v1.content",
        ];
        let expected = expected.map(|path| Place::ContentFiles(path.into()));
        assert_eq!(places(&store, &Settings::default())[..2], expected);
        assert!(mend(&store).contains("-v /var/lib/containerd:/var/lib/containerd:ro"));
    }

    #[test]
    fn containerds_socket_is_the_one_that_is_set_else_told_else_known() {
        let sockets = |told: &str, settings: &Settings| -> Vec<String> {
            let store = Facts {
                containerd_address: told.to_owned(),
                ..facts("overlayfs", true, "/var/lib/docker")
            };
            let places = places(&store, settings).split_off(2);
            places.iter().map(ToString::to_string).collect()
        };
        let set = Settings {
            containerd: Some(PathBuf::from("/set.sock")),
            ..Settings::default()
        };
        assert_eq!(sockets("/told.sock", &set), ["containerd at /set.sock"]);
        assert_eq!(
            sockets("unix:///told.sock", &Settings::default()),
            ["containerd at /told.sock"]
        );
        assert_eq!(sockets("", &Settings::default()).len(), 2);
    }

    #[test]
    fn other_drivers_have_no_readable_place() {
        for engine in [
            facts("vfs", false, "/var/lib/docker"),
            facts("overlay2", false, ""),
            facts("overlay2", false, "a"),
        ] {
            assert_eq!(places(&engine, &Settings::default()), []);
        }
        assert!(mend(&facts("vfs", false, "/d")).contains("\"vfs\""));
    }
}
