//! Every version becomes the newest, and what is written can be read again by the rules of the newest.

use provisioner::config::{self, CreateFlags, Environment, Origin, Version};

use crate::{golden, support};

fn migrate(name: &str) -> String {
    config::migrate(&golden::read(name), &Origin::file(name))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_version_is_migrated_as_the_goldens_say() {
    for version in ["v1alpha2", "v1alpha3", "v1alpha4", "v1alpha5"] {
        let migrated = migrate(&format!("migrate/{version}.yaml"));
        golden::same(&format!("migrate/{version}.migrated.yaml"), &migrated);
    }
}

#[test]
fn the_same_configuration_in_two_versions_becomes_the_same_file() {
    assert_eq!(
        migrate("migrate/v1alpha2.yaml"),
        migrate("migrate/v1alpha3.yaml")
    );
}

#[test]
fn a_migrated_file_means_what_the_old_one_meant() {
    for version in ["v1alpha2", "v1alpha3", "v1alpha4", "v1alpha5"] {
        let old = golden::read(&format!("migrate/{version}.yaml"));
        let old = support::load(&old, &[]).unwrap();
        let new = golden::read(&format!("migrate/{version}.migrated.yaml"));
        let new = support::load(&new, &[]).unwrap();
        assert_eq!(new.version, Version::NEWEST);
        let timeless = |mut simple: config::Simple| {
            // A number of nanoseconds reads as the same duration in other words.
            simple.options.k3d.timeout = None;
            simple
        };
        assert_eq!(timeless(old.simple()), timeless(new.simple()), "{version}");
    }
}

#[test]
fn migrating_twice_changes_nothing() {
    let once = migrate("migrate/v1alpha2.yaml");
    assert_eq!(
        config::migrate(&once, &Origin::standard_input()).unwrap(),
        once
    );
}

#[test]
fn old_files_are_loaded_with_a_word_on_how_to_renew_them() {
    let loaded = support::load(&golden::read("migrate/v1alpha2.yaml"), &[]).unwrap();
    assert_eq!(loaded.version, Version::V1alpha2);
    assert!(
        loaded
            .warnings
            .iter()
            .any(|warning| warning.to_string().contains("config migrate"))
    );
    let simple = loaded.simple();
    assert_eq!(simple.metadata.name, "test");
    assert_eq!(simple.registries.create.name, "k3d-test-registry");
}

#[test]
fn a_new_file_holds_the_defaults_and_can_be_loaded() {
    let text = config::init("docker.io/rancher/k3s:v1");
    assert_eq!(
        text,
        "---\napiVersion: k3d.io/v1alpha5\nkind: Simple\nmetadata:\n  name: k3s-default\nservers: 1\nagents: 0\nimage: docker.io/rancher/k3s:v1\n"
    );
    let loaded = config::load(&text, &Origin::standard_input(), &Environment::default()).unwrap();
    let merged = config::merge(loaded, &CreateFlags::default(), &Environment::default()).unwrap();
    assert_eq!(
        (merged.simple.servers, merged.simple.agents),
        (Some(1), Some(0))
    );
}

#[test]
fn texts_that_others_read_as_something_else_are_written_in_quotes() {
    let text = format!(
        "{}token: 'yes'\nimage: '80:80'\nenv:\n- envVar: 'A: b'\n- envVar: \"X=\\ty\\n\\n\"\n",
        support::HEADER
    );
    let migrated = config::migrate(&text, &Origin::standard_input()).unwrap();
    for line in [
        "token: \"yes\"",
        "image: \"80:80\"",
        "- envVar: \"A: b\"",
        "- envVar: \"X=\\ty\\n\\n\"",
    ] {
        assert!(migrated.contains(line), "{migrated}");
    }
    let (old, new) = (
        support::load(&text, &[]).unwrap(),
        support::load(&migrated, &[]).unwrap(),
    );
    assert_eq!(old.simple(), new.simple());
}

#[test]
fn variables_stay_as_they_are_so_that_no_secret_gets_into_the_new_file() {
    let text = "apiVersion: k3d.io/v1alpha3\nkind: Simple\nname: a\nservers: $SERVERS\ntoken: ${TOKEN}\nimage: pa$$\n";
    let migrated = config::migrate(text, &Origin::standard_input()).unwrap();
    assert!(migrated.contains("servers: $SERVERS\n"), "{migrated}");
    assert!(migrated.contains("token: \"${TOKEN}\"\n"), "{migrated}");
    assert!(migrated.contains("image: pa$$\n"), "{migrated}");
    let values = [("SERVERS", "3"), ("TOKEN", "t0")];
    let (old, new) = (
        support::load(text, &values).unwrap(),
        support::load(&migrated, &values).unwrap(),
    );
    assert_eq!(old.simple().servers, Some(3));
    assert_eq!(old.simple(), new.simple());
}
