//! What is asked of one node: containerd's own client, run in its container.

use std::collections::BTreeSet;
use std::time::Duration;

use docker::Digest;
use docker::{ByteStream, Command, Engine};
use registries::image::ImageReference;

/// Where Kubernetes keeps its images.
const NAMESPACE: [&str; 3] = ["ctr", "-n", "k8s.io"];

/// Why a node did not get the images.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The Engine could not run it.
    #[error(transparent)]
    Engine(#[from] docker::Error),
    /// It ran and failed.
    #[error("`{command}` ended with {code}: {said}")]
    Ended {
        /// The command.
        command: String,
        /// Its exit code.
        code: i64,
        /// The end of what it said.
        said: String,
    },
    /// It took nothing any more.
    #[error("it took nothing for {} s; is its disk full?", .0.as_secs())]
    Stalled(Duration),
    /// All went well, and yet.
    #[error("the import ended well, but these images are not there: {}", .0.join(", "))]
    Missing(Vec<String>),
}

/// The digests of all that containerd has.
pub(super) async fn content(engine: &Engine, node: &str) -> Result<BTreeSet<Digest>, NodeError> {
    let lines = run(engine, node, &["content", "ls", "-q"], None).await?;
    Ok(lines
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect())
}

/// Feeds an archive to containerd.
pub(super) async fn import(
    engine: &Engine,
    node: &str,
    archive: ByteStream,
) -> Result<(), NodeError> {
    let arguments = ["images", "import", "--all-platforms", "-"];
    run(engine, node, &arguments, Some(archive)).await.map(drop)
}

/// Fails when containerd lacks one of these names.
pub(super) async fn verify(engine: &Engine, node: &str, names: &[String]) -> Result<(), NodeError> {
    let lines = run(engine, node, &["images", "ls", "-q"], None).await?;
    let there: BTreeSet<&str> = lines.lines().map(str::trim).collect();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !there.contains(name.as_str()))
        .cloned()
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(NodeError::Missing(missing))
    }
}

/// The name under which containerd keeps what Docker calls so.
pub(super) fn full_name(name: &str) -> String {
    ImageReference::parse(name).map_or_else(|_| name.to_owned(), |name| name.normalized())
}

async fn run(
    engine: &Engine,
    node: &str,
    arguments: &[&str],
    input: Option<ByteStream>,
) -> Result<String, NodeError> {
    let command = Command::new(NAMESPACE.iter().chain(arguments).copied());
    let output = engine.exec(node, &command, input).await?;
    if output.is_success() {
        return Ok(output.stdout_text());
    }
    Err(NodeError::Ended {
        command: command.argv.join(" "),
        code: output.exit_code,
        said: last_lines(&output.stderr_text(), &output.stdout_text()),
    })
}

/// The end of what a command said, on the side where it said anything.
fn last_lines(stderr: &str, stdout: &str) -> String {
    let said = if stderr.trim().is_empty() {
        stdout
    } else {
        stderr
    };
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
