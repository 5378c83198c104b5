//! Who waits for an answer.

/// A request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asker {
    /// The session.
    pub session: u64,
    /// The number of its request.
    pub request: u32,
}
