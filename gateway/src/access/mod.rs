//! Who may talk to the gateway, and who may push to it.

mod htpasswd;
mod peers;

use std::net::IpAddr;

use crate::mirror::Login;

pub use htpasswd::{Users, UsersError};
pub use peers::{Networks, Peers};

/// Who may push and delete.
#[derive(Debug)]
pub enum Push {
    /// Nobody.
    Off,
    /// Peers in the networks of the gateway's own interfaces.
    Local,
    /// Whoever stands in an htpasswd file.
    Users(Users),
}

/// The rules of access.
#[derive(Debug)]
pub struct Access {
    /// Who may push.
    pub push: Push,
    /// Whether only peers in the gateway's own networks may talk to it at all.
    pub clients_are_local: bool,
    /// Which networks those are.
    pub peers: Peers,
}

/// Why a request may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Nobody may push.
    #[error("pushing is switched off (--push)")]
    Off,
    /// The peer is elsewhere.
    #[error(
        "pushing is for peers in the gateway's own networks (--push local); allow others with --push htpasswd"
    )]
    Elsewhere,
    /// The peer may not even read.
    #[error("the gateway answers peers in its own networks only (--clients local)")]
    Stranger,
    /// There is no login, or it is wrong.
    #[error("pushing needs a login of the gateway's htpasswd file")]
    Login,
}

impl Access {
    /// Whether a peer may ask anything at all.
    pub fn admit(&self, peer: IpAddr) -> Result<(), Forbidden> {
        if self.clients_are_local && !self.peers.include(peer) {
            return Err(Forbidden::Stranger);
        }
        Ok(())
    }

    /// Whether a peer may push and delete.
    pub async fn push(&self, peer: IpAddr, login: Option<&Login>) -> Result<(), Forbidden> {
        match &self.push {
            Push::Off => Err(Forbidden::Off),
            Push::Local if self.peers.include(peer) => Ok(()),
            Push::Local => Err(Forbidden::Elsewhere),
            Push::Users(users) => match login {
                Some(login) if users.know(login).await => Ok(()),
                _ => Err(Forbidden::Login),
            },
        }
    }

    /// Whether clients must be asked for a login before they know that they need one: `docker` asks `/v2/` and believes it.
    pub fn challenges(&self) -> bool {
        matches!(self.push, Push::Users(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(push: Push, clients_are_local: bool) -> Access {
        let networks = Networks::parse(["172.18.0.0/16"]).unwrap();
        Access {
            push,
            clients_are_local,
            peers: Peers::Fixed(networks),
        }
    }

    #[tokio::test]
    async fn host_and_nodes_push_and_the_lan_does_not() {
        let access = access(Push::Local, false);
        for (peer, allowed) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("172.18.0.1", true),
            ("::ffff:172.18.0.5", true),
            ("172.19.0.1", false),
            ("192.168.1.7", false),
            ("fe80::1", false),
        ] {
            let answer = access.push(peer.parse().unwrap(), None).await;
            assert_eq!(answer.is_ok(), allowed, "{peer}");
        }
    }

    #[tokio::test]
    async fn nobody_pushes_when_it_is_off() {
        let access = access(Push::Off, false);
        assert_eq!(
            access.push("127.0.0.1".parse().unwrap(), None).await,
            Err(Forbidden::Off)
        );
    }

    #[test]
    fn strangers_are_admitted_unless_clients_are_local() {
        let stranger = "192.0.2.1".parse().unwrap();
        assert_eq!(access(Push::Off, false).admit(stranger), Ok(()));
        assert_eq!(
            access(Push::Off, true).admit(stranger),
            Err(Forbidden::Stranger)
        );
        assert_eq!(
            access(Push::Off, true).admit("172.18.3.4".parse().unwrap()),
            Ok(())
        );
    }
}
