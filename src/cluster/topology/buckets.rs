//! Lists by index in two allocations.

/// Items by bucket; within a bucket in the order they came.
#[derive(Debug)]
pub(super) struct Buckets {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Buckets {
    /// From pairs of bucket and item; buckets are below `buckets`.
    pub(super) fn new(buckets: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0u32; buckets + 1];
        for (bucket, _) in pairs.clone() {
            starts[bucket as usize + 1] += 1;
        }
        for at in 0..buckets {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut items = vec![0u32; starts[buckets] as usize];
        for (bucket, item) in pairs {
            let slot = &mut next[bucket as usize];
            items[*slot as usize] = item;
            *slot += 1;
        }
        Buckets { starts, items }
    }

    /// The items of a bucket.
    pub(super) fn get(&self, bucket: u32) -> &[u32] {
        let at = bucket as usize;
        &self.items[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// Where each bucket begins, and the end; and the items.
    pub(super) fn into_parts(self) -> (Vec<u32>, Vec<u32>) {
        (self.starts, self.items)
    }
}
