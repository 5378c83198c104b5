//! Floating-point numbers as integers that sort the same way.
//!
//! The bits of a number, with all but the sign turned over below zero, order as the numbers do, `-0` before `0`; it is
//! what [`f64::total_cmp`] does, and its own inverse. Every NaN becomes one key, the greatest in both directions.

use crate::payload::Scalar;

/// The bits of a floating-point number, read as a signed integer, and back.
pub(super) trait FloatKey: Ord + Scalar {
    /// From bits to the key. Every NaN becomes the same, greatest key.
    fn to_key(self, descending: bool) -> Self;
    /// From the key back to the bits.
    fn to_bits(self, descending: bool) -> Self;
}

macro_rules! float_keys {
    ($signed:ty, $unsigned:ty, $float:ty) => {
        impl FloatKey for $signed {
            fn to_key(self, descending: bool) -> Self {
                if self & Self::MAX > <$float>::INFINITY.to_bits() as Self {
                    return Self::MAX;
                }
                let key = self ^ ((self >> (Self::BITS - 1)) as $unsigned >> 1) as Self;
                if descending { !key } else { key }
            }

            fn to_bits(self, descending: bool) -> Self {
                if self == Self::MAX {
                    return <$float>::NAN.to_bits() as Self;
                }
                let key = if descending { !self } else { self };
                key ^ ((key >> (Self::BITS - 1)) as $unsigned >> 1) as Self
            }
        }
    };
}
float_keys!(i32, u32, f32);
float_keys!(i64, u64, f64);
