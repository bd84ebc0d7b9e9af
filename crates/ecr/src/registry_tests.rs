use super::{Registry, sts_host};

fn api(host: &str) -> Option<String> {
    Some(Registry::parse(host)?.api().to_owned())
}

#[test]
fn images_of_ecr_are_told_from_others() {
    let table = [
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com/app", true),
        (
            "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/app:1",
            true,
        ),
        ("docker.io/library/nginx", false),
        ("gcr.io/project/app", false),
        ("localhost:5000/app", false),
        ("account.dkr.ecr.us-west-2.amazonaws.com/app", false),
    ];
    for (image, expected) in table {
        assert_eq!(Registry::of_image(image).is_some(), expected, "{image}");
    }
    let host = "123456789012.dkr.ecr.us-west-2.amazonaws.com";
    assert!(Registry::parse(host).is_some());
}

#[test]
fn region_and_account_are_read_from_the_host() {
    let table = [
        (
            "123456789012.dkr.ecr.us-west-2.amazonaws.com",
            Some(("us-west-2", Some("123456789012"))),
        ),
        (
            "210987654321.dkr.ecr.eu-central-1.amazonaws.com",
            Some(("eu-central-1", Some("210987654321"))),
        ),
        (
            "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn:443",
            Some(("cn-north-1", Some("210987654321"))),
        ),
        ("public.ecr.aws", Some(("us-east-1", None))),
        ("docker.io", None),
    ];
    for (host, expected) in table {
        let registry = Registry::parse(host);
        let found = registry
            .as_ref()
            .map(|registry| (registry.region(), registry.account()));
        assert_eq!(found, expected, "{host}");
    }
}

#[test]
fn the_registry_of_an_image_is_its_host() {
    let host = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    for (image, expected) in [
        (format!("{host}/app:latest"), Some(host)),
        (format!("{host}/app"), Some(host)),
        ("nginx:latest".to_owned(), None),
        ("gcr.io/project/app:1".to_owned(), None),
    ] {
        let registry = Registry::of_image(&image);
        assert_eq!(registry.as_ref().map(Registry::host), expected, "{image}");
    }
}

#[test]
fn every_form_of_host_has_its_own_service() {
    let table = [
        (
            "dkr.ecr.eu-west-1.amazonaws.com",
            "api.ecr.eu-west-1.amazonaws.com",
        ),
        (
            "dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "api.ecr-fips.us-gov-west-1.amazonaws.com",
        ),
        ("dkr-ecr.eu-west-1.on.aws", "ecr.eu-west-1.api.aws"),
        (
            "dkr-ecr-fips.us-east-1.on.aws",
            "ecr-fips.us-east-1.api.aws",
        ),
        (
            "dkr.ecr.cn-north-1.amazonaws.com.cn",
            "api.ecr.cn-north-1.amazonaws.com.cn",
        ),
        (
            "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
            "ecr.cn-north-1.api.amazonwebservices.com.cn",
        ),
        (
            "dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "api.ecr.eusc-de-east-1.amazonaws.eu",
        ),
        (
            "dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu",
            "ecr.eusc-de-east-1.api.amazonwebservices.eu",
        ),
        (
            "dkr.ecr.us-iso-east-1.c2s.ic.gov",
            "api.ecr.us-iso-east-1.c2s.ic.gov",
        ),
        (
            "dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
            "api.ecr.us-isob-east-1.sc2s.sgov.gov",
        ),
        (
            "dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
            "api.ecr.eu-isoe-west-1.cloud.adc-e.uk",
        ),
        (
            "dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
            "api.ecr.us-isof-south-1.csp.hci.ic.gov",
        ),
    ];
    for (host, expected) in table {
        assert_eq!(
            api(&format!("123456789012.{host}")).as_deref(),
            Some(expected),
            "{host}"
        );
    }
    let public = "api.ecr-public.us-east-1.amazonaws.com";
    assert_eq!(api("Public.ECR.aws").as_deref(), Some(public));
    assert_eq!(
        api("ecr-public.aws.com").as_deref(),
        Some("ecr-public.us-east-1.api.aws")
    );
}

#[test]
fn what_only_looks_like_a_registry_of_amazon_is_none() {
    let hosts = [
        "",
        "123456789012",
        "12345678901.dkr.ecr.us-east-1.amazonaws.com",
        "1234567890123.dkr.ecr.us-east-1.amazonaws.com",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
        "123456789012.dkr.ecr.us-east-1.evil.example",
        "evil.example/123456789012.dkr.ecr.us-east-1.amazonaws.com",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/app",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com:5000",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com.",
        "123456789012.dkr.ecr..amazonaws.com",
        "123456789012.dkr.ecr.us@east.amazonaws.com",
        "123456789012.dkr.ecr.-us.amazonaws.com",
        "123456789012.dkr.ecr.a.b.amazonaws.com",
        "123456789012.dkr.ecr.us-east-1.on.aws",
        "123456789012.dkr-ecr.us-east-1.amazonaws.com",
        "123456789012.ecr.us-east-1.amazonaws.com",
        "x.public.ecr.aws",
        "public.ecr.aws.evil.example",
    ];
    for host in hosts {
        assert_eq!(Registry::parse(host), None, "{host}");
    }
}

#[test]
fn roles_are_asked_for_in_the_partition_of_the_region() {
    let table = [
        ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov"),
        ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
    ];
    for (region, expected) in table {
        assert_eq!(sts_host(region), expected);
    }
}
