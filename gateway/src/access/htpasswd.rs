//! htpasswd files with bcrypt, as `htpasswd -B` writes them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::mirror::Login;

/// Logins that were right are remembered up to so many, because bcrypt is slow on purpose.
const REMEMBERED: usize = 256;
/// Verifications at a time: nobody may keep every processor busy with wrong passwords.
const AT_A_TIME: usize = 2;
/// Verified when the user is not known, so that an answer takes as long as for one who is.
const NOBODY: &str = "$2b$05$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu";

/// The users of an htpasswd file.
pub struct Users {
    hashes: HashMap<String, String>,
    salt: [u8; 32],
    remembered: Mutex<HashSet<[u8; 32]>>,
    places: Arc<Semaphore>,
}

/// What is wrong with an htpasswd file. The number is the line's.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// Not `user:hash`.
    #[error("line {0} of the htpasswd file is not user:hash")]
    Line(usize),
    /// A hash of another kind.
    #[error("line {0} of the htpasswd file has no bcrypt hash; make it with htpasswd -B")]
    Hash(usize),
    /// Nobody stands in it.
    #[error("the htpasswd file names nobody; add users with htpasswd -B, or use --push off")]
    Empty,
    /// The system gives no random bytes.
    #[error("failed to get random bytes from the system")]
    Random,
}

impl Users {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) = line.split_once(':').ok_or(UsersError::Line(number))?;
            let is_bcrypt = ["$2a$", "$2b$", "$2y$"]
                .iter()
                .any(|kind| hash.starts_with(kind));
            if user.is_empty() || !is_bcrypt || hash.parse::<bcrypt::HashParts>().is_err() {
                return Err(UsersError::Hash(number));
            }
            hashes.insert(user.to_owned(), hash.to_owned());
        }
        if hashes.is_empty() {
            return Err(UsersError::Empty);
        }
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|_| UsersError::Random)?;
        Ok(Self {
            hashes,
            salt,
            remembered: Mutex::default(),
            places: Arc::new(Semaphore::new(AT_A_TIME)),
        })
    }

    /// Whether a login is one of theirs.
    pub async fn know(&self, login: &Login) -> bool {
        let print = self.print(login);
        if self.remembered().contains(&print) {
            return true;
        }
        let hash = self.hashes.get(&login.user).cloned();
        let password = login.password.clone();
        let Ok(_place) = self.places.clone().acquire_owned().await else {
            return false;
        };
        let verified = tokio::task::spawn_blocking(move || {
            let known = hash.is_some();
            let right = bcrypt::verify(
                password.expose().as_bytes(),
                hash.as_deref().unwrap_or(NOBODY),
            );
            known && right.unwrap_or(false)
        });
        let right = verified.await.unwrap_or(false);
        if right {
            let mut remembered = self.remembered();
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(print);
        }
        right
    }

    /// What a login is remembered by, worthless to whoever reads it elsewhere.
    fn print(&self, login: &Login) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(login.user.len().to_le_bytes());
        hash.update(&login.user);
        hash.update(login.password.expose().as_bytes());
        hash.finalize().into()
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.hashes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login {
            user: user.to_owned(),
            password: password.into(),
        }
    }

    fn line(user: &str, password: &str) -> String {
        let hash = bcrypt::hash_with_salt(password, 4, *b"0123456789abcdef").unwrap();
        format!(
            "{user}:{}\n",
            hash.format_for_version(bcrypt::Version::TwoY)
        )
    }

    #[tokio::test]
    async fn users_are_known_by_their_passwords_the_second_time_too() {
        let text = format!(
            "# people\n\n{}{}",
            line("ann", "open:sesame"),
            line("bob", "")
        );
        let users = Users::parse(&text).unwrap();
        for _ in 0..2 {
            assert!(users.know(&login("ann", "open:sesame")).await);
            assert!(!users.know(&login("ann", "open")).await);
            assert!(!users.know(&login("bob", "open:sesame")).await);
            assert!(!users.know(&login("nobody", "")).await);
        }
        assert_eq!(format!("{users:?}"), "Users(2)");
    }

    #[test]
    fn other_hashes_are_refused_with_their_line_and_never_shown() {
        let ann = line("ann", "x");
        for wrong in [
            "bob",
            "bob:plain-secret",
            "bob:$apr1$secret$x",
            "bob:{SHA}secret",
            ":$2y$05$",
            "bob:$2y$05$secret",
        ] {
            let error = Users::parse(&format!("{ann}{wrong}"))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("line 2 ") && !error.contains("secret"),
                "{error}"
            );
        }
        assert!(matches!(Users::parse("\n# none\n"), Err(UsersError::Empty)));
    }
}
