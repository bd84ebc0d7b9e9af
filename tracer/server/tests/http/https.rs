//! The program itself behind its certificate, asked by curl.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn certificate(folder: &Path) {
    let made = Command::new("openssl")
        .current_dir(folder)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=tracer.test",
            "-addext",
            "subjectAltName=DNS:tracer.test",
        ])
        .args(["-keyout", "tls.key", "-out", "tls.crt"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn free() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// What curl says, and whether it was content.
fn curl(folder: &Path, port: u16, scheme: &str, arguments: &[&str]) -> (bool, String) {
    let (path, arguments) = arguments.split_first().unwrap();
    let output = Command::new("curl")
        .current_dir(folder)
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
        ])
        .args(["--write-out", "\n%{http_code} %{ssl_verify_result}"])
        .args(["--resolve", &format!("tracer.test:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("{scheme}://tracer.test:{port}{path}"))
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn the_program_answers_behind_its_certificate_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificate(folder);
    let (port, metrics) = (free(), free());
    let child = Command::new(env!("CARGO_BIN_EXE_berth-tracer-server"))
        .current_dir(folder)
        .env_clear()
        .args([
            "--kubernetes=false",
            "--tls-cert=tls.crt",
            "--tls-key=tls.key",
            "--log-level=error",
        ])
        .arg(format!("--http-address=127.0.0.1:{port}"))
        .arg(format!("--metrics-address=127.0.0.1:{metrics}"))
        .env("BERTH_TRACER_AGENT_TOKEN", "made-up")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let _program = Program(child);
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "the server does not listen");
        std::thread::yield_now();
    }
    let believed = ["--cacert", "tls.crt"];
    let report = r#"{"nodeName":"worker-1","protocol":2,"bootId":"b","sequence":1,"kind":"full"}"#;
    for (scheme, path, arguments, good, expected) in [
        ("https", "/healthz", &believed[..], true, "ok\n\n200 0"),
        ("https", "/healthz", &[], false, "000"),
        ("http", "/healthz", &believed, false, "000"),
        (
            "https",
            "/api/v1/report",
            &["--cacert", "tls.crt", "--json", report],
            true,
            "401 0",
        ),
        (
            "https",
            "/api/v1/report",
            &[
                "--cacert",
                "tls.crt",
                "--json",
                report,
                "--oauth2-bearer",
                "made-up",
            ],
            true,
            "{\"sequence\":1,\"resync\":false}\n200 0",
        ),
        (
            "https",
            "/api/v1/nodes",
            &["--cacert", "tls.crt", "--compressed"],
            true,
            "\"nodeName\":\"worker-1\"",
        ),
        (
            "https",
            "/",
            &["--cacert", "tls.crt", "--tlsv1.3"],
            true,
            "200 0",
        ),
    ] {
        let (content, text) = curl(folder, port, scheme, &[&[path], arguments].concat());
        assert_eq!(content, good, "{scheme} {path} {arguments:?}: {text}");
        assert!(
            text.contains(expected),
            "{scheme} {path} {arguments:?}: {text}"
        );
    }
}
