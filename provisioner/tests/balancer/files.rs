//! The file: waited for, watched, applied without cutting connections, refused when it is bad.

use std::fs;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{
    Running, STARTED, connect, echo, file, free_port, greeted, greeting, mapping, node,
};

#[tokio::test]
async fn the_file_is_waited_for() {
    let port = free_port();
    echo(2, port).await;
    let running = Running::starting(None);
    running.logged("waiting for", 1).await;
    assert_eq!(running.count(STARTED), 0);
    running.apply(&file(port, &[2])).await;
    assert_eq!(greeting(port).await.unwrap(), 2);
}

#[tokio::test]
async fn connections_of_ports_that_stay_survive_a_change() {
    let (stays, goes, comes) = (free_port(), free_port(), free_port());
    for port in [stays, goes, comes] {
        echo(2, port).await;
        echo(3, port).await;
    }
    let first = format!("{}{}", file(stays, &[2]), mapping(goes, "tcp", &[2]));
    let running = Running::with(&first).await;
    let mut old = connect(stays).await;
    assert_eq!(greeted(&mut old).await.unwrap(), 2);
    let mut of_gone_port = connect(goes).await;
    assert_eq!(greeted(&mut of_gone_port).await.unwrap(), 2);

    let second = format!("{}{}", file(stays, &[3]), mapping(comes, "tcp", &[2]));
    running.apply(&second).await;
    for connection in [&mut old, &mut of_gone_port] {
        connection.write_u8(9).await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), 9);
    }
    assert_eq!(greeting(stays).await.unwrap(), 3);
    assert_eq!(greeting(comes).await.unwrap(), 2);
    assert!(TcpStream::connect(node(1, goes)).await.is_err());

    running.apply(&first).await;
    assert_eq!(greeting(goes).await.unwrap(), 2);
}

#[tokio::test]
async fn a_replaced_file_is_noticed_however_it_is_replaced() {
    let port = free_port();
    for number in 2..=4 {
        echo(number, port).await;
    }
    let running = Running::with(&file(port, &[2])).await;
    let beside = running.folder.path().join("new");
    fs::write(&beside, file(port, &[3])).unwrap();
    fs::rename(&beside, running.file()).unwrap();
    running.logged(STARTED, 2).await;
    assert_eq!(greeting(port).await.unwrap(), 3);

    // As `docker cp` does it.
    fs::remove_file(running.file()).unwrap();
    fs::write(running.file(), file(port, &[4])).unwrap();
    running.logged(STARTED, 3).await;
    assert_eq!(greeting(port).await.unwrap(), 4);

    // Who writes the same again waits for the line all the same.
    running.apply(&file(port, &[4])).await;
    assert_eq!(running.count("not applied"), 0, "{}", running.log());
}

#[tokio::test]
async fn a_file_whose_folder_comes_later_is_found() {
    let port = free_port();
    echo(2, port).await;
    let running = Running::with(&file(port, &[2])).await;
    // The folder under its own name is another folder now; only looking finds that.
    let moved = running.folder.path().with_extension("moved");
    fs::rename(running.folder.path(), &moved).unwrap();
    fs::create_dir(running.folder.path()).unwrap();
    running.apply(&file(port, &[2])).await;
    fs::remove_dir_all(moved).unwrap();
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_the_log_says_why() {
    let port = free_port();
    echo(2, port).await;
    let running = Running::with(&file(port, &[2])).await;
    for (bad, why) in [
        ("ports: {80.sctp: [a]}", "80.sctp"),
        ("ports: {", "YAML"),
        (
            "settings: {workerConnections: none}",
            "settings.workerConnections",
        ),
        ("", "it is empty"),
    ] {
        fs::write(running.file(), bad).unwrap();
        running.logged(why, 1).await;
        assert_eq!(greeting(port).await.unwrap(), 2);
    }
    assert_eq!(running.count("the last good one stays in force"), 4);
    assert_eq!(running.count(STARTED), 1, "{}", running.log());
    running.apply(&file(port, &[2])).await;
}

#[tokio::test]
async fn a_bad_first_file_is_waited_out() {
    let port = free_port();
    echo(2, port).await;
    let running = Running::starting(Some("ports: 1\n"));
    running.logged("waiting for a better one", 1).await;
    running.apply(&file(port, &[2])).await;
    assert_eq!(greeting(port).await.unwrap(), 2);
}

#[tokio::test]
async fn an_unknown_node_is_named_and_the_others_are_served() {
    let port = free_port();
    echo(2, port).await;
    let name = "no-such-node.invalid";
    let file = format!("{}  - {name}\n", file(port, &[2]));
    let running = Running::with(&file).await;
    let line = format!("host not found in upstream \"{name}\"");
    running.logged(&line, 1).await;
    for _ in 0..4 {
        assert_eq!(greeting(port).await.unwrap(), 2);
    }
    running.apply(&file).await;
    running.logged(&line, 2).await;
}

#[tokio::test]
async fn names_are_resolved() {
    let port = free_port();
    // Here the load balancer is the one at another address, because the name's address is fixed.
    echo(1, port).await;
    let file = format!("ports:\n  {port}.tcp: [localhost]\n");
    let running = Running::starting_at(node(5, port).ip(), Some(&file));
    running.logged(STARTED, 1).await;
    let mut stream = TcpStream::connect(node(5, port)).await.unwrap();
    assert_eq!(greeted(&mut stream).await.unwrap(), 1);
    assert_eq!(running.count("host not found"), 0);
}
