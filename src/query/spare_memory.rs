//! The memory of one large answer: first its own, then memory that all large answers share, while some of it is free.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{
    GreedyMemoryPool, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;

/// How DataFusion calls the consumer that merges sorted rows. It cannot spill, and needs memory for a part of what it merges, so its memory
/// is counted but never refused.
const MERGE: &str = "ExternalSorterMerge";

/// A pool of memory of one answer, which borrows from what is to spare when its own is used up.
#[derive(Debug)]
pub(crate) struct OwnThenSpare {
    own: GreedyMemoryPool,
    spare: Arc<GreedyMemoryPool>,
    /// Bytes that this answer has of the spare memory.
    borrowed: Mutex<usize>,
}

impl OwnThenSpare {
    /// A pool with memory of its own and a place to borrow more.
    pub(crate) fn new(own_bytes: usize, spare: Arc<GreedyMemoryPool>) -> Self {
        Self { own: GreedyMemoryPool::new(own_bytes), spare, borrowed: Mutex::new(0) }
    }
}

impl MemoryPool for OwnThenSpare {
    fn name(&self) -> &str {
        "own_then_spare"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
    }

    /// Gives borrowed memory back first, since others may want it.
    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut borrowed = self.borrowed.lock();
        let back = shrink.min(*borrowed);
        *borrowed -= back;
        self.spare.shrink(reservation, back);
        self.own.shrink(reservation, shrink - back);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut borrowed = self.borrowed.lock();
        self.own.try_grow(reservation, additional).or_else(|none_left| {
            if self.spare.try_grow(reservation, additional).is_ok() {
                *borrowed += additional;
            } else if reservation.consumer().name().starts_with(MERGE) {
                self.own.grow(reservation, additional);
            } else {
                return Err(none_left);
            }
            Ok(())
        })
    }

    fn reserved(&self) -> usize {
        self.own.reserved() + *self.borrowed.lock()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.own.memory_limit()
    }
}

impl fmt::Display for OwnThenSpare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, and {}", self.own, self.spare)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::MemoryConsumer;

    use super::*;

    #[test]
    fn what_is_to_spare_is_used_when_the_own_is_and_goes_back_first() {
        let spare = Arc::new(GreedyMemoryPool::new(100));
        let [one, other] = [(); 2].map(|()| {
            let pool: Arc<dyn MemoryPool> = Arc::new(OwnThenSpare::new(50, spare.clone()));
            MemoryConsumer::new("sort").register(&pool)
        });
        one.try_grow(50).unwrap();
        assert_eq!(spare.reserved(), 0);
        one.try_grow(80).unwrap();
        assert_eq!(spare.reserved(), 80);
        other.try_grow(50).unwrap();
        assert!(other.try_grow(30).is_err(), "its own is there whatever others have");
        one.shrink(90);
        assert_eq!(spare.reserved(), 0);
        other.try_grow(30).unwrap();
        drop(other);
        assert_eq!(spare.reserved(), 0);
        let none = Arc::new(GreedyMemoryPool::new(0));
        let pool: Arc<dyn MemoryPool> = Arc::new(OwnThenSpare::new(50, none));
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
        merge.try_grow(200).unwrap();
        assert!(MemoryConsumer::new("sort").register(&pool).try_grow(1).is_err(), "it counts");
    }
}
