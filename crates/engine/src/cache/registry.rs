//! The caches of this process by name. A cache lives until it is destroyed: threads come and go, what they share stays.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;

use super::{Cache, Config};
use crate::bridge::Outbox;
use crate::error::Error;

static CACHES: LazyLock<Mutex<Caches>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Caches {
    by_name: HashMap<String, Arc<Cache>>,
    /// Destroyed while handles were open: computations may still be under way there, and wait for isolates that end.
    destroyed: Vec<Weak<Cache>>,
}

/// The cache of this name. The first who asks makes it, with `config`; where others give bounds (`given`), they must be the same.
pub fn open(name: &str, config: Config, given: bool) -> Result<Arc<Cache>, Error> {
    let mut caches = CACHES.lock();
    if let Some(cache) = caches.by_name.get(name) {
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
    caches.by_name.insert(name.to_owned(), Arc::clone(&cache));
    Ok(cache)
}

/// Takes the cache of this name, if there is one, out of the process: its entries are freed now, the rest of it with the last handle. A
/// new cache may have the name.
pub fn destroy(name: &str) -> bool {
    let mut caches = CACHES.lock();
    let Some(cache) = caches.by_name.remove(name) else { return false };
    caches.destroyed.retain(|cache| cache.strong_count() > 0);
    caches.destroyed.push(Arc::downgrade(&cache));
    if caches.by_name.capacity() > 4 * caches.by_name.len() + 64 {
        caches.by_name.shrink_to_fit();
    }
    drop(caches);
    cache.destroy();
    true
}

/// A load of the face has ended: what it was computing passes to others.
pub fn forget(outbox: &Arc<Outbox>) {
    let caches: Vec<Arc<Cache>> = {
        let caches = CACHES.lock();
        let destroyed = caches.destroyed.iter().filter_map(Weak::upgrade);
        caches.by_name.values().cloned().chain(destroyed).collect()
    };
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
