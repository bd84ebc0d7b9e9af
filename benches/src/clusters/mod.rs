//! The provisioner beside bare calls to the Engine, and beside k3d where that is installed.
//!
//! ```text
//! ground    an Engine, programs, names; takes everything away at the end
//! create    planning -> steps -> bare (the peer)   |   `cluster create`
//! quick     `cluster list`, `version`
//! import    pipes (the peer)   |   `image import`, its memory, its bytes through counting
//! ```

mod bare;
mod counting;
mod create;
mod ground;
mod image;
mod import;
mod planning;
mod quick;
mod table;

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::create::Size;
use self::ground::{Ground, SETTLED};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Runs of each tool and peer, in turn; what takes milliseconds is run ten times as often.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// The image that nodes run.
    #[arg(long, env = "BERTH_K3S_IMAGE")]
    image: String,
    /// The release binary.
    #[arg(long, default_value = "target/x86_64-unknown-linux-gnu/release/berth")]
    berth: PathBuf,
    /// Docker's command line, for the peer of the import.
    #[arg(long, env = "DOCKER", default_value = "docker")]
    docker: PathBuf,
    /// What is measured.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "create,list,start,import"
    )]
    rows: Vec<What>,
    /// Clusters to create, SERVERS+AGENTS each.
    #[arg(long, value_delimiter = ',', default_value = "1+0,1+2,3+5")]
    sizes: Vec<Size>,
    /// Clusters to list.
    #[arg(long, default_value_t = 50)]
    clusters: usize,
    /// MiB of the image to import.
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Create,
    List,
    Start,
    Import,
}

pub(crate) fn measure(arguments: &Arguments) -> Result<String> {
    if arguments.runs == 0 {
        bail!("--runs 0 measures nothing");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (image, docker) = (&arguments.image, &arguments.docker);
        let ground = Ground::new(&arguments.berth, image, docker).await?;
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let result = tokio::select! {
            result = rows(&ground, arguments) => result,
            () = first(&mut interrupt, &mut terminate) => {
                tokio::time::sleep(SETTLED).await;
                Err(anyhow!("stopped by a signal"))
            }
        };
        let left = ground.leave().await;
        if let Err(error) = &left {
            tell(&format!("failed to take everything away: {error}"));
        }
        let table = result?;
        left?;
        Ok(format!("{table}\n\n{}", notes(&ground)))
    })
}

async fn first(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

async fn rows(ground: &Ground, arguments: &Arguments) -> Result<String> {
    let runs = arguments.runs;
    let mut rows = Vec::new();
    for what in &arguments.rows {
        match what {
            What::Create => rows.extend(create::measure(ground, &arguments.sizes, runs).await?),
            What::List => rows.push(Box::pin(quick::list(ground, arguments.clusters, runs)).await?),
            What::Start => rows.push(quick::start(ground, runs).await?),
            What::Import => rows.extend(import::measure(ground, arguments.mebibytes, runs).await?),
        }
    }
    Ok(table::table(&rows, ground.tools.len() > 1))
}

/// What the figures are of.
fn notes(ground: &Ground) -> String {
    let pause = bare::PAUSE.as_millis();
    let k3d = match ground.tools.get(1) {
        Some(tool) => format!("k3d is {}.", tool.program.display()),
        None => "There is no k3d on PATH.".to_owned(),
    };
    format!(
        "Median (least to most, runs), each tool and peer in turn; nodes run {}. A run is a process from its start to its \
         end. The peer of create makes the calls of the same plan to the Engine, as many at a time, from a process that \
         runs already and knows the plan: images and names looked up, network, volume, containers, files, starts, the \
         same lines of the logs waited for, `kubectl get nodes` every {pause} ms until all are Ready, the kubeconfig read. \
         The peer of import is, at the same time for each node, \
         `docker save | docker exec -i NODE ctr -n k8s.io images import -`. Bytes are counted on a socket before the \
         Engine's, in runs that are not timed. {k3d}",
        ground.image
    )
}

#[expect(clippy::print_stderr, reason = "a run takes minutes")]
fn tell(text: &str) {
    eprintln!("{text}");
}
