//! Who may have an image that is already here.
//!
//! What the Engine had by itself, or pulled with nobody's or its host's credentials, is for every peer that is admitted.
//! What it pulled with a caller's credentials is for that caller, and for whoever proves at the registry that he may
//! have it too.

use std::fmt;

use docker::Credentials;
use docker::credentials::Proof;
use registries::Secret;
use sha2::{Digest as _, Sha256};

use super::{Caller, Login, Reach};
use crate::names::Host;
use crate::store::Binding;

/// What is served of what the Engine had by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalImages {
    /// It is served.
    #[default]
    Serve,
    /// The registry behind is asked first, with the caller's credentials.
    Ask,
}

/// How an image stands to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Everybody may have it.
    Open,
    /// Only who proves that he may.
    Bound,
}

/// Which way a caller comes to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// He may have it.
    Free,
    /// The registry decides.
    Proof,
    /// No registry may be asked, so that nobody can decide.
    Closed,
}

/// How an image that is seen stands, and what is to be kept of it. `pulling` says that a pull with a caller's credentials
/// of one of its names has begun and was not seen to end.
pub(super) fn standing(
    known: Option<Binding>,
    pulling: bool,
    local: LocalImages,
) -> (Standing, Option<Binding>) {
    let binding = known.unwrap_or(if pulling {
        Binding::PulledWithCredentials
    } else {
        Binding::EngineHad
    });
    let standing = match (binding, local) {
        (Binding::EngineHad, LocalImages::Serve) => Standing::Open,
        _ => Standing::Bound,
    };
    (standing, known.is_none().then_some(binding))
}

/// What a caller must do.
pub(super) fn way(standing: Standing, reach: Reach) -> Way {
    match (standing, reach) {
        (Standing::Open, _) => Way::Free,
        (Standing::Bound, Reach::Upstream) => Way::Proof,
        (Standing::Bound, Reach::Engine) => Way::Closed,
    }
}

/// Tells logins apart without keeping them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity(Option<[u8; 32]>);

impl Identity {
    /// Of a caller. The salt is one of this process, so that an identity is good for nothing elsewhere.
    pub(super) fn of(caller: &Caller, salt: &[u8; 32]) -> Self {
        Self(caller.login.as_ref().map(|login| {
            let mut hash = Sha256::new();
            hash.update(salt);
            hash.update(login.user.len().to_le_bytes());
            hash.update(&login.user);
            hash.update(login.password.expose());
            hash.finalize().into()
        }))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Identity(***)"
        } else {
            "Identity(nobody)"
        })
    }
}

/// A login as a registry is shown it.
pub(super) fn credentials(login: &Login, host: &Host) -> Credentials {
    Credentials {
        server: host.to_string(),
        username: login.user.clone(),
        proof: Proof::Password(Secret::from(login.password.expose())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Identity, LocalImages, Standing, Way, standing, way};
    use crate::mirror::{Caller, Login, Reach};
    use crate::store::Binding::{EngineHad, PulledWithCredentials};

    #[test]
    fn what_the_engine_had_is_open_and_what_was_pulled_for_somebody_is_bound() {
        use LocalImages::{Ask, Serve};
        use Standing::{Bound, Open};
        for (known, pulling, local, expected) in [
            (None, false, Serve, (Open, Some(EngineHad))),
            (None, true, Serve, (Bound, Some(PulledWithCredentials))),
            (Some(EngineHad), true, Serve, (Open, None)),
            (Some(EngineHad), false, Serve, (Open, None)),
            (Some(PulledWithCredentials), false, Serve, (Bound, None)),
            (None, false, Ask, (Bound, Some(EngineHad))),
            (Some(EngineHad), false, Ask, (Bound, None)),
            (Some(PulledWithCredentials), true, Ask, (Bound, None)),
        ] {
            assert_eq!(standing(known, pulling, local), expected);
        }
    }

    #[test]
    fn bound_images_never_go_out_without_a_proof() {
        assert_eq!(way(Standing::Open, Reach::Engine), Way::Free);
        assert_eq!(way(Standing::Open, Reach::Upstream), Way::Free);
        assert_eq!(way(Standing::Bound, Reach::Upstream), Way::Proof);
        assert_eq!(way(Standing::Bound, Reach::Engine), Way::Closed);
    }

    #[test]
    fn identities_differ_by_user_password_and_process() {
        let caller = |login: Option<(&str, &str)>| Caller {
            address: [127, 0, 0, 1].into(),
            login: login.map(|(user, password)| Login {
                user: user.into(),
                password: password.into(),
            }),
            reach: Reach::Upstream,
        };
        let of = |login, salt| Identity::of(&caller(login), &[salt; 32]);
        assert!(of(Some(("a", "b")), 1) == of(Some(("a", "b")), 1));
        assert!(of(None, 1) == of(None, 2));
        for other in [
            of(Some(("ab", "")), 1),
            of(Some(("", "ab")), 1),
            of(Some(("a", "b")), 2),
            of(None, 1),
        ] {
            assert!(of(Some(("a", "b")), 1) != other);
        }
    }
}
