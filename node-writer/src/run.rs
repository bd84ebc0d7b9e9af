//! `once` and `run`: reach the goal, then keep it.

use std::path::Path;
use std::time::{Duration, Instant};

use node_files::layout::{CONTESTED, OWN_FOLDER};
use node_files::{
    Action, At, Found, Ownership, Reason, Report, Wanted, carry_out, decide_record, find, own,
};

use crate::contest::{self, Repairs};
use crate::converge::{Pass, document_path, restore};
use crate::failure::Failure;
use crate::settings::{Goal, Settings};
use crate::watch::{Watcher, Woken};

/// Where Rancher leaves its part of the configuration of a node that it provisioned.
const RANCHER_MARK: &str = "config.yaml.d/50-rancher.yaml";

/// Reaches the goal and ends.
pub(crate) fn once(settings: &Settings) -> Result<(), Failure> {
    match &settings.goal {
        Goal::Record => record(settings),
        Goal::Restore => restore_and_give_up(settings),
        Goal::Apply { source } => {
            let _ownership = take(settings)?;
            Pass::look(settings, source)?.carry_out(settings)
        }
    }
}

/// Reaches the goal and keeps it until SIGTERM, which never restores anything.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let watcher = Watcher::new()?;
    match &settings.goal {
        Goal::Record => record(settings)?,
        Goal::Restore => restore_and_give_up(settings)?,
        Goal::Apply { source } => return keep(settings, source, &watcher),
    }
    // Nothing is watched: whatever happens to the file from here on is none of our business.
    while watcher.wait()? != Woken::End {}
    Ok(())
}

fn keep(settings: &Settings, source: &Path, watcher: &Watcher) -> Result<(), Failure> {
    let started = Instant::now();
    let mut keeper = Keeper {
        settings,
        source,
        repairs: Repairs::default(),
        last: None,
    };
    loop {
        let ownership = take(settings)?;
        // Watched before the first look, so that no change falls between the two.
        for folder in [&settings.folder, &settings.folder.join(OWN_FOLDER), source] {
            watcher.watch(folder)?;
        }
        keeper.pass(started.elapsed())?;
        loop {
            match watcher.wait()? {
                Woken::End => return Ok(()),
                Woken::Touched if ownership.holds() => keeper.pass(started.elapsed())?,
                // Own it and watch it anew.
                Woken::Touched | Woken::FolderGone => break,
            }
        }
        drop(ownership);
    }
}

struct Keeper<'a> {
    settings: &'a Settings,
    source: &'a Path,
    repairs: Repairs,
    /// What the latest pass put on the node.
    last: Option<Wanted>,
}

impl Keeper<'_> {
    fn pass(&mut self, now: Duration) -> Result<(), Failure> {
        let pass = Pass::look(self.settings, self.source)?;
        if self.last.as_ref() == Some(&pass.wanted) {
            self.repair(&pass, now)?;
        } else {
            if self.last.is_none() {
                self.end_or_forget_contest(&pass)?;
            }
            pass.carry_out(self.settings)?;
            self.repairs = Repairs::default();
        }
        self.last = Some(pass.wanted);
        Ok(())
    }

    fn repair(&mut self, pass: &Pass, now: Duration) -> Result<(), Failure> {
        if !pass.matters() {
            return Ok(carry_out(&self.settings.folder, &pass.actions)?);
        }
        if !self.repairs.allow(now) {
            return Err(self.give_up(&pass.found));
        }
        let (path, file) = (document_path(self.settings), pass.found.document.as_ref());
        tracing::warn!(
            node.name = self.settings.node.as_deref(),
            config.revision = %self.settings.revision,
            file.exists = file.is_some(),
            file.uid = file.map(|file| file.uid),
            file.modified = file.map(|file| file.modified),
            "Somebody else changed {path} or its certificate files, putting the revision back"
        );
        pass.carry_out(self.settings)
    }

    /// Leaves a mark, so that the next run of this revision does not begin the same fight.
    fn give_up(&self, found: &Found) -> Failure {
        let is_rancher_node = self.settings.folder.join(RANCHER_MARK).exists();
        let path = document_path(self.settings);
        let message = contest::describe(&path, found.document.as_ref(), is_rancher_node);
        let report = Report {
            reason: Reason::FileContested,
            message: message.clone(),
            revision: self.settings.revision.clone(),
        };
        let mark = Action::Write(At::own(CONTESTED), report.to_json().into());
        match carry_out(&self.settings.folder, &[mark]) {
            Ok(()) => Failure::Contested(message),
            Err(error) => error.into(),
        }
    }

    fn end_or_forget_contest(&self, pass: &Pass) -> Result<(), Failure> {
        let Some(file) = &pass.found.contested else {
            return Ok(());
        };
        let marker = std::str::from_utf8(file.bytes.expose())
            .ok()
            .and_then(Report::parse);
        if let Some(marker) = marker
            && pass.matters()
            && contest::holds(&marker, &self.settings.revision, age(file.modified))
        {
            return Err(Failure::Contested(marker.message));
        }
        Ok(carry_out(
            &self.settings.folder,
            &[Action::Remove(At::own(CONTESTED))],
        )?)
    }
}

/// Needs the folder only while it records: a node-writer that owns it has recorded already.
fn record(settings: &Settings) -> Result<(), Failure> {
    if decide_record(&find(&settings.folder)?).is_empty() {
        return Ok(());
    }
    let _ownership = take(settings)?;
    carry_out(&settings.folder, &decide_record(&find(&settings.folder)?))?;
    tracing::info!(
        node.name = settings.node.as_deref(), config.revision = %settings.revision,
        "Recorded what {} was, wrote nothing else", document_path(settings)
    );
    Ok(())
}

fn restore_and_give_up(settings: &Settings) -> Result<(), Failure> {
    let ownership = take(settings)?;
    restore(settings)?;
    Ok(ownership.give_up()?)
}

fn take(settings: &Settings) -> Result<Ownership, Failure> {
    let machine = rustix::system::uname();
    let holder = format!(
        "{}, pid {}",
        machine.nodename().to_string_lossy(),
        std::process::id()
    );
    Ok(own(&settings.folder, &holder)?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one look at the wall clock; what follows from it is decided elsewhere"
)]
fn age(modified: i64) -> Duration {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    now.saturating_sub(Duration::from_secs(u64::try_from(modified).unwrap_or(0)))
}
