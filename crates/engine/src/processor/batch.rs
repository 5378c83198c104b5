//! The tasks of one submission: their encoded data, shared by whoever runs a part of them.
//!
//! A submission arrives as segments, each a header of 64 bytes and a frame, padded to a multiple of 8
//! (`ts/processor/submission.ts` writes it; all little endian):
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | operation: u32; below 2^16 a native one, else 2^16 plus the number of a user's |
//! | 4..8 | layout of the frame: u32 |
//! | 8..12 | count of tasks: u32 |
//! | 12..16 | length of the frame: u32 |
//! | 16..24 | group: f64 |
//! | 24..28 | index of the first task in its group: u32 |
//! | 28..32 | priority: i32, higher first |
//! | 32..36 | retries: u32 |
//! | 36..40 | host that the tasks are bound to: u32, 0 for none |
//! | 40..48 | timeout in milliseconds: f64, 0 for none |
//! | 48..52 | 1 if the group may be cancelled: u32 |
//! | 52..56 | number of its first array among those of the submission: u32 |
//! | 56..60 | number of its arrays: u32 |
//! | 60..64 | unused |

use std::sync::OnceLock;
use std::time::Duration;

use crate::bridge::Layout;
use crate::bridge::frame::{align8, index_json, index_mixed};
use crate::error::Error;
use crate::memory::{Lent, View};
use crate::operations::Operation;
use crate::payload::{Input, Tag};
use crate::reserve::{try_extend, try_to_vec};

/// First number of a user's operation on the wire.
const FIRST_HOSTED: u32 = 1 << 16;
const HEADER: usize = 64;

/// What runs a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The engine's own threads.
    Native(u16),
    /// A user's operation, by number, in a worker isolate.
    Hosted(u32),
}

/// Which queue tasks wait in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Native,
    Hosted,
    /// Tasks that are bound to this host.
    Bound(u32),
}

impl Source {
    /// Where tasks wait that `target` runs, and that may be bound to a host.
    pub fn of(target: Target, host: Option<u32>) -> Self {
        match (host, target) {
            (Some(host), _) => Self::Bound(host),
            (None, Target::Native(_)) => Self::Native,
            (None, Target::Hosted(_)) => Self::Hosted,
        }
    }
}

/// The data of the tasks of one segment.
#[derive(Debug)]
pub(crate) struct Batch {
    pub layout: Layout,
    pub count: u32,
    pub bytes: Vec<u8>,
    /// Tag and range of each value; made by the first worker that needs it, not by the isolate that submits.
    index: OnceLock<Option<Vec<(Tag, usize, usize)>>>,
    /// The arrays that its tasks name, and the number of the first of them.
    lent: (usize, Vec<Lent>),
}

impl Default for Batch {
    /// No tasks.
    fn default() -> Self {
        let layout = Layout::Numbers;
        Self { layout, count: 0, bytes: Vec::new(), index: OnceLock::new(), lent: (0, Vec::new()) }
    }
}

impl Batch {
    fn index(&self) -> Option<&[(Tag, usize, usize)]> {
        let index = self.index.get_or_init(|| {
            let count = self.count as usize;
            match self.layout {
                Layout::Mixed => index_mixed(&self.bytes, count),
                Layout::Json => {
                    std::str::from_utf8(&self.bytes).ok()?;
                    let ranges = index_json(&self.bytes, count)?;
                    Some(ranges.into_iter().map(|(from, to)| (Tag::Json, from, to)).collect())
                }
                Layout::Numbers => None,
            }
        });
        index.as_deref()
    }

    /// Tag and bytes of one value; `None` if the frame is damaged.
    pub fn value(&self, at: u32) -> Option<(Tag, &[u8])> {
        if self.layout == Layout::Numbers {
            let from = at as usize * 8;
            return Some((Tag::Number, self.bytes.get(from..from + 8)?));
        }
        let (tag, from, to) = *self.index()?.get(at as usize)?;
        Some((tag, &self.bytes[from..to]))
    }

    /// One value as a native operation sees it; `Err` tells in words why it cannot.
    pub fn input(&self, at: u32) -> Result<Input<'_>, &'static str> {
        const DAMAGED: &str = "data that is damaged";
        let (tag, bytes) = self.value(at).ok_or(DAMAGED)?;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| DAMAGED);
        Ok(match tag {
            Tag::Undefined => Input::Undefined,
            Tag::Number => Input::Number(f64::from_le_bytes(bytes.try_into().map_err(|_| DAMAGED)?)),
            // The whole text was checked when it was indexed, and elements begin and end at ASCII characters.
            Tag::Json if self.layout == Layout::Json => {
                // SAFETY: see above.
                Input::Json(unsafe { std::str::from_utf8_unchecked(bytes) })
            }
            Tag::Json => Input::Json(text(bytes)?),
            Tag::Text => Input::Text(text(bytes)?),
            Tag::Borrowed => {
                let (slot, options) = bytes.split_at_checked(4).ok_or(DAMAGED)?;
                let slot = u32::from_le_bytes(slot.try_into().map_err(|_| DAMAGED)?) as usize;
                let (first, lent) = &self.lent;
                let lent = slot.checked_sub(*first).and_then(|at| lent.get(at)).ok_or(DAMAGED)?;
                let view = View::lent(lent);
                if options.is_empty() { Input::View(view) } else { Input::ViewWith(view, text(options)?) }
            }
            _ => return Err("a value of a kind that only JavaScript knows"),
        })
    }

    /// Bytes of the arrays that its tasks name.
    pub fn lent_bytes(&self) -> usize {
        self.lent.1.iter().map(Lent::len).sum()
    }

    /// A frame's bytes for the values `from..to`, in the same layout, appended to `out`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if the frame is damaged, [`Error::OutOfMemory`].
    pub fn copy_range(&self, from: u32, to: u32, out: &mut Vec<u8>) -> Result<(), Error> {
        let (from, to) = (from as usize, to as usize);
        let values = || {
            let values = self.index()?.get(from..to)?;
            self.bytes.get(values.first()?.1..values.last()?.2)
        };
        let parts: [Option<&[u8]>; 3] = match self.layout {
            Layout::Numbers => [Some(&[]), self.bytes.get(from * 8..to * 8), Some(&[])],
            _ if from == 0 && to == self.count as usize => [Some(&[]), Some(&self.bytes), Some(&[])],
            Layout::Json => [Some(b"["), values(), Some(b"]")],
            Layout::Mixed => [self.bytes.get(from * 8..to * 8), values(), Some(&[])],
        };
        parts.into_iter().try_for_each(|part| try_extend(out, part.ok_or(Error::Unreadable)?))
    }
}

/// One segment of a submission as it came over the wire.
pub(crate) struct Submitted {
    pub target: Target,
    pub group: u64,
    pub base: u32,
    pub priority: i32,
    pub retries: u32,
    pub host: Option<u32>,
    pub timeout: Option<Duration>,
    pub cancellable: bool,
    pub batch: Batch,
}

/// Reads a submission; `lent` are the arrays that it names. `None` if it is damaged; the error is
/// [`Error::OutOfMemory`].
pub(crate) fn parse(mut wire: &[u8], lent: Vec<Lent>) -> Option<Result<Vec<Submitted>, Error>> {
    let arrays_in_all = lent.len();
    let mut lent = lent.into_iter();
    let mut segments = Vec::new();
    while !wire.is_empty() {
        let (header, rest) = wire.split_at_checked(HEADER)?;
        let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let f64_at = |at: usize| f64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let length = u32_at(12) as usize;
        let operation = u32_at(0);
        let target = match operation.checked_sub(FIRST_HOSTED) {
            Some(number) => Target::Hosted(number),
            None => Target::Native(Operation::from_u16(operation as u16)? as u16),
        };
        let timeout = f64_at(40);
        let (first, arrays) = (u32_at(52) as usize, u32_at(56) as usize);
        // Segments name arrays in their order: each array belongs to one segment.
        if arrays > lent.len() || (arrays > 0 && first != arrays_in_all - lent.len()) {
            return None;
        }
        let own = lent.by_ref().take(arrays).collect();
        let bytes = match try_to_vec(rest.get(..length)?) {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        segments.push(Submitted {
            target,
            group: f64_at(16) as u64,
            base: u32_at(24),
            priority: u32_at(28) as i32,
            retries: u32_at(32),
            host: Some(u32_at(36)).filter(|&host| host != 0),
            timeout: (timeout > 0.0)
                .then(|| Duration::try_from_secs_f64(timeout / 1000.0).unwrap_or(Duration::MAX)),
            cancellable: u32_at(48) != 0,
            batch: Batch {
                layout: Layout::from_u32(u32_at(4))?,
                count: u32_at(8),
                bytes,
                index: OnceLock::new(),
                lent: (first, own),
            },
        });
        wire = rest.get(align8(length)..)?;
    }
    Some(Ok(segments))
}
