//! How often keys were seen of late: a count-min sketch of 4-bit counters that are halved now and then (G. Einziger, R. Friedman,
//! B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017).

/// Counters of a key.
const DEPTH: usize = 4;
const LARGEST: u8 = 15;
/// Halved after so many increments per entry.
const SAMPLE: usize = 10;

/// Estimated frequencies, 0 to 15.
#[derive(Debug)]
pub(super) struct Sketch {
    /// `DEPTH` rows of as many counters, one a byte: the rows of small caches fit into the processor's cache anyway.
    counters: Vec<u8>,
    mask: u64,
    increments: usize,
    period: usize,
}

impl Sketch {
    /// A sketch for about so many entries.
    pub fn new(entries: usize) -> Self {
        let width = entries.max(32).next_power_of_two() * 2;
        Self {
            counters: vec![0; width * DEPTH],
            mask: width as u64 - 1,
            increments: 0,
            period: entries.max(1) * SAMPLE,
        }
    }

    /// For how many entries it was made, at least.
    pub fn entries(&self) -> usize {
        self.period / SAMPLE
    }

    /// How often a key with this hash was seen.
    pub fn frequency(&self, hash: u64) -> u8 {
        (0..DEPTH).map(|row| self.counters[self.at(hash, row)]).min().unwrap_or(0)
    }

    /// A key with this hash is seen once more.
    pub fn increment(&mut self, hash: u64) {
        let mut changed = false;
        for row in 0..DEPTH {
            let at = self.at(hash, row);
            if self.counters[at] < LARGEST {
                self.counters[at] += 1;
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
        for counter in &mut self.counters {
            odd += usize::from(*counter & 1);
            *counter >>= 1;
        }
        self.increments = (self.increments / 2).saturating_sub(odd / DEPTH / 2);
    }

    fn at(&self, hash: u64, row: usize) -> usize {
        let step = (hash >> 32) | 1;
        let mixed = hash.wrapping_add(step.wrapping_mul(row as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let width = self.mask as usize + 1;
        row * width + ((mixed >> 20) & self.mask) as usize
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
