//! Where the Kubernetes API is shown: names are looked up and a free port is taken where none is given.

use std::net::{IpAddr, Ipv4Addr};

use super::Build;
use crate::cluster::ApiExposure;
use crate::config::exposure::{PortChoice, parse_port};
use crate::config::problem::{Place, Wrong};
use crate::names;

pub(super) const EVERY_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Build<'_> {
    pub(super) fn api(&mut self) -> ApiExposure {
        let api = &self.merged.simple.kube_api;
        let (host_place, port_place) = (self.place("kubeAPI.host"), self.place("kubeAPI.hostPort"));
        let host_ip = if self.merged.looks_api_host_up {
            self.look_up(&host_place, &api.host)
        } else if api.host_ip.is_empty() {
            EVERY_ADDRESS
        } else {
            let place = self.place("kubeAPI.hostIP");
            let ip = api.host_ip.parse();
            let ip = ip.map_err(|_| Wrong::new(format!("{:?} is no IP address", api.host_ip)));
            self.findings.take(&place, ip).unwrap_or(EVERY_ADDRESS)
        };
        let mut host = if api.host.is_empty() {
            host_ip.to_string()
        } else {
            api.host.clone()
        };
        if let Some(engine) = self
            .outside
            .engine_host
            .filter(|_| host == EVERY_ADDRESS.to_string())
        {
            engine.clone_into(&mut host);
        }
        let port = if self.host_network {
            names::API_PORT
        } else {
            self.port(&port_place, &api.host_port)
        };
        self.reserve_api(host_ip, port);
        ApiExposure {
            host,
            host_ip,
            port,
        }
    }

    /// The address of a host: itself, or its last one of version 4, or else its last one.
    pub(super) fn look_up(&mut self, place: &Place, host: &str) -> IpAddr {
        if let Ok(ip) = host.parse() {
            return ip;
        }
        let addresses = (self.outside.addresses)(host);
        let found = addresses
            .iter()
            .rfind(|ip| ip.is_ipv4())
            .or(addresses.last());
        if let Some(ip) = found {
            return *ip;
        }
        let wrong = Wrong::new(format!("the host name {host:?} has no address"));
        self.findings.problem(
            place,
            wrong.mend("write an IP address of this machine, such as 0.0.0.0"),
        );
        EVERY_ADDRESS
    }

    /// The port that a text gives, or a free one.
    pub(super) fn port(&mut self, place: &Place, text: &str) -> u16 {
        let choice = match text {
            "" => Some(PortChoice::Random),
            text => parse_port(text),
        };
        match choice {
            Some(PortChoice::Fixed(port)) => port,
            Some(PortChoice::Random) => self.free_port(place),
            None => {
                let wrong = Wrong::new(format!("{text:?} is no port"))
                    .mend("write a number from 1 to 65535 or the word random");
                self.findings.problem(place, wrong);
                0
            }
        }
    }

    fn free_port(&mut self, place: &Place) -> u16 {
        let port = (self.outside.free_port)();
        port.unwrap_or_else(|| {
            let wrong =
                Wrong::new("failed to find a free port on this machine").mend("write a port");
            self.findings.problem(place, wrong);
            0
        })
    }
}
