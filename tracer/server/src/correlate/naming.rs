//! Pulls of a node and images that are wanted there: which is which.
//!
//! In order: the runtime's own record; the digest in a name; the only wanted image of the pull's repository; several of
//! one repository in the order of the kubelet's asking; and while the repository is not known, that order alone. Pulls
//! that were matched no other can have.

use jiff::{SignedDuration, Timestamp};
use tracer_model::{ImageName, NameConfidence};

use super::Naming;
use super::view::Candidate;

/// Clocks of one node do not differ, but Events tell whole seconds.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// A pull that goes on, as far as its runtime tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// When it began.
    pub started: Timestamp,
    /// Host, with or without its port; empty while unknown.
    pub registry: String,
    /// Empty while unknown.
    pub repository: String,
    /// Empty while unknown.
    pub digest: String,
    /// The name by the runtime's own record.
    pub exact: Option<ImageName>,
    /// What it was taken for before.
    pub before: Naming,
}

/// The names of `sessions`, in their order.
pub fn assign(sessions: &[Session], candidates: &[Candidate]) -> Vec<Naming> {
    let mut order: Vec<usize> = (0..sessions.len()).collect();
    order.sort_by_key(|index| sessions[*index].started);
    let mut matches: Vec<Option<(usize, NameConfidence)>> = vec![None; sessions.len()];
    let mut taken = vec![false; candidates.len()];
    let mut give = |step: &dyn Fn(&Session, &Candidate) -> bool,
                    confidence: NameConfidence,
                    matches: &mut Vec<Option<(usize, NameConfidence)>>| {
        for &session in &order {
            if matches[session].is_some() {
                continue;
            }
            let found = candidates
                .iter()
                .enumerate()
                .find(|(index, candidate)| !taken[*index] && step(&sessions[session], candidate));
            if let Some((index, _)) = found {
                taken[index] = true;
                matches[session] = Some((index, confidence));
            }
        }
    };
    give(&is_exact, NameConfidence::Exact, &mut matches);
    give(&has_digest, NameConfidence::Exact, &mut matches);
    let alone = |session: &Session, candidate: &Candidate| {
        same_repository(session, candidate)
            && candidates
                .iter()
                .filter(|other| same_repository(session, other))
                .count()
                == 1
            && sessions
                .iter()
                .filter(|other| same_repository(other, candidate))
                .count()
                == 1
    };
    give(&alone, NameConfidence::Repository, &mut matches);
    let in_order = |session: &Session, candidate: &Candidate| {
        same_repository(session, candidate) && was_asked(session, candidate)
    };
    give(&in_order, NameConfidence::Guessed, &mut matches);
    give(&same_repository, NameConfidence::Guessed, &mut matches);
    let nothing_known = |session: &Session, candidate: &Candidate| {
        is_unknown(session) && was_asked(session, candidate)
    };
    give(&nothing_known, NameConfidence::Guessed, &mut matches);
    // A pod that waits without an Event is the weakest sign: it serves when there is no doubt about whom.
    let single = candidates.len() == 1 && sessions.len() == 1;
    let only = |session: &Session, _: &Candidate| single && is_unknown(session);
    give(&only, NameConfidence::Guessed, &mut matches);
    sessions
        .iter()
        .zip(matches)
        .map(|(session, found)| named(session, found, candidates))
        .collect()
}

fn named(
    session: &Session,
    found: Option<(usize, NameConfidence)>,
    candidates: &[Candidate],
) -> Naming {
    let before = session.before.clone();
    let Some((candidate, confidence)) =
        found.map(|(index, confidence)| (&candidates[index], confidence))
    else {
        // Whoever waited has what it wanted, or is gone: what was said before stays, unless it cannot be true.
        return if still_possible(session) {
            before
        } else {
            Naming {
                image: None,
                confidence: NameConfidence::Unknown,
                pods: Vec::new(),
                ..before
            }
        };
    };
    Naming {
        image: Some(candidate.name.to_string()),
        confidence,
        pods: candidate.pods.clone(),
        ..before
    }
}

fn still_possible(session: &Session) -> bool {
    let Some(name) = session
        .before
        .image
        .as_deref()
        .and_then(|name| ImageName::parse(name).ok())
    else {
        return true;
    };
    match &session.exact {
        Some(exact) => exact.may_equal(&name),
        None => is_unknown(session) || is_of_repository(session, &name),
    }
}

fn is_unknown(session: &Session) -> bool {
    session.repository.is_empty() && session.exact.is_none()
}

fn is_exact(session: &Session, candidate: &Candidate) -> bool {
    session
        .exact
        .as_ref()
        .is_some_and(|name| name.may_equal(&candidate.name))
}

fn has_digest(session: &Session, candidate: &Candidate) -> bool {
    !session.digest.is_empty()
        && candidate.name.digest.as_deref() == Some(session.digest.as_str())
        && (session.repository.is_empty() || session.repository == candidate.name.repository)
}

fn same_repository(session: &Session, candidate: &Candidate) -> bool {
    let other_digest = candidate
        .name
        .digest
        .as_deref()
        .is_some_and(|digest| !session.digest.is_empty() && digest != session.digest);
    session.exact.is_none() && !other_digest && is_of_repository(session, &candidate.name)
}

fn is_of_repository(session: &Session, name: &ImageName) -> bool {
    !session.repository.is_empty()
        && session.repository == name.repository
        && same_host(&session.registry, &name.registry)
}

/// Labels of content tell the host without its port.
pub(crate) fn same_host(known: &str, wanted: &str) -> bool {
    known == wanted || host(wanted) == known
}

fn host(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    }
}

fn was_asked(session: &Session, candidate: &Candidate) -> bool {
    candidate
        .pulling
        .is_some_and(|(since, _)| since <= session.started.saturating_add(SLACK).unwrap_or(since))
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
