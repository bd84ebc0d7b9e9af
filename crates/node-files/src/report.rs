//! What a node-writer leaves in its termination message, and the operator reads there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kubelet keeps this many bytes of a termination message.
pub const MAX_BYTES: usize = 4096;

const MAX_REVISION_CHARS: usize = 64;

/// Why a node does not have its revision: one word for condition, Event and log alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    FolderReadOnly,
    DiskFull,
    PermissionDenied,
    SecretUnreadable,
    InvalidDocument,
    OwnedByAnother,
    FileContested,
    /// Anything else, and whatever a newer node-writer says that this version does not know.
    #[serde(other)]
    WriteFailed,
}

impl Reason {
    pub const ALL: [Self; 8] = [
        Self::FolderReadOnly,
        Self::DiskFull,
        Self::PermissionDenied,
        Self::SecretUnreadable,
        Self::InvalidDocument,
        Self::OwnedByAnother,
        Self::FileContested,
        Self::WriteFailed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::FolderReadOnly => "FolderReadOnly",
            Self::DiskFull => "DiskFull",
            Self::PermissionDenied => "PermissionDenied",
            Self::SecretUnreadable => "SecretUnreadable",
            Self::InvalidDocument => "InvalidDocument",
            Self::OwnedByAnother => "OwnedByAnother",
            Self::FileContested => "FileContested",
            Self::WriteFailed => "WriteFailed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One termination message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub reason: Reason,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub revision: String,
}

impl Report {
    /// JSON of at most [`MAX_BYTES`]; a message that does not fit loses its end.
    pub fn to_json(&self) -> String {
        let whole = self.encode(&self.message);
        if whole.len() <= MAX_BYTES {
            return whole;
        }
        let mut room = self.message.len();
        loop {
            room /= 2;
            let start: String = self.message.chars().take(room).collect();
            let shorter = self.encode(&format!("{start}..."));
            if shorter.len() <= MAX_BYTES || room == 0 {
                return shorter;
            }
        }
    }

    /// `None` when the text is not a report, as when another program wrote it.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text.trim()).ok()
    }

    fn encode(&self, message: &str) -> String {
        let revision: String = self.revision.chars().take(MAX_REVISION_CHARS).collect();
        serde_json::json!({
            "reason": self.reason.as_str(),
            "message": message,
            "revision": revision,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(message: &str) -> Report {
        Report {
            reason: Reason::DiskFull,
            message: message.into(),
            revision: "4c1f0a9b2d".into(),
        }
    }

    #[test]
    fn a_report_reads_back_as_it_was() {
        for reason in Reason::ALL {
            let report = Report {
                reason,
                ..report("no space left in \"/etc/rancher/k3s\"")
            };
            assert_eq!(Report::parse(&report.to_json()), Some(report.clone()));
            assert!(
                report
                    .to_json()
                    .contains(&format!("\"reason\":\"{reason}\""))
            );
        }
    }

    #[test]
    fn a_report_fits_the_termination_message_whatever_it_says() {
        for message in [
            "x".repeat(5_000),
            "\u{1}".repeat(5_000),
            "ü".repeat(4_000),
            "\"".repeat(4_096),
        ] {
            let long = Report {
                revision: "r".repeat(9_000),
                ..report(&message)
            };
            let json = long.to_json();
            assert!(json.len() <= MAX_BYTES, "{} bytes", json.len());
            let read = Report::parse(&json).unwrap();
            assert_eq!(read.reason, Reason::DiskFull);
            assert!(message.starts_with(read.message.trim_end_matches("...")));
            assert!(read.message.len() > 100);
        }
    }

    #[test]
    fn a_newer_reason_reads_as_a_failed_write_and_keeps_its_message() {
        let read =
            Report::parse(r#"{"reason":"ServiceDown","message":"k3s","revision":"a","more":1}"#);
        let read = read.unwrap();
        assert_eq!(
            (read.reason, read.message.as_str()),
            (Reason::WriteFailed, "k3s")
        );
    }

    #[test]
    fn other_texts_are_not_reports() {
        for text in ["", "null", "panicked at", "{}", "[1]", r#"{"reason":1}"#] {
            assert_eq!(Report::parse(text), None, "{text}");
        }
    }
}
