//! Who makes room: pure.

use crate::names::Digest;

/// A blob that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// When it was used last; larger is later.
    pub(super) used: u64,
}

/// The blobs that must go so that `need` bytes become free, those unused for longest first; nothing when all of them
/// together are not enough.
pub(super) fn choose(mut candidates: Vec<Candidate>, need: u64) -> Option<Vec<Candidate>> {
    candidates.sort_by(|a, b| (a.used, &a.digest).cmp(&(b.used, &b.digest)));
    let mut free = 0_u64;
    let mut chosen = Vec::new();
    for candidate in candidates {
        if free >= need {
            break;
        }
        free = free.saturating_add(candidate.size);
        chosen.push(candidate);
    }
    (free >= need).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Candidate, choose};
    use crate::names::Digest;

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let candidate = |(number, (size, used)): (usize, (u64, u64))| Candidate {
            digest: Digest::parse(&format!("sha256:{number:064x}")).unwrap(),
            size,
            used,
        };
        prop::collection::vec((0..1000_u64, 0..50_u64), 0..40)
            .prop_map(move |all| all.into_iter().enumerate().map(candidate).collect())
    }

    proptest! {
        #[test]
        fn as_few_as_needed_go_and_the_longest_unused_first(all in candidates(), need in 0..20_000_u64) {
            let total: u64 = all.iter().map(|candidate| candidate.size).sum();
            let Some(chosen) = choose(all.clone(), need) else {
                prop_assert!(total < need);
                return Ok(());
            };
            let free: u64 = chosen.iter().map(|candidate| candidate.size).sum();
            prop_assert!(free >= need);
            if let Some(last) = chosen.last() {
                prop_assert!(free - last.size < need);
                let stays = all.iter().filter(|candidate| !chosen.contains(candidate));
                prop_assert!(stays.into_iter().all(|candidate| candidate.used >= last.used));
            }
        }
    }
}
