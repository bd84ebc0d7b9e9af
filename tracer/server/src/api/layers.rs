//! Events of layers, for streams that ask for them: what moved in a pull since the reader last heard of it.

use std::collections::HashMap;

use tracer_model::{EventType, LayerState, LayerStatus, PullStatus, State};

/// What one reader has heard of the layers of pulls that go on.
#[derive(Debug, Default)]
pub(super) struct Heard(HashMap<String, HashMap<String, (Stage, u64)>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Waiting,
    Moving,
    There,
}

impl Heard {
    /// What to tell of a pull, in the order of its layers.
    pub(super) fn news<'a>(&mut self, pull: &'a PullStatus) -> Vec<(EventType, &'a LayerStatus)> {
        let heard = self.0.entry(pull.id.clone()).or_default();
        let mut news = Vec::new();
        for layer in &pull.layers {
            let before = heard.get(&layer.digest).copied();
            let (last, bytes) = before.unwrap_or((Stage::Waiting, 0));
            let Some(stage) = stage(layer.state) else {
                continue;
            };
            let event = match (last < stage, stage) {
                (true, Stage::There) => Some(EventType::LayerCompleted),
                (true, _) => Some(EventType::LayerStarted),
                (false, Stage::Moving) if layer.downloaded_bytes > bytes => {
                    Some(EventType::LayerProgress)
                }
                (false, _) => None,
            };
            news.extend(event.map(|event| (event, layer)));
            let now = (stage.max(last), layer.downloaded_bytes);
            heard.insert(layer.digest.clone(), now);
        }
        if pull.state != State::Active {
            self.0.remove(&pull.id);
        }
        news
    }

    /// A pull is no more.
    pub(super) fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }
}

/// How far a layer is; of one that failed nothing new is told, its pull tells it.
fn stage(state: LayerState) -> Option<Stage> {
    match state {
        LayerState::Queued | LayerState::WaitingShared => Some(Stage::Waiting),
        LayerState::Downloading => Some(Stage::Moving),
        LayerState::Downloaded | LayerState::Unpacking | LayerState::Done | LayerState::Cached => {
            Some(Stage::There)
        }
        LayerState::Failed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(state: State, layers: &[(&str, LayerState, u64)]) -> PullStatus {
        let layers: Vec<_> = layers
            .iter()
            .map(|(digest, state, bytes)| {
                serde_json::json!({"pullId": "p", "digest": digest, "totalBytes": 100, "downloadedBytes": bytes,
                    "bytesPerSec": 0, "percent": 0, "totalKnown": true, "state": state})
            })
            .collect();
        PullStatus {
            state,
            layers: serde_json::from_value(layers.into()).unwrap(),
            ..crate::fixtures::active("worker-1", "p", "quay.io/a:1")
        }
    }

    #[test]
    fn a_layer_begins_moves_and_ends_once() {
        use EventType::{LayerCompleted, LayerProgress, LayerStarted};
        use LayerState::{Cached, Done, Downloading, Failed, Queued, Unpacking};
        let mut heard = Heard::default();
        let mut tell = |state, layers: &[_]| {
            let pull = pull(state, layers);
            let news = heard.news(&pull);
            let news = news
                .into_iter()
                .map(|(event, layer)| (event, layer.digest.clone()));
            news.collect::<Vec<_>>()
        };
        let of = |event, layer: &str| (event, layer.to_owned());
        let first = tell(
            State::Active,
            &[("a", Cached, 100), ("b", Downloading, 5), ("c", Queued, 0)],
        );
        assert_eq!(first, [of(LayerCompleted, "a"), of(LayerStarted, "b")]);
        let same = tell(
            State::Active,
            &[("a", Cached, 100), ("b", Downloading, 5), ("c", Queued, 0)],
        );
        assert_eq!(same, []);
        let next = tell(
            State::Active,
            &[
                ("a", Done, 100),
                ("b", Downloading, 9),
                ("c", Downloading, 0),
            ],
        );
        assert_eq!(next, [of(LayerProgress, "b"), of(LayerStarted, "c")]);
        let then = tell(
            State::Active,
            &[("a", Done, 100), ("b", Unpacking, 100), ("c", Failed, 0)],
        );
        assert_eq!(then, [of(LayerCompleted, "b")]);
        assert_eq!(
            tell(State::Failed, &[("b", Done, 100), ("c", Failed, 0)]),
            []
        );
        assert!(heard.0.is_empty());
    }
}
