//! The lender of an isolate: when its memory may be touched.
//!
//! A worker that has something to read of an `ArrayBuffer` opens a [`Session`] and asks the isolate for its turn. The isolate's thread
//! looks whether the memory is still there ([`Lender::begin_turn`]) and then stands still in [`Lender::lend`] while the workers go from
//! block to block; after some milliseconds it lets them finish the blocks that they are at and goes on with its own work, until the next
//! turn. JavaScript does not run meanwhile, so nothing can be detached in between.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::bridge::{Outbox, Record, RecordKind, Wake};
use crate::cancel::Cancel;
use crate::error::Error;

/// Between two looks at the flag of a task that waits.
const PATIENCE: Duration = Duration::from_millis(10);

/// So long a turn goes on when nobody wants anything, but there are tasks that may: the next one then needs no wake-up of the isolate.
const LINGER: Duration = Duration::from_micros(50);
/// The longest time between two looks at whether a turn is still wanted.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// So many holds are looked at in a turn, besides those that are in use: the tasks that come next need no turn of their own.
const AHEAD: usize = 64;

/// What an isolate lends. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Lender(Arc<Ledger>);

struct Ledger {
    state: Mutex<State>,
    changed: Condvar,
    /// Has the isolate take back what was returned.
    wake: Box<dyn Wake>,
}

#[derive(Debug, Default)]
struct State {
    /// The isolate stands still: detachable memory may be touched.
    open: bool,
    /// The isolate is gone, and its memory with it.
    ended: bool,
    /// A turn was asked for and has not begun.
    asked: bool,
    /// Operations in the midst of using detachable memory, by the numbers of their holds: a few for each worker thread.
    sessions: Vec<u64>,
    /// Sessions whose memory the isolate has not looked at in its present turn.
    fresh: usize,
    /// Sessions that ever began.
    opened: u64,
    /// How often it has looked.
    turns: u64,
    /// The numbers of the holds that it has looked at in its present turn.
    looked_at: Vec<RangeInclusive<u64>>,
    /// Blocks of detachable memory that are touched right now.
    touched: usize,
    /// Operations that use shared memory right now.
    shared: usize,
    /// Numbers of the holds that live: tasks that may want a turn.
    holds: BTreeSet<u64>,
    /// References that are not needed any more, by number.
    returned: Vec<u64>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Lender {
    /// The lender of an isolate that `wake` wakes.
    pub fn new(wake: Box<dyn Wake>) -> Self {
        Self(Arc::new(Ledger { state: Mutex::default(), changed: Condvar::new(), wake }))
    }

    /// Notes that an array is referred to by `number`, which is higher than those before, until the hold is dropped. `outbox` is that of the load that submits it.
    pub fn hold(&self, number: u64, outbox: Arc<Outbox>) -> Arc<Hold> {
        self.0.state.lock().holds.insert(number);
        Arc::new(Hold { ledger: Arc::clone(&self.0), number, outbox, detached: AtomicBool::new(false) })
    }

    /// The numbers of the holds that were dropped since the last call.
    pub fn take_returned(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.state.lock().returned)
    }

    /// The numbers of the holds whose memory workers want to touch, or will want to touch soon. The isolate's thread looks for those
    /// whose memory was [detached](Hold::set_detached), and calls [`lend`](Self::lend) without running JavaScript in between.
    pub fn begin_turn(&self) -> Vec<u64> {
        let mut state = self.0.state.lock();
        state.asked = false;
        state.fresh = 0;
        state.turns += 1;
        let State { sessions, holds, looked_at, .. } = &mut *state;
        looked_at.clear();
        let mut numbers = Vec::new();
        for &session in sessions.iter() {
            // Tasks run in the order of their numbers: those behind this one come next.
            let ahead = (AHEAD / sessions.len()).max(1);
            numbers.extend(holds.range(session..).take(ahead));
            looked_at.push(session..=numbers.last().copied().unwrap_or(session));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Lets workers touch the memory that the isolate has just looked at, until they are done with it, want to touch more, or it is
    /// `until`. On the isolate's thread.
    pub fn lend(&self, until: Instant) -> Turn {
        let mut state = self.0.state.lock();
        let mut late = false;
        state.open = true;
        self.0.changed.notify_all();
        let (mut seen, mut pause) = (state.opened, LINGER);
        while state.fresh == 0 && !state.holds.is_empty() {
            late = Instant::now() >= until;
            // Nothing was touched in the meantime, and nothing is being touched.
            let is_idle = state.sessions.is_empty() && state.opened == seen;
            if late || is_idle {
                break;
            }
            // While nothing changes it looks ever more seldom: its processor may be one of those that read.
            pause = if state.opened == seen { (2 * pause).min(LONGEST_PAUSE) } else { LINGER };
            seen = state.opened;
            self.0.changed.wait_for(&mut state, pause);
        }
        state.open = false;
        while state.touched > 0 {
            self.0.changed.wait(&mut state);
        }
        if state.sessions.is_empty() {
            return Turn::Done;
        }
        // The caller comes back by itself.
        state.asked = true;
        if late { Turn::Late } else { Turn::More }
    }

    /// A load of the isolate is gone, and what it was told with it: whoever waits for a turn asks again.
    pub fn ask_again(&self) {
        self.0.state.lock().asked = false;
        self.0.changed.notify_all();
    }

    /// The isolate ends: waits for blocks that are being touched and for operations on shared memory, whose flags the caller has set.
    /// Nothing is touched from then on.
    pub fn end(&self) {
        let mut state = self.0.state.lock();
        state.ended = true;
        self.0.changed.notify_all();
        while state.touched + state.shared > 0 {
            self.0.changed.wait(&mut state);
        }
    }
}

/// How an isolate's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody waits.
    Done,
    /// There is memory to look at that workers want to touch.
    More,
    /// The time is over, and workers want to go on: call again soon.
    Late,
}

/// One array of an isolate that tasks name. The isolate keeps a reference to it as long as this lives.
#[derive(Debug)]
pub struct Hold {
    ledger: Arc<Ledger>,
    number: u64,
    outbox: Arc<Outbox>,
    detached: AtomicBool,
}

impl Hold {
    /// Its memory is not what it was any more. On the isolate's thread.
    pub fn set_detached(&self) {
        // Relaxed: read under the lock of the ledger, which the isolate takes next.
        self.detached.store(true, Ordering::Relaxed);
    }

    /// Begins to use shared memory.
    ///
    /// # Errors
    /// [`Error::Cancelled`] after the end of the isolate.
    pub(super) fn share(self: &Arc<Self>) -> Result<Sharing, Error> {
        let mut state = self.ledger.state.lock();
        if state.ended {
            return Err(Error::Cancelled);
        }
        state.shared += 1;
        Ok(Sharing(Arc::clone(&self.ledger)))
    }

    /// Begins to read or write detachable memory.
    pub(super) fn open(self: &Arc<Self>) -> Session {
        let mut state = self.ledger.state.lock();
        state.sessions.push(self.number);
        state.opened += 1;
        let is_looked_at = state.open && state.looked_at.iter().any(|range| range.contains(&self.number));
        let since = if is_looked_at { state.turns - 1 } else { state.turns };
        if !is_looked_at {
            state.fresh += 1;
            if state.open {
                self.ledger.changed.notify_all();
            }
        }
        Session { hold: Arc::clone(self), since }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.ledger.state.lock();
        state.holds.remove(&self.number);
        if state.holds.is_empty() && state.open {
            self.ledger.changed.notify_all();
        }
        state.returned.push(self.number);
        let first = state.returned.len() == 1 && !state.ended;
        drop(state);
        if first {
            self.ledger.wake.wake();
        }
    }
}

/// Shared memory is in use until this is dropped.
#[derive(Debug)]
pub(super) struct Sharing(Arc<Ledger>);

impl Drop for Sharing {
    fn drop(&mut self) {
        self.0.state.lock().shared -= 1;
        self.0.changed.notify_all();
    }
}

/// An operation in the midst of reading or writing detachable memory.
#[derive(Debug)]
pub(super) struct Session {
    hold: Arc<Hold>,
    /// The last turn in which its memory was not looked at.
    since: u64,
}

impl Session {
    /// Runs `touch` while the memory is certain to be there; waits for the isolate's turn before. It should take no longer than some
    /// hundred microseconds.
    ///
    /// # Errors
    /// [`Error::Detached`] if the memory is gone, [`Error::Cancelled`] once `cancel` is set or the isolate has ended.
    pub fn touch<R>(&self, cancel: &Cancel, touch: impl FnOnce() -> R) -> Result<R, Error> {
        let ledger = &self.hold.ledger;
        let mut state = ledger.state.lock();
        loop {
            if state.ended || cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if self.hold.detached.load(Ordering::Relaxed) {
                return Err(Error::Detached);
            }
            if state.open && state.turns > self.since {
                break;
            }
            if !std::mem::replace(&mut state.asked, true) {
                drop(state);
                self.hold.outbox.send(Record::notice(0, RecordKind::Lend, 0, 0));
                state = ledger.state.lock();
                continue;
            }
            ledger.changed.wait_for(&mut state, PATIENCE);
        }
        state.touched += 1;
        drop(state);
        let _touching = Touching(ledger);
        Ok(touch())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.hold.ledger.state.lock();
        if let Some(at) = state.sessions.iter().position(|number| *number == self.hold.number) {
            state.sessions.swap_remove(at);
        }
        // Where there are more, the isolate looks by itself soon.
        if state.sessions.is_empty() && state.holds.len() <= 1 {
            self.hold.ledger.changed.notify_all();
        }
    }
}

/// A block is touched until this is dropped, also by a panic.
struct Touching<'a>(&'a Ledger);

impl Drop for Touching<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.touched -= 1;
        if state.touched == 0 && (!state.open || state.ended) {
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    struct Silent;

    impl Wake for Silent {
        fn wake(&self) {}
    }

    fn lender() -> (Lender, Arc<Outbox>) {
        (Lender::new(Box::new(Silent)), Arc::new(Outbox::new(Box::new(Silent))))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_turn_looks_at_what_is_wanted_and_at_what_comes_next_and_at_nothing_else() {
        let (lender, outbox) = lender();
        let holds: Vec<_> = (0..100).map(|number| lender.hold(number, Arc::clone(&outbox))).collect();
        assert!(lender.begin_turn().is_empty());
        assert_eq!(lender.lend(soon()), Turn::Done);
        let _one = holds[10].open();
        let ahead = AHEAD as u64;
        assert_eq!(lender.begin_turn(), (10..10 + ahead).collect::<Vec<_>>());
        let _other = holds[98].open();
        assert_eq!(lender.begin_turn(), (10..10 + ahead / 2).chain([98, 99]).collect::<Vec<_>>());
    }

    /// A look of an earlier turn says nothing: JavaScript has run since, and may have detached the memory.
    #[test]
    fn memory_is_touched_only_after_a_look_in_the_same_turn() {
        let (lender, outbox) = lender();
        let hold = lender.hold(0, Arc::clone(&outbox));
        let early = hold.open();
        assert_eq!(lender.begin_turn(), [0]);
        thread::scope(|scope| {
            let touched = scope.spawn(|| early.touch(&Cancel::default(), || ()));
            while lender.0.state.lock().touched == 0 && !touched.is_finished() {
                lender.lend(Instant::now() + Duration::from_millis(1));
                lender.begin_turn();
            }
            touched.join().expect("no panic").expect("it was there");
        });
        drop(early);
        // Nobody wants anything: nothing is looked at.
        assert!(lender.begin_turn().is_empty());
        let late = hold.open();
        let cancel = Cancel::default();
        thread::scope(|scope| {
            let touched = scope.spawn(|| late.touch(&cancel, || ()));
            assert_eq!(lender.lend(soon()), Turn::More);
            hold.set_detached();
            assert_eq!(lender.begin_turn(), [0]);
            while !touched.is_finished() {
                lender.lend(Instant::now() + Duration::from_millis(1));
            }
            assert!(matches!(touched.join().expect("no panic"), Err(Error::Detached)));
        });
    }

    #[test]
    fn the_end_lets_those_go_that_wait() {
        let (lender, outbox) = lender();
        let hold = lender.hold(0, outbox);
        let session = hold.open();
        thread::scope(|scope| {
            let touched = scope.spawn(|| session.touch(&Cancel::default(), || ()));
            lender.end();
            assert!(matches!(touched.join().expect("no panic"), Err(Error::Cancelled)));
        });
        assert!(hold.share().is_err());
    }
}
