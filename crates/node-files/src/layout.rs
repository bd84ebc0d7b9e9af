//! Where everything stands: in the rendered Secret and in the folder of the node.
//!
//! ```text
//! Secret                    node
//! registries.yaml           <folder>/registries.yaml
//! tls.<id>.ca.crt           <folder>/berth/<id>.ca.crt
//! tls.<id>.client.pem       <folder>/berth/<id>.client.pem
//!                           <folder>/berth/original.yaml | original.absent
//!                           <folder>/berth/previous.yaml
//!                           <folder>/berth/contested.json
//!                           <folder>/berth/lock
//! ```

use registries::Distribution;
use sha2::{Digest, Sha256};

/// The file that k3s reads, and its key in the rendered Secret.
pub const DOCUMENT: &str = "registries.yaml";
/// Where k3s looks for it.
pub const FOLDER_K3S: &str = "/etc/rancher/k3s";
/// Where RKE2 looks for it.
pub const FOLDER_RKE2: &str = "/etc/rancher/rke2";
/// Our own folder beside the document.
pub const OWN_FOLDER: &str = "berth";
/// What the node had before the first write.
pub const ORIGINAL: &str = "original.yaml";
/// Stands in for [`ORIGINAL`] on a node that had no file.
pub const ORIGINAL_ABSENT: &str = "original.absent";
/// What the node had before the latest change.
pub const PREVIOUS: &str = "previous.yaml";
/// Why repairs stopped, while somebody else keeps writing the document.
pub const CONTESTED: &str = "contested.json";
/// Held by the one node-writer that owns the folder.
pub const LOCK: &str = "lock";

const ID_LENGTH: usize = 16;
const SECRET_PREFIX: &str = "tls.";
const CA_SUFFIX: &str = ".ca.crt";
const CLIENT_SUFFIX: &str = ".client.pem";

/// Where the distribution looks for the document.
pub fn folder(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::K3s => FOLDER_K3S,
        Distribution::Rke2 => FOLDER_RKE2,
    }
}

/// Names the certificate files of one key of `configs`: 16 hexadecimal digits of its SHA-256.
///
/// A key is a host, perhaps with a port and a path, so it cannot be a file name itself.
pub fn tls_id(configs_key: &str) -> String {
    let digest = Sha256::digest(configs_key.as_bytes());
    let mut start = [0; ID_LENGTH / 2];
    start.copy_from_slice(&digest[..ID_LENGTH / 2]);
    format!("{:016x}", u64::from_be_bytes(start))
}

/// Key of the CA certificates in the rendered Secret.
pub fn ca_secret_key(id: &str) -> String {
    format!("{SECRET_PREFIX}{id}{CA_SUFFIX}")
}

/// Key of the client certificate and its private key in the rendered Secret.
pub fn client_secret_key(id: &str) -> String {
    format!("{SECRET_PREFIX}{id}{CLIENT_SUFFIX}")
}

/// Path of the CA certificates on the node, as `ca_file` names it.
pub fn ca_path(folder: &str, id: &str) -> String {
    own_path(folder, id, CA_SUFFIX)
}

/// Path of the client certificate and key on the node.
///
/// `cert_file` and `key_file` both name it: with the pair in one file it is never half new.
pub fn client_path(folder: &str, id: &str) -> String {
    own_path(folder, id, CLIENT_SUFFIX)
}

/// The file name on the node of a key of the rendered Secret; `None` for any other key.
pub fn pem_file_name(secret_key: &str) -> Option<&str> {
    let name = secret_key.strip_prefix(SECRET_PREFIX)?;
    is_pem_file_name(name).then_some(name)
}

/// Whether a file in our own folder is one of our certificate files.
pub fn is_pem_file_name(name: &str) -> bool {
    [CA_SUFFIX, CLIENT_SUFFIX].iter().any(|suffix| {
        name.strip_suffix(suffix).is_some_and(|id| {
            id.len() == ID_LENGTH
                && id
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    })
}

fn own_path(folder: &str, id: &str, suffix: &str) -> String {
    format!("{}/{OWN_FOLDER}/{id}{suffix}", folder.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_start_of_the_sha256_of_the_key() {
        // printf 'mirror.internal:5000' | sha256sum
        assert_eq!(tls_id("mirror.internal:5000"), "f32de10e610a2e6f");
        assert_eq!(tls_id(""), "e3b0c44298fc1c14");
    }

    #[test]
    fn a_secret_key_and_its_path_on_the_node_share_the_file_name() {
        let id = tls_id("mirror.internal:5000");
        for (key, path) in [
            (ca_secret_key(&id), ca_path(FOLDER_K3S, &id)),
            (client_secret_key(&id), client_path(FOLDER_K3S, &id)),
        ] {
            let name = pem_file_name(&key).unwrap();
            assert_eq!(path, format!("/etc/rancher/k3s/berth/{name}"));
            assert!(is_pem_file_name(name));
        }
        assert_eq!(
            ca_path("/etc/rancher/rke2/", "x"),
            "/etc/rancher/rke2/berth/x.ca.crt"
        );
    }

    #[test]
    fn other_names_are_not_certificate_files() {
        for name in [
            "",
            DOCUMENT,
            ORIGINAL,
            LOCK,
            ".ca.crt",
            "0123456789ABCDEF.ca.crt",
            "0123456789abcdef.crt",
            "../456789abcdefgh.ca.crt",
            "0123456789abcdef0.client.pem",
        ] {
            assert!(!is_pem_file_name(name), "{name}");
            assert_eq!(pem_file_name(&format!("tls.{name}")), None, "{name}");
        }
        assert_eq!(pem_file_name("0123456789abcdef.ca.crt"), None);
    }
}
