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

/// Reads and takes a body; nothing of it may end the process or leave figures that are none.
fn take_whatever_comes(gzip: bool, body: &[u8]) {
    let mut headers = HeaderMap::new();
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let report = match decode(&headers, body) {
        Ok(report) => report,
        Err((status, why)) => {
            assert!(status.is_client_error() && !why.is_empty());
            return;
        }
    };
    let mut nodes = crate::merge::Nodes::default();
    for _ in 0..2 {
        if let crate::merge::Outcome::Taken(changes) =
            nodes.take(report.clone(), Timestamp::UNIX_EPOCH)
        {
            for ended in &changes.finished {
                let status = crate::status::ended("a", ended, Timestamp::UNIX_EPOCH);
                assert!(serde_json::to_string(&status).is_ok());
            }
        }
    }
    for pull in nodes.active() {
        assert!((0.0..=100.0).contains(&pull.percent) && pull.bytes_per_sec.is_finite());
        assert!(serde_json::to_string(pull.as_ref()).is_ok());
    }
}

#[test]
fn a_body_of_any_bytes_is_read_or_refused() {
    bolero::check!()
        .with_iterations(20_000)
        .with_type::<(bool, Vec<u8>)>()
        .for_each(|(gzip, body)| take_whatever_comes(*gzip, body));
}

#[test]
fn a_report_that_was_tampered_with_is_read_or_refused() {
    let report = serde_json::json!({
        "nodeName": "worker-1", "timestamp": "2026-11-21T02:08:04.134457766Z", "protocol": 2, "bootId": "b", "sequence": 1,
        "kind": "full", "agentVersion": "0.1.0", "runtime": {"state": "connected", "name": "containerd", "version": "2.1.9"},
        "pulls": [{
            "id": "1", "imageRef": "quay.io/a:1", "nameConfidence": "exact", "source": "lease", "phase": "downloading",
            "totalBytes": 100, "downloadedBytes": 5, "bytesPerSec": 1.5, "etaSeconds": 3.0, "totalKnown": true,
            "startedAt": "2026-11-21T02:00:00Z", "expectedEndpoints": [{"url": "https://mirror.test"}],
            "layers": [{"digest": "sha256:1", "totalBytes": 100, "downloadedBytes": 5, "state": "downloading", "order": 0}],
        }],
        "finished": [{"id": "0", "imageRef": "b", "phase": "failed", "failure": {"class": "unauthorized", "message": "no"},
                      "startedAt": "2026-11-21T02:00:00Z", "completedAt": "2026-11-21T02:00:01Z"}],
    });
    let plain = report.to_string().into_bytes();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &plain).unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(decode(&HeaderMap::new(), &plain).unwrap().finished.len(), 1);
    bolero::check!()
        .with_iterations(20_000)
        .with_type::<(bool, u16, Vec<(u16, u8)>)>()
        .for_each(|(gzip, cut, edits)| {
            let mut bytes = if *gzip { packed.clone() } else { plain.clone() };
            for (at, byte) in edits {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *byte;
            }
            if cut % 4 == 0 {
                bytes.truncate(usize::from(*cut) % bytes.len());
            }
            take_whatever_comes(*gzip, &bytes);
        });
}
