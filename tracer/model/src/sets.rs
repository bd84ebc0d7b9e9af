//! Closed sets: each value is a word on the wire and may be a metric label. Defaults are what a report of the earlier
//! interface means where it says nothing.

use serde::{Deserialize, Serialize};

macro_rules! closed_set {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $word)] $value,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }
        }
    };
}

closed_set! {
    /// Where a pull is.
    #[derive(Default)]
    Phase {
        /// The kubelet has not asked the runtime yet.
        Queued = "queued",
        /// The registry is asked what the name means; nothing is known of the image.
        Resolving = "resolving",
        /// Layers are on their way.
        #[default]
        Downloading = "downloading",
        /// Every byte is here, layers are being unpacked.
        Unpacking = "unpacking",
        /// The image is there.
        Done = "done",
        /// The runtime gave up.
        Failed = "failed",
        /// Whoever wanted it wants it no more.
        Cancelled = "cancelled",
        /// The runtime that pulled it is gone.
        Orphaned = "orphaned",
    }
}

closed_set! {
    /// What a pull came to, for those who do not care about phases.
    State {
        /// It goes on.
        Active = "active",
        /// The image is there.
        Succeeded = "succeeded",
        /// The image is not there.
        Failed = "failed",
    }
}

closed_set! {
    /// Where a layer is.
    #[derive(Default)]
    LayerState {
        /// Its turn has not come.
        Queued = "queued",
        /// Another pull fetches it.
        WaitingShared = "waiting-shared",
        /// Bytes arrive.
        #[default]
        Downloading = "downloading",
        /// Every byte is here.
        Downloaded = "downloaded",
        /// It becomes a snapshot.
        Unpacking = "unpacking",
        /// It is unpacked.
        Done = "done",
        /// It was on the node before the pull began.
        Cached = "cached",
        /// The pull failed before it was there.
        Failed = "failed",
    }
}

closed_set! {
    /// Why a pull failed.
    FailureClass {
        /// The registry knows no such repository, tag or blob.
        NotFound = "not-found",
        /// The registry wants to know who asks, or does not believe it.
        Unauthorized = "unauthorized",
        /// The registry knows who asks and says no.
        Forbidden = "forbidden",
        /// Too many requests.
        RateLimited = "rate-limited",
        /// The registry's name has no address.
        Dns = "dns",
        /// Nobody listens, no route, a connection cut.
        Connection = "connection",
        /// No answer in time.
        Timeout = "timeout",
        /// The registry's certificate is not believed, or it speaks no TLS.
        Tls = "tls",
        /// The registry answers with a 5xx.
        RegistryError = "registry-error",
        /// What arrived is not what was asked for.
        DigestMismatch = "digest-mismatch",
        /// The node's disk is full.
        NoSpace = "no-space",
        /// The image has nothing for this platform.
        NoPlatform = "no-platform",
        /// A layer cannot be unpacked.
        Unpack = "unpack",
        /// No byte came for so long that the runtime gave up.
        NoProgress = "no-progress",
        /// A policy wants a signature that is not there.
        Signature = "signature",
        /// The name is no image name.
        InvalidName = "invalid-name",
        /// The runtime was restarted or ended.
        RuntimeRestarted = "runtime-restarted",
        /// Nobody said why, or in words that mean nothing to us.
        #[serde(other)]
        Unknown = "unknown",
    }
}

closed_set! {
    /// What a pull is known from.
    #[derive(Default)]
    Source {
        /// The runtime's lease, watched while it lived.
        Lease = "lease",
        /// An image that appeared between two looks; times are those of its content.
        ImageEvent = "image-event",
        /// What the kubelet said.
        KubeletEvent = "kubelet-event",
        /// A report of an agent that knows no leases.
        #[default]
        LegacyReport = "legacy-report",
    }
}

closed_set! {
    /// How sure the image name is.
    #[derive(Default)]
    NameConfidence {
        /// Nothing is known of the name.
        #[default]
        Unknown = "unknown",
        /// One of several candidates.
        Guessed = "guessed",
        /// Registry and repository are exact, the tag is not known or inferred.
        Repository = "repo",
        /// The runtime's own record, or the digest in the name.
        Exact = "exact",
    }
}

closed_set! {
    /// How much an agent's report tells.
    #[derive(Default)]
    ReportKind {
        /// Every pull that goes on.
        #[default]
        Full = "full",
        /// Those that changed since the sequence number before.
        Delta = "delta",
        /// Nothing changed.
        Heartbeat = "heartbeat",
    }
}

closed_set! {
    /// Whether the agent hears of its container runtime.
    RuntimeState {
        /// It answers.
        Connected = "connected",
        /// There is no socket, or nobody listens.
        Unreachable = "unreachable",
        /// It does not answer in time.
        Hanging = "hanging",
    }
}

closed_set! {
    /// What an event tells.
    EventType {
        /// A pull is there.
        PullStarted = "pull.started",
        /// It moved.
        PullProgress = "pull.progress",
        /// The image is there.
        PullCompleted = "pull.completed",
        /// It failed, was cancelled or lost.
        PullFailed = "pull.failed",
        /// It left the history.
        PullRemoved = "pull.removed",
        /// A node's agent reports.
        AgentConnected = "agent.connected",
        /// A node's agent is silent.
        AgentLost = "agent.lost",
        /// A layer began.
        LayerStarted = "layer.started",
        /// A layer moved.
        LayerProgress = "layer.progress",
        /// A layer is there.
        LayerCompleted = "layer.completed",
    }
}

impl Phase {
    /// Whether nothing more will come.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Cancelled | Self::Orphaned
        )
    }

    /// What it comes to.
    pub const fn state(self) -> State {
        match self {
            Self::Queued | Self::Resolving | Self::Downloading | Self::Unpacking => State::Active,
            Self::Done => State::Succeeded,
            Self::Failed | Self::Cancelled | Self::Orphaned => State::Failed,
        }
    }
}

impl LayerState {
    /// Whether its bytes are on the node.
    pub const fn is_here(self) -> bool {
        matches!(
            self,
            Self::Downloaded | Self::Unpacking | Self::Done | Self::Cached
        )
    }

    /// Whether it is unpacked.
    pub const fn is_unpacked(self) -> bool {
        matches!(self, Self::Done | Self::Cached)
    }
}
