//! Makes a failing list small.

/// The smallest part of a list that still fails, as far as taking out chunks finds it: delta debugging. `fails` is called
/// at most `most` times. What is returned has failed, if the whole list did.
///
/// ```
/// use xs_os::sim::shrink;
/// let small = shrink(&(0..100).collect::<Vec<i32>>(), 1000, |some| some.contains(&17) && some.contains(&71));
/// assert_eq!(small, [17, 71]);
/// ```
pub fn shrink<T: Clone>(items: &[T], most: usize, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut left = items.to_vec();
    let mut chunk = left.len();
    let mut tries = 0;
    while chunk > 0 {
        let mut from = 0;
        let mut found = false;
        while from < left.len() {
            if tries >= most {
                return left;
            }
            tries += 1;
            let mut fewer = left.clone();
            fewer.drain(from..(from + chunk).min(left.len()));
            if fails(&fewer) {
                left = fewer;
                found = true;
            } else {
                from += chunk;
            }
        }
        // What could not be left out before may be now.
        if !(found && chunk == 1) {
            chunk /= 2;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_needed_and_nothing_else() {
        let items: Vec<u32> = (0..64).collect();
        for needed in [vec![], vec![0], vec![63], vec![5, 6, 7], vec![1, 30, 62]] {
            assert_eq!(shrink(&items, 10_000, |some| needed.iter().all(|n| some.contains(n))), needed);
        }
    }

    #[test]
    fn it_stops_when_it_may_not_try_any_more() {
        let mut tries = 0;
        let left = shrink(&(0..64).collect::<Vec<u32>>(), 3, |some| {
            tries += 1;
            some.contains(&63)
        });
        assert!(tries == 3 && left.contains(&63));
    }
}
