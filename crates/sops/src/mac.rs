//! The checksum over every value in its order, as sops computes it.

use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::tree::Value;

/// SHA-256 of "sops": what the checksum starts with when it covers encrypted values only.
const ENCRYPTED_ONLY: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

pub(crate) struct Mac(Sha512);

impl Mac {
    pub(crate) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ENCRYPTED_ONLY);
        }
        Self(hash)
    }

    /// Lists and maps count by their values only; null and comments count nothing.
    pub(crate) fn add(&mut self, value: &Value) {
        match value {
            Value::Text(bytes) => self.0.update(bytes.as_slice()),
            Value::Time(text) => self.0.update(text),
            Value::Int(number) => self.0.update(Zeroizing::new(number.to_string())),
            Value::Float(number) => self.0.update(Zeroizing::new(plain_float(*number))),
            Value::Bool(flag) => self.0.update(if *flag { "True" } else { "False" }),
            Value::Null | Value::HugeInt | Value::Comment | Value::List(_) | Value::Map(_) => {}
        }
    }

    /// Compares with the checksum of the file, without telling how far they agree.
    pub(crate) fn matches(self, expected: &[u8]) -> bool {
        let sum = Zeroizing::new(self.0.finalize().to_vec());
        let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
        let mut hex = Zeroizing::new(String::with_capacity(sum.len() * 2));
        for byte in sum.iter() {
            hex.push(digit(byte >> 4));
            hex.push(digit(byte & 15));
        }
        let difference = hex
            .bytes()
            .zip(expected)
            .fold(0, |all, (a, b)| all | (a ^ b));
        hex.len() == expected.len() && difference == 0
    }
}

/// A float without exponent, with the fewest digits that mean it (`strconv.FormatFloat(f, 'f', -1, 64)`).
pub(crate) fn plain_float(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    number.to_string()
}
