//! What is remembered of one registry, and for how long. Time is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::token::Token;

/// A token is replaced this long before it expires: a pull that begins with it should end with it.
const MARGIN: SignedDuration = SignedDuration::from_mins(15);

/// How long a failure is remembered, so that the many requests of one pull do not each wait for it.
pub(crate) const FAILURE: Duration = Duration::from_secs(20);

/// What came of asking: nothing when no AWS credentials are configured, the error's words when it failed.
pub(crate) type Outcome = Result<Option<Token>, String>;

/// An outcome and its time.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) outcome: Outcome,
    pub(crate) asked: Timestamp,
}

impl Remembered {
    /// Whether it still counts.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        if let Ok(Some(token)) = &self.outcome {
            token
                .expires
                .is_some_and(|expires| now.duration_until(expires) > MARGIN)
        } else {
            // A clock that went back must not keep a failure alive.
            let age = self.asked.duration_until(now);
            !age.is_negative() && age.unsigned_abs() < FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use registries::Secret;

    use super::{Outcome, Remembered};
    use crate::token::Token;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn fresh(outcome: Outcome, now: i64) -> bool {
        let asked = at(1_000_000);
        Remembered { outcome, asked }.is_fresh(at(now))
    }

    fn token(expires: Option<i64>) -> Token {
        Token {
            username: "AWS".into(),
            password: Secret::from("x"),
            expires: expires.map(at),
        }
    }

    #[test]
    fn a_token_counts_until_shortly_before_it_expires() {
        let expires = 1_043_200;
        for (now, expected) in [
            (1_000_000, true),
            (expires - 901, true),
            (expires - 900, false),
            (expires + 1, false),
        ] {
            assert_eq!(
                fresh(Ok(Some(token(Some(expires)))), now),
                expected,
                "{now}"
            );
        }
        assert!(
            !fresh(Ok(Some(token(None))), 1_000_000),
            "nobody knows until when"
        );
    }

    #[test]
    fn a_failure_and_the_lack_of_credentials_count_for_moments() {
        for (now, expected) in [
            (1_000_000, true),
            (1_000_019, true),
            (1_000_020, false),
            (999_999, false),
        ] {
            assert_eq!(fresh(Err(String::new()), now), expected, "{now}");
            assert_eq!(fresh(Ok(None), now), expected, "{now}");
        }
    }
}
