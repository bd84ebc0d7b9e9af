//! Berth's operator: `RegistryConfig` -> Secret and `DaemonSets` -> status. See `reconcile` for the pipeline.

use std::process::ExitCode;

use clap::Parser;
use settings::Settings;

mod apply;
mod build;
mod caches;
mod controller;
mod departure;
mod election;
mod error;
mod events;
mod facts;
#[cfg(test)]
mod fixtures;
mod index;
mod leader;
mod manifests;
mod metrics;
mod ownership;
mod pod;
mod process;
mod prune;
mod reconcile;
mod resolve;
mod revision_key;
mod rollout;
mod run;
mod selection;
mod settings;
mod situation;
mod status;
mod uninstall;
mod validate;

fn main() -> ExitCode {
    match process::start(Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "berth-operator failed");
            ExitCode::FAILURE
        }
    }
}
