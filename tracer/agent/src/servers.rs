//! A reporter for each server behind the name of a Service without an address of its own; servers that move keep theirs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracer_model::ReportedPull;
use url::Url;

use crate::reporter::{Reporter, Shared};

/// Between two questions for the name's addresses.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// For so long what a server has not heard is kept for the one in its place.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether several addresses of this name are several servers: it is that of a Service, `NAME.NAMESPACE.svc`. Of other names
/// nobody knows; they may be ways to the same server.
pub fn is_service(url: &Url) -> bool {
    url.domain()
        .is_some_and(|name| name.split('.').nth(2) == Some("svc"))
}

/// The addresses to report to: a server of two families is one server.
pub fn of_one_family(resolved: &[SocketAddr]) -> BTreeSet<SocketAddr> {
    let is_like_first = |address: &&SocketAddr| {
        resolved
            .first()
            .is_some_and(|first| first.is_ipv4() == address.is_ipv4())
    };
    resolved.iter().filter(is_like_first).copied().collect()
}

/// Where each reporter goes from now on; those at the end are new. One whose server is gone takes the place of another that
/// came, with all that it has not told yet, and else stays where it was.
pub fn assigned(
    reporters: &[Option<SocketAddr>],
    found: &BTreeSet<SocketAddr>,
) -> Vec<Option<SocketAddr>> {
    let is_taken = |address: &&SocketAddr| !reporters.contains(&Some(**address));
    let mut free = found.iter().filter(is_taken).copied();
    let mut places: Vec<_> = reporters
        .iter()
        .map(|at| match at {
            Some(address) if found.contains(address) => Some(*address),
            _ => free.next().or(*at),
        })
        .collect();
    places.extend(free.map(Some));
    places
}

/// Reports to all servers behind one name until the node is watched no more.
pub struct Servers {
    shared: Shared,
    finished: mpsc::UnboundedReceiver<ReportedPull>,
    reporters: Vec<Handle>,
    tasks: JoinSet<()>,
}

struct Handle {
    address: watch::Sender<Option<SocketAddr>>,
    finished: mpsc::UnboundedSender<ReportedPull>,
    gone_since: Option<Instant>,
}

impl Servers {
    /// The first reporter asks for the name itself, so that nothing waits for the first answer.
    pub fn new(shared: Shared, finished: mpsc::UnboundedReceiver<ReportedPull>) -> Self {
        let mut servers = Self {
            shared,
            finished,
            reporters: Vec::new(),
            tasks: JoinSet::new(),
        };
        servers.begin(None);
        servers
    }

    /// Ends when the last of its reporters has.
    pub async fn run(mut self) {
        let is_several = is_service(&self.shared.target.url);
        let mut due = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due), if is_several => {
                    self.ask().await;
                    due = Instant::now() + ASK_AGAIN;
                }
                pull = self.finished.recv() => match pull {
                    Some(pull) => for reporter in &self.reporters {
                        // One that is gone needs nothing.
                        let _ = reporter.finished.send(pull.clone());
                    },
                    None => break,
                },
            }
        }
        self.reporters.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    async fn ask(&mut self) {
        let url = &self.shared.target.url;
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let resolved: Vec<_> = match tokio::net::lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            // Nobody is gone because nobody answers.
            Err(_) => return,
        };
        self.follow(&of_one_family(&resolved), Instant::now());
    }

    fn follow(&mut self, found: &BTreeSet<SocketAddr>, now: Instant) {
        if found.is_empty() {
            return;
        }
        let before: Vec<_> = self
            .reporters
            .iter()
            .map(|reporter| *reporter.address.borrow())
            .collect();
        let places = assigned(&before, found);
        for (reporter, place) in self.reporters.iter_mut().zip(&places) {
            reporter.address.send_if_modified(|at| {
                let moves = at != place;
                *at = *place;
                moves
            });
            let is_there = place.is_some_and(|address| found.contains(&address));
            reporter.gone_since = if is_there {
                None
            } else {
                reporter.gone_since.or(Some(now))
            };
        }
        for place in places.iter().skip(before.len()) {
            self.begin(*place);
        }
        let is_kept = |reporter: &Handle| {
            let gone = reporter.gone_since;
            gone.is_none_or(|since| now.duration_since(since) < PATIENCE)
        };
        self.reporters.retain(is_kept);
        if places != before {
            tracing::info!(server.url = %self.shared.target.url, servers = found.len(), "servers behind the name");
        }
    }

    fn begin(&mut self, place: Option<SocketAddr>) {
        let (address, at) = watch::channel(place);
        let (finished, ended) = mpsc::unbounded_channel();
        let reporter = Reporter::new(self.shared.clone(), at, ended);
        self.tasks.spawn(reporter.run());
        self.reporters.push(Handle {
            address,
            finished,
            gone_since: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use axum::body::Bytes;
    use prometheus::Registry;
    use tracer_model::Report;

    use super::*;
    use crate::health::Metrics;
    use crate::post::{Target, Token};
    use crate::reporter::Present;
    use crate::watch::unreachable_runtime;

    /// By server: the pulls whose end it heard of.
    type Heard = Arc<Mutex<BTreeMap<SocketAddr, BTreeSet<String>>>>;

    async fn server(heard: &Heard) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = heard.clone();
        let keep = async move |body: Bytes| {
            let report: Report = serde_json::from_slice(&body).expect("a short report is plain");
            let ids = report.finished.into_iter().map(|pull| pull.id);
            heard
                .lock()
                .unwrap()
                .entry(address)
                .or_default()
                .extend(ids);
            "{}"
        };
        let routes = axum::Router::new().route("/api/v1/report", axum::routing::post(keep));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (address, task)
    }

    fn servers_at(address: SocketAddr) -> (Servers, watch::Sender<Present>) {
        let (node, present) = watch::channel(Present {
            active: Vec::new(),
            runtime: unreachable_runtime(),
        });
        let target = Target {
            url: format!("http://{address}").parse().unwrap(),
            ca_file: None,
            token: Token::None,
        };
        let shared = Shared {
            target,
            node_name: "worker-0".to_owned(),
            boot_id: "b".to_owned(),
            interval: Duration::from_millis(100),
            present,
            metrics: Metrics::new(&Registry::new()).unwrap(),
        };
        let (_, finished) = mpsc::unbounded_channel();
        (Servers::new(shared, finished), node)
    }

    async fn hears(heard: &Heard, address: SocketAddr, id: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let has = || {
            let heard = heard.lock().unwrap();
            heard.get(&address).is_some_and(|ids| ids.contains(id))
        };
        while !has() {
            assert!(Instant::now() < deadline, "{address} never heard of {id}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn tell(servers: &Servers, id: &str) {
        for reporter in &servers.reporters {
            let pull = ReportedPull {
                id: id.to_owned(),
                ..ReportedPull::default()
            };
            reporter.finished.send(pull).unwrap();
        }
    }

    #[tokio::test]
    async fn every_server_hears_of_a_pull_and_the_one_in_a_dead_ones_place_of_what_that_missed() {
        let heard = Heard::default();
        let ((a, first), (b, _second), (c, _third)) = (
            server(&heard).await,
            server(&heard).await,
            server(&heard).await,
        );
        let (mut servers, _node) = servers_at(a);
        servers.follow(&BTreeSet::from([a, b]), Instant::now());
        tell(&servers, "one");
        hears(&heard, a, "one").await;
        hears(&heard, b, "one").await;

        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        tell(&servers, "two");
        hears(&heard, b, "two").await;
        servers.follow(&BTreeSet::from([b, c]), Instant::now());
        hears(&heard, c, "two").await;
        let heard = heard.lock().unwrap().clone();
        assert!(!heard[&c].contains("one"), "{heard:?}");
        assert_eq!(servers.reporters.len(), 2);
    }

    #[tokio::test]
    async fn a_server_that_stays_away_is_given_up_in_the_end() {
        let [a, b] = addresses(&["127.0.0.1:1", "127.0.0.1:2"])[..] else {
            panic!();
        };
        let (mut servers, _node) = servers_at(a);
        let began = Instant::now();
        for (after, found, left) in [
            (Duration::ZERO, vec![a, b], 2),
            (Duration::from_secs(1), vec![b], 2),
            (PATIENCE, vec![], 2),
            (PATIENCE + Duration::from_secs(1), vec![b], 1),
        ] {
            servers.follow(&found.into_iter().collect(), began + after);
            assert_eq!(servers.reporters.len(), left, "after {after:?}");
        }
    }

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_names_of_services_stand_for_several_servers() {
        for (url, expected) in [
            ("http://berth-tracer-servers.berth-system.svc:8080", true),
            ("https://servers.ns.svc.cluster.local", true),
            ("http://berth-tracer-0.servers.berth-system.svc:8080", false),
            ("https://tracer.example.com", false),
            ("http://localhost:8080", false),
            ("http://10.0.0.1:8080", false),
            ("http://[::1]:8080", false),
        ] {
            assert_eq!(is_service(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_server_of_two_families_is_one() {
        let both = addresses(&["10.0.0.2:1", "[fd00::2]:1", "10.0.0.1:1", "10.0.0.1:1"]);
        let expected = addresses(&["10.0.0.1:1", "10.0.0.2:1"]);
        assert_eq!(
            of_one_family(&both).into_iter().collect::<Vec<_>>(),
            expected
        );
        assert!(of_one_family(&[]).is_empty());
    }

    #[test]
    fn a_reporter_whose_server_is_gone_goes_on_with_the_one_that_came() {
        let [a, b, c] = addresses(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"])[..] else {
            panic!();
        };
        for (reporters, found, expected) in [
            (vec![None], vec![a, b], vec![Some(a), Some(b)]),
            (vec![Some(a), Some(b)], vec![b, a], vec![Some(a), Some(b)]),
            (vec![Some(a), Some(b)], vec![b, c], vec![Some(c), Some(b)]),
            (vec![Some(a), Some(b)], vec![b], vec![Some(a), Some(b)]),
            (
                vec![Some(b)],
                vec![a, b, c],
                vec![Some(b), Some(a), Some(c)],
            ),
        ] {
            let found = found.into_iter().collect();
            assert_eq!(assigned(&reporters, &found), expected, "{found:?}");
        }
    }
}
