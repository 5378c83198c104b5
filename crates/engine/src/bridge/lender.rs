//! Memory that an isolate lends to the engine.
//!
//! Operations over typed arrays do not copy them. The face holds the array until its task is settled; but an isolate may
//! end at any moment, and its memory with it. So each isolate has a [`Lender`], each borrower holds a [`Loan`], and
//! the isolate's cleanup waits in [`Lender::wait_until_returned`] after it has cancelled the borrowers.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// Counts what an isolate has lent. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Lender(Arc<Ledger>);

#[derive(Debug, Default)]
struct Ledger {
    /// Loans that are out.
    out: Mutex<usize>,
    returned: Condvar,
}

impl Lender {
    /// Lends; the loan is returned when the value is dropped.
    pub fn lend(&self) -> Loan {
        *self.0.out.lock() += 1;
        Loan(Arc::clone(&self.0))
    }

    /// Blocks until every loan is returned. The caller has asked the borrowers to stop.
    pub fn wait_until_returned(&self) {
        let mut out = self.0.out.lock();
        while *out > 0 {
            self.0.returned.wait(&mut out);
        }
    }
}

/// A right to use an isolate's memory, until dropped.
#[derive(Debug)]
pub struct Loan(Arc<Ledger>);

impl Drop for Loan {
    fn drop(&mut self) {
        let mut out = self.0.out.lock();
        *out -= 1;
        if *out == 0 {
            self.0.returned.notify_all();
        }
    }
}
