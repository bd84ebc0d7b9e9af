//! Lists in pages: `n`, `last`, and the `Link` to the next page.

/// What a request wants of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// At most so many.
    pub(super) count: Option<usize>,
    /// Only what comes after this one.
    pub(super) last: Option<String>,
}

/// The entries of a page and, when there are more, the last of them.
pub(super) fn page(sorted: Vec<String>, wanted: &Page) -> (Vec<String>, Option<String>) {
    let after = |entry: &String| wanted.last.as_ref().is_none_or(|last| entry > last);
    let mut entries: Vec<String> = sorted.into_iter().filter(after).collect();
    let count = wanted.count.unwrap_or(usize::MAX);
    let more = entries.len() > count;
    entries.truncate(count);
    let next = entries.last().cloned().filter(|_| more);
    (entries, next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn walk(sorted: &[String], count: usize) -> Vec<String> {
        let (mut all, mut last) = (Vec::new(), None);
        loop {
            let wanted = Page {
                count: Some(count),
                last,
            };
            let (entries, next) = page(sorted.to_vec(), &wanted);
            all.extend(entries);
            match next {
                Some(next) => last = Some(next),
                None => return all,
            }
        }
    }

    #[test]
    fn last_is_exclusive_and_need_not_exist() {
        let list: Vec<String> = ["a", "b", "d"].map(str::to_owned).to_vec();
        let after = |last: &str| {
            page(
                list.clone(),
                &Page {
                    count: None,
                    last: Some(last.to_owned()),
                },
            )
            .0
        };
        assert_eq!(after("b"), ["d"]);
        assert_eq!(after("c"), ["d"]);
        assert!(after("d").is_empty());
    }

    #[test]
    fn a_page_of_none_has_no_next_one() {
        let list = vec!["a".to_owned()];
        assert_eq!(
            page(
                list,
                &Page {
                    count: Some(0),
                    last: None
                }
            ),
            (vec![], None)
        );
    }

    proptest! {
        #[test]
        fn pages_together_are_the_list(list in prop::collection::btree_set("[A-Za-z0-9]{1,4}", 0..20), count in 1_usize..7) {
            let sorted: Vec<String> = list.into_iter().collect();
            prop_assert_eq!(walk(&sorted, count), sorted);
        }
    }
}
