//! Late frames of a connection: answers that had to wait, and events. They are bounded by whoever sends them: a session waits for
//! so many answers, and an event holds a credit until it is written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::broker::session::{Credit, Mailbox};
use crate::broker::wire::HEADER;
use crate::error::Error;
use crate::reserve::try_reserve;

/// The mailbox of a connection.
#[derive(Default)]
pub(super) struct Letters {
    /// Whether there are any, to be asked without the lock.
    is_any: AtomicBool,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    letters: VecDeque<Letter>,
    reader: Option<Waker>,
    is_over: bool,
}

/// A frame; others may share its body.
struct Letter {
    head: [u8; HEADER],
    body: Arc<[u8]>,
    credit: Option<Credit>,
}

impl Mailbox for Letters {
    fn deliver(&self, head: [u8; HEADER], body: Arc<[u8]>, credit: Option<Credit>) {
        let mut inside = self.inside.lock();
        if !inside.is_over {
            inside.letters.push_back(Letter { head, body, credit });
            self.tell(&inside);
        }
    }

    fn hang_up(&self) -> bool {
        let mut inside = self.inside.lock();
        inside.is_over = true;
        inside.letters = VecDeque::new();
        self.tell(&inside);
        true
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

    /// Takes frames out until there are `most` bytes of them, or no more. The credits are to be dropped when the frames are written.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: a frame is lost, and its client must not go on without it.
    pub fn take(&self, most: usize, frames: &mut Vec<u8>, credits: &mut Vec<Credit>) -> Result<(), Error> {
        let mut inside = self.inside.lock();
        while frames.len() < most
            && let Some(Letter { head, body, credit }) = inside.letters.pop_front()
        {
            try_reserve(frames, HEADER + body.len())?;
            frames.extend_from_slice(&head);
            frames.extend_from_slice(&body);
            credits.extend(credit);
        }
        self.is_any.store(inside.is_over || !inside.letters.is_empty(), Ordering::Release);
        Ok(())
    }

    fn tell(&self, inside: &Inside) {
        self.is_any.store(true, Ordering::Release);
        if let Some(reader) = &inside.reader {
            reader.wake_by_ref();
        }
    }

    /// Ready when there are any.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_any() {
            return Poll::Ready(());
        }
        let mut inside = self.inside.lock();
        if inside.is_over || !inside.letters.is_empty() {
            return Poll::Ready(());
        }
        match &mut inside.reader {
            Some(reader) => reader.clone_from(context.waker()),
            reader => *reader = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}
