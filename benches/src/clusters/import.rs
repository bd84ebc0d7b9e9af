//! `image import` of a big image to three nodes, beside the pipes that one would write by hand.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use docker::{Command, Digest};
use futures::future::try_join_all;
use provisioner::names;

use super::counting::Counter;
use super::ground::{Ground, Tool};
use super::table::{Lane, Row};
use super::{image, tell};
use crate::samples::Samples;

const AGENTS: usize = 2;
const LAYERS: usize = 4;
const MIB: u64 = 1 << 20;

/// What one would do by hand, with program, image and node as arguments.
const PIPE: &str = r#""$1" save "$2" | "$1" exec -i "$3" ctr -n k8s.io images import - >/dev/null"#;

/// Between two looks at the memory of a process.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) async fn measure(ground: &Ground, mebibytes: u64, runs: usize) -> Result<Vec<Row>> {
    tell(&format!(
        "import: an image of {mebibytes} MiB and a cluster"
    ));
    let bench = Bench::new(ground, mebibytes).await?;
    let mut by_hand = Samples::empty();
    let (mut first, mut again) = (Lane::of_all(ground), Lane::of_all(ground));
    let mut memory = 0;
    for run in 1..=runs {
        tell(&format!("import, run {run} of {runs}"));
        // In turn, so that a busy moment of the machine is in all of them.
        bench.forget().await?;
        let start = Instant::now();
        bench.pipes().await?;
        by_hand.push(start.elapsed());
        bench.check().await?;
        for (first, again) in first.iter_mut().zip(&mut again) {
            if !first.is_running() {
                continue;
            }
            bench.forget().await?;
            let import = bench.import(first.tool, None).await;
            if let (Ok(import), "berth") = (&import, first.tool.name) {
                memory = memory.max(import.memory);
            }
            first.add(import.map(|import| import.elapsed))?;
            if first.is_running() {
                bench.check().await?;
                let import = bench.import(again.tool, None).await;
                again.add(import.map(|import| import.elapsed))?;
            }
        }
    }
    let bytes = bench.bytes().await?;
    ground.clear().await?;
    let nodes = bench.nodes.len();
    let what = format!("import, {mebibytes} MiB in {LAYERS} layers to {nodes} nodes");
    let whole = Row::of(&what, &first, "").beside(&first[0].samples, &by_hand, "1.15");
    let repeated = Row::of("the same image once more", &again, "no limit");
    Ok(vec![whole, repeated, bytes, peak(memory)])
}

fn peak(kibibytes: u64) -> Row {
    Row {
        what: "peak RSS of the import".to_owned(),
        ours: format!("{kibibytes} KiB"),
        limit: "limit 51200 KiB".to_owned(),
        peer: String::new(),
        k3d: String::new(),
    }
}

struct Import {
    elapsed: Duration,
    /// The most that the process had, in KiB.
    memory: u64,
}

/// A cluster and an image that go with the ground.
struct Bench<'a> {
    ground: &'a Ground,
    cluster: String,
    image: String,
    nodes: Vec<String>,
    layers: Vec<Digest>,
}

impl<'a> Bench<'a> {
    async fn new(ground: &'a Ground, mebibytes: u64) -> Result<Self> {
        let (cluster, image) = (ground.name("import"), ground.image_name("import"));
        image::make(ground, &image, LAYERS, mebibytes * MIB / LAYERS as u64).await?;
        let layers = ground.engine.layers(&image).await?.context("no image")?;
        let agents = AGENTS.to_string();
        let (nodes_image, agents) = (ground.image.as_str(), agents.as_str());
        let create = [
            "cluster",
            "create",
            &cluster,
            "--image",
            nodes_image,
            "--agents",
            agents,
            "--no-lb",
        ];
        ground.time(ground.berth(), &create).await?;
        let mut nodes = vec![names::server(&cluster, 0)];
        nodes.extend((0..AGENTS).map(|index| names::agent(&cluster, index)));
        Ok(Self {
            ground,
            cluster,
            image,
            nodes,
            layers,
        })
    }

    /// Takes the image away from all nodes, with its content.
    async fn forget(&self) -> Result<()> {
        for node in &self.nodes {
            let there = self.ctr(node, &["images", "ls"]).await?;
            for name in self.names(&there) {
                self.ctr(node, &["images", "rm", "--sync", name]).await?;
            }
            let left = self.ctr(node, &["content", "ls", "-q"]).await?;
            let mut layers = self.layers.iter().map(ToString::to_string);
            if layers.any(|layer| left.lines().any(|line| line.trim() == layer)) {
                bail!("{node} keeps content of an image that was removed");
            }
        }
        Ok(())
    }

    /// The image under all its names: the node's kubelet has one of its own for it, which has the same digest.
    fn names<'b>(&self, listed: &'b str) -> Vec<&'b str> {
        let images = || {
            let words = listed.lines().map(str::split_whitespace);
            words.filter_map(|mut words| Some((words.next()?, words.nth(1)?)))
        };
        let ours = images().find(|(name, _)| name.contains(&self.image));
        let same = images().filter(|(_, digest)| ours.is_some_and(|ours| ours.1 == *digest));
        same.map(|(name, _)| name).collect()
    }

    /// A pipe whose first half failed may end well.
    async fn check(&self) -> Result<()> {
        for node in &self.nodes {
            let there = self.ctr(node, &["images", "ls", "-q"]).await?;
            if !there.lines().any(|name| name.contains(&self.image)) {
                bail!("{node} did not get the image");
            }
        }
        Ok(())
    }

    async fn ctr(&self, node: &str, arguments: &[&str]) -> Result<String> {
        let words = ["ctr", "-n", "k8s.io"].iter().chain(arguments).copied();
        let output = self
            .ground
            .engine
            .exec(node, &Command::new(words), None)
            .await?;
        if !output.is_success() {
            bail!("ctr failed in {node}: {}", output.stderr_text().trim());
        }
        Ok(output.stdout_text())
    }

    async fn pipes(&self) -> Result<()> {
        try_join_all(self.nodes.iter().map(|node| async move {
            let output = tokio::process::Command::new("sh")
                .args(["-c", PIPE, "sh"])
                .arg(&self.ground.docker)
                .args([&self.image, node])
                .kill_on_drop(true)
                .output()
                .await?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                bail!("the pipe to {node} failed: {}", said.trim());
            }
            Ok(())
        }))
        .await?;
        Ok(())
    }

    async fn import(&self, tool: &Tool, address: Option<&str>) -> Result<Import> {
        let arguments = ["image", "import", &self.image, "--cluster", &self.cluster];
        let mut command = self.ground.command(tool, &arguments);
        if let Some(address) = address {
            command.env("DOCKER_HOST", address);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let mut child = command.spawn()?;
        let process = child.id().context("no process")?;
        let mut memory = 0;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                () = tokio::time::sleep(LOOK) => memory = memory.max(high_water(process)),
            }
        };
        let elapsed = start.elapsed();
        if !status.success() {
            bail!("{} failed to import: {status}", tool.name);
        }
        Ok(Import { elapsed, memory })
    }

    /// What each tool sends to the Engine, the first time and the second.
    async fn bytes(&self) -> Result<Row> {
        tell("import, counted");
        let counter = Counter::before(self.ground.engine.endpoint(), self.ground.home())?;
        let address = counter.address();
        let mut texts = Vec::new();
        for tool in &self.ground.tools {
            self.forget().await?;
            counter.take();
            let first = self.import(tool, Some(&address)).await;
            let first = first.map(|_| counter.take());
            let again = self.import(tool, Some(&address)).await;
            let again = again.map(|_| counter.take());
            texts.push(match (first, again) {
                (Ok(first), Ok(again)) => shares(first, again),
                (Err(error), _) | (_, Err(error)) if tool.name == "berth" => return Err(error),
                (Err(error), _) | (_, Err(error)) => error.to_string(),
            });
        }
        let mut texts = texts.into_iter();
        Ok(Row {
            what: "bytes that the second import sends to the Engine".to_owned(),
            ours: texts.next().unwrap_or_default(),
            limit: "limit 1 %".to_owned(),
            peer: String::new(),
            k3d: texts.next().unwrap_or_default(),
        })
    }
}

fn shares(first: u64, again: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = again as f64 * 100.0 / first as f64;
    format!("{again} of {first}, {share:.4} %")
}

/// The most resident memory that a process had so far, in KiB; 0 when it is over.
fn high_water(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let text = line.map(|line| line.trim().trim_end_matches("kB").trim());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
