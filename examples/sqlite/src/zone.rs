//! Which clock is on the wall: what `TZ` says, or the system.

use std::fs;

use xs_storage::sql::function::Zone;

/// The offsets of local time; those of UTC where nobody says otherwise.
pub(crate) fn local() -> Zone {
    let variable = std::env::var("TZ").ok();
    let file = |path: &str| fs::read(path).ok().and_then(|bytes| Zone::of_file(&bytes));
    let zone = match variable.as_deref().map(|text| text.strip_prefix(':').unwrap_or(text)) {
        None => file("/etc/localtime"),
        Some("") => None,
        Some(path) if path.starts_with('/') => file(path),
        Some(name) => {
            let is_name = !name.split('/').any(|part| part == "..");
            let named = if is_name { file(&format!("/usr/share/zoneinfo/{name}")) } else { None };
            named.or_else(|| Zone::of_rule(name))
        }
    };
    zone.unwrap_or_default()
}
