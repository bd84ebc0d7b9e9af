//! TCP: turns, failures, ends, time-outs, limits, many at once.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::support::{
    Running, connect, echo, eventually, file, free_port, greeted, greeting, node,
};

#[tokio::test]
async fn connections_go_to_the_nodes_in_turn() {
    let port = free_port();
    for number in 2..=4 {
        echo(number, port).await;
    }
    let _running = Running::with(&file(port, &[2, 3, 4])).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(greeting(port).await.unwrap());
    }
    assert_eq!(answers, [2, 3, 4, 2, 3, 4]);
}

#[tokio::test]
async fn a_dead_node_is_passed_over_then_avoided() {
    let port = free_port();
    echo(3, port).await;
    let running = Running::with(&file(port, &[2, 3])).await;
    for _ in 0..10 {
        assert_eq!(greeting(port).await.unwrap(), 3);
    }
    assert_eq!(running.count("upstream 127.0.0.2"), 1, "{}", running.log());
    // It is back, but nobody asks it for a while.
    echo(2, port).await;
    for _ in 0..10 {
        assert_eq!(greeting(port).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_node_that_swallows_connections_costs_two_seconds_once() {
    let port = free_port();
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent.bind(&node(2, port).into()).unwrap();
    silent.listen(0).unwrap();
    // Its queue is full; what comes now gets no answer at all.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = timeout(
        Duration::from_millis(200),
        TcpStream::connect(node(2, port)),
    )
    .await
    {
        queue.push(stream);
    }
    echo(3, port).await;
    let _running = Running::with(&file(port, &[2, 3])).await;
    let start = Instant::now();
    assert_eq!(greeting(port).await.unwrap(), 3);
    let first = start.elapsed();
    assert!(first > Duration::from_millis(1900) && first < Duration::from_secs(4));
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(greeting(port).await.unwrap(), 3);
    }
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn when_all_nodes_are_avoided_they_are_asked_all_the_same() {
    let port = free_port();
    let _running = Running::with(&file(port, &[2, 3])).await;
    let error = greeting(port).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    echo(3, port).await;
    assert_eq!(greeting(port).await.unwrap(), 3);
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other_open() {
    let port = free_port();
    let listener = TcpListener::bind(node(2, port)).await.unwrap();
    let _running = Running::with(&file(port, &[2])).await;
    let mut client = connect(port).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
}

#[tokio::test]
async fn a_server_that_ends_first_can_still_be_written_to() {
    let port = free_port();
    let listener = TcpListener::bind(node(2, port)).await.unwrap();
    let _running = Running::with(&file(port, &[2])).await;
    let mut client = connect(port).await;
    let (mut server, _) = listener.accept().await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    client.write_all(b"late").await.unwrap();
    client.shutdown().await.unwrap();
    let mut late = String::new();
    server.read_to_string(&mut late).await.unwrap();
    assert_eq!(late, "late");
}

#[tokio::test]
async fn a_reset_is_passed_on_in_both_directions() {
    let port = free_port();
    let listener = TcpListener::bind(node(2, port)).await.unwrap();
    let _running = Running::with(&file(port, &[2])).await;
    let mut client = connect(port).await;
    let (server, _) = listener.accept().await.unwrap();
    server.set_zero_linger().unwrap();
    drop(server);
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let client = connect(port).await;
    let (mut server, _) = listener.accept().await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    let error = server.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn only_silent_connections_time_out() {
    let port = free_port();
    echo(2, port).await;
    let settings = "settings:\n  defaultProxyTimeout: 1\n";
    let _running = Running::with(&format!("{}{settings}", file(port, &[2]))).await;
    let mut silent = connect(port).await;
    let mut busy = connect(port).await;
    greeted(&mut silent).await.unwrap();
    greeted(&mut busy).await.unwrap();
    let start = Instant::now();
    let ended = async {
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        start.elapsed()
    };
    let talked = async {
        while start.elapsed() < Duration::from_millis(2500) {
            busy.write_u8(7).await.unwrap();
            assert_eq!(busy.read_u8().await.unwrap(), 7);
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (ended, ()) = tokio::join!(ended, talked);
    assert!(ended > Duration::from_millis(900) && ended < Duration::from_secs(2));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let port = free_port();
    echo(2, port).await;
    let settings = "settings:\n  workerConnections: 2\n";
    let running = Running::with(&format!("{}{settings}", file(port, &[2]))).await;
    let mut first = connect(port).await;
    let mut second = connect(port).await;
    greeted(&mut first).await.unwrap();
    greeted(&mut second).await.unwrap();
    let mut third = connect(port).await;
    running
        .logged("2 worker_connections are not enough", 1)
        .await;
    let waited = timeout(Duration::from_millis(200), greeted(&mut third)).await;
    assert!(waited.is_err(), "there is no place for it");
    drop(first);
    assert_eq!(greeted(&mut third).await.unwrap(), 2);

    let mut fourth = connect(port).await;
    let larger = settings.replace('2', "3");
    running
        .apply(&format!("{}{larger}", file(port, &[2])))
        .await;
    assert_eq!(greeted(&mut fourth).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_at_once_lose_no_byte() {
    let port = free_port();
    for number in 2..=4 {
        echo(number, port).await;
    }
    let _running = Running::with(&file(port, &[2, 3, 4])).await;
    let tasks: Vec<_> = (0..400_u32)
        .map(|index| {
            tokio::spawn(async move {
                let mut client = connect(port).await;
                greeted(&mut client).await.unwrap();
                let sent: Vec<u8> = (0..50_000_u32)
                    .map(|at| u8::try_from((at ^ index) % 251).unwrap())
                    .collect();
                let (mut read, mut write) = client.split();
                let say = async {
                    write.write_all(&sent).await.unwrap();
                    write.shutdown().await.unwrap();
                };
                let mut received = Vec::new();
                let receive = async { read.read_to_end(&mut received).await.unwrap() };
                tokio::join!(say, receive);
                assert!(received == sent, "connection {index} was changed");
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fast_stream_stays_fast() {
    const SIZE: usize = 256 << 20;
    let port = free_port();
    let listener = TcpListener::bind(node(2, port)).await.unwrap();
    let _running = Running::with(&file(port, &[2])).await;
    let client = tokio::spawn(async move {
        let mut client = connect(port).await;
        let chunk = vec![7; 1 << 20];
        for _ in 0..SIZE >> 20 {
            client.write_all(&chunk).await.unwrap();
        }
    });
    let (mut server, _) = listener.accept().await.unwrap();
    let start = Instant::now();
    let mut buffer = vec![0; 1 << 20];
    let mut received = 0;
    loop {
        let count = server.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        received += count;
    }
    client.await.unwrap();
    assert_eq!(received, SIZE);
    // Far below what it does, so that a loaded machine does not fail it; a relay byte by byte would.
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_port_that_somebody_has_is_taken_when_it_is_free() {
    let port = free_port();
    echo(2, port).await;
    let other = TcpListener::bind(node(1, port)).await.unwrap();
    let running = Running::with(&file(port, &[2])).await;
    assert_eq!(running.count("failed to listen"), 1, "{}", running.log());
    drop(other);
    let answer = eventually("the port", async || {
        let mut stream = TcpStream::connect(node(1, port)).await.ok()?;
        greeted(&mut stream).await.ok()
    })
    .await;
    assert_eq!(answer, 2);
}
