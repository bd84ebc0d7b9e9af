//! Configurations in few words.

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use provisioner::config::{
    self, CreateFlags, Environment, Loaded, Merged, Origin, Outside, Problems, Transformed,
};

pub(crate) const HEADER: &str = "apiVersion: k3d.io/v1alpha5\nkind: Simple\n";

pub(crate) fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().copied().collect()
}

/// A file in the folder `conf`.
pub(crate) fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    config::load(
        text,
        &Origin::file("conf/demo.yaml"),
        &environment(variables),
    )
}

/// A file of the newest version, given without its first two lines.
pub(crate) fn merged(text: &str, flags: &CreateFlags) -> Result<Merged, Problems> {
    let loaded = load(&format!("{HEADER}{text}"), &[])?;
    config::merge(loaded, flags, &Environment::default())
}

/// Flags alone.
pub(crate) fn from_flags(flags: &CreateFlags) -> Result<Transformed, Problems> {
    let environment = Environment::default();
    transform(&config::merge(
        config::without_file(&environment)?,
        flags,
        &environment,
    )?)
}

pub(crate) fn from_file(text: &str) -> Result<Transformed, Problems> {
    transform(&merged(text, &CreateFlags::default())?)
}

/// With a world in which `api.example.localhost` is this machine, `/data` exists and `conf/ns.yaml` has a line.
pub(crate) fn transform(merged: &Merged) -> Result<Transformed, Problems> {
    let next_port = Cell::new(40_000_u16);
    let outside = Outside {
        image: "docker.io/rancher/k3s:v1.35.5-k3s1",
        balancer_image: "balancer:1",
        token: "MadeUpTokenMadeUpTok".into(),
        engine_host: None,
        folder: Path::new("/project"),
        addresses: &|host| match host {
            "api.example.localhost" => vec![
                "::1".parse::<IpAddr>().unwrap(),
                "127.0.0.1".parse().unwrap(),
            ],
            _ => Vec::new(),
        },
        free_port: &|| Some(next_port.replace(next_port.get() + 1)),
        read: &|path| match path.to_str() {
            Some("/project/conf/./ns.yaml" | "/project/conf/ns.yaml" | "/abs/ns.yaml") => {
                Ok(b"kind: Namespace\n".to_vec())
            }
            Some("/project/registries.yaml") => Ok(b"mirrors: {}\n".to_vec()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        },
        exists: &|path| path.starts_with("/data"),
    };
    config::transform(merged, &outside)
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
