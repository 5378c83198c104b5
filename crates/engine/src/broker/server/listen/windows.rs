//! A named pipe. It has no file: the system removes it with its last handle.
//!
//! The first instance says that the name is ours; the next one is always made before a connection is served, so that there is
//! no moment at which the pipe does not exist. Clients of other machines are refused. By the system's default others on this
//! machine may at most open it for reading, which asks for nothing and so is told nothing.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};
use tokio::time::sleep;

use super::StartError;

/// A connection, which ends when this is dropped.
///
/// Dropping a [`NamedPipeServer`] alone does not close it while a write is pending: the write holds the handle until the client reads, and a
/// client that never reads would keep its connection, and the name, for ever.
#[derive(Debug)]
pub struct Stream(NamedPipeServer);

impl Drop for Stream {
    fn drop(&mut self) {
        // Where the client has gone already there is nothing to end.
        _ = self.0.disconnect();
    }
}

impl Stream {
    /// As that of a socket.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(context)
    }

    /// As that of a socket.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    /// As that of a socket.
    pub async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// `ERROR_ACCESS_DENIED`: somebody has made the first instance.
const ACCESS_DENIED: i32 = 5;
/// `ERROR_NO_DATA`: the client has gone before it was served.
const NO_DATA: i32 = 232;
/// How often, and at what distance, a name is tried whose last owner is just going.
const ATTEMPTS: usize = 50;
const RETRY: Duration = Duration::from_millis(10);

/// Takes connections at a name.
#[derive(Debug)]
pub struct Listener {
    name: String,
    /// The instance that the next client meets.
    next: NamedPipeServer,
}

impl Listener {
    /// A name is given back by the system itself.
    pub fn has_removed(&self) -> bool {
        false
    }

    /// Listens at `name` (`\\.\pipe\...`). To be called in the runtime.
    ///
    /// # Errors
    /// [`StartError::AlreadyRunning`] and [`StartError::Io`].
    pub async fn bind(name: &str) -> Result<Self, StartError> {
        for _ in 0..ATTEMPTS {
            match instance(name, true) {
                Ok(next) => return Ok(Self { name: name.to_owned(), next }),
                Err(error) if error.raw_os_error() == Some(ACCESS_DENIED) => {}
                Err(source) => return Err(StartError::Io { call: "listen", path: name.to_owned(), source }),
            }
            match ClientOptions::new().open(name) {
                Err(error) if error.kind() == ErrorKind::NotFound => sleep(RETRY).await,
                _ => return Err(StartError::AlreadyRunning),
            }
        }
        Err(StartError::AlreadyRunning)
    }

    /// The next connection. Dropping the future loses none.
    ///
    /// # Errors
    /// The system could not make another instance; the client that has come is served by the next call.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            let connected = self.next.connect().await;
            let fresh = instance(&self.name, false)?;
            let served = std::mem::replace(&mut self.next, fresh);
            match connected {
                Ok(()) => return Ok(Stream(served)),
                Err(error) if error.raw_os_error() == Some(NO_DATA) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What it holds beyond its handles: nothing.
    pub fn place(&self) -> Place {
        Place
    }
}

/// The name of a [`Listener`]: the system takes it back by itself.
#[derive(Clone, Debug)]
pub struct Place;

impl Place {
    /// Nothing is to be removed.
    pub fn unlink(&self) {}
}

fn instance(name: &str, first: bool) -> io::Result<NamedPipeServer> {
    ServerOptions::new().first_pipe_instance(first).reject_remote_clients(true).create(name)
}
