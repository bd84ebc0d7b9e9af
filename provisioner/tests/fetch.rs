//! What a proxy is sent, and what is said when it refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use provisioner::channel::{ChannelError, resolve};
use provisioner::fetch::Proxies;

const CHANNELS: &str = r#"{"data":[{"name":"stable","latest":"v1.33.1+k3s1"}]}"#;

/// Answers one request on a port of its own and hands on its head.
fn proxy(status: &'static str, body: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        sender.send(String::from_utf8(head).unwrap()).unwrap();
    });
    (address, receiver)
}

fn asked(url: &str, variables: &[(&str, String)]) -> Result<String, ChannelError> {
    let proxies = Proxies::new(|name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.clone())
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(resolve("stable", url, &proxies))
}

#[test]
fn channels_are_read_through_a_proxy_with_its_credentials() {
    let (address, requests) = proxy("200 OK", CHANNELS);
    let variables = [("HTTP_PROXY", format!("http://user:pass@{address}"))];
    let image = asked("http://k3s.test:8080/channels?a=b", &variables).unwrap();
    assert_eq!(image, "docker.io/rancher/k3s:v1.33.1-k3s1");
    let head = requests.recv().unwrap().to_lowercase();
    assert!(
        head.starts_with("get http://k3s.test:8080/channels?a=b http/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nhost: k3s.test:8080\r\n"), "{head}");
    assert!(
        head.contains("\r\nproxy-authorization: basic dxnlcjpwyxnz\r\n"),
        "{head}"
    );
}

#[test]
fn a_tunnel_is_asked_for_where_the_address_is_encrypted() {
    let (address, requests) = proxy("403 Forbidden", "");
    let variables = [("https_proxy", format!("http://user:pass@{address}"))];
    let error = asked("https://k3s.test/channels", &variables).unwrap_err();
    let head = requests.recv().unwrap().to_lowercase();
    assert!(
        head.starts_with("connect k3s.test:443 http/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nproxy-authorization: basic dxnlcjpwyxnz\r\n"),
        "{head}"
    );
    let ChannelError::Fetch(error) = error else {
        panic!("{error}");
    };
    let said = error.to_string();
    assert!(
        said.contains(&format!("through the proxy http://{address}")),
        "{said}"
    );
    assert!(!said.contains("pass"), "{said}");
}

#[test]
fn a_proxy_of_another_language_is_refused_by_name() {
    let variables = [("HTTP_PROXY", "socks5://proxy:1080".to_owned())];
    let error = asked("http://k3s.test/channels", &variables).unwrap_err();
    let ChannelError::Fetch(error) = error else {
        panic!("{error}");
    };
    assert!(error.to_string().contains("socks5://proxy:1080"), "{error}");
}
