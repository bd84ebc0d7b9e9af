//! Which hosts are registries of Amazon, and where their tokens are asked for.
//!
//! ```text
//!  <account>.dkr.ecr.<region>.amazonaws.com       IPv4           api.ecr.<region>.amazonaws.com
//!  <account>.dkr.ecr-fips.<region>.amazonaws.com  IPv4, FIPS     api.ecr-fips.<region>.amazonaws.com
//!  <account>.dkr-ecr.<region>.on.aws              IPv4 and IPv6  ecr.<region>.api.aws
//!  <account>.dkr-ecr-fips.<region>.on.aws         both, FIPS     ecr-fips.<region>.api.aws
//!  public.ecr.aws, ecr-public.aws.com             public images  api.ecr-public.us-east-1.amazonaws.com
//! ```
//!
//! China, the European sovereign cloud and the isolated partitions have domains of their own. Nothing else is taken: a
//! signed request goes to the host that is derived here, so what looks almost like one of these must not be.

use registries::image::ImageReference;

/// A registry of Amazon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Registry {
    host: String,
    region: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Private { account: String, api: String },
    Public { api: &'static str },
}

/// A part of AWS with accounts and names of its own.
struct Partition {
    /// What the names of its regions begin with.
    regions: &'static [&'static str],
    /// The domain of its hosts.
    domain: &'static str,
    /// The domain of hosts that speak IPv6 too, after `on.` for registries and `api.` for services.
    dual_stack: &'static str,
}

/// The first is the one that unknown regions belong to.
const PARTITIONS: [Partition; 7] = [
    Partition {
        regions: &[],
        domain: "amazonaws.com",
        dual_stack: "aws",
    },
    Partition {
        regions: &["cn-"],
        domain: "amazonaws.com.cn",
        dual_stack: "amazonwebservices.com.cn",
    },
    Partition {
        regions: &["eusc-"],
        domain: "amazonaws.eu",
        dual_stack: "amazonwebservices.eu",
    },
    Partition {
        regions: &["us-iso-"],
        domain: "c2s.ic.gov",
        dual_stack: "aws.ic.gov",
    },
    Partition {
        regions: &["us-isob-"],
        domain: "sc2s.sgov.gov",
        dual_stack: "aws.scloud",
    },
    Partition {
        regions: &["eu-isoe-"],
        domain: "cloud.adc-e.uk",
        dual_stack: "cloud-aws.adc-e.uk",
    },
    Partition {
        regions: &["us-isof-", "eu-isof-"],
        domain: "csp.hci.ic.gov",
        dual_stack: "aws.hci.ic.gov",
    },
];

impl Registry {
    /// Reads the host of a registry, with `:443` or without; nothing when it is not one of Amazon's.
    pub fn parse(host: &str) -> Option<Self> {
        let host = host.strip_suffix(":443").unwrap_or(host);
        let host = host.to_ascii_lowercase();
        Self::public(&host).or_else(|| Self::private(&host))
    }

    /// The registry that an image name names.
    pub fn of_image(image: &str) -> Option<Self> {
        Self::parse(&ImageReference::parse(image).ok()?.registry)
    }

    /// The host, in lower case and without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The account whose registry it is; the public registry has none.
    pub fn account(&self) -> Option<&str> {
        match &self.kind {
            Kind::Private { account, .. } => Some(account),
            Kind::Public { .. } => None,
        }
    }

    /// The region that a token is asked for in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether anybody may pull from it.
    pub fn is_public(&self) -> bool {
        self.account().is_none()
    }

    /// The host of the service that gives tokens.
    pub(crate) fn api(&self) -> &str {
        match &self.kind {
            Kind::Private { api, .. } => api,
            Kind::Public { api } => api,
        }
    }

    fn public(host: &str) -> Option<Self> {
        let api = match host {
            "public.ecr.aws" => "api.ecr-public.us-east-1.amazonaws.com",
            "ecr-public.aws.com" => "ecr-public.us-east-1.api.aws",
            _ => return None,
        };
        Some(Self {
            host: host.to_owned(),
            region: "us-east-1".to_owned(),
            kind: Kind::Public { api },
        })
    }

    fn private(host: &str) -> Option<Self> {
        let (account, rest) = host.split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (service, rest) = [
            ("dkr.ecr.", Service::Ipv4("api.ecr")),
            ("dkr.ecr-fips.", Service::Ipv4("api.ecr-fips")),
            ("dkr-ecr.", Service::DualStack("ecr")),
            ("dkr-ecr-fips.", Service::DualStack("ecr-fips")),
        ]
        .into_iter()
        .find_map(|(prefix, service)| Some((service, rest.strip_prefix(prefix)?)))?;
        let (region, domain) = rest.split_once('.')?;
        let partition = PARTITIONS
            .iter()
            .find(|partition| service.has_registries_at(domain, partition))?;
        is_region(region).then(|| Self {
            host: host.to_owned(),
            region: region.to_owned(),
            kind: Kind::Private {
                account: account.to_owned(),
                api: service.host(region, partition),
            },
        })
    }
}

/// How a service is reached, and what its host begins with.
enum Service {
    Ipv4(&'static str),
    DualStack(&'static str),
}

impl Service {
    fn has_registries_at(&self, domain: &str, partition: &Partition) -> bool {
        match self {
            Self::Ipv4(_) => domain == partition.domain,
            Self::DualStack(_) => domain.strip_prefix("on.") == Some(partition.dual_stack),
        }
    }

    fn host(&self, region: &str, partition: &Partition) -> String {
        match self {
            Self::Ipv4(name) => format!("{name}.{region}.{}", partition.domain),
            Self::DualStack(name) => format!("{name}.{region}.api.{}", partition.dual_stack),
        }
    }
}

/// The host of the service that gives credentials of roles.
pub(crate) fn sts_host(region: &str) -> String {
    let partition = PARTITIONS.iter().find(|partition| {
        let mut prefixes = partition.regions.iter();
        prefixes.any(|prefix| region.starts_with(prefix))
    });
    let domain = partition.unwrap_or(&PARTITIONS[0]).domain;
    format!("sts.{region}.{domain}")
}

/// One label of a host.
pub(crate) fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
