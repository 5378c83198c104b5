//! What a processor knows, under its one lock: who waits, who runs, who may start next.
//!
//! The lock is taken once per chunk of work, not per task. Native threads and hosts share one budget of
//! `max_workers` permits: whoever runs a chunk holds one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Source;
use super::config::Config;
use super::host::Host;
use super::pace::Pace;
use super::queue::{Queue, Segment};
use crate::cancel::Cancel;
use crate::refused::Refused;

/// Where a processor is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes tasks and runs them.
    Open,
    /// Takes no more, finishes what it has.
    Draining,
    /// Takes nothing, runs nothing.
    Closed,
}

/// A group that may be cancelled or has a deadline.
#[derive(Debug)]
pub(crate) struct Control {
    pub cancel: Cancel,
    /// Tasks of the group that are not finished.
    pub open: usize,
    /// Those of them that wait in a queue.
    pub queued: usize,
    /// The queue that they wait in.
    pub source: Source,
    /// Bytes of the arrays that its tasks name, and keep.
    pub lent_bytes: usize,
    /// For the text of the error.
    pub timeout: Option<Duration>,
}

/// The two kinds of worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Native,
    Hosted,
}

/// The state of one processor.
#[derive(Debug)]
pub(crate) struct State {
    pub config: Config,
    pub phase: Phase,
    pub native: Queue,
    pub hosted: Queue,
    pub pace: Pace,
    pub controls: HashMap<u64, Control>,
    pub hosts: HashMap<u32, Host>,
    /// Native threads that exist, and those of them that wait for work.
    pub threads: usize,
    pub idle_threads: usize,
    /// Permits held: chunks that run, and hosts that were woken to take one.
    pub active: usize,
    /// Flags of the native chunks that run, so that all can be stopped.
    pub running: HashMap<u64, Cancel>,
    /// Hosts that the face was asked for and has not begun to start.
    pub hosts_wanted: usize,
    /// Hosts that the face is starting.
    pub hosts_starting: HashSet<u32>,
    /// Hosts that ended one after another without finishing anything.
    pub hosts_lost_in_a_row: usize,
    /// The face waits until the queue has this much room.
    pub room_wanted: Option<usize>,
    /// A shutdown has run out of patience: what is not finished fails.
    pub stopped: bool,
    /// Tasks wait for the engine's threads, and the system gives not a single one: since when, and what it said last.
    pub no_thread: Option<(Instant, Refused)>,
    /// The time of idle hosts is not measured, because the system refuses the runtime.
    pub rests_unmeasured: bool,
    /// The face was asked for a call.
    pub retry_asked: bool,
    /// Source of `Segment::order` and of the keys of `running`.
    pub counter: u64,
}

impl State {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            phase: Phase::Open,
            native: Queue::default(),
            hosted: Queue::default(),
            pace: Pace::default(),
            controls: HashMap::new(),
            hosts: HashMap::new(),
            threads: 0,
            idle_threads: 0,
            active: 0,
            running: HashMap::new(),
            hosts_wanted: 0,
            hosts_starting: HashSet::new(),
            hosts_lost_in_a_row: 0,
            room_wanted: None,
            stopped: false,
            no_thread: None,
            rests_unmeasured: false,
            retry_asked: false,
            counter: 0,
        }
    }

    /// Tasks that wait, of either kind.
    pub fn queued(&self) -> usize {
        let bound: usize = self.hosts.values().map(|host| host.bound.tasks()).sum();
        self.native.tasks() + self.hosted.tasks() + bound
    }

    /// Whether nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.active == 0 && self.queued() == 0
    }

    pub fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Adds a segment to the queue that it belongs to.
    pub fn enqueue(&mut self, segment: Segment) {
        if let Some(control) = self.controls.get_mut(&segment.group) {
            control.queued += segment.len() as usize;
        }
        if let Some(queue) = self.queue(segment.source()) {
            queue.push_back(segment);
        }
    }

    /// The queue of a source, while it exists.
    pub fn queue(&mut self, source: Source) -> Option<&mut Queue> {
        match source {
            Source::Native => Some(&mut self.native),
            Source::Hosted => Some(&mut self.hosted),
            Source::Bound(host) => self.hosts.get_mut(&host).map(|host| &mut host.bound),
        }
    }

    /// Takes out all that waits, of either kind.
    pub fn drain_all(&mut self) -> impl Iterator<Item = Segment> + use<> {
        self.controls.values_mut().for_each(|control| control.queued = 0);
        let bound: Vec<Segment> = self.hosts.values_mut().flat_map(|host| host.bound.drain()).collect();
        self.native.drain().chain(self.hosted.drain()).chain(bound)
    }

    /// Takes out all that waits for one kind of worker, bound tasks apart.
    pub fn drain(&mut self, kind: Kind) -> Vec<Segment> {
        let (queue, source) = match kind {
            Kind::Native => (&mut self.native, Source::Native),
            Kind::Hosted => (&mut self.hosted, Source::Hosted),
        };
        let of_queue = self.controls.values_mut().filter(|control| control.source == source);
        of_queue.for_each(|control| control.queued = 0);
        queue.drain().collect()
    }

    /// A finished task of this segment turns out not to be: it is tried again.
    pub fn reopen(&mut self, segment: &Segment) {
        if let Some(control) = self.controls.get_mut(&segment.group) {
            control.open += segment.len() as usize;
        }
    }

    /// Puts a segment back to where it came from: before all others. Its host, if it is bound to one, exists. A closed processor drops it: what it keeps of the
    /// isolate's memory would otherwise never be returned.
    pub fn put_back(&mut self, segment: Segment) {
        if segment.len() == 0 || segment.is_cancelled() || self.phase == Phase::Closed {
            return;
        }
        if let Some(control) = self.controls.get_mut(&segment.group) {
            control.queued += segment.len() as usize;
        }
        if let Some(queue) = self.queue(segment.source()) {
            queue.push_front(segment);
        }
    }

    /// Whether a worker of `kind` may start a chunk now: there is work, a permit is free, and the last free permit does
    /// not belong to an older or more urgent task of the other kind that could start as well.
    pub fn may_start(&mut self, kind: Kind) -> bool {
        let free = self.config.max_workers.saturating_sub(self.active);
        if free == 0 {
            return false;
        }
        let idle_host = self.hosts.values().any(Host::is_idle);
        let key = |segment: &Segment| (-i64::from(segment.priority), segment.order);
        let native = self.native.head().map(key);
        let hosted = self.hosted.head().map(key);
        match (kind, native, hosted) {
            (Kind::Native, Some(native), Some(hosted)) => free > 1 || !idle_host || native < hosted,
            (Kind::Hosted, Some(native), Some(hosted)) => free > 1 || hosted < native,
            (Kind::Native, native, _) => native.is_some(),
            (Kind::Hosted, _, hosted) => hosted.is_some(),
        }
    }

    /// Takes a chunk of work from a queue: pieces of one or more segments, worth about one budget of time.
    pub fn take_chunk(&mut self, from: Source) -> Vec<Segment> {
        let State { native, hosted, hosts, pace, controls, config, .. } = self;
        let queue = match from {
            Source::Native => native,
            Source::Hosted => hosted,
            Source::Bound(host) => match hosts.get_mut(&host) {
                Some(host) => &mut host.bound,
                None => return Vec::new(),
            },
        };
        let hosted = from != Source::Native;
        let share = queue.tasks().div_ceil(2 * config.max_workers);
        let mut share = u32::try_from(share).unwrap_or(u32::MAX).max(1);
        let mut budget = Pace::budget();
        let mut chunk: Vec<Segment> = Vec::new();
        while let Some(head) = queue.head() {
            let alone = hosted && head.timed;
            if !chunk.is_empty() && (alone || pace.cost(head.target, 1) > budget) {
                break;
            }
            let most = pace.chunk(head.target, budget).min(share);
            let Some(segment) = queue.take(most) else { break };
            let length = segment.len();
            if let Some(control) = controls.get_mut(&segment.group) {
                control.queued -= length as usize;
            }
            budget -= pace.cost(segment.target, length);
            share = share.saturating_sub(length);
            chunk.push(segment);
            if alone || share == 0 || budget <= 0.0 {
                break;
            }
        }
        chunk
    }

    /// Learns from a chunk whose first `done` tasks took `elapsed`.
    pub fn learn(&mut self, chunk: &[Segment], done: u32, elapsed: Duration) {
        let Some(first) = chunk.first() else { return };
        if done > 0 && chunk.iter().all(|segment| segment.target == first.target) {
            self.pace.learn(first.target, done, elapsed);
        }
    }

    /// `tasks` tasks of a group are finished.
    pub fn finish(&mut self, group: u64, tasks: u32) {
        if let Some(control) = self.controls.get_mut(&group) {
            control.open = control.open.saturating_sub(tasks as usize);
            if control.open == 0 {
                self.controls.remove(&group);
            }
        }
    }
}

/// A chunk that a host works on.
#[derive(Debug)]
pub(crate) struct Running {
    /// Tells this chunk from earlier ones of the same host.
    pub number: u64,
    pub chunk: Vec<Segment>,
    pub since: Instant,
}

/// The tasks of a chunk from the position `at` (counted over all its segments) on.
pub(crate) fn rest_of(chunk: &[Segment], at: u32) -> Vec<Segment> {
    let mut before = 0;
    let mut rest = Vec::new();
    for segment in chunk {
        let skip = at.saturating_sub(before).min(segment.len());
        if skip < segment.len() {
            rest.push(segment.part(segment.from + skip, segment.to));
        }
        before += segment.len();
    }
    rest
}

/// The control words of a host, see `host.rs`: the host maps them, or has them written where it cannot.
pub type HostWords = Arc<crate::bridge::Words<4>>;
