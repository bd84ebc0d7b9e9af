//! A reader that never reads beside many reports.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::server::{Server, ours, pull};

const REPORTS: u64 = 300;

/// How long 99 of 100 reports took at most; each is of a node of its own, so that none is too soon.
async fn p99(server: &Server, name: &str, large: &Value) -> Duration {
    let mut times = Vec::new();
    for number in 0..REPORTS {
        let node = format!("{name}-{number}");
        let report = ours(&node, 1, "full", std::slice::from_ref(large), &[]);
        let began = Instant::now();
        assert_eq!(server.report(&report).await.status, 200);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

async fn never_reads(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // What the kernel takes in its stead is little.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let request = b"GET /api/v1/events HTTP/1.1\r\nHost: test\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream
}

#[tokio::test]
async fn a_reader_that_never_reads_delays_a_report_by_less_than_50_ms() {
    let server = Server::start(&["--stream-interval=10ms"]).await;
    let mut large = pull("1", 5);
    let layer = large["layers"][0].clone();
    large["layers"] = json!(vec![layer; 100]);
    p99(&server, "first", &large).await;
    let mut seen = Vec::new();
    // Of a machine that does other things at times one quiet round in three is enough.
    for round in 0..3 {
        let without = p99(&server, &format!("without-{round}"), &large).await;
        let silent = never_reads(&server).await;
        let with = p99(&server, &format!("with-{round}"), &large).await;
        drop(silent);
        seen.push((without, with));
        if with <= without + Duration::from_millis(50) {
            break;
        }
    }
    let (without, with) = seen[seen.len() - 1];
    assert!(with <= without + Duration::from_millis(50), "{seen:?}");
    server.end().await;
}
