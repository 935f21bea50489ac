//! What an allocation really takes: the one rule by which every structure here accounts for its memory.

/// The bytes that an allocator with size classes sets aside for a request of `n` bytes.
///
/// Multiples of 16 up to 64 bytes, then four classes for every doubling, then whole pages from 512 KiB up; 8 bytes is
/// a class of its own. That is how mimalloc and jemalloc divide memory, give or take a class. The result is an account,
/// not a measurement: it depends on nothing but `n`, so the same writes give the same figure on every machine.
///
/// ```
/// use xs_storage::keyspace::alloc_size;
/// assert_eq!([0, 1, 16, 17, 65, 100, 129].map(alloc_size), [0, 8, 16, 32, 80, 112, 160]);
/// ```
#[inline]
pub const fn alloc_size(n: usize) -> usize {
    if n <= 64 {
        if n <= 8 {
            return if n == 0 { 0 } else { 8 };
        }
        return (n + 15) & !15;
    }
    let step = if n >= 512 * 1024 { 4096 } else { 1 << ((n - 1).ilog2() - 2) };
    // A request near the end of the address space fails in the allocator, not here.
    n.saturating_add(step - 1) & !(step - 1)
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::alloc_size;

    #[test]
    fn classes_never_lose_bytes_nor_waste_more_than_a_quarter() {
        let mut last = 0;
        for n in 0..2_000_000 {
            let size = alloc_size(n);
            assert!(size >= n && size >= last, "{n} -> {size}");
            assert!(n < 64 || size * 4 <= n * 5, "{n} -> {size}");
            assert_eq!(alloc_size(size), size, "a class is a fixed point");
            last = size;
        }
    }
}
