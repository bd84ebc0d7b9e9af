//! The load balancer's image on a real Engine: loaded once, serves containers by their names, follows its file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use docker::models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkCreateRequest};
use docker::models::{NetworkingConfig, RestartPolicy, RestartPolicyNameEnum};
use docker::{Endpoint, Engine, Environment};
use futures::StreamExt as _;
use provisioner::balancer::config::{Config, PATH, Port, Protocol};
use provisioner::balancer::image::{Image, ensure};

const NODE_IMAGE: &str = "berth-provisioner-test:busybox";
const STARTED: &str = "start worker processes";
const DEADLINE: Duration = Duration::from_secs(30);

const WEB: Port = Port {
    number: 8080,
    protocol: Protocol::Tcp,
};

#[tokio::test]
async fn the_image_is_loaded_once_under_the_name_of_its_content() {
    let engine = engine().await;
    let berth = static_berth();
    let name = ensure(&engine, &berth).await.unwrap();
    let image = engine.image(&name).await.unwrap().unwrap();
    // The id is the digest of the configuration, whose beginning is the tag.
    let tag = name.strip_prefix("berth-balancer:").unwrap();
    assert!(image.id.unwrap().starts_with(&format!("sha256:{tag}")));
    assert_eq!(ensure(&engine, &berth).await.unwrap(), name);
    assert_eq!(Image::of(&berth).unwrap().name(), name);
}

#[tokio::test]
async fn containers_are_found_by_name_and_the_file_is_followed() {
    let engine = engine().await;
    let image = ensure(&engine, &static_berth()).await.unwrap();
    let bench = Bench::new(&engine).await;
    let nodes = [bench.name("server-0"), bench.name("agent-0")];
    for node in &nodes {
        bench.node(node).await;
    }
    let mut config = Config::of([(WEB, nodes.to_vec())]);
    let balancer = bench.name("serverlb");
    bench.balancer(&balancer, &image, &config.to_yaml()).await;
    let start = Instant::now();
    engine.start(&balancer).await.unwrap();
    logged(&engine, &balancer, STARTED, 1).await;
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    let address = bench.address(&balancer).await;
    for node in &nodes {
        reached(&address, node).await;
    }
    assert_ne!(get(&address), get(&address), "they take turns");

    // One stops: everything goes to the other, and nobody sees a failure.
    engine.stop(&nodes[0], Some(Duration::ZERO)).await.unwrap();
    for _ in 0..6 {
        assert_eq!(get(&address).unwrap(), nodes[1]);
    }

    // Another file, written as tools write it, with a node that does not exist.
    let unknown = bench.name("server-9");
    config.add_port(WEB, [unknown.clone()]);
    engine
        .put_file(&balancer, PATH, 0o744, config.to_yaml())
        .await
        .unwrap();
    logged(&engine, &balancer, STARTED, 2).await;
    let line = format!("host not found in upstream \"{unknown}\"");
    logged(&engine, &balancer, &line, 1).await;
    assert_eq!(get(&address).unwrap(), nodes[1]);

    // It comes back, perhaps with another address.
    engine.start(&nodes[0]).await.unwrap();
    reached(&address, &nodes[0]).await;

    let start = Instant::now();
    engine.stop(&balancer, None).await.unwrap();
    let elapsed = start.elapsed();
    assert!(
        elapsed < Duration::from_secs(5),
        "it waits for nothing: {elapsed:?}"
    );
    let state = engine.inspect(&balancer).await.unwrap().state.unwrap();
    assert_eq!(state.exit_code, Some(0));
}

/// A network and containers that go when the test ends, however it ends.
struct Bench<'a> {
    engine: &'a Engine,
    network: String,
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let filter = format!("name={}", self.network);
        let found = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
        for container in found.lines() {
            docker(&["rm", "--force", "--volumes", container]);
        }
        docker(&["network", "rm", &self.network]);
    }
}

impl<'a> Bench<'a> {
    async fn new(engine: &'a Engine) -> Self {
        if engine.image(NODE_IMAGE).await.unwrap().is_none() {
            make_node_image();
        }
        let network = format!("berth-balancer-test-{}", std::process::id());
        let request = NetworkCreateRequest {
            name: network.clone(),
            driver: Some("bridge".to_owned()),
            ..NetworkCreateRequest::default()
        };
        engine.create_network(request).await.unwrap();
        Self { engine, network }
    }

    fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.network)
    }

    /// A container that answers with its name.
    async fn node(&self, name: &str) {
        let script = "mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www";
        let body = ContainerCreateBody {
            image: Some(NODE_IMAGE.to_owned()),
            cmd: Some(
                ["/bin/busybox", "sh", "-c", script]
                    .map(String::from)
                    .into(),
            ),
            ..self.body(name)
        };
        self.engine.create(name, body).await.unwrap();
        self.engine.start(name).await.unwrap();
    }

    /// The load balancer as a cluster has it, created and not started.
    async fn balancer(&self, name: &str, image: &str, file: &str) {
        let mut body = self.body(name);
        body.image = Some(image.to_owned());
        if let Some(host) = &mut body.host_config {
            let folders = ["/run", "/var/run"];
            host.privileged = Some(true);
            host.userns_mode = Some("host".to_owned());
            host.tmpfs = Some(folders.map(|path| (path.to_owned(), String::new())).into());
            host.restart_policy = Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            });
        }
        self.engine.create(name, body).await.unwrap();
        let file = file.to_owned();
        self.engine.put_file(name, PATH, 0o744, file).await.unwrap();
    }

    fn body(&self, name: &str) -> ContainerCreateBody {
        let endpoint = (self.network.clone(), EndpointSettings::default());
        ContainerCreateBody {
            hostname: Some(name.to_owned()),
            host_config: Some(HostConfig {
                init: Some(true),
                network_mode: Some(self.network.clone()),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some([endpoint].into()),
            }),
            ..ContainerCreateBody::default()
        }
    }

    async fn address(&self, name: &str) -> String {
        let settings = self.engine.inspect(name).await.unwrap().network_settings;
        let mut networks = settings.unwrap().networks.unwrap();
        let network = networks.remove(&self.network).unwrap();
        format!("{}:8080", network.ip_address.unwrap())
    }
}

/// What the web server behind an address says.
fn get(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.trim().to_owned())
}

async fn reached(address: &str, node: &str) {
    let end = Instant::now() + DEADLINE;
    while get(address).as_deref() != Some(node) {
        assert!(Instant::now() < end, "{node} is never reached");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn logged(engine: &Engine, container: &str, text: &str, times: usize) {
    let mut lines = engine.logs(container, true, 0);
    let read = async {
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await {
            seen.push(line.unwrap());
            if seen.iter().filter(|line| line.contains(text)).count() == times {
                return true;
            }
        }
        false
    };
    let found = tokio::time::timeout(DEADLINE, read).await;
    assert_eq!(found, Ok(true), "{times} x {text:?}");
}

async fn engine() -> Engine {
    let endpoint = Endpoint::resolve(&Environment::of_process()).unwrap();
    let engine = Engine::connect(endpoint).await;
    engine.expect(
        "run tests/env/up and source what it wrote, or leave Docker out with BERTH_SKIP=docker",
    )
}

/// The released program, which `just binaries` builds.
fn static_berth() -> PathBuf {
    let folder = std::env::var_os("BERTH_BINARIES").map_or_else(
        || {
            let own = std::env::current_exe().unwrap();
            let target = own.ancestors().nth(3).unwrap();
            target.join("x86_64-unknown-linux-gnu/release")
        },
        PathBuf::from,
    );
    let berth = folder.join("berth");
    assert!(berth.exists(), "{}: run just binaries", berth.display());
    berth
}

/// The distribution's static busybox and nothing else.
fn make_node_image() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("bin")).unwrap();
    let program = folder.path().join("bin/busybox");
    std::fs::copy("/usr/bin/busybox", program).expect("tests/env/up installs busybox-static");
    let archive = folder.path().join("image.tar").display().to_string();
    let root = folder.path().display().to_string();
    run("tar", &["-C", &root, "-cf", &archive, "bin"]);
    let links = "ENV PATH=/bin";
    docker(&["import", "--change", links, &archive, NODE_IMAGE]);
}

fn docker(arguments: &[&str]) -> String {
    run("docker", arguments)
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}
