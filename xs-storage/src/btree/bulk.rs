//! Much at once: loading sorted entries past the log.

use super::batch::Edit;
use super::store::Store;
use crate::engine::Op;
use crate::{Error, Result};

/// Loads entries whose keys ascend, all or none.
pub(super) fn load<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    store: &Store,
    entries: &mut dyn Iterator<Item = (K, V)>,
) -> Result<u64> {
    store.check_running()?;
    let mut checkpoint = store.checkpoint.lock();
    store.finish_running(&mut checkpoint)?;
    let mut writer = store.writer.lock();
    store.fold(&mut writer)?;
    let mut edit = Edit::new(store, &mut writer);
    let (mut count, mut last): (u64, Vec<u8>) = (0, Vec::new());
    for (key, value) in entries {
        let (key, value) = (key.as_ref(), value.as_ref());
        super::batch::check_entry(key, value)?;
        if count > 0 && key <= &last[..] {
            return Err(Error::Invalid(format!("entry {count} of a bulk load is not behind the one before it")));
        }
        last.clear();
        last.extend_from_slice(key);
        edit.apply_one(Op::Put(key, value))?;
        count += 1;
    }
    edit.publish();
    store.checkpoint_alone(&mut checkpoint, &mut writer)?;
    Ok(count)
}
