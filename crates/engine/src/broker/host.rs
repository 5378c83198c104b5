//! A broker and its socket, from start to stop; and the brokers of this process by their pipes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::core::{Config, Core};
use super::keeper;
use super::owner::Owner;
use super::report;
use super::server::{Server, drained};
use crate::bridge::RecordKind;
use crate::error::Error;
use crate::refused::Refused;
use crate::{panics, runtime};

static BROKERS: LazyLock<Mutex<HashMap<String, Arc<Core>>>> = LazyLock::new(Mutex::default);

/// A broker of this process.
pub struct Host {
    core: Arc<Core>,
    runtime: &'static Handle,
    server: Mutex<Option<Server>>,
}

impl Host {
    /// Starts a broker. The owner is told by [`RecordKind::BrokerStarted`] when it listens, or why it does not (the error as JSON).
    ///
    /// # Errors
    /// The system refuses the runtime: nothing was started.
    pub fn start(config: Config, owner: Owner) -> Result<Arc<Self>, Refused> {
        let runtime = runtime::handle()?;
        let host = Arc::new(Self { core: Core::new(config, owner), runtime, server: Mutex::new(None) });
        let starting = Arc::clone(&host);
        runtime.spawn(async move {
            let started = panics::caught_in(Server::start(Arc::clone(&starting.core))).await;
            match started.map_err(|reason| Error::Crashed { reason }).and_then(|started| Ok(started?)) {
                Ok(server) => starting.listens(server),
                Err(error) => {
                    starting.core.stop();
                    starting.core.owner.tell(RecordKind::BrokerStarted, 0, &error.to_json());
                }
            }
        });
        Ok(host)
    }

    fn listens(&self, server: Server) {
        let mut slot = self.server.lock();
        if self.core.is_stopped() {
            server.stop();
            return;
        }
        *slot = Some(server);
        let pipe = &self.core.config().pipe;
        BROKERS.lock().insert(pipe.clone(), Arc::clone(&self.core));
        self.runtime.spawn(keeper::keep(Arc::clone(&self.core)));
        self.core.owner.tell(RecordKind::BrokerStarted, 1, pipe);
    }

    /// The broker.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Turns new clients away and waits until no request is in flight, at most for `limit`. The owner is told by
    /// [`RecordKind::BrokerDrained`].
    pub fn drain(&self, limit: Duration) {
        self.core.start_draining();
        let core = Arc::clone(&self.core);
        self.runtime.spawn(async move {
            let waited = panics::caught_in(tokio::time::timeout(limit, drained(&core))).await;
            let is_idle = waited.is_ok_and(|waited| waited.is_ok()) || core.in_flight() == 0;
            core.owner.tell(RecordKind::BrokerDrained, u32::from(is_idle), &core.in_flight().to_string());
        });
    }

    /// What it tells of itself, as JSON: its metrics, and how many requests are in flight.
    pub fn report(&self) -> String {
        let mut report = report::metrics(&self.core);
        report["inFlight"] = self.core.in_flight().into();
        report["lastActivity"] = (Core::epoch() - (self.core.now() - self.core.last_activity())).into();
        report.to_string()
    }

    /// Drops all that has expired; how many items and leases.
    pub fn sweep(&self) -> (u64, u64) {
        self.runtime.block_on(keeper::sweep_all(&self.core))
    }

    /// Closes the socket and all connections, and forgets all. A second time it does nothing.
    pub fn stop(&self) {
        self.core.stop();
        let server = self.server.lock().take();
        let mut brokers = BROKERS.lock();
        let pipe = &self.core.config().pipe;
        if brokers.get(pipe).is_some_and(|core| Arc::ptr_eq(core, &self.core)) {
            brokers.remove(pipe);
        }
        drop(brokers);
        if let Some(server) = server {
            server.stop();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The broker of this process that listens at a pipe.
pub fn find(pipe: &str) -> Option<Arc<Core>> {
    BROKERS.lock().get(pipe).cloned()
}
