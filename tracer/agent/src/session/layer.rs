//! One layer of a pull: where its bytes come from and how far it is.

use jiff::Timestamp;
use tracer_model::{LayerState, ReportedLayer};

use super::pace::Pace;
use crate::blob::Descriptor;

/// Who brings the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This pull.
    Own,
    /// Nobody: they were on the node before the pull began.
    Cached,
    /// The pull of another lease.
    Shared(String),
}

#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) digest: String,
    pub(super) size: u64,
    media_type: String,
    /// The same blob stands further below: its bytes count once.
    pub(super) is_repeated: bool,
    /// Name of the snapshot it becomes.
    pub(super) chain_id: Option<String>,
    pub(super) state: LayerState,
    pub(super) origin: Option<Origin>,
    /// As the runtime tells.
    offset: u64,
    /// Of an interrupted pull before this one.
    resumed: u64,
    /// What was shown, which never falls.
    shown: u64,
    pace: Pace,
    started_at: Option<Timestamp>,
    pub(super) downloaded_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
}

/// What one look tells of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen<'a> {
    /// The pull's lease holds the blob.
    pub(super) is_here: bool,
    /// When the blob was complete.
    pub(super) created_at: Option<Timestamp>,
    /// The blob arrives for this pull.
    pub(super) arriving: Option<Arriving>,
    /// Another pull brings it, or brought it.
    pub(super) other: Option<Other<'a>>,
    /// When its snapshot was made.
    pub(super) unpacked_at: Option<Timestamp>,
    /// Its snapshot is being made.
    pub(super) is_extracting: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    pub(super) offset: u64,
    pub(super) started_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// The runtime moves only some at a time.
    pub(super) is_moving: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Other<'a> {
    pub(super) lease: &'a str,
    pub(super) offset: u64,
    pub(super) is_here: bool,
}

impl Layer {
    pub(super) fn new(descriptor: &Descriptor, is_repeated: bool) -> Self {
        Self {
            digest: descriptor.digest.clone(),
            size: descriptor.size,
            media_type: descriptor.media_type.clone(),
            is_repeated,
            chain_id: None,
            state: LayerState::Queued,
            origin: None,
            offset: 0,
            resumed: 0,
            shown: 0,
            pace: Pace::default(),
            started_at: None,
            downloaded_at: None,
            completed_at: None,
        }
    }

    /// Takes what one look tells.
    pub(super) fn settle(&mut self, seen: &Seen<'_>, pull_started: Timestamp, now: Timestamp) {
        if self.state.is_unpacked() {
            return;
        }
        self.place_bytes(seen, pull_started, now);
        if let Some(at) = seen.unpacked_at {
            self.unpacked(at, pull_started);
        } else if self.state.is_here() {
            self.state = if seen.is_extracting {
                LayerState::Unpacking
            } else {
                LayerState::Downloaded
            };
        }
    }

    fn place_bytes(&mut self, seen: &Seen<'_>, pull_started: Timestamp, now: Timestamp) {
        if seen.is_here {
            // Until it is known since when it is here, nothing is said of who brought it.
            if let (None | Some(Origin::Shared(_)), Some(at)) = (&self.origin, seen.created_at) {
                self.origin = Some(match &seen.other {
                    Some(other) => Origin::Shared(other.lease.to_owned()),
                    None if at < pull_started => Origin::Cached,
                    None => Origin::Own,
                });
            }
            self.arrived(seen.created_at.map(|at| at.max(pull_started)));
        } else if let Some(arriving) = seen.arriving {
            self.arrives(arriving, pull_started);
        } else if let Some(other) = &seen.other {
            self.origin = Some(Origin::Shared(other.lease.to_owned()));
            self.offset = other.offset.min(self.size);
            self.state = LayerState::WaitingShared;
            if other.is_here {
                self.arrived(Some(now));
            }
        } else if matches!(self.origin, Some(Origin::Shared(_))) && !self.state.is_here() {
            // Whoever fetched it gave up.
            self.origin = None;
            self.offset = 0;
            self.state = LayerState::Queued;
        }
    }

    fn arrives(&mut self, arriving: Arriving, pull_started: Timestamp) {
        if self.origin != Some(Origin::Own) && arriving.started_at < pull_started {
            self.resumed = arriving.offset.min(self.size);
        }
        self.origin = Some(Origin::Own);
        self.offset = arriving.offset.min(self.size);
        self.pace.saw(self.offset, arriving.updated_at);
        self.state = if arriving.is_moving {
            self.started_at
                .get_or_insert(arriving.started_at.max(pull_started));
            LayerState::Downloading
        } else {
            LayerState::Queued
        };
    }

    fn arrived(&mut self, at: Option<Timestamp>) {
        self.offset = self.size;
        self.downloaded_at = self.downloaded_at.or(at);
        if !self.state.is_here() {
            self.state = LayerState::Downloaded;
        }
    }

    fn unpacked(&mut self, at: Timestamp, pull_started: Timestamp) {
        if at < pull_started {
            self.origin = Some(Origin::Cached);
        }
        self.arrived(Some(at.max(pull_started)));
        self.completed_at.get_or_insert(at.max(pull_started));
        self.state = if self.origin == Some(Origin::Cached) {
            LayerState::Cached
        } else {
            LayerState::Done
        };
    }

    /// The image is there, so this layer is.
    pub(super) fn succeed(&mut self, at: Timestamp, pull_started: Timestamp) {
        if !self.state.is_unpacked() {
            self.unpacked(at.max(pull_started), pull_started);
        }
    }

    /// The pull is over without an image: only real bytes count, and no more is coming.
    pub(super) fn fail(&mut self) {
        self.shown = self.offset;
        if !self.state.is_here() {
            self.state = LayerState::Failed;
        }
    }

    /// Bytes on the node as they are shown.
    pub(super) fn show(&mut self, now: Timestamp) -> u64 {
        let present = if self.state == LayerState::Downloading {
            self.pace.estimate(self.size, now)
        } else {
            self.offset
        };
        self.shown = self.shown.max(present).min(self.size);
        self.shown
    }

    /// Bytes that this pull fetched itself.
    pub(super) fn fetched(&self) -> u64 {
        match self.origin {
            Some(Origin::Own) if !self.is_repeated => self.offset.saturating_sub(self.resumed),
            _ => 0,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn shown(&self) -> u64 {
        self.shown
    }

    pub(super) fn report(&self, order: usize, namespace: &str, now: Timestamp) -> ReportedLayer {
        ReportedLayer {
            digest: self.digest.clone(),
            media_type: self.media_type.clone(),
            total_bytes: self.size,
            downloaded_bytes: self.shown,
            total_known: true,
            state: self.state,
            order: u32::try_from(order).ok(),
            started_at: self.started_at,
            downloaded_at: self.downloaded_at,
            completed_at: self.completed_at,
            bytes_per_sec: if self.state == LayerState::Downloading {
                self.pace.rate(now).round()
            } else {
                0.0
            },
            shared_with: match &self.origin {
                Some(Origin::Shared(lease)) if !lease.is_empty() => format!("{namespace}/{lease}"),
                _ => String::new(),
            },
        }
    }
}
