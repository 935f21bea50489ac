use proptest::prelude::*;

use super::*;

#[test]
fn what_is_no_tls_is_refused_at_once() {
    assert_eq!(ClientHello::from_records(b""), Ok(None));
    assert_eq!(ClientHello::from_records(b"G"), Err(Error::NotTls));
    assert_eq!(ClientHello::from_records(&[22, 2]), Err(Error::NotTls));
    assert_eq!(ClientHello::from_records(&[22, 3, 1, 0xff, 0xff]), Err(Error::NotTls));
    assert_eq!(ClientHello::from_records(&[22, 3, 1, 0, 0]), Err(Error::NotTls));
    assert_eq!(ClientHello::from_records(&[22, 3, 3, 0, 4, 2]), Err(Error::NotClientHello(2)));
    assert_eq!(ClientHello::from_records(&[22, 3, 1, 0, 4, 1, 1, 0, 0]), Err(Error::TooLong));
    // A byte in each record.
    assert_eq!(ClientHello::from_records(&[22, 3, 1, 0, 1, 1]), Ok(None));
    let drip: Vec<u8> = [1, 0, 200, 0].into_iter().chain([0; 100]).flat_map(|byte| [22, 3, 1, 0, 1, byte]).collect();
    assert_eq!(ClientHello::from_records(&drip), Err(Error::TooLong));
}

#[test]
fn a_server_name_is_a_hosts() {
    let of = |body: &[u8]| {
        let mut hello = ClientHello::with_server_name("x", &[]);
        hello.extensions[0].body = body.to_vec();
        hello.server_name().map(|name| name.map(str::to_owned))
    };
    assert_eq!(of(&[0, 5, 0, 0, 2, b'a', b'b']), Ok(Some("ab".to_owned())));
    let wrong = Err(Error::Malformed("server name"));
    for body in [
        &[][..],
        &[0, 0],
        &[0, 3, 0, 0, 0],
        &[0, 4, 0, 0, 1, 0],
        &[0, 4, 0, 0, 1, b'a', 9],
        &[0, 4, 0, 0, 2, b'a'],
        &[0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b'],
    ] {
        assert_eq!(of(body), wrong, "{body:?}");
    }
    assert_eq!(
        ClientHello::with_server_name("a/../b", &[]).server_name().map(drop),
        Err(Error::Malformed("server name"))
    );
}

#[test]
fn an_extension_stands_once() {
    let mut hello = ClientHello::with_server_name("a.example", &[b"h2"]);
    assert_eq!(hello.supported_versions(), Ok(vec![0x0304]));
    hello.extensions.push(hello.extensions[0].clone());
    assert_eq!(ClientHello::parse(&hello.write().unwrap()), Err(Error::Malformed("list of extensions")));
    hello.extensions.clear();
    let plain = ClientHello::parse(&hello.write().unwrap()).unwrap();
    assert_eq!(
        (plain.server_name(), plain.alpn(), plain.supported_versions()),
        (Ok(None), Ok(vec![]), Ok(vec![0x0303]))
    );
}

fn hello() -> impl Strategy<Value = ClientHello> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let extensions = prop::collection::btree_map(any::<u16>(), bytes(40), 0..6);
    let lists = (prop::collection::vec(any::<u16>(), 1..20), prop::collection::vec(any::<u8>(), 1..3));
    (any::<u16>(), any::<[u8; 32]>(), bytes(33), lists, extensions).prop_map(
        |(legacy_version, random, session_id, (cipher_suites, compression_methods), extensions)| ClientHello {
            legacy_version,
            random,
            session_id,
            cipher_suites,
            compression_methods,
            extensions: extensions.into_iter().map(|(number, body)| Extension { number, body }).collect(),
        },
    )
}

proptest! {
    #[test]
    fn records_may_cut_it_anywhere(hello in hello(), cuts in prop::collection::vec(1_usize..200, 1..40)) {
        let message = hello.write()?;
        let (mut rest, mut stream) = (&message[..], Vec::new());
        for cut in cuts {
            let (part, next) = rest.split_at(cut.min(rest.len()));
            if !part.is_empty() {
                stream.extend_from_slice(&[22, 3, 1, 0, part.len() as u8]);
                stream.extend_from_slice(part);
            }
            rest = next;
        }
        if !rest.is_empty() {
            stream.extend_from_slice(&[22, 3, 1]);
            stream.extend_from_slice(&(rest.len() as u16).to_be_bytes());
            stream.extend_from_slice(rest);
        }
        for end in (0..stream.len()).step_by(7) {
            prop_assert_eq!(ClientHello::from_records(&stream[..end]), Ok(None));
        }
        stream.extend_from_slice(b"and what follows");
        prop_assert_eq!(ClientHello::from_records(&stream), Ok(Some(hello)));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let framed = [&[22, 3, 1, 0, bytes.len() as u8][..], &[1, 0, 0, bytes.len().saturating_sub(4) as u8], bytes.get(4..).unwrap_or_default()].concat();
        for stream in [&bytes, &framed] {
            if let Ok(Some(hello)) = ClientHello::from_records(stream) {
                let _ = (hello.server_name(), hello.alpn(), hello.supported_versions());
            }
        }
    }
}
