//! Reports of the earlier program: its blobs are no images, so those without a name are folded into one pull a node.

use jiff::Timestamp;
use tracer_model::{LayerState, NameConfidence, Phase, ReportedPull, Source};

/// What a pull is called while nothing is known of its name.
pub const UNNAMED: &str = "__pulling__";
/// What the folded pull of a node is known by.
pub const MERGED: &str = "__merged__";

const BLOBS: [&str; 7] = [
    "sha256:",
    "layer-sha256:",
    "config-sha256:",
    "manifest-sha256:",
    "index-sha256:",
    "attestation-sha256:",
    "unknown-sha256:",
];

/// Whether a name is that of a blob under way and not of an image.
pub fn is_blob(name: &str) -> bool {
    BLOBS.iter().any(|prefix| name.starts_with(prefix))
}

/// Pulls with ids, all blobs of the node folded into one.
pub fn fold(pulls: Vec<ReportedPull>, now: Timestamp) -> Vec<ReportedPull> {
    let (blobs, named): (Vec<_>, Vec<_>) =
        pulls.into_iter().partition(|pull| is_blob(&pull.image_ref));
    let mut folded: Vec<ReportedPull> = named
        .into_iter()
        .map(|pull| {
            let id = pull.image_ref.clone();
            summed(ReportedPull { id, ..pull }, now)
        })
        .collect();
    if let Some(merged) = merge(blobs) {
        folded.push(summed(merged, now));
    }
    folded
}

fn merge(blobs: Vec<ReportedPull>) -> Option<ReportedPull> {
    let mut blobs = blobs.into_iter();
    let mut merged = blobs.next()?;
    for blob in blobs {
        merged.layers.extend(blob.layers);
        merged.started_at = merged.started_at.min(blob.started_at);
        merged.total_known &= blob.total_known;
    }
    MERGED.clone_into(&mut merged.id);
    UNNAMED.clone_into(&mut merged.image_ref);
    Some(merged)
}

fn summed(pull: ReportedPull, now: Timestamp) -> ReportedPull {
    let mut pull = ReportedPull {
        phase: Phase::Downloading,
        source: Source::LegacyReport,
        name_confidence: if pull.image_ref == UNNAMED {
            NameConfidence::Unknown
        } else {
            NameConfidence::Exact
        },
        started_at: if pull.started_at.as_second() > 0 {
            pull.started_at
        } else {
            now
        },
        ..pull
    };
    pull.total_bytes = pull
        .layers
        .iter()
        .fold(0, |sum, layer| layer.total_bytes.saturating_add(sum));
    pull.downloaded_bytes = pull
        .layers
        .iter()
        .fold(0, |sum, layer| layer.downloaded_bytes.saturating_add(sum));
    for layer in &mut pull.layers {
        layer.total_known = layer.total_bytes > 0;
        layer.state = if layer.total_known && layer.downloaded_bytes >= layer.total_bytes {
            LayerState::Downloaded
        } else {
            LayerState::Downloading
        };
    }
    pull
}

#[cfg(test)]
mod tests {
    use tracer_model::ReportedLayer;

    use super::*;

    fn pull(name: &str, started: i64) -> ReportedPull {
        ReportedPull {
            image_ref: name.to_owned(),
            started_at: Timestamp::from_second(started).unwrap(),
            total_known: true,
            layers: vec![ReportedLayer {
                digest: name.to_owned(),
                total_bytes: 100,
                downloaded_bytes: 40,
                ..ReportedLayer::default()
            }],
            ..ReportedPull::default()
        }
    }

    fn names(pulls: Vec<ReportedPull>) -> Vec<(String, usize)> {
        fold(pulls, Timestamp::UNIX_EPOCH)
            .into_iter()
            .map(|pull| (pull.image_ref, pull.layers.len()))
            .collect()
    }

    #[test]
    fn names_of_blobs_are_told_from_names_of_images() {
        for name in [
            "sha256:1",
            "layer-sha256:1",
            "config-sha256:1",
            "manifest-sha256:1",
            "index-sha256:1",
            "attestation-sha256:1",
        ] {
            assert!(is_blob(name), "{name}");
        }
        for name in ["nginx:1.27", "ghcr.io/a/b:1", UNNAMED, ""] {
            assert!(!is_blob(name), "{name}");
        }
    }

    #[test]
    fn blobs_become_one_pull_and_images_stay() {
        assert!(names(Vec::new()).is_empty());
        assert_eq!(names(vec![pull("nginx:1", 1)]), [("nginx:1".to_owned(), 1)]);
        let all = vec![pull("layer-sha256:1", 5), pull("config-sha256:2", 3)];
        assert_eq!(names(all.clone()), [(UNNAMED.to_owned(), 2)]);
        let mixed = [all.clone(), vec![pull("nginx:1", 1)]].concat();
        assert_eq!(
            names(mixed),
            [("nginx:1".to_owned(), 1), (UNNAMED.to_owned(), 2)]
        );
        let merged = fold(all, Timestamp::UNIX_EPOCH).remove(0);
        assert_eq!((merged.total_bytes, merged.downloaded_bytes), (200, 80));
        assert_eq!(merged.started_at.as_second(), 3);
        assert_eq!(merged.id, MERGED);
    }

    #[test]
    fn sums_of_absurd_counts_do_not_overflow() {
        let mut absurd = pull("layer-sha256:1", 1);
        absurd.layers[0].total_bytes = u64::MAX;
        let merged = fold(vec![absurd, pull("sha256:2", 1)], Timestamp::UNIX_EPOCH).remove(0);
        assert_eq!(merged.total_bytes, u64::MAX);
    }
}
