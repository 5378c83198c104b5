//! The caches of this process by name. A cache lives as long as the process: threads come and go, what they share stays.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use super::{Cache, Config};
use crate::bridge::Outbox;
use crate::error::Error;

static CACHES: LazyLock<Mutex<HashMap<String, Arc<Cache>>>> = LazyLock::new(Mutex::default);

/// The cache of this name. The first who asks makes it, with `config`; where others give bounds (`given`), they must be the same.
pub fn open(name: &str, config: Config, given: bool) -> Result<Arc<Cache>, Error> {
    let mut caches = CACHES.lock();
    if let Some(cache) = caches.get(name) {
        if given && cache.config() != config {
            return Err(Error::CacheMismatch {
                name: name.to_owned(),
                theirs: describe(cache.config()),
                given: describe(config),
            });
        }
        return Ok(Arc::clone(cache));
    }
    let cache = Arc::new(Cache::new(config));
    caches.insert(name.to_owned(), Arc::clone(&cache));
    Ok(cache)
}

/// A load of the face has ended: what it was computing passes to others.
pub fn forget(outbox: &Arc<Outbox>) {
    let caches: Vec<Arc<Cache>> = CACHES.lock().values().cloned().collect();
    for cache in caches {
        cache.forget(outbox);
    }
}

fn describe(config: Config) -> String {
    let bound = |value: u64| if value == u64::MAX { "Infinity".to_owned() } else { value.to_string() };
    format!(
        "maxSize {}, maxBytes {}, maxEntryBytes {}, policy '{}'",
        bound(config.max_entries),
        bound(config.max_bytes),
        bound(config.max_entry_bytes),
        config.policy.name(),
    )
}
