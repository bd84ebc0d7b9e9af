use super::{Chosen, Container, Provider, choose};
use crate::environment::Environment;
use crate::profile::Profiles;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from_variables(|wanted| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// Who is chosen, in a word.
fn chosen(variables: &[(&str, &str)], config: &str) -> String {
    match choose(&environment(variables), &Profiles::of(config, "")) {
        Ok(None) => "nobody".to_owned(),
        Ok(Some(Chosen { provider, region })) => match region {
            Some(region) => format!("{} in {region}", word(&provider)),
            None => word(&provider),
        },
        Err(error) => error.to_string(),
    }
}

fn word(provider: &Provider) -> String {
    match provider {
        Provider::Static(credentials) => credentials.key_id.expose().to_owned(),
        Provider::Process { command, .. } => command.expose().to_owned(),
        Provider::WebIdentity { role, token_file } => {
            format!("{} by {}", role.arn, token_file.display())
        }
        Provider::Role { role, base } => format!("{} by {}", role.arn, word(base)),
        Provider::Container(Container { url, .. }) => url.to_string(),
        Provider::Instance { endpoint } => endpoint.clone(),
    }
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIA1"),
    ("AWS_SECRET_ACCESS_KEY", "x"),
];
const WEB: [(&str, &str); 2] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
    ("AWS_ROLE_ARN", "arn:web"),
];
const CONTAINER: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x");
const NO_MACHINE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");
const DEFAULT: &str = "[default]\naws_access_key_id=AKIAP\naws_secret_access_key=y\n";

#[test]
fn the_first_that_is_configured_is_chosen() {
    let container = "http://169.254.170.2/v2/x";
    assert_eq!(chosen(&[NO_MACHINE], ""), "nobody");
    assert_eq!(chosen(&[], ""), "http://169.254.169.254");
    assert_eq!(chosen(&[CONTAINER], ""), container);
    assert_eq!(
        chosen(&[CONTAINER, WEB[0], WEB[1]], ""),
        "arn:web by /token"
    );
    assert_eq!(chosen(&[CONTAINER, WEB[0], WEB[1]], DEFAULT), "AKIAP");
    assert_eq!(chosen(&[KEYS[0], KEYS[1], CONTAINER], DEFAULT), "AKIA1");
}

#[test]
fn keys_a_profile_and_a_container_count_as_credentials_and_an_empty_environment_does_not() {
    assert_ne!(chosen(&[KEYS[0], KEYS[1], NO_MACHINE], ""), "nobody");
    assert_ne!(
        chosen(&[("AWS_PROFILE", "default"), NO_MACHINE], DEFAULT),
        "nobody"
    );
    assert_ne!(chosen(&[CONTAINER, NO_MACHINE], ""), "nobody");
    assert_eq!(chosen(&[NO_MACHINE], ""), "nobody");
}

#[test]
fn the_region_is_that_of_the_environment_or_of_the_profile() {
    let config = format!("{DEFAULT}region=eu-west-1\n");
    assert_eq!(chosen(&[], &config), "AKIAP in eu-west-1");
    assert_eq!(
        chosen(&[("AWS_REGION", "us-east-2")], &config),
        "AKIAP in us-east-2"
    );
}

#[test]
fn half_of_a_pair_is_an_error_that_names_the_other_half() {
    for (set, missing) in [
        (KEYS[0], KEYS[1].0),
        (KEYS[1], KEYS[0].0),
        (WEB[0], WEB[1].0),
    ] {
        let error = chosen(&[set, NO_MACHINE], "");
        assert!(error.contains(set.0) && error.contains(missing), "{error}");
    }
    assert_eq!(
        chosen(&[WEB[1], NO_MACHINE], ""),
        "nobody",
        "a role alone is no mistake"
    );
}

#[test]
fn profiles_lead_to_whom_they_name() {
    let config = "
[profile process]
credential_process = /bin/give --to me
[profile web]
role_arn = arn:r
web_identity_token_file = /t
[profile base]
aws_access_key_id = AKIAB
aws_secret_access_key = y
[profile role]
role_arn = arn:r
source_profile = base
[profile twice]
role_arn = arn:s
source_profile = role
[profile own]
role_arn = arn:o
source_profile = own
aws_access_key_id = AKIAO
aws_secret_access_key = y
[profile machine]
role_arn = arn:m
credential_source = Ec2InstanceMetadata
[profile variables]
role_arn = arn:v
credential_source = Environment
[profile region]
region = eu-north-1
";
    for (profile, expected) in [
        ("process", "/bin/give --to me"),
        ("web", "arn:r by /t"),
        ("role", "arn:r by AKIAB"),
        ("twice", "arn:s by arn:r by AKIAB"),
        ("own", "arn:o by AKIAO"),
        ("machine", "arn:m by http://169.254.169.254"),
        ("region", "http://169.254.169.254 in eu-north-1"),
    ] {
        assert_eq!(
            chosen(&[("AWS_PROFILE", profile)], config),
            expected,
            "{profile}"
        );
    }
    let error = chosen(&[("AWS_PROFILE", "variables")], config);
    assert!(
        error.contains("credential_source Environment gives no credentials"),
        "{error}"
    );
}

#[test]
fn a_profile_that_cannot_be_used_says_why_and_what_to_do() {
    let config = "
[profile sso]
sso_session = ours
[profile mfa]
role_arn = arn:r
mfa_serial = arn:mfa
source_profile = sso
[profile half]
aws_access_key_id = AKIA
[profile nothing]
role_arn = arn:r
[profile unknown]
role_arn = arn:r
credential_source = Moon
[profile a]
role_arn = arn:a
source_profile = b
[profile b]
role_arn = arn:b
source_profile = a
[profile lost]
role_arn = arn:l
source_profile = nowhere
";
    for (profile, expected) in [
        ("sso", "aws configure export-credentials"),
        ("mfa", "credential_process"),
        ("half", "lacks the other"),
        ("nothing", "needs one of source_profile"),
        (
            "unknown",
            "Environment, EcsContainer or Ec2InstanceMetadata",
        ),
        ("a", "leads back to itself"),
        ("lost", "source_profile nowhere gives no credentials"),
        ("absent", "unset AWS_PROFILE"),
    ] {
        let error = chosen(&[("AWS_PROFILE", profile)], config);
        assert!(
            error.starts_with("failed to use the AWS profile "),
            "{error}"
        );
        assert!(error.contains(expected), "{profile}: {error}");
    }
}

#[test]
fn containers_are_asked_without_encryption_only_where_nobody_else_can_listen() {
    let full = |url| {
        chosen(
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url), NO_MACHINE],
            "",
        )
    };
    for url in [
        "https://anywhere.example/x",
        "http://127.0.0.1:1234/x",
        "http://[::1]/x",
        "http://localhost/x",
        "http://169.254.170.2/x",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
    ] {
        assert_eq!(full(url), url);
    }
    for url in [
        "http://169.254.169.254/x",
        "http://anywhere.example/x",
        "http://localhost.example/x",
        "http://127.0.0.1.example/x",
        "http://localhost@anywhere.example/x",
        "ftp://127.0.0.1/x",
        "/x",
        "",
    ] {
        let found = full(url);
        assert!(
            url.is_empty() && found == "nobody" || found.contains("FULL_URI"),
            "{url}: {found}"
        );
    }
    let relative = [
        (
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "@anywhere.example/",
        ),
        NO_MACHINE,
    ];
    assert!(chosen(&relative, "").contains("RELATIVE_URI"));
}

#[test]
fn the_machines_service_can_be_elsewhere() {
    let table: [(&str, &str, &str); 2] = [
        (
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "http://127.0.0.1:1/",
            "http://127.0.0.1:1",
        ),
        (
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
            "IPv6",
            "http://[fd00:ec2::254]",
        ),
    ];
    for (name, value, expected) in table {
        assert_eq!(chosen(&[(name, value)], ""), expected);
    }
}
