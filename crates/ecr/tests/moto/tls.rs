//! moto behind encryption, and behind a proxy.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use ecr::{Environment, Tokens};
use registries::Secret;
use tempfile::TempDir;

use crate::service::{Moto, User};
use crate::{HOST, keys, token};

/// A certificate for `localhost`, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let config = folder.join("openssl.cnf");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(
        &config,
        "[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n[name]\nCN=localhost\n[more]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n",
    )
    .unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-config"])
        .arg(&config)
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

/// A proxy that tunnels to where it is told, once it saw the password; and where that was.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://ada:hunter2@{}", listener.local_addr().unwrap());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let remembered = Arc::clone(&seen);
    thread::spawn(move || {
        for client in listener.incoming() {
            let seen = Arc::clone(&remembered);
            thread::spawn(move || tunnel(client.unwrap(), &seen));
        }
    });
    (url, seen)
}

fn tunnel(mut client: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0);
    }
    // Base64 of `ada:hunter2`.
    let welcome = head
        .to_lowercase()
        .contains("\r\nproxy-authorization: basic ywrhomh1bnrlcji=\r\n");
    let target = head.split(' ').nth(1).unwrap().to_owned();
    if !head.starts_with("CONNECT ") || !welcome {
        client.write_all(b"HTTP/1.1 407 x\r\n\r\n").unwrap();
        return;
    }
    let server = TcpStream::connect(&target).unwrap();
    seen.lock().unwrap().push(target);
    client.write_all(b"HTTP/1.1 200 x\r\n\r\n").unwrap();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        move || {
            drop(std::io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        }
    };
    let back = copy(server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(back);
    copy(client, server)();
}

/// A moto that wants encryption, a user of it, and an environment that trusts it.
fn encrypted(folder: &Path) -> (Moto, Environment) {
    let (certificate, key) = certificate(folder);
    let moto = Moto::with(&[
        "-c",
        certificate.to_str().unwrap(),
        "-k",
        key.to_str().unwrap(),
    ]);
    let user = User {
        key_id: "AKIA".to_owned(),
        key: "x".to_owned(),
    };
    let environment = Environment {
        endpoint_url: Some(format!("https://localhost:{}", moto.port())),
        ca_bundle: Some(certificate),
        ..keys(&moto, &user)
    };
    (moto, environment)
}

#[tokio::test]
async fn authorities_of_the_bundle_are_trusted_and_strangers_are_not() {
    let folder = TempDir::new().unwrap();
    let (_moto, environment) = encrypted(folder.path());
    let found = Tokens::new(environment.clone()).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));

    let trusting_others = Environment {
        ca_bundle: None,
        ..environment
    };
    let error = Tokens::new(trusting_others).get(HOST).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_but_not_for_who_is_excepted() {
    let folder = TempDir::new().unwrap();
    let (moto, environment) = encrypted(folder.path());
    let (url, seen) = proxy();
    let environment = Environment {
        https_proxy: Some(Secret::from(url)),
        ..environment
    };
    let found = Tokens::new(environment.clone()).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
    assert_eq!(
        *seen.lock().unwrap(),
        [format!("localhost:{}", moto.port())]
    );

    let excepting = Environment {
        no_proxy: Some("localhost".to_owned()),
        ..environment
    };
    let found = Tokens::new(excepting).get(HOST).await.unwrap();
    assert_eq!(found, Some(token()));
    assert_eq!(seen.lock().unwrap().len(), 1);
}
