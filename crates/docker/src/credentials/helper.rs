//! Stores of credentials: programs that answer `get` with one entry.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use registries::Secret;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{Credentials, CredentialsError, Proof};

/// How long a store may take; it may ask somebody for a password.
const LIMIT: Duration = Duration::from_secs(120);

/// More than any store has to say.
const LONGEST_OUTPUT: u64 = 1 << 20;

/// The user's name that says that the secret is a token.
const TOKEN: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// The first file of that name in the folders of `PATH`.
pub(super) fn find(program: &str, path: &[PathBuf]) -> Option<PathBuf> {
    if program.contains(['/', '\\']) {
        return None;
    }
    path.iter()
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Asks a store for one entry.
pub(super) async fn get(
    file: &Path,
    program: &str,
    server: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    let failed = |reason: String| CredentialsError::Helper {
        program: program.to_owned(),
        server: server.to_owned(),
        reason,
    };
    let output = tokio::time::timeout(LIMIT, ask(file, server))
        .await
        .map_err(|_| failed(format!("it did not answer within {} s", LIMIT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(failed(complaint(&said, &output.status.to_string())))
        };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("its answer cannot be read".to_owned()))?;
    if answer.secret.is_empty() {
        return Ok(None);
    }
    let secret = Secret::from(answer.secret);
    let (username, proof) = match answer.username.as_str() {
        TOKEN => (String::new(), Proof::IdentityToken(secret)),
        _ => (answer.username, Proof::Password(secret)),
    };
    Ok(Some(Credentials {
        server: server.to_owned(),
        username,
        proof,
    }))
}

async fn ask(file: &Path, server: &str) -> std::io::Result<std::process::Output> {
    let mut child = Command::new(file)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A store that does not read says in its answer what it lacks.
        drop(input.write_all(server.as_bytes()).await);
    }
    let mut stdout = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(LONGEST_OUTPUT).read_to_end(&mut stdout).await?;
    }
    Ok(std::process::Output {
        status: child.wait().await?,
        stdout,
        stderr: Vec::new(),
    })
}

/// Stores complain on standard output. What could be an entry is not repeated.
fn complaint(said: &str, status: &str) -> String {
    match said.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) if !said.contains('{') => line.chars().take(200).collect(),
        _ => status.to_owned(),
    }
}
