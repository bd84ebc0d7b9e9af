//! Why a node cannot be prepared as asked.

/// What the user can change about it stands in each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "failed to make the Engine's DNS reachable for pods: the gateway of the network has no known IPv4 address: give the network one, or switch this off with K3D_FIX_DNS=false"
    )]
    NoGateway,
    #[error(
        "failed to make the Engine's DNS reachable for pods: volume \"{volume}\" covers /etc/resolv.conf, which has to be rewritten: remove the volume, or switch this off with K3D_FIX_DNS=false"
    )]
    ResolvConfMounted { volume: String },
    #[error("host alias \"{ip}\" is not an IP address: write one, such as 192.168.1.5 or fd00::5")]
    AliasAddress { ip: String },
    #[error(
        "host alias \"{name}\" of {ip} is not a host name: use letters, digits, `-`, `_` and dots, at most 253 characters"
    )]
    AliasName { ip: String, name: String },
    #[error("host alias {ip} has no host names: add one, or remove the alias")]
    AliasWithoutNames { ip: String },
}

pub type Result<T> = std::result::Result<T, Error>;
