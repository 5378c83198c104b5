//! Panics of the engine: faults of ours, which become errors of the tasks that met them.
//!
//! The standard hook would write them to the user's console. The addon has a standard library of its own, so replacing its
//! hook touches nobody else.

use std::panic;
use std::sync::Once;

use parking_lot::Mutex;

static INSTALLED: Once = Once::new();
static LAST_PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Makes panics silent; what they say is in the errors that they become.
pub fn silence() {
    INSTALLED.call_once(|| {
        panic::set_hook(Box::new(|info| {
            *LAST_PLACE.lock() = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        }));
    });
}

/// Where the last panic happened.
pub(crate) fn last_place() -> String {
    LAST_PLACE.lock().clone().unwrap_or_else(|| "an unknown place".to_owned())
}
