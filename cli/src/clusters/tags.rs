//! `version list COMPONENT`: the tags that a registry has, filtered and in order.

use anyhow::{Context as _, Result, bail};
use provisioner::fetch::{self, Answer, Proxies};
use regex::Regex;
use semver::Version;
use serde::Deserialize;
use url::Url;

use super::arguments::{Component, Order, Tags, VersionFormat};
use super::settings::variable;

/// Replaces the registries' addresses; the repository comes behind it as a registry has it.
const REGISTRY_VARIABLE: &str = "K3D_REGISTRY_URL";
/// A registry that names a next page for ever is left at last.
const PAGES: usize = 200;

/// Where the tags of a component are.
struct Repository {
    /// Address of the registry's API.
    api: &'static str,
    /// As image references begin.
    host: &'static str,
    name: &'static str,
}

impl Component {
    fn repository(self) -> Repository {
        let (api, host) = match self {
            Self::K3s => ("https://registry-1.docker.io", "docker.io"),
            Self::K3d | Self::Proxy | Self::Tools => ("https://ghcr.io", "ghcr.io"),
        };
        let name = match self {
            Self::K3d => "k3d-io/k3d",
            Self::Proxy => "k3d-io/k3d-proxy",
            Self::Tools => "k3d-io/k3d-tools",
            Self::K3s => "rancher/k3s",
        };
        Repository { api, host, name }
    }
}

/// The lines that the command prints.
pub(crate) async fn list(arguments: &Tags) -> Result<Vec<String>> {
    let selection = Selection::new(arguments)?;
    let repository = arguments.component.repository();
    let api = variable(REGISTRY_VARIABLE).unwrap_or_else(|| repository.api.to_owned());
    let proxies = Proxies::new(variable);
    let tags = fetch_all(&api, repository.name, &proxies).await?;
    let image = format!("{}/{}", repository.host, repository.name);
    let lines = selection.apply(tags).into_iter();
    Ok(lines.map(|tag| selection.show(&image, &tag)).collect())
}

/// Which tags are shown, and how.
struct Selection {
    include: Regex,
    exclude: Regex,
    order: Order,
    limit: usize,
    format: VersionFormat,
}

impl Selection {
    fn new(arguments: &Tags) -> Result<Self> {
        let pattern = |flag: &str, text: &str| {
            Regex::new(text).with_context(|| format!("failed to read --{flag} '{text}'"))
        };
        Ok(Self {
            include: pattern("include", &arguments.include)?,
            exclude: pattern("exclude", &arguments.exclude)?,
            order: arguments.sort,
            limit: usize::try_from(arguments.limit)
                .ok()
                .context("failed to read --limit: it cannot be negative")?,
            format: arguments.format.unwrap_or(arguments.output),
        })
    }

    fn apply(&self, mut tags: Vec<String>) -> Vec<String> {
        tags.retain(|tag| self.include.is_match(tag) && !self.exclude.is_match(tag));
        match self.order {
            Order::Desc => tags.sort_by_key(|tag| std::cmp::Reverse(rank(tag))),
            Order::Asc => tags.sort_by_key(|tag| rank(tag)),
            Order::Off => {}
        }
        if self.limit > 0 {
            tags.truncate(self.limit);
        }
        tags
    }

    fn show(&self, image: &str, tag: &str) -> String {
        match self.format {
            VersionFormat::Raw => tag.to_owned(),
            VersionFormat::Repo => format!("{image}:{tag}"),
        }
    }
}

/// Order of tags: what is no version comes before all versions.
fn rank(tag: &str) -> Option<Version> {
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

#[derive(Deserialize)]
struct Page {
    /// A repository without tags may say null.
    tags: Option<Vec<String>>,
}

async fn fetch_all(api: &str, name: &str, proxies: &Proxies) -> Result<Vec<String>> {
    let mut next: Url = format!("{}/v2/{name}/tags/list?n=1000", api.trim_end_matches('/'))
        .parse()
        .with_context(|| format!("failed to read the address {api}"))?;
    let mut tags = Vec::new();
    let mut token = None;
    for _ in 0..PAGES {
        let mut answer = fetch::get(next.as_str(), token.as_ref(), proxies).await?;
        if answer.status == 401 && token.is_none() {
            token = Some(authorize(&answer, name, proxies).await?);
            answer = fetch::get(next.as_str(), token.as_ref(), proxies).await?;
        }
        if !answer.status.is_success() {
            bail!(
                "call made to '{next}' failed with status code '{}'",
                answer.status.as_u16()
            );
        }
        let page: Page = serde_json::from_slice(&answer.body)
            .with_context(|| format!("failed to read the tags at {next}"))?;
        tags.extend(page.tags.unwrap_or_default());
        match next_page(&answer, &next) {
            Some(page) => next = page,
            None => return Ok(tags),
        }
    }
    bail!("failed to read the tags of {name}: there are more than {PAGES} pages")
}

/// `Link: </v2/...?last=x>; rel="next"`.
fn next_page(answer: &Answer, here: &Url) -> Option<Url> {
    let link = answer.headers.get("link")?.to_str().ok()?;
    let (target, rest) = link.split_once('<')?.1.split_once('>')?;
    let page = here.join(target).ok()?;
    // Credentials are for the registry alone.
    (rest.contains("rel=\"next\"") && page.origin() == here.origin()).then_some(page)
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

/// Asks the place that the registry names for a token without a user.
async fn authorize(refused: &Answer, name: &str, proxies: &Proxies) -> Result<http::HeaderValue> {
    let asked = refused.headers.get("www-authenticate");
    let asked = asked
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(url) = token_url(asked, name) else {
        bail!("failed to read the tags of {name}: the registry wants credentials");
    };
    let answer = fetch::get(url.as_str(), None, proxies).await?;
    let token: Token = serde_json::from_slice(&answer.body)
        .ok()
        .with_context(|| format!("failed to get a token for {name} from {url}"))?;
    let mut value = http::HeaderValue::from_str(&format!("Bearer {}", token.token))
        .with_context(|| format!("failed to use the token for {name} from {url}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Bearer realm="...",service="...",scope="..."`.
fn token_url(asked: &str, name: &str) -> Option<Url> {
    let parameters = asked.strip_prefix("Bearer ")?;
    let value = |key: &str| {
        let (_, rest) = parameters.split_once(&format!("{key}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let mut url: Url = value("realm")?.parse().ok()?;
    let scope = value("scope").unwrap_or_else(|| format!("repository:{name}:pull"));
    let mut query = url.query_pairs_mut();
    if let Some(service) = value("service") {
        query.append_pair("service", &service);
    }
    query.append_pair("scope", &scope);
    drop(query);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(order: Order, limit: usize) -> Selection {
        Selection {
            include: Regex::new(".*").unwrap(),
            exclude: Regex::new("^sha-|.+(rc|dev).*").unwrap(),
            order,
            limit,
            format: VersionFormat::Raw,
        }
    }

    #[test]
    fn tags_are_filtered_ordered_and_cut() {
        let tags = [
            "v1.9.0",
            "5.10.0",
            "sha-1",
            "v1.10.0-rc1",
            "latest",
            "v1.10.0",
        ];
        let show = |order, limit| {
            selection(order, limit).apply(tags.iter().map(ToString::to_string).collect())
        };
        assert_eq!(
            show(Order::Desc, 0),
            ["5.10.0", "v1.10.0", "v1.9.0", "latest"]
        );
        assert_eq!(show(Order::Asc, 2), ["latest", "v1.9.0"]);
        assert_eq!(
            show(Order::Off, 99),
            ["v1.9.0", "5.10.0", "latest", "v1.10.0"]
        );
    }

    #[test]
    fn a_token_is_asked_for_where_the_registry_says() {
        let asked = "Bearer realm=\"https://auth.example.com/token\",service=\"registry\"";
        assert_eq!(
            token_url(asked, "rancher/k3s").unwrap().as_str(),
            "https://auth.example.com/token?service=registry&scope=repository%3Arancher%2Fk3s%3Apull"
        );
        assert!(token_url("Basic realm=\"x\"", "a/b").is_none());
    }
}
