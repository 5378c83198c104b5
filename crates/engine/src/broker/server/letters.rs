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
    is_over: bool,
}

impl Mailbox for Letters {
    fn deliver(&self, mut frame: Vec<u8>, credit: Option<Credit>) {
        let mut inside = self.inside.lock();
        if inside.is_over {
            return;
        }
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

    fn hang_up(&self) {
        let mut inside = self.inside.lock();
        inside.is_over = true;
        inside.frames = Vec::new();
        inside.credits.clear();
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

    /// Whether the client is given up.
    pub fn is_over(&self) -> bool {
        self.inside.lock().is_over
    }

    /// All that are there. The credits are to be dropped when the frames are written.
    pub fn take(&self) -> (Vec<u8>, Vec<Credit>) {
        let mut inside = self.inside.lock();
        self.is_any.store(inside.is_over, Ordering::Release);
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
