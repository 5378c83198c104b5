//! An entry: key and value in one allocation, with as little beside them as possible.
//!
//! It begins with a header: flags in the highest two bits, the tag of the value in the six below. A key of less than 256 bytes with a value of
//! less than 65,536 has a header of 4 bytes: length of the key (8 bits) and of the value (16 bits). Any other has one of 8: length of the key
//! (24 bits), then of the value (32 bits). A [`Life`] follows, if it has one: `expires`, `leaves`. Then the key and the value. Nothing is aligned.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;
use std::slice;

use crate::error::Error;

/// Longest key, in bytes.
pub const LONGEST_KEY: usize = (1 << 24) - 1;
/// Longest value, in bytes.
pub const LONGEST_VALUE: usize = u32::MAX as usize;
/// What an entry takes beside its allocation: slot, place in the index, and what the allocator adds.
const BESIDE: u64 = 52;

const SHORT: usize = 4;
const LONG: usize = 8;
const LIFE: usize = 16;
const HAS_LIFE: u32 = 1 << 31;
const IS_LONG: u32 = 1 << 30;
const TAGS: u8 = 1 << 6;

/// When an entry ends, in the milliseconds of [`clock::read`](crate::clock::read).
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
    /// Copies key and value. They must be within [`LONGEST_KEY`] and [`LONGEST_VALUE`], and `tag` below 64. Fails where there is no memory.
    pub fn new(key: &[u8], value: &[u8], tag: u8, life: Option<Life>) -> Result<Self, Error> {
        assert!(key.len() <= LONGEST_KEY && value.len() <= LONGEST_VALUE && tag < TAGS);
        let shape = Shape::of(key.len(), value.len(), life.is_some());
        let layout = shape.layout();
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(layout) };
        let Some(memory) = NonNull::new(memory) else {
            return Err(Error::OutOfMemory { bytes: layout.size() });
        };
        let flags = u32::from(tag) << 24 | if life.is_some() { HAS_LIFE } else { 0 };
        // SAFETY: all writes are inside of the allocation, whose size is the sum of the parts.
        unsafe {
            if shape.header == SHORT {
                let meta = flags | (key.len() as u32) << 16 | value.len() as u32;
                memory.cast::<u32>().write_unaligned(meta);
            } else {
                let meta = [flags | IS_LONG | key.len() as u32, value.len() as u32];
                memory.cast::<[u32; 2]>().write_unaligned(meta);
            }
            if let Some(life) = life {
                memory.add(shape.header).cast::<[f64; 2]>().write_unaligned([life.expires, life.leaves]);
            }
            let bytes = memory.add(shape.start());
            bytes.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            bytes.add(key.len()).copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Ok(Self(memory))
    }

    /// What an entry of these sizes is counted as, in bytes.
    pub fn cost(key: usize, value: usize, has_life: bool) -> u64 {
        BESIDE + Shape::of(key, value, has_life).bytes() as u64
    }

    /// What this entry is counted as, in bytes.
    pub fn own_cost(&self) -> u64 {
        BESIDE + self.shape().bytes() as u64
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: the key begins there and is this long; the allocation lives as long as `self`.
        unsafe { slice::from_raw_parts(self.0.add(shape.start()).as_ptr(), shape.key) }
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: as for the key.
        unsafe { slice::from_raw_parts(self.0.add(shape.start() + shape.key).as_ptr(), shape.value) }
    }

    /// How the value is encoded.
    pub fn tag(&self) -> u8 {
        (self.meta() >> 24) as u8 & (TAGS - 1)
    }

    /// When it ends, if it does.
    pub fn life(&self) -> Option<Life> {
        let shape = self.shape();
        if !shape.has_life {
            return None;
        }
        // SAFETY: the flag says that it was written.
        let [expires, leaves] = unsafe { self.0.add(shape.header).cast::<[f64; 2]>().read_unaligned() };
        Some(Life { expires, leaves })
    }

    fn meta(&self) -> u32 {
        // SAFETY: written by `new`.
        unsafe { self.0.cast::<u32>().read_unaligned() }
    }

    fn shape(&self) -> Shape {
        let meta = self.meta();
        let has_life = meta & HAS_LIFE != 0;
        if meta & IS_LONG == 0 {
            let (key, value) = ((meta >> 16 & 0xff) as usize, (meta & 0xffff) as usize);
            return Shape { header: SHORT, has_life, key, value };
        }
        // SAFETY: the flag says that there is a second word.
        let value = unsafe { self.0.add(SHORT).cast::<u32>().read_unaligned() } as usize;
        Shape { header: LONG, has_life, key: meta as usize & LONGEST_KEY, value }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let layout = self.shape().layout();
        // SAFETY: allocated by `new` with this layout, and nobody can reach it any more.
        unsafe { dealloc(self.0.as_ptr(), layout) };
    }
}

/// The sizes of an entry's parts.
struct Shape {
    header: usize,
    has_life: bool,
    key: usize,
    value: usize,
}

impl Shape {
    fn of(key: usize, value: usize, has_life: bool) -> Self {
        let is_short = key < 1 << 8 && value < 1 << 16;
        Self { header: if is_short { SHORT } else { LONG }, has_life, key, value }
    }

    /// Where the key begins.
    fn start(&self) -> usize {
        self.header + if self.has_life { LIFE } else { 0 }
    }

    fn bytes(&self) -> usize {
        self.start() + self.key + self.value
    }

    fn layout(&self) -> Layout {
        Layout::from_size_align(self.bytes(), 1).expect("a key and a value are far below the address space")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let life = Life { expires: 1.5, leaves: 2.5 };
        for (key, value, tag, life) in [
            (&b"key"[..], &b"value"[..], 0, None),
            (b"", b"", 63, None),
            (b"k", &[7; 1000], 5, Some(life)),
            (&[1; 255], &[2; 65_535], 9, Some(life)),
            (&[1; 256], b"", 1, Some(life)),
            (b"", &[3; 65_536], 63, None),
        ] {
            let entry = Entry::new(key, value, tag, life).expect("there is memory");
            assert_eq!((entry.key(), entry.value(), entry.tag(), entry.life()), (key, value, tag, life));
            assert_eq!(entry.own_cost(), Entry::cost(key.len(), value.len(), life.is_some()));
        }
    }
}
