//! etcd, and as much of its protocol as puts and gets need: gRPC over HTTP/2, with three messages written by hand.
//!
//! The messages are those of etcd's `rpc.proto`; their form is that of the Protocol Buffers' encoding guide.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::load::Protocol;
use super::{Cluster, data_dir};
use crate::web::{self, Running};

#[cfg(feature = "peers-etcd")]
pub(super) use client::Client;

#[cfg_attr(not(feature = "peers-etcd"), allow(dead_code))]
pub(super) struct Nodes {
    cores: String,
    ports: [u16; 3],
    peers: [u16; 3],
    dirs: [String; 3],
    running: [Option<Running>; 3],
}

impl Nodes {
    /// Nothing but the reason where it can't be measured.
    pub(super) fn find(dir: &Path, cores: &str) -> io::Result<Result<Nodes, &'static str>> {
        if !cfg!(feature = "peers-etcd") {
            return Ok(Err("etcd's client isn't built in (`--features peers-etcd`)"));
        }
        // `-v`, which others answer, is nothing to it: it would serve, and leave its data where it was started.
        let mut version = Command::new("etcd");
        let version = version.arg("--version").current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if version.is_err() {
            return Ok(Err("etcd isn't installed (Debian: etcd-server)"));
        }
        let (ports, peers) = super::free_ports()?;
        Ok(Ok(Nodes {
            cores: cores.to_owned(),
            ports,
            peers,
            dirs: [data_dir(dir, "etcd", 0)?, data_dir(dir, "etcd", 1)?, data_dir(dir, "etcd", 2)?],
            running: [None, None, None],
        }))
    }
}

impl Cluster for Nodes {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn start(&mut self, node: usize) -> io::Result<()> {
        let at = |port: u16| format!("http://127.0.0.1:{port}");
        let members: Vec<String> =
            self.peers.iter().enumerate().map(|(nth, port)| format!("n{}={}", nth + 1, at(*port))).collect();
        let (client, peer) = (at(self.ports[node]), at(self.peers[node]));
        let (name, members) = (format!("n{}", node + 1), members.join(","));
        let args = [
            "--name",
            &name,
            "--data-dir",
            &self.dirs[node],
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster",
            &members,
            "--initial-cluster-state",
            "new",
            "--logger",
            "zap",
            "--log-level",
            "error",
        ];
        self.running[node] = Some(web::run(&self.cores, "etcd".as_ref(), &args, Stdio::null())?);
        web::wait_for(self.ports[node], "etcd")
    }

    fn ports(&self) -> [u16; 3] {
        self.ports
    }

    fn nodes(&mut self) -> &mut [Option<Running>; 3] {
        &mut self.running
    }

    fn protocol(&self) -> Protocol {
        #[cfg(feature = "peers-etcd")]
        return Protocol::Etcd;
        #[cfg(not(feature = "peers-etcd"))]
        unreachable!("without its client it is not found");
    }
}

#[cfg(feature = "peers-etcd")]
mod client {
    use std::io;

    use bytes::{Buf, BufMut, Bytes, BytesMut};
    use h2::client::SendRequest;
    use http::Request;
    use tokio::net::TcpStream;

    use super::super::load::{self, Answer, Ask};

    pub(in super::super) struct Client {
        send: SendRequest<Bytes>,
        port: u16,
    }

    impl Client {
        pub(in super::super) async fn connect(port: u16) -> io::Result<Client> {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            let (send, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
            tokio::task::spawn_local(connection);
            Ok(Client { send, port })
        }

        pub(in super::super) async fn leads(&mut self) -> io::Result<bool> {
            let answer = self.call("/etcdserverpb.Maintenance/Status", Bytes::new()).await?;
            // StatusResponse: 1 is the header, in which 2 is the member; 4 is the leader.
            let header = field(&answer, 1).ok_or_else(|| io::Error::other("no header"))?;
            let (Value::Bytes(header), leader) = (header, field(&answer, 4)) else { return Ok(false) };
            Ok(leader.is_some() && field(header, 2) == leader)
        }

        /// One call: a message there, a message back.
        async fn call(&mut self, path: &str, message: Bytes) -> io::Result<Bytes> {
            let request = Request::post(format!("http://127.0.0.1:{}{path}", self.port))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(())
                .map_err(io::Error::other)?;
            let mut send = self.send.clone().ready().await.map_err(io::Error::other)?;
            let (response, mut body) = send.send_request(request, false).map_err(io::Error::other)?;
            let mut framed = BytesMut::with_capacity(5 + message.len());
            framed.put_u8(0);
            framed.put_u32(message.len() as u32);
            framed.put_slice(&message);
            body.send_data(framed.freeze(), true).map_err(io::Error::other)?;
            let mut body = response.await.map_err(io::Error::other)?.into_body();
            let mut answer = BytesMut::new();
            while let Some(data) = body.data().await {
                let data = data.map_err(io::Error::other)?;
                let _ = body.flow_control().release_capacity(data.len());
                answer.put_slice(&data);
            }
            let trailers = body.trailers().await.map_err(io::Error::other)?;
            let status = trailers.as_ref().and_then(|fields| fields.get("grpc-status"));
            if status.is_none_or(|status| status != "0") || answer.len() < 5 {
                return Err(io::Error::other(format!("{path}: {trailers:?}")));
            }
            answer.advance(5);
            Ok(answer.freeze())
        }
    }

    impl load::Client for Client {
        fn ask<'a>(&'a mut self, ask: Ask, key: u64, value: &'a [u8]) -> Answer<'a> {
            let key = format!("{key:016x}");
            let mut message = BytesMut::with_capacity(32 + value.len());
            put_bytes(&mut message, 1, key.as_bytes());
            let path = match ask {
                // RangeRequest: 1 is the key. It is linearizable unless `serializable` is set.
                Ask::Get => "/etcdserverpb.KV/Range",
                // PutRequest: 1 is the key, 2 the value.
                Ask::Put => {
                    put_bytes(&mut message, 2, value);
                    "/etcdserverpb.KV/Put"
                }
            };
            Box::pin(async move { self.call(path, message.freeze()).await.map(drop) })
        }
    }

    fn put_bytes(message: &mut BytesMut, field: u8, bytes: &[u8]) {
        message.put_u8(field << 3 | 2);
        let mut len = bytes.len();
        while len >= 0x80 {
            message.put_u8(len as u8 | 0x80);
            len >>= 7;
        }
        message.put_u8(len as u8);
        message.put_slice(bytes);
    }

    #[derive(Debug, PartialEq)]
    pub(super) enum Value<'a> {
        Number(u64),
        Bytes(&'a [u8]),
    }

    /// A field of a message.
    pub(super) fn field(mut message: &[u8], wanted: u64) -> Option<Value<'_>> {
        while !message.is_empty() {
            let tag = varint(&mut message)?;
            let value = match tag & 7 {
                0 => Value::Number(varint(&mut message)?),
                2 => {
                    let len = usize::try_from(varint(&mut message)?).ok()?;
                    let (bytes, rest) = message.split_at_checked(len)?;
                    message = rest;
                    Value::Bytes(bytes)
                }
                _ => return None,
            };
            if tag >> 3 == wanted {
                return Some(value);
            }
        }
        None
    }

    fn varint(message: &mut &[u8]) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = message.split_first()?;
            *message = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn fields_are_written_and_found() {
            let mut message = BytesMut::new();
            put_bytes(&mut message, 1, b"key");
            put_bytes(&mut message, 2, &[7; 300]);
            message.put_slice(&[4 << 3, 0xac, 2]);
            assert_eq!(field(&message, 2), Some(Value::Bytes(&[7; 300])));
            assert_eq!(field(&message, 4), Some(Value::Number(300)));
            assert_eq!(field(&message, 3), None);
            assert_eq!(field(&[0x0a, 9, 1], 1), None);
        }
    }
}
