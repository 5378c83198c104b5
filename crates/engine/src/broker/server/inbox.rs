//! What has come in on a connection and is not handled yet.

use super::buffers;
use crate::error::Error;
use crate::reserve::try_reserve;

/// Bytes in the order in which they came. Empty, it holds no memory.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// So many of them are handled.
    handled: usize,
}

impl Inbox {
    /// What is not handled yet.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.handled..]
    }

    /// Whether all is handled.
    pub fn is_empty(&self) -> bool {
        self.handled == self.bytes.len()
    }

    /// So many more are handled.
    pub fn consume(&mut self, count: usize) {
        self.handled += count;
        debug_assert!(self.handled <= self.bytes.len());
    }

    /// Where the next bytes are appended, with room for some.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn room(&mut self) -> Result<&mut Vec<u8>, Error> {
        if self.bytes.capacity() == 0 {
            self.bytes = buffers::take();
        }
        self.bytes.drain(..self.handled);
        self.handled = 0;
        // What a large request has brought so far says how much of it to expect at once.
        let more = (buffers::SIZE / 4).max(self.bytes.len());
        try_reserve(&mut self.bytes, more)?;
        Ok(&mut self.bytes)
    }

    /// Gives its memory back if nothing is in it.
    pub fn rest(&mut self) {
        if self.is_empty() {
            self.handled = 0;
            buffers::give_back(&mut self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_handled_stays_in_its_order() {
        let mut inbox = Inbox::default();
        inbox.room().expect("there is memory").extend_from_slice(b"abcdef");
        inbox.consume(4);
        inbox.room().expect("there is memory").extend_from_slice(b"gh");
        assert_eq!(inbox.unread(), b"efgh");
        inbox.rest();
        assert_eq!(inbox.unread(), b"efgh");
        inbox.consume(4);
        inbox.rest();
        assert_eq!(inbox.bytes.capacity(), 0);
        assert_eq!(inbox.unread(), b"");
    }
}
