#![no_main]
//! A message from a stranger: it reads or is refused, and what was read is written and read again to the same.

use libfuzzer_sys::fuzz_target;
use xs_proto::dns::{Message, Name};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    for record in &message.answers {
        let _ = record.to_string();
        assert_eq!(record.name.to_string().parse::<Name>().as_ref(), Ok(&record.name));
    }
    if let Ok(written) = message.write() {
        assert_eq!(Message::parse(&written), Ok(message));
    }
});
