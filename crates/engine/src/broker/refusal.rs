//! Every way in which the broker refuses a request, by the word that travels. `docs/broker-protocol.md` has the table.

use crate::error::Error;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the word of `word`")]
pub enum Refusal {
    NotFound,
    Expired,
    InvalidTtl,
    TtlRequired,
    TooLarge,
    MaxItems,
    MaxLeases,
    InvalidKey,
    InvalidValue,
    NotANumber,
    KeyAndWorkerRequired,
    WorkerRequired,
    WorkerAlreadyHasLease,
    PoolExhausted,
    LeaseTimeout,
    NoLease,
    NotOwner,
    Cancelled,
    Stopped,
    TooManyPending,
    TooManyConnections,
    WatchOverflow,
    UnknownAction,
    UnsupportedProtocol,
    InvalidJson,
    InvalidFrame,
    AuthFailed,
    Draining,
    RequestTimeout,
    OutOfMemory,
}

impl From<Error> for Refusal {
    /// What the reservation of memory refuses.
    fn from(_: Error) -> Self {
        Self::OutOfMemory
    }
}

impl Refusal {
    /// Number of refusals, for tables by refusal.
    pub const COUNT: usize = Self::OutOfMemory as usize + 1;

    /// The words of all, in their order.
    pub fn words() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|refusal| refusal.word())
    }

    /// The word on the wire, which is also the message of the client's error.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Expired => "expired",
            Self::InvalidTtl => "invalid_ttl",
            Self::TtlRequired => "ttl_required",
            Self::TooLarge => "too_large",
            Self::MaxItems => "max_items",
            Self::MaxLeases => "max_leases",
            Self::InvalidKey => "invalid_key",
            Self::InvalidValue => "invalid_value",
            Self::NotANumber => "not_a_number",
            Self::KeyAndWorkerRequired => "key_and_worker_required",
            Self::WorkerRequired => "worker_required",
            Self::WorkerAlreadyHasLease => "worker_already_has_lease",
            Self::PoolExhausted => "pool_exhausted",
            Self::LeaseTimeout => "lease_timeout",
            Self::NoLease => "no_lease",
            Self::NotOwner => "not_owner",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
            Self::TooManyPending => "too_many_pending",
            Self::TooManyConnections => "too_many_connections",
            Self::WatchOverflow => "watch_overflow",
            Self::UnknownAction => "unknown_action",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::InvalidJson => "invalid_json",
            Self::InvalidFrame => "invalid_frame",
            Self::AuthFailed => "auth_failed",
            Self::Draining => "draining",
            Self::RequestTimeout => "request_timeout",
            Self::OutOfMemory => "out_of_memory",
        }
    }
}

const ALL: [Refusal; Refusal::COUNT] = [
    Refusal::NotFound,
    Refusal::Expired,
    Refusal::InvalidTtl,
    Refusal::TtlRequired,
    Refusal::TooLarge,
    Refusal::MaxItems,
    Refusal::MaxLeases,
    Refusal::InvalidKey,
    Refusal::InvalidValue,
    Refusal::NotANumber,
    Refusal::KeyAndWorkerRequired,
    Refusal::WorkerRequired,
    Refusal::WorkerAlreadyHasLease,
    Refusal::PoolExhausted,
    Refusal::LeaseTimeout,
    Refusal::NoLease,
    Refusal::NotOwner,
    Refusal::Cancelled,
    Refusal::Stopped,
    Refusal::TooManyPending,
    Refusal::TooManyConnections,
    Refusal::WatchOverflow,
    Refusal::UnknownAction,
    Refusal::UnsupportedProtocol,
    Refusal::InvalidJson,
    Refusal::InvalidFrame,
    Refusal::AuthFailed,
    Refusal::Draining,
    Refusal::RequestTimeout,
    Refusal::OutOfMemory,
];
