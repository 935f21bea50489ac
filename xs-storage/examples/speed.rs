#![allow(clippy::disallowed_methods, missing_docs)]
struct Instant(u64);
impl Instant { fn now() -> Self { let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap(); Instant(s.split(' ').next().unwrap().parse().unwrap()) } fn elapsed(&self) -> std::time::Duration { std::time::Duration::from_nanos(Instant::now().0 - self.0) } }
use xs_storage::engine::*;
use xs_storage::lsm::*;
fn mix(n: u64) -> u64 { let mut z = n.wrapping_add(0x9E3779B97F4A7C15); z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9); z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB); z ^ (z >> 31) }
fn key(n: u64) -> [u8; 16] { let mut k = [0; 16]; k[..8].copy_from_slice(&mix(n).to_be_bytes()); k[8..].copy_from_slice(&n.to_be_bytes()); k }
fn main() {
    let n: u64 = std::env::args().nth(1).map_or(1_000_000, |a| a.parse().unwrap());
    let dir = std::path::PathBuf::from(std::env::args().nth(2).unwrap_or("/tmp/lsmspeed".into()));
    for (name, seq) in [("seq", true), ("random", false)] {
        let _ = std::fs::remove_dir_all(&dir);
        let db = Lsm::open(&dir, Options { memory: 384 << 20, ..Options::default() }).unwrap();
        let value = [7u8; 100];
        let mut worst = 0;
        let t = Instant::now();
        for i in 0..n {
            let k = if seq { let mut k = [0; 16]; k[8..].copy_from_slice(&i.to_be_bytes()); k } else { key(mix(i) % n) };
            let mut b = WriteBatch::with_capacity(128);
            b.put(&k, &value);
            let t1 = std::time::Instant::now();
            let _ = db.submit(b, Durability::Buffered).unwrap();
            worst = worst.max(t1.elapsed().as_micros());
        }
        let e = t.elapsed();
        println!("fill-{name}: {:.0}k/s worst {} us; stats {:?}", n as f64 / e.as_secs_f64() / 1e3, worst, db.stats());
        if seq { continue }
        for phase in ["as is", "compacted"] {
            if phase == "compacted" { let t = Instant::now(); db.compact_fully().unwrap(); println!("compact_fully {:?}", t.elapsed()); }
            let scan = |label: &str| { let t = Instant::now(); let mut c = db.cursor(KeyRange::all()).unwrap(); let (mut count, mut sum) = (0u64, 0usize); while c.next().unwrap() { count += 1; sum += c.key().len() + c.value().unwrap().len(); }
            println!("{phase}: {label} {count} {:.2}M/s {sum}", count as f64 / t.elapsed().as_secs_f64() / 1e6); };
            scan("scan1"); scan("scan2");
            for round in 0..2 {
            let t = Instant::now(); let m = 500_000; let mut hits = 0;
            for i in 0..m { hits += u32::from(db.get(&key(mix(mix(i + round * m) % n) % n)).unwrap().is_some()); }
            println!("{phase}: get hit {:.0}k/s ({hits})", m as f64 / t.elapsed().as_secs_f64() / 1e3);
            }
            let m = 500_000;
            let t = Instant::now(); let mut hits = 0;
            for i in 0..m { hits += u32::from(db.get(&key(n + i)).unwrap().is_some()); }
            println!("{phase}: get miss {:.2}M/s ({hits})", m as f64 / t.elapsed().as_secs_f64() / 1e6);
            let t = Instant::now(); let m = 20_000;
            for i in 0..m { let mut c = db.cursor(KeyRange::all()).unwrap(); c.seek(&key(mix(i) % n)).unwrap(); for _ in 0..100 { if !c.next().unwrap() { break } std::hint::black_box(c.value().unwrap()); } }
            println!("{phase}: seek+100 {:.1}k/s", m as f64 / t.elapsed().as_secs_f64() / 1e3);
        }
        println!("{:?}", db.stats());
        let (threads, per) = (4, 3000);
        for threads in [1, threads] {
        let t = Instant::now();
        std::thread::scope(|s| { for th in 0..threads { let db = &db; s.spawn(move || for i in 0..per { let mut b = WriteBatch::with_capacity(128); b.put(&key(i * 4 + th), &value); db.submit(b, Durability::Synced).unwrap().wait().unwrap(); }); } });
        println!("durable {threads}: {:.1}k/s", (threads * per) as f64 / t.elapsed().as_secs_f64() / 1e3);
        }
    }
}
