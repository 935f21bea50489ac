#![no_main]
//! The beginning of a TLS connection: how much of it has come changes nothing but whether more is asked for.

use libfuzzer_sys::fuzz_target;
use xs_proto::client_hello::ClientHello;

fuzz_target!(|stream: &[u8]| {
    let whole = ClientHello::from_records(stream);
    let mut earlier = Ok(None);
    for end in (0..=stream.len()).step_by(1 + stream.len() / 50) {
        earlier = ClientHello::from_records(&stream[..end]);
        if earlier != Ok(None) {
            break;
        }
    }
    assert!(earlier == Ok(None) || earlier == whole);
    if let Ok(Some(hello)) = whole {
        let _ = (hello.server_name(), hello.alpn(), hello.supported_versions());
        if let Ok(message) = hello.write() {
            assert_eq!(ClientHello::parse(&message), Ok(hello));
        }
    }
});
