//! The server: takes connections on a socket and serves them, all on the runtime of the process, whatever JavaScript does meanwhile.
//!
//! - [`listen`]: the socket and its place in the file system;
//! - `connection`: reading, back-pressure, writing; `conversation`: both protocols, apart from any socket; `hello`, `records`: what
//!   they need; `letters`: late frames; `inbox`, `buffers`: memory;
//! - `spinner`: polls for a moment before it sleeps.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::select;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::core::Core;
use super::owner::Level;
use super::refusal::Refusal;
use crate::{panics, runtime};

mod buffers;
mod connection;
mod conversation;
pub(super) mod hello;
mod inbox;
mod letters;
pub mod listen;
mod records;
mod spinner;

pub use listen::StartError;
use listen::{Listener, Place, Stream};

/// How long the server waits where the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);
/// Half of the time that a draining server gives itself to read what was sent before.
const MOMENT: Duration = Duration::from_millis(5);
/// So many clients that are turned away may be told so at once; others find the connection closed.
const MOST_TURNED_AWAY: u32 = 256;

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    place: Place,
    accepts: AbortHandle,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU32,
    turned_away: AtomicU32,
}

impl Server {
    /// Listens at the broker's path. May be awaited anywhere: the work is done on the runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(core: Arc<Core>) -> Result<Self, StartError> {
        let path = core.config().pipe.clone();
        let bound = runtime::handle()?.spawn(async move { Listener::bind(&path).await }).await;
        let listener = bound.map_err(|panic| StartError::Io {
            call: "listen",
            path: core.config().pipe.clone(),
            source: io::Error::other(panic),
        })??;
        let place = listener.place();
        if listener.has_removed() {
            core.log(
                Level::Debug,
                "Removing stale socket",
                || serde_json::json!({ "pipe": core.config().pipe }),
            );
        }
        let counts = Arc::new(Counts::default());
        let accepts = runtime::handle()?.spawn(accept(Arc::clone(&core), listener, Arc::clone(&counts)));
        Ok(Self { place, accepts: accepts.abort_handle(), counts })
    }

    /// Gives up the path, if it is still this server's, and closes all connections. From any thread, as often as one likes.
    pub fn stop(&self) {
        self.place.unlink();
        // The connections are the task's own: they end with it.
        self.accepts.abort();
    }

    /// Number of open connections.
    pub fn connections(&self) -> u32 {
        self.counts.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Resolves when no request of a broker is being handled and all answers are written. What waits for a lease or a
/// computation does not count.
pub async fn drained(core: &Core) {
    // What clients have written before is read first. A timer is looked at where the sockets are, and who was woken with
    // it may run after it: so there are two.
    if let Ok(runtime) = runtime::handle() {
        let looked = runtime.spawn(async {
            sleep(MOMENT).await;
            sleep(MOMENT).await;
        });
        _ = looked.await;
    }
    loop {
        let idle = core.idle.notified();
        if core.in_flight() == 0 {
            return;
        }
        idle.await;
    }
}

/// Takes connections until it is aborted.
async fn accept(core: Arc<Core>, mut listener: Listener, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    spinner::touch(core.config().spin);
                    // One client more or less: the others keep their connections.
                    if let Err(said) = panics::caught(|| admit(&core, stream, &counts, &mut connections)) {
                        log_fault(&core, &said);
                    }
                }
                // The client was faster to go than we to take it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    core.log(Level::Warn, "Cannot accept a connection", || {
                        serde_json::json!({ "error": error.to_string() })
                    });
                    sleep(NO_ROOM).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves a connection, or turns it away.
fn admit(core: &Arc<Core>, stream: Stream, counts: &Arc<Counts>, connections: &mut JoinSet<()>) {
    let refusal = if core.is_draining() {
        Some(Refusal::Draining)
    } else if counts.connections.load(Ordering::Relaxed) >= core.config().max_connections {
        Some(Refusal::TooManyConnections)
    } else {
        None
    };
    let most = if refusal.is_some() { MOST_TURNED_AWAY } else { u32::MAX };
    let Some(place) = Counted::new(counts, refusal.is_some(), most) else { return };
    let core = Arc::clone(core);
    connections.spawn(async move {
        let _place = place;
        let served = match refusal {
            Some(refusal) => panics::caught_in(connection::turn_away(stream, refusal)).await,
            None => panics::caught_in(connection::serve(Arc::clone(&core), stream)).await,
        };
        if let Err(said) = served {
            log_fault(&core, &said);
        }
    });
}

fn log_fault(core: &Core, said: &str) {
    core.log(Level::Error, "A connection failed inside", || serde_json::json!({ "error": said }));
}

/// One of the connections that are counted.
struct Counted {
    counts: Arc<Counts>,
    is_turned_away: bool,
}

impl Counted {
    /// `None`: there are `most` already.
    fn new(counts: &Arc<Counts>, is_turned_away: bool, most: u32) -> Option<Self> {
        let counted = Self { counts: Arc::clone(counts), is_turned_away };
        let before = counted.count().fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(counted)
    }

    fn count(&self) -> &AtomicU32 {
        if self.is_turned_away { &self.counts.turned_away } else { &self.counts.connections }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count().fetch_sub(1, Ordering::Relaxed);
    }
}
