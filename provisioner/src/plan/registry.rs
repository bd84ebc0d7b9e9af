//! The steps for registries of their own.

use super::Surroundings;
use crate::cluster::RegistrySpec;
use crate::container;
use crate::observed::Container;
use crate::step::{Ready, Step};

/// A registry that belongs to no cluster.
pub fn create_registry(registry: &RegistrySpec, around: &Surroundings) -> Vec<Step> {
    let spec = container::of_registry(registry, None, around.habits);
    vec![
        Step::EnsureImage {
            image: registry.image.clone(),
        },
        Step::CreateContainer(Box::new(spec)),
        Step::Start {
            container: registry.name.clone(),
            until: Ready::Started,
        },
    ]
}

pub fn remove_registry(registry: &Container) -> Vec<Step> {
    vec![Step::RemoveContainer {
        container: registry.name.clone(),
    }]
}
