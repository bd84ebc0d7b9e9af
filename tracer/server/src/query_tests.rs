use proptest::prelude::*;

use super::*;
use crate::fixtures::{active, finished};

fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

fn rows() -> Vec<(Summary, String)> {
    let mut pulls: Vec<PullStatus> = (0..7)
        .map(|number| {
            finished(
                &format!("worker-{}", number % 2),
                &number.to_string(),
                "quay.io/a:1",
                100 + number,
            )
        })
        .collect();
    pulls.push(active("worker-0", "now", "docker.io/library/nginx:1"));
    pulls[2].pods = vec![PodCorrelation {
        namespace: "shop".to_owned(),
        pod_name: "web-1".to_owned(),
        container: "web".to_owned(),
        image: String::new(),
    }];
    pulls
        .iter()
        .map(|pull| (Summary::of(pull), pull.id.clone()))
        .collect()
}

fn ids(text: &str) -> Vec<String> {
    let query = Query::parse(text, now()).unwrap();
    let rows = rows()
        .into_iter()
        .filter(|(summary, _)| query.filter.passes(summary))
        .collect();
    query.page(rows).0
}

#[test]
fn filters_are_joined_by_and() {
    assert_eq!(ids("").len(), 8);
    assert_eq!(ids("state=active"), ["worker-0:now"]);
    assert_eq!(ids("state=done,failed").len(), 7);
    assert_eq!(ids("image=NGINX"), ["worker-0:now"]);
    assert_eq!(ids("registry=quay.io&node=worker-1").len(), 3);
    assert_eq!(ids("namespace=shop&pod=web"), ["worker-0:2"]);
    assert_eq!(ids("namespace=other&pod=web").len(), 0);
    assert_eq!(
        ids("since=1970-01-01T00:01:45Z").len(),
        3,
        "two that ended since and the one that goes on"
    );
}

#[test]
fn what_goes_on_is_first_then_the_newest() {
    assert_eq!(ids("limit=3"), ["worker-0:now", "worker-0:6", "worker-1:5"]);
    assert_eq!(
        ids("sort=-completedAt&limit=2"),
        ["worker-0:now", "worker-0:6"]
    );
    assert_eq!(ids("sort=duration&state=succeeded&limit=1"), ["worker-0:0"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    for (text, name) in [
        ("state=lost", "state"),
        ("sort=colour", "sort"),
        ("limit=0", "limit"),
        ("limit=9999", "limit"),
        ("since=yesterday", "since"),
        ("since=9999999999999999999d", "since"),
        ("cursor=%20", "cursor"),
    ] {
        let error = Query::parse(text, now()).unwrap_err();
        assert_eq!(error.name, name, "{text}");
    }
    assert!(Query::parse("since=30m&unknown=1", now()).is_ok());
}

proptest! {
    #[test]
    fn pages_together_are_the_whole_list(limit in 1_usize..9, sort in 0_usize..9, descending in any::<bool>()) {
        let sorts = ["state", "node", "image", "startedAt", "completedAt", "totalBytes", "duration", "bytesPerSec", "percent"];
        let text = format!("sort={}{}&limit={limit}", if descending { "-" } else { "" }, sorts[sort]);
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let query = Query::parse(&format!("{text}&cursor={cursor}"), now()).unwrap();
            let (page, total, next) = query.page(rows());
            prop_assert_eq!(total, 8);
            all.extend(page);
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        let whole = Query::parse(&format!("sort={}{}", if descending { "-" } else { "" }, sorts[sort]), now()).unwrap();
        prop_assert_eq!(all, whole.page(rows()).0);
    }

    #[test]
    fn no_query_breaks_the_reader(text in ".{0,80}") {
        let _ = Query::parse(&text, now());
    }
}
