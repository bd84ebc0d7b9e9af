use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_body_breaks_the_reader(body in proptest::collection::vec(any::<u8>(), 0..512), gzip in any::<bool>()) {
        let mut headers = HeaderMap::new();
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let _ = decode(&headers, &body);
    }

    #[test]
    fn no_report_breaks_what_is_known(
        pulls in proptest::collection::vec(("[a-z0-9:@/.-]{0,20}", any::<u64>(), any::<u64>(), any::<f64>(), 0_usize..8), 0..5),
        sequence in any::<u64>(),
        kind in 0_usize..3,
        protocol in any::<bool>(),
    ) {
        let mut nodes = crate::merge::Nodes::default();
        let kind = tracer_model::ReportKind::ALL[kind];
        let pulls: Vec<_> = pulls
            .into_iter()
            .map(|(name, total, downloaded, rate, phase)| tracer_model::ReportedPull {
                image_ref: name.clone(),
                id: name,
                total_bytes: total,
                downloaded_bytes: downloaded,
                bytes_per_sec: rate,
                eta_seconds: Some(rate),
                phase: tracer_model::Phase::ALL[phase],
                ..tracer_model::ReportedPull::default()
            })
            .collect();
        let report = Report {
            node_name: "a".to_owned(),
            timestamp: Timestamp::UNIX_EPOCH,
            finished: pulls.clone(),
            pulls,
            protocol: protocol.then_some(PROTOCOL),
            boot_id: "b".to_owned(),
            sequence,
            kind,
            runtime: None,
            agent_version: String::new(),
        };
        for _ in 0..2 {
            if let crate::merge::Outcome::Taken(changes) = nodes.take(report.clone(), Timestamp::UNIX_EPOCH) {
                for ended in &changes.finished {
                    let status = crate::status::ended("a", ended, Timestamp::UNIX_EPOCH);
                    prop_assert!((0.0..=100.0).contains(&status.percent));
                    prop_assert!(serde_json::to_string(&status).is_ok());
                }
            }
        }
        for pull in nodes.active() {
            prop_assert!((0.0..=100.0).contains(&pull.percent));
            prop_assert!(pull.bytes_per_sec.is_finite());
        }
    }
}
