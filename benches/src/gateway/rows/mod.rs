//! What is measured.

mod content;
mod exports;
mod serving;

pub(crate) use content::first;
pub(crate) use exports::exports;
pub(crate) use serving::{memory, throughput, warm};

use crate::samples::Samples;

/// How many times the other's median one's median is.
fn times(ours: &Samples, peer: &Samples) -> f64 {
    ours.percentile(50).as_secs_f64() / peer.percentile(50).as_secs_f64()
}

fn mebibytes_f64(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}
