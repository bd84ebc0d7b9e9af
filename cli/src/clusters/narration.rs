//! The headings that k3d puts between the steps of a start; scripts look for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use provisioner::run::{Event, Reporter};

/// Passes everything on and says each heading once, before the first line that belongs under it.
pub(crate) struct Narrator {
    inner: Arc<dyn Reporter>,
    /// The cluster whose start is part of something larger.
    cluster: Option<String>,
    said: Mutex<BTreeSet<String>>,
}

impl Narrator {
    pub(crate) fn new(inner: Arc<dyn Reporter>, cluster: Option<String>) -> Self {
        Self {
            inner,
            cluster,
            said: Mutex::default(),
        }
    }

    fn say_once(&self, heading: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(heading.clone()) {
            self.inner.report(Event::Info(heading));
        }
    }
}

impl Reporter for Narrator {
    fn report(&self, event: Event) {
        if let Event::Info(text) = &event
            && let Some(heading) = heading(text)
        {
            if let Some(cluster) = &self.cluster {
                self.say_once(format!("Starting cluster '{cluster}'"));
            }
            self.say_once(heading.to_owned());
        }
        self.inner.report(event);
    }
}

/// The heading that a line belongs under.
fn heading(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix("Starting node '")?.strip_suffix('\'')?;
    Some(if name.contains("-server-") {
        "Starting servers..."
    } else if name.contains("-agent-") {
        "Starting agents..."
    } else {
        "Starting helpers..."
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Reporter for Kept {
        fn report(&self, event: Event) {
            if let Event::Info(text) = event {
                self.0.lock().unwrap().push(text);
            }
        }
    }

    #[test]
    fn headings_are_said_once_and_in_front() {
        let kept = Arc::new(Kept::default());
        let inner: Arc<dyn Reporter> = kept.clone();
        let narrator = Narrator::new(inner, Some("a".to_owned()));
        for text in [
            "Creating node 'k3d-a-server-0'",
            "Starting node 'k3d-a-server-0'",
            "Starting node 'k3d-a-server-1'",
            "Starting node 'k3d-a-agent-0'",
            "Starting node 'k3d-a-serverlb'",
        ] {
            narrator.report(Event::Info(text.to_owned()));
        }
        assert_eq!(
            *kept.0.lock().unwrap(),
            [
                "Creating node 'k3d-a-server-0'",
                "Starting cluster 'a'",
                "Starting servers...",
                "Starting node 'k3d-a-server-0'",
                "Starting node 'k3d-a-server-1'",
                "Starting agents...",
                "Starting node 'k3d-a-agent-0'",
                "Starting helpers...",
                "Starting node 'k3d-a-serverlb'",
            ]
        );
    }
}
