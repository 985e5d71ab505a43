//! Ports on 127.0.0.1: the wanted one, or the next that is free.

use std::{io, net::Ipv4Addr};

use tokio::net::TcpListener;

/// So many ports are tried.
const TRIES: u16 = 200;

/// An open port.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) port: u16,
    /// What was wanted, if somebody else has it.
    pub(super) instead_of: Option<u16>,
}

impl Door {
    /// Opens `wanted`, or the next port that is free.
    pub(super) async fn open(wanted: u16) -> io::Result<Self> {
        let mut outcome = Err(io::Error::from(io::ErrorKind::AddrInUse));
        for port in wanted..=wanted.saturating_add(TRIES) {
            outcome = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            match &outcome {
                Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {}
                _ => break,
            }
        }
        let listener = outcome?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port, instead_of: (port != wanted).then_some(wanted) })
    }

    /// Where it is, for a browser.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_passed_over() {
        let first = Door::open(28_000).await.unwrap();
        let second = Door::open(first.port).await.unwrap();
        assert!(second.port > first.port);
        assert_eq!(second.instead_of, Some(first.port));
    }
}
