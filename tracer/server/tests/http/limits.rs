//! Who is slow or many takes nothing from the others.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::server::{SOON, Server};

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
const STREAM: &[u8] = b"GET /api/v1/events HTTP/1.1\r\nHost: test\r\n\r\n";

/// Sends a request and reads until the answer holds `text`; the connection stays open.
async fn ask(stream: &mut TcpStream, request: &[u8], text: &str) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let read = async {
        while !answer.contains(text) {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).await.unwrap();
            assert!(count > 0, "the connection ended after {answer:?}");
            answer.push_str(&String::from_utf8_lossy(&some[..count]));
        }
    };
    timeout(SOON, read).await.unwrap();
    answer
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_body_that_trickles_in_is_refused_at_its_deadline_however_often_a_byte_comes() {
    let server = Server::start(&["--body-deadline=400ms"]).await;
    let mut stream = connect(&server).await;
    let head = b"POST /api/v1/report HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let began = Instant::now();
    let (mut answers, mut bytes) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while bytes.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = Vec::new();
    // The end may come as a reset, since the server leaves bytes unread.
    let _ = timeout(SOON, answers.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    assert!(
        answer.starts_with("http/1.1 408 request timeout"),
        "{answer}"
    );
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(
        answer.contains(r#"{"error":"the report did not arrive within 400ms"}"#),
        "{answer}"
    );
    assert!(began.elapsed() >= Duration::from_millis(400));
    timeout(SOON, dripping).await.unwrap().unwrap();
    server.end().await;
}

#[tokio::test]
async fn of_too_many_connections_the_one_idle_for_longest_gives_way_and_none_that_works() {
    let server = Server::start(&["--connections=3", "--stream-readers=2"]).await;
    let mut reading = connect(&server).await;
    ask(&mut reading, STREAM, ": connected").await;
    let mut idle = connect(&server).await;
    ask(&mut idle, GET, "ok\n").await;
    let mut newer = connect(&server).await;
    ask(&mut newer, GET, "ok\n").await;

    let mut newest = connect(&server).await;
    ask(&mut newest, GET, "ok\n").await;
    let ended = timeout(SOON, idle.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    ask(&mut newer, GET, "ok\n").await;

    // Places of readers are counted for themselves: the third is refused, and its connection goes on.
    ask(&mut newest, STREAM, ": connected").await;
    let refused = ask(&mut newer, STREAM, "too many connections").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    let unfinished = b"POST /api/v1/report HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    // The server asks for the body: the request is under way.
    ask(&mut newer, unfinished, "100 Continue").await;

    let refused = server.ask("GET", "/healthz", &[], b"").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["error"], "too many connections");
    assert!(refused.head.contains("retry-after: 5"), "{}", refused.head);
    assert!(
        refused.head.contains("connection: close"),
        "{}",
        refused.head
    );

    drop(reading);
    let end = Instant::now() + SOON;
    while server.ask("GET", "/healthz", &[], b"").await.status != 200 {
        assert!(Instant::now() < end, "the place is not given back");
    }
    drop((newer, newest));
    server.end().await;
}
