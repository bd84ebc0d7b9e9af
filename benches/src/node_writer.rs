//! The node-writer's binary: time from start to file written, memory while idle, size.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::samples::Samples;

const RUNS: usize = 100;
const TMPFS: &str = "/dev/shm";

pub(crate) fn measure(binary: &Path, disk: &Path) -> Result<String> {
    let binary = &binary
        .canonicalize()
        .with_context(|| format!("{} is not built", binary.display()))?;
    let memory = tempfile::tempdir_in(TMPFS)?;
    let on_tmpfs = Samples::of(RUNS, || once(binary, memory.path()))?;
    let folder = tempfile::tempdir_in(disk)?;
    let (mut ours, mut bare) = (Samples::empty(), Samples::empty());
    for _ in 0..RUNS {
        // In turn, so that a disk that slows down slows both.
        ours.add(&mut || once(binary, folder.path()))?;
        bare.add(&mut || bare_write(folder.path()))?;
    }
    let ratio = ours.percentile(50).as_secs_f64() / bare.percentile(50).as_secs_f64();
    let size = fs::metadata(binary)?.len();
    Ok(format!(
        "| start to file written, tmpfs | {} | limit p50 5 ms |\n\
         | start to file written, disk | {} | {ratio:.2} x the bare write, limit 3 x |\n\
         | bare write, fsync, rename, fsync of the folder, disk | {} | the peer |\n\
         | idle RSS | {} KiB | limit 4096 KiB |\n\
         | stripped size | {} KiB | limit 6144 KiB |",
        on_tmpfs.text(),
        ours.text(),
        bare.text(),
        idle_memory(binary, memory.path())?,
        size / 1024,
    ))
}

/// A node that has no file yet, and one run of the node-writer.
fn once(binary: &Path, root: &Path) -> Result<()> {
    let status = node_writer(binary, root, "once")?.wait()?;
    if !status.success() {
        bail!("node-writer failed: {status}");
    }
    fs::remove_dir_all(root.join("node"))?;
    Ok(())
}

fn node_writer(binary: &Path, root: &Path, command: &str) -> Result<Child> {
    let source = root.join("source");
    if !source.exists() {
        fs::create_dir(&source)?;
        fs::write(source.join("registries.yaml"), DOCUMENT)?;
    }
    Command::new(binary)
        .arg(command)
        .arg("--source")
        .arg(&source)
        .arg("--folder")
        .arg(root.join("node"))
        .args(["--revision", "4c1f0a9b2d"])
        .arg("--termination-log")
        .arg(root.join("termination-log"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("failed to start node-writer")
}

/// What any program has to do that replaces a file safely.
fn bare_write(root: &Path) -> Result<()> {
    let folder = root.join("bare");
    fs::create_dir_all(&folder)?;
    let temporary = folder.join(".registries.yaml.tmp");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(DOCUMENT.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join("registries.yaml"))?;
    fs::File::open(&folder)?.sync_all()?;
    Ok(())
}

/// Resident memory in KiB of a node-writer that has written its file and waits.
fn idle_memory(binary: &Path, root: &Path) -> Result<u64> {
    let mut child = node_writer(binary, root, "run")?;
    let file = root.join("node/registries.yaml");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !file.exists() {
        if Instant::now() > deadline {
            bail!("node-writer wrote nothing in 10 s");
        }
        sleep(Duration::from_millis(10));
    }
    // A process that has written is not yet a process that waits.
    sleep(Duration::from_millis(500));
    let memory = resident_memory(child.id());
    child.kill()?;
    child.wait()?;
    memory
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_memory(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

const DOCUMENT: &str = "mirrors:\n  docker.io:\n    endpoint:\n      - \"https://mirror.example.com:5000\"\nconfigs:\n  \
\"mirror.example.com:5000\":\n    auth:\n      username: robot\n      password: made-up\n";
