//! A socket in front of an Engine that can be taken away, held up and listened at.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::host::Host;

/// A socket in front of an Engine.
pub(crate) struct Relay {
    folder: TempDir,
    engine: PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
    heard: Arc<Heard>,
}

/// What goes through.
struct Heard {
    /// Everything that was asked.
    asked: Mutex<Vec<u8>>,
    /// How many bytes of answers may still pass.
    allowed: AtomicUsize,
}

impl Relay {
    pub(crate) fn start(host: &Host) -> Self {
        let relay = Self {
            folder: tempfile::tempdir().unwrap(),
            engine: host.address.strip_prefix("unix://").unwrap().into(),
            streams: Arc::default(),
            heard: Arc::new(Heard {
                asked: Mutex::default(),
                allowed: AtomicUsize::new(usize::MAX),
            }),
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

    /// Takes connections (again), and lets everything through.
    pub(crate) fn resume(&self) {
        self.hold_after(usize::MAX);
        let listener = UnixListener::bind(self.socket()).unwrap();
        let (streams, engine) = (Arc::clone(&self.streams), self.engine.clone());
        let heard = Arc::clone(&self.heard);
        // A listener whose file is gone is found by nobody.
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let far = UnixStream::connect(&engine).unwrap();
                let mut kept = streams.lock().unwrap();
                kept.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                drop(kept);
                let (asks, answers) = (Arc::clone(&heard), Arc::clone(&heard));
                pass_on(&near, &far, move |bytes| {
                    asks.asked.lock().unwrap().extend_from_slice(bytes);
                });
                pass_on(&far, &near, move |bytes| answers.wait_to_pass(bytes.len()));
            }
        });
    }

    /// Ends every connection and takes no new one.
    pub(crate) fn stop(&self) {
        std::fs::remove_file(self.socket()).unwrap();
        for stream in self.streams.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        self.hold_after(usize::MAX);
    }

    /// After so many bytes of answers nothing comes through.
    pub(crate) fn hold_after(&self, bytes: usize) {
        self.heard.allowed.store(bytes, Ordering::SeqCst);
    }

    /// How many requests there were with this in their first line.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let asked = self.heard.asked.lock().unwrap();
        let asked = String::from_utf8_lossy(&asked);
        asked
            .lines()
            .filter(|line| line.ends_with(" HTTP/1.1") && line.starts_with(method))
            .filter(|line| line.contains(part))
            .count()
    }
}

impl Heard {
    fn wait_to_pass(&self, bytes: usize) {
        let pass = |allowed: usize| match allowed {
            usize::MAX => Some(allowed),
            _ => allowed.checked_sub(bytes),
        };
        while self
            .allowed
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, pass)
            .is_err()
        {
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// Passes on what comes until it ends.
fn pass_on(from: &UnixStream, to: &UnixStream, mut see: impl FnMut(&[u8]) + Send + 'static) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let mut pass = || -> io::Result<()> {
            loop {
                let length = from.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                see(&buffer[..length]);
                to.write_all(&buffer[..length])?;
            }
        };
        drop(pass());
        drop(to.shutdown(Shutdown::Both));
    });
}
