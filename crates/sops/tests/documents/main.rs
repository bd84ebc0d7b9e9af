//! Documents made by the real sops against this crate, against sops itself and against rops.
#![cfg(test)]

mod fixtures;
mod live;
mod oracle;
mod secrecy;
mod support;
