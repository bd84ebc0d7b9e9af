//! Unwraps the key that the values are encrypted with, out of whichever recipients the given keys belong to.

use std::io::Read;

use age::armor::ArmoredReader;
use zeroize::Zeroizing;

use crate::error::SopsError;
use crate::keys::AgeKeys;
use crate::metadata::{Group, Metadata, Recipient};
use crate::shamir;

pub(crate) type DataKey = Zeroizing<[u8; 32]>;

/// A key or a share of one is 33 bytes at most; whatever is longer is not one.
const LONGEST: u64 = 64;

pub(crate) fn unwrap(metadata: &Metadata, keys: &AgeKeys) -> Result<DataKey, SopsError> {
    let all = &metadata.groups;
    if all.iter().all(|group| group.age.is_empty()) {
        let services = all.iter().flat_map(|group| group.services.clone());
        return Err(SopsError::UnknownKeyService {
            services: join(services),
        });
    }
    let opened = all.iter().map(|group| open(group, keys));
    let opened: Vec<Option<Zeroizing<Vec<u8>>>> = opened.collect::<Result<_, _>>()?;
    let secret = match metadata.threshold {
        None => opened.into_iter().next().flatten().ok_or_else(|| {
            let wanted = join(all.iter().flat_map(wanted));
            SopsError::NoMatchingKey {
                given: keys.len(),
                wanted,
            }
        })?,
        Some(needed) => {
            let closed = all.iter().zip(&opened).filter(|(_, share)| share.is_none());
            let closed =
                join(closed.map(|(group, _)| format!("{} ({})", group.field, join(wanted(group)))));
            let shares: Vec<_> = opened.into_iter().flatten().collect();
            if shares.len() < needed {
                let (opened, given) = (shares.len(), keys.len());
                return Err(SopsError::TooFewKeyGroups {
                    opened,
                    needed,
                    given,
                    closed,
                });
            }
            combine(&shares)?
        }
    };
    <[u8; 32]>::try_from(secret.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| damaged("sops"))
}

fn damaged(field: &str) -> SopsError {
    SopsError::DamagedDataKey {
        field: field.to_owned(),
    }
}

fn combine(shares: &[shamir::Share]) -> Result<Zeroizing<Vec<u8>>, SopsError> {
    shamir::combine(shares).ok_or_else(|| damaged("sops.key_groups"))
}

/// What any of the keys finds in the group; an error only when nothing opens it and something is damaged.
fn open(group: &Group, keys: &AgeKeys) -> Result<Option<Zeroizing<Vec<u8>>>, SopsError> {
    let mut first_damage = None;
    for recipient in &group.age {
        match open_one(recipient, keys) {
            Ok(Some(opened)) => return Ok(Some(opened)),
            Ok(None) => {}
            Err(error) => first_damage = first_damage.or(Some(error)),
        }
    }
    first_damage.map_or(Ok(None), Err)
}

fn open_one(
    recipient: &Recipient,
    keys: &AgeKeys,
) -> Result<Option<Zeroizing<Vec<u8>>>, SopsError> {
    let broken = |_| damaged(&recipient.field);
    let armored = ArmoredReader::new(recipient.enc.as_bytes());
    let decryptor = age::Decryptor::new_buffered(armored).map_err(broken)?;
    let reader = match decryptor.decrypt(keys.identities()) {
        Ok(reader) => reader,
        Err(age::DecryptError::NoMatchingKeys) => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    let mut opened = Zeroizing::new(Vec::with_capacity(128));
    reader
        .take(LONGEST)
        .read_to_end(&mut opened)
        .map_err(|_| damaged(&recipient.field))?;
    Ok(Some(opened))
}

/// Who could open a group: recipients are public keys, but the file may hold anything in their place.
fn wanted(group: &Group) -> impl Iterator<Item = String> {
    let recipients = group.age.iter().map(|recipient| public(&recipient.name));
    recipients.chain(group.services.iter().cloned())
}

fn public(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let harmless = |text: &str| {
        text.len() <= 1024
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+/=-".contains(c))
    };
    match words.as_slice() {
        [one] if one.starts_with("age1") && harmless(one) => (*one).to_owned(),
        [kind @ ("ssh-ed25519" | "ssh-rsa"), key, ..] if harmless(key) => {
            let end: String = key.chars().skip(key.len().saturating_sub(12)).collect();
            format!("{kind} …{end}")
        }
        _ => "an unreadable recipient".to_owned(),
    }
}

/// At most five names, each once.
fn join(names: impl Iterator<Item = String>) -> String {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    let more = unique.len().saturating_sub(5);
    unique.truncate(5);
    let text = unique.join(", ");
    if more > 0 {
        return format!("{text} and {more} more");
    }
    text
}
