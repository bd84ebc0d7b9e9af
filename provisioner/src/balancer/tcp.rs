//! One TCP port: takes connections, each into a task of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::dial::{Shared, Target};
use super::limit::Place;
use super::relay::relay;

/// Connections that the kernel keeps for us while all places are taken; it uses its own limit if that is lower.
const BACKLOG: i32 = 4096;

/// Until files or memory are free again.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens at a port of all addresses, IPv6 too where the machine has it, or of the given one.
pub(super) fn listen(address: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    let socket = bind(address, port, Type::STREAM)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket at a port, ready for use by the run time.
pub(super) fn bind(address: Option<IpAddr>, port: u16, kind: Type) -> io::Result<Socket> {
    let Some(address) = address else {
        return bound(Ipv6Addr::UNSPECIFIED.into(), port, kind).or_else(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                return Err(error);
            }
            bound(Ipv4Addr::UNSPECIFIED.into(), port, kind)
        });
    };
    bound(address, port, kind)
}

fn bound(address: IpAddr, port: u16, kind: Type) -> io::Result<Socket> {
    let address = SocketAddr::new(address, port);
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        // One socket for both families, whatever the machine's default is.
        socket.set_only_v6(false)?;
    }
    if kind == Type::STREAM {
        // Connections of an earlier listener may still be there.
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Takes connections for ever.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, target: Arc<Target>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let place = place(&shared).await;
                let (shared, target) = (Arc::clone(&shared), Arc::clone(&target));
                tokio::spawn(connection(client, shared, target, place));
            }
            // A client that went away before it was taken.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                shared
                    .log
                    .error(format_args!("failed to accept at {}: {error}", target.port));
                sleep(PAUSE).await;
            }
        }
    }
}

/// A place for a connection that is here already; those after it wait in the kernel.
async fn place(shared: &Shared) -> Place {
    if let Some(place) = shared.limit.place_now() {
        return place;
    }
    shared.full();
    shared.limit.place().await
}

async fn connection(client: TcpStream, shared: Arc<Shared>, target: Arc<Target>, place: Place) {
    if let Some(server) = shared.connect(&target).await {
        // Without it small answers wait for acknowledgements; where it cannot be set they do.
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        relay(&client, &server, target.idle()).await;
    } else {
        // Refused, as the port would be without anybody behind it, and not an answer of no bytes.
        let _ = client.set_zero_linger();
    }
    drop((client, place));
}
