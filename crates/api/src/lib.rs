//! The `RegistryConfig` resource: its types, conditions, reasons and the names everything around it uses.
//!
//! Operator, command line, tests and the generator of `crds/` share this crate; it talks to nobody.

#![warn(missing_docs)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema copies each struct, `pub` included, into a function"
)]

pub mod bounds;
mod crds;
mod inline;
pub mod names;
mod spec;
mod status;

pub use crds::{Crd, crds};
pub use inline::{
    CaReference, CaReferenceKind, ClearText, InlineAuth, InlineConfig, InlineMirror,
    InlineRegistries, InlineTls,
};
pub use spec::{
    ApplyMode, Decryption, DecryptionProvider, DeletionPolicy, RegistriesSource, RegistryConfig,
    RegistryConfigSpec, Rollback, RollingUpdate, SecretKeyReference, SecretReference,
    UpdateStrategy,
};
pub use status::{ConditionStatus, ConditionType, NodeCounts, Reason, RegistryConfigStatus};
