//! What must hold of a revision before a node gets it. The operator checks far more; this guards the node itself.

use std::path::Path;

use crate::error::{Error, Result};
use crate::layout::{DOCUMENT, OWN_FOLDER, is_pem_file_name};
use crate::wanted::Wanted;

/// Refuses a document that k3s could not read, and one that names a certificate file of ours that does not come
/// with it: either would take more from the node than the revision before it.
pub fn check(wanted: &Wanted, folder: &Path) -> Result<()> {
    let invalid = |problem: String| Error::Invalid {
        path: folder.join(DOCUMENT),
        problem,
    };
    let document = registries::parse(wanted.document.expose())
        .map_err(|error| invalid(error.to_string().replace('\n', "; ")))?;
    let configs = document.configs.values().flatten();
    for tls in configs.filter_map(|config| config.tls.as_ref()) {
        for path in [&tls.ca_file, &tls.cert_file, &tls.key_file] {
            if let Some(name) = our_file(path)
                && !wanted.pems.contains_key(name)
            {
                return Err(invalid(format!(
                    "it names {OWN_FOLDER}/{name}, which does not come with it: let the operator build the Secret, \
                     or add the key tls.{name} to it"
                )));
            }
        }
    }
    Ok(())
}

/// By its end, for the folder of a node may be seen under another path than the node's own.
fn our_file(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    let ours = folder.rsplit('/').next() == Some(OWN_FOLDER) && is_pem_file_name(name);
    ours.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reason;

    const NAME: &str = "0123456789abcdef.ca.crt";

    fn document(ca_file: &str) -> Vec<u8> {
        format!("configs:\n  a:\n    tls:\n      ca_file: {ca_file}\n").into_bytes()
    }

    #[test]
    fn a_certificate_file_of_ours_must_come_with_the_document() {
        let folder = Path::new("/etc/rancher/k3s");
        let ours = format!("/etc/rancher/k3s/berth/{NAME}");
        let error = check(&Wanted::from_parts(document(&ours), []), folder).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidDocument);
        assert!(error.to_string().contains(NAME), "{error}");
        let pems = [(NAME.to_owned(), b"PEM".to_vec().into())];
        check(&Wanted::from_parts(document(&ours), pems), folder).unwrap();
        for other in [
            "/etc/ssl/ca.crt",
            "/etc/rancher/k3s/berth/mine.crt",
            "ca.crt",
            "''",
        ] {
            check(&Wanted::from_parts(document(other), []), folder).unwrap();
        }
    }

    #[test]
    fn a_document_that_k3s_cannot_read_is_refused_by_place_without_a_value() {
        let text = "configs:\n  a:\n    auth:\n      password: [hunter2]\n";
        let error = check(&Wanted::from_parts(text, []), Path::new("/f")).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidDocument);
        let text = error.to_string();
        assert!(
            text.contains("/f/registries.yaml: line 4") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
