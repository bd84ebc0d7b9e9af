use serde_json::Value;

use super::Checked;

pub fn check(_vector: &Value) -> Checked {
    Ok(())
}
