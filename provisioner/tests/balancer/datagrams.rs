//! UDP: sessions, turns, failures, time-outs, limits.

use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::support::{Running, eventually, free_port, mapping, node};

/// A node that answers each datagram with its number and what it got.
async fn echo(number: u8, port: u16) -> JoinHandle<()> {
    let socket = UdpSocket::bind(node(number, port)).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_535];
        loop {
            let (count, client) = socket.recv_from(&mut buffer).await.unwrap();
            let mut answer = vec![number];
            answer.extend_from_slice(&buffer[..count]);
            // Too big for one datagram with the number: the plain echo.
            let answer = if count > 60_000 {
                &buffer[..count]
            } else {
                &answer
            };
            socket.send_to(answer, client).await.unwrap();
        }
    })
}

async fn client(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(node(1, port)).await.unwrap();
    socket
}

/// The number of the node that answers.
async fn ask(client: &UdpSocket, text: &str) -> u8 {
    let mut buffer = [0; 1500];
    client.send(text.as_bytes()).await.unwrap();
    let count = timeout(Duration::from_secs(5), client.recv(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&buffer[1..count], text.as_bytes());
    buffer[0]
}

fn file(port: u16, nodes: &[u8], settings: &str) -> String {
    format!(
        "ports:\n{}settings: {settings}\n",
        mapping(port, "udp", nodes)
    )
}

#[tokio::test]
async fn a_client_keeps_its_node_and_the_next_client_gets_the_next() {
    let port = free_port();
    echo(2, port).await;
    echo(3, port).await;
    let _running = Running::with(&file(port, &[2, 3], "{}")).await;
    let clients = [client(port).await, client(port).await, client(port).await];
    for (client, expected) in clients.iter().zip([2, 3, 2]) {
        assert_eq!(ask(client, "hello").await, expected);
    }
    for (client, expected) in clients.iter().zip([2, 3, 2]) {
        for number in 0..20 {
            assert_eq!(ask(client, &number.to_string()).await, expected);
        }
    }
}

#[tokio::test]
async fn large_and_empty_datagrams_pass_whole() {
    let port = free_port();
    echo(2, port).await;
    let _running = Running::with(&file(port, &[2], "{}")).await;
    let client = client(port).await;
    assert_eq!(ask(&client, "").await, 2);
    let large: Vec<u8> = (0..65_000_u32)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    client.send(&large).await.unwrap();
    let mut answer = vec![0; 65_535];
    let count = timeout(Duration::from_secs(5), client.recv(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer[..count] == large);
}

#[tokio::test]
async fn the_first_datagram_is_not_lost_to_a_dead_node() {
    let port = free_port();
    echo(3, port).await;
    let running = Running::with(&file(port, &[2, 3], "{}")).await;
    for _ in 0..4 {
        assert_eq!(ask(&client(port).await, "hello").await, 3);
    }
    assert_eq!(running.count("upstream 127.0.0.2"), 1, "{}", running.log());
}

#[tokio::test]
async fn a_silent_session_ends() {
    let port = free_port();
    echo(2, port).await;
    echo(3, port).await;
    let _running = Running::with(&file(port, &[2, 3], "{defaultProxyTimeout: 1}")).await;
    let client = client(port).await;
    for _ in 0..8 {
        assert_eq!(ask(&client, "in time").await, 2);
        sleep(Duration::from_millis(200)).await;
    }
    // Whoever was silent for longer is a new client, whose turn it is at the next node.
    let next = eventually("another node", async || {
        sleep(Duration::from_millis(1100)).await;
        let node = ask(&client, "later").await;
        (node != 2).then_some(node)
    })
    .await;
    assert_eq!(next, 3);
}

#[tokio::test]
async fn beyond_the_limit_the_longest_silent_session_makes_place() {
    let port = free_port();
    echo(2, port).await;
    echo(3, port).await;
    let _running = Running::with(&file(port, &[2, 3], "{workerConnections: 2}")).await;
    let first = client(port).await;
    let second = client(port).await;
    assert_eq!(ask(&first, "1").await, 2);
    assert_eq!(ask(&second, "2").await, 3);
    // Takes the place of the first.
    assert_eq!(ask(&client(port).await, "3").await, 2);
    assert_eq!(ask(&second, "2").await, 3);
    // A new session, therefore the next node.
    assert_eq!(ask(&first, "1").await, 3);
}

#[tokio::test]
async fn a_port_that_goes_and_comes_back_is_served_again() {
    let port = free_port();
    echo(2, port).await;
    let running = Running::with(&file(port, &[2], "{}")).await;
    let client = client(port).await;
    assert_eq!(ask(&client, "hello").await, 2);
    running.apply("ports: {}\n").await;
    running.apply(&file(port, &[2], "{}")).await;
    assert_eq!(ask(&client, "hello").await, 2);
    assert_eq!(running.count("failed to listen"), 0, "{}", running.log());
}
