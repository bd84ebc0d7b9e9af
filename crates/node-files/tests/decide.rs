//! The laws of deciding, on a model of a node.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use node_files::layout::{
    DOCUMENT, ORIGINAL, ORIGINAL_ABSENT, PREVIOUS, ca_secret_key, client_secret_key,
    is_pem_file_name, pem_file_name, tls_id,
};
use node_files::{
    Action, At, Found, FoundFile, HiddenBytes, Original, Wanted, decide, decide_record,
    decide_restore,
};
use proptest::prelude::*;

fn file(text: &str) -> FoundFile {
    FoundFile {
        bytes: text.into(),
        mode: 0o600,
        uid: 0,
        ours: true,
        modified: 0,
    }
}

fn wanted(document: &str, pems: &[(&str, &str)]) -> Wanted {
    let pems = pems
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), (*bytes).into()));
    Wanted::from_parts(document, pems)
}

/// What `carry_out` does, on the model.
fn model(mut found: Found, actions: &[Action]) -> Found {
    for action in actions {
        let at = action.at().clone();
        found.leftovers.retain(|leftover| *leftover != at);
        match action {
            Action::Write(_, bytes) | Action::Link { bytes, .. } => {
                put(&mut found, &at, Some(bytes));
            }
            Action::Remove(_) => put(&mut found, &at, None),
            Action::Restrict(_) => {
                let place = if at.is_document() {
                    found.document.as_mut()
                } else {
                    found.pems.get_mut(&at.name).unwrap().as_mut()
                };
                place.unwrap().mode = 0o600;
            }
        }
    }
    found
}

fn put(found: &mut Found, at: &At, bytes: Option<&HiddenBytes>) {
    let file = bytes.map(|bytes| FoundFile {
        bytes: bytes.clone(),
        ..file("")
    });
    match (at.own, at.name.as_str()) {
        (false, DOCUMENT) => found.document = file,
        (true, PREVIOUS) => found.has_previous = bytes.is_some(),
        (true, ORIGINAL) => {
            found.original = bytes
                .cloned()
                .map_or(Original::Unrecorded, Original::Document);
        }
        (true, ORIGINAL_ABSENT) => {
            found.original = if bytes.is_some() {
                Original::Absent
            } else {
                Original::Unrecorded
            };
        }
        (true, name) if is_pem_file_name(name) => match file {
            Some(file) => drop(found.pems.insert(name.to_owned(), Some(file))),
            None => drop(found.pems.remove(name)),
        },
        _ => assert!(bytes.is_none(), "nothing else is ever written: {at:?}"),
    }
}

fn names(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .map(|action| {
            let verb = match action {
                Action::Write(..) => "write",
                Action::Link { from, .. } if from.is_document() => "link registries.yaml to",
                Action::Link { .. } => "link original to",
                Action::Restrict(_) => "restrict",
                Action::Remove(_) => "remove",
            };
            format!(
                "{verb} {}{}",
                if action.at().own { "berth/" } else { "" },
                action.at().name
            )
        })
        .collect()
}

const OLD: &str = "00000000000000aa.ca.crt";
const NEW: &str = "00000000000000bb.client.pem";

#[test]
fn the_first_write_records_what_was_there() {
    let found = Found {
        document: Some(file("theirs")),
        ..Found::default()
    };
    let actions = decide(&wanted("ours", &[(NEW, "pem")]), &found);
    let expected = [
        "write berth/original.yaml",
        "write berth/00000000000000bb.client.pem",
        "link registries.yaml to berth/previous.yaml",
        "write registries.yaml",
    ];
    assert_eq!(names(&actions), expected);
    assert_eq!(
        names(&decide(&wanted("ours", &[]), &Found::default())),
        ["write berth/original.absent", "write registries.yaml"]
    );
}

#[test]
fn certificate_files_come_before_the_document_and_unused_ones_go_after_it() {
    let found = Found {
        document: Some(file("old")),
        original: Original::Absent,
        pems: BTreeMap::from([(OLD.to_owned(), Some(file("pem")))]),
        has_previous: true,
        ..Found::default()
    };
    let expected = [
        "write berth/00000000000000bb.client.pem",
        "link registries.yaml to berth/previous.yaml",
        "write registries.yaml",
        "remove berth/00000000000000aa.ca.crt",
    ];
    assert_eq!(
        names(&decide(&wanted("new", &[(NEW, "pem")]), &found)),
        expected
    );
}

#[test]
fn a_file_that_is_equal_is_left_alone_but_for_its_mode_and_owner() {
    let at_wanted = Found {
        document: Some(file("ours")),
        original: Original::Absent,
        ..Found::default()
    };
    let wanted = wanted("ours", &[]);
    assert_eq!(decide(&wanted, &at_wanted), []);
    let open = Found {
        document: Some(FoundFile {
            mode: 0o644,
            ..file("ours")
        }),
        ..at_wanted.clone()
    };
    assert_eq!(names(&decide(&wanted, &open)), ["restrict registries.yaml"]);
    let theirs = Found {
        document: Some(FoundFile {
            ours: false,
            ..file("ours")
        }),
        ..at_wanted
    };
    assert_eq!(names(&decide(&wanted, &theirs)), ["write registries.yaml"]);
}

#[test]
fn a_file_that_others_may_read_is_kept_under_a_name_of_its_own() {
    let open = Some(FoundFile {
        mode: 0o644,
        ..file("theirs")
    });
    let first = Found {
        document: open.clone(),
        ..Found::default()
    };
    let expected = [
        "write berth/original.yaml",
        "link original to berth/previous.yaml",
        "write registries.yaml",
    ];
    assert_eq!(names(&decide(&wanted("ours", &[]), &first)), expected);
    let later = Found {
        document: open,
        original: Original::Absent,
        ..Found::default()
    };
    let expected = ["write berth/previous.yaml", "write registries.yaml"];
    assert_eq!(names(&decide(&wanted("ours", &[]), &later)), expected);
}

#[test]
fn a_link_among_the_certificate_files_is_replaced() {
    let found = Found {
        document: Some(file("ours")),
        original: Original::Absent,
        pems: BTreeMap::from([(NEW.to_owned(), None), (OLD.to_owned(), None)]),
        ..Found::default()
    };
    let expected = [
        "write berth/00000000000000bb.client.pem",
        "remove berth/00000000000000aa.ca.crt",
    ];
    assert_eq!(
        names(&decide(&wanted("ours", &[(NEW, "pem")]), &found)),
        expected
    );
}

#[test]
fn restoring_puts_the_original_back_and_forgets_it_last() {
    let found = Found {
        document: Some(file("ours")),
        original: Original::Document("theirs".into()),
        pems: BTreeMap::from([(NEW.to_owned(), Some(file("pem")))]),
        has_previous: true,
        ..Found::default()
    };
    let expected = [
        "write registries.yaml",
        "remove berth/00000000000000bb.client.pem",
        "remove berth/previous.yaml",
        "remove berth/original.yaml",
    ];
    assert_eq!(names(&decide_restore(&found)), expected);
    let absent = Found {
        original: Original::Absent,
        pems: BTreeMap::new(),
        has_previous: false,
        ..found
    };
    assert_eq!(
        names(&decide_restore(&absent)),
        ["remove registries.yaml", "remove berth/original.absent"]
    );
}

#[test]
fn restoring_a_node_that_was_never_written_to_touches_no_file() {
    let found = Found {
        document: Some(file("theirs")),
        ..Found::default()
    };
    assert_eq!(decide_restore(&found), []);
}

#[test]
fn secret_data_is_taken_by_key_and_unknown_keys_are_left_out() {
    let id = tls_id("mirror.internal:5000");
    let data = BTreeMap::from([
        (DOCUMENT.to_owned(), b"mirrors: {}\n".to_vec()),
        (ca_secret_key(&id), b"ca".to_vec()),
        (client_secret_key(&id), b"client".to_vec()),
        ("later.yaml".to_owned(), b"?".to_vec()),
    ]);
    let wanted = Wanted::from_secret_data(data).unwrap();
    let names: Vec<&str> = wanted.pems.keys().map(String::as_str).collect();
    let (ca, client) = (ca_secret_key(&id), client_secret_key(&id));
    assert_eq!(
        names,
        [pem_file_name(&ca).unwrap(), pem_file_name(&client).unwrap()]
    );
    assert_eq!(Wanted::from_secret_data(BTreeMap::new()), None);
}

#[test]
fn debug_output_shows_no_contents() {
    let found = Found {
        document: Some(file("s3cret")),
        ..Found::default()
    };
    let wanted = wanted("s3cret", &[(NEW, "s3cret")]);
    let text = format!("{wanted:?} {found:?} {:?}", decide(&wanted, &found));
    assert!(
        text.contains("<REDACTED>") && !text.contains("s3cret"),
        "{text}"
    );
}

fn any_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "b", "c"])
}

fn any_file() -> impl Strategy<Value = FoundFile> {
    (
        any_text(),
        prop::sample::select(vec![0o600, 0o644, 0o400]),
        any::<bool>(),
    )
        .prop_map(|(text, mode, ours)| FoundFile {
            mode,
            ours,
            ..file(text)
        })
}

fn any_found() -> impl Strategy<Value = Found> {
    let pems = prop::collection::btree_map(
        prop::sample::select(vec![OLD.to_owned(), NEW.to_owned()]),
        prop::option::of(any_file()),
        0..=2,
    );
    let original = prop_oneof![
        Just(Original::Unrecorded),
        Just(Original::Absent),
        any_text().prop_map(|text| Original::Document(text.into())),
    ];
    let leftovers = prop::collection::btree_set(
        prop::sample::select(vec![
            At::own(".previous.yaml.berth-new"),
            At::own(".original.yaml.berth-new"),
        ]),
        0..=2,
    );
    (
        prop::option::of(any_file()),
        pems,
        original,
        any::<bool>(),
        leftovers,
    )
        .prop_map(
            |(document, pems, original, has_previous, leftovers)| Found {
                document,
                pems,
                original,
                has_previous,
                leftovers: leftovers.into_iter().collect(),
                contested: None,
            },
        )
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let pems = prop::collection::btree_map(
        prop::sample::select(vec![OLD.to_owned(), NEW.to_owned()]),
        any_text().prop_map(HiddenBytes::from),
        0..=2,
    );
    (any_text(), pems).prop_map(|(document, pems)| Wanted::from_parts(document, pems))
}

proptest! {
    #[test]
    fn deciding_twice_gives_no_second_action(wanted in any_wanted(), found in any_found()) {
        let after = model(found.clone(), &decide(&wanted, &found));
        prop_assert_eq!(decide(&wanted, &after), []);
        let restored = model(found.clone(), &decide_restore(&found));
        prop_assert_eq!(decide_restore(&restored), []);
        let recorded = model(found.clone(), &decide_record(&found));
        prop_assert_eq!(decide_record(&recorded), []);
    }

    #[test]
    fn a_node_gets_exactly_what_is_wanted_and_keeps_its_first_record(wanted in any_wanted(), found in any_found()) {
        let after = model(found.clone(), &decide(&wanted, &found));
        prop_assert_eq!(after.document.unwrap().bytes, wanted.document);
        let pems: BTreeMap<_, _> = after.pems.into_iter().map(|(name, file)| (name, file.unwrap().bytes)).collect();
        prop_assert_eq!(pems, wanted.pems);
        prop_assert_eq!(after.leftovers, []);
        prop_assert_ne!(&after.original, &Original::Unrecorded);
        if found.original != Original::Unrecorded {
            prop_assert_eq!(after.original, found.original);
        }
    }

    #[test]
    fn stopping_anywhere_and_starting_again_ends_the_same(
        wanted in any_wanted(),
        found in any_found(),
        stop in any::<prop::sample::Index>(),
    ) {
        let actions = decide(&wanted, &found);
        let stopped = model(found.clone(), &actions[..stop.index(actions.len() + 1)]);
        let whole = model(found, &actions);
        let again = model(stopped.clone(), &decide(&wanted, &stopped));
        prop_assert_eq!(again.document, whole.document);
        prop_assert_eq!(again.pems, whole.pems);
        prop_assert_eq!(again.original, whole.original);
    }

    #[test]
    fn a_change_and_a_restore_leave_what_was_there(wanted in any_wanted(), document in prop::option::of(any_file())) {
        let before = Found { document, ..Found::default() };
        let changed = model(before.clone(), &decide(&wanted, &before));
        let restored = model(changed.clone(), &decide_restore(&changed));
        let bytes = |found: &Found| found.document.as_ref().map(|file| file.bytes.clone());
        prop_assert_eq!(bytes(&restored), bytes(&before));
        prop_assert_eq!(restored.original, Original::Unrecorded);
        prop_assert!(restored.pems.is_empty() && !restored.has_previous);
    }

    #[test]
    fn a_file_is_kept_before_it_is_replaced(wanted in any_wanted(), found in any_found()) {
        let actions = decide(&wanted, &found);
        let place = |wanted: &At| actions.iter().position(|action| action.at() == wanted);
        if let (Some(old), Some(document)) = (&found.document, place(&At::document()))
            && old.bytes != wanted.document
        {
            prop_assert!(place(&At::own(PREVIOUS)).unwrap() < document);
        }
    }
}
