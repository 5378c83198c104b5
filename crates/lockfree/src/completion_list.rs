//! A list that many threads push to and one consumer takes whole.
//!
//! The algorithm is Treiber's stack (R. K. Treiber, "Systems Programming: Coping with Parallelism", IBM RJ 5118, 1986) with
//! the pop left out: the consumer swaps the whole list away and reverses it, so the ABA problem cannot arise and no
//! node is ever freed while a producer may look at it.
//!
//! Guarantees:
//! - each value is drained exactly once; the values of one producer come out in the order in which it pushed them;
//! - [`push`](CompletionList::push) says `true` exactly when the list was empty and its consumer is not polling. A producer that then wakes
//!   the consumer, and a consumer that drains after each wake-up, together lose nothing and wake once per drained list.
//! - A consumer that polls says so: the empty list then holds a mark in place of nothing, so that nobody wakes it. When it
//!   [stops](CompletionList::stop_polling) it learns in the same step whether something has come.

use std::ptr;

use crate::sync::{AtomicPtr, Ordering};

struct Node<T> {
    value: T,
    next: *mut Node<T>,
}

/// A multi-producer list with a single, whole-list consumer.
pub struct CompletionList<T> {
    head: AtomicPtr<Node<T>>,
}

// SAFETY: the list owns its values and hands each to exactly one thread.
unsafe impl<T: Send> Send for CompletionList<T> {}
// SAFETY: all shared access goes through the atomic head.
unsafe impl<T: Send> Sync for CompletionList<T> {}

impl<T> Default for CompletionList<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What an empty list holds whose consumer polls: no node is there.
fn polled<T>() -> *mut Node<T> {
    ptr::without_provenance_mut(1)
}

impl<T> CompletionList<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Adds a value. `true`: the list was empty and nobody polls, and the caller owes the consumer a wake-up.
    pub fn push(&self, value: T) -> bool {
        let node = Box::into_raw(Box::new(Node { value, next: ptr::null_mut() }));
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let next = if head == polled() { ptr::null_mut() } else { head };
            // SAFETY: the node is still ours alone; it becomes shared only when the exchange below succeeds.
            unsafe { (*node).next = next };
            // Release: who takes the list sees the node's fields. The failure order needs nothing: only the pointer
            // is used, and it is never followed here.
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return head.is_null(),
                Err(current) => head = current,
            }
        }
    }

    /// Whether nothing waits at this moment.
    pub fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == polled()
    }

    /// From here on the consumer looks by itself: producers owe it no wake-up. What waits already was announced.
    pub fn start_polling(&self) {
        // Where it fails something waits; the drain that takes it leaves the mark.
        _ = self.head.compare_exchange(ptr::null_mut(), polled(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The consumer looks no more by itself. `true`: something waits that nobody will announce.
    pub fn stop_polling(&self) -> bool {
        match self.head.compare_exchange(polled(), ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => false,
            Err(head) => !head.is_null(),
        }
    }

    /// Takes all that waits, oldest first. `polls`: the consumer goes on polling.
    pub fn drain(&self, polls: bool) -> Drained<T> {
        let empty = if polls { polled() } else { ptr::null_mut() };
        // Acquire: pairs with the release of each push in the chain (a read-modify-write continues the release
        // sequence of the one before it).
        let mut newest_first = self.head.swap(empty, Ordering::Acquire);
        if newest_first == polled() {
            newest_first = ptr::null_mut();
        }
        let mut oldest_first: *mut Node<T> = ptr::null_mut();
        while !newest_first.is_null() {
            // SAFETY: the swap made the whole chain ours; each node came from `Box::into_raw` and is visited once.
            unsafe {
                let next = (*newest_first).next;
                (*newest_first).next = oldest_first;
                oldest_first = newest_first;
                newest_first = next;
            }
        }
        Drained { next: oldest_first }
    }
}

impl<T> Drop for CompletionList<T> {
    fn drop(&mut self) {
        drop(self.drain(false));
    }
}

/// The values of one drained list, oldest first. Dropping it drops what was not taken.
pub struct Drained<T> {
    next: *mut Node<T>,
}

// SAFETY: the chain is owned by this value alone.
unsafe impl<T: Send> Send for Drained<T> {}

impl<T> Iterator for Drained<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next.is_null() {
            return None;
        }
        // SAFETY: the chain is ours and each node came from `Box::into_raw`.
        let node = unsafe { Box::from_raw(self.next) };
        self.next = node.next;
        Some(node.value)
    }
}

impl<T> Drop for Drained<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
