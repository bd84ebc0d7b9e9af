//! Limits of connections, and their end.

use std::time::{Duration, Instant};

use berth_gateway::http::Limits;
use berth_gateway::serve::Patience;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Answer;
use crate::running::{Running, Setup, start, start_with};

async fn connect(running: &Running, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything until the gateway closes, which it must.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the connection stays open");
    bytes
}

fn hasty() -> Setup {
    let patience = Patience {
        headers: Duration::from_millis(300),
        ..Patience::default()
    };
    let limits = Limits {
        body_rest: Duration::from_millis(300),
        ..Limits::default()
    };
    Setup {
        limits,
        patience,
        ..Setup::default()
    }
}

#[tokio::test]
async fn headers_that_never_end_end_the_connection() {
    let running = start_with(hasty()).await;
    let mut stream = connect(&running, "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    rest(&mut stream).await;
    running.get("/v2/").await.is(200);
}

#[tokio::test]
async fn a_body_that_never_comes_is_refused_in_time() {
    let running = start_with(hasty()).await;
    let started = Instant::now();
    let head = "PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    let mut stream = connect(&running, head).await;
    let answer = Answer::parse(&rest(&mut stream).await).unwrap();
    assert_eq!(answer.status, 408);
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn huge_headers_and_paths_are_refused() {
    let running = start().await;
    let huge = "x".repeat(1_000_000);
    for head in [
        format!("GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Huge: {huge}\r\n\r\n"),
        format!("GET /v2/{huge} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /v2/ HTTP/1.1\r\n{}\r\n", "X-Many: 1\r\n".repeat(500)),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // The gateway may close before it took everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let status = Answer::parse(&rest(&mut stream).await).map(|answer| answer.status);
        assert!(matches!(status, None | Some(400 | 414 | 431)), "{status:?}");
    }
    let long = format!("/v2/{}/manifests/1", "a/".repeat(2000) + "a");
    running.get(&long).await.refuses(400, "NAME_INVALID");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let patience = Patience {
        connections: 1,
        ..Patience::default()
    };
    let running = start_with(Setup {
        patience,
        ..Setup::default()
    })
    .await;
    let mut first = connect(&running, "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = connect(
        &running,
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(
        early.is_err(),
        "the second was answered while the first was there"
    );
    drop(first);
    assert_eq!(Answer::parse(&rest(&mut second).await).unwrap().status, 200);
}

#[tokio::test]
async fn what_was_begun_is_finished_before_the_end() {
    let mut running = start().await;
    let digest = berth_gateway::names::Digest::of(b"12");
    let head = format!(
        "POST /v2/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1"
    );
    let mut begun = connect(&running, &head).await;
    let mut idle = connect(&running, "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut byte = [0];
    idle.read_exact(&mut byte).await.unwrap();
    // The gateway has begun to read the body when a file of it is there.
    let arriving = |running: &Running| {
        running
            .files()
            .iter()
            .any(|file| file.starts_with("arriving"))
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while !arriving(&running) {
        assert!(Instant::now() < deadline, "{:?}", running.files());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.ask_to_stop();
    rest(&mut idle).await;
    begun.write_all(b"2").await.unwrap();
    assert_eq!(Answer::parse(&rest(&mut begun).await).unwrap().status, 201);
    let address = running.address;
    running.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_push_that_is_cut_off_leaves_no_file() {
    let running = start().await;
    let before = running.files();
    let digest = berth_gateway::names::Digest::of(b"x");
    let head = format!(
        "POST /v2/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nxxx"
    );
    let stream = connect(&running, &head).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let wait = || async {
        assert!(Instant::now() < deadline, "{:?}", running.files());
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    while running.files() == before {
        wait().await;
    }
    drop(stream);
    while running.files() != before {
        wait().await;
    }
}
