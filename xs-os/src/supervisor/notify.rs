//! What a service says of itself, as `sd_notify(3)` sends it: lines of `NAME=value` in one datagram.

/// A notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// It is started, or has read its configuration again.
    pub ready: bool,
    /// It begins to read its configuration again.
    pub reloading: bool,
    /// It begins to stop.
    pub stopping: bool,
    /// A sign of life.
    pub watchdog: bool,
    /// It asks to be treated as if signs of life were missing.
    pub watchdog_trigger: bool,
    /// What it is doing, in words.
    pub status: Option<String>,
    /// An error's number.
    pub errno: Option<i32>,
    /// Its main process.
    pub main_pid: Option<u32>,
    /// How often signs of life are to be expected from now on.
    pub watchdog_usec: Option<u64>,
    /// How much longer it is going to take at least.
    pub extend_timeout_usec: Option<u64>,
    /// Whoever sent it waits for a descriptor to be closed.
    pub barrier: bool,
    /// What is not understood, or not done; by the names of fields.
    pub refused: Vec<String>,
}

/// A datagram is no longer than this.
pub const LONGEST_MESSAGE: usize = 4096;

impl Message {
    /// Reads a datagram; `None` if it is no text or too long. What else is wrong in it is refused by itself.
    ///
    /// ```
    /// use xs_os::supervisor::Message;
    ///
    /// let message = Message::parse(b"READY=1\nSTATUS=Serving\n").unwrap();
    /// assert!(message.ready && message.status.as_deref() == Some("Serving"));
    /// ```
    pub fn parse(datagram: &[u8]) -> Option<Message> {
        if datagram.len() > LONGEST_MESSAGE {
            return None;
        }
        let text = std::str::from_utf8(datagram).ok()?;
        let mut message = Message::default();
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let known = match (name, value) {
                ("READY", "1") => set(&mut message.ready),
                ("RELOADING", "1") => set(&mut message.reloading),
                ("STOPPING", "1") => set(&mut message.stopping),
                ("WATCHDOG", "1") => set(&mut message.watchdog),
                ("WATCHDOG", "trigger") => set(&mut message.watchdog_trigger),
                ("BARRIER", "1") => set(&mut message.barrier),
                // What it shows on a terminal is for the terminal's sake without what moves a cursor.
                ("STATUS", text) => {
                    message.status = Some(text.chars().filter(|c| !c.is_control()).collect());
                    true
                }
                ("ERRNO", number) => number.parse().map(|errno| message.errno = Some(errno)).is_ok(),
                ("MAINPID", number) => match number.parse::<u32>() {
                    Ok(pid) if pid > 1 && i32::try_from(pid).is_ok() => {
                        message.main_pid = Some(pid);
                        true
                    }
                    _ => false,
                },
                ("WATCHDOG_USEC", number) => number.parse().map(|usec| message.watchdog_usec = Some(usec)).is_ok(),
                ("EXTEND_TIMEOUT_USEC", number) => {
                    number.parse().map(|usec| message.extend_timeout_usec = Some(usec)).is_ok()
                }
                // Only for whoever reads the time of a reload.
                ("MONOTONIC_USEC", _) => true,
                (name, _) => name.starts_with("X_"),
            };
            if !known && !message.refused.iter().any(|refused| refused == name) {
                message.refused.push(name.to_owned());
            }
        }
        Some(message)
    }
}

fn set(flag: &mut bool) -> bool {
    *flag = true;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_taken_one_by_one() {
        let message =
            Message::parse(b"WATCHDOG=trigger\nMAINPID=42\nERRNO=2\nFDSTORE=1\nFDNAME=x\nMAINPID=1\nX_OWN=1\n")
                .unwrap();
        assert!(message.watchdog_trigger && !message.watchdog && !message.ready);
        assert_eq!((message.main_pid, message.errno), (Some(42), Some(2)));
        assert_eq!(message.refused, ["FDSTORE", "FDNAME", "MAINPID"]);
        assert_eq!(Message::parse(b"STATUS=a\x1b[2Jb").unwrap().status.unwrap(), "a[2Jb");
        assert_eq!(Message::parse(b"\xff"), None);
        assert_eq!(Message::parse(&[b'a'; LONGEST_MESSAGE + 1]), None);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Message::parse(&bytes);
        }
    }
}
