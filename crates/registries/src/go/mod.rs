//! The parts of Go's standard library whose exact behaviour decides what k3s and containerd do.

pub(crate) mod net;
pub(crate) mod path;
pub(crate) mod quote;
pub(crate) mod url;
mod url_escape;
