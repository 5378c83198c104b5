//! Panics of the engine: faults of ours, which become errors of those that met them.
//!
//! The standard hook would write them to the user's console. The addon has a standard library of its own, so replacing its
//! hook touches nobody else. What can be handed to nobody is written there after all: see [`report`].

use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

static INSTALLED: Once = Once::new();

thread_local! {
    /// Where the last panic of this thread happened.
    static LAST_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics silent; what they say is in the errors that they become.
pub fn silence() {
    INSTALLED.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
            // A thread that is being taken down has no such memory any more: then the place is not known.
            _ = LAST_PLACE.try_with(|last| last.replace(place));
        }));
    });
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

/// What a panic of another thread said, and where it happened: see [`go_on`].
struct Elsewhere(String);

/// What a panic that was caught on this thread said, and where it happened.
fn describe(panic: &(dyn Any + Send)) -> String {
    if let Some(Elsewhere(said)) = panic.downcast_ref() {
        return said.clone();
    }
    let text = text_of(panic);
    let place = LAST_PLACE.try_with(RefCell::take).ok().flatten();
    format!("{text} (at {})", place.as_deref().unwrap_or("an unknown place"))
}

/// Runs `work`; `Err` is what it said when it panicked. What it may have left half-done is for the caller to put right.
///
/// # Errors
/// It panicked.
pub fn caught<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| describe(&*panic))
}

/// Lets a panic that was [`caught`] on another thread go on here, with its text and its place.
pub(crate) fn go_on(said: String) -> ! {
    resume_unwind(Box::new(Elsewhere(said)))
}

/// As [`caught`], of a future.
pub(crate) async fn caught_in<R>(work: impl Future<Output = R>) -> Result<R, String> {
    let mut work = pin!(work);
    poll_fn(|context| match caught(|| work.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
        Err(said) => Poll::Ready(Err(said)),
    })
    .await
}

/// Writes a fault to the standard error output: there is nobody to whom it could be handed.
pub fn report(during: &str, said: &str) {
    // Nobody is left to be told that this cannot be written either.
    _ = writeln!(
        io::stderr(),
        "@noizylab/core failed inside while {during}: {said}. This is a fault of the package; please report it."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_what_it_said_and_where() {
        silence();
        let said = caught(|| panic!("the {} is gone", "thing")).expect_err("a panic");
        assert!(said.starts_with("the thing is gone (at "), "{said}");
        assert!(said.contains("panics.rs:"), "{said}");
        assert_eq!(caught(|| 7), Ok(7));
    }

    #[test]
    fn a_panic_that_goes_on_in_another_thread_keeps_its_text_and_place() {
        silence();
        let first = std::thread::spawn(|| caught(|| panic!("part 50")).expect_err("a panic"));
        let said = first.join().expect("it was caught");
        let again = caught(|| go_on(said.clone())).expect_err("a panic");
        assert_eq!(again, said);
        assert!(again.contains("panics.rs:"), "{again}");
    }
}
