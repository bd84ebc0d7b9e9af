//! Every rule of the linter: its code, its severity, and what it is about.

use super::Severity::{Error, Warning};
use super::{Rule, Severity};

/// All rules, sorted by code: what `docs/reference/lint.md` is made from.
pub fn catalog() -> &'static [(&'static str, Severity, &'static str)] {
    &ALL
}

/// Sorted by code.
const ALL: [Rule; 63] = [
    AUTH_IDENTITYTOKEN,
    AUTH_NOT_BASE64,
    AUTH_SEVERAL,
    AUTH_TOKEN,
    AUTH_WITHOUT_COLON,
    AUTHS_IGNORED,
    CONFIG_EMPTY,
    CONFIG_KEY_QUOTE,
    CONFIG_PORT_MISMATCH,
    CONFIG_SHADOWS_WILDCARD,
    CREDENTIAL_CONTROL_CHARACTER,
    CREDENTIAL_OVER_HTTP,
    DEFAULT_ENDPOINT_KEPT,
    DEFAULT_ENDPOINT_REWRITE,
    DEFAULT_ENDPOINT_TWICE,
    DOCKER_HUB_ALIAS,
    DOCKER_HUB_CREDENTIAL,
    DUPLICATE_KEY,
    EMPTY_AUTH,
    ENDPOINT_DUPLICATE,
    ENDPOINT_EMPTY,
    ENDPOINT_HTTP_TLS,
    ENDPOINT_INVALID,
    ENDPOINT_IPV6_BRACKETS,
    ENDPOINT_PATH,
    ENDPOINT_PORT_80,
    ENDPOINT_QUERY,
    ENDPOINT_SCHEME,
    ENDPOINT_USERINFO,
    FURTHER_DOCUMENT,
    KEY_DEFAULT_DIRECTORY,
    KEY_INVALID,
    KEY_UPPER_CASE,
    KEY_WITH_PATH,
    KEY_WITH_SCHEME,
    KEY_WITH_USERINFO,
    MIRROR_WITHOUT_ENDPOINTS,
    PASSWORD_WITHOUT_USERNAME,
    REWRITE_BREAKS_FILE,
    REWRITE_CLIMBS,
    REWRITE_COLLISION,
    REWRITE_ESCAPE,
    REWRITE_HOST,
    REWRITE_INVALID,
    REWRITE_UNKNOWN_GROUP,
    REWRITE_UNPORTABLE,
    REWRITE_WITHOUT_ENDPOINTS,
    TLS_HALF_PAIR,
    TLS_PEM,
    TLS_RELATIVE_PATH,
    TLS_SKIP_VERIFY_WITH_CA,
    UNKNOWN_KEY,
    UNREADABLE,
    USERNAME_WITHOUT_PASSWORD,
    VERSION_DEFAULT_ENDPOINT,
    VERSION_DEFAULT_TLS,
    VERSION_INLINE,
    VERSION_REWRITE_SCOPE,
    VERSION_SCHEME,
    VERSION_WILDCARD,
    WILDCARD_AUTH,
    WILDCARD_KEY,
    WILDCARD_TLS,
];

pub(super) const AUTH_IDENTITYTOKEN: Rule = (
    "auth-identitytoken",
    Warning,
    "The field is called `identity_token` in YAML; other spellings are dropped in silence.",
);
pub(super) const AUTH_NOT_BASE64: Rule = (
    "auth-not-base64",
    Warning,
    "`auth` is not base64: every pull from the host fails.",
);
pub(super) const AUTH_SEVERAL: Rule = (
    "auth-several",
    Warning,
    "Of several credentials in one `auth` only one is used: user name, then `identity_token`, then `auth`.",
);
pub(super) const AUTH_TOKEN: Rule = (
    "auth-token",
    Warning,
    "There is no field for a bearer token: it is dropped in silence and pulls go out anonymously.",
);
pub(super) const AUTH_WITHOUT_COLON: Rule = (
    "auth-without-colon",
    Warning,
    "`auth` decodes to a text without a colon: every pull from the host fails, and containerd logs the text.",
);
pub(super) const AUTHS_IGNORED: Rule = (
    "auths-ignored",
    Warning,
    "The top-level `auths` is read and never used.",
);
pub(super) const CONFIG_EMPTY: Rule = (
    "config-empty",
    Warning,
    "A host with neither `auth` nor `tls` is dropped; it does not override `*` either.",
);
pub(super) const CONFIG_KEY_QUOTE: Rule = (
    "config-key-quote",
    Error,
    "A key that cannot stand in containerd's config.toml keeps containerd, and so the node, from starting.",
);
pub(super) const CONFIG_PORT_MISMATCH: Rule = (
    "config-port-mismatch",
    Warning,
    "The key names another port than the endpoint of the same host, so its settings are not used there.",
);
pub(super) const CONFIG_SHADOWS_WILDCARD: Rule = (
    "config-shadows-wildcard",
    Warning,
    "A host with own settings gets an own hosts.toml, and the mirrors of `*` no longer apply to it.",
);
pub(super) const CREDENTIAL_CONTROL_CHARACTER: Rule = (
    "credential-control-character",
    Error,
    "A control character in a credential keeps containerd, and so the node, from starting.",
);
pub(super) const CREDENTIAL_OVER_HTTP: Rule = (
    "credential-over-http",
    Warning,
    "The credential is sent in clear text to an http endpoint.",
);
pub(super) const DEFAULT_ENDPOINT_KEPT: Rule = (
    "default-endpoint-kept",
    Warning,
    "The default endpoint stays open although --disable-default-registry-endpoint is set.",
);
pub(super) const DEFAULT_ENDPOINT_REWRITE: Rule = (
    "default-endpoint-rewrite",
    Warning,
    "A default endpoint at the end of the list loses the rewrites.",
);
pub(super) const DEFAULT_ENDPOINT_TWICE: Rule = (
    "default-endpoint-twice",
    Warning,
    "A default endpoint that is not last is tried twice.",
);
pub(super) const DOCKER_HUB_ALIAS: Rule = (
    "docker-hub-alias",
    Warning,
    "This name of Docker Hub never matches; the key is `docker.io`.",
);
pub(super) const DOCKER_HUB_CREDENTIAL: Rule = (
    "docker-hub-credential",
    Warning,
    "A credential under `docker.io` alone is not used by every release and part.",
);
pub(super) const DUPLICATE_KEY: Rule = (
    "duplicate-key",
    Warning,
    "A key stands twice: the later one wins, or adds to the earlier.",
);
pub(super) const EMPTY_AUTH: Rule = (
    "empty-auth",
    Warning,
    "An `auth` without a usable credential renders an empty table, and pulls go out anonymously.",
);
pub(super) const ENDPOINT_DUPLICATE: Rule = (
    "endpoint-duplicate",
    Warning,
    "An endpoint stands twice in one list, if need be in another form; the first counts.",
);
pub(super) const ENDPOINT_EMPTY: Rule = (
    "endpoint-empty",
    Warning,
    "An endpoint without a host is rendered as nonsense, and every attempt there fails.",
);
pub(super) const ENDPOINT_HTTP_TLS: Rule = (
    "endpoint-http-tls",
    Warning,
    "An http endpoint whose host has TLS settings is tried with https first.",
);
pub(super) const ENDPOINT_INVALID: Rule = (
    "endpoint-invalid",
    Warning,
    "k3s drops an endpoint that is no URL.",
);
pub(super) const ENDPOINT_IPV6_BRACKETS: Rule = (
    "endpoint-ipv6-brackets",
    Error,
    "An IPv6 address without brackets voids every mirror of the registry.",
);
pub(super) const ENDPOINT_PATH: Rule = (
    "endpoint-path",
    Warning,
    "A path replaces `/v2` as the root of the API; without `v2` in it most registries answer 404.",
);
pub(super) const ENDPOINT_PORT_80: Rule = (
    "endpoint-port-80",
    Warning,
    "An endpoint without a scheme is asked with https, on port 80 too.",
);
pub(super) const ENDPOINT_QUERY: Rule = (
    "endpoint-query",
    Warning,
    "Query and fragment of an endpoint are ignored.",
);
pub(super) const ENDPOINT_SCHEME: Rule = (
    "endpoint-scheme",
    Warning,
    "Only http and https are schemes of endpoints; attempts with another one fail.",
);
pub(super) const ENDPOINT_USERINFO: Rule = (
    "endpoint-userinfo",
    Warning,
    "User name and password in an endpoint are ignored, and stand readable in certs.d.",
);
pub(super) const FURTHER_DOCUMENT: Rule = (
    "further-document",
    Warning,
    "Only the first YAML document is read.",
);
pub(super) const KEY_DEFAULT_DIRECTORY: Rule = (
    "key-default-directory",
    Warning,
    "`_default` is the directory of `*`, not a registry; its fallback is a host of that name.",
);
pub(super) const KEY_INVALID: Rule = (
    "key-invalid",
    Error,
    "k3s drops an entry whose key is no host.",
);
pub(super) const KEY_UPPER_CASE: Rule = (
    "key-upper-case",
    Warning,
    "Keys are compared case by case; a key with capitals matches only image names written so.",
);
pub(super) const KEY_WITH_PATH: Rule = (
    "key-with-path",
    Warning,
    "A key with a path never matches, and its directory hides `*` from the host.",
);
pub(super) const KEY_WITH_SCHEME: Rule = (
    "key-with-scheme",
    Warning,
    "A key with a scheme never matches: keys are `host` or `host:port`.",
);
pub(super) const KEY_WITH_USERINFO: Rule = (
    "key-with-userinfo",
    Warning,
    "A key with user name, query or fragment never matches, and stands readable in certs.d.",
);
pub(super) const MIRROR_WITHOUT_ENDPOINTS: Rule = (
    "mirror-without-endpoints",
    Warning,
    "A mirror without endpoints does something for the embedded registry only.",
);
pub(super) const PASSWORD_WITHOUT_USERNAME: Rule = (
    "password-without-username",
    Warning,
    "A password without a user name is not used.",
);
pub(super) const REWRITE_BREAKS_FILE: Rule = (
    "rewrite-breaks-file",
    Error,
    "A rewrite that does not fit into TOML voids all mirrors and TLS settings of the registry.",
);
pub(super) const REWRITE_CLIMBS: Rule = (
    "rewrite-climbs",
    Warning,
    "`..` in a replacement climbs out of the repository when the path is joined.",
);
pub(super) const REWRITE_COLLISION: Rule = (
    "rewrite-collision",
    Warning,
    "Rules are walked in random order: where two give different results, each request may differ.",
);
pub(super) const REWRITE_ESCAPE: Rule = (
    "rewrite-escape",
    Warning,
    "An escape in a rewrite is read by TOML first, which changes the pattern in silence.",
);
pub(super) const REWRITE_HOST: Rule = (
    "rewrite-host",
    Warning,
    "Rewrites see the repository only; a pattern with the registry in it never matches.",
);
pub(super) const REWRITE_INVALID: Rule = (
    "rewrite-invalid",
    Warning,
    "Go refuses the pattern; the rule is skipped at every pull.",
);
pub(super) const REWRITE_UNKNOWN_GROUP: Rule = (
    "rewrite-unknown-group",
    Warning,
    "The replacement names a group that the pattern does not have, which inserts nothing.",
);
pub(super) const REWRITE_UNPORTABLE: Rule = (
    "rewrite-unportable",
    Warning,
    "The pattern is valid in Go, but cannot be tried out here.",
);
pub(super) const REWRITE_WITHOUT_ENDPOINTS: Rule = (
    "rewrite-without-endpoints",
    Warning,
    "Rewrites apply to endpoints of their own mirror only, and there is none.",
);
pub(super) const TLS_HALF_PAIR: Rule = (
    "tls-half-pair",
    Error,
    "A certificate without a key, or the reverse, makes every pull of the registry fail.",
);
pub(super) const TLS_PEM: Rule = (
    "tls-pem",
    Error,
    "A certificate or key stands where a path belongs: every pull of the registry fails.",
);
pub(super) const TLS_RELATIVE_PATH: Rule = (
    "tls-relative-path",
    Error,
    "A relative path is looked up in certs.d: every pull of the registry fails.",
);
pub(super) const TLS_SKIP_VERIFY_WITH_CA: Rule = (
    "tls-skip-verify-with-ca",
    Warning,
    "With `insecure_skip_verify` the CA is not looked at.",
);
pub(super) const UNKNOWN_KEY: Rule = (
    "unknown-key",
    Warning,
    "A key that nobody knows is dropped in silence.",
);
pub(super) const UNREADABLE: Rule = (
    "unreadable",
    Error,
    "k3s cannot read the document: kubelet and containerd do not start until it is mended.",
);
pub(super) const USERNAME_WITHOUT_PASSWORD: Rule = (
    "username-without-password",
    Warning,
    "A user name without a password is sent with an empty one, and other credentials are not used.",
);
pub(super) const VERSION_DEFAULT_ENDPOINT: Rule = (
    "version-default-endpoint",
    Warning,
    "Releases before v1.29.2 treat an explicit default endpoint differently.",
);
pub(super) const VERSION_DEFAULT_TLS: Rule = (
    "version-default-tls",
    Warning,
    "Releases before v1.29.4 do not use TLS settings for a registry's own endpoint.",
);
pub(super) const VERSION_INLINE: Rule = (
    "version-inline",
    Warning,
    "Releases before 2024 put everything in config.toml: a rewrite that TOML refuses keeps containerd from starting.",
);
pub(super) const VERSION_REWRITE_SCOPE: Rule = (
    "version-rewrite-scope",
    Warning,
    "Releases before v1.29.12, v1.30.8 and v1.31.4 ask for a token with the name before the rewrite.",
);
pub(super) const VERSION_SCHEME: Rule = (
    "version-scheme",
    Warning,
    "v1.26.13, v1.27.10, v1.28.6 and v1.29.1 with +k3s1 need a scheme in endpoints.",
);
pub(super) const VERSION_WILDCARD: Rule = (
    "version-wildcard",
    Warning,
    "v1.31.6 and v1.32.2, and releases before v1.29.3, do not fall back to the registry behind `*`.",
);
pub(super) const WILDCARD_AUTH: Rule = (
    "wildcard-auth",
    Warning,
    "containerd looks credentials up by exact host: a credential under `*` is never used.",
);
pub(super) const WILDCARD_KEY: Rule = (
    "wildcard-key",
    Warning,
    "`*` alone is the only wildcard; a pattern never matches.",
);
pub(super) const WILDCARD_TLS: Rule = (
    "wildcard-tls",
    Warning,
    "TLS settings under `*` are dropped when `*` has mirrors, and unreliable when it has none.",
);

#[cfg(test)]
mod tests {
    use super::catalog;

    #[test]
    fn codes_are_unique_and_sorted_and_sentences_end() {
        let codes: Vec<&str> = catalog().iter().map(|(code, ..)| *code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        for (code, _, sentence) in catalog() {
            assert!(
                code.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{code}"
            );
            assert!(sentence.ends_with('.'), "{code}");
        }
    }
}
