//! How often keys were seen of late: a count-min sketch of 4-bit counters that are halved now and then (G. Einziger, R. Friedman,
//! B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017).

/// Counters of a key.
const DEPTH: usize = 4;
const LARGEST: u8 = 15;
/// Halved after so many increments per entry.
const SAMPLE: usize = 10;

/// Up to so many entries a row has four counters an entry, above half of that: small caches decide on few, and suffer more from each confusion.
const SMALL: usize = 1 << 14;

/// Estimated frequencies, 0 to 15.
#[derive(Debug)]
pub(super) struct Sketch {
    /// `DEPTH` rows of as many counters, two a byte.
    pairs: Vec<u8>,
    mask: u64,
    increments: usize,
    period: usize,
}

impl Sketch {
    /// A sketch for about so many entries.
    pub fn new(entries: usize) -> Self {
        Self::try_new(entries).expect("the first sketch is small")
    }

    /// The same; `None` where there is no memory for it.
    pub fn try_new(entries: usize) -> Option<Self> {
        let width = entries.max(32).next_power_of_two() * if entries <= SMALL { 4 } else { 2 };
        let mut pairs = Vec::new();
        pairs.try_reserve_exact(width * DEPTH / 2).ok()?;
        pairs.resize(width * DEPTH / 2, 0);
        Some(Self { pairs, mask: width as u64 - 1, increments: 0, period: entries.max(1) * SAMPLE })
    }

    /// For how many entries it was made, at least.
    pub fn entries(&self) -> usize {
        self.period / SAMPLE
    }

    /// How often a key with this hash was seen.
    pub fn frequency(&self, hash: u64) -> u8 {
        let counter = |row| {
            let (byte, shift) = self.at(hash, row);
            self.pairs[byte] >> shift & LARGEST
        };
        (0..DEPTH).map(counter).min().unwrap_or(0)
    }

    /// A key with this hash is seen once more.
    pub fn increment(&mut self, hash: u64) {
        let mut changed = false;
        for row in 0..DEPTH {
            let (byte, shift) = self.at(hash, row);
            if self.pairs[byte] >> shift & LARGEST < LARGEST {
                self.pairs[byte] += 1 << shift;
                changed = true;
            }
        }
        if changed {
            self.increments += 1;
            if self.increments >= self.period {
                self.halve();
            }
        }
    }

    fn halve(&mut self) {
        let mut odd = 0;
        for pair in &mut self.pairs {
            odd += (*pair & 0x11).count_ones() as usize;
            *pair = *pair >> 1 & 0x77;
        }
        self.increments = (self.increments / 2).saturating_sub(odd / DEPTH / 2);
    }

    /// The byte of a counter, and how far up it stands in it.
    fn at(&self, hash: u64, row: usize) -> (usize, u32) {
        let step = (hash >> 32) | 1;
        let mixed = hash.wrapping_add(step.wrapping_mul(row as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let width = self.mask as usize + 1;
        let counter = row * width + ((mixed >> 20) & self.mask) as usize;
        (counter / 2, counter as u32 % 2 * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: u64) -> u64 {
        (key + 1).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(23).wrapping_mul(0xa076_1d64_78bd_642f)
    }

    #[test]
    fn a_frequent_key_counts_more_than_a_rare_one_and_counts_fade() {
        let mut sketch = Sketch::new(512);
        for _ in 0..10 {
            sketch.increment(hash(1));
        }
        sketch.increment(hash(2));
        assert_eq!(sketch.frequency(hash(1)), 10);
        assert_eq!(sketch.frequency(hash(2)), 1);
        assert_eq!(sketch.frequency(hash(3)), 0);
        for other in 0..512 * SAMPLE as u64 {
            sketch.increment(hash(1000 + other));
        }
        assert!(sketch.frequency(hash(1)) <= 7);
    }
}
