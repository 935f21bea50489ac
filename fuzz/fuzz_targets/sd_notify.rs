//! Notifications: no datagram panics, and what is understood is the same without the lines that are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xs_os::supervisor::Message;

fuzz_target!(|data: &[u8]| {
    let Some(message) = Message::parse(data) else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let name = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
    if message.refused.iter().any(|refused| text.lines().filter(|line| name(line) == *refused).count() > 1) {
        return;
    }
    let kept: Vec<&str> = text.split('\n').filter(|line| !message.refused.contains(&name(line))).collect();
    let again = Message::parse(kept.join("\n").as_bytes()).unwrap();
    assert!(again.refused.is_empty());
    assert_eq!(Message { refused: Vec::new(), ..message }, again);
});
