//! The demo's gateway: the real one, on a thread of its own, with its own actix system.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use alliance_settlement::clearing_house::ClearingHouse;
use tokio::sync::oneshot;

use crate::cli::failure::Failure;
use crate::server::{self, ServerSettings};

/// A gateway that serves.
pub struct Service {
    /// Where.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Service {
    /// Starts to serve.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub fn start(house: ClearingHouse, settings: ServerSettings) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new().name("gateway".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match server::start(house, settings).await {
                    Ok(server) => {
                        // Whoever started this waits for the word; an error ends both.
                        let _ = tell.send(Ok(server.address));
                        let _ = stopped.await;
                        server.stop().await;
                    }
                    Err(error) => {
                        let _ = tell.send(Err(error));
                    }
                }
            });
        })?;
        match told.recv() {
            Ok(Ok(address)) => Ok(Self { address, stop, thread }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the gateway ended at its start")),
        }
    }

    /// Stops: what was accepted is answered, then the books are closed.
    ///
    /// # Errors
    /// [`Failure`] where the gateway's thread did not end well.
    pub fn stop(self) -> Result<(), Failure> {
        // A gateway that has ended already needs no word.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| Failure::wrong("the gateway did not end well"))
    }
}

/// The address to listen on: the one asked for; else the usual one, or a free one where that is
/// taken.
///
/// # Errors
/// Where the one asked for cannot be listened on.
pub fn choose(asked: Option<SocketAddr>, usual: SocketAddr) -> Result<SocketAddr, Failure> {
    let free = |address: SocketAddr| -> io::Result<SocketAddr> {
        std::net::TcpListener::bind(address)?.local_addr()
    };
    match asked {
        Some(asked) => free(asked).map_err(|error| {
            Failure::config(format!(
                "{asked} cannot be listened on ({error}): choose another address with --listen, or \
                 leave it out to take a free one"
            ))
        }),
        None => free(usual)
            .or_else(|_| free(SocketAddr::new(usual.ip(), 0)))
            .map_err(|error| Failure::config(format!("no port is free on {usual}: {error}"))),
    }
}
