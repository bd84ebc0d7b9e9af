//! What happens to containers and images, as it happens.

use std::collections::HashMap;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures::stream::{BoxStream, StreamExt as _};

use crate::containers::label_filter;
use crate::engine::Engine;
use crate::error::{Error, Operation};

impl Engine {
    /// Events of the containers that have all of these labels, since a point in time (seconds of the Unix epoch) or from
    /// now on. It ends when the Engine does.
    pub fn events(
        &self,
        labels: &[&str],
        since: Option<u64>,
    ) -> BoxStream<'static, Result<EventMessage, Error>> {
        let operation = Operation::new("follow events", "");
        let mut filters = label_filter(labels);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        let options = EventsOptions {
            since: since.map(|seconds| seconds.to_string()),
            filters: Some(filters),
            ..EventsOptions::default()
        };
        let engine = self.clone();
        self.docker
            .events(Some(options))
            .map(move |event| event.map_err(|error| engine.failed(&operation, error)))
            .boxed()
    }

    /// Events of images, from now on. It ends when the Engine does.
    pub fn image_events(&self) -> BoxStream<'static, Result<EventMessage, Error>> {
        let operation = Operation::new("follow events", "");
        let filters = HashMap::from([("type".to_owned(), vec!["image".to_owned()])]);
        let options = EventsOptions {
            filters: Some(filters),
            ..EventsOptions::default()
        };
        let engine = self.clone();
        self.docker
            .events(Some(options))
            .map(move |event| event.map_err(|error| engine.failed(&operation, error)))
            .boxed()
    }
}
