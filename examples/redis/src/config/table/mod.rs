//! Every directive of redis.conf 7.0, as data.

use super::directive::Directive;

mod absent;
mod keyspace;
mod network;
mod process;

/// The largest value of C's `int` and `long`, which many ranges end with.
const I32: i64 = i32::MAX as i64;
const LONG: u64 = i64::MAX as u64;

static GROUPS: [&[Directive]; 4] = [network::NETWORK, keyspace::KEYSPACE, process::PROCESS, absent::ABSENT];

/// Number of directives.
pub(super) const COUNT: usize =
    network::NETWORK.len() + keyspace::KEYSPACE.len() + process::PROCESS.len() + absent::ABSENT.len();

/// Every directive, in the order of the values of [`super::Config`].
pub(super) fn all() -> impl Iterator<Item = &'static Directive> {
    GROUPS.iter().flat_map(|group| group.iter())
}

/// The directive called `name` in any case, by its present name or its old one, with its number.
pub(super) fn find(name: &[u8]) -> Option<(usize, &'static Directive)> {
    let called = |directive: &Directive| {
        let alias = directive.alias.is_some_and(|alias| name.eq_ignore_ascii_case(alias.as_bytes()));
        alias || name.eq_ignore_ascii_case(directive.name.as_bytes())
    };
    all().enumerate().find(|(_, directive)| called(directive))
}
