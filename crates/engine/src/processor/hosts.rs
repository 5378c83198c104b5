//! The hosts of a processor: attach, take, finish, end.

use std::sync::Arc;
use std::time::Instant;

use super::batch::Source;
use super::deadline::Due;
use super::host::{Host, WORD_PROGRESS, read_results, write_chunk};
use super::queue::{Queue, Segment};
use super::state::{HostWords, Kind, Phase, Running, State, rest_of};
use super::{Processor, error_frame, words};
use crate::bridge::frame::index_mixed;
use crate::bridge::{Frame, Layout, Outbox, Record, RecordKind};
use crate::error::Error;
use crate::payload::Tag;

/// Hosts that end one after another before they finish anything: then the waiting tasks fail instead of starting
/// yet another.
const MOST_LOST_IN_A_ROW: usize = 3;

impl Processor {
    /// The face begins to start a host of this number: one that it was `asked` for, or one for data that only a port can carry. `false`: there
    /// must not be one more.
    pub fn host_starting(&self, id: u32, asked: bool) -> bool {
        let mut state = self.lock();
        if asked {
            state.hosts_wanted = state.hosts_wanted.saturating_sub(1);
        } else if state.hosts.len() + state.hosts_wanted + state.hosts_starting.len()
            >= state.config.max_workers
        {
            return false;
        }
        state.hosts_starting.insert(id);
        true
    }

    /// A worker isolate offers itself. Returns the control words that it is to keep; `None`: it is not wanted any more.
    pub fn attach_host(self: &Arc<Self>, id: u32, outbox: Arc<Outbox>) -> Option<HostWords> {
        let mut state = self.lock();
        if !state.hosts_starting.remove(&id) || state.phase == Phase::Closed {
            return None;
        }
        let words = HostWords::default();
        let host = Host {
            outbox,
            words: Arc::clone(&words),
            bound: Queue::default(),
            running: None,
            woken: false,
            rest: 0,
        };
        state.hosts.insert(id, host);
        self.dispatch(&mut state);
        self.start_rest(&mut state, id);
        Some(words)
    }

    /// Data is about to be sent to a host for a task that only it can run: until then it is not ended for being idle. `false`: it
    /// has ended. With `hold: false` nothing was sent after all.
    pub fn hold_host(self: &Arc<Self>, id: u32, hold: bool) -> bool {
        let mut state = self.lock();
        if !hold {
            self.start_rest(&mut state, id);
        }
        let number = state.next_number();
        let Some(host) = state.hosts.get_mut(&id) else { return false };
        if hold {
            // No timer knows this number: the rest begins anew when the host finds nothing to do.
            host.rest = number;
        }
        true
    }

    /// The next chunk for a host, as `host.rs` draws it; `None`: nothing to do, the host will be woken.
    pub fn take_for_host(self: &Arc<Self>, id: u32) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let wire = self.take_locked(&mut state, id);
        self.dispatch(&mut state);
        if wire.is_none() {
            self.start_rest(&mut state, id);
            self.close_if_drained(&mut state);
        }
        wire
    }

    fn take_locked(self: &Arc<Self>, state: &mut State, id: u32) -> Option<Vec<u8>> {
        loop {
            let host = state.hosts.get_mut(&id)?;
            if std::mem::take(&mut host.woken) {
                state.active -= 1;
            }
            if self.backlog.must_wait() || state.active >= state.config.max_workers {
                return None;
            }
            let bound = state.hosts.get_mut(&id)?.bound.head().is_some();
            if !bound && !state.may_start(Kind::Hosted) {
                return None;
            }
            let chunk = state.take_chunk(if bound { Source::Bound(id) } else { Source::Hosted });
            let number = state.next_number();
            match write_chunk(number, &chunk) {
                Ok(_) if chunk.is_empty() => return None,
                Ok(wire) => {
                    let host = state.hosts.get_mut(&id)?;
                    host.words.set(WORD_PROGRESS, 0.0);
                    host.running = Some(Running { number, chunk, since: Instant::now() });
                    state.active += 1;
                    return Some(wire);
                }
                // The face encoded something that the engine cannot cut, or there is no memory for it: those tasks fail, the others stay.
                Err((failed, error)) => {
                    for (position, segment) in chunk.into_iter().enumerate().rev() {
                        if position == failed {
                            self.fail(state, &segment, &error);
                        } else {
                            state.put_back(segment);
                        }
                    }
                }
            }
        }
    }

    /// A host gives back what it did of a chunk. `false`: the wire format is not understood.
    pub fn finish_for_host(self: &Arc<Self>, id: u32, wire: &[u8]) -> bool {
        let Some(returned) = read_results(wire) else { return false };
        let mut state = self.lock();
        let Some(host) = state.hosts.get_mut(&id) else { return true };
        // A chunk that was taken away from the host meanwhile: others have run it.
        let Some(running) = host.running.take_if(|running| running.number == returned.number) else {
            return true;
        };
        state.hosts_lost_in_a_row = 0;
        state.learn(&running.chunk, returned.done, running.since.elapsed());
        let mut deliveries: Vec<(u64, u32, Frame)> = Vec::new();
        let mut again: Vec<Segment> = Vec::new();
        for (segment, result) in running.chunk.iter().zip(returned.segments) {
            let count = result.frame.count.min(segment.len());
            if segment.is_cancelled() || count == 0 {
                continue;
            }
            let mut failed = result.failures.min(count);
            self.words.add(words::PROCESSED, f64::from(count - failed));
            if failed > 0 && segment.may_retry() {
                split_failures(segment, &result.frame, &mut deliveries, &mut again);
                state.finish(segment.group, count - failed);
                failed = 0;
            } else {
                deliveries.push((segment.group, segment.index(), result.frame));
                state.finish(segment.group, count);
            }
            self.words.add(words::FAILED, f64::from(failed));
        }
        let retried: u32 = again.iter().map(Segment::len).sum();
        self.words.add(words::RETRIED, f64::from(retried));
        drop(state);
        // Before the permit is free: the end of a shutdown comes after the last result.
        for (group, index, frame) in deliveries {
            self.deliver(group, index, frame);
        }
        let mut state = self.lock();
        state.active -= 1;
        for segment in again.into_iter().chain(rest_of(&running.chunk, returned.done)).rev() {
            if state.stopped {
                self.fail(&mut state, &segment, &Error::ShutDown);
            } else if segment.host.is_some_and(|host| !state.hosts.contains_key(&host)) {
                let reason = "it held the task's transferred data".to_owned();
                self.fail(&mut state, &segment, &Error::WorkerDied { reason });
            } else {
                state.put_back(segment);
            }
        }
        // The host asks for its next chunk right after; that dispatches.
        true
    }

    /// A host has ended, for whatever reason the face gives. What it held runs elsewhere; the task that it was at is
    /// tried again if it may be, and else fails with [`Error::WorkerDied`].
    pub fn host_lost(self: &Arc<Self>, id: u32, reason: &str) {
        let mut state = self.lock();
        if !state.hosts_starting.remove(&id) && !state.hosts.contains_key(&id) {
            return; // it was ended on purpose
        }
        state.hosts_lost_in_a_row += 1;
        let died = Error::WorkerDied { reason: reason.to_owned() };
        self.blame_host(&mut state, id, &died);
        if state.hosts_lost_in_a_row >= MOST_LOST_IN_A_ROW && state.hosts.is_empty() {
            state.hosts_lost_in_a_row = 0;
            self.fail_waiting(&mut state, Kind::Hosted, &died);
        }
        self.dispatch(&mut state);
        self.close_if_drained(&mut state);
    }

    fn blame_host(self: &Arc<Self>, state: &mut State, id: u32, died: &Error) {
        let Some(host) = state.hosts.get_mut(&id) else { return };
        let at = host.words.get(WORD_PROGRESS) as u32;
        let culprit =
            host.running.as_ref().and_then(|running| rest_of(&running.chunk, at).into_iter().next());
        let culprit = culprit.map(|segment| segment.part(segment.from, segment.from + 1));
        let key = culprit.as_ref().map(|segment| (segment.group, segment.index()));
        for segment in self.remove_host(state, id).into_iter().rev() {
            let holds = key.filter(|&(group, index)| {
                group == segment.group && (segment.index()..segment.index() + segment.len()).contains(&index)
            });
            let Some((_, index)) = holds else {
                self.run_again(state, segment, died);
                continue;
            };
            let position = index - segment.base;
            let one = segment.part(position, position + 1);
            self.run_again(state, segment.part(position + 1, segment.to), died);
            if one.may_retry() {
                self.words.add(words::RETRIED, 1.0);
                state.put_back(Segment { retries: one.retries - 1, attempt: one.attempt + 1, ..one });
            } else if !one.is_cancelled() {
                self.fail(state, &one, died);
            }
            self.run_again(state, segment.part(segment.from, position), died);
        }
    }

    /// Queues what a dead host held; what only it could run fails.
    fn run_again(&self, state: &mut State, segment: Segment, died: &Error) {
        if segment.len() == 0 || segment.is_cancelled() {
            return;
        }
        if segment.host.is_some() {
            self.fail(state, &segment, died);
        } else {
            self.words.add(words::RERUN, f64::from(segment.len()));
            state.put_back(segment);
        }
    }

    /// Ends the hosts that run something cancelled; the rest of what they held runs elsewhere.
    pub(super) fn end_hosts_of_cancelled(&self, state: &mut State) {
        let runs_cancelled = |host: &Host| {
            host.running.as_ref().is_some_and(|running| running.chunk.iter().any(Segment::is_cancelled))
        };
        let doomed: Vec<u32> =
            state.hosts.iter().filter(|(_, host)| runs_cancelled(host)).map(|(&id, _)| id).collect();
        let died = Error::WorkerDied { reason: "it was ended to stop a task beside this one".to_owned() };
        for id in doomed {
            for segment in self.remove_host(state, id).into_iter().rev() {
                self.run_again(state, segment, &died);
            }
        }
    }

    /// Takes a host out of the pool, tells the face to end it, and returns all that it held.
    pub(super) fn remove_host(&self, state: &mut State, id: u32) -> Vec<Segment> {
        let Some(mut host) = state.hosts.remove(&id) else { return Vec::new() };
        if host.woken || host.running.is_some() {
            state.active -= 1;
        }
        // Before it is told of: whoever hears of the end finds it in the figures.
        self.words.set(words::HOSTS, state.hosts.len() as f64);
        self.outbox.send(Record::notice(self.channel, RecordKind::HostEnd, id, 0));
        let mut held = host.running.take().map_or_else(Vec::new, |running| running.chunk);
        for segment in host.bound.drain() {
            if let Some(control) = state.controls.get_mut(&segment.group) {
                control.queued -= segment.len() as usize;
            }
            held.push(segment);
        }
        held
    }

    /// A host that has been idle for long is ended.
    pub(super) fn retire_host(&self, state: &mut State, id: u32, rest: u64) {
        if state
            .hosts
            .get_mut(&id)
            .is_some_and(|host| host.is_idle() && host.rest == rest && host.bound.tasks() == 0)
        {
            self.remove_host(state, id);
        }
    }

    pub(super) fn start_rest(self: &Arc<Self>, state: &mut State, id: u32) {
        if !state.config.auto_scale {
            return;
        }
        let number = state.next_number();
        let at = Instant::now().checked_add(state.config.idle_timeout);
        if let (Some(host), Some(at)) = (state.hosts.get_mut(&id), at)
            && host.is_idle()
        {
            host.rest = number;
            if self.deadlines.add(at, Due::HostIdle(id, number), self).is_err() {
                state.rests_unmeasured = true;
                self.ask_for_retry(state);
            }
            self.prune_deadlines(state);
        }
    }

    /// Wakes idle hosts that have work, and asks the face for more hosts where they are missing.
    pub(super) fn dispatch_hosts(&self, state: &mut State) {
        let idle_with_bound = |host: &mut Host| host.is_idle() && host.bound.head().is_some();
        while state.active < state.config.max_workers
            && let Some((_, host)) = state
                .hosts
                .iter_mut()
                .find_map(|(id, host)| if idle_with_bound(host) { Some((*id, host)) } else { None })
        {
            wake(host);
            state.active += 1;
        }
        while state.may_start(Kind::Hosted) {
            let Some(host) = state.hosts.values_mut().find(|host| host.is_idle()) else { break };
            wake(host);
            state.active += 1;
        }
        self.want_hosts(state);
    }

    fn want_hosts(&self, state: &mut State) {
        if state.phase == Phase::Closed {
            return;
        }
        let idle = state.hosts.values().filter(|host| host.is_idle() || host.woken).count();
        let coming = state.hosts_wanted + state.hosts_starting.len();
        let room = state.config.max_workers.saturating_sub(state.hosts.len() + coming);
        let wanted = state.hosted.tasks().saturating_sub(idle + coming).min(room);
        if wanted > 0 {
            state.hosts_wanted += wanted;
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            self.outbox.send(Record::notice(self.channel, RecordKind::HostsWanted, 0, wanted));
        }
    }
}

fn wake(host: &mut Host) {
    host.woken = true;
    host.outbox.send(Record::notice(0, RecordKind::Work, 0, 0));
}

/// The failed tasks of a segment that may be tried again go to `again`, the others' results to `deliveries`.
fn split_failures(
    segment: &Segment,
    frame: &Frame,
    deliveries: &mut Vec<(u64, u32, Frame)>,
    again: &mut Vec<Segment>,
) {
    let values = match frame.layout {
        Layout::Mixed => index_mixed(&frame.bytes, frame.count as usize).unwrap_or_default(),
        // A frame with a failure is always mixed.
        Layout::Json | Layout::Numbers => Vec::new(),
    };
    for (position, (tag, from, to)) in (segment.from..).zip(values) {
        if tag == Tag::Error {
            let one = segment.part(position, position + 1);
            again.push(Segment { retries: one.retries - 1, attempt: one.attempt + 1, ..one });
        } else {
            deliveries.push((
                segment.group,
                segment.base + position,
                Frame::try_single(tag, &frame.bytes[from..to]).unwrap_or_else(|error| error_frame(&error)),
            ));
        }
    }
}
