//! RocksDB through its C interface, found when the benchmark runs: nobody has to build it.
#![allow(unsafe_code)] // calls into a C library; the invariants stand at each block

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use libloading::Library;

use crate::engines::subject::{Fallible, Reader, Setup, Subject, Write, touch};

/// What the library hands out: never looked into.
type Handle = *mut c_void;
type Message = *mut *mut c_char;

/// Declares the functions that are used, and loads all of them at once.
macro_rules! api {
    ($($name:ident: fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        struct Api {
            $($name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
        }

        impl Api {
            fn load() -> Result<Api, libloading::Error> {
                const NAMES: &[&str] = &["librocksdb.so", "librocksdb.so.7.8", "librocksdb.so.10", "librocksdb.so.9"];
                // SAFETY: RocksDB's initialisers have no preconditions, and the library stays loaded for good.
                let found = NAMES.iter().map(|name| unsafe { Library::new(name) });
                let library = Box::leak(Box::new(found.reduce(|found, next| found.or(next)).expect("there are names")?));
                Ok(Api {
                    // SAFETY: the types are those of the same functions in rocksdb/c.h, which keeps them stable.
                    $($name: *unsafe { library.get(concat!("rocksdb_", stringify!($name)).as_bytes())? },)*
                })
            }
        }
    };
}

api! {
    options_create: fn() -> Handle;
    options_set_create_if_missing: fn(Handle, c_uchar);
    options_set_compression: fn(Handle, c_int);
    options_increase_parallelism: fn(Handle, c_int);
    options_set_block_based_table_factory: fn(Handle, Handle);
    block_based_options_create: fn() -> Handle;
    block_based_options_set_block_cache: fn(Handle, Handle);
    block_based_options_set_filter_policy: fn(Handle, Handle);
    cache_create_lru: fn(usize) -> Handle;
    filterpolicy_create_bloom_full: fn(f64) -> Handle;
    open: fn(Handle, *const c_char, Message) -> Handle;
    close: fn(Handle);
    writebatch_create: fn() -> Handle;
    writebatch_put: fn(Handle, *const c_char, usize, *const c_char, usize);
    writebatch_delete: fn(Handle, *const c_char, usize);
    writebatch_destroy: fn(Handle);
    writeoptions_create: fn() -> Handle;
    writeoptions_set_sync: fn(Handle, c_uchar);
    write: fn(Handle, Handle, Handle, Message);
    readoptions_create: fn() -> Handle;
    get_pinned: fn(Handle, Handle, *const c_char, usize, Message) -> Handle;
    pinnableslice_value: fn(Handle, *mut usize) -> *const c_char;
    pinnableslice_destroy: fn(Handle);
    create_iterator: fn(Handle, Handle) -> Handle;
    iter_destroy: fn(Handle);
    iter_seek: fn(Handle, *const c_char, usize);
    iter_valid: fn(Handle) -> c_uchar;
    iter_next: fn(Handle);
    iter_key: fn(Handle, *mut usize) -> *const c_char;
    iter_value: fn(Handle, *mut usize) -> *const c_char;
    flushoptions_create: fn() -> Handle;
    flush: fn(Handle, Handle, Message);
    property_int: fn(Handle, *const c_char, *mut u64) -> c_int;
    free: fn(Handle);
}

static API: LazyLock<Result<Api, String>> = LazyLock::new(|| Api::load().map_err(|error| error.to_string()));

pub(super) fn missing() -> Option<String> {
    API.as_ref().err().map(|error| format!("install librocksdb ({error})"))
}

struct Rocks {
    api: &'static Api,
    db: Handle,
    buffered: Handle,
    synced: Handle,
    reads: Handle,
}

// SAFETY: RocksDB's database and its constant options may be used from any thread; nothing else is shared.
unsafe impl Send for Rocks {}
// SAFETY: as above.
unsafe impl Sync for Rocks {}

/// Calls `f` with a place for an error message, and turns one into an error.
fn checked<T>(api: &Api, f: impl FnOnce(Message) -> T) -> Fallible<T> {
    let mut message: *mut c_char = std::ptr::null_mut();
    let value = f(&mut message);
    if message.is_null() {
        return Ok(value);
    }
    // SAFETY: the library put a string there that it allocated and that is ours to free.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    // SAFETY: as above.
    unsafe { (api.free)(message.cast()) };
    Err(text.into())
}

pub(super) fn open(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let api = API.as_ref().map_err(String::as_str)?;
    let path = CString::new(setup.dir.as_os_str().as_bytes())?;
    // SAFETY: every handle comes from the library's own constructor; options may be shared with the database, which
    // keeps what it needs of them; what is never destroyed here lives as long as the process, once per open.
    unsafe {
        let table = (api.block_based_options_create)();
        (api.block_based_options_set_block_cache)(table, (api.cache_create_lru)(setup.cache));
        (api.block_based_options_set_filter_policy)(table, (api.filterpolicy_create_bloom_full)(10.0));
        let options = (api.options_create)();
        (api.options_set_create_if_missing)(options, 1);
        (api.options_set_compression)(options, 0);
        (api.options_increase_parallelism)(options, 2);
        (api.options_set_block_based_table_factory)(options, table);
        let db = checked(api, |message| (api.open)(options, path.as_ptr(), message))?;
        let (buffered, synced) = ((api.writeoptions_create)(), (api.writeoptions_create)());
        (api.writeoptions_set_sync)(synced, 1);
        Ok(Box::new(Rocks { api, db, buffered, synced, reads: (api.readoptions_create)() }))
    }
}

impl Drop for Rocks {
    fn drop(&mut self) {
        // SAFETY: it was opened once, and every iterator is gone: they borrow this.
        unsafe { (self.api.close)(self.db) }
    }
}

impl Rocks {
    fn property(&self, name: &CStr) -> u64 {
        let mut value = 0;
        // SAFETY: the name ends with a zero, and the place for the value lives through the call.
        let _ = unsafe { (self.api.property_int)(self.db, name.as_ptr(), &mut value) };
        value
    }
}

impl Subject for Rocks {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        let api = self.api;
        // SAFETY: the batch is made, filled, written and destroyed here; pointers and lengths are those of live slices.
        unsafe {
            let batch = (api.writebatch_create)();
            for (key, value) in writes {
                let (at, len) = (key.as_ptr().cast(), key.len());
                match value {
                    Some(value) => (api.writebatch_put)(batch, at, len, value.as_ptr().cast(), value.len()),
                    None => (api.writebatch_delete)(batch, at, len),
                }
            }
            let options = if durable { self.synced } else { self.buffered };
            let done = checked(api, |message| (api.write)(self.db, options, batch, message));
            (api.writebatch_destroy)(batch);
            done
        }
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        f(&mut View(self))
    }

    fn settle(&self) -> Fallible<()> {
        // SAFETY: the flush options are a constant handle, left to the process's end.
        checked(self.api, |message| unsafe { (self.api.flush)(self.db, (self.api.flushoptions_create)(), message) })?;
        while self.property(c"rocksdb.num-running-compactions") + self.property(c"rocksdb.compaction-pending") > 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(())
    }
}

struct View<'a>(&'a Rocks);

impl Reader for View<'_> {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        let Rocks { api, db, reads, .. } = self.0;
        // SAFETY: the key is a live slice; a slice that comes back is read before it is destroyed, here.
        unsafe {
            let slice = checked(api, |message| (api.get_pinned)(*db, *reads, key.as_ptr().cast(), key.len(), message))?;
            if slice.is_null() {
                return Ok(None);
            }
            let mut len = 0;
            let at = (api.pinnableslice_value)(slice, &mut len);
            let found = touch(std::slice::from_raw_parts(at.cast(), len));
            (api.pinnableslice_destroy)(slice);
            Ok(Some(found))
        }
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let Rocks { api, db, reads, .. } = self.0;
        let (mut count, mut sum) = (0, 0);
        // SAFETY: the iterator is made and destroyed here; its key and value are read before it moves.
        unsafe {
            let cursor = (api.create_iterator)(*db, *reads);
            (api.iter_seek)(cursor, from.as_ptr().cast(), from.len());
            while count < limit && (api.iter_valid)(cursor) != 0 {
                let (mut key_len, mut len) = (0, 0);
                std::hint::black_box((api.iter_key)(cursor, &mut key_len));
                let value = (api.iter_value)(cursor, &mut len);
                sum += key_len + touch(std::slice::from_raw_parts(value.cast(), len));
                count += 1;
                (api.iter_next)(cursor);
            }
            (api.iter_destroy)(cursor);
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
