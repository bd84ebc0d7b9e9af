//! Names of objects as parts of a request's path.

use crate::error::{Cause, Error, Operation};

/// A name that stays one part of the path, whatever it holds. Images have slashes in their names.
pub(crate) fn checked<'a>(operation: &Operation, name: &'a str) -> Result<&'a str, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@/+".contains(c);
    let moves = |part: &str| matches!(part, "" | "." | "..");
    if !name.is_empty() && name.chars().all(plain) && !name.split('/').any(moves) {
        return Ok(name);
    }
    let reason = format!("{name:?} cannot be the name of an object of Docker");
    Err(operation.clone().failed(Cause::Unusable(reason)))
}

#[cfg(test)]
mod tests {
    use super::checked;
    use crate::error::Operation;

    #[test]
    fn names_that_would_lead_to_another_call_are_refused() {
        let operation = Operation::new("inspect container", "");
        for name in ["k3d-x-server-0", "docker.io/rancher/k3s:v1", "a@sha256:0"] {
            assert_eq!(checked(&operation, name).unwrap(), name);
        }
        for name in [
            "",
            "../images",
            "a/../b",
            "a?force=1",
            "a#b",
            "a%2f",
            "a b",
            "a//b",
            "/a",
            "ä",
        ] {
            assert!(checked(&operation, name).is_err(), "{name}");
        }
    }
}
