//! What `cluster create` would do, for those who do the same by hand.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use provisioner::balancer::image::Image;
use provisioner::config::{self, CreateFlags, Environment, Outside, Problems};
use provisioner::ops::Provisioner;
use provisioner::plan::{self, ClusterRegistries};
use provisioner::random;
use provisioner::run::{Event, Reporter};
use provisioner::step::Step;
use tokio_util::sync::CancellationToken;

use super::ground::Ground;

/// Plans as `berth` does in the same surroundings.
pub(crate) struct Planner {
    pub provisioner: Provisioner,
    image: String,
    balancer_image: String,
}

impl Planner {
    pub(crate) async fn new(ground: &Ground) -> Result<Self> {
        let texts = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let mut variables: BTreeMap<String, String> = texts.collect();
        variables.insert("HOME".to_owned(), ground.home().display().to_string());
        let variable = move |name: &str| variables.get(name).cloned();
        let provisioner =
            Provisioner::connect(variable, Arc::new(Silent), CancellationToken::new()).await?;
        Ok(Self {
            provisioner,
            image: ground.image.clone(),
            balancer_image: Image::of(&ground.berth().program)?.name(),
        })
    }

    /// The steps that make this cluster.
    pub(crate) fn steps(&self, flags: &CreateFlags) -> Result<Vec<Step>> {
        let environment = Environment::default();
        let problems = |problems: Problems| anyhow!("{problems}");
        let loaded = config::without_file(&environment).map_err(problems)?;
        let merged = config::merge(loaded, flags, &environment).map_err(problems)?;
        let outside = Outside {
            image: &self.image,
            balancer_image: &self.balancer_image,
            token: random::letters(20).into(),
            engine_host: self.provisioner.engine.endpoint().host(),
            folder: Path::new("/"),
            addresses: &|_| Vec::new(),
            free_port: &free_port,
            read: &|path| std::fs::read(path),
            exists: &|path| path.exists(),
        };
        let cluster = config::transform(&merged, &outside)
            .map_err(problems)?
            .cluster;
        let none = ClusterRegistries::default();
        Ok(plan::create(&cluster, &none, &self.provisioner.around))
    }
}

fn free_port() -> Option<u16> {
    let listener = TcpListener::bind(("0.0.0.0", 0)).ok()?;
    Some(listener.local_addr().ok()?.port())
}

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}
