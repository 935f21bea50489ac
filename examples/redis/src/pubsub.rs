//! Who listens to which channel.
//!
//! Three tables of the same shape, since a name may be a channel, a pattern and a shard channel at once: they have
//! nothing to do with each other. A message goes to those who listen to its channel, in the order in which they came,
//! and then to those whose patterns match it; who listens in two ways is told twice.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::client::Client;
use crate::mail::{Kind, News, Place, Written};
use crate::state::Server;
use xs_storage::glob;

/// The subscriptions of all connections.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    channels: Topics,
    patterns: Topics,
    shard: Topics,
}

/// Names, with the clients that listen.
type Topics = BTreeMap<Vec<u8>, Vec<u64>>;

impl PubSub {
    fn topics(&self, kind: Kind) -> &Topics {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shard,
        }
    }

    fn topics_mut(&mut self, kind: Kind) -> &mut Topics {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard,
        }
    }

    /// How many names somebody listens to.
    pub(crate) fn len(&self, kind: Kind) -> usize {
        self.topics(kind).len()
    }

    /// The names that somebody listens to.
    pub(crate) fn names(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.topics(kind).keys().map(Vec::as_slice)
    }

    /// How many clients listen to `name`.
    pub(crate) fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        self.topics(kind).get(name).map_or(0, Vec::len)
    }

    fn add(&mut self, kind: Kind, name: &[u8], id: u64) {
        self.topics_mut(kind).entry(name.to_vec()).or_default().push(id);
    }

    fn remove(&mut self, kind: Kind, name: &[u8], id: u64) {
        let topics = self.topics_mut(kind);
        if let Some(ids) = topics.get_mut(name) {
            ids.retain(|&listener| listener != id);
            if ids.is_empty() {
                topics.remove(name);
            }
        }
    }
}

impl Server {
    /// Sends a message to everybody who listens to `channel`; answers how many times it was sent.
    pub(crate) fn publish(&mut self, channel: &[u8], payload: &[u8], shard: bool) -> usize {
        let kind = if shard { Kind::Shard } else { Kind::Channel };
        let (mut sent, mut queued) = (0, 0);
        if let Some(ids) = self.pubsub.topics(kind).get(channel) {
            sent += ids.len();
            let payload = Bytes::copy_from_slice(payload);
            let news = News::Message { kind, pattern: None, channel: channel.to_vec(), payload };
            queued += send(&self.clients, &mut self.mail, ids, &news);
        }
        if shard || self.pubsub.patterns.is_empty() {
            self.note_queued(queued);
            return sent;
        }
        let matching = self.pubsub.patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel));
        let mut shared = None;
        for (pattern, ids) in matching {
            sent += ids.len();
            let payload: &Bytes = shared.get_or_insert_with(|| Bytes::copy_from_slice(payload));
            let (pattern, channel) = (Some(pattern.clone()), channel.to_vec());
            let news = News::Message { kind: Kind::Pattern, pattern, channel, payload: payload.clone() };
            queued += send(&self.clients, &mut self.mail, ids, &news);
        }
        self.note_queued(queued);
        sent
    }

    /// Lets `client` listen to `name`; answers how many subscriptions it has now, as its confirmation says.
    pub(crate) fn subscribe(&mut self, client: &mut Client, kind: Kind, name: &[u8]) -> usize {
        let is_first = client.subscriptions() == 0;
        let is_new = match kind {
            Kind::Channel => client.channels.insert(name.to_vec()),
            Kind::Shard => client.shard_channels.insert(name.to_vec()),
            Kind::Pattern => {
                let is_new = !client.patterns.iter().any(|pattern| pattern == name);
                if is_new {
                    client.patterns.push(name.to_vec());
                }
                is_new
            }
        };
        if is_new {
            self.pubsub.add(kind, name, client.id);
        }
        if is_first {
            self.limit_subscriber(client);
        }
        client.subscriptions_told(kind)
    }

    /// Ends a subscription, if there is one; answers how many are left, as the confirmation says.
    pub(crate) fn unsubscribe(&mut self, client: &mut Client, kind: Kind, name: &[u8]) -> usize {
        let had_it = match kind {
            Kind::Channel => client.channels.remove(name),
            Kind::Shard => client.shard_channels.remove(name),
            Kind::Pattern => {
                let at = client.patterns.iter().position(|pattern| pattern == name);
                at.map(|at| client.patterns.remove(at)).is_some()
            }
        };
        if had_it {
            self.pubsub.remove(kind, name, client.id);
            if client.subscriptions() == 0 {
                self.limit_subscriber(client);
            }
        }
        client.subscriptions_told(kind)
    }

    /// Ends all subscriptions of a client without a word.
    pub(crate) fn unsubscribe_all(&mut self, client: &mut Client) {
        for kind in [Kind::Channel, Kind::Shard, Kind::Pattern] {
            for name in client.subscribed(kind) {
                self.unsubscribe(client, kind, &name);
            }
        }
    }
}

impl Client {
    /// What it listens to.
    pub(crate) fn subscribed(&self, kind: Kind) -> Vec<Vec<u8>> {
        match kind {
            Kind::Channel => self.channels.iter().cloned().collect(),
            Kind::Shard => self.shard_channels.iter().cloned().collect(),
            Kind::Pattern => self.patterns.clone(),
        }
    }

    /// The number in a confirmation: channels and patterns count together, shard channels by themselves.
    pub(crate) fn subscriptions_told(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::Shard => self.shard_channels.len(),
        }
    }
}

/// Sends news to clients; answers how many bytes that was.
fn send(clients: &crate::state::Clients, mail: &mut crate::mail::Mail, ids: &[u64], news: &News) -> usize {
    let mut written = Written::new(news);
    let mut queued = 0;
    for &id in ids {
        match clients.get(id) {
            Some(client) => queued += written.send(client),
            None => mail.put(id, Place::BeforeReply, news.clone()),
        }
    }
    queued
}
