//! The items by number, in chunks: growing moves nothing, and no room is wasted that the last chunk does not need.

use crate::error::Error;
use crate::reserve;

/// Items of a chunk.
const CHUNK: usize = 1024;

/// A value with its key, in one allocation.
#[derive(Debug)]
pub(super) struct Item {
    /// The key, then the value.
    bytes: Box<[u8]>,
    key: u16,
    /// How the value is encoded.
    pub tag: u8,
    /// It is no longer counted: its time was over when somebody looked.
    pub is_counted: bool,
    /// When it expires, in the broker's milliseconds.
    pub expires: f64,
    /// The time by which it stands in the heap of deadlines, at or before `expires`.
    pub queued: f64,
    /// What it was given, in milliseconds.
    pub ttl: f64,
    /// Its place in the order of insertion.
    pub order: u64,
}

impl Item {
    /// Copies key and value. The key is of at most 65,535 bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(key: &[u8], value: &[u8], tag: u8) -> Result<Self, Error> {
        let length = u16::try_from(key.len()).expect("keys are checked where they come in");
        let mut bytes = reserve::try_with_capacity(key.len() + value.len())?;
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        Ok(Self {
            bytes: bytes.into_boxed_slice(),
            key: length,
            tag,
            is_counted: true,
            expires: 0.0,
            queued: 0.0,
            ttl: 0.0,
            order: 0,
        })
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.bytes[..usize::from(self.key)]
    }

    /// The value, encoded.
    pub fn value(&self) -> &[u8] {
        &self.bytes[usize::from(self.key)..]
    }

    /// What the original's formula makes of it: two bytes for each character of the key and of the value as JSON, and 24.
    pub fn estimate(&self) -> u64 {
        let quotes = if self.tag == super::wire::tag::TEXT { 2 } else { 0 };
        2 * (self.bytes.len() as u64 + quotes) + 24
    }

    /// Bytes that it takes outside of its chunk.
    pub fn memory(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// Items by number. Numbers of those that have left are used again.
#[derive(Debug, Default)]
pub(super) struct Items {
    chunks: Vec<Vec<Option<Item>>>,
    free: Vec<u32>,
    count: usize,
}

impl Items {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// One more than the highest number that was ever in use.
    pub fn end(&self) -> u32 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        (full + self.chunks.last().map_or(0, Vec::len)) as u32
    }

    /// The item of a number.
    pub fn get(&self, number: u32) -> Option<&Item> {
        self.chunks.get(number as usize / CHUNK)?.get(number as usize % CHUNK)?.as_ref()
    }

    /// The item of a number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Item> {
        self.chunks.get_mut(number as usize / CHUNK)?.get_mut(number as usize % CHUNK)?.as_mut()
    }

    /// Makes room for one more item.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn reserve(&mut self) -> Result<(), Error> {
        if self.free.is_empty() && self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            reserve::try_reserve(&mut self.chunks, 1)?;
            self.chunks.push(reserve::try_with_capacity(CHUNK)?);
        }
        Ok(())
    }

    /// Takes an item in and returns its number. Room for it was made.
    pub fn insert(&mut self, item: Item) -> u32 {
        self.count += 1;
        if let Some(number) = self.free.pop() {
            self.chunks[number as usize / CHUNK][number as usize % CHUNK] = Some(item);
            return number;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::new());
        }
        let number = self.end();
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Some(item));
        }
        number
    }

    /// Lets an item go.
    pub fn remove(&mut self, number: u32) -> Option<Item> {
        let item = self.chunks.get_mut(number as usize / CHUNK)?.get_mut(number as usize % CHUNK)?.take()?;
        self.count -= 1;
        self.free.push(number);
        if self.count == 0 {
            *self = Self::default();
        }
        Some(item)
    }

    /// Bytes of the chunks.
    pub fn memory(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Option<Item>>() + self.free.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_takes_little_beside_its_bytes() {
        assert!(size_of::<Option<Item>>() <= 56);
    }

    fn item(key: &[u8], value: &[u8]) -> Item {
        Item::new(key, value, 3).expect("there is memory")
    }

    #[test]
    fn numbers_are_used_again() {
        let mut items = Items::default();
        let numbers: Vec<u32> = (0..3000).map(|_| items.insert(item(b"key", b"value"))).collect();
        assert_eq!(numbers, (0..3000).collect::<Vec<u32>>());
        assert_eq!(items.remove(7).map(|item| item.value().to_vec()), Some(b"value".to_vec()));
        assert!(items.remove(7).is_none());
        assert_eq!(items.insert(item(b"", b"x")), 7);
        assert_eq!((items.len(), items.end()), (3000, 3000));
    }
}
