//! An OCI registry that answers from the host's Docker Engine.
//!
//! ```text
//!  request --http--> names --+-- pushed content  --> store
//!                            +-- mirrored images --> mirror --> sources (containerd, overlay2, docker save, pull, upstream)
//!                                                                  |
//!                                                                store
//! ```
//!
//! | room | what it does | kind |
//! |---|---|---|
//! | `names` | grammar of names, tags, digests; which image a request is about | pure |
//! | `http` | the protocol: requests in, documents and blobs out | thin |
//! | `access` | who may push, who may have what | pure, but for reading htpasswd |
//! | `store` | one content-addressed store: blobs, links, uploads, bindings, eviction | does |
//! | `sources` | where the Engine keeps an image's content, and how it is read | does |
//! | `mirror` | an image of the Engine or of a registry behind it: fresh, whole, allowed | decides, asks sources |
//! | `turns` | how much of what costs others something goes on at a time, and who waits | does |

pub mod access;
pub mod content;
pub mod http;
pub mod metrics;
pub mod mirror;
pub mod names;
pub mod run;
pub mod serve;
pub mod settings;
pub mod sources;
pub mod store;
pub mod target;
mod turns;
pub mod upstream;
