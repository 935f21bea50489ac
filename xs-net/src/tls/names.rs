//! Which certificate answers for which name: pure look-up, without cryptography.

use std::collections::BTreeMap;

/// Values by the host names they answer for. A name may be a wildcard for one label: `*.example.com`.
#[derive(Debug)]
pub(super) struct NameTable<T> {
    /// Names in lower case, without a dot at the end; wildcards under what follows their `*.`.
    exact: BTreeMap<String, Vec<T>>,
    wild: BTreeMap<String, Vec<T>>,
}

impl<T> NameTable<T> {
    pub(super) fn new() -> Self {
        NameTable { exact: BTreeMap::new(), wild: BTreeMap::new() }
    }

    /// Enters a value under one more name. Of several under the same name, the first comes first.
    pub(super) fn insert(&mut self, name: &str, value: T) {
        let name = normal(name);
        match name.strip_prefix("*.") {
            Some(rest) => self.wild.entry(rest.to_owned()).or_default().push(value),
            None => self.exact.entry(name).or_default().push(value),
        }
    }

    /// The values for a host: those under its own name, or else under the wildcard that covers it (RFC 9525, section
    /// 6.3: the wildcard stands for exactly one label).
    pub(super) fn get(&self, host: &str) -> &[T] {
        let host = normal(host);
        let covering =
            || host.split_once('.').and_then(|(label, rest)| self.wild.get(rest).filter(|_| !label.is_empty()));
        self.exact.get(&host).or_else(covering).map_or(&[], Vec::as_slice)
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: all pairs are looked at.
    fn naive(entries: &[(String, usize)], host: &str) -> Vec<usize> {
        let host = host.to_lowercase();
        let named = |wanted: &str| -> Vec<usize> {
            entries.iter().filter(|(name, _)| name.to_lowercase() == wanted).map(|(_, value)| *value).collect()
        };
        let exact = named(&host);
        match host.find('.') {
            _ if !exact.is_empty() => exact,
            Some(dot) if dot > 0 => named(&format!("*{}", &host[dot..])),
            _ => Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_comparing_all_names_finds(
            names in prop::collection::vec("(\\*\\.)?[abA]{1,2}(\\.[ab]{1,2}){0,2}", 0..12),
            host in "[abB]{0,2}(\\.[ab]{1,2}){0,3}",
        ) {
            let entries: Vec<(String, usize)> = names.into_iter().enumerate().map(|(at, name)| (name, at)).collect();
            let mut table = NameTable::new();
            for (name, value) in &entries {
                table.insert(name, *value);
            }
            prop_assert_eq!(table.get(&host), naive(&entries, &host));
        }
    }

    #[test]
    fn a_wildcard_covers_one_label_and_no_bare_domain() {
        let mut table = NameTable::new();
        table.insert("*.Example.com", 1);
        assert_eq!(table.get("www.example.COM."), [1]);
        assert!(table.get("example.com").is_empty());
        assert!(table.get("a.b.example.com").is_empty());
        assert!(table.get(".example.com").is_empty());
    }
}
