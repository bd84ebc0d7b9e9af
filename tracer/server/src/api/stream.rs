//! `GET /api/v1/events`: a snapshot, then a batch a tick, each reader at its own pace.
//!
//! The next piece is made when the connection wants it. A reader that does not read therefore costs a place in the ring;
//! the connection's own deadline ends it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};
use tracer_model::{EventType, PullStatus};

use super::layers::Heard;
use super::{Readers, Service, answers};
use crate::hub::{Event, Next};
use crate::query::{Filter, pairs};
use crate::tracer::Tracer;

/// Proxies and pages take a longer silence for a broken line.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Ended pulls of a snapshot; the list has them all.
const ENDED: usize = 500;

/// How a reader wants its events.
#[derive(Clone, Debug, Default)]
struct Form {
    named: bool,
    heartbeat_event: bool,
    layers: Layers,
    filter: Filter,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Layers {
    #[default]
    All,
    None,
    Of(String),
    /// As events of their own.
    Events,
}

struct Reader {
    tracer: Arc<Tracer>,
    form: Form,
    heard: Heard,
    seen: u64,
    ticks: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    first: Option<Bytes>,
    place: Place,
}

/// Of a batch for many readers, the time that each adds, so that they do not hold up reports all at once.
const APART: Duration = Duration::from_micros(500);
/// The time for all of them at most.
const ROW: Duration = Duration::from_millis(500);

/// A place among the readers, given back when the reader goes.
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    in_row: f64,
    readers: Arc<Readers>,
    tracer: Arc<Tracer>,
}

impl Place {
    /// How long after a tick this reader is served.
    fn turn(&self) -> Duration {
        let row = APART.saturating_mul(u32::try_from(self.readers.present()).unwrap_or(u32::MAX));
        row.min(ROW).mul_f64(self.in_row)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        self.tracer.metrics.readers(self.readers.present());
    }
}

pub(super) async fn events(
    State(service): State<Service>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let form = match Form::parse(&query) {
        Ok(form) => form,
        Err(problem) => return answers::error(StatusCode::BAD_REQUEST, problem),
    };
    let Ok(permit) = Arc::clone(&service.readers.places).try_acquire_owned() else {
        let mut answer = answers::error(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
        let later = HeaderValue::from_static("5");
        answer.headers_mut().insert(header::RETRY_AFTER, later);
        return answer;
    };
    let tracer = Arc::clone(&service.tracer);
    tracer.metrics.readers(service.readers.present());
    let place = Place {
        permit: Some(permit),
        in_row: service.readers.place_in_row(),
        readers: Arc::clone(&service.readers),
        tracer: Arc::clone(&tracer),
    };
    let mut reader = Reader {
        ticks: tracer.hub.subscribe(),
        stopping: service.stopping.clone(),
        seen: tracer.hub.last(),
        first: None,
        tracer,
        form,
        heard: Heard::default(),
        place,
    };
    let mut first = String::from(": connected\n\nretry: 2000\n\n");
    match resumed(&reader.tracer, &query, &headers) {
        Some(seen) => reader.seen = seen,
        None => first.push_str(&reader.snapshot()),
    }
    reader.first = Some(first.into());
    let body = stream::unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// The number that a reader has seen, if it was one of this process and what follows is still there.
fn resumed(tracer: &Tracer, query: &str, headers: &HeaderMap) -> Option<u64> {
    let in_query = || {
        pairs(query)
            .find(|(name, _)| name == "lastEventId")
            .map(|(_, value)| value)
    };
    let header = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let id = header.map(str::to_owned).or_else(in_query)?;
    let (epoch, number) = id.split_once('-')?;
    let number = number.parse().ok().filter(|_| epoch == tracer.hub.epoch)?;
    tracer.hub.reaches(number).then_some(number)
}

impl Form {
    fn parse(query: &str) -> Result<Self, crate::query::QueryError> {
        let mut form = Self {
            filter: Filter::parse(query, Timestamp::now())?,
            ..Self::default()
        };
        for (name, value) in pairs(query) {
            match name.as_str() {
                "named" => form.named = value != "false",
                "heartbeat" => form.heartbeat_event = value == "event",
                "layers" => {
                    form.layers = match value.as_str() {
                        "" | "true" | "all" => Layers::All,
                        "false" | "none" => Layers::None,
                        "events" => Layers::Events,
                        id => Layers::Of(id.to_owned()),
                    };
                }
                _ => {}
            }
        }
        Ok(form)
    }

    /// Which of the texts that readers share fits, if one does.
    fn shared(&self) -> Option<usize> {
        let layers = match self.layers {
            Layers::All => 0,
            Layers::None => 1,
            Layers::Of(_) | Layers::Events => return None,
        };
        self.filter
            .is_empty()
            .then_some(layers + 2 * usize::from(self.named))
    }

    fn wants(&self, event: &Event) -> bool {
        match &event.pull {
            Some(pull) => self.filter.passes_status(pull),
            // Readers of the earlier program know events of pulls only.
            None => self.named,
        }
    }

    fn write(&self, epoch: &str, heard: &mut Heard, events: &[Arc<Event>]) -> BytesMut {
        let mut text = BytesMut::new();
        for event in events.iter().filter(|event| self.wants(event)) {
            if self.layers == Layers::Events {
                self.write_layers(heard, event, &mut text);
            }
            self.name(event.event_type, &mut text);
            text.put_slice(format!("id: {epoch}-{}\ndata: ", event.number).as_bytes());
            let layers = match &self.layers {
                Layers::All => true,
                Layers::None | Layers::Events => false,
                Layers::Of(id) => event.pull.as_ref().is_some_and(|pull| pull.id == *id),
            };
            text.put_slice(&event.json(layers));
            text.put_slice(b"\n\n");
        }
        text
    }

    /// Before their pull and without numbers: who comes back to a number has heard of its layers.
    fn write_layers(&self, heard: &mut Heard, event: &Event, text: &mut BytesMut) {
        let Some(pull) = &event.pull else { return };
        for (event_type, layer) in heard.news(pull) {
            self.name(event_type, text);
            text.put_slice(b"data: ");
            text.put_slice(&event.json_of(event_type, layer));
            text.put_slice(b"\n\n");
        }
        if event.event_type == EventType::PullRemoved {
            heard.forget(&pull.id);
        }
    }

    fn name(&self, event_type: EventType, text: &mut BytesMut) {
        if self.named {
            text.put_slice(b"event: ");
            text.put_slice(event_type.as_str().as_bytes());
            text.put_u8(b'\n');
        }
    }
}

impl Reader {
    /// The next piece, or nothing when the process ends.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            self.ticks.borrow_and_update();
            if let Some(piece) = self.piece() {
                return Some(piece);
            }
            let woken = timeout(HEARTBEAT, async {
                tokio::select! {
                    tick = self.ticks.changed() => tick.is_ok(),
                    _ = self.stopping.wait_for(|stopping| *stopping) => false,
                }
            });
            match woken.await {
                Ok(true) => sleep(self.place.turn()).await,
                Ok(false) => return None,
                Err(_) => return Some(self.heartbeat()),
            }
        }
    }

    fn piece(&mut self) -> Option<Bytes> {
        let text = match self.tracer.hub.after(self.seen) {
            Next::Nothing => return None,
            Next::Batch(batch) => {
                self.seen = batch.events.last()?.number;
                if let Some(index) = self.form.shared() {
                    let text = batch.texts.get(index)?;
                    text.get_or_init(|| self.write(&batch.events)).clone()
                } else {
                    self.write(&batch.events)
                }
            }
            Next::Coalesced(events) => {
                self.seen = events
                    .last()
                    .map_or_else(|| self.tracer.hub.last(), |event| event.number);
                self.write(&events)
            }
            Next::Lost => {
                self.seen = self.tracer.hub.last();
                self.heard = Heard::default();
                let mut text = String::new();
                if self.form.named {
                    text.push_str("event: reset\ndata: {}\n\n");
                }
                text.push_str(&self.snapshot());
                text.into()
            }
        };
        (!text.is_empty()).then_some(text)
    }

    fn write(&mut self, events: &[Arc<Event>]) -> Bytes {
        let epoch = &self.tracer.hub.epoch;
        self.form.write(epoch, &mut self.heard, events).freeze()
    }

    /// What is true now: everything that goes on, and what ended lately.
    fn snapshot(&mut self) -> String {
        let pulls: Vec<Arc<PullStatus>> = {
            let known = self.tracer.lock();
            let ended = known.recent.values().rev().take(ENDED);
            ended.chain(known.nodes.active()).cloned().collect()
        };
        let now = Timestamp::now();
        let events: Vec<Arc<Event>> = pulls
            .into_iter()
            .map(|pull| Arc::new(Event::alone(self.seen, now, pull)))
            .collect();
        let text = self.write(&events);
        let mut text = String::from_utf8(text.into()).unwrap_or_default();
        if text.is_empty() {
            // A reader that comes back says from where, even if there was nothing to say.
            let _ = write!(text, "id: {}-{}\n\n", self.tracer.hub.epoch, self.seen);
        }
        text
    }

    fn heartbeat(&self) -> Bytes {
        // The place is held as long as this reader lives.
        let _ = &self.place;
        if self.form.heartbeat_event {
            Bytes::from_static(b"event: heartbeat\ndata: {}\n\n")
        } else {
            Bytes::from_static(b": heartbeat\n\n")
        }
    }
}
