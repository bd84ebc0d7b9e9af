//! Connections to an Engine, one way for every scheme.
//!
//! The client library brings connectors of its own; these here add what it lacks: contexts' certificates from memory, a
//! server that is trusted unseen when a context says so, SSH exactly as the `docker` command line runs it with the words
//! that `ssh` printed, and a bound on the time that connecting takes.

mod dial;
mod ssh;
mod tls;
mod wire;

use std::io;
use std::sync::Arc;

use bollard::{BollardRequest, ClientVersion, Docker};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::endpoint::{Address, Endpoint, bracketed};
use dial::Dialer;

/// Saves, pulls and loads take what they take; calls that should be quick are bounded by their callers.
const NO_LIMIT: u64 = 365 * 24 * 60 * 60;

/// A client of the Engine at `endpoint`. Nothing is sent yet.
pub(crate) fn client(endpoint: &Endpoint) -> io::Result<Docker> {
    let dialer = Dialer::new(endpoint)?;
    let client = Arc::new(
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // An SSH connection is a process on both machines.
            .pool_max_idle_per_host(4)
            .build(dialer),
    );
    let transport = move |request: BollardRequest| {
        let client = Arc::clone(&client);
        async move { Ok(client.request(request).await?) }
    };
    let address = format!("http://{}", authority(&endpoint.address));
    let version = ClientVersion {
        major_version: 1,
        minor_version: 41,
    };
    let docker =
        Docker::connect_with_custom_transport(transport, Some(address), NO_LIMIT, &version)
            .map_err(io::Error::other)?;
    Ok(docker.with_request_modifier(url_safe_credentials))
}

/// What stands in the `Host` header.
fn authority(address: &Address) -> String {
    match address {
        Address::Tcp { host, port } => format!("{}:{port}", bracketed(host)),
        // Any valid name does: the connection is made before HTTP begins.
        Address::Unix(_) | Address::Ssh { .. } => "docker.localhost".to_owned(),
    }
}

/// Engines decode the header with the alphabet of URLs and take what they cannot decode for no credentials at all; the
/// client library encodes with the other alphabet.
fn url_safe_credentials(mut request: BollardRequest) -> BollardRequest {
    for name in ["x-registry-auth", "x-registry-config"] {
        let Some(value) = request.headers().get(name) else {
            continue;
        };
        let safe: Vec<u8> = value
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if let Ok(mut safe) = http::HeaderValue::from_bytes(&safe) {
            safe.set_sensitive(true);
            request.headers_mut().insert(name, safe);
        }
    }
    request
}
