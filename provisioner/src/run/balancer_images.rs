//! The load balancer's image: made for this version of `berth`, removed when another version's is not used any more.

use super::{Failure, Runner};
use crate::balancer::image::{Image, REPOSITORY, ensure};
use crate::step::Effect;

impl Runner<'_> {
    pub(super) async fn ensure_balancer_image(&self, image: &str) -> Result<Effect, Failure> {
        if self.engine.image(image).await?.is_some() {
            return Ok(Effect::Found);
        }
        self.reporter.info(format!("Loading image '{image}'"));
        let made = ensure(self.engine, &self.settings.program).await;
        made.map_err(|error| Failure::Other(error.to_string()))?;
        Ok(Effect::Made)
    }

    /// Those of other versions that no container has. Our own stays for the next cluster. What fails here only takes space.
    pub(super) async fn remove_old_balancer_images(&self) -> Effect {
        match self.old_balancer_images().await {
            Ok(removed) if removed > 0 => Effect::Made,
            Ok(_) => Effect::Found,
            Err(error) => {
                let text = format!("old images of the load balancer may have stayed: {error}");
                self.reporter.warn(text);
                Effect::Found
            }
        }
    }

    async fn old_balancer_images(&self) -> Result<usize, docker::Error> {
        let images = self.engine.images().await?;
        let tags = images.into_iter().flat_map(|image| image.repo_tags);
        let mut names: Vec<String> = tags.filter(|name| is_of_balancer(name)).collect();
        if names.is_empty() {
            return Ok(0);
        }
        // A program that is no image itself does not know which one is its own.
        let Ok(own) = Image::of(&self.settings.program) else {
            return Ok(0);
        };
        let own = own.name();
        names.retain(|name| without_host(name) != own);
        let mut removed = 0;
        for name in names {
            // An Engine gives no image away that a container has, running or not.
            match self.engine.remove_image(&name, false).await {
                Ok(()) => {
                    removed += 1;
                    let text = format!("Removed image '{name}', which no load balancer uses");
                    self.reporter.info(text);
                }
                Err(error) if error.is_conflict() || error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }
}

/// Podman puts a host in front of names that have none.
fn without_host(name: &str) -> &str {
    name.strip_prefix("localhost/").unwrap_or(name)
}

pub(super) fn is_of_balancer(image: &str) -> bool {
    let rest = without_host(image).strip_prefix(REPOSITORY);
    rest.is_some_and(|rest| rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::is_of_balancer;

    #[test]
    fn only_images_of_our_own_load_balancer_are_meant() {
        for name in ["berth-balancer:0123", "localhost/berth-balancer:0123"] {
            assert!(is_of_balancer(name), "{name}");
        }
        for name in [
            "berth-balancer-of-mine:1",
            "example.com/berth-balancer:0123",
            "ghcr.io/k3d-io/k3d-proxy:5.9",
            "<none>:<none>",
        ] {
            assert!(!is_of_balancer(name), "{name}");
        }
    }
}
