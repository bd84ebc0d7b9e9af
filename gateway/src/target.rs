//! What a request is about: its path, `?ns=` and `Host` -> an image of a registry, or a name of this one.

use crate::names::{GrammarError, Host, MirroredName, Name};

/// What a request is about. The two never mix: nothing that was pushed is served for a registry, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A repository of the registry that `ns` names.
    Mirrored(MirroredName),
    /// A name of this registry: pushed content, then images that the Engine has under it.
    Local(Name),
}

/// The registries that `ns` may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries(Vec<Pattern>);

/// One registry, or all below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exactly(Host),
    Below(String),
}

/// Why a request is about nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// `ns` is no registry.
    #[error("ns: {0}")]
    Namespace(#[from] GrammarError),
    /// The gateway does not serve this registry.
    #[error("{0} is none of the registries that this gateway serves (--registries)")]
    NotServed(Host),
}

impl Registries {
    /// Reads `docker.io` or `*.example.com`. None at all means every registry.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, GrammarError> {
        let read = |text: &str| match text.strip_prefix("*.") {
            Some(domain) => Host::parse(domain).map(|host| Pattern::Below(format!(".{host}"))),
            None => Host::parse(text).map(Pattern::Exactly),
        };
        patterns
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a registry is served.
    pub fn serve(&self, host: &Host) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(host))
    }
}

impl Pattern {
    fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exactly(one) => one == host,
            Self::Below(domain) => host.as_str().ends_with(domain),
        }
    }
}

/// What a path's name is about. `own` is the `Host` of the request: a registry that is asked about itself means itself.
pub fn target(
    name: Name,
    namespace: Option<&str>,
    own: Option<&Host>,
    served: &Registries,
) -> Result<Target, TargetError> {
    let Some(namespace) = namespace.filter(|text| !text.is_empty()) else {
        return Ok(Target::Local(name));
    };
    let host = Host::parse(namespace)?;
    if own == Some(&host) {
        return Ok(Target::Local(name));
    }
    if !served.serve(&host) {
        return Err(TargetError::NotServed(host));
    }
    Ok(Target::Mirrored(repository_of(host, name)))
}

/// The repositories of the Engine that a name of this registry stands for, of those that it holds: the same name as
/// `docker` understands it, the name below our own host, and the name below `localhost` with any port.
pub fn engine_names(name: &Name, own: Option<&Host>, held: &[MirroredName]) -> Vec<MirroredName> {
    let below = |host: &Host| MirroredName {
        host: host.clone(),
        repository: name.clone(),
    };
    let mut names = vec![as_docker_reads(name)];
    names.extend(own.map(below));
    let is_local =
        |host: &Host| host.as_str() == "localhost" || host.as_str().starts_with("localhost:");
    names.extend(
        held.iter()
            .map(|image| &image.host)
            .filter(|host| is_local(host))
            .map(below),
    );
    let mut found = Vec::new();
    for image in names {
        if held.contains(&image) && !found.contains(&image) {
            found.push(image);
        }
    }
    found
}

/// The name by which this registry shows a repository of the Engine: `docker` would say the same.
pub fn shown_name(image: &MirroredName) -> String {
    let repository = image.repository.as_str();
    match image.host.as_str() {
        "docker.io" => repository
            .strip_prefix("library/")
            .unwrap_or(repository)
            .to_owned(),
        host => format!("{host}/{repository}"),
    }
}

/// `nginx` is `docker.io/library/nginx`; `ghcr.io/x` and `localhost/x` begin with a registry.
fn as_docker_reads(name: &Name) -> MirroredName {
    let split = name.as_str().split_once('/').and_then(|(first, rest)| {
        let is_host = first == "localhost" || first.contains('.');
        (is_host)
            .then(|| Some((Host::parse(first).ok()?, Name::parse(rest).ok()?)))
            .flatten()
    });
    match split {
        Some((host, rest)) => repository_of(host, rest),
        None => repository_of(Host::docker_hub(), name.clone()),
    }
}

/// Docker Hub's own images are below `library/`.
fn repository_of(host: Host, name: Name) -> MirroredName {
    let repository = if host == Host::docker_hub() {
        name.below_library()
    } else {
        name
    };
    MirroredName { host, repository }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    fn image(registry: &str, repository: &str) -> MirroredName {
        MirroredName {
            host: host(registry),
            repository: name(repository),
        }
    }

    #[test]
    fn a_namespace_makes_a_name_one_of_a_registry() {
        let all = Registries::default();
        for (ns, path, registry, repository) in [
            ("docker.io", "library/nginx", "docker.io", "library/nginx"),
            ("docker.io", "nginx", "docker.io", "library/nginx"),
            ("registry-1.docker.io", "org/app", "docker.io", "org/app"),
            (
                "index.docker.io",
                "library/nginx",
                "docker.io",
                "library/nginx",
            ),
            ("127.0.0.1:15000", "app", "127.0.0.1:15000", "app"),
            ("GHCR.io", "org/app", "ghcr.io", "org/app"),
        ] {
            let found = target(name(path), Some(ns), None, &all).unwrap();
            assert_eq!(
                found,
                Target::Mirrored(image(registry, repository)),
                "{ns} {path}"
            );
        }
    }

    #[test]
    fn without_a_namespace_or_with_our_own_a_name_is_ours() {
        let all = Registries::default();
        let own = host("k3d-registry:5000");
        for ns in [
            None,
            Some(""),
            Some("k3d-registry:5000"),
            Some("K3D-registry:5000"),
        ] {
            let found = target(name("docker.io/library/nginx"), ns, Some(&own), &all).unwrap();
            assert_eq!(found, Target::Local(name("docker.io/library/nginx")));
        }
    }

    #[test]
    fn registries_outside_the_list_are_not_served() {
        let served = Registries::parse(["docker.io", "*.example.com"]).unwrap();
        for (ns, is_served) in [
            ("docker.io", true),
            ("registry-1.docker.io", true),
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            ("badexample.com", false),
            ("a.example.com:5000", false),
            ("169.254.169.254", false),
        ] {
            assert_eq!(
                target(name("x"), Some(ns), None, &served).is_ok(),
                is_served,
                "{ns}"
            );
        }
        assert!(Registries::parse(["http://x"]).is_err());
        assert!(target(name("x"), Some("../x"), None, &served).is_err());
    }

    #[test]
    fn a_name_of_ours_stands_for_what_the_engine_holds() {
        let held = [
            image("docker.io", "library/app"),
            image("docker.io", "org/app"),
            image("ghcr.io", "org/app"),
            image("k3d-registry:5000", "app"),
            image("localhost:5001", "app"),
            image("localhost", "app"),
            image("localhost:9", "other"),
        ];
        let own = host("k3d-registry:5000");
        let names = |text: &str| engine_names(&name(text), Some(&own), &held);
        let ours = [&held[0], &held[3], &held[4], &held[5]];
        assert_eq!(names("app").iter().collect::<Vec<_>>(), ours);
        assert_eq!(names("library/app"), [held[0].clone()]);
        assert_eq!(names("org/app"), [held[1].clone()]);
        assert_eq!(names("ghcr.io/org/app"), [held[2].clone()]);
        assert_eq!(names("docker.io/library/app"), [held[0].clone()]);
        assert_eq!(names("docker.io/app"), [held[0].clone()]);
        assert_eq!(names("localhost/app"), [held[5].clone()]);
        assert!(names("unknown").is_empty());
    }

    #[test]
    fn images_of_the_engine_are_shown_as_docker_shows_them() {
        assert_eq!(shown_name(&image("docker.io", "library/app")), "app");
        assert_eq!(shown_name(&image("docker.io", "org/app")), "org/app");
        assert_eq!(shown_name(&image("ghcr.io", "app")), "ghcr.io/app");
    }

    proptest! {
        #[test]
        fn a_mirrored_name_is_never_one_of_ours(path in "[a-z]{1,8}(/[a-z]{1,8}){0,2}", ns in "[a-z]{1,8}\\.[a-z]{2,3}(:[1-9][0-9]{0,3})?") {
            let with = target(name(&path), Some(&ns), None, &Registries::default()).unwrap();
            let without = target(name(&format!("{}/{path}", ns.split(':').next().unwrap())), None, None, &Registries::default()).unwrap();
            prop_assert!(matches!(with, Target::Mirrored(_)));
            prop_assert!(matches!(without, Target::Local(_)));
        }
    }
}
