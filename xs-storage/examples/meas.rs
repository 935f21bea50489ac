#![allow(missing_docs, clippy::disallowed_methods)]
struct Instant(u64);
impl Instant {
    fn ns() -> u64 {
        std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap()
    }
    fn now() -> Self {
        std::thread::yield_now();
        Instant(Self::ns())
    }
    fn elapsed(&self) -> std::time::Duration {
        std::thread::yield_now();
        std::time::Duration::from_nanos(Self::ns() - self.0)
    }
}
use xs_os::Rng;
use xs_storage::keyspace::{Config, Keyspace, Ttl, Value, string::Str};
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn rss() -> usize {
    let s = std::fs::read_to_string("/proc/self/statm").unwrap();
    s.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
fn main() {
    for n in [100_000_u64, 1_000_000, 1_300_000, 1_700_000] {
        let keys: Vec<[u8; 16]> = (0..n).map(|i| format!("key:{i:012}").as_bytes().try_into().unwrap()).collect();
        let mut order: Vec<u32> = (0..n as u32).collect();
        Rng::from_seed(1).shuffle(&mut order);
        {
            let mut m: hashbrown::HashMap<Box<[u8]>, Box<[u8]>, foldhash::fast::FixedState> = Default::default();
            let t = Instant::now();
            for k in &keys {
                m.insert(Box::from(&k[..]), Box::from(&b"xxxxxxxxxxxxxxxx"[..]));
            }
            let ins = t.elapsed().as_nanos() as f64 / n as f64;
            let mut get = f64::MAX;
            for _ in 0..5 {
                let t = Instant::now();
                let mut sum = 0;
                for &i in &order {
                    sum += m.get(&keys[i as usize][..]).map_or(0, |v| v.len());
                }
                assert_eq!(sum, 16 * n as usize);
                get = get.min(t.elapsed().as_nanos() as f64 / n as f64);
            }
            println!("hashbrown insert {ins:.0} get {get:.0}");
        }
        let before = rss();
        let mut ks = Keyspace::new(16, Config::default(), 42);
        let t = Instant::now();
        for k in &keys {
            ks.insert(0, k, Value::Str(Str::from_slice(b"xxxxxxxxxxxxxxxx")), Ttl::Clear, 1000);
        }
        let ins = t.elapsed().as_nanos() as f64 / n as f64;
        let mem = rss() - before;
        let mut ov = f64::MAX;
        let mut get = f64::MAX;
        let mut batch = f64::MAX;
        let mut miss = f64::MAX;
        for _ in 0..5 {
            let t = Instant::now();
            for &i in &order {
                ks.insert(0, &keys[i as usize], Value::Str(Str::from_slice(b"xxxxxxxxxxxxxxxy")), Ttl::Clear, 1000);
            }
            ov = ov.min(t.elapsed().as_nanos() as f64 / n as f64);
            let t = Instant::now();
            let mut sum = 0;
            for &i in &order {
                sum += ks.get(0, &keys[i as usize], 1000).map_or(0, |v| v.as_str().unwrap().len());
            }
            assert_eq!(sum, 16 * n as usize);
            get = get.min(t.elapsed().as_nanos() as f64 / n as f64);
            let t = Instant::now();
            for &i in &order {
                let mut k = keys[i as usize];
                k[0] = b'K';
                assert!(ks.get(0, &k, 1000).is_none());
            }
            miss = miss.min(t.elapsed().as_nanos() as f64 / n as f64);
            let t = Instant::now();
            let mut sum = 0;
            for c in order.chunks(16) {
                let mut h = [0; 16];
                for (h, &i) in h.iter_mut().zip(c) {
                    *h = ks.prefetch(0, &keys[i as usize]);
                }
                for h in h {
                    ks.prefetch_item(0, h);
                }
                for &i in c {
                    sum += ks.get(0, &keys[i as usize], 1000).map_or(0, |v| v.as_str().unwrap().len());
                }
            }
            assert_eq!(sum, 16 * n as usize);
            batch = batch.min(t.elapsed().as_nanos() as f64 / n as f64);
        }
        println!(
            "{n}: insert {ins:.0} overwrite {ov:.0} get {get:.0} miss {miss:.0} batch16 get {batch:.0} ns; account {:.1} rss {:.1} B/item",
            ks.used_bytes() as f64 / n as f64,
            mem as f64 / n as f64
        );
        let t = Instant::now();
        let mut rng = Rng::from_seed(5);
        for _ in 0..100_000 {
            ks.random_key(0, &mut rng, 1000).unwrap();
        }
        let rk = t.elapsed().as_nanos() as f64 / 1e5;
        let t = Instant::now();
        for &i in &order {
            ks.set_deadline(0, &keys[i as usize], Some(2000 + u64::from(i)), 1000);
        }
        let sd = t.elapsed().as_nanos() as f64 / n as f64;
        let acc = ks.used_bytes() as f64 / n as f64;
        let t = Instant::now();
        ks.expire_due(u64::MAX, n as usize / 2);
        let ex = t.elapsed().as_nanos() as f64 / (n / 2) as f64;
        let t = Instant::now();
        for &i in &order {
            ks.remove(0, &keys[i as usize], 0);
        }
        let rm = t.elapsed().as_nanos() as f64 / n as f64;
        println!(
            "   random {rk:.0} set_deadline {sd:.0} expire {ex:.0} remove {rm:.0}; with deadlines {acc:.1}; left {}",
            ks.used_bytes()
        );
    }
}
