//! A forest that grows at its leaves, with lowest common ancestors in logarithmic time at any depth.

/// Vertices by number, in the order they were added; 0 is the root of all. Each knows its parent and one ancestor
/// further up, chosen so that any ancestor is O(log depth) steps away (skew-binary jump pointers, after Myers 1983).
#[derive(Debug)]
pub(super) struct Forest {
    parents: Vec<u32>,
    depths: Vec<u32>,
    jumps: Vec<u32>,
}

impl Forest {
    /// Only the root.
    pub(super) fn new() -> Self {
        Forest { parents: vec![0], depths: vec![0], jumps: vec![0] }
    }

    /// Adds a vertex below another.
    pub(super) fn add(&mut self, parent: u32) -> u32 {
        let jump = self.jump(parent);
        let even = self.depth(parent) - self.depth(jump) == self.depth(jump) - self.depth(self.jump(jump));
        self.jumps.push(if even { self.jump(jump) } else { parent });
        self.depths.push(self.depth(parent) + 1);
        self.parents.push(parent);
        self.parents.len() as u32 - 1
    }

    pub(super) fn len(&self) -> usize {
        self.parents.len()
    }

    pub(super) fn parent(&self, vertex: u32) -> u32 {
        self.parents[vertex as usize]
    }

    /// Steps down from the root.
    pub(super) fn depth(&self, vertex: u32) -> u32 {
        self.depths[vertex as usize]
    }

    /// The lowest vertex that both are in.
    pub(super) fn common(&self, a: u32, b: u32) -> u32 {
        let (mut low, mut high) = if self.depth(a) >= self.depth(b) { (a, b) } else { (b, a) };
        while self.depth(low) > self.depth(high) {
            let jump = self.jump(low);
            low = if self.depth(jump) >= self.depth(high) { jump } else { self.parent(low) };
        }
        while low != high {
            let (low_jump, high_jump) = (self.jump(low), self.jump(high));
            (low, high) = if low_jump != high_jump {
                (low_jump, high_jump)
            } else {
                (self.parent(low), self.parent(high))
            };
        }
        low
    }

    fn jump(&self, vertex: u32) -> u32 {
        self.jumps[vertex as usize]
    }
}
