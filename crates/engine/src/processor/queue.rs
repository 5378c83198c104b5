//! The queue: segments of tasks by priority, first in first out within one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};

use super::batch::{Batch, Source, Target};
use crate::cancel::Cancel;

/// A run of tasks of one batch that wait, run, or come back.
#[derive(Debug)]
pub(crate) struct Segment {
    pub target: Target,
    pub group: u64,
    /// Index in the group of the batch's first task.
    pub base: u32,
    /// The tasks, as positions in the batch.
    pub from: u32,
    pub to: u32,
    pub batch: Arc<Batch>,
    pub priority: i32,
    /// When it came; smaller is older. A segment that comes back keeps its place.
    pub order: u64,
    /// How often each task may still be tried again.
    pub retries: u32,
    /// How often it was tried before.
    pub attempt: u32,
    /// Set for groups that may be cancelled.
    pub cancel: Option<Cancel>,
    /// Has a deadline: it runs alone in its host, so that ending the host hits no neighbour.
    pub timed: bool,
    /// The only host that can run it, because its data was moved there.
    pub host: Option<u32>,
}

impl Segment {
    pub fn len(&self) -> u32 {
        self.to - self.from
    }

    /// Index in the group of the first task.
    pub fn index(&self) -> u32 {
        self.base + self.from
    }

    /// Whether its tasks are tried again after a failure. Moved data was used up by the first attempt.
    pub fn may_retry(&self) -> bool {
        self.retries > 0 && self.host.is_none()
    }

    /// The queue that it waits in.
    pub fn source(&self) -> Source {
        Source::of(self.target, self.host)
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }

    /// Lets go of the arrays that the tasks name: they have run.
    pub fn give_back(&mut self) {
        static NOTHING: LazyLock<Arc<Batch>> = LazyLock::new(Arc::default);
        if self.batch.lent_bytes() > 0 {
            self.batch = Arc::clone(&NOTHING);
        }
    }

    /// The tasks `from..to` (positions in the batch) as a segment of their own.
    pub fn part(&self, from: u32, to: u32) -> Self {
        Self { from, to, batch: Arc::clone(&self.batch), cancel: self.cancel.clone(), ..*self }
    }
}

/// Segments that wait for one kind of worker.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    by_priority: BTreeMap<Reverse<i32>, VecDeque<Segment>>,
    /// Waiting tasks that are not cancelled.
    tasks: usize,
    /// Waiting tasks whose group was cancelled; they leave when they reach the head, or with `sweep`.
    cancelled: usize,
    /// Bytes of the arrays that those keep, at most.
    cancelled_bytes: usize,
}

/// So many bytes may be kept by cancelled tasks, unless they are few among many.
const KEPT_BYTES: usize = 16 << 20;

impl Queue {
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    pub fn push_back(&mut self, segment: Segment) {
        self.tasks += segment.len() as usize;
        self.by_priority.entry(Reverse(segment.priority)).or_default().push_back(segment);
    }

    /// Puts a segment back before all others of its priority.
    pub fn push_front(&mut self, segment: Segment) {
        self.tasks += segment.len() as usize;
        self.by_priority.entry(Reverse(segment.priority)).or_default().push_front(segment);
    }

    /// The next segment that is not cancelled.
    pub fn head(&mut self) -> Option<&Segment> {
        loop {
            let mut entry = self.by_priority.first_entry()?;
            match entry.get_mut().front() {
                None => drop(entry.remove()),
                Some(segment) if segment.is_cancelled() => {
                    self.cancelled -= segment.len() as usize;
                    entry.get_mut().pop_front();
                }
                Some(_) => break,
            }
        }
        self.by_priority.first_key_value()?.1.front()
    }

    /// Takes up to `most` tasks (at least one) of the head's segment.
    pub fn take(&mut self, most: u32) -> Option<Segment> {
        let length = self.head()?.len();
        let mut entry = self.by_priority.first_entry()?;
        let segments = entry.get_mut();
        let taken = if length <= most {
            segments.pop_front()?
        } else {
            let head = segments.front_mut()?;
            let part = head.part(head.from, head.from + most.max(1));
            head.from = part.to;
            part
        };
        self.tasks -= taken.len() as usize;
        Some(taken)
    }

    /// A group of which `tasks` tasks waited here, with arrays of `bytes` bytes, was cancelled. Its segments leave lazily, unless those
    /// that were cancelled are the most, or keep much memory. A look at all segments is paid by those that were cancelled since the last.
    pub fn forget(&mut self, tasks: usize, bytes: usize) {
        self.tasks -= tasks;
        self.cancelled += tasks;
        if tasks > 0 {
            self.cancelled_bytes = self.cancelled_bytes.saturating_add(bytes);
        }
        let most = self.cancelled > 1024 && self.cancelled > self.tasks;
        let heavy = self.cancelled_bytes > KEPT_BYTES && self.cancelled.saturating_mul(64) > self.tasks;
        if most || heavy {
            self.by_priority.retain(|_, segments| {
                segments.retain(|segment| !segment.is_cancelled());
                !segments.is_empty()
            });
            (self.cancelled, self.cancelled_bytes) = (0, 0);
        }
    }

    /// Empties the queue.
    pub fn drain(&mut self) -> impl Iterator<Item = Segment> + use<> {
        let segments = std::mem::take(self).by_priority.into_values().flatten();
        segments.filter(|segment| !segment.is_cancelled())
    }
}
