use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::server::{SOON, Server, ended, ours, pull};

struct Reader(Lines<BufReader<TcpStream>>);

impl Reader {
    async fn open(server: &Server, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(BufReader::new(stream).lines())
    }

    /// Reads until a line holds `text`.
    async fn until(&mut self, text: &str) -> String {
        let search = async {
            while let Some(line) = self.0.next_line().await.unwrap() {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the stream ended before {text}");
        };
        timeout(SOON, search)
            .await
            .unwrap_or_else(|_| panic!("no {text}"))
    }
}

#[tokio::test]
async fn a_reader_gets_a_snapshot_then_what_happens_and_may_come_back() {
    let server = Server::start(&[]).await;
    server
        .report(&ours("worker-1", 1, "full", &[pull("1", 5)], &[]))
        .await;
    let mut reader = Reader::open(&server, "?named=true", "").await;
    reader.until("text/event-stream").await;
    reader.until("retry: ").await;
    reader.until("event: pull.progress").await;
    reader.until(r#""downloadedBytes":5"#).await;
    server
        .report(&ours("worker-1", 2, "delta", &[pull("1", 50)], &[]))
        .await;
    reader.until(r#""downloadedBytes":50"#).await;
    // What this reader has seen so far it need not be told again.
    let mut other = Reader::open(&server, "?layers=false", "").await;
    let id = other.until("id: ").await;
    let id = id.strip_prefix("id: ").unwrap();
    drop(other);
    server
        .report(&ours("worker-1", 3, "delta", &[], &[ended("1")]))
        .await;
    reader.until("event: pull.completed").await;
    let mut back = Reader::open(&server, "", &format!("Last-Event-ID: {id}\r\n")).await;
    back.until("retry: ").await;
    let first = back.until("data: ").await;
    assert!(first.contains(r#""type":"pull.completed""#), "{first}");
    server.end().await;
}

#[tokio::test]
async fn layers_are_events_of_their_own_for_readers_that_ask() {
    let server = Server::start(&[]).await;
    let mut reader = Reader::open(&server, "?named=true&layers=events", "").await;
    reader.until("200 OK").await;
    for (sequence, kind, bytes) in [(1, "full", 5), (2, "delta", 50)] {
        server
            .report(&ours("worker-1", sequence, kind, &[pull("1", bytes)], &[]))
            .await;
        let name = if sequence == 1 {
            "event: layer.started"
        } else {
            "event: layer.progress"
        };
        reader.until(name).await;
        let layer = reader.until("data: ").await;
        assert!(
            layer.contains(&format!(r#""downloadedBytes":{bytes}"#))
                && layer.contains(r#""pullId":"worker-1:1""#),
            "{layer}"
        );
        reader.until("event: pull.").await;
        let whole = reader.until("data: ").await;
        assert!(!whole.contains(r#""layers""#), "{whole}");
    }
    let mut other = Reader::open(&server, "?named=true", "").await;
    let first = other.until("event: ").await;
    assert_eq!(first, "event: pull.progress");
    server.end().await;
}

#[tokio::test]
async fn one_reader_too_many_is_told_to_come_later_and_a_place_that_is_left_is_free() {
    let server = Server::start(&["--stream-readers=4"]).await;
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut reader = Reader::open(&server, "", "").await;
        reader.until("200 OK").await;
        readers.push(reader);
    }
    let refused = server.ask("GET", "/api/v1/events", &[], b"").await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: "));
    readers.pop();
    let end = Instant::now() + SOON;
    loop {
        let mut reader = Reader::open(&server, "", "").await;
        if reader.until("HTTP/1.1").await.contains("200") {
            break;
        }
        assert!(Instant::now() < end, "the place is not given back");
    }
    server.end().await;
}

#[tokio::test]
async fn a_reader_that_never_reads_delays_nobody() {
    let server = Server::start(&["--stream-interval=10ms"]).await;
    let layers: Vec<_> = (0..200)
        .map(|_| pull("1", 5)["layers"][0].clone())
        .collect();
    let mut large = pull("1", 5);
    large["layers"] = layers.into();
    server
        .report(&ours(
            "worker-1",
            1,
            "full",
            std::slice::from_ref(&large),
            &[],
        ))
        .await;
    let silent = Reader::open(&server, "", "").await;
    let mut reader = Reader::open(&server, "?layers=false", "").await;
    let mut slowest = Duration::ZERO;
    for sequence in 2..400 {
        // Ten a second for one node would be its pace: a node each.
        let node = format!("worker-{}", sequence % 40);
        let began = Instant::now();
        let answer = server
            .report(&ours(
                &node,
                sequence,
                "full",
                std::slice::from_ref(&large),
                &[],
            ))
            .await;
        slowest = slowest.max(began.elapsed());
        assert!(matches!(answer.status, 200 | 429));
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    server
        .report(&ours("last", 1, "full", &[pull("end", 77)], &[]))
        .await;
    reader.until(r#""downloadedBytes":77"#).await;
    drop(silent);
    server.end().await;
}
