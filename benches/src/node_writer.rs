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
    let folder = tempfile::tempdir_in(disk)?;
    let mut first_on_tmpfs = Samples::empty();
    let (mut first, mut change) = (Samples::empty(), Samples::empty());
    let (mut bare, mut bare_inside) = (Samples::empty(), Samples::empty());
    for run in 0..RUNS {
        // In turn, so that a disk that slows down slows all of them.
        forget(memory.path())?;
        first_on_tmpfs.add(&mut || once(binary, memory.path(), 0))?;
        forget(folder.path())?;
        first.add(&mut || once(binary, folder.path(), run))?;
        change.add(&mut || once(binary, folder.path(), run + 1))?;
        bare.add(&mut || bare_process(folder.path()))?;
        bare_inside.add(&mut || bare_write(folder.path()))?;
    }
    let ratio =
        |ours: &Samples| ours.percentile(50).as_secs_f64() / bare.percentile(50).as_secs_f64();
    let size = fs::metadata(binary)?.len();
    Ok(format!(
        "| start to file written, tmpfs | {} | limit p50 5 ms |\n\
         | start to file written, disk, a change | {} | {:.2} x the bare write, limit 3 x |\n\
         | start to file written, disk, first write with the record of what was there | {} | {:.2} x the bare write, limit 3 x |\n\
         | bare write, fsync, rename, fsync of the folder, disk, as a process that does nothing else | {} | the peer |\n\
         | the same inside a running process | {} | for orientation |\n\
         | idle RSS | {} KiB | limit 4096 KiB |\n\
         | stripped size | {} KiB | limit 6144 KiB |",
        first_on_tmpfs.text(),
        change.text(),
        ratio(&change),
        first.text(),
        ratio(&first),
        bare.text(),
        bare_inside.text(),
        idle_memory(binary, memory.path())?,
        size / 1024,
    ))
}

/// Back to a node whose folder is there and empty, with a document to write; none of it is timed.
fn forget(root: &Path) -> Result<()> {
    let node = root.join("node");
    if node.exists() {
        fs::remove_dir_all(&node)?;
    }
    fs::create_dir(&node)?;
    fs::create_dir_all(root.join("source"))?;
    Ok(())
}

/// One run of the node-writer, from its start to its end; every number stands for another document.
fn once(binary: &Path, root: &Path, number: usize) -> Result<()> {
    fs::write(root.join("source/registries.yaml"), document(number))?;
    let status = node_writer(binary, root, "once")?.wait()?;
    if !status.success() {
        bail!("node-writer failed: {status}");
    }
    Ok(())
}

fn node_writer(binary: &Path, root: &Path, command: &str) -> Result<Child> {
    Command::new(binary)
        .arg(command)
        .arg("--source")
        .arg(root.join("source"))
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

/// The peer pays for its start as the node-writer does.
fn bare_process(root: &Path) -> Result<()> {
    let status = Command::new(std::env::current_exe()?)
        .arg("bare-write")
        .arg(root)
        .status()?;
    if !status.success() {
        bail!("the bare write failed: {status}");
    }
    Ok(())
}

/// What any program has to do that replaces a file safely.
pub(crate) fn bare_write(root: &Path) -> Result<()> {
    let folder = root.join("bare");
    fs::create_dir_all(&folder)?;
    let temporary = folder.join(".registries.yaml.tmp");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(document(0).as_bytes())?;
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

fn document(number: usize) -> String {
    format!(
        "mirrors:\n  docker.io:\n    endpoint:\n      - \"https://mirror-{number}.example.com:5000\"\nconfigs:\n  \
         \"mirror-{number}.example.com:5000\":\n    auth:\n      username: robot\n      password: made-up\n"
    )
}
