//! Which Secrets of old revisions may go. Pure.

use std::collections::BTreeSet;

use crate::facts::ObjectFacts;

/// How many revisions are kept even if nobody names them.
const KEEP: usize = 3;

/// Names of Secrets that are neither among the newest nor named by a template, a pod or the status.
pub(crate) fn prune(secrets: &[ObjectFacts], named: &BTreeSet<String>) -> Vec<String> {
    let mut newest: Vec<&ObjectFacts> = secrets.iter().collect();
    newest.sort_by(|one, other| (other.created, &other.name).cmp(&(one.created, &one.name)));
    newest
        .into_iter()
        .skip(KEEP)
        .filter(|secret| {
            secret
                .revision
                .as_ref()
                .is_some_and(|revision| !named.contains(revision))
        })
        .map(|secret| secret.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn secret(age: i64, revision: &str) -> ObjectFacts {
        ObjectFacts {
            name: format!("default-{revision}"),
            version: None,
            created: Some(Timestamp::from_second(1_000_000 - age).unwrap()),
            config: Some("default".to_owned()),
            revision: Some(revision.to_owned()),
        }
    }

    #[test]
    fn the_three_newest_and_the_named_ones_stay() {
        let secrets: Vec<_> = (0..6).map(|age| secret(age, &format!("r{age}"))).collect();
        let named = BTreeSet::from(["r4".to_owned()]);
        assert_eq!(prune(&secrets, &named), ["default-r3", "default-r5"]);
    }

    proptest! {
        #[test]
        fn a_named_revision_is_never_dropped(ages in prop::collection::vec(0_i64..50, 0..20), named in prop::collection::btree_set(0_usize..20, 0..8)) {
            let secrets: Vec<_> = ages.iter().enumerate().map(|(index, age)| secret(*age, &format!("r{index}"))).collect();
            let named: BTreeSet<String> = named.into_iter().map(|index| format!("r{index}")).collect();
            let gone = prune(&secrets, &named);
            for name in &named {
                let secret = format!("default-{name}");
                prop_assert!(!gone.contains(&secret));
            }
            prop_assert!(secrets.len() - gone.len() >= secrets.len().min(KEEP));
        }
    }
}
