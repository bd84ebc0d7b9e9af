//! Which container waits for which pull, and what a pull is called: from pods and Events.
//!
//! ```text
//! Pod ----> view: who wants what on which node --+--> naming: sessions and candidates --> Naming of each pull
//! Event --> texts --> view: who is pulling what -+
//!                |     \--> queue: what the kubelet asks for while the runtime pulls something else
//!               \--> amend: causes, queue times and names of pulls that ended
//! ```

pub mod amend;
pub mod facts;
pub mod naming;
pub mod queue;
pub mod texts;
pub mod view;

use tracer_model::{NameConfidence, PodCorrelation};

/// What pods and Events add to a pull.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Naming {
    /// The image, where it is known or guessed.
    pub image: Option<String>,
    /// How sure that is.
    pub confidence: NameConfidence,
    /// Who waits.
    pub pods: Vec<PodCorrelation>,
    /// Seconds in the kubelet's queue.
    pub queue_seconds: Option<f64>,
    /// RegistryConfig that the node follows.
    pub registry_config: String,
    /// Its revision on the node.
    pub revision: String,
}
