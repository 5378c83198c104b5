//! A frame: many values in one run of bytes. `ts/bridge/frame.ts` is its other end.
//!
//! | layout | bytes |
//! |---|---|
//! | [`Layout::Json`] | one JSON array of `count` elements |
//! | [`Layout::Numbers`] | `count` doubles, little endian |
//! | [`Layout::Mixed`] | `count` entries of 8 bytes (tag: u8, 3 unused, length: u32), then the values, each starting at a multiple of 8 |

use crate::error::Error;
use crate::payload::Tag;
use crate::reserve::{
    try_extend, try_push, try_reserve, try_reserve_exact, try_resize, try_to_vec, try_with_capacity,
};

/// How the bytes of a frame are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Layout {
    /// One JSON array.
    Json = 0,
    /// Doubles.
    Numbers = 1,
    /// A table of tags and lengths, then the values.
    Mixed = 2,
}

impl Layout {
    /// The layout of a number read from the wire, if it is one.
    pub fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Json),
            1 => Some(Self::Numbers),
            2 => Some(Self::Mixed),
            _ => None,
        }
    }
}

/// Many values in one run of bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// How to read `bytes`.
    pub layout: Layout,
    /// Number of values.
    pub count: u32,
    /// The values.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// A frame without values.
    pub fn empty() -> Self {
        Self { layout: Layout::Numbers, count: 0, bytes: Vec::new() }
    }

    /// A frame of one encoded value, shorter than 4 GiB.
    pub fn single(tag: Tag, value: &[u8]) -> Self {
        Self::try_single(tag, value).expect("there is memory for what is small")
    }

    /// As [`single`](Self::single), for a value that may be large.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn try_single(tag: Tag, value: &[u8]) -> Result<Self, Error> {
        let length = u32::try_from(value.len()).expect("a value is shorter than 4 GiB");
        let mut bytes = try_with_capacity(ENTRY + value.len())?;
        bytes.extend_from_slice(&entry(tag, length));
        bytes.extend_from_slice(value);
        Ok(Self { layout: Layout::Mixed, count: 1, bytes })
    }

    /// A frame that says of so many tasks that they failed with one error. `None`: there is no memory for that either.
    pub fn failures(count: u32, error: &Error) -> Option<Self> {
        let text = error.to_json();
        let mut builder = FrameBuilder::new();
        for _ in 0..count {
            builder
                .push(|out| {
                    try_extend(out, text.as_bytes())?;
                    Ok(Tag::Error)
                })
                .ok()?;
        }
        builder.finish().ok()
    }
}

/// Bytes of a value's entry in the table of a mixed frame.
const ENTRY: usize = 8;

/// Room that a value finds in any case: who appends no more need not ask whether there is memory.
const SMALL: usize = 256;

/// The entry of a value.
fn entry(tag: Tag, length: u32) -> [u8; ENTRY] {
    let [a, b, c, d] = length.to_le_bytes();
    [tag as u8, 0, 0, 0, a, b, c, d]
}

/// Length rounded up to the next multiple of 8.
pub fn align8(length: usize) -> usize {
    length.next_multiple_of(8)
}

/// Builds a frame value by value and picks its layout: all numbers, all JSON, or mixed.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    /// Tag and length of each value so far.
    table: Vec<(Tag, u32)>,
    /// The values. While all are JSON: `[a,b,c`; else each at a multiple of 8.
    bytes: Vec<u8>,
    all_json: bool,
    all_numbers: bool,
}

impl FrameBuilder {
    /// A builder without values.
    pub fn new() -> Self {
        Self { table: Vec::new(), bytes: Vec::new(), all_json: true, all_numbers: true }
    }

    /// Appends one value: `write` appends its bytes and returns its tag. On `Err` what it appended is taken back and
    /// nothing is added.
    ///
    /// A value must be shorter than 4 GiB; `write` is trusted with that.
    ///
    /// # Errors
    /// Those of `write`, and [`Error::OutOfMemory`].
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<Tag, Error>) -> Result<(), Error> {
        let before = self.bytes.len();
        let pushed = self.try_push(write);
        if pushed.is_err() {
            // A separator, if one was written, goes too.
            self.bytes.truncate(before);
        }
        pushed
    }

    fn try_push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<Tag, Error>) -> Result<(), Error> {
        if !self.all_json {
            let length = align8(self.bytes.len());
            try_resize(&mut self.bytes, length, 0)?;
        } else {
            try_push(&mut self.bytes, if self.table.is_empty() { b'[' } else { b',' })?;
        }
        try_reserve(&mut self.table, 1)?;
        try_reserve(&mut self.bytes, SMALL)?;
        let start = self.bytes.len();
        let tag = write(&mut self.bytes)?;
        let length = u32::try_from(self.bytes.len() - start).expect("a value is shorter than 4 GiB");
        if self.all_json && tag != Tag::Json {
            self.leave_json(start)?;
        }
        self.all_numbers &= tag == Tag::Number;
        self.table.push((tag, length));
        Ok(())
    }

    /// The values so far turn from JSON text into aligned values; the newest, at `start`, is not in the table yet.
    fn leave_json(&mut self, start: usize) -> Result<(), Error> {
        if self.table.is_empty() {
            // A large value is moved, not copied.
            self.bytes.drain(..start);
        } else {
            let mut aligned = try_with_capacity(self.bytes.len() + 8 * self.table.len())?;
            let mut from = 1;
            for &(_, length) in &self.table {
                aligned.extend_from_slice(&self.bytes[from..from + length as usize]);
                aligned.resize(align8(aligned.len()), 0);
                from += length as usize + 1;
            }
            aligned.extend_from_slice(&self.bytes[start..]);
            self.bytes = aligned;
        }
        self.all_json = false;
        Ok(())
    }

    /// Leaves the newest value alone here and returns the others: one that is too large for its reader must not take its neighbours along.
    /// `None`: there are no others, or there is no memory for them.
    pub fn split_last(&mut self) -> Option<Self> {
        let &(tag, length) = self.table.last()?;
        let mut start = self.bytes.len() - length as usize;
        let before = if self.all_json { start - 1 } else { start };
        if self.table.len() == 1 {
            return None;
        }
        let others = try_to_vec(&self.bytes[..before]).ok()?;
        if self.all_json {
            // The separator becomes the beginning.
            start -= 1;
            self.bytes[start] = b'[';
        }
        self.bytes.drain(..start);
        self.table.pop();
        let table = std::mem::replace(&mut self.table, vec![(tag, length)]);
        let all_numbers = std::mem::replace(&mut self.all_numbers, tag == Tag::Number);
        Some(Self { table, bytes: others, all_json: self.all_json, all_numbers })
    }

    /// Number of values so far.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Bytes of the values so far.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The frame, in the most compact layout that its values allow.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn finish(mut self) -> Result<Frame, Error> {
        let count = u32::try_from(self.table.len()).expect("a frame holds fewer than 2^32 values");
        if count == 0 {
            return Ok(Frame::empty());
        }
        if self.all_json {
            try_reserve_exact(&mut self.bytes, 1)?;
            self.bytes.push(b']');
            return Ok(Frame { layout: Layout::Json, count, bytes: self.bytes });
        }
        if self.all_numbers {
            return Ok(Frame { layout: Layout::Numbers, count, bytes: self.bytes });
        }
        // The values make room for the table where they are: a second copy of all could be more than there is memory for.
        let (table, length) = (ENTRY * self.table.len(), self.bytes.len());
        try_reserve_exact(&mut self.bytes, table)?;
        self.bytes.resize(table + length, 0);
        self.bytes.copy_within(..length, table);
        for (place, (tag, length)) in self.bytes.as_chunks_mut().0.iter_mut().zip(self.table) {
            *place = entry(tag, length);
        }
        Ok(Frame { layout: Layout::Mixed, count, bytes: self.bytes })
    }
}

/// Where each value of a mixed frame stands: its tag, and its range in the frame's bytes. `None` if the table does not
/// fit the bytes.
pub fn index_mixed(bytes: &[u8], count: usize) -> Option<Vec<(Tag, usize, usize)>> {
    let mut start = count.checked_mul(8)?;
    let table = bytes.get(..start)?;
    let mut values = Vec::with_capacity(count);
    for entry in table.chunks_exact(8) {
        let tag = Tag::from_u8(entry[0])?;
        let length = u32::from_le_bytes(entry[4..8].try_into().expect("four bytes")) as usize;
        let end = start.checked_add(length)?;
        bytes.get(start..end)?;
        values.push((tag, start, end));
        start = align8(end);
    }
    Some(values)
}

/// Where each element of a JSON array's text stands. `None` if the text is not an array of `count` elements; the elements
/// themselves are not checked.
pub fn index_json(text: &[u8], count: usize) -> Option<Vec<(usize, usize)>> {
    let inner = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut elements = Vec::with_capacity(count);
    let (mut start, mut depth, mut at) = (0, 0usize, 0);
    while at < inner.len() {
        match inner[at] {
            b'"' => at = end_of_string(inner, at + 1)?,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                elements.push((start + 1, at + 1));
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if !inner.is_empty() {
        elements.push((start + 1, at + 1));
    }
    (elements.len() == count).then_some(elements)
}

/// Position of the quote that ends a string whose first character is at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(values: &[(Tag, &[u8])]) -> Frame {
        builder_of(values).finish().expect("there is memory")
    }

    fn builder_of(values: &[(Tag, &[u8])]) -> FrameBuilder {
        let mut builder = FrameBuilder::new();
        for (tag, bytes) in values {
            let pushed = builder.push(|out| {
                out.extend_from_slice(bytes);
                Ok(*tag)
            });
            pushed.expect("the closure does not fail");
        }
        builder
    }

    #[test]
    fn json_values_become_one_array() {
        let frame = build(&[(Tag::Json, b"1"), (Tag::Json, b"{\"a\":[2]}"), (Tag::Json, b"\"x\"")]);
        assert_eq!((frame.layout, frame.count), (Layout::Json, 3));
        assert_eq!(frame.bytes, br#"[1,{"a":[2]},"x"]"#);
        let index = index_json(&frame.bytes, 3).expect("three elements");
        assert_eq!(&frame.bytes[index[1].0..index[1].1], br#"{"a":[2]}"#);
    }

    #[test]
    fn numbers_become_doubles() {
        let frame = build(&[(Tag::Number, &1.5f64.to_le_bytes()), (Tag::Number, &f64::NAN.to_le_bytes())]);
        assert_eq!((frame.layout, frame.bytes.len()), (Layout::Numbers, 16));
    }

    #[test]
    fn a_mixture_keeps_every_value_at_a_multiple_of_eight() {
        let frame = build(&[
            (Tag::Json, b"1"),
            (Tag::Json, b"[2]"),
            (Tag::Text, b"hello, you"),
            (Tag::Undefined, b""),
        ]);
        assert_eq!(frame.layout, Layout::Mixed);
        let index = index_mixed(&frame.bytes, 4).expect("a sound table");
        let values: Vec<_> = index.iter().map(|&(tag, from, to)| (tag, &frame.bytes[from..to])).collect();
        assert_eq!(
            values,
            [(Tag::Json, &b"1"[..]), (Tag::Json, b"[2]"), (Tag::Text, b"hello, you"), (Tag::Undefined, b"")]
        );
        assert!(index.iter().all(|(_, from, _)| from % 8 == 0));
    }

    #[test]
    fn a_value_that_fails_leaves_no_trace() {
        let mut builder = FrameBuilder::new();
        builder
            .push(|out| {
                out.push(b'1');
                Ok(Tag::Json)
            })
            .expect("a value");
        builder
            .push(|out| {
                out.extend_from_slice(b"half");
                Err(Error::Cancelled)
            })
            .expect_err("a failure");
        builder
            .push(|out| {
                out.push(b'2');
                Ok(Tag::Json)
            })
            .expect("a value");
        assert_eq!(builder.finish().expect("there is memory").bytes, b"[1,2]");
    }

    #[test]
    fn a_value_that_no_memory_is_left_for_leaves_those_before_it() {
        let mut builder = FrameBuilder::new();
        let write = |bytes: &'static [u8], tag| {
            move |out: &mut Vec<u8>| {
                out.extend_from_slice(bytes);
                Ok(tag)
            }
        };
        builder.push(write(b"7", Tag::Json)).expect("a value");
        builder.push(write(b"text", Tag::Text)).expect("a value");
        let refused = builder.push(|out| try_resize(out, usize::MAX / 2, 0).map(|()| Tag::Bytes));
        assert_eq!(refused.expect_err("no memory").code(), "ERR_CORE_OUT_OF_MEMORY");
        let frame = builder.finish().expect("there is memory");
        let values = index_mixed(&frame.bytes, 2).expect("a sound table");
        assert_eq!(&frame.bytes[values[1].1..values[1].2], b"text");
    }

    #[test]
    fn the_newest_value_is_split_off() {
        let split = |values: &[(Tag, &[u8])]| {
            let mut builder = builder_of(values);
            let others = builder.split_last().map(|others| others.finish().expect("there is memory"));
            (others, builder.finish().expect("there is memory"))
        };
        let (others, last) = split(&[(Tag::Json, b"1"), (Tag::Json, b"2"), (Tag::Json, b"[3]")]);
        assert_eq!((others.expect("two").bytes, last.bytes), (b"[1,2]".to_vec(), b"[[3]]".to_vec()));
        let (others, last) = split(&[(Tag::Json, b"1"), (Tag::Text, b"abc"), (Tag::Json, b"2")]);
        let (others, values) =
            (others.expect("two"), |frame: &Frame| index_mixed(&frame.bytes, frame.count as usize));
        assert_eq!((others.count, values(&others).expect("a sound table")[1]), (2, (Tag::Text, 24, 27)));
        assert_eq!(
            (last.layout, values(&last).expect("a sound table")[0]),
            (Layout::Mixed, (Tag::Json, 8, 9))
        );
        let number = 1.5f64.to_le_bytes();
        let (others, last) = split(&[(Tag::Text, b"abc"), (Tag::Number, &number)]);
        assert_eq!((others.expect("one").layout, last.layout), (Layout::Mixed, Layout::Numbers));
        assert_eq!(last.bytes, number);
        assert!(split(&[(Tag::Json, b"1")]).0.is_none());
        assert!(split(&[]).0.is_none());
    }

    #[test]
    fn failures_are_as_many_as_there_are_tasks() {
        let frame = Frame::failures(3, &Error::OutOfMemory { bytes: 5 }).expect("there is memory");
        let values = index_mixed(&frame.bytes, 3).expect("a sound table");
        assert!(values.iter().all(|&(tag, from, to)| {
            tag == Tag::Error && frame.bytes[from..to].starts_with(br#"{"code":"ERR_CORE_OUT_OF_MEMORY""#)
        }));
    }

    #[test]
    fn commas_and_brackets_inside_strings_do_not_split() {
        let text = br#"["a,]\"b","\\",[",",{"k":"}"}],-1.5e3,null]"#;
        let index = index_json(text, 5).expect("five elements");
        let elements: Vec<_> =
            index.iter().map(|&(from, to)| std::str::from_utf8(&text[from..to]).expect("utf-8")).collect();
        assert_eq!(elements, [r#""a,]\"b""#, r#""\\""#, r#"[",",{"k":"}"}]"#, "-1.5e3", "null"]);
        assert!(index_json(b"[1,2", 2).is_none());
        assert!(index_json(b"[\"open]", 1).is_none());
        assert!(index_json(b"[1,2]", 3).is_none());
        assert_eq!(index_json(b"[]", 0), Some(Vec::new()));
    }

    #[test]
    fn a_damaged_table_is_refused() {
        assert!(index_mixed(&[2, 0, 0, 0, 9, 0, 0, 0, b'1'], 1).is_none());
        assert!(index_mixed(&[77, 0, 0, 0, 0, 0, 0, 0], 1).is_none());
        assert!(index_mixed(&[], usize::MAX).is_none());
    }
}
