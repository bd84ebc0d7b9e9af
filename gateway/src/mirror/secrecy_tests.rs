//! No secret stands in anything that is said, whatever it is.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

use super::access::{Identity, credentials};
use super::classify::{answer, sort};
use super::{Caller, Login, Reach};
use crate::names::Host;

/// What an Engine or a registry may say, with the secret in the middle of it.
const WORDS: &[&str] = &[
    "unauthorized: authentication required for {}",
    "manifest unknown: {}",
    "toomanyrequests {}",
    "dial tcp: lookup {}: no such host",
    "i/o timeout {}",
    "received unexpected HTTP status: 503 Service Unavailable {}",
    "403 Forbidden {}",
    "no matching manifest for {}",
    "write {}: no space left on device",
    "something else {}",
];

proptest! {
    #[test]
    fn no_secret_is_said(user in "[a-z0-9]{12,20}#", password in "[!-~]{12,40}~", words in 0..WORDS.len(), status in proptest::option::of(400u16..600), sent: bool) {
        let login = Login { user: user.clone(), password: password.as_str().into() };
        let basic = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let caller = Caller { address: [127, 0, 0, 1].into(), login: Some(login.clone()), reach: Reach::Upstream };
        let host = Host::parse("registry.example").unwrap();
        let identity = Identity::of(&caller, &[7; 32]);
        let shown = credentials(&login, &host);
        let mut said = vec![
            format!("{login:?}"),
            format!("{caller:?} {caller:#?}"),
            format!("{identity:?}"),
            format!("{:?}", shown.proof),
        ];
        for secret in [&password, &basic] {
            let told = answer(sort(status, &WORDS[words].replace("{}", secret)), "registry.example/a:1", sent);
            said.push(format!("{told} {told:?}"));
        }
        for text in said {
            prop_assert!(!text.contains(&password) && !text.contains(&basic), "{}", text);
        }
    }
}
