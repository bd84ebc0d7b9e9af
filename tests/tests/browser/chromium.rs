//! Headless Chromium behind chromedriver: WebDriver for hands and eyes, DevTools for what only it knows.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::{Server, free_ports};
use e2e::settings::Settings;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::request;

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Browser {
    port: u16,
    session: String,
    // Ends before its folder goes.
    _driver: Server,
    _folder: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [port] = free_ports()?;
        let program = Settings::from_env().program("chromedriver")?;
        let driver = Server::start(
            &program,
            [format!("--port={port}")],
            folder.path().join("chromedriver.log"),
        )?;
        until("chromedriver", || {
            let (_, answer) = request(port, "GET", "/status", None)?;
            ensure!(answer["value"]["ready"] == true, "{answer}");
            Ok(())
        })?;
        let profile = format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        );
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                "--disable-background-networking", "--disable-component-update", "--no-first-run",
                "--window-size=1280,800", profile,
            ]},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
        }}});
        let (_, answer) = request(port, "POST", "/session", Some(&capabilities))?;
        let session = answer["value"]["sessionId"]
            .as_str()
            .with_context(|| format!("no browser: {answer}"))?;
        Ok(Self {
            port,
            session: session.to_owned(),
            _driver: driver,
            _folder: folder,
        })
    }

    pub(crate) fn open(&self, url: &str) -> Result<()> {
        self.load("url", &json!({"url": url}))
    }

    pub(crate) fn reload(&self) -> Result<()> {
        self.load("refresh", &json!({}))
    }

    /// Chromium gives a page up when any network of the machine changes, as those of other tests do all the time.
    fn load(&self, command: &str, body: &Value) -> Result<()> {
        until("the page", || {
            self.command(command, body)?;
            let page = self.run("return location.protocol")?;
            ensure!(
                page != "chrome-error:",
                "{}",
                self.run("return document.body.innerText")?
            );
            Ok(())
        })
    }

    /// What a function's body returns in the page.
    pub(crate) fn run(&self, script: &str) -> Result<Value> {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// A DevTools command.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.command(
            "goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        )
    }

    /// Keys as a keyboard sends them; names such as `Enter` stand for themselves.
    pub(crate) fn press(&self, keys: &[&str]) -> Result<()> {
        let code = |key: &&str| match *key {
            "Enter" => "\u{e007}".to_owned(),
            "Escape" => "\u{e00c}".to_owned(),
            "Tab" => "\u{e004}".to_owned(),
            "ArrowUp" => "\u{e013}".to_owned(),
            "ArrowDown" => "\u{e015}".to_owned(),
            "End" => "\u{e010}".to_owned(),
            text => text.to_owned(),
        };
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                let value = code(key);
                [
                    json!({"type": "keyDown", "value": value}),
                    json!({"type": "keyUp", "value": value}),
                ]
            })
            .collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.command("actions", &actions).map(drop)
    }

    pub(crate) fn type_text(&self, text: &str) -> Result<()> {
        let letters: Vec<String> = text.chars().map(String::from).collect();
        self.press(&letters.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Entries since the last call: `browser` is the console, `performance` what DevTools tells.
    pub(crate) fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let entries = self.command("se/log", &json!({"type": kind}))?;
        Ok(entries.as_array().cloned().unwrap_or_default())
    }

    pub(crate) fn screenshot(&self, path: &Path) -> Result<()> {
        let shot = self.devtools("Page.captureScreenshot", &json!({"format": "png"}))?;
        let bytes: ByteString = serde_json::from_value(shot["data"].clone())?;
        std::fs::write(path, bytes.0).with_context(|| format!("failed to write {}", path.display()))
    }

    /// What a script returns, once it is what is waited for.
    pub(crate) fn see(
        &self,
        what: &str,
        script: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        until(what, || {
            let found = self.run(script)?;
            if wanted(&found) {
                return Ok(found);
            }
            let text = self.run("return document.body.innerText")?;
            bail!("{found}; the page says: {text}")
        })
    }

    /// Waits until the page's text holds these words.
    pub(crate) fn reads(&self, words: &str) -> Result<()> {
        self.see(words, "return document.body.innerText", |text| {
            text.as_str()
                .is_some_and(|text| text.to_lowercase().contains(&words.to_lowercase()))
        })
        .map(drop)
    }

    fn command(&self, name: &str, body: &Value) -> Result<Value> {
        let path = format!("/session/{}/{name}", self.session);
        let (status, answer) = request(self.port, "POST", &path, Some(body))?;
        ensure!(status == 200, "{name}: {}", answer["value"]["message"]);
        Ok(answer["value"].clone())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser too; chromedriver alone would leave it.
        let _ = request(
            self.port,
            "DELETE",
            &format!("/session/{}", self.session),
            None,
        );
    }
}

/// Asks until the answer is there; after the deadline fails with the last refusal.
pub(crate) fn until<T>(what: &str, ask: impl Fn() -> Result<T>) -> Result<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(refusal) if Instant::now() > end => {
                return Err(refusal.context(format!("{what}: not in time")));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
