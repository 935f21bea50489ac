//! What only bytes can show: that reading is total, and writing what was read.

use std::borrow::Cow;

use proptest::prelude::*;

use super::node::Tree;
use super::parse::parse;
use super::path::lookup;
use super::render;

fn written(tree: &Tree<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    render::write(tree, 0, None, &mut out).unwrap();
    out
}

fn minified(text: &str) -> Option<String> {
    let tree = parse(Cow::Borrowed(text.as_bytes()))?;
    Some(String::from_utf8(written(&tree)).unwrap())
}

#[test]
fn what_is_read_is_written_without_spaces() {
    for (text, expected) in [
        (" { \"a\" : [ 1 , 2.50 , -0e+5 ] , \"\\u0061\" : null } ", Some(r#"{"a":[1,2.50,-0e+5],"\u0061":null}"#)),
        ("[]", Some("[]")),
        ("{}\t\r\n", Some("{}")),
        ("true", Some("true")),
        ("[1]\0junk", Some("[1]")),
        // As SQLite 3.40 has it.
        (r#"{["x"]:1}"#, Some(r#"{["x"]:"x"}"#)),
        ("", None),
        ("[1,]", None),
        ("{\"a\":}", None),
        ("[}", None),
        ("01", None),
        ("1.", None),
        (".5", None),
        ("-", None),
        ("1e", None),
        ("truer", None),
        ("\"\n\"", None),
        (r#""\x""#, None),
        (r#""\u00g0""#, None),
        ("[1]\u{b}", None),
    ] {
        assert_eq!(minified(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(minified(&nested(2000)), Some(nested(2000)));
    assert_eq!(minified(&nested(2001)), None);
    assert_eq!(minified(&"{\"a\":".repeat(100_000)), None);
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?(e[+-]?[0-9]{1,2})?",
        "\"[a-z ]{0,3}(\\\\n)?\"",
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4).prop_map(|all| {
                let members: Vec<_> = all.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_document_is_written_as_it_was(text in json()) {
        prop_assert_eq!(minified(&text), Some(text));
    }

    #[test]
    fn bytes_do_not_panic(text in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\u0a1.-eE ntrulfas\x00\xff"[..]), 0..40)) {
        if let Some(tree) = parse(Cow::Borrowed(&text)) {
            let once = written(&tree);
            let again = parse(Cow::Borrowed(&once));
            prop_assert!(again.is_some());
        }
    }

    #[test]
    fn paths_do_not_panic(text in json(), paths in prop::collection::vec("\\$?([.\\[#\\]\"0-3ab-]{0,8})", 1..4)) {
        let mut tree = parse(Cow::Borrowed(text.as_bytes())).unwrap();
        for path in paths {
            let _ = lookup(&mut tree, path.as_bytes(), true);
            written(&tree);
        }
    }
}
