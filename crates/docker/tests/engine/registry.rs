//! Pulls, from a registry that is played here: dockerd takes what listens on 127.0.0.1 without TLS.
