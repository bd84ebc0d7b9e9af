//! Notices that the file was written anew: by inotify at once, by looking at it each second where that does not work.

use std::fs::{self, Metadata};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep};

const LOOK: Duration = Duration::from_secs(1);

/// A file that does not change for so long is written to its end.
const SETTLED: Duration = Duration::from_millis(25);

/// The file, and what of it has been seen.
pub(super) struct Watch {
    file: PathBuf,
    looks: Receiver<()>,
    seen: Option<Stamp>,
}

/// Differs between any two states of a file that was written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
}

impl Watch {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            looks: looking(file.clone()),
            file,
            seen: None,
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Waits until something happened beside the file, a second at most.
    pub(super) async fn wait(&mut self) {
        // The thread ends only after this.
        let _ = self.looks.recv().await;
    }

    /// The file's bytes if it was written since they were last returned.
    pub(super) async fn written(&mut self) -> Option<io::Result<Vec<u8>>> {
        let mut stamp = look(&self.file)?;
        if self.seen == Some(stamp) {
            return None;
        }
        let start = Instant::now();
        loop {
            sleep(SETTLED).await;
            let later = look(&self.file)?;
            // Who writes a file begins with an empty one.
            if later == stamp && (later.size > 0 || start.elapsed() > LOOK) {
                break;
            }
            stamp = later;
        }
        self.seen = Some(stamp);
        Some(fs::read(&self.file))
    }

    /// Takes the file for written, whatever was seen of it.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }
}

/// None as long as the file is not there: who replaces it may remove it first.
fn look(file: &Path) -> Option<Stamp> {
    fs::metadata(file).ok().as_ref().map(Stamp::of)
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
        }
    }
}

/// Sends whenever something happened in the file's folder, and each second, until nobody receives any more.
///
/// A thread of its own waits, because a file that becomes readable is nothing a run time takes without unsafe code.
fn looking(file: PathBuf) -> Receiver<()> {
    let (sender, receiver) = channel(1);
    std::thread::spawn(move || {
        let mut events = None;
        // One signal that was not taken yet stands for all that follow.
        while !matches!(sender.try_send(()), Err(TrySendError::Closed(()))) {
            if events.is_none() {
                // Where it does not work, or the folder is not there yet, looking each second does.
                events = subscribe(&file).ok();
            }
            match &events {
                Some(events) => happened(events),
                None => std::thread::sleep(LOOK),
            }
        }
    });
    receiver
}

/// The folder is watched and not the file, which may be replaced by another one.
fn subscribe(file: &Path) -> io::Result<OwnedFd> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let events = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let flags = WatchFlags::CREATE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::MOVED_TO
        | WatchFlags::ATTRIB
        | WatchFlags::MODIFY;
    add_watch(&events, folder, flags)?;
    Ok(events)
}

/// Waits for events, a second at most, and takes them all.
fn happened(events: &OwnedFd) {
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    // A failure is answered by looking at the file, which is what follows anyway.
    let _ = poll(&mut [PollFd::new(events, PollFlags::IN)], Some(&second));
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(events, &mut buffer);
    while reader.next().is_ok() {}
}
