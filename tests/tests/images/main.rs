//! The final images: built from the static binaries without a base image, they hold the binary and the CA bundle.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use e2e::settings::{Settings, repository};
use tempfile::TempDir;

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Dockerfile target and the binary that it holds.
const IMAGES: [(&str, &str); 4] = [
    ("operator", "berth-operator"),
    ("node-writer", "node-writer"),
    ("berth", "berth"),
    ("gateway", "berth-gateway"),
];

/// The Docker Engine of the environment; none when it is left out by name.
struct Docker {
    program: String,
}

impl Docker {
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stdout,
        reason = "the environment says where Docker is, and what is left out must be said"
    )]
    fn find(test: &str) -> Result<Option<Self>> {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        if var("BERTH_SKIP").split(',').any(|name| name == "docker") {
            println!("SKIPPED {test}: docker (BERTH_SKIP)");
            return Ok(None);
        }
        let program = Some(var("DOCKER")).filter(|name| !name.is_empty());
        let docker = Self {
            program: program.unwrap_or_else(|| "docker".into()),
        };
        let help = "no Docker Engine answers; run tests/env/up, which installs docker.io and starts it, and source \
                    ~/.cache/berth/env; or leave it out with BERTH_SKIP=docker";
        docker.run(&["version"]).context(help)?;
        Ok(Some(docker))
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("DOCKER_BUILDKIT", "1");
        command
            .output()
            .with_context(|| format!("failed to start {}", self.program))
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.output(arguments)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.success(),
            "docker {}: {told}",
            arguments.join(" ")
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// One built image, removed when the test ends.
struct Image<'a> {
    docker: &'a Docker,
    tag: String,
}

impl<'a> Image<'a> {
    fn build(docker: &'a Docker, target: &str, context: &Path) -> Result<Self> {
        let tag = format!("berth-test-{target}:{}", std::process::id());
        let context = context.display().to_string();
        docker.run(&[
            "build",
            "--quiet",
            "--build-arg",
            "BINARIES=prebuilt",
            "--target",
            target,
            "--tag",
            &tag,
            &context,
        ])?;
        Ok(Self { docker, tag })
    }

    /// A container with no more than the image: no network, no capability, nothing to write to.
    fn start(&self, further: &[&str], arguments: &[&str]) -> Result<Output> {
        let fixed = [
            "run",
            "--rm",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--network",
            "none",
        ];
        self.docker
            .output(&[&fixed[..], further, &[&self.tag], arguments].concat())
    }

    /// Every file, without the few that Docker itself puts into a container.
    fn files(&self) -> Result<BTreeSet<String>> {
        let made = self.docker.run(&["create", &self.tag])?;
        let container = made.trim();
        let folder = TempDir::new()?;
        let archive = folder.path().join("files.tar").display().to_string();
        let exported = self
            .docker
            .run(&["export", "--output", &archive, container]);
        self.docker.run(&["rm", "--force", container])?;
        exported?;
        let listed = Command::new("tar")
            .args(["--list", "--file", &archive])
            .output()?;
        ensure!(listed.status.success(), "tar cannot read the export");
        let docker_own = |path: &str| {
            ["/dev/", "/proc/", "/sys/"]
                .iter()
                .any(|folder| path.starts_with(folder))
                || [
                    "/.dockerenv",
                    "/etc/hostname",
                    "/etc/hosts",
                    "/etc/mtab",
                    "/etc/resolv.conf",
                ]
                .contains(&path)
        };
        Ok(String::from_utf8(listed.stdout)?
            .lines()
            .map(|line| format!("/{line}"))
            .filter(|path| !path.ends_with('/') && !docker_own(path))
            .collect())
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // Another test's image may share its layers; what cannot be removed stays.
        drop(self.docker.output(&["image", "rm", "--force", &self.tag]));
    }
}

/// The build context of the `prebuilt` stage.
fn context() -> Result<TempDir> {
    let settings = Settings::from_env();
    let folder = TempDir::new()?;
    let dist = folder.path().join("dist");
    std::fs::create_dir(&dist)?;
    std::fs::copy(
        repository().join("Dockerfile"),
        folder.path().join("Dockerfile"),
    )?;
    for (_, binary) in IMAGES {
        std::fs::copy(settings.binary(binary)?, dist.join(binary))?;
    }
    std::fs::copy(BUNDLE, dist.join("ca-certificates.crt"))
        .with_context(|| format!("{BUNDLE} is missing; install ca-certificates"))?;
    Ok(folder)
}

#[test]
fn an_image_holds_its_static_binary_and_the_ca_bundle_and_nothing_else() -> Result<()> {
    let Some(docker) =
        Docker::find("an_image_holds_its_static_binary_and_the_ca_bundle_and_nothing_else")?
    else {
        return Ok(());
    };
    let context = context()?;
    for (target, binary) in IMAGES {
        let image = Image::build(&docker, target, context.path())?;
        let expected = BTreeSet::from([BUNDLE.to_owned(), format!("/{binary}")]);
        let found = image.files()?;
        ensure!(found == expected, "{target}: {found:#?}");
        let size = docker.run(&["image", "inspect", "--format", "{{.Size}}", &image.tag])?;
        let bytes: u64 = size.trim().parse()?;
        println!("image {target}: {bytes} bytes");
        ensure!(bytes < 30_000_000, "{target}: {bytes} bytes");
    }
    Ok(())
}

#[test]
fn an_image_runs_with_no_rights_at_all() -> Result<()> {
    let Some(docker) = Docker::find("an_image_runs_with_no_rights_at_all")? else {
        return Ok(());
    };
    let context = context()?;
    for (target, binary) in IMAGES {
        let image = Image::build(&docker, target, context.path())?;
        let answer = image.start(&[], &["--version"])?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        ensure!(
            answer.status.success(),
            "{target}: {}",
            String::from_utf8_lossy(&answer.stderr)
        );
        ensure!(
            text.trim() == format!("{binary} {}", env!("CARGO_PKG_VERSION")),
            "{target}: {text:?}"
        );
    }
    Ok(())
}

#[test]
fn the_operator_s_image_is_not_root_and_the_node_writer_s_image_is() -> Result<()> {
    let Some(docker) =
        Docker::find("the_operator_s_image_is_not_root_and_the_node_writer_s_image_is")?
    else {
        return Ok(());
    };
    let context = context()?;
    for (target, user) in [
        ("operator", "65532:65532"),
        ("node-writer", ""),
        ("berth", ""),
        ("gateway", ""),
    ] {
        let image = Image::build(&docker, target, context.path())?;
        let found = docker.run(&[
            "image",
            "inspect",
            "--format",
            "{{.Config.User}}",
            &image.tag,
        ])?;
        ensure!(found.trim() == user, "{target}: {found:?}");
    }
    Ok(())
}

#[test]
fn the_node_writer_s_image_writes_the_folder_that_it_is_given_and_proves_it() -> Result<()> {
    let Some(docker) =
        Docker::find("the_node_writer_s_image_writes_the_folder_that_it_is_given_and_proves_it")?
    else {
        return Ok(());
    };
    let context = context()?;
    let image = Image::build(&docker, "node-writer", context.path())?;
    let host = TempDir::new()?;
    let (source, folder) = (host.path().join("source"), host.path().join("folder"));
    std::fs::create_dir(&source)?;
    std::fs::create_dir(&folder)?;
    let mut document = std::fs::File::create(source.join("registries.yaml"))?;
    document.write_all(b"mirrors: {}\n")?;
    let mounts = [
        format!("--volume={}:/config:ro", source.display()),
        format!("--volume={}:/etc/rancher/k3s", folder.display()),
    ];
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    let flags = [
        "--source",
        "/config",
        "--folder",
        "/etc/rancher/k3s",
        "--revision",
        "one",
    ];
    let played = |command: &str| image.start(&mounts, &[&[command], &flags[..]].concat());

    let before = played("status")?;
    ensure!(
        before.status.code() == Some(1),
        "ready without a file: {before:?}"
    );
    let once = played("once")?;
    ensure!(once.status.success(), "{once:?}");
    let written = std::fs::read_to_string(folder.join("registries.yaml"))?;
    ensure!(written == "mirrors: {}\n", "{written:?}");
    let after = played("status")?;
    ensure!(after.status.success(), "{after:?}");
    let line = String::from_utf8(after.stdout)?;
    ensure!(line.lines().count() == 1, "{line:?}");
    Ok(())
}
