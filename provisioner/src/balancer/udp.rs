//! One UDP port: a session per client's address, each with a socket of its own towards a node.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::Type;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::dial::{Shared, Target};
use super::limit::Place;
use super::relay::Activity;
use super::tcp::bind;

const LARGEST_DATAGRAM: usize = 65_535;

/// Datagrams of one client that wait while its node is being found; more are lost, as UDP may lose them.
const WAITING: usize = 64;

/// Until memory is free again.
const PAUSE: Duration = Duration::from_millis(100);

type Datagram = Vec<u8>;

/// A socket at a port of all addresses, or of the given one.
pub(super) fn listen(address: Option<IpAddr>, port: u16) -> io::Result<UdpSocket> {
    UdpSocket::from_std(bind(address, port, Type::DGRAM)?.into())
}

/// Takes datagrams for ever; the sessions end with it.
pub(super) async fn serve(socket: UdpSocket, shared: Arc<Shared>, target: Arc<Target>) {
    let front = Arc::new(Front {
        socket,
        shared,
        target,
    });
    let mut sessions = Sessions {
        front: Arc::clone(&front),
        by_client: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        tokio::select! {
            received = front.socket.recv_from(&mut buffer) => match received {
                Ok((count, client)) => sessions.deliver(buffer[..count].to_vec(), client),
                // Some client no longer listens: its session will be silent and end.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    let port = front.target.port;
                    front.shared.log.error(format_args!("failed to receive at {port}: {error}"));
                    sleep(PAUSE).await;
                }
            },
            Some(ended) = sessions.tasks.join_next() => if let Ok(client) = ended {
                sessions.forget(client);
            },
        }
    }
}

/// The side of the port that clients see.
struct Front {
    socket: UdpSocket,
    shared: Arc<Shared>,
    target: Arc<Target>,
}

struct Sessions {
    front: Arc<Front>,
    by_client: HashMap<SocketAddr, Session>,
    tasks: JoinSet<SocketAddr>,
}

struct Session {
    datagrams: Sender<Datagram>,
    activity: Arc<Activity>,
    task: AbortHandle,
    place: Place,
}

impl Sessions {
    fn deliver(&mut self, datagram: Datagram, client: SocketAddr) {
        let datagram = match self.by_client.get(&client) {
            Some(session) => match session.datagrams.try_send(datagram) {
                Ok(()) | Err(TrySendError::Full(_)) => return,
                Err(TrySendError::Closed(datagram)) => datagram,
            },
            None => datagram,
        };
        self.by_client.remove(&client);
        let Some(place) = self.place() else {
            return self.front.shared.full();
        };
        let (sender, receiver) = channel(WAITING);
        let activity = Arc::new(Activity::new());
        let conversation = Conversation {
            client,
            front: Arc::clone(&self.front),
            activity: Arc::clone(&activity),
            unanswered: Some(datagram),
        };
        let session = Session {
            datagrams: sender,
            activity,
            task: self.tasks.spawn(conversation.run(receiver)),
            place,
        };
        self.by_client.insert(client, session);
    }

    /// A free place, or that of the session which has been silent for longest: datagrams have no end that would
    /// free one, and their sender cannot be made to wait.
    fn place(&mut self) -> Option<Place> {
        if let Some(place) = self.front.shared.limit.place_now() {
            return Some(place);
        }
        let (silent, _) = self
            .by_client
            .iter()
            .max_by_key(|(_, session)| session.activity.silent_for())?;
        let silent = *silent;
        let session = self.by_client.remove(&silent)?;
        session.task.abort();
        Some(session.place)
    }

    /// Removes a session that has ended, but not the one that has taken its place meanwhile.
    fn forget(&mut self, client: SocketAddr) {
        let ended = |session: &Session| session.datagrams.is_closed();
        if self.by_client.get(&client).is_some_and(ended) {
            self.by_client.remove(&client);
        }
    }
}

/// One client's datagrams and their answers.
struct Conversation {
    client: SocketAddr,
    front: Arc<Front>,
    activity: Arc<Activity>,
    /// The last datagram, until the node has answered anything: another node would need it.
    unanswered: Option<Datagram>,
}

impl Conversation {
    async fn run(mut self, datagrams: Receiver<Datagram>) -> SocketAddr {
        let activity = Arc::clone(&self.activity);
        let idle = self.front.target.idle();
        tokio::select! {
            () = self.talk(datagrams) => {}
            () = activity.silence(idle) => {}
        }
        self.client
    }

    /// Talks with the node whose turn it is, and with the next one when a node's machine says that nobody listens.
    async fn talk(&mut self, mut datagrams: Receiver<Datagram>) {
        let front = Arc::clone(&self.front);
        for name in front.target.turn() {
            let port = front.target.port.number;
            let addresses = front.shared.names.resolve(&name, port).await;
            let Some(address) = addresses.first() else {
                front.shared.unresolved(&front.target, &name);
                continue;
            };
            match self.exchange(*address, &name, &mut datagrams).await {
                Ok(()) => return,
                Err(error) => front.shared.failed(&front.target, &name, &error),
            }
        }
    }

    async fn exchange(
        &mut self,
        address: SocketAddr,
        name: &str,
        datagrams: &mut Receiver<Datagram>,
    ) -> io::Result<()> {
        let server = connect(address).await?;
        if let Some(datagram) = &self.unanswered {
            server.send(datagram).await?;
        }
        let mut answered = false;
        loop {
            tokio::select! {
                datagram = datagrams.recv() => {
                    let Some(datagram) = datagram else { return Ok(()) };
                    self.activity.note();
                    server.send(&datagram).await?;
                    if !answered {
                        self.unanswered = Some(datagram);
                    }
                }
                // That nobody listens is an error of the socket and nothing to read.
                ready = server.ready(Interest::READABLE | Interest::ERROR) => {
                    let ready = ready?;
                    if self.answers(&server).await? && !answered {
                        answered = true;
                        self.unanswered = None;
                        self.front.target.answered(name);
                    }
                    if ready.is_error() {
                        return Err(server.take_error()?.unwrap_or(ErrorKind::ConnectionRefused.into()));
                    }
                }
            }
        }
    }

    /// Hands on what the node has sent; whether it had sent anything.
    async fn answers(&self, server: &UdpSocket) -> io::Result<bool> {
        // Silent sessions hold no buffers.
        let mut buffer = Vec::with_capacity(LARGEST_DATAGRAM);
        let mut any = false;
        loop {
            buffer.clear();
            match server.try_recv_buf(&mut buffer) {
                Ok(_) => {
                    any = true;
                    self.activity.note();
                    // An answer that cannot be sent is lost, as UDP may lose it.
                    let _ = self.front.socket.send_to(&buffer, self.client).await;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(any),
                Err(error) => return Err(error),
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}
