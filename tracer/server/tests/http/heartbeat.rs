//! Who hears nothing for a while hears that the line is whole.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::server::Server;

/// Proxies take a longer silence for a broken line; a busy machine is a little late.
const HEARTBEAT: Duration = Duration::from_millis(16_500);

async fn heartbeat(server: &Server, query: &str, text: &str) -> Duration {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let mut began = Instant::now();
    let search = async {
        while !heard.contains(text) {
            let before = heard.contains(": connected");
            let mut some = [0; 1024];
            let count = stream.read(&mut some).await.unwrap();
            assert!(count > 0, "the stream ended after {heard:?}");
            heard.push_str(&String::from_utf8_lossy(&some[..count]));
            if !before {
                began = Instant::now();
            }
        }
    };
    timeout(2 * HEARTBEAT, search).await.unwrap();
    began.elapsed()
}

#[tokio::test]
async fn a_reader_to_whom_nothing_happens_hears_a_heartbeat_as_a_comment_or_an_event() {
    let server = Server::start(&[]).await;
    let (comment, event) = tokio::join!(
        heartbeat(&server, "", ": heartbeat\n\n"),
        heartbeat(
            &server,
            "?heartbeat=event",
            "event: heartbeat\ndata: {}\n\n"
        ),
    );
    for silence in [comment, event] {
        assert!(silence <= HEARTBEAT, "{silence:?}");
    }
    server.end().await;
}
