//! This library in the process: there is one copy, and it is never unloaded.
//!
//! A second copy (another version deep in a dependency tree, or a copied folder) would hold a second set of all state that
//! is meant to be one per process. The dynamic loader knows what is loaded, so it is asked: every copy exports
//! [`noizylab_core_identity`], and the first one that was used wins.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::error::{DoorError, Result};

/// What a copy says of itself. The layout is the same in all versions: fields are only ever added at the end.
#[repr(C)]
pub struct Identity {
    /// [`UNUSED`], [`CLAIMING`] or [`IN_USE`].
    state: AtomicU32,
    version_length: u32,
    version: *const u8,
}

/// Nobody has used the copy, or it was refused.
const UNUSED: u32 = 0;
/// It looks whether another copy is in use.
const CLAIMING: u32 = 1;
/// It is the one.
const IN_USE: u32 = 2;

// SAFETY: the pointer is to a string literal; the rest is atomic or constant.
unsafe impl Sync for Identity {}

static IDENTITY: Identity = Identity {
    state: AtomicU32::new(UNUSED),
    version_length: env!("CARGO_PKG_VERSION").len() as u32,
    version: env!("CARGO_PKG_VERSION").as_ptr(),
};

/// One thread of this copy at a time finds out whether it is the one.
static CLAIM: Mutex<()> = Mutex::new(());

/// The symbol by which copies find each other.
#[unsafe(no_mangle)]
pub extern "C" fn noizylab_core_identity() -> *const Identity {
    &raw const IDENTITY
}

/// Takes this copy into use: refuses if another one is, and makes sure that it is never unloaded.
///
/// # Errors
/// `ERR_CORE_DUPLICATE`, naming both copies.
pub fn claim() -> Result<()> {
    let _one = CLAIM.lock();
    if IDENTITY.state.load(Ordering::SeqCst) == IN_USE {
        return Ok(());
    }
    IDENTITY.state.store(CLAIMING, Ordering::SeqCst);
    for other in platform::other_copies() {
        // SAFETY: the symbol is exported by copies of this package alone, whose identity keeps this layout.
        let identity = unsafe { &*(other.identity)() };
        if in_use_before_us(identity) {
            IDENTITY.state.store(UNUSED, Ordering::SeqCst);
            return Err(duplicate(&other.path, identity));
        }
    }
    IDENTITY.state.store(IN_USE, Ordering::SeqCst);
    platform::pin();
    Ok(())
}

/// Whether another copy is in use. Of two that claim at the same moment, the one at the lower address waits for the other to
/// yield or to win; the other one yields.
fn in_use_before_us(other: &Identity) -> bool {
    loop {
        match other.state.load(Ordering::SeqCst) {
            UNUSED => return false,
            CLAIMING if (&raw const IDENTITY) < (other as *const Identity) => std::thread::yield_now(),
            _ => return true,
        }
    }
}

fn duplicate(path: &str, identity: &Identity) -> DoorError {
    // SAFETY: pointer and length are those of a string literal in a library that is never unloaded.
    let version = unsafe { std::slice::from_raw_parts(identity.version, identity.version_length as usize) };
    napi::Error::new(
        "ERR_CORE_DUPLICATE",
        format!(
            "@noizylab/core is loaded twice in this process: {path} (version {}) is in use, {} (version {}) was refused. Two \
             copies would not share their state; make all parts of the program depend on one ('npm dedupe')",
            String::from_utf8_lossy(version),
            platform::own_path(),
            env!("CARGO_PKG_VERSION"),
        ),
    )
}

type IdentityFn = extern "C" fn() -> *const Identity;

/// A library in this process that exports the symbol and is not this one.
struct Copy {
    path: String,
    identity: IdentityFn,
}

fn own_address() -> *const c_void {
    noizylab_core_identity as IdentityFn as *const c_void
}

#[cfg(unix)]
mod platform {
    use std::ffi::{CStr, CString, c_void};
    use std::mem::{MaybeUninit, transmute};

    use super::{Copy, IdentityFn, own_address};

    /// The path that the loader knows this library by.
    pub fn own_path() -> String {
        let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: `dladdr` only writes `info`, which a zeroed value is valid for.
        let info = unsafe {
            libc::dladdr(own_address(), info.as_mut_ptr());
            info.assume_init()
        };
        if info.dli_fname.is_null() {
            return "an unknown file".to_owned();
        }
        // SAFETY: the loader's name of a loaded library is a string that lives as long as the library.
        unsafe { CStr::from_ptr(info.dli_fname) }.to_string_lossy().into_owned()
    }

    /// Other copies that are loaded.
    pub fn other_copies() -> impl Iterator<Item = Copy> {
        loaded_libraries().into_iter().filter_map(|path| {
            // SAFETY: NOLOAD only finds what is loaded already; the handle keeps it loaded, which is what we want.
            let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
            if handle.is_null() {
                return None;
            }
            // SAFETY: the handle is good, the name is a C string.
            let symbol = unsafe { libc::dlsym(handle, c"noizylab_core_identity".as_ptr()) };
            if symbol.is_null() || symbol.cast_const() == own_address() {
                // SAFETY: gives back the count that `dlopen` took.
                unsafe { libc::dlclose(handle) };
                return None;
            }
            // SAFETY: copies of this package export the symbol with this type.
            let identity = unsafe { transmute::<*mut c_void, IdentityFn>(symbol) };
            Some(Copy { path: path.to_string_lossy().into_owned(), identity })
        })
    }

    /// One more count on this library, never given back.
    pub fn pin() {
        if let Ok(path) = CString::new(own_path()) {
            // SAFETY: NOLOAD finds this very library; the handle is leaked on purpose.
            unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
        }
    }

    /// Names of the addons that are loaded.
    #[cfg(not(target_vendor = "apple"))]
    fn loaded_libraries() -> Vec<CString> {
        unsafe extern "C" fn visit(
            info: *mut libc::dl_phdr_info,
            _: usize,
            found: *mut c_void,
        ) -> libc::c_int {
            // SAFETY: the loader passes a valid entry; `found` is the vector below.
            let (name, found) = unsafe { ((*info).dlpi_name, &mut *found.cast::<Vec<CString>>()) };
            crate::fault::contain("other copies of the package were looked for", || {
                if !name.is_null() {
                    // SAFETY: the loader's names are C strings.
                    let name = unsafe { CStr::from_ptr(name) };
                    if name.to_bytes().ends_with(b".node") {
                        found.push(name.to_owned());
                    }
                }
            });
            0
        }
        let mut found: Vec<CString> = Vec::new();
        // SAFETY: the callback gets the pointer to `found`, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
        found
    }

    /// Names of the addons that are loaded.
    #[cfg(target_vendor = "apple")]
    #[expect(
        deprecated,
        reason = "libc points to a crate for these two functions; it is not worth a dependency"
    )]
    fn loaded_libraries() -> Vec<CString> {
        // SAFETY: the loader's own list; an index past its end gives null.
        let names = (0..unsafe { libc::_dyld_image_count() })
            .map(|index| unsafe { libc::_dyld_get_image_name(index) });
        names
            .filter(|name| !name.is_null())
            // SAFETY: the loader's names are C strings.
            .map(|name| unsafe { CStr::from_ptr(name) }.to_owned())
            .filter(|name| name.to_bytes().ends_with(b".node"))
            .collect()
    }
}

#[cfg(windows)]
mod platform {
    use std::mem::transmute;
    use std::ptr::null_mut;

    use windows_sys::Win32::Foundation::HMODULE;
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleFileNameW,
        GetModuleHandleExW, GetProcAddress,
    };
    use windows_sys::Win32::System::ProcessStatus::K32EnumProcessModules;
    use windows_sys::Win32::System::Threading::GetCurrentProcess;

    use super::{Copy, IdentityFn, own_address};

    /// The path that the loader knows this library by.
    pub fn own_path() -> String {
        path_of(own_module(0))
    }

    /// Other copies that are loaded.
    pub fn other_copies() -> impl Iterator<Item = Copy> {
        let mut modules: Vec<HMODULE> = vec![null_mut(); 4096];
        let mut needed = 0u32;
        let room = (modules.len() * size_of::<HMODULE>()) as u32;
        // SAFETY: the buffer holds `room` bytes.
        if unsafe { K32EnumProcessModules(GetCurrentProcess(), modules.as_mut_ptr(), room, &raw mut needed) }
            == 0
        {
            needed = 0;
        }
        modules.truncate(needed as usize / size_of::<HMODULE>());
        modules.into_iter().filter_map(|module| {
            // SAFETY: the module is loaded, the name is a C string.
            let symbol = unsafe { GetProcAddress(module, c"noizylab_core_identity".as_ptr().cast()) }?;
            if symbol as *const core::ffi::c_void == own_address() {
                return None;
            }
            // SAFETY: copies of this package export the symbol with this type.
            let identity = unsafe { transmute::<unsafe extern "system" fn() -> isize, IdentityFn>(symbol) };
            Some(Copy { path: path_of(module), identity })
        })
    }

    /// This library is never unloaded.
    pub fn pin() {
        own_module(GET_MODULE_HANDLE_EX_FLAG_PIN);
    }

    fn own_module(flags: u32) -> HMODULE {
        let mut module: HMODULE = null_mut();
        let flags = flags | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
        // SAFETY: with FROM_ADDRESS the second argument is an address inside the module, not a name.
        unsafe { GetModuleHandleExW(flags, own_address().cast(), &raw mut module) };
        module
    }

    fn path_of(module: HMODULE) -> String {
        let mut name = [0u16; 1024];
        // SAFETY: the buffer holds that many characters.
        let length = unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), name.len() as u32) };
        String::from_utf16_lossy(&name[..length as usize])
    }
}
