//! No secret is printed, wherever it stands and whatever fails.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ecr::{Environment, Found, Tokens};
use proptest::prelude::*;
use registries::Secret;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::MakeWriter;

use crate::scripted::Scripted;
use crate::{HOST, Home};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// An environment that has the secret in one place, and what its services answer.
struct Case {
    name: &'static str,
    change: fn(&mut Environment, Files<'_>),
    answer: fn(&str) -> (u16, String),
}

/// Files that an environment names.
struct Files<'a> {
    secret: &'a str,
    folder: PathBuf,
}

impl Files<'_> {
    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A configuration whose profile is in use instead of the keys.
    fn profile(&self, environment: &mut Environment, content: &str) {
        environment.access_key_id = None;
        environment.secret_access_key = None;
        environment.config_file = Some(self.write("config", content));
    }
}

fn garbage(secret: &str) -> (u16, String) {
    (200, secret.to_owned())
}

fn refusal(secret: &str) -> (u16, String) {
    let body = format!(r#"{{"__type":"AccessDeniedException","message":"{secret}"}}"#);
    (400, body)
}

fn crossed(secret: &str) -> (u16, String) {
    let body = format!(r#"{{"authorizationData":"{secret}","code":"{secret} x"}}"#);
    (
        if secret.len().is_multiple_of(2) {
            200
        } else {
            500
        },
        body,
    )
}

const CASES: [Case; 9] = [
    Case {
        name: "keys",
        change: |environment, files| {
            environment.secret_access_key = Some(Secret::from(files.secret));
        },
        answer: refusal,
    },
    Case {
        name: "session token",
        change: |environment, files| {
            environment.session_token = Some(Secret::from(files.secret));
        },
        answer: crossed,
    },
    Case {
        name: "answer",
        change: |_, _| {},
        answer: garbage,
    },
    Case {
        name: "line of a profile",
        change: |environment, files| {
            let content = format!("[default]\n{}\n", files.secret.replace('=', ""));
            files.profile(environment, &content);
        },
        answer: garbage,
    },
    Case {
        name: "half of a pair",
        change: |environment, files| {
            let content = format!("[default]\naws_secret_access_key = {}\n", files.secret);
            files.profile(environment, &content);
        },
        answer: garbage,
    },
    Case {
        name: "program",
        change: |environment, files| {
            let content = format!("[default]\ncredential_process = echo '{}'\n", files.secret);
            files.profile(environment, &content);
        },
        answer: garbage,
    },
    Case {
        name: "program that is none",
        change: |environment, files| {
            let content = format!("[default]\ncredential_process = /{}\n", files.secret);
            files.profile(environment, &content);
        },
        answer: garbage,
    },
    Case {
        name: "token of a service account",
        change: |environment, files| {
            files.profile(environment, "");
            environment.web_identity_token_file = Some(files.write("token", files.secret));
            environment.role_arn = Some("arn:aws:iam::123456789012:role/x".to_owned());
        },
        answer: crossed,
    },
    Case {
        name: "container",
        change: |environment, files| {
            files.profile(environment, "");
            environment
                .container_full_uri
                .clone_from(&environment.endpoint_url);
            environment.container_token = Some(Secret::from(files.secret));
        },
        answer: crossed,
    },
];

/// Everything that an error says, in every way it can.
fn in_every_way(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error:?} {error:#?}");
    let mut next = Some(error);
    while let Some(error) = next {
        write!(text, " {error}").unwrap();
        next = error.source();
    }
    text
}

async fn everything_printed(case: &Case, secret: &str) -> String {
    let (answer, answered) = (case.answer, secret.to_owned());
    let services = Scripted::start(move |_| answer(&answered));
    let mut home = Home::new(&services)
        .docker_config(&format!("{{\"auths\":{{\"x\":{secret}}}}}"))
        .helper("ecr-login", &format!("echo '{{{secret}'"));
    let files = Files {
        secret,
        folder: home.folder.path().to_owned(),
    };
    (case.change)(&mut home.aws, files);
    let sources = home.sources();
    let found = sources.credentials_for(HOST, None).await;
    assert_eq!(found.credentials, None, "{}", case.name);
    let error = Tokens::new(home.aws.clone()).get(HOST).await.unwrap_err();
    format!(
        "{:?} {sources:?} {found:?} {}",
        home.aws,
        in_every_way(&error)
    )
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn subscriber(log: &Log) -> impl tracing::Subscriber + Send + Sync + 'static {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_is_in_nothing_that_is_printed(secret in "[A-Za-z0-9+/]{11,39}[0-9]={0,2}") {
        let runtime = runtime();
        for case in &CASES {
            let log = Log::default();
            let printed = everything_printed(case, &secret).with_subscriber(subscriber(&log));
            let printed = runtime.block_on(printed);
            let logged = log.text();
            let bare = secret.trim_end_matches('=');
            prop_assert!(!printed.contains(bare), "{}: {printed}", case.name);
            prop_assert!(!logged.contains(bare), "{}: {logged}", case.name);
            prop_assert!(logged.contains("credentials passed over"), "{}: {logged}", case.name);
        }
    }

    #[test]
    fn a_token_that_is_found_is_not_printed(secret in "[A-Za-z0-9+/]{11,39}[0-9]") {
        use base64::Engine as _;
        let runtime = runtime();
        let encoded = base64::prelude::BASE64_STANDARD.encode(format!("AWS:{secret}"));
        let answered = encoded.clone();
        let services = Scripted::start(move |_| crate::token(&answered));
        let log = Log::default();
        let sources = Home::new(&services).sources();
        let found: Found = runtime.block_on(
            sources.credentials_for(HOST, None).with_subscriber(subscriber(&log)),
        );
        prop_assert!(found.credentials.is_some());
        let printed = format!("{found:?} {sources:?} {}", log.text());
        prop_assert!(log.text().contains("credentials found"));
        prop_assert!(!printed.contains(&secret) && !printed.contains(&encoded), "{printed}");
    }
}
