//! An entry: key and value in one allocation, with as little beside them as possible.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | length of the key (24 bits), tag of the value (7 bits), whether it has a [`Life`] (1 bit) |
//! | 4..8 | length of the value |
//! | 8..24 | only with a life: `expires`, `leaves` |
//! | then | the key, the value |

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::slice;

/// Longest key, in bytes.
pub const LONGEST_KEY: usize = (1 << 24) - 1;
/// Longest value, in bytes.
pub const LONGEST_VALUE: usize = u32::MAX as usize;
/// What an entry takes beside its allocation: slot, place in the index, and what the allocator adds.
const BESIDE: u64 = 52;

const HEADER: usize = 8;
const LIFE: usize = 16;
const HAS_LIFE: u32 = 1 << 31;

/// When an entry ends, in the milliseconds of [`clock::now`](crate::clock::now).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Life {
    /// From here on it is expired.
    pub expires: f64,
    /// Until here it is kept for those who take expired values.
    pub leaves: f64,
}

/// Owns one allocation of the form above.
#[derive(Debug)]
pub(super) struct Entry(NonNull<u8>);

// SAFETY: the allocation is plain bytes that only this value reaches.
unsafe impl Send for Entry {}

impl Entry {
    /// Copies key and value. Both must be within [`LONGEST_KEY`] and [`LONGEST_VALUE`], and `tag` below 128.
    pub fn new(key: &[u8], value: &[u8], tag: u8, life: Option<Life>) -> Self {
        assert!(key.len() <= LONGEST_KEY && value.len() <= LONGEST_VALUE && tag < 128);
        let life_bytes = if life.is_some() { LIFE } else { 0 };
        let layout = layout(life_bytes + key.len() + value.len());
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        let meta = key.len() as u32 | u32::from(tag) << 24 | if life.is_some() { HAS_LIFE } else { 0 };
        // SAFETY: all writes are inside of the allocation, whose size is the sum of the parts; it is aligned to 8.
        unsafe {
            memory.cast::<[u32; 2]>().write([meta, value.len() as u32]);
            if let Some(life) = life {
                memory.add(HEADER).cast::<[f64; 2]>().write([life.expires, life.leaves]);
            }
            let bytes = memory.add(HEADER + life_bytes);
            bytes.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            bytes.add(key.len()).copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Self(memory)
    }

    /// What an entry of these sizes is counted as, in bytes.
    pub fn cost(key: usize, value: usize, has_life: bool) -> u64 {
        BESIDE + (HEADER + key + value + if has_life { LIFE } else { 0 }) as u64
    }

    /// What this entry is counted as, in bytes.
    pub fn own_cost(&self) -> u64 {
        Self::cost(self.key().len(), self.value().len(), self.life().is_some())
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        let (meta, _) = self.header();
        // SAFETY: the key begins there and is this long; the allocation lives as long as `self`.
        unsafe { slice::from_raw_parts(self.0.add(HEADER + life_bytes(meta)).as_ptr(), key_length(meta)) }
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        let (meta, length) = self.header();
        let start = HEADER + life_bytes(meta) + key_length(meta);
        // SAFETY: as for the key.
        unsafe { slice::from_raw_parts(self.0.add(start).as_ptr(), length as usize) }
    }

    /// How the value is encoded.
    pub fn tag(&self) -> u8 {
        (self.header().0 >> 24) as u8 & 127
    }

    /// When it ends, if it does.
    pub fn life(&self) -> Option<Life> {
        if self.header().0 & HAS_LIFE == 0 {
            return None;
        }
        // SAFETY: the flag says that it was written.
        let [expires, leaves] = unsafe { self.0.add(HEADER).cast::<[f64; 2]>().read() };
        Some(Life { expires, leaves })
    }

    fn header(&self) -> (u32, u32) {
        // SAFETY: written by `new`.
        let [meta, length] = unsafe { self.0.cast::<[u32; 2]>().read() };
        (meta, length)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (meta, length) = self.header();
        let layout = layout(life_bytes(meta) + key_length(meta) + length as usize);
        // SAFETY: allocated by `new` with this layout, and nobody can reach it any more.
        unsafe { dealloc(self.0.as_ptr(), layout) };
    }
}

fn key_length(meta: u32) -> usize {
    (meta & LONGEST_KEY as u32) as usize
}

fn life_bytes(meta: u32) -> usize {
    if meta & HAS_LIFE == 0 { 0 } else { LIFE }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(HEADER + bytes, 8).expect("a key and a value are far below the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let life = Life { expires: 1.5, leaves: 2.5 };
        for (key, value, tag, life) in [
            (&b"key"[..], &b"value"[..], 0, None),
            (b"", b"", 127, None),
            (b"k", &[7; 1000], 5, Some(life)),
            (&[1; 300], b"", 1, Some(life)),
        ] {
            let entry = Entry::new(key, value, tag, life);
            assert_eq!((entry.key(), entry.value(), entry.tag(), entry.life()), (key, value, tag, life));
        }
    }
}
