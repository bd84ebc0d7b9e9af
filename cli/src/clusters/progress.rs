//! What the provisioner tells while it works: lines of the log, and bars on a terminal.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use provisioner::run::{Event, Reporter};

use super::log::{Level, Log};

/// Where there is no terminal, a line is written each time another part of this many is done.
const PARTS: u64 = 4;
/// Work that is done sooner needs no lines about how far it is.
const SHORT: Duration = Duration::from_secs(3);

pub(crate) struct Progress {
    log: Log,
    terminal: bool,
    bars: MultiProgress,
    tasks: Mutex<HashMap<String, Task>>,
}

enum Task {
    Bar(ProgressBar),
    /// Parts that were told, and since when.
    Told(u64, Instant),
}

impl Progress {
    pub(crate) fn new(log: Log) -> Self {
        Self {
            terminal: log.shows(Level::Info) && io::stderr().is_terminal(),
            log,
            bars: MultiProgress::new(),
            tasks: Mutex::new(HashMap::new()),
        }
    }

    fn line(&self, level: Level, text: &str) {
        if self.terminal {
            self.bars.suspend(|| self.log.write(level, text));
        } else {
            self.log.write(level, text);
        }
    }

    fn progress(&self, task: String, done: u64, total: Option<u64>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.terminal {
            let bar = tasks
                .entry(task)
                .or_insert_with_key(|task| Task::Bar(self.bars.add(bar(task, total))));
            if let Task::Bar(bar) = bar {
                if let Some(total) = total {
                    bar.set_length(total);
                }
                bar.set_position(done);
            }
            return;
        }
        let Some(total) = total.filter(|total| *total > 0) else {
            return;
        };
        let part = done.saturating_mul(PARTS) / total;
        let text = format!("{task}: {} %", part.min(PARTS) * 100 / PARTS);
        let told = tasks
            .entry(task)
            .or_insert_with(|| Task::Told(0, Instant::now()));
        if let Task::Told(before, since) = told
            && part > *before
            && since.elapsed() > SHORT
        {
            *before = part;
            self.log.write(Level::Info, &text);
        }
    }

    fn end(&self, task: &str) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Task::Bar(bar)) = tasks.remove(task) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event) {
        match event {
            Event::Debug(text) => self.line(Level::Debug, &text),
            Event::Info(text) => self.line(Level::Info, &text),
            Event::Warning(text) => self.line(Level::Warn, &text),
            Event::Progress { task, done, total } => self.progress(task, done, total),
            Event::Ended { task } => self.end(&task),
        }
    }
}

fn bar(task: &str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} [{bar:30}] {bytes}/{total_bytes}",
        None => "{spinner} {msg} {bytes}",
    };
    let style = ProgressStyle::with_template(template);
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    let bar = match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.with_message(task.to_owned())
}
