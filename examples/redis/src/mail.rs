//! What clients are told unasked: published messages and invalidated keys.
//!
//! A quiet client is told through its connection's handle. The client whose command runs is not quiet: its replies are
//! still being written, and what goes through the handle would overtake them. What it is told lies in the [`Mail`] until
//! its command is done, and is then put in front of the reply (messages, as Redis does) or behind it (invalidations, so
//! that a client never drops the very value that it is about to read).

use bytes::Bytes;
use xs_proto::Out;
use xs_proto::resp::{Reply, Version};

use crate::client::{Client, ReplyMode};
use crate::state::Server;

/// Something that a client is told unasked.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// A published message.
    Message {
        kind: Kind,
        /// The pattern that the channel matched, for a subscription to a pattern.
        pattern: Option<Vec<u8>>,
        channel: Vec<u8>,
        payload: Bytes,
    },
    /// Keys that must not be used from the client's cache any more; all of them, for `None`.
    Invalid { keys: Option<Vec<Vec<u8>>>, redirected: bool },
    /// The client that invalidations were to be sent to is gone.
    RedirectBroken(u64),
}

/// How a message came to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

/// The channel that stands for invalidations where there are no push messages.
const INVALIDATE_CHANNEL: &[u8] = b"__redis__:invalidate";

impl News {
    /// Writes it for a client that speaks `version`, and that listens to some channel or to none.
    fn write(&self, out: &mut Out, version: Version, listens: bool) {
        let mut reply = Reply::new(out, version);
        match self {
            News::Message { kind, pattern, channel, payload } => {
                reply.push(if pattern.is_some() { 4 } else { 3 });
                reply.bulk(match kind {
                    Kind::Channel => b"message",
                    Kind::Pattern => b"pmessage",
                    Kind::Shard => b"smessage",
                });
                if let Some(pattern) = pattern {
                    reply.bulk(pattern);
                }
                reply.bulk(channel);
                reply.bulk_bytes(payload.clone());
            }
            News::Invalid { keys, redirected } => {
                match version {
                    Version::Resp3 => {
                        reply.push(2);
                        reply.bulk(b"invalidate");
                    }
                    Version::Resp2 if *redirected && listens => {
                        reply.push(3);
                        reply.bulk(b"message");
                        reply.bulk(INVALIDATE_CHANNEL);
                    }
                    // There is no way to tell it anything between its replies.
                    Version::Resp2 => return,
                }
                match keys {
                    None => reply.null(),
                    Some(keys) => {
                        reply.array(keys.len());
                        keys.iter().for_each(|key| reply.bulk(key));
                    }
                }
            }
            News::RedirectBroken(id) => {
                if version == Version::Resp3 {
                    reply.push(2);
                    reply.bulk(b"tracking-redir-broken");
                    reply.int(*id as i64);
                }
            }
        }
    }
}

/// The same news for many: written once for each version that is spoken.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    news: &'a News,
    bytes: [Option<Bytes>; 2],
}

impl<'a> Written<'a> {
    pub(crate) fn new(news: &'a News) -> Self {
        Written { news, bytes: [None, None] }
    }

    /// Sends it to a quiet client; answers how many bytes that was. A connection that reads too slowly is cut by its own
    /// limits.
    pub(crate) fn send(&mut self, client: &Client) -> usize {
        let listens = client.subscriptions() > 0;
        let slot = &mut self.bytes[usize::from(client.version == Version::Resp3)];
        let bytes = slot.get_or_insert_with(|| {
            let mut out = Out::new();
            self.news.write(&mut out, client.version, listens);
            Bytes::from(out.to_vec())
        });
        if !bytes.is_empty() {
            let _ = client.handle.push(|out| out.put_bytes(bytes.clone()));
        }
        bytes.len()
    }
}

/// News for clients whose commands run at this moment, by client.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    before_reply: Vec<(u64, News)>,
    behind_reply: Vec<(u64, News)>,
}

/// Where in the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    BeforeReply,
    BehindReply,
}

impl Mail {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.before_reply.is_empty() && self.behind_reply.is_empty()
    }

    pub(crate) fn put(&mut self, id: u64, place: Place, news: News) {
        match place {
            Place::BeforeReply => self.before_reply.push((id, news)),
            Place::BehindReply => self.behind_reply.push((id, news)),
        }
    }

    /// Throws away what lies there for client `id`, whose command did not come to its end.
    pub(crate) fn forget(&mut self, id: u64) {
        self.before_reply.retain(|(to, _)| *to != id);
        self.behind_reply.retain(|(to, _)| *to != id);
    }

    /// Whatever lies there for client `id` is told before its reply.
    pub(crate) fn hurry(&mut self, id: u64) {
        self.before_reply.extend(self.behind_reply.extract_if(.., |(to, _)| *to == id));
    }

    /// Writes what lies there for `client`, whose reply began at `start` of `out`. Inside EXEC the reply is a part of the
    /// transaction's, and what comes behind it must wait.
    pub(crate) fn deliver(&mut self, client: &mut Client, out: &mut Out, start: usize) {
        let mut news = Out::new();
        let listens = client.subscriptions() > 0;
        for (_, early) in self.before_reply.extract_if(.., |(id, _)| *id == client.id) {
            early.write(&mut news, client.version, listens);
        }
        if client.reply_mode != ReplyMode::On {
            client.heard.append(&mut news);
        } else if !news.is_empty() {
            out.insert_slice(start, &news.to_vec());
        }
        if client.may_not_block {
            return;
        }
        let out = if client.reply_mode == ReplyMode::On { out } else { &mut client.heard };
        for (_, late) in self.behind_reply.extract_if(.., |(id, _)| *id == client.id) {
            late.write(out, client.version, listens);
        }
    }
}

impl Server {
    /// Tells client `id` something; false when there is no such client.
    pub(crate) fn tell(&mut self, id: u64, place: Place, news: News) -> bool {
        match self.clients.get(id) {
            Some(client) => {
                let queued = Written::new(&news).send(client);
                self.note_queued(queued);
            }
            None if self.clients.contains(id) => self.mail.put(id, place, news),
            None => return false,
        }
        true
    }
}
