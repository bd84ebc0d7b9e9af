//! Starts one container of the test kubelet: mounts, network, chroot, no capabilities, then the program itself.
//!
//! `pod-sandbox run SPEC` expects to stand in a mount name space of its own (`unshare --mount`); `pod-sandbox exec SPEC PID
//! COMMAND...` joins the one of a running container, for exec probes. The process that ends up running is always the one that
//! was started, so signals and exit codes need no forwarding.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use e2e::sandbox::Sandbox;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::Signal;
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // On success this process has become another one.
    let failed = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["run", spec] => run(spec),
        ["exec", spec, pid, command @ ..] => exec(spec, pid, command),
        _ => Err(anyhow::anyhow!(
            "usage: pod-sandbox run SPEC | exec SPEC PID COMMAND..."
        )),
    };
    if let Err(error) = failed {
        report(&error);
    }
    ExitCode::from(125)
}

#[expect(
    clippy::print_stderr,
    reason = "stderr is the container's log, where the kubelet looks"
)]
fn report(error: &anyhow::Error) {
    eprintln!("pod-sandbox: {error:#}");
}

fn run(spec: &str) -> Result<()> {
    let sandbox = read(spec)?;
    if sandbox.crash {
        std::process::abort();
    }
    join_network(&sandbox)?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context("failed to detach from the machine's mounts")?;
    mount_everything(&sandbox)?;
    rustix::process::chroot(&sandbox.root).context("failed to change the root")?;
    become_program(&sandbox, &sandbox.command)
}

fn exec(spec: &str, pid: &str, command: &[&str]) -> Result<()> {
    let sandbox = read(spec)?;
    let root =
        File::open(format!("/proc/{pid}/root")).context("failed to open the container's root")?;
    let mounts = File::open(format!("/proc/{pid}/ns/mnt"))?;
    let network = File::open(format!("/proc/{pid}/ns/net"))?;
    rustix::thread::move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
    rustix::thread::move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))
        .context("failed to join the container's mounts")?;
    rustix::process::fchdir(&root)?;
    rustix::process::chroot(".")?;
    become_program(
        &sandbox,
        &command.iter().map(ToString::to_string).collect::<Vec<_>>(),
    )
}

fn read(spec: &str) -> Result<Sandbox> {
    let text = std::fs::read(spec).with_context(|| format!("failed to read {spec}"))?;
    Ok(serde_json::from_slice(&text)?)
}

fn join_network(sandbox: &Sandbox) -> Result<()> {
    let Some(path) = &sandbox.network else {
        return Ok(());
    };
    let file = File::open(path).context("failed to open the pod's network")?;
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .context("failed to join the pod's network")
}

fn mount_everything(sandbox: &Sandbox) -> Result<()> {
    rustix::mount::mount_bind(&sandbox.root, &sandbox.root).context("failed to mount the root")?;
    for mount in &sandbox.mounts {
        let inside = mount
            .target
            .strip_prefix("/")
            .context("a mount's target is not absolute")?;
        let target = sandbox.root.join(inside);
        rustix::mount::mount_bind_recursive(&mount.source, &target)
            .with_context(|| format!("failed to mount {}", mount.target.display()))?;
        if mount.read_only {
            make_read_only(&target)?;
        }
    }
    if sandbox.read_only_root {
        make_read_only(&sandbox.root)?;
    }
    Ok(())
}

fn make_read_only(target: &Path) -> Result<()> {
    rustix::mount::mount_remount(target, MountFlags::BIND | MountFlags::RDONLY, "")
        .with_context(|| format!("failed to make {} read-only", target.display()))
}

fn become_program(sandbox: &Sandbox, command: &[String]) -> Result<()> {
    let [program, arguments @ ..] = command else {
        bail!("no command")
    };
    rustix::process::chdir(&sandbox.working_dir)
        .context("failed to enter the working directory")?;
    drop_capabilities(sandbox.user == 0)?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&sandbox.env);
    if sandbox.user != 0 {
        command.gid(sandbox.group).uid(sandbox.user);
    }
    Err(command.exec()).with_context(|| format!("failed to start {program}"))
}

/// Empties the bounding set, so that root regains nothing at `exec`; leaving user 0 drops the rest.
fn drop_capabilities(stays_root: bool) -> Result<()> {
    for capability in CapabilitySet::all().iter() {
        if rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false) {
            rustix::thread::remove_capability_from_bounding_set(capability)
                .context("failed to drop a capability")?;
        }
    }
    if stays_root {
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, none).context("failed to drop the capabilities")?;
    }
    Ok(())
}
