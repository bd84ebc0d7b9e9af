#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod failure;
pub mod image;
pub mod report;
pub mod secrecy;
pub mod sets;
pub mod status;

pub use image::ImageName;
pub use report::{
    Acknowledgement, Endpoint, Failure, PROTOCOL, Report, ReportedLayer, ReportedPull, Runtime,
};
pub use sets::{
    EventType, FailureClass, LayerState, NameConfidence, Phase, ReportKind, RuntimeState, Source,
    State,
};
pub use status::{
    LayerStatus, NodeList, NodeStatus, PodCorrelation, PullEvent, PullList, PullStatus,
    SCHEMA_VERSION,
};
