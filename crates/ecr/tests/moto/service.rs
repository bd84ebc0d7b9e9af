//! moto on a free port: AWS's services with accounts, users, roles and checked signatures.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running moto; dropping it ends it.
pub(crate) struct Moto {
    process: Child,
    port: u16,
}

/// A user of the account, with keys.
pub(crate) struct User {
    pub(crate) key_id: String,
    pub(crate) key: String,
}

impl Moto {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let program = std::env::var_os("BERTH_MOTO").expect(
            "BERTH_MOTO names moto_server; tests/env/up installs it, BERTH_SKIP=moto leaves it out",
        );
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = Command::new(program)
            .args(["-p", &port.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut moto = Self { process, port };
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = moto.process.try_wait().unwrap();
            assert!(ended.is_none(), "moto ended: {ended:?}");
            assert!(Instant::now() < deadline, "moto does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A user who may do everything.
    pub(crate) fn user(&self, name: &str) -> User {
        self.iam(&format!("Action=CreateUser&UserName={name}"));
        self.iam(&format!(
            "Action=PutUserPolicy&UserName={name}&PolicyName=all&PolicyDocument={}",
            policy("%22Resource%22:%22*%22")
        ));
        let keys = self.iam(&format!("Action=CreateAccessKey&UserName={name}"));
        User {
            key_id: element(&keys, "AccessKeyId"),
            key: element(&keys, "SecretAccessKey"),
        }
    }

    /// A role that everybody of the account may take on, and that may do everything.
    pub(crate) fn role(&self, name: &str) -> String {
        let trust = policy("%22Principal%22:{%22AWS%22:%22*%22}");
        let made = self.iam(&format!(
            "Action=CreateRole&RoleName={name}&AssumeRolePolicyDocument={trust}"
        ));
        self.iam(&format!(
            "Action=PutRolePolicy&RoleName={name}&PolicyName=all&PolicyDocument={}",
            policy("%22Resource%22:%22*%22")
        ));
        element(&made, "Arn")
    }

    /// Checks signatures and rights of all but the next `count` calls.
    pub(crate) fn check_after(&self, count: u32) {
        let text = "Content-Type: text/plain\r\n";
        self.post("/moto-api/reset-auth", text, &count.to_string());
    }

    fn iam(&self, form: &str) -> String {
        let scope = "Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        self.post("/", scope, &format!("{form}&Version=2010-05-08"))
    }

    fn post(&self, path: &str, header: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{header}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{body}: {answer}");
        answer
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn policy(more: &str) -> String {
    format!(
        "{{%22Version%22:%222012-10-17%22,%22Statement%22:[{{%22Effect%22:%22Allow%22,%22Action%22:%22*%22,{more}}}]}}"
    )
}

fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}
