//! What the load balancer says: one line per event, on standard error, where tools that wait for it look.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the lines go; clones share it.
#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<Box<dyn Write + Send>>>);

impl Log {
    pub(super) fn new(target: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(target)))
    }

    pub(super) fn notice(&self, event: impl Display) {
        self.line("notice", &event);
    }

    pub(super) fn error(&self, event: impl Display) {
        self.line("error", &event);
    }

    fn line(&self, level: &str, event: &dyn Display) {
        // Names and texts of a file must not be able to make a line of their own.
        let text = event.to_string().replace(char::is_control, " ");
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads the log of a container whose engine is gone; connections go on.
        let _: io::Result<()> = writeln!(target, "[{level}] {text}").and_then(|()| target.flush());
    }
}
