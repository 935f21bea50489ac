use proptest::prelude::*;
use xs_proto::resp::Request;

use super::*;

fn user(rules: &[&str]) -> Arc<User> {
    Acl::new().set_user(b"tester", rules.iter().map(|rule| rule.as_bytes()), false).unwrap()
}

fn check(user: &User, call: &str) -> Result<(), Reason> {
    let request = Request::from_iter(call.split(' '));
    let table = Table::get();
    let entry = table.find(&request.args()[0]).unwrap();
    let entry = request.get(1).and_then(|sub| table.find_sub(entry, sub)).unwrap_or(entry);
    user.check(entry.id, entry.spec, request.args()).map_err(|denied| denied.reason)
}

#[test]
fn the_default_user_may_do_everything() {
    let acl = Acl::new();
    let default = acl.for_new_connection().unwrap();
    assert!(default.unrestricted);
    assert_eq!(default.describe(), b"on nopass ~* &* +@all");
}

#[test]
fn a_user_is_unrestricted_as_long_as_nothing_is_taken_away() {
    assert!(user(&["+@all", "~*", "&*"]).unrestricted);
    assert!(user(&["(+@all ~* &*)"]).unrestricted);
    for less in [&["+@all", "~*"][..], &["+@all", "~a*", "&*"], &["+@all", "-get", "+get", "~*", "&*"]] {
        assert!(!user(less).unrestricted, "{less:?}");
    }
}

#[test]
fn containers_take_their_subcommands_along() {
    let may = user(&["+client", "-client|kill", "+config|get"]);
    assert_eq!(check(&may, "client list"), Ok(()));
    assert_eq!(check(&may, "client kill x"), Err(Reason::Command));
    assert_eq!(check(&may, "config get x"), Ok(()));
    assert_eq!(check(&may, "config set x y"), Err(Reason::Command));
}

#[test]
fn of_several_reasons_the_most_telling_is_told() {
    let may = user(&["(+get ~a)", "(+publish &c)"]);
    assert_eq!(check(&may, "get b"), Err(Reason::Key));
    assert_eq!(check(&may, "publish d x"), Err(Reason::Channel));
    assert_eq!(check(&may, "set a b"), Err(Reason::Command));
}

#[test]
fn passwords_are_checked_by_their_hashes() {
    let mut acl = Acl::new();
    let rules: [&[u8]; 3] = [b"on", b">one", b">two"];
    acl.set_user(b"tester", rules, false).unwrap();
    assert!(acl.authenticate(b"tester", b"one").is_some());
    assert!(acl.authenticate(b"tester", b"two").is_some());
    assert!(acl.authenticate(b"tester", b"three").is_none());
    assert!(acl.authenticate(b"nobody", b"one").is_none());
    let rules: [&[u8]; 1] = [b"<one"];
    acl.set_user(b"tester", rules, false).unwrap();
    assert!(acl.authenticate(b"tester", b"one").is_none());
    let rules: [&[u8]; 1] = [b"off"];
    acl.set_user(b"tester", rules, false).unwrap();
    assert!(acl.authenticate(b"tester", b"two").is_none());
}

proptest! {
    /// A description, applied to a new user, makes a user with the same rights.
    #[test]
    fn what_is_described_can_be_made_again(picks in prop::collection::vec((any::<bool>(), 0..400_usize, 0..24_usize), 0..8)) {
        let rows = Table::get().rows();
        let categories: Vec<&str> = crate::command::Cat::all().map(|(_, name)| name).collect();
        let rules: Vec<String> = picks
            .into_iter()
            .map(|(adds, row, category)| {
                let sign = if adds { '+' } else { '-' };
                match categories.get(category) {
                    Some(name) => format!("{sign}@{name}"),
                    None if row % 10 == 0 => format!("{sign}@all"),
                    None => format!("{sign}{}", rows[row % rows.len()].full_name),
                }
            })
            .collect();
        let made = user(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        let text = String::from_utf8(made.root.describe_commands()).unwrap();
        let again = user(&text.split(' ').collect::<Vec<_>>());
        prop_assert_eq!(&made.root.commands, &again.root.commands, "{:?} is described as {}", rules, text);
    }
}
