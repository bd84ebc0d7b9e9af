//! Who may push by default, seen from real networks: the host, a network the gateway stands in, and one behind a router.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that tests share fail as tests do"
)]

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The gateway's side of the network it stands in, the neighbour's side, and an address behind the neighbour.
const GATEWAY: &str = "198.18.40.1";
const NEIGHBOUR: &str = "198.18.40.2";
const BEHIND: &str = "198.18.44.9";

/// A network namespace on the other end of a cable; gone when dropped.
struct Neighbour {
    name: String,
}

impl Neighbour {
    fn new() -> Self {
        let id = std::process::id();
        let this = Self {
            name: format!("berth-gw-{id}"),
        };
        let (ours, theirs) = (format!("bgw{id}a"), format!("bgw{id}b"));
        let name = &this.name;
        for words in [
            format!("netns add {name}"),
            format!("link add {ours} type veth peer name {theirs} netns {name}"),
            format!("addr add {GATEWAY}/30 dev {ours}"),
            format!("link set {ours} up"),
            format!("-n {name} addr add {NEIGHBOUR}/30 dev {theirs}"),
            format!("-n {name} link set {theirs} up"),
            format!("-n {name} link set lo up"),
            format!("-n {name} addr add {BEHIND}/32 dev lo"),
            format!("route add {BEHIND}/32 via {NEIGHBOUR}"),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let done = Command::new("ip").args(&words).output().unwrap();
            let told = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "ip {}: {told}", words.join(" "));
        }
        this
    }

    /// The status of an upload that is begun from one of the neighbour's addresses.
    fn pushes(&self, from: &str, port: u16) -> String {
        curl(
            Command::new("ip").args(["netns", "exec", &self.name, "curl", "--interface", from]),
            &format!("http://{GATEWAY}:{port}"),
        )
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // The cable goes with it.
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
    }
}

struct Gateway {
    process: Child,
    port: u16,
    _store: tempfile::TempDir,
}

impl Gateway {
    /// On every address, with an Engine that is not there: pushes do not need one.
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let store = tempfile::tempdir().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_berth-gateway"))
            .env(
                "DOCKER_HOST",
                format!("unix://{}/no-engine", store.path().display()),
            )
            .args(["--address", &format!("0.0.0.0:{port}"), "--store"])
            .arg(store.path().join("store"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut this = Self {
            process,
            port,
            _store: store,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline || this.process.try_wait().unwrap().is_some() {
                this.process.kill().unwrap();
                let mut said = String::new();
                this.process
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut said)
                    .unwrap();
                panic!("the gateway does not listen: {said}");
            }
            std::thread::yield_now();
        }
        this
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn curl(command: &mut Command, address: &str) -> String {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let done = command
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "--request",
            "POST",
            "--data-binary",
            "",
        ])
        .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
        .arg(format!("{address}/v2/app/blobs/uploads/?digest={digest}"))
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_host_and_its_own_networks_push_and_other_networks_do_not() {
    let neighbour = Neighbour::new();
    let gateway = Gateway::start();
    let port = gateway.port;
    assert_eq!(
        curl(
            &mut Command::new("curl"),
            &format!("http://127.0.0.1:{port}")
        ),
        "201"
    );
    assert_eq!(
        curl(
            &mut Command::new("curl"),
            &format!("http://{GATEWAY}:{port}")
        ),
        "201"
    );
    assert_eq!(neighbour.pushes(NEIGHBOUR, port), "201");
    assert_eq!(neighbour.pushes(BEHIND, port), "403");
}
