//! The payload codec: how one value stands in a run of bytes, on either side of the door.
//!
//! A value is a [`Tag`] and its bytes. The face encodes it once, the engine stores it as bytes, and whoever asks for
//! it decodes it once. JSON values travel as JSON text, strings and buffers raw, numbers as eight bytes; what JSON
//! cannot carry travels in V8's own format, in which the engine reads nothing but plain arrays of numbers.

use crate::memory::View;

/// How the bytes of a value are to be read. The numbers are part of the contract with `ts/bridge/payload.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// `undefined`; no bytes.
    Undefined = 0,
    /// A number: eight bytes, little endian.
    Number = 1,
    /// JSON text in UTF-8.
    Json = 2,
    /// A string in UTF-8.
    Text = 3,
    /// Raw bytes; JavaScript sees a `Buffer`.
    Bytes = 4,
    /// V8's serialization format; opaque to the engine, but for plain arrays of numbers.
    V8 = 5,
    /// A failure: JSON text of `{ code, message, ... }`.
    Error = 6,
    /// The value travels by reference over a message port beside the bridge; no bytes.
    Port = 7,
    /// The very object that came in; no bytes.
    Same = 8,
    /// Memory that JavaScript owns; see [`memory`](crate::memory).
    Borrowed = 9,
    /// A new typed array: an eight-byte header whose first byte is the [`Element`] kind and whose others are zero, then
    /// the elements in the machine's byte order.
    Typed = 10,
}

impl Tag {
    /// The tag of a number read from the wire, if it is one.
    pub fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Undefined,
            1 => Self::Number,
            2 => Self::Json,
            3 => Self::Text,
            4 => Self::Bytes,
            5 => Self::V8,
            6 => Self::Error,
            7 => Self::Port,
            8 => Self::Same,
            9 => Self::Borrowed,
            10 => Self::Typed,
            _ => return None,
        })
    }
}

/// Element kind of a typed array. The numbers are part of the contract with `ts/bridge/payload.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Element {
    /// `Int8Array`
    I8 = 0,
    /// `Uint8Array`, `Buffer`, `DataView`, `ArrayBuffer`
    U8 = 1,
    /// `Uint8ClampedArray`
    U8Clamped = 2,
    /// `Int16Array`
    I16 = 3,
    /// `Uint16Array`
    U16 = 4,
    /// `Int32Array`
    I32 = 5,
    /// `Uint32Array`
    U32 = 6,
    /// `Float32Array`
    F32 = 7,
    /// `Float64Array`
    F64 = 8,
    /// `BigInt64Array`
    I64 = 9,
    /// `BigUint64Array`
    U64 = 10,
}

impl Element {
    /// The element kind of a number read from the wire, if it is one.
    pub fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::I8,
            1 => Self::U8,
            2 => Self::U8Clamped,
            3 => Self::I16,
            4 => Self::U16,
            5 => Self::I32,
            6 => Self::U32,
            7 => Self::F32,
            8 => Self::F64,
            9 => Self::I64,
            10 => Self::U64,
            _ => return None,
        })
    }

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::U8Clamped => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

/// A number type that a typed array can hold.
///
/// # Safety
/// Implemented only for types without padding for which every bit pattern is a value.
pub unsafe trait Scalar: Copy + Send + Sync + 'static {}

macro_rules! scalars {
    ($($t:ty),*) => { $(
        // SAFETY: a primitive number has no padding and no invalid bit pattern.
        unsafe impl Scalar for $t {}
    )* };
}
scalars!(i8, u8, i16, u16, i32, u32, f32, f64, i64, u64);

/// A value as an operation sees it.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// `undefined`
    Undefined,
    /// A number.
    Number(f64),
    /// JSON text of a value.
    Json(&'a str),
    /// A string.
    Text(&'a str),
    /// Memory of a typed array, a `Buffer` or an `ArrayBuffer`.
    View(View<'a>),
    /// A JSON object of options beside the memory that it was given with, as in `{ values: Float64Array, bins: 20 }`:
    /// the object without that property, and the memory.
    ViewWith(View<'a>, &'a str),
    /// A plain array of numbers that JSON cannot write: NaN, infinity or `-0` among them.
    Numbers(&'a [f64]),
    /// A JSON object of options beside such an array, as in `{ values: [1, NaN], bins: 20 }`: the object without that
    /// property, and the numbers.
    NumbersWith(&'a [f64], &'a str),
}
