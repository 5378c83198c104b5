//! What the system refuses a processor is tried again: threads of the engine, worker isolates, the runtime that measures time.
//!
//! Where there is no thread at all, no thread of ours can do that. The isolate's own event loop can: a record asks it for a call
//! in [`EVERY`]. Tasks that wait for a worker fail once the system has refused every one of them for [`PATIENCE`].

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Processor;
use super::state::{Kind, State};
use crate::bridge::{Record, RecordKind};
use crate::error::Error;
use crate::refused::Refused;

/// How long after a refusal the system is asked again.
const EVERY: Duration = Duration::from_millis(50);
/// How long tasks wait while there is not one worker for them.
const PATIENCE: Duration = Duration::from_secs(5);

impl Processor {
    /// Tries again what the system refused. The face calls it when a [`RecordKind::Retry`] has asked for it.
    pub fn retry(self: &Arc<Self>) {
        let mut state = self.lock();
        state.retry_asked = false;
        if !state.may_start(Kind::Native) {
            // Nothing waits for want of a thread any more: what will has its own time.
            state.no_thread = None;
        }
        if std::mem::take(&mut state.rests_unmeasured) {
            let hosts: Vec<u32> = state.hosts.keys().copied().collect();
            for host in hosts {
                self.start_rest(&mut state, host);
            }
        }
        self.dispatch(&mut state);
        // The system was asked first: the call may come late, from an isolate that was busy, and there may be threads again by now.
        if state.no_thread.as_ref().is_some_and(|(since, _)| since.elapsed() >= PATIENCE)
            && let Some((_, refused)) = state.no_thread.take()
        {
            self.fail_waiting(&mut state, Kind::Native, &Error::Resources(refused));
            self.dispatch(&mut state);
        }
        self.close_if_drained(&mut state);
    }

    /// The system has given no worker isolate of this number for so long that the face gave up: `code` is its error by POSIX, if that
    /// is known. Where there is no other one, the tasks that wait for one fail with [`Error::Resources`].
    pub fn host_refused(self: &Arc<Self>, id: u32, code: Option<String>, reason: String) {
        let mut state = self.lock();
        state.hosts_starting.remove(&id);
        if state.hosts.is_empty() && state.hosts_starting.is_empty() {
            let refused = Refused::told("a worker thread", code, reason);
            self.fail_waiting(&mut state, Kind::Hosted, &Error::Resources(refused));
        }
        self.dispatch(&mut state);
        self.close_if_drained(&mut state);
    }

    /// Work waits, and the first thread for it was refused.
    pub(super) fn wait_for_thread(&self, state: &mut State, error: &io::Error) {
        let since = state.no_thread.take().map_or_else(Instant::now, |(since, _)| since);
        state.no_thread = Some((since, Refused::new("a thread", error)));
        self.ask_for_retry(state);
    }

    pub(super) fn ask_for_retry(&self, state: &mut State) {
        if !std::mem::replace(&mut state.retry_asked, true) {
            let milliseconds = EVERY.as_millis() as u32;
            self.outbox.send(Record::notice(self.channel, RecordKind::Retry, 0, milliseconds));
        }
    }

    /// What waits for one kind of worker fails.
    pub(super) fn fail_waiting(&self, state: &mut State, kind: Kind, error: &Error) {
        for segment in state.drain(kind) {
            self.fail(state, &segment, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::{Batch, Target};
    use super::super::config::Config;
    use super::super::queue::Segment;
    use super::*;
    use crate::bridge::{Outbox, Wake};
    use crate::operations::Operation;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(&self) {}
    }

    /// A processor to which the system refused its first thread so long ago.
    fn refused_for(time: Duration) -> Arc<Processor> {
        let config = Config {
            max_workers: 1,
            min_workers: 1,
            auto_scale: false,
            idle_timeout: Duration::from_secs(60),
        };
        let processor = Processor::new(config, 1, Arc::new(Outbox::new(Box::new(Nobody))));
        let refused = Refused::told("a thread", Some("EAGAIN".to_owned()), "no more".to_owned());
        let since = Instant::now().checked_sub(time).expect("the clock runs for longer");
        processor.lock().no_thread = Some((since, refused));
        processor
    }

    fn enqueue(processor: &Processor) {
        processor.lock().enqueue(Segment {
            target: Target::Native(Operation::Echo as u16),
            group: 1,
            base: 0,
            from: 0,
            to: 1,
            batch: Arc::new(Batch::default()),
            priority: 0,
            order: 1,
            retries: 0,
            attempt: 0,
            cancel: None,
            timed: false,
            host: None,
        });
    }

    /// An isolate that was busy for longer than the patience came back to threads, and to tasks that failed for want of one.
    #[test]
    fn a_late_retry_asks_for_a_thread_before_tasks_fail() {
        let processor = refused_for(2 * PATIENCE);
        enqueue(&processor);
        processor.retry();
        let state = processor.lock();
        assert_eq!(state.threads, 1);
        assert!(state.no_thread.is_none());
        drop(state);
        processor.close();
    }

    /// A task that was given up while it waited left its time to the next one, which failed at once.
    #[test]
    fn tasks_do_not_pay_for_the_time_that_others_have_waited() {
        let processor = refused_for(EVERY);
        processor.retry();
        assert!(processor.lock().no_thread.is_none());
        processor.close();
    }
}
