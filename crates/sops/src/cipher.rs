//! One encrypted value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`, bound to its place by the path.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead, KeyInit, Nonce, Payload};
use aes_gcm::aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::data_key::DataKey;
use crate::scalar;
use crate::tree::Value;

type Aes = AesGcm<Aes256, U32>;

/// Why a value did not decrypt; the caller knows the place.
pub(crate) enum Failure {
    Malformed,
    Tampered,
    UnknownType(String),
}

pub(crate) struct Cipher(Aes);

struct Sealed<'a> {
    data: Vec<u8>,
    nonce: Vec<u8>,
    kind: &'a str,
}

impl Cipher {
    pub(crate) fn new(key: &DataKey) -> Self {
        Self(Aes::new((&**key).into()))
    }

    /// The typed value; `authenticated` is the path that sops sealed it with.
    pub(crate) fn open(&self, text: &str, authenticated: &str) -> Result<Value, Failure> {
        let sealed = parse(text).ok_or(Failure::Malformed)?;
        let nonce: &Nonce<Aes> = sealed
            .nonce
            .as_slice()
            .try_into()
            .map_err(|_| Failure::Malformed)?;
        let payload = Payload {
            msg: &sealed.data,
            aad: authenticated.as_bytes(),
        };
        let opened = self.0.decrypt(nonce, payload).map(Zeroizing::new);
        typed(opened.map_err(|_| Failure::Tampered)?, sealed.kind)
    }
}

/// Whether a text has the shape of an encrypted value.
pub(crate) fn is_sealed(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| parse(text).is_some())
}

fn parse(text: &str) -> Option<Sealed<'_>> {
    let fields = text.strip_prefix("ENC[AES256_GCM,")?.strip_suffix(']')?;
    let mut fields = fields.splitn(4, ',');
    let mut field = |name: &str| fields.next()?.strip_prefix(name);
    let data = field("data:")?;
    let nonce = field("iv:")?;
    let tag = field("tag:")?;
    let kind = field("type:")?;
    let mut data = STANDARD.decode(data).ok()?;
    data.extend(STANDARD.decode(tag).ok().filter(|tag| tag.len() == 16)?);
    Some(Sealed {
        data,
        nonce: STANDARD.decode(nonce).ok()?,
        kind,
    })
}

fn typed(opened: Zeroizing<Vec<u8>>, kind: &str) -> Result<Value, Failure> {
    if matches!(kind, "str" | "bytes") {
        return Ok(Value::Text(opened));
    }
    let text = std::str::from_utf8(&opened).map_err(|_| Failure::Malformed)?;
    let value = match kind {
        "int" | "int64" => text.parse().ok().map(Value::Int),
        "float" => text.parse().ok().map(Value::Float),
        "bool" => match text {
            "True" | "true" | "TRUE" | "t" | "T" | "1" => Some(Value::Bool(true)),
            "False" | "false" | "FALSE" | "f" | "F" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        "comment" => Some(Value::Comment),
        "time" => scalar::time(text).map(Value::Time),
        _ => {
            let short: String = kind
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(20)
                .collect();
            return Err(Failure::UnknownType(short));
        }
    };
    value.ok_or(Failure::Malformed)
}
