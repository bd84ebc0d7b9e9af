//! Checks PEM texts before they travel to nodes: a broken one would stop every pull of its registries.

use rustls_pki_types::pem::{PemObject as _, SectionKind};

/// What is wrong with a PEM text; never what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PemFault {
    NoCertificate,
    NoKey,
    SeveralKeys,
    EncryptedKey,
    Broken,
}

impl PemFault {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::NoCertificate => "holds no PEM certificate",
            Self::NoKey => "holds no PEM private key",
            Self::SeveralKeys => "holds more than one private key",
            Self::EncryptedKey => "holds an encrypted private key, which containerd cannot read",
            Self::Broken => "holds a PEM block that cannot be decoded",
        }
    }
}

/// One or more certificates.
pub(crate) fn check_certificates(pem: &[u8]) -> Result<(), PemFault> {
    let mut any = false;
    for (kind, der) in sections(pem)? {
        if kind == SectionKind::Certificate {
            any = true;
            check_der(&der)?;
        }
    }
    if any {
        Ok(())
    } else {
        Err(PemFault::NoCertificate)
    }
}

/// Exactly one private key, in clear.
pub(crate) fn check_key(pem: &[u8]) -> Result<(), PemFault> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PemFault::EncryptedKey);
    }
    let mut keys = 0;
    for (kind, der) in sections(pem)? {
        if matches!(
            kind,
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
        ) {
            keys += 1;
            check_der(&der)?;
        }
    }
    match keys {
        0 => Err(PemFault::NoKey),
        1 => Ok(()),
        _ => Err(PemFault::SeveralKeys),
    }
}

/// Certificate and key in one text, each ending with a line end.
pub(crate) fn join(certificate: &[u8], key: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(certificate.len() + key.len() + 2);
    for part in [certificate, key] {
        if part.is_empty() {
            continue;
        }
        joined.extend_from_slice(part.trim_ascii());
        joined.push(b'\n');
    }
    joined
}

fn sections(pem: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, PemFault> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| PemFault::Broken)
}

/// Certificates and keys are DER sequences whose length spans the whole block.
fn check_der(der: &[u8]) -> Result<(), PemFault> {
    let (header, length) = match der {
        [0x30, short @ 0..=0x7f, ..] => (2, usize::from(*short)),
        [0x30, 0x81, a, ..] => (3, usize::from(*a)),
        [0x30, 0x82, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        _ => return Err(PemFault::Broken),
    };
    if der.len() == header + length {
        Ok(())
    } else {
        Err(PemFault::Broken)
    }
}
