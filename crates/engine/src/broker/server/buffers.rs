//! Buffers that connections share: whoever has nothing to say holds none.

use parking_lot::Mutex;

/// Size of a buffer when it is handed out, in bytes.
pub(super) const SIZE: usize = 64 << 10;
/// So many are kept for the next.
const MOST: usize = 32;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty buffer.
pub(super) fn take() -> Vec<u8> {
    SPARE.lock().pop().unwrap_or_else(|| Vec::with_capacity(SIZE))
}

/// Leaves nothing in the buffer's place. One that has grown is given back to the system.
pub(super) fn give_back(buffer: &mut Vec<u8>) {
    let mut buffer = std::mem::take(buffer);
    if buffer.capacity() == SIZE {
        buffer.clear();
        let mut spare = SPARE.lock();
        if spare.len() < MOST {
            spare.push(buffer);
        }
    }
}
