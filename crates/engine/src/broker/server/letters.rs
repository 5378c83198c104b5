//! Late frames of a connection: answers that had to wait, and events. They are bounded by whoever sends them: a session waits for
//! so many answers, and an event holds a credit until it is written.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::broker::session::{Credit, Mailbox};

/// The mailbox of a connection.
#[derive(Default)]
pub(super) struct Letters {
    /// Whether there are any, to be asked without the lock.
    is_any: AtomicBool,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    frames: Vec<u8>,
    credits: Vec<Credit>,
    reader: Option<Waker>,
}

impl Mailbox for Letters {
    fn deliver(&self, mut frame: Vec<u8>, credit: Option<Credit>) {
        let mut inside = self.inside.lock();
        if inside.frames.is_empty() {
            inside.frames = frame;
        } else {
            inside.frames.append(&mut frame);
        }
        inside.credits.extend(credit);
        self.is_any.store(true, Ordering::Release);
        if let Some(reader) = &inside.reader {
            reader.wake_by_ref();
        }
    }
}

impl Letters {
    /// Whether there are any.
    pub fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Acquire)
    }

    /// All that are there. The credits are to be dropped when the frames are written.
    pub fn take(&self) -> (Vec<u8>, Vec<Credit>) {
        let mut inside = self.inside.lock();
        self.is_any.store(false, Ordering::Release);
        let Inside { frames, credits, .. } = &mut *inside;
        (mem::take(frames), mem::take(credits))
    }

    /// Ready when there are any.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_any() {
            return Poll::Ready(());
        }
        let mut inside = self.inside.lock();
        if !inside.frames.is_empty() {
            return Poll::Ready(());
        }
        match &mut inside.reader {
            Some(reader) => reader.clone_from(context.waker()),
            reader => *reader = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}
