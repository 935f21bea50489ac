//! Which leader epoch began where: a follower, or a consumer that remembers an epoch, finds where its log departs.

use crate::log::Index;

/// The leader epochs under which something was appended, each with its first offset. Both rise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lineage(Vec<(i32, Index)>);

impl Lineage {
    pub(super) fn latest(&self) -> Option<i32> {
        self.0.last().map(|(epoch, _)| *epoch)
    }

    pub(super) fn entries(&self) -> &[(i32, Index)] {
        &self.0
    }

    /// Something was appended at `at` under `epoch`. An epoch that is over, or none at all (-1), leaves no trace.
    pub(super) fn appended(&mut self, epoch: i32, at: Index) {
        if epoch >= 0 && self.latest().is_none_or(|latest| latest < epoch) {
            // All of the last one's batches were cut off or deleted.
            self.0.pop_if(|(_, first)| *first >= at);
            self.0.push((epoch, at));
        }
    }

    /// The greatest epoch up to this one, and where what was appended under it ends, in a log that ends at `end`. None if
    /// nothing is known of an epoch that late.
    pub(super) fn end_of(&self, epoch: i32, end: Index) -> Option<(i32, Index)> {
        let behind = self.0.partition_point(|(at, _)| *at <= epoch);
        match (behind.checked_sub(1).map(|at| self.0[at].0), self.0.get(behind)) {
            (Some(latest), None) => (latest == epoch).then_some((epoch, end)),
            (Some(floor), Some((_, next))) => Some((floor, *next)),
            (None, Some((_, first))) => Some((epoch, *first)),
            (None, None) => None,
        }
    }

    /// All in front of `start` is gone.
    pub(super) fn trim(&mut self, start: Index) {
        let passed = self.0.partition_point(|(_, at)| *at <= start);
        if passed > 1 {
            self.0.drain(..passed - 1);
        }
        if let Some((_, at)) = self.0.first_mut() {
            *at = (*at).max(start);
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    fn lineage() -> Lineage {
        let mut lineage = Lineage::default();
        for (epoch, at) in [(2, 10), (2, 15), (4, 20), (3, 25), (7, 30), (-1, 35)] {
            lineage.appended(epoch, Index(at));
        }
        lineage
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let end_of = |epoch| lineage().end_of(epoch, Index(40)).map(|(epoch, end)| (epoch, end.0));
        assert_eq!(end_of(2), Some((2, 20)));
        assert_eq!(end_of(3), Some((2, 20)));
        assert_eq!(end_of(4), Some((4, 30)));
        assert_eq!(end_of(6), Some((4, 30)));
        assert_eq!(end_of(7), Some((7, 40)));
        assert_eq!(end_of(8), None);
        assert_eq!(end_of(1), Some((1, 10)));
        assert_eq!(Lineage::default().end_of(0, Index(0)), None);
    }

    #[test]
    fn an_epoch_of_which_nothing_is_left_leaves_with_the_next() {
        let mut lineage = Lineage::default();
        lineage.appended(2, Index(10));
        lineage.trim(Index(15));
        lineage.appended(3, Index(15));
        assert_eq!(lineage.entries(), [(3, Index(15))]);
        assert_eq!(lineage.end_of(2, Index(16)), Some((2, Index(15))));
    }

    #[test]
    fn what_was_deleted_leaves_the_epoch_that_the_rest_begins_in() {
        let mut lineage = lineage();
        lineage.trim(Index(22));
        assert_eq!(lineage.entries(), [(4, Index(22)), (7, Index(30))]);
        lineage.trim(Index(30));
        assert_eq!(lineage.entries(), [(7, Index(30))]);
    }
}
