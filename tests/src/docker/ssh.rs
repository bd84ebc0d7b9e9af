//! A real sshd with keys of its own, on a port of this machine.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::process::{Server, free_ports};
use crate::wait::eventually;

/// Gone with this value.
pub struct SshServer {
    folder: TempDir,
    port: u16,
    _server: Server,
}

impl SshServer {
    /// Whoever logs in finds the engine at `docker_host`.
    pub async fn start(docker_host: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", &file(key)])
                .status()
                .context("failed to run ssh-keygen (package openssh-client)")?;
            ensure!(made.success(), "ssh-keygen: {made}");
        }
        let [port] = free_ports()?;
        let server = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nMaxStartups 100\nMaxSessions 100\nSetEnv DOCKER_HOST={docker_host}\n",
            file("host"),
            file("client.pub"),
        );
        std::fs::write(file("sshd_config"), server)?;
        let client = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nStrictHostKeyChecking accept-new\nBatchMode yes\n",
            file("client"),
            file("known_hosts"),
        );
        std::fs::write(file("ssh_config"), client)?;
        // ssh reads the user's home from the password file, so that only a program of this name can bring its own files.
        std::fs::create_dir(folder.path().join("bin"))?;
        let script = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
            file("ssh_config")
        );
        std::fs::write(file("bin/ssh"), script)?;
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(file("bin/ssh"), executable)?;
        // Where sshd goes before it knows who logs in.
        std::fs::create_dir_all("/run/sshd")?;
        let arguments = ["-D", "-e", "-f", &file("sshd_config")].map(String::from);
        let log = folder.path().join("sshd.log");
        let server = Server::start("/usr/sbin/sshd".as_ref(), arguments, log)?;
        eventually("sshd", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", port))
        })
        .await?;
        Ok(Self {
            folder,
            port,
            _server: server,
        })
    }

    pub fn docker_host(&self) -> String {
        format!("ssh://root@127.0.0.1:{}", self.port)
    }

    /// A folder whose `ssh` has the key; it goes first into `PATH`.
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }
}
