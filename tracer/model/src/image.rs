//! Image names by Docker's rules: `nginx` is `docker.io/library/nginx:latest`, `localhost/x` is on localhost.

use registries::image::{ImageError, ImageObject, ImageReference};

/// An image name with everything that was left out. Unlike what a runtime looks up it keeps the tag beside a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName {
    /// `docker.io`, `localhost:5000`.
    pub registry: String,
    /// `library/nginx`
    pub repository: String,
    /// `latest` where neither tag nor digest is given.
    pub tag: Option<String>,
    /// `sha256:...`
    pub digest: Option<String>,
}

impl ImageName {
    /// Reads a name as a pod, the kubelet or the runtime gives it.
    pub fn parse(name: &str) -> Result<Self, ImageError> {
        let reference = ImageReference::parse(name)?;
        let (tag, digest) = match reference.object {
            ImageObject::Tag(tag) => (Some(tag), None),
            ImageObject::Digest(digest) => (tag_before_digest(name), Some(digest)),
        };
        Ok(Self {
            registry: reference.registry,
            repository: reference.repository,
            tag,
            digest,
        })
    }

    /// Registry and repository, without tag and digest.
    pub fn repository_name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Whether both can mean the same image: same repository, and no different tag or digest where both have one.
    pub fn may_equal(&self, other: &Self) -> bool {
        let agree = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        self.registry == other.registry
            && self.repository == other.repository
            && match (&self.digest, &other.digest) {
                (Some(a), Some(b)) => a == b,
                _ => agree(&self.tag, &other.tag),
            }
    }
}

impl std::fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// The full name, or the text itself where it is no image name.
pub fn normalized(name: &str) -> String {
    ImageName::parse(name).map_or_else(|_| name.to_owned(), |name| name.to_string())
}

fn tag_before_digest(name: &str) -> Option<String> {
    let (before, _) = name.split_once('@')?;
    let (_, tag) = before.rsplit_once(':')?;
    (!tag.contains('/')).then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_what_docker_adds() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let table = [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("library/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("ghcr.io/foo/bar:v1.0", "ghcr.io/foo/bar:v1.0"),
            ("ghcr.io/foo/bar", "ghcr.io/foo/bar:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("host:5000/x/y:1", "host:5000/x/y:1"),
        ];
        for (name, expected) in table {
            assert_eq!(normalized(name), expected, "{name}");
        }
        assert_eq!(
            normalized(&format!("nginx@{digest}")),
            format!("docker.io/library/nginx@{digest}")
        );
        assert_eq!(
            normalized(&format!("host:5000/x:1@{digest}")),
            format!("host:5000/x:1@{digest}")
        );
        assert_eq!(normalized("No Name"), "No Name");
    }

    #[test]
    fn a_digest_decides_before_a_tag() {
        let name = |text: &str| ImageName::parse(text).unwrap();
        let digest = format!("sha256:{}", "a".repeat(64));
        let other = format!("sha256:{}", "b".repeat(64));
        assert!(name("nginx:1").may_equal(&name(&format!("nginx@{digest}"))));
        assert!(name(&format!("nginx:1@{digest}")).may_equal(&name(&format!("nginx:2@{digest}"))));
        assert!(!name(&format!("nginx:1@{digest}")).may_equal(&name(&format!("nginx:1@{other}"))));
        assert!(!name("nginx:1").may_equal(&name("nginx:2")));
        assert!(!name("nginx").may_equal(&name("quay.io/library/nginx")));
    }
}
