//! `spec.registriesFrom[i]`: a whole document out of a Secret or a SOPS text.

use std::borrow::Cow;

use api::{Decryption, Reason, RegistriesSource, RegistryConfigSpec};
use registries::IgnoredKind;

use crate::inputs::Inputs;
use crate::merge::{Layer, Unit};
use crate::problem::{Problem, Warning};

/// Where the keys of encrypted documents come from.
pub(crate) struct Keys<'a> {
    /// Keys that the caller holds; they win over the Secret.
    pub given: &'a sops::AgeKeys,
    pub decryption: Option<&'a Decryption>,
}

/// Reads one source; what is wrong with it is added to `problems`.
pub(crate) fn read(
    index: usize,
    source: &RegistriesSource,
    keys: &Keys<'_>,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Option<Layer> {
    let origin = format!("spec.registriesFrom[{index}]");
    let result = content(source, inputs, &origin)
        .and_then(|(path, bytes)| Ok((clear_text(&path, bytes, keys, inputs)?, path)))
        .and_then(|(bytes, path)| layer(origin, &path, &bytes));
    result.map_err(|problem| problems.push(problem)).ok()
}

/// All sources together, before any of them is read: what does not fit into a Secret twice over fits in no case.
pub(crate) fn too_large(spec: &RegistryConfigSpec, inputs: &Inputs) -> Option<Problem> {
    let limit = 2 * crate::LARGEST;
    let size_of = |source: &RegistriesSource| {
        let of_secret = source.secret_ref.as_ref().and_then(|reference| {
            inputs
                .secrets
                .get(&reference.name)?
                .data
                .get(&reference.key)
        });
        of_secret.map_or(0, Vec::len) + source.sops.as_ref().map_or(0, String::len)
    };
    let size: usize = spec.registries_from.iter().map(size_of).sum();
    (size > limit).then(|| {
        Problem::new(
            Reason::ConfigTooLarge,
            "spec.registriesFrom",
            format!("the documents take {size} bytes together, at most {limit} are read"),
            "remove registries that are not needed, or split the nodes between two RegistryConfigs",
        )
    })
}

fn content<'a>(
    source: &'a RegistriesSource,
    inputs: &'a Inputs,
    origin: &str,
) -> Result<(String, &'a [u8]), Problem> {
    match (&source.secret_ref, &source.sops) {
        (Some(reference), None) => {
            let path = format!("{origin}.secretRef");
            let bytes = inputs.secret_key(&reference.name, &reference.key, &path)?;
            Ok((path, bytes))
        }
        (None, Some(text)) => {
            let path = format!("{origin}.sops");
            if !sops::is_sops(text.as_bytes()) {
                return Err(Problem::invalid(
                    path,
                    "is no document that SOPS encrypted",
                    "encrypt it with `sops encrypt`, or put a plain document into a Secret and name that in secretRef",
                ));
            }
            Ok((path, text.as_bytes()))
        }
        _ => Err(Problem::invalid(
            origin,
            "needs exactly one of secretRef and sops",
            "keep one of them, and give the other its own entry",
        )),
    }
}

fn clear_text<'a>(
    path: &str,
    bytes: &'a [u8],
    keys: &Keys<'_>,
    inputs: &Inputs,
) -> Result<Cow<'a, [u8]>, Problem> {
    if !sops::is_sops(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let from_secret;
    let keys = match keys.decryption {
        _ if !keys.given.is_empty() => keys.given,
        Some(decryption) => {
            from_secret = keys_of_secret(&decryption.secret_ref.name, inputs)?;
            &from_secret
        }
        None => {
            return Err(Problem::invalid(
                path,
                "is encrypted with SOPS and spec.decryption is not set",
                "set spec.decryption with a Secret that holds the age key",
            ));
        }
    };
    let json = bytes.trim_ascii_start().first() == Some(&b'{');
    let format = if json {
        sops::Format::Json
    } else {
        sops::Format::Yaml
    };
    let clear = sops::decrypt(bytes, format, keys).map_err(|error| {
        Problem::new(
            Reason::DecryptionFailed,
            path,
            error.to_string(),
            "the last good revision stays on the nodes until this is mended",
        )
    })?;
    Ok(Cow::Owned(clear.to_vec()))
}

fn keys_of_secret(name: &str, inputs: &Inputs) -> Result<sops::AgeKeys, Problem> {
    const PATH: &str = "spec.decryption.secretRef";
    let secret = inputs.secret(name, PATH)?;
    let mut keys = sops::AgeKeys::default();
    for (key, value) in secret
        .data
        .iter()
        .filter(|(key, _)| key.ends_with(".agekey"))
    {
        let broken = |what: String| {
            Problem::invalid(
                PATH,
                format!("Secret {name}: {key} {what}"),
                "store what `age-keygen` wrote",
            )
        };
        let text = std::str::from_utf8(value).map_err(|_| broken("is not text".to_owned()))?;
        keys.extend(
            sops::AgeKeys::parse(text)
                .map_err(|error| broken(format!("is no key file: {error}")))?,
        );
    }
    if keys.is_empty() {
        return Err(Problem::new(
            Reason::ReferenceNotFound,
            PATH,
            format!("Secret {name} has no key that ends in .agekey"),
            "store the age private key under a key such as age.agekey",
        ));
    }
    Ok(keys)
}

fn layer(origin: String, path: &str, bytes: &[u8]) -> Result<Layer, Problem> {
    let unreadable = |error: registries::ParseError| {
        Problem::invalid(
            path,
            format!("the document cannot be read: {}", one_line(&error)),
            "mend it there",
        )
    };
    let mut document = registries::parse(bytes).map_err(unreadable)?;
    let mut warnings: Vec<Warning> = registries::read_strictly(bytes)
        .map_err(unreadable)?
        .into_iter()
        .map(|ignored| dropped(path, &ignored))
        .collect();
    if !document.auths.is_empty() {
        document.auths.clear();
        warnings.push(Warning::new(
            "not-carried-over",
            format!("{path}.auths"),
            "is not carried over: k3s reads it and never uses it",
            "move the credentials to configs.<host>.auth",
        ));
    }
    if has_comments(bytes) {
        warnings.push(Warning::new(
            "not-carried-over",
            path,
            "comments are not carried over to the nodes",
            "keep them at the source",
        ));
    }
    let cleared = registries::explicit_nulls(bytes)
        .map_err(unreadable)?
        .into_iter()
        .map(|null| match null {
            registries::NullUnit::Auth(key) => Unit::Auth(key),
            registries::NullUnit::Tls(key) => Unit::Tls(key),
        })
        .collect();
    Ok(Layer {
        origin,
        document,
        cleared,
        warnings,
        ..Layer::default()
    })
}

fn dropped(path: &str, ignored: &registries::Ignored) -> Warning {
    let place = format!("line {}, column {}", ignored.line, ignored.column);
    match ignored.kind {
        IgnoredKind::UnknownKey => Warning::new(
            "not-carried-over",
            format!("{path}.{}", ignored.path),
            format!("is not carried over: k3s knows no such key ({place})"),
            "correct its name, or remove it",
        ),
        IgnoredKind::DuplicateKey => Warning::new(
            "not-carried-over",
            format!("{path}.{}", ignored.path),
            format!("stands twice, the later one wins ({place})"),
            "keep one",
        ),
        IgnoredKind::FurtherDocument => Warning::new(
            "not-carried-over",
            path,
            format!("a further document is not carried over ({place})"),
            "give it its own entry in registriesFrom",
        ),
    }
}

fn one_line(error: &registries::ParseError) -> String {
    error.to_string().replace('\n', "; ")
}

fn has_comments(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes)
        .lines()
        .any(|line| line.trim_start().starts_with('#'))
}
