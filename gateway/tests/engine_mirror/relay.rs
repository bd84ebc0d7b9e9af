//! A socket in front of an Engine that can be taken away.

use std::io::copy;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::host::Host;

/// A socket in front of an Engine.
pub(crate) struct Relay {
    folder: TempDir,
    engine: PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl Relay {
    pub(crate) fn start(host: &Host) -> Self {
        let relay = Self {
            folder: tempfile::tempdir().unwrap(),
            engine: host.address.strip_prefix("unix://").unwrap().into(),
            streams: Arc::default(),
        };
        relay.resume();
        relay
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn resume(&self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let (streams, engine) = (Arc::clone(&self.streams), self.engine.clone());
        // A listener whose file is gone is found by nobody.
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let far = UnixStream::connect(&engine).unwrap();
                let mut kept = streams.lock().unwrap();
                kept.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                drop(kept);
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        drop(copy(&mut from, &mut to));
                        drop(to.shutdown(Shutdown::Both));
                    });
                }
            }
        });
    }

    /// Ends every connection and takes no new one.
    pub(crate) fn stop(&self) {
        std::fs::remove_file(self.socket()).unwrap();
        for stream in self.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}
