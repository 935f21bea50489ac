//! The topics that there are, on the disk and open.
//!
//! The catalog is a B+tree: a topic is there when its entry is durable, and gone when the entry is. The partitions of a topic
//! lie in a directory with the topic's identity as its name, so that a topic which is made again never finds the records
//! of an earlier one; what a crash left of a deleted topic is removed when the broker starts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytestring::ByteString;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;
use xs_os::vfs::{Vfs, VfsExt};
use xs_os::{Clock, Jobs};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::wire::Uuid;
use xs_storage::btree::BTree;
use xs_storage::engine::{Durability, Engine, KeyRange, WriteBatch};
use xs_storage::partition::{Partition, PartitionOptions, Retention};
use xs_storage::{Error, Result};

use crate::topic_config::TopicConfig;
use crate::traffic::Traffic;

const TOPIC: &[u8] = b"topic/";
const CLUSTER: &[u8] = b"cluster-id";
const NEXT_PRODUCER: &[u8] = b"next-producer";
/// Producers' numbers are taken from the catalog so many at a time.
const PRODUCERS: i64 = 1000;
/// Kafka's: with a partition's number behind it, it is still the name of a file.
pub(crate) const MAX_NAME: usize = 249;

/// A topic. Never changed: another one takes its place.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: ByteString,
    pub(crate) id: Uuid,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Partition>,
    /// The same for whoever takes its place.
    pub(crate) traffic: Arc<Traffic>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

/// What a refused change is answered.
pub(crate) type Refusal = (ErrorCode, String);

#[derive(Debug, Default)]
struct Names {
    by_name: BTreeMap<ByteString, Arc<Topic>>,
    partitions: usize,
}

/// What all partitions share.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) vfs: Arc<dyn Vfs>,
    /// For the catalog.
    pub(crate) jobs: Arc<dyn Jobs>,
    /// For all partitions together.
    pub(crate) log_jobs: Arc<dyn Jobs>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Bytes of segments that are written with zeros ahead.
    pub(crate) warm_bytes: u64,
}

/// All topics.
pub(crate) struct Topics {
    machine: Machine,
    dir: PathBuf,
    catalog: Arc<dyn Engine>,
    names: RwLock<Names>,
    /// What a topic is like of which nothing is said.
    defaults: TopicConfig,
    /// Held by who changes the catalog.
    changing: Mutex<Producers>,
    max_partitions: usize,
    /// Goes last: whoever has the other end learns that everything is closed.
    _open: oneshot::Sender<()>,
}

/// The numbers that may be given out without asking the catalog.
#[derive(Debug, Default)]
struct Producers {
    next: i64,
    end: i64,
}

impl Topics {
    /// Opens everything in `dir`. The receiver ends when all of it is closed again. Waits for the disk.
    pub(crate) fn open(
        machine: Machine,
        dir: &Path,
        defaults: TopicConfig,
        max_partitions: usize,
    ) -> Result<(Topics, oneshot::Receiver<()>)> {
        let Machine { vfs, jobs, clock, .. } = machine.clone();
        let topics = dir.join("topics");
        vfs.make_dir(&topics).map_err(Error::io("create", &topics))?;
        let options =
            xs_storage::btree::Options { vfs, jobs, clock, memory: 8 << 20, log_bytes: 1 << 20, ..Default::default() };
        let catalog: Arc<dyn Engine> = Arc::new(BTree::open(&dir.join("catalog"), options)?);
        let (open, closed) = oneshot::channel();
        let topics = Topics {
            machine,
            dir: topics,
            catalog,
            names: RwLock::default(),
            defaults,
            changing: Mutex::default(),
            max_partitions,
            _open: open,
        };
        topics.load()?;
        Ok((topics, closed))
    }

    fn load(&self) -> Result<()> {
        let mut names = Names::default();
        {
            let mut cursor = self.catalog.cursor(KeyRange::prefix(TOPIC))?;
            while cursor.next()? {
                let name = String::from_utf8_lossy(&cursor.key()[TOPIC.len()..]).into_owned();
                let wrong = |why: &str| Error::Invalid(format!("the catalog's entry of topic {name:?}: {why}"));
                let (id, count, config) = read_entry(cursor.value()?, &self.defaults).map_err(|why| wrong(&why))?;
                let topic = self.open_topic(name.clone().into(), id, count, config)?;
                names.partitions += topic.partitions.len();
                names.by_name.insert(topic.name.clone(), Arc::new(topic));
            }
        }
        let known: Vec<String> = names.by_name.values().map(|topic| topic.id.to_string()).collect();
        for left in self.machine.vfs.list(&self.dir).map_err(Error::io("list", &self.dir))? {
            if !known.iter().any(|known| left == known.as_str()) {
                let path = self.dir.join(left);
                remove_all(&*self.machine.vfs, &path).map_err(Error::io("remove", &path))?;
            }
        }
        *self.names.write() = names;
        Ok(())
    }

    fn open_topic(&self, name: ByteString, id: Uuid, count: u32, config: TopicConfig) -> Result<Topic> {
        let partitions = self.open_partitions(id, &config, 0..count)?;
        Ok(Topic { name, id, partitions, config, traffic: Arc::default() })
    }

    fn open_partitions(&self, id: Uuid, config: &TopicConfig, which: Range<u32>) -> Result<Vec<Partition>> {
        let dir = self.dir.join(id.to_string());
        let options = PartitionOptions {
            segment_bytes: config.segment_bytes,
            segment_ms: Some(config.segment_ms),
            // How long a batch may be can be said anew at any time: who appends looks.
            max_batch: i32::MAX as u64,
            warm_bytes: self.machine.warm_bytes,
            jobs: self.machine.log_jobs.clone(),
            ..PartitionOptions::default()
        };
        let open = |n: u32| Partition::open(self.machine.vfs.clone(), &dir.join(n.to_string()), options.clone());
        which.map(open).collect()
    }

    /// A deliberate bug: no producer is known any more.
    pub(crate) fn forget_producers(&self) -> Result<()> {
        let keep = Retention { producers_ms: -1, ..Retention::default() };
        let all = self.all();
        all.iter().flat_map(|topic| &topic.partitions).try_for_each(|partition| partition.tend(0, &keep).map(drop))
    }

    /// Where everything is remembered that is no record.
    pub(crate) fn catalog(&self) -> Arc<dyn Engine> {
        self.catalog.clone()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.names.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.names.read().by_name.values().find(|topic| topic.id == id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.names.read().by_name.values().cloned().collect()
    }

    /// Whether a topic could be made. The number of its partitions has been checked to be positive.
    pub(crate) fn check(&self, name: &str, partitions: u32) -> std::result::Result<(), Refusal> {
        let refuse = |code, why: String| Err((code, why));
        if let Err(why) = check_name(name) {
            return refuse(ErrorCode::INVALID_TOPIC_EXCEPTION, why);
        }
        if self.names.read().by_name.contains_key(name) {
            return refuse(ErrorCode::TOPIC_ALREADY_EXISTS, format!("Topic '{name}' already exists."));
        }
        self.check_room(partitions as usize)
    }

    fn check_room(&self, partitions: usize) -> std::result::Result<(), Refusal> {
        if self.names.read().partitions + partitions > self.max_partitions {
            let why = format!("This broker has {} partitions at most.", self.max_partitions);
            return Err((ErrorCode::POLICY_VIOLATION, why));
        }
        Ok(())
    }

    /// Makes a topic, durably. Waits for the disk.
    pub(crate) fn create(
        &self,
        name: ByteString,
        id: Uuid,
        partitions: u32,
        config: TopicConfig,
    ) -> std::result::Result<Arc<Topic>, Refusal> {
        let _changing = self.changing.lock();
        self.check(&name, partitions)?;
        let made = || -> Result<Topic> {
            // The partitions first: a topic that is in the catalog has all of them.
            let topic = self.open_topic(name.clone(), id, partitions, config)?;
            self.machine.vfs.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))?;
            let mut batch = WriteBatch::new();
            batch.put(&key(&name), &write_entry(&topic));
            self.catalog.submit(batch, Durability::Synced)?.wait()?;
            Ok(topic)
        };
        let topic = match made() {
            Ok(topic) => Arc::new(topic),
            Err(error) => {
                tracing::error!(topic = %name, %error, "a topic could not be made");
                return Err((ErrorCode::KAFKA_STORAGE_ERROR, error.to_string()));
            }
        };
        let mut names = self.names.write();
        names.partitions += topic.partitions.len();
        names.by_name.insert(name, topic.clone());
        Ok(topic)
    }

    /// Changes what is said of a topic, durably. Waits for the disk.
    pub(crate) fn configure(
        &self,
        name: &str,
        change: impl FnOnce(&mut TopicConfig, &TopicConfig) -> std::result::Result<(), Refusal>,
        only_check: bool,
    ) -> std::result::Result<(), Refusal> {
        let _changing = self.changing.lock();
        let topic = self.known(name)?;
        let mut config = topic.config.clone();
        change(&mut config, &self.defaults)?;
        topic.config.fixed_change(&config)?;
        if only_check {
            return Ok(());
        }
        let (name, partitions, traffic) = (topic.name.clone(), topic.partitions.clone(), topic.traffic.clone());
        self.replace(Topic { name, id: topic.id, config, partitions, traffic })
    }

    /// Gives a topic more partitions, durably. Waits for the disk.
    pub(crate) fn grow(&self, name: &str, count: u32, only_check: bool) -> std::result::Result<(), Refusal> {
        let _changing = self.changing.lock();
        let topic = self.known(name)?;
        let now = topic.partitions.len();
        let Some(more) = (count as usize).checked_sub(now).filter(|more| *more > 0) else {
            let why = format!("The topic has {now} partitions, and {count} would not be an increase.");
            return Err((ErrorCode::INVALID_PARTITIONS, why));
        };
        self.check_room(more)?;
        if only_check {
            return Ok(());
        }
        let mut partitions = topic.partitions.clone();
        partitions.extend(self.open_partitions(topic.id, &topic.config, now as u32..count).map_err(|error| {
            tracing::error!(topic = name, %error, "partitions could not be made");
            (ErrorCode::KAFKA_STORAGE_ERROR, error.to_string())
        })?);
        let (name, config, traffic) = (topic.name.clone(), topic.config.clone(), topic.traffic.clone());
        self.replace(Topic { name, id: topic.id, config, partitions, traffic })?;
        self.names.write().partitions += more;
        Ok(())
    }

    fn known(&self, name: &str) -> std::result::Result<Arc<Topic>, Refusal> {
        let unknown = || (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("There is no topic '{name}'."));
        self.get(name).ok_or_else(unknown)
    }

    /// Puts a topic in the place of the one that has its name, durably.
    fn replace(&self, topic: Topic) -> std::result::Result<(), Refusal> {
        let mut batch = WriteBatch::new();
        batch.put(&key(&topic.name), &write_entry(&topic));
        let durable = self.catalog.submit(batch, Durability::Synced).and_then(|commit| commit.wait());
        durable.map_err(|error| {
            tracing::error!(topic = %topic.name, %error, "a topic could not be changed");
            (ErrorCode::KAFKA_STORAGE_ERROR, error.to_string())
        })?;
        self.names.write().by_name.insert(topic.name.clone(), Arc::new(topic));
        Ok(())
    }

    /// Deletes a topic, durably. Waits for the disk.
    pub(crate) fn delete(&self, name: &str) -> std::result::Result<Arc<Topic>, Refusal> {
        let _changing = self.changing.lock();
        let topic = self.known(name)?;
        let mut batch = WriteBatch::new();
        batch.delete(&key(name));
        let durable = self.catalog.submit(batch, Durability::Synced).and_then(|commit| commit.wait());
        if let Err(error) = durable {
            tracing::error!(topic = name, %error, "a topic could not be deleted");
            return Err((ErrorCode::KAFKA_STORAGE_ERROR, error.to_string()));
        }
        {
            let mut names = self.names.write();
            names.by_name.remove(name);
            names.partitions -= topic.partitions.len();
        }
        // Whoever reads it still reads on in files without names. What cannot be removed now is at the next start.
        if let Err(error) = remove_all(&*self.machine.vfs, &self.dir.join(topic.id.to_string())) {
            tracing::warn!(topic = name, %error, "the files of a deleted topic are still there");
        }
        Ok(topic)
    }

    /// The cluster's name: this one, if it had none so far. Waits for the disk.
    pub(crate) fn cluster_id(&self, fresh: String) -> Result<ByteString> {
        let _changing = self.changing.lock();
        if let Some(stored) = self.catalog.get(CLUSTER)? {
            let stored = String::from_utf8(stored.to_vec());
            return Ok(stored.map_err(|_| Error::Invalid("the catalog's name of the cluster".into()))?.into());
        }
        let mut batch = WriteBatch::new();
        batch.put(CLUSTER, fresh.as_bytes());
        self.catalog.submit(batch, Durability::Synced)?.wait()?;
        Ok(fresh.into())
    }

    /// A number that no producer has had. Waits for the disk now and then.
    pub(crate) fn next_producer(&self) -> Result<i64> {
        let mut producers = self.changing.lock();
        if producers.next == producers.end {
            let stored = self.catalog.get(NEXT_PRODUCER)?;
            let start = match stored.as_deref() {
                None => 0,
                Some(bytes) => i64::from_be_bytes(
                    bytes.try_into().map_err(|_| Error::Invalid("the catalog's producer number".into()))?,
                ),
            };
            let end = start.saturating_add(PRODUCERS);
            let mut batch = WriteBatch::new();
            batch.put(NEXT_PRODUCER, &end.to_be_bytes());
            self.catalog.submit(batch, Durability::Synced)?.wait()?;
            *producers = Producers { next: start, end };
        }
        producers.next += 1;
        Ok(producers.next - 1)
    }
}

/// Kafka's rules for names.
fn check_name(name: &str) -> std::result::Result<(), String> {
    let ok = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" | "." | ".." => Err(format!("A topic's name cannot be '{name}'.")),
        _ if name.len() > MAX_NAME => Err(format!("A topic's name has {MAX_NAME} characters at most.")),
        _ if !name.bytes().all(ok) => {
            Err(format!("Topic name '{name}' has other characters than letters, digits, '.', '_' and '-'."))
        }
        _ => Ok(()),
    }
}

fn key(name: &str) -> Vec<u8> {
    [TOPIC, name.as_bytes()].concat()
}

/// Identity, number of partitions, configuration.
fn write_entry(topic: &Topic) -> Vec<u8> {
    let count = (topic.partitions.len() as u32).to_be_bytes();
    [&topic.id.0[..], &count, topic.config.write().as_bytes()].concat()
}

fn read_entry(entry: &[u8], defaults: &TopicConfig) -> std::result::Result<(Uuid, u32, TopicConfig), String> {
    let (id, rest) = entry.split_first_chunk().ok_or("it is too short")?;
    let (count, config) = rest.split_first_chunk().ok_or("it is too short")?;
    let config = std::str::from_utf8(config).map_err(|_| "its configuration is not UTF-8")?;
    Ok((Uuid(*id), u32::from_be_bytes(*count), TopicConfig::read(config, defaults)?))
}

/// Removes a directory with what is in it.
fn remove_all(vfs: &dyn Vfs, path: &Path) -> std::io::Result<()> {
    match vfs.remove(path) {
        Ok(()) => Ok(()),
        Err(error) => {
            // A file that cannot be removed has nothing in it.
            let Ok(names) = vfs.list(path) else { return Err(error) };
            if names.is_empty() {
                return Err(error);
            }
            names.into_iter().try_for_each(|name| remove_all(vfs, &path.join(name)))?;
            vfs.remove(path)
        }
    }
}
