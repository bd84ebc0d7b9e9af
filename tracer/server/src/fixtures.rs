//! Pulls for tests.

use jiff::Timestamp;
use tracer_model::{NameConfidence, Phase, PullStatus, ReportedPull};

use crate::correlate::Naming;
use crate::status;

/// A pull that succeeded at `second`.
pub(crate) fn finished(node: &str, id: &str, image: &str, second: i64) -> PullStatus {
    let pull = ReportedPull {
        id: id.to_owned(),
        image_ref: image.to_owned(),
        name_confidence: NameConfidence::Exact,
        phase: Phase::Done,
        started_at: Timestamp::UNIX_EPOCH,
        completed_at: Some(Timestamp::from_second(second).unwrap()),
        total_bytes: 100,
        downloaded_bytes: 100,
        total_known: true,
        ..ReportedPull::default()
    };
    status::of(node, &pull, &Naming::default(), None)
}

/// A pull that goes on.
pub(crate) fn active(node: &str, id: &str, image: &str) -> PullStatus {
    let pull = ReportedPull {
        id: id.to_owned(),
        image_ref: image.to_owned(),
        name_confidence: NameConfidence::Exact,
        total_bytes: 100,
        downloaded_bytes: 40,
        total_known: true,
        ..ReportedPull::default()
    };
    status::of(node, &pull, &Naming::default(), None)
}
