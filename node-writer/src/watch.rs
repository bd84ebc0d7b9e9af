//! Waits, without any clock, for somebody to touch a watched folder, or for the end.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::Failure;

/// An editor saves in several steps; a repair between two of them would count as another contest.
const QUIET: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// However busy the folder is, this many quiet times are waited for at most.
const MAX_ROUNDS: usize = 10;

const EVENT_BUFFER_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Something in a watched folder is different.
    Touched,
    /// A watched folder itself is gone, and its watch with it.
    FolderGone,
    /// SIGTERM or SIGINT.
    End,
}

pub(crate) struct Watcher {
    inotify: OwnedFd,
    signals: UnixStream,
}

impl Watcher {
    /// From here on SIGTERM and SIGINT end the process only through [`Woken::End`].
    pub(crate) fn new() -> Result<Self, Failure> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|source| {
            Failure::Watch {
                path: "the node".to_owned(),
                source,
            }
        })?;
        let (signals, wake) = UnixStream::pair().map_err(Failure::Signals)?;
        for signal in [SIGTERM, SIGINT] {
            let wake = wake.try_clone().map_err(Failure::Signals)?;
            signal_hook::low_level::pipe::register(signal, wake).map_err(Failure::Signals)?;
        }
        Ok(Self { inotify, signals })
    }

    pub(crate) fn watch(&self, folder: &Path) -> Result<(), Failure> {
        let events = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        add_watch(&self.inotify, folder, events)
            .map(drop)
            .map_err(|source| Failure::Watch {
                path: folder.display().to_string(),
                source,
            })
    }

    /// Blocks until something happens, then until it has been quiet for a moment.
    pub(crate) fn wait(&self) -> Result<Woken, Failure> {
        let mut woken = None;
        for _ in 0..MAX_ROUNDS {
            let timeout = woken.map(|_| &QUIET);
            let Some(touched) = self.poll(timeout)? else {
                break;
            };
            match (touched, woken) {
                (Woken::End, _) => return Ok(Woken::End),
                (Woken::FolderGone, _) | (_, None) => woken = Some(touched),
                _ => {}
            }
        }
        Ok(woken.unwrap_or(Woken::Touched))
    }

    /// `None` when the time is over.
    fn poll(&self, timeout: Option<&Timespec>) -> Result<Option<Woken>, Failure> {
        let mut ready = [
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.inotify, PollFlags::IN),
        ];
        match poll(&mut ready, timeout) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // The signal stands in the pipe, or another one means nothing to us.
            Err(Errno::INTR) => return self.poll(timeout),
            Err(source) => {
                return Err(Failure::Watch {
                    path: "the node".to_owned(),
                    source,
                });
            }
        }
        if !ready[0].revents().is_empty() {
            return Ok(Some(Woken::End));
        }
        self.drain().map(Some)
    }

    fn drain(&self) -> Result<Woken, Failure> {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER_BYTES];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        let gone =
            ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED;
        let mut woken = Woken::Touched;
        loop {
            match reader.next() {
                Ok(event) if event.events().intersects(gone) => woken = Woken::FolderGone,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(woken),
                Err(source) => {
                    return Err(Failure::Watch {
                        path: "the node".to_owned(),
                        source,
                    });
                }
            }
        }
    }
}
