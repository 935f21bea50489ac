//! `[Socket]`.

use super::{Draft, or_default, values};
use crate::supervisor::file::{Problem, valid_name};
use crate::supervisor::unit::{Kind, Listen, ListenAddress, Socket};

/// Keys that change what is listened on, or how a service is started: they cannot be left out.
const REFUSED: [&str; 8] = [
    "ListenFIFO",
    "ListenMessageQueue",
    "ListenNetlink",
    "ListenSpecial",
    "ListenUSBFunction",
    "ExecStartPre",
    "ExecStartPost",
    "ExecStopPre",
];

/// Keys that change less.
const LEFT_OUT: [&str; 33] = [
    "BindIPv6Only",
    "BindToDevice",
    "Broadcast",
    "DeferAcceptSec",
    "DirectoryMode",
    "ExecStopPost",
    "FlushPending",
    "FreeBind",
    "IPTOS",
    "IPTTL",
    "KeepAlive",
    "KeepAliveIntervalSec",
    "KeepAliveProbes",
    "KeepAliveTimeSec",
    "Mark",
    "MaxConnections",
    "MaxConnectionsPerSource",
    "MessageQueueMaxMessages",
    "NoDelay",
    "PassCredentials",
    "PassPacketInfo",
    "PassSecurity",
    "PipeSize",
    "Priority",
    "ReceiveBuffer",
    "SELinuxContextFromNet",
    "SendBuffer",
    "SmackLabel",
    "SocketProtocol",
    "Symlinks",
    "TCPCongestion",
    "TimeoutSec",
    "Transparent",
];

impl Draft<'_> {
    pub(super) fn socket_key(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let text = self.text(value)?;
        let Kind::Socket(socket) = &mut self.unit.kind else { return Err(Problem::Unknown) };
        let bad = Problem::Bad;
        match key {
            "ListenStream" | "ListenDatagram" | "ListenSequentialPacket" => {
                // Whichever of the three is empty takes back all.
                if text.is_empty() {
                    socket.listen.clear();
                    return Ok(());
                }
                let address =
                    ListenAddress::parse(&text).map_err(|why| bad(format!("{key}={text}: {why}, ignoring")))?;
                socket.listen.push(match (key, address) {
                    ("ListenStream", address) => Listen::Stream(address),
                    ("ListenDatagram", address) => Listen::Datagram(address),
                    (_, ListenAddress::Inet(_)) => {
                        return Err(bad(format!("{key}={text}: only for Unix sockets, ignoring")));
                    }
                    (_, address) => Listen::SequentialPacket(address),
                });
            }
            "Accept" if or_default(value, false, values::boolean)? => return Err(Problem::Refused),
            "Accept" => {}
            "Service" => {
                valid_name(&text).map_err(bad)?;
                if !text.ends_with(".service") {
                    return Err(bad(format!("'{text}' is not a service, ignoring")));
                }
                socket.service = Some(text);
            }
            "Backlog" => socket.backlog = or_default(value, 4096, |text| values::number(text, 0, i32::MAX as u32))?,
            "SocketMode" => socket.socket_mode = or_default(value, 0o666, values::mode)?,
            "SocketUser" => socket.socket_user = Some(text).filter(|text| !text.is_empty()),
            "SocketGroup" => socket.socket_group = Some(text).filter(|text| !text.is_empty()),
            "FileDescriptorName" => {
                let fits = text.len() <= 255 && text.chars().all(|c| c.is_ascii_graphic() && c != ':');
                if !fits {
                    return Err(bad(format!("'{text}' can't be the name of a descriptor, ignoring")));
                }
                socket.file_descriptor_name = Some(text).filter(|text| !text.is_empty());
            }
            "RemoveOnStop" => socket.remove_on_stop = or_default(value, false, values::boolean)?,
            "ReusePort" => socket.reuse_port = or_default(value, false, values::boolean)?,
            "TriggerLimitIntervalSec" => {
                socket.trigger_limit_interval =
                    or_default(value, Socket::default().trigger_limit_interval, values::finite)?;
            }
            "TriggerLimitBurst" => {
                socket.trigger_limit_burst = or_default(value, 20, |text| values::number(text, 0, u32::MAX))?;
            }
            key if REFUSED.contains(&key) => return Err(Problem::Refused),
            key if LEFT_OUT.contains(&key) => return Err(Problem::Unsupported),
            _ => return Err(Problem::Unknown),
        }
        Ok(())
    }
}
