//! The processor: tasks on all cores, with a bounded queue, priorities, deadlines, retries and workers that may die.
//!
//! # Layout
//! - [`Processor`] (`mod.rs`): the handle; submission, cancellation, shutdown.
//! - `batch.rs`: the encoded tasks of a submission. `queue.rs`: segments of them by priority. `state.rs`: what the one lock
//!   guards, and who may start next. `pace.rs`: how much a worker takes at once.
//! - `native.rs`: the threads that run native operations. `host.rs`, `hosts.rs`: worker isolates that run users' operations.
//! - `retries.rs`: what the system refused is tried again. `deadline.rs`: timers. `words.rs`: the figures that JavaScript reads without a call.
//!
//! # Guarantees
//! - Every task that was accepted is answered exactly once: by a result, an error with a code, or, when its isolate has
//!   ended, not at all. A task of a user's operation may *run* more than once if its worker is ended beside it.
//! - At most `max_workers` chunks run at once, of either kind. More urgent tasks start first; equal ones in their order.
//! - Nothing grows without bound: the face bounds the queue, [`Backlog`] bounds results that nobody has taken yet.

mod batch;
pub mod config;
mod deadline;
mod host;
mod hosts;
mod native;
mod pace;
mod queue;
mod retries;
mod state;
pub mod words;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use noizylab_lockfree::Backlog;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use self::batch::Source;
pub use self::config::Config;
use self::deadline::{Deadlines, Due, OnDue};
pub use self::host::WORD_PROGRESS;
use self::queue::Segment;
pub use self::state::HostWords;
use self::state::{Control, Kind, Phase, State};
use self::words::ProcessorWords;
use crate::bridge::{Frame, Outbox, Record, RecordKind};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::memory::Lent;
use crate::payload::Tag;

/// Processors by key, so that the isolates of their hosts find them.
static PROCESSORS: LazyLock<Mutex<HashMap<u64, Weak<Processor>>>> = LazyLock::new(Mutex::default);
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// A processor. See the [module](self).
pub struct Processor {
    key: u64,
    channel: u32,
    outbox: Arc<Outbox>,
    words: Arc<ProcessorWords>,
    /// Results on their way to the isolate.
    backlog: Arc<Backlog>,
    deadlines: Arc<Deadlines>,
    /// Descriptions of users' operations, for hosts; by number.
    definitions: RwLock<Definitions>,
    /// Who waits, who runs, who may start. Never held while a task runs, nor while a record with credit is dropped.
    state: Mutex<State>,
    /// Native threads wait here for work.
    work: Condvar,
}

impl Processor {
    /// A processor that reports to `channel` of an outbox.
    pub fn new(config: Config, channel: u32, outbox: Arc<Outbox>) -> Arc<Self> {
        let processor = Arc::new(Self {
            key: NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            channel,
            outbox,
            words: Arc::default(),
            backlog: Arc::new(Backlog::new(config::MOST_UNDELIVERED)),
            deadlines: Arc::default(),
            definitions: RwLock::default(),
            state: Mutex::new(State::new(config)),
            work: Condvar::new(),
        });
        PROCESSORS.lock().insert(processor.key, Arc::downgrade(&processor));
        processor
    }

    /// The processor with this key, if it still exists.
    pub fn find(key: u64) -> Option<Arc<Self>> {
        PROCESSORS.lock().get(&key)?.upgrade()
    }

    /// The key by which [`find`](Self::find) knows this processor in any isolate.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The figures that JavaScript reads; see [`words`].
    pub fn words(&self) -> &Arc<ProcessorWords> {
        &self.words
    }

    /// Starts all native threads now instead of with the first tasks. Returns how many there are: fewer where the system refuses one.
    pub fn start(self: &Arc<Self>) -> usize {
        let mut state = self.state.lock();
        while state.phase == Phase::Open
            && state.threads < state.config.max_workers
            && self.spawn_thread(&mut state).is_ok()
        {}
        state.threads
    }

    /// Registers a user's operation and returns its number. `definition` is for the hosts alone.
    pub fn define(&self, definition: &str) -> u32 {
        let mut definitions = self.definitions.write();
        let number = definitions.next;
        definitions.next = number.checked_add(1).expect("fewer than 2^32 operations are defined");
        definitions.by_number.insert(number, definition.into());
        number
    }

    /// Forgets an operation that no task uses any more.
    pub fn undefine(&self, number: u32) {
        self.definitions.write().by_number.remove(&number);
    }

    /// What [`define`](Self::define) was given.
    pub fn definition(&self, number: u32) -> Option<Arc<str>> {
        self.definitions.read().by_number.get(&number).cloned()
    }

    /// Accepts tasks; `lent` are the arrays that they name, in the order of their segments.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after a shutdown has begun; [`Error::Unreadable`] if the wire format is not understood. Nothing
    /// was accepted then. Tasks whose timeout cannot be measured are accepted and fail with [`Error::Resources`].
    pub fn submit(self: &Arc<Self>, wire: &[u8], lent: Vec<Lent>) -> Result<(), Error> {
        let submitted = batch::parse(wire, lent).ok_or(Error::Unreadable)??;
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Err(Error::ShutDown);
        }
        let mut refused: Vec<(Segment, Error)> = Vec::new();
        for one in submitted {
            let length = one.batch.count;
            let cancel = (one.cancellable || one.timeout.is_some()).then(|| {
                let control = state.controls.entry(one.group).or_insert_with(|| Control {
                    cancel: Cancel::default(),
                    open: 0,
                    queued: 0,
                    source: Source::of(one.target, one.host),
                    lent_bytes: 0,
                    timeout: one.timeout,
                });
                control.open += length as usize;
                control.lent_bytes += one.batch.lent_bytes();
                control.cancel.clone()
            });
            let due = one.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            let armed = due.map_or(Ok(()), |at| self.deadlines.add(at, Due::Group(one.group), self));
            let segment = Segment {
                target: one.target,
                group: one.group,
                base: one.base,
                from: 0,
                to: length,
                batch: Arc::new(one.batch),
                priority: one.priority,
                order: state.next_number(),
                retries: one.retries,
                attempt: 0,
                cancel,
                timed: one.timeout.is_some(),
                host: one.host,
            };
            if let Err(error) = armed {
                refused.push((segment, Error::Resources(error)));
            } else if one.host.is_some_and(|host| !state.hosts.contains_key(&host)) {
                let reason = "it ended before the task's transferred data reached it".to_owned();
                refused.push((segment, Error::WorkerDied { reason }));
            } else {
                state.enqueue(segment);
            }
        }
        for (segment, error) in refused {
            self.fail(&mut state, &segment, &error);
        }
        self.prune_deadlines(&state);
        self.dispatch(&mut state);
        Ok(())
    }

    /// Forgets a group: what waits of it will not run. With `stop`, what runs of it is stopped: a native operation sees
    /// its flag, a host is ended (what else it held runs again elsewhere). No record will tell of the group any more.
    pub fn cancel(self: &Arc<Self>, group: u64, stop: bool) {
        let mut state = self.state.lock();
        self.cancel_group(&mut state, group, stop);
        self.dispatch(&mut state);
        self.close_if_drained(&mut state);
    }

    /// Sends [`RecordKind::Room`] once at most `most` tasks wait.
    pub fn await_room(&self, most: usize) {
        let mut state = self.state.lock();
        state.room_wanted = Some(most);
        self.publish(&mut state);
    }

    /// Takes no more tasks and finishes what it has, at most for `patience`; without patience all unfinished tasks fail at
    /// once. [`RecordKind::Closed`] tells when it is over.
    ///
    /// # Errors
    /// [`Error::Resources`]: the patience cannot be measured, and nothing has changed.
    pub fn shutdown(self: &Arc<Self>, patience: Option<Duration>, force: bool) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.phase == Phase::Closed {
            return Ok(());
        }
        if !force && let Some(at) = patience.and_then(|patience| Instant::now().checked_add(patience)) {
            self.deadlines.add(at, Due::Shutdown, self)?;
        }
        state.phase = Phase::Draining;
        if force {
            self.fail_everything(&mut state);
        }
        self.close_if_drained(&mut state);
        Ok(())
    }

    /// The isolate that owns the processor is gone, or nobody holds the object any more: everything is dropped in silence.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        state.running.values().for_each(Cancel::cancel);
        let waiting: Vec<Segment> = state.drain_all().collect();
        state.hosts.clear();
        self.work.notify_all();
        self.deadlines.end();
        drop(state);
        drop(waiting);
    }

    /// Lets workers start as far as permits, work and the backlog of results allow.
    fn dispatch(self: &Arc<Self>, state: &mut State) {
        self.publish(state);
        if state.phase == Phase::Closed || self.backlog.must_wait() {
            return;
        }
        self.dispatch_hosts(state);
        if state.may_start(Kind::Native) {
            if state.idle_threads > 0 {
                self.work.notify_one();
            } else if state.threads < state.config.max_workers
                && let Err(error) = self.spawn_thread(state)
                && state.threads == 0
            {
                // Else the threads that there are do the work.
                self.wait_for_thread(state, &error);
            }
        }
    }

    /// Brings the figures up to date and tells the face of room.
    fn publish(&self, state: &mut State) {
        let queued = state.queued();
        self.words.set(words::QUEUED, queued as f64);
        self.words.set(words::RUNNING, state.active as f64);
        self.words.set(words::HOSTS, state.hosts.len() as f64);
        if state.room_wanted.is_some_and(|most| queued <= most) {
            state.room_wanted = None;
            self.outbox.send(Record::notice(self.channel, RecordKind::Room, 0, 0));
        }
    }

    /// Number of native threads has changed.
    fn publish_threads(&self, state: &State) {
        self.words.set(words::WORKERS, state.threads as f64);
        let threads = u32::try_from(state.threads).unwrap_or(u32::MAX);
        self.outbox.send(Record::notice(self.channel, RecordKind::Scaled, 0, threads));
    }

    fn cancel_group(&self, state: &mut State, group: u64, stop: bool) {
        let Some(control) = state.controls.remove(&group) else { return };
        control.cancel.cancel();
        if let Some(queue) = state.queue(control.source) {
            queue.forget(control.queued, control.lent_bytes);
        }
        if stop {
            self.end_hosts_of_cancelled(state);
        }
    }

    /// All tasks of a segment fail with one error.
    fn fail(&self, state: &mut State, segment: &Segment, error: &Error) {
        state.finish(segment.group, segment.len());
        self.words.add(words::FAILED, f64::from(segment.len()));
        self.outbox.send(Record {
            group: segment.group,
            frame: error_frame(error),
            ..Record::notice(self.channel, RecordKind::Failed, segment.index(), segment.len())
        });
    }

    fn fail_everything(self: &Arc<Self>, state: &mut State) {
        state.stopped = true;
        let waiting: Vec<Segment> = state.drain_all().collect();
        for segment in &waiting {
            self.fail(state, segment, &Error::ShutDown);
        }
        state.running.values().for_each(Cancel::cancel);
        let hosts: Vec<u32> = state.hosts.keys().copied().collect();
        for host in hosts {
            let held = self.remove_host(state, host);
            for segment in &held {
                self.fail(state, segment, &Error::ShutDown);
            }
        }
    }

    /// After the last task of a shutdown: no thread stays, and the face is told.
    fn close_if_drained(&self, state: &mut State) {
        if state.phase == Phase::Draining && state.is_idle() {
            state.phase = Phase::Closed;
            self.publish(state);
            self.work.notify_all();
            self.deadlines.end();
            let hosts: Vec<u32> = state.hosts.keys().copied().collect();
            for host in hosts {
                self.remove_host(state, host);
            }
            self.outbox.send(Record::notice(self.channel, RecordKind::Closed, 0, 0));
        }
    }

    /// Timers of finished groups are dropped when they are the most.
    fn prune_deadlines(&self, state: &State) {
        if self.deadlines.len() > 1024 + 2 * (state.controls.len() + state.hosts.len()) {
            self.deadlines.retain(|due| match due {
                Due::Group(group) => state.controls.contains_key(group),
                Due::HostIdle(host, rest) => state.hosts.get(host).is_some_and(|host| host.rest == *rest),
                Due::Shutdown => true,
            });
        }
    }

    /// Sends results; their weight counts as backlog until the isolate has taken them. Not under the lock.
    fn deliver(self: &Arc<Self>, group: u64, index: u32, frame: Frame) {
        /// What a record is taken to weigh besides its bytes.
        const OVERHEAD: usize = 256;
        let weight = OVERHEAD + frame.bytes.len();
        self.backlog.add(weight);
        let credit = Credit { processor: Arc::downgrade(self), backlog: Arc::clone(&self.backlog), weight };
        self.outbox.send(Record {
            group,
            count: frame.count,
            frame,
            credit: Some(Box::new(credit)),
            ..Record::notice(self.channel, RecordKind::Results, index, 0)
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        PROCESSORS.lock().remove(&self.key);
        self.deadlines.end();
    }
}

impl OnDue for Processor {
    fn on_due(self: &Arc<Self>, due: Due) {
        let mut state = self.lock();
        match due {
            Due::Group(group) => {
                let Some(control) = state.controls.get(&group) else { return };
                let milliseconds = control.timeout.map_or(0, |timeout| timeout.as_millis());
                let count = u32::try_from(control.open).unwrap_or(u32::MAX);
                self.cancel_group(&mut state, group, true);
                self.words.add(words::FAILED, f64::from(count));
                self.outbox.send(Record {
                    group,
                    frame: error_frame(&Error::TimedOut { milliseconds }),
                    ..Record::notice(self.channel, RecordKind::Failed, 0, count)
                });
            }
            Due::HostIdle(host, rest) => self.retire_host(&mut state, host, rest),
            Due::Shutdown if state.phase == Phase::Draining => self.fail_everything(&mut state),
            Due::Shutdown => {}
        }
        self.dispatch(&mut state);
        self.close_if_drained(&mut state);
    }
}

/// Gives its weight back to the backlog when the record that carries it is gone.
struct Credit {
    processor: Weak<Processor>,
    backlog: Arc<Backlog>,
    weight: usize,
}

impl Drop for Credit {
    fn drop(&mut self) {
        if self.backlog.remove(self.weight)
            && let Some(processor) = self.processor.upgrade()
        {
            processor.dispatch(&mut processor.lock());
        }
    }
}

/// The users' operations.
#[derive(Debug, Default)]
struct Definitions {
    by_number: HashMap<u32, Arc<str>>,
    next: u32,
}

/// A frame with one error.
fn error_frame(error: &Error) -> Frame {
    Frame::single(Tag::Error, error.to_json().as_bytes())
}
