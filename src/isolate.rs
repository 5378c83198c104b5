//! What belongs to one isolate, and its end.
//!
//! The face registers once per load, not once per isolate: Jest evaluates the package anew for each spec file over one
//! environment. A load that was garbage-collected is found by its weak reference and swept.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{ArrayBuffer, Either, Function, JsValue, Object, Uint8ArraySlice, Undefined};
use napi::{Env, sys};
use noizylab_engine::actor::office::Office;
use noizylab_engine::actor::rates::Rates;
use noizylab_engine::bridge::Outbox;
use noizylab_engine::bridge::outbox::Drain;
use noizylab_engine::broker::Host;
use noizylab_engine::broker::local::Local;
use noizylab_engine::cache::{self, Cache};
use noizylab_engine::memory::{Lender, Lent, Turn};
use noizylab_engine::processor::{HostWords, Processor};
use noizylab_entry::entry;

use crate::arrays::Arrays;
use crate::callback::Waker;
use crate::error::{Result, from_status};
use crate::fault::contain;
use crate::memory::{UNMAPPED, map};
use crate::module;

/// So long the isolate stands still for workers before timers and I/O get their turn.
const LONGEST_TURN: Duration = Duration::from_millis(8);

thread_local! {
    /// The isolate of this thread. A second environment on one thread does not occur in Node.
    static ISOLATE: RefCell<Option<Isolate>> = const { RefCell::new(None) };
}

/// The state of one isolate.
pub struct Isolate {
    env: sys::napi_env,
    waker: Waker,
    /// When the engine may touch memory of this isolate.
    lender: Lender,
    /// That memory.
    arrays: Arrays,
    loads: HashMap<u32, Load>,
    /// Processors by handle.
    pub processors: HashMap<u32, Owned>,
    /// Shared caches by handle.
    pub caches: HashMap<u32, OpenCache>,
    /// Brokers by handle.
    pub brokers: HashMap<u32, OwnedBroker>,
    /// Clients of brokers of this process, by handle.
    pub broker_clients: HashMap<u32, JoinedBroker>,
    /// Shared rate limiters by handle, with their loads.
    pub rates: HashMap<u32, (u32, Arc<Rates>)>,
    /// Offices of actors, by load.
    offices: HashMap<u32, Arc<Office>>,
    /// Source of the numbers of loads and handles.
    last: u32,
    /// Loads that want the isolate to stay alive.
    kept_alive: usize,
}

/// One load of the face.
struct Load {
    outbox: Arc<Outbox>,
    /// The function that drains; weak, so that a context that is gone is not kept.
    callback: sys::napi_ref,
    keeps_alive: bool,
    /// The control words of the host that it is, if it is one.
    host: Option<HostWords>,
}

/// A shared cache that a load has opened.
pub struct OpenCache {
    load: u32,
    /// The cache.
    pub cache: Arc<Cache>,
}

/// A broker and the load that runs it.
pub struct OwnedBroker {
    load: u32,
    /// The broker.
    pub host: Arc<Host>,
}

/// A client of a broker of this process, and its load.
pub struct JoinedBroker {
    load: u32,
    /// The client.
    pub local: Local,
}

/// A processor and the load that made it.
pub struct Owned {
    /// Its number.
    pub load: u32,
    /// The processor.
    pub processor: Arc<Processor>,
}

impl Isolate {
    /// A number that was not given out before.
    pub fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// The outbox of a load.
    pub fn outbox(&self, load: u32) -> Option<Arc<Outbox>> {
        self.loads.get(&load).map(|load| Arc::clone(&load.outbox))
    }

    /// Lends arrays to tasks that `load` submits. Those that have come back are let go before.
    pub fn lend(&mut self, env: &Env, load: u32, arrays: &Object<'_>, written: &[u32]) -> Result<Vec<Lent>> {
        self.release_arrays();
        let Some(outbox) = self.outbox(load) else { return Ok(Vec::new()) };
        self.arrays.lend(env, arrays, written, &self.lender, &outbox)
    }

    fn release_arrays(&mut self) {
        self.arrays.release(self.env, &self.lender.take_returned());
    }

    /// A load has become a host.
    pub fn become_host(&mut self, load: u32, words: HostWords) {
        if let Some(load) = self.loads.get_mut(&load) {
            load.host = Some(words);
        }
    }

    /// The control words of the host that a load is.
    pub fn host_words(&self, load: u32) -> Option<&HostWords> {
        self.loads.get(&load)?.host.as_ref()
    }

    /// Registers a processor of a load under a handle.
    pub fn own(&mut self, handle: u32, load: u32, processor: Arc<Processor>) {
        self.processors.insert(handle, Owned { load, processor });
    }

    /// Registers a cache that a load has opened under a handle.
    pub fn open_cache(&mut self, handle: u32, load: u32, cache: Arc<Cache>) {
        self.caches.insert(handle, OpenCache { load, cache });
    }

    /// Registers a broker that a load runs under a handle.
    pub fn run_broker(&mut self, handle: u32, load: u32, host: Arc<Host>) {
        self.brokers.insert(handle, OwnedBroker { load, host });
    }

    /// Registers a client that a load has made under a handle.
    pub fn join_broker(&mut self, handle: u32, load: u32, local: Local) {
        self.broker_clients.insert(handle, JoinedBroker { load, local });
    }

    /// Registers the office of a load; one that it had before is closed.
    pub fn open_office(&mut self, load: u32, office: Arc<Office>) {
        if let Some(before) = self.offices.insert(load, office) {
            before.close();
        }
    }

    /// Drops the loads whose contexts are gone, and what they made.
    fn sweep(&mut self) {
        let env = self.env;
        let dead: Vec<u32> = self
            .loads
            .iter()
            .filter(|(_, load)| is_collected(env, load.callback))
            .map(|(&id, _)| id)
            .collect();
        let has_swept = !dead.is_empty();
        for id in dead {
            if let Some(load) = self.loads.remove(&id) {
                self.set_keeps_alive(load.keeps_alive, false);
                load.outbox.close();
                cache::forget(&load.outbox);
                // SAFETY: the reference belongs to this environment; nobody uses it any more.
                unsafe { sys::napi_delete_reference(env, load.callback) };
            }
            for (_, owned) in self.processors.extract_if(|_, owned| owned.load == id) {
                owned.processor.close();
            }
            self.caches.retain(|_, open| open.load != id);
            self.broker_clients.retain(|_, joined| joined.load != id);
            self.rates.retain(|_, (load, _)| *load != id);
            if let Some(office) = self.offices.remove(&id) {
                office.close();
            }
            for (_, owned) in self.brokers.extract_if(|_, owned| owned.load == id) {
                owned.host.stop();
            }
        }
        if has_swept {
            self.lender.ask_again();
        }
    }

    /// Nothing of the isolate is reached after this returns.
    fn end(self) {
        let _end = EndOfLending(self.lender.clone());
        self.waker.close();
        for owned in self.processors.values() {
            owned.processor.close();
        }
        for office in self.offices.values() {
            office.close();
        }
        for owned in self.brokers.values() {
            owned.host.stop();
        }
        for load in self.loads.values() {
            load.outbox.close();
            cache::forget(&load.outbox);
        }
        // What others wait for passes on before anything is waited for here: leases, computations, names.
        drop(self);
    }

    fn set_keeps_alive(&mut self, before: bool, now: bool) {
        if before == now {
            return;
        }
        let loads = if now { self.kept_alive + 1 } else { self.kept_alive - 1 };
        if (loads == 0) != (self.kept_alive == 0) {
            self.waker.keep_alive(self.env, loads > 0);
        }
        self.kept_alive = loads;
    }
}

/// Runs `f` on the isolate of this thread; `None` before the first registration.
pub fn with<T>(f: impl FnOnce(&mut Isolate) -> T) -> Option<T> {
    ISOLATE.with_borrow_mut(|isolate| isolate.as_mut().map(f))
}

/// The loads of the isolate of `env` that have mail.
pub fn loads_with_mail(env: sys::napi_env) -> Vec<u32> {
    let loads = with(|isolate| {
        if isolate.env != env {
            return Vec::new();
        }
        isolate.loads.iter().filter(|(_, load)| load.outbox.has_mail()).map(|(&id, _)| id).collect()
    });
    loads.unwrap_or_default()
}

/// The isolate was woken. It lets go of the arrays that have come back.
pub fn has_come(env: sys::napi_env) {
    with(|isolate| {
        if isolate.env == env {
            isolate.waker.has_come();
            isolate.release_arrays();
        }
    });
}

/// The draining function of a load. It is called after the borrow has ended, for it calls back.
pub fn callback_of(load: u32) -> Option<sys::napi_ref> {
    with(|isolate| isolate.loads.get(&load).map(|load| load.callback)).flatten()
}

fn is_collected(env: sys::napi_env, reference: sys::napi_ref) -> bool {
    let mut value = ptr::null_mut();
    // SAFETY: the reference belongs to this environment, whose thread this is.
    let status = unsafe { sys::napi_get_reference_value(env, reference, &raw mut value) };
    status != sys::Status::napi_ok || value.is_null()
}

/// Ends the lending of an isolate's memory when it is dropped: a fault on the way must not leave memory to be freed under those who
/// use it.
struct EndOfLending(Lender);

impl Drop for EndOfLending {
    fn drop(&mut self) {
        // Every operation over this isolate's memory has been told to stop.
        self.0.end();
    }
}

/// The isolate ends: nothing of it may be reached after this returns.
unsafe extern "C" fn on_end(_: *mut c_void) {
    contain("a thread ended", || {
        if let Some(isolate) = ISOLATE.with_borrow_mut(Option::take) {
            isolate.end();
        }
    });
}

/// Registers a load of the face. `drain` is called, without arguments, when there is something to [`drain`]; it is not kept
/// alive by this.
///
/// Returns the number of the load. Throws `ERR_CORE_DUPLICATE` where another copy of the package is in use.
#[entry]
pub fn register(env: Env, drain: Function<'_, (), ()>) -> Result<u32> {
    module::claim()?;
    noizylab_engine::panics::silence();
    let raw = env.raw();
    if with(|_| ()).is_none() {
        let waker = Waker::new(raw)?;
        let lender = Lender::new(Box::new(waker.clone()));
        // SAFETY: the hook is a function of this library, which is never unloaded. It is added after the waker's threadsafe
        // function was made, so that it runs before Node closes that.
        let status = unsafe { sys::napi_add_env_cleanup_hook(raw, Some(on_end), ptr::null_mut()) };
        if status != sys::Status::napi_ok {
            return Err(from_status("add a cleanup hook", status));
        }
        ISOLATE.set(Some(Isolate {
            env: raw,
            waker,
            lender,
            arrays: Arrays::default(),
            loads: HashMap::new(),
            processors: HashMap::new(),
            caches: HashMap::new(),
            brokers: HashMap::new(),
            broker_clients: HashMap::new(),
            rates: HashMap::new(),
            offices: HashMap::new(),
            last: 0,
            kept_alive: 0,
        }));
    }
    let mut callback = ptr::null_mut();
    // SAFETY: the function is a live value of this call; a count of 0 makes the reference weak.
    let status = unsafe { sys::napi_create_reference(raw, drain.raw(), 0, &raw mut callback) };
    if status != sys::Status::napi_ok {
        return Err(from_status("refer to a function", status));
    }
    let load = with(|isolate| {
        isolate.sweep();
        let load = isolate.next();
        let outbox = Arc::new(Outbox::new(Box::new(isolate.waker.clone())));
        isolate.loads.insert(load, Load { outbox, callback, keeps_alive: false, host: None });
        load
    });
    load.ok_or_else(|| from_status("register", sys::Status::napi_generic_failure))
}

/// Whether this load wants the isolate to stay alive: it has promises to settle.
#[entry]
pub fn keep_alive(load: u32, keep: bool) {
    with(|isolate| {
        let env = isolate.env;
        if let Some(found) = isolate.loads.get_mut(&load) {
            let before = std::mem::replace(&mut found.keeps_alive, keep);
            let mut count = 0;
            // SAFETY: the reference belongs to this environment. Strong while promises wait: their settling must not be
            // lost with the context's last other reference.
            unsafe {
                if keep && !before {
                    sys::napi_reference_ref(env, found.callback, &raw mut count);
                } else if before && !keep {
                    sys::napi_reference_unref(env, found.callback, &raw mut count);
                }
            }
            isolate.set_keeps_alive(before, keep);
        }
    });
}

/// Moves records that wait for this load into `into`, as many as fit, and returns the number of bytes written: 0 when nothing
/// waits, and `-n` when the next record alone needs `n` bytes.
#[entry]
pub fn drain(load: u32, #[napi(ts_arg_type = "Uint8Array")] mut into: Uint8ArraySlice<'_>) -> f64 {
    let outbox = with(|isolate| isolate.outbox(load)).flatten();
    // SAFETY: the buffer belongs to the bridge of this isolate, on whose thread this runs; nobody else looks at it now.
    let into = unsafe { into.as_mut() };
    match outbox.map_or(Drain::Written(0), |outbox| outbox.drain_into(into)) {
        Drain::Written(bytes) => bytes as f64,
        Drain::Needs(bytes) => -(bytes as f64),
    }
}

/// The isolate's turn to lend its memory: workers read arrays that it could detach, and JavaScript does not run meanwhile. `true`: they
/// want to go on, call this again after other work.
#[entry]
pub fn lend() -> bool {
    let until = Instant::now() + LONGEST_TURN;
    loop {
        let turn = with(|isolate| {
            isolate.release_arrays();
            isolate.arrays.look(isolate.env, &isolate.lender.begin_turn());
            isolate.lender.clone()
        });
        // The isolate is not borrowed while this thread stands still.
        match turn.map(|lender| lender.lend(until)) {
            Some(Turn::More) if Instant::now() < until => {}
            Some(Turn::More | Turn::Late) => return true,
            Some(Turn::Done) | None => return false,
        }
    }
}

/// Takes the record of which [`drain`] has said how much it needs: its header goes into `header`, its frame is the `ArrayBuffer`, which is not copied.
/// `undefined`: foreign memory is refused, and the record still waits.
#[entry]
pub fn drain_aside<'env>(
    env: &'env Env,
    load: u32,
    #[napi(ts_arg_type = "Uint8Array")] mut header: Uint8ArraySlice<'_>,
) -> Result<Either<ArrayBuffer<'env>, Undefined>> {
    let outbox = with(|isolate| isolate.outbox(load)).flatten();
    let Some((outbox, mut record)) =
        outbox.and_then(|outbox| outbox.take_next().map(|record| (outbox, record)))
    else {
        return Ok(UNMAPPED);
    };
    // SAFETY: the buffer belongs to the bridge of this isolate, on whose thread this runs; nobody else looks at it now.
    record.write_header(unsafe { header.as_mut() });
    let bytes = Arc::new(std::mem::take(&mut record.frame.bytes));
    let mapped = map(env, &bytes, (bytes.as_ptr(), bytes.len()));
    if !matches!(mapped, Ok(Either::A(_))) {
        record.frame.bytes = Arc::into_inner(bytes).unwrap_or_default();
        outbox.put_back(record);
    }
    mapped
}

/// There is no memory for that record: in its place comes one that says so. `false`: it is one that the face cannot do without, and still waits.
#[entry]
pub fn drain_refuse(load: u32) -> bool {
    with(|isolate| isolate.outbox(load)).flatten().is_none_or(|outbox| outbox.refuse_next())
}

/// A number that grows with each record that is sent to this load, as one u32 in an `ArrayBuffer`; `undefined` where foreign memory is refused.
#[entry]
pub fn outbox_mail(env: &Env, load: u32) -> Result<Either<ArrayBuffer<'_>, Undefined>> {
    let mail = with(|isolate| isolate.outbox(load)).flatten().map(|outbox| outbox.mail());
    mail.map_or(Ok(UNMAPPED), |mail| map(env, &mail, mail.memory()))
}

/// Whether this load looks for records by itself from now on, and is not woken. Turned off, `true`: something waits that nobody will announce.
#[entry]
pub fn outbox_poll(load: u32, on: bool) -> bool {
    with(|isolate| isolate.outbox(load)).flatten().is_some_and(|outbox| outbox.poll(on))
}
