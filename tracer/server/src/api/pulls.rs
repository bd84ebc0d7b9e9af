//! `GET /api/v1/pulls` and `/api/v1/pulls/ID`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::Value;
use tracer_model::{PullList, PullStatus};

use super::{Service, answers};
use crate::history::index::Summary;
use crate::hub::without_layers;
use crate::query::Query;
use crate::tracer::Tracer;

#[derive(Clone)]
enum Place {
    Here(Arc<PullStatus>),
    Stored(u64),
}

pub(super) async fn list(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = match Query::parse(query.as_deref().unwrap_or_default(), Timestamp::now()) {
        Ok(query) => query,
        Err(problem) => return answers::error(StatusCode::BAD_REQUEST, problem),
    };
    // Reading and writing a thousand pulls takes a while: reports must not wait for it.
    let work = move || listed(&service.tracer, &query, &headers);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        answers::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed to list the pulls",
        )
    })
}

fn listed(tracer: &Tracer, query: &Query, headers: &HeaderMap) -> Response {
    let (seen, rows): (String, Vec<(Summary, Place)>) = {
        let known = tracer.lock();
        // What was told until now is in the list; a stream that begins behind it repeats nothing and misses nothing.
        let seen = format!("{}-{}", tracer.hub.epoch, tracer.hub.last());
        let active = known
            .nodes
            .active()
            .map(|pull| (Summary::of(pull), Place::Here(Arc::clone(pull))))
            .filter(|(summary, _)| query.filter.passes(summary));
        let finished = known
            .index
            .iter()
            .filter(|(_, summary)| query.filter.passes(summary))
            .map(|(number, summary)| {
                let place = known.recent.get(&number);
                let place =
                    place.map_or(Place::Stored(number), |pull| Place::Here(Arc::clone(pull)));
                (summary.clone(), place)
            });
        (seen, active.chain(finished).collect())
    };
    let (places, total, next) = query.page(rows);
    let pulls = read(tracer, &places, query.layers);
    let list = PullList {
        pulls,
        total: Some(total as u64),
        next,
    };
    let mut answer = match &query.fields {
        Some(fields) => answers::of(headers, &with_fields(&list, fields)),
        None => answers::of(headers, &list),
    };
    if let Ok(seen) = HeaderValue::from_str(&seen) {
        let name = HeaderName::from_static("last-event-id");
        answer.headers_mut().insert(name, seen);
    }
    answer
}

fn read(tracer: &Tracer, places: &[Place], layers: bool) -> Vec<PullStatus> {
    let numbers: Vec<u64> = places
        .iter()
        .filter_map(|place| match place {
            Place::Stored(number) => Some(*number),
            Place::Here(_) => None,
        })
        .collect();
    let stored = tracer.store.get(&numbers).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to read finished pulls");
        Vec::new()
    });
    let mut stored: HashMap<String, PullStatus> = stored
        .into_iter()
        .map(|pull| (pull.id.clone(), pull))
        .collect();
    let ids: HashMap<u64, Arc<str>> = {
        let known = tracer.lock();
        let wanted: std::collections::HashSet<u64> = numbers.into_iter().collect();
        known
            .index
            .iter()
            .filter(|(number, _)| wanted.contains(number))
            .map(|(number, summary)| (number, Arc::clone(&summary.id)))
            .collect()
    };
    places
        .iter()
        .filter_map(|place| match place {
            Place::Here(pull) if layers => Some(pull.as_ref().clone()),
            Place::Here(pull) => Some(without_layers(pull)),
            Place::Stored(number) => {
                let mut pull = stored.remove(ids.get(number)?.as_ref())?;
                if !layers {
                    pull.layers = Vec::new();
                }
                Some(pull)
            }
        })
        .collect()
}

fn with_fields(list: &PullList, fields: &[String]) -> Value {
    let mut value = serde_json::to_value(list).unwrap_or_default();
    let pulls = value.get_mut("pulls").and_then(Value::as_array_mut);
    for pull in pulls.into_iter().flatten().filter_map(Value::as_object_mut) {
        pull.retain(|name, _| fields.iter().any(|field| field == name));
    }
    value
}

pub(super) async fn one(
    State(service): State<Service>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let place = {
        let known = service.tracer.lock();
        let number = known.index.number(&id);
        match number {
            Some(number) => Some(
                known
                    .recent
                    .get(&number)
                    .map_or(Place::Stored(number), |pull| Place::Here(Arc::clone(pull))),
            ),
            None => known
                .nodes
                .active()
                .find(|pull| pull.id == id)
                .map(|pull| Place::Here(Arc::clone(pull))),
        }
    };
    let pull = match place {
        None => None,
        Some(Place::Here(pull)) => Some(pull),
        Some(Place::Stored(number)) => service
            .tracer
            .store
            .get(&[number])
            .ok()
            .and_then(|mut pulls| pulls.pop())
            .map(Arc::new),
    };
    match pull {
        Some(pull) => answers::of(&headers, pull.as_ref()),
        None => answers::error(StatusCode::NOT_FOUND, "no such pull"),
    }
}
