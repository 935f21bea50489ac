//! The objects that systems most often promise to be.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use super::Model;

/// Many of one object, each under a key of its own: registers, locks, queues. Histories are split by key.
#[derive(Clone, Debug)]
pub struct Keyed<K, M> {
    object: M,
    key: std::marker::PhantomData<K>,
}

impl<K, M> Keyed<K, M> {
    /// As many of this object as there are keys.
    pub fn new(object: M) -> Self {
        Keyed { object, key: std::marker::PhantomData }
    }
}

impl<K: Clone + Ord + Debug, M: Model> Model for Keyed<K, M> {
    type Op = (K, M::Op);
    type Ret = M::Ret;
    type State = M::State;
    type Key = K;

    fn init(&self) -> M::State {
        self.object.init()
    }

    // Every operation has a key, so a state is that of one object.
    fn step(&self, state: &M::State, op: &(K, M::Op), ret: Option<&M::Ret>) -> Option<M::State> {
        self.object.step(state, &op.1, ret)
    }

    fn changes(&self, op: &(K, M::Op), ret: &M::Ret) -> bool {
        self.object.changes(&op.1, ret)
    }

    fn key(&self, op: &(K, M::Op)) -> Option<K> {
        Some(op.0.clone())
    }
}

/// One value: a register, and with [`RegisterOp::CompareAndSet`] a CAS register.
#[derive(Clone, Debug)]
pub struct Register<V> {
    initial: V,
}

impl<V> Register<V> {
    /// A register that holds a value from the beginning.
    pub fn new(initial: V) -> Self {
        Register { initial }
    }
}

/// What a [`Register`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum RegisterOp<V> {
    /// Answered by [`RegisterRet::Value`].
    Read,
    /// Answered by [`RegisterRet::Done`].
    Write(V),
    /// Writes the second value if the first one is there; answered by [`RegisterRet::Swapped`].
    CompareAndSet(V, V),
}

/// What a [`Register`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum RegisterRet<V> {
    /// The value that it holds.
    Value(V),
    /// It was written.
    Done,
    /// Whether the expected value was there, and the new one was written.
    Swapped(bool),
}

impl<V: Clone + Eq + Hash + Debug> Model for Register<V> {
    type Op = RegisterOp<V>;
    type Ret = RegisterRet<V>;
    type State = V;
    type Key = ();

    fn init(&self) -> V {
        self.initial.clone()
    }

    fn step(&self, state: &V, op: &RegisterOp<V>, ret: Option<&RegisterRet<V>>) -> Option<V> {
        let (after, answer) = match op {
            RegisterOp::Read => (state, RegisterRet::Value(state.clone())),
            RegisterOp::Write(value) => (value, RegisterRet::Done),
            RegisterOp::CompareAndSet(from, to) if from == state => (to, RegisterRet::Swapped(true)),
            RegisterOp::CompareAndSet(..) => (state, RegisterRet::Swapped(false)),
        };
        ret.is_none_or(|ret| *ret == answer).then(|| after.clone())
    }

    fn changes(&self, _: &RegisterOp<V>, ret: &RegisterRet<V>) -> bool {
        !matches!(ret, RegisterRet::Value(_) | RegisterRet::Swapped(false))
    }

    fn key(&self, _: &RegisterOp<V>) -> Option<()> {
        None
    }
}

/// Values under keys.
#[derive(Clone, Copy, Debug)]
pub struct Map<K, V>(std::marker::PhantomData<(K, V)>);

impl<K, V> Map<K, V> {
    /// A map that is empty at the beginning.
    pub fn new() -> Self {
        Map(std::marker::PhantomData)
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a [`Map`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum MapOp<K, V> {
    /// Answered by [`MapRet::Value`].
    Get(K),
    /// Answered by [`MapRet::Done`].
    Put(K, V),
    /// Answered by [`MapRet::Value`], the value that was there.
    Delete(K),
    /// Puts the second value if the first one is there (or nothing is); answered by [`MapRet::Swapped`].
    CompareAndSet(K, Option<V>, V),
    /// The whole map at one moment; answered by [`MapRet::All`]. A history with one of these cannot be split by key.
    All,
}

/// What a [`Map`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum MapRet<K, V> {
    /// The value, if there is one.
    Value(Option<V>),
    /// It was put.
    Done,
    /// Whether the expected value was there, and the new one was put.
    Swapped(bool),
    /// Every key that has a value, ascending.
    All(Vec<(K, V)>),
}

impl<K: Clone + Ord + Hash + Debug, V: Clone + Eq + Hash + Debug> Model for Map<K, V> {
    type Op = MapOp<K, V>;
    type Ret = MapRet<K, V>;
    type State = BTreeMap<K, V>;
    type Key = K;

    fn init(&self) -> BTreeMap<K, V> {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, op: &MapOp<K, V>, ret: Option<&MapRet<K, V>>) -> Option<Self::State> {
        let answer = match op {
            MapOp::Get(key) | MapOp::Delete(key) => MapRet::Value(state.get(key).cloned()),
            MapOp::Put(..) => MapRet::Done,
            MapOp::CompareAndSet(key, from, _) => MapRet::Swapped(state.get(key) == from.as_ref()),
            MapOp::All => MapRet::All(state.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        };
        if ret.is_some_and(|ret| *ret != answer) {
            return None;
        }
        let mut after = state.clone();
        match op {
            MapOp::Put(key, value) => drop(after.insert(key.clone(), value.clone())),
            MapOp::Delete(key) => drop(after.remove(key)),
            MapOp::CompareAndSet(key, _, to) if matches!(answer, MapRet::Swapped(true)) => {
                after.insert(key.clone(), to.clone());
            }
            _ => {}
        }
        Some(after)
    }

    fn changes(&self, op: &MapOp<K, V>, ret: &MapRet<K, V>) -> bool {
        let looks = matches!(op, MapOp::Get(_) | MapOp::All);
        !looks && !matches!(ret, MapRet::Value(None) | MapRet::Swapped(false))
    }

    fn key(&self, op: &MapOp<K, V>) -> Option<K> {
        match op {
            MapOp::Get(key) | MapOp::Put(key, _) | MapOp::Delete(key) | MapOp::CompareAndSet(key, ..) => {
                Some(key.clone())
            }
            MapOp::All => None,
        }
    }
}

/// First in, first out.
#[derive(Clone, Copy, Debug)]
pub struct Queue<V>(std::marker::PhantomData<V>);

impl<V> Queue<V> {
    /// A queue that is empty at the beginning.
    pub fn new() -> Self {
        Queue(std::marker::PhantomData)
    }
}

impl<V> Default for Queue<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a [`Queue`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum QueueOp<V> {
    /// Answered by [`QueueRet::Done`].
    Enqueue(V),
    /// Answered by [`QueueRet::Value`].
    Dequeue,
}

/// What a [`Queue`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum QueueRet<V> {
    /// It is in the queue.
    Done,
    /// The oldest value, or none in an empty queue.
    Value(Option<V>),
}

impl<V: Clone + Eq + Hash + Debug> Model for Queue<V> {
    type Op = QueueOp<V>;
    type Ret = QueueRet<V>;
    type State = Vec<V>;
    type Key = ();

    fn init(&self) -> Vec<V> {
        Vec::new()
    }

    fn step(&self, state: &Vec<V>, op: &QueueOp<V>, ret: Option<&QueueRet<V>>) -> Option<Vec<V>> {
        let (answer, after) = match op {
            QueueOp::Enqueue(_) => (QueueRet::Done, &state[..]),
            QueueOp::Dequeue => (QueueRet::Value(state.first().cloned()), state.get(1..).unwrap_or_default()),
        };
        if ret.is_some_and(|ret| *ret != answer) {
            return None;
        }
        let mut after = after.to_vec();
        if let QueueOp::Enqueue(value) = op {
            after.push(value.clone());
        }
        Some(after)
    }

    fn changes(&self, _: &QueueOp<V>, ret: &QueueRet<V>) -> bool {
        !matches!(ret, QueueRet::Value(None))
    }

    fn key(&self, _: &QueueOp<V>) -> Option<()> {
        None
    }
}

/// A lock that one process at a time holds. Every answer is whether it was granted or given back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lock;

/// What a [`Lock`] is asked for, by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum LockOp {
    /// True if nobody held it.
    Acquire(u64),
    /// True if this one held it.
    Release(u64),
}

impl Model for Lock {
    type Op = LockOp;
    type Ret = bool;
    type State = Option<u64>;
    type Key = ();

    fn init(&self) -> Option<u64> {
        None
    }

    fn step(&self, state: &Option<u64>, op: &LockOp, ret: Option<&bool>) -> Option<Option<u64>> {
        let (fits, after) = match op {
            LockOp::Acquire(owner) => (state.is_none(), Some(*owner)),
            LockOp::Release(owner) => (*state == Some(*owner), None),
        };
        ret.is_none_or(|ret| *ret == fits).then_some(if fits { after } else { *state })
    }

    fn changes(&self, _: &LockOp, ret: &bool) -> bool {
        *ret
    }

    fn key(&self, _: &LockOp) -> Option<()> {
        None
    }
}

/// A number that is added to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// What a [`Counter`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum CounterOp {
    /// Answered by [`CounterRet::Value`].
    Read,
    /// Answered by [`CounterRet::Done`], or by the sum as [`CounterRet::Value`].
    Add(i64),
}

/// What a [`Counter`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "check-json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum CounterRet {
    /// It was added.
    Done,
    /// The sum.
    Value(i64),
}

impl Model for Counter {
    type Op = CounterOp;
    type Ret = CounterRet;
    type State = i64;
    type Key = ();

    fn init(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, op: &CounterOp, ret: Option<&CounterRet>) -> Option<i64> {
        let after = match op {
            CounterOp::Read => *state,
            CounterOp::Add(by) => state.wrapping_add(*by),
        };
        let fits = match (op, ret) {
            (_, None) | (CounterOp::Add(_), Some(CounterRet::Done)) => true,
            (_, Some(CounterRet::Value(value))) => *value == after,
            (CounterOp::Read, Some(CounterRet::Done)) => false,
        };
        fits.then_some(after)
    }

    fn changes(&self, op: &CounterOp, _: &CounterRet) -> bool {
        *op != CounterOp::Read
    }

    fn key(&self, _: &CounterOp) -> Option<()> {
        None
    }
}
