//! What a user is told while steps are carried out.

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Debug(String),
    Info(String),
    Warning(String),
    /// Long work: how much of it is done. A command line draws a bar from these.
    Progress {
        /// What is worked on; the same text every time.
        task: String,
        done: u64,
        /// `None`: not known.
        total: Option<u64>,
    },
    /// The long work has ended, well or not.
    Ended {
        task: String,
    },
}

/// Takes what is told: a command line prints it, a test keeps it.
pub trait Reporter: Send + Sync {
    fn report(&self, event: Event);
}

impl dyn Reporter + '_ {
    pub fn debug(&self, text: impl Into<String>) {
        self.report(Event::Debug(text.into()));
    }

    pub fn info(&self, text: impl Into<String>) {
        self.report(Event::Info(text.into()));
    }

    pub fn warn(&self, text: impl Into<String>) {
        self.report(Event::Warning(text.into()));
    }
}
