//! Every limit of the search, what it bounds, and what happens beyond it. No limit is a time: the same input takes the
//! same steps. A limit never makes an answer wrong; beyond one, an answer is said to be cut short.
//!
//! What a user may set is [`PlacementRules::search_budget`]; these are the others. Limits that only keep numbers from
//! overflowing stand where the numbers do.
//!
//! [`PlacementRules::search_budget`]: super::PlacementRules::search_budget

/// The limits.
pub(super) struct Limits;

impl Limits {
    /// Classes whose slot counts are kept. Beyond, the ones asked for least recently are counted anew.
    pub(super) const CLASSES: usize = 64;

    /// Steps of `least` for one decision, a few nanoseconds each. Beyond, `NodeScore` is what the best nodes of the domains
    /// cost that `cover` chooses.
    pub(super) const LEAST_STEPS: u64 = 1 << 18;

    /// Covers that `mixed` tries from above. Beyond, it enumerates.
    pub(super) const COVERS: u64 = 64;

    /// Domains of one tier that `mixed` searches. Beyond, the answer is cut short.
    pub(super) const MIXED_DOMAINS: usize = 64;

    /// Costs that `mixed` enumerates. Beyond, the answer is cut short.
    pub(super) const MIXED_COSTS: i64 = 1 << 14;

    /// Bins times sizes up to which `packing` searches: it recurses that deep. Beyond, best fit decides and "no" is not
    /// proven.
    pub(super) const PACKING_DEPTH: usize = 1 << 12;

    /// Domains in which `general` tries to place all pods. Beyond, it places as many as it can.
    pub(super) const ATTEMPTS: usize = 48;

    /// Domains of one tier in which all pods were placed, before `general` looks no further for a cheaper one.
    pub(super) const SUCCESSES: usize = 4;

    /// Regions in which `general` places as many pods as it can. Beyond, regions that hold fewer pods by counts are not
    /// tried.
    pub(super) const REGIONS: usize = 32;

    /// Homes that are tried for a subgroup. Beyond, it counts as not placed.
    pub(super) const HOMES: usize = 16;

    /// Homes that are looked at for a subgroup whose pods depend on each other's places: most of them may be shut.
    pub(super) const COUPLED_HOMES: usize = 256;

    /// Pods up to which a subgroup of several kinds is packed evenly where kind by kind fails.
    pub(super) const EVENLY: u32 = 1024;

    /// Loads to which no pod can be added that are listed for a cell. Beyond, each load is packed by itself.
    pub(super) const FULL_LOADS: usize = 256;

    /// Comparisons of two loads that count as one cell looked at.
    pub(super) const COMPARED: u64 = 16;

    /// Nodes of a cell that are looked at for one distribution of pods over them. Beyond, they count as not fitting, and
    /// nothing that follows from it is proven.
    pub(super) const ROOM_STEPS: u64 = 400;

    /// Items that the pods without a policy make up in `search`, about. Beyond, several pods are placed as one.
    pub(super) const LOOSE_ITEMS: u32 = 64;

    /// Shapes of items up to which `search` makes a table. Beyond, nothing is exhausted.
    pub(super) const SHAPES: usize = 8;

    /// Full choices of items for a cell up to which `search` makes a table.
    pub(super) const COLUMNS: usize = 256;

    /// Entries that the tables of a domain have at most, all cells together.
    pub(super) const TABLE: usize = 1 << 23;

    /// Entries of tables that count as one cell looked at: a fraction of a nanosecond each.
    pub(super) const TABLE_ENTRIES: u64 = 256;

    /// Placements of most subgroups by a table that `search` completes, to begin with.
    pub(super) const COMPLETED: usize = 6;

    /// Of the steps of `search`, tables take one in so many. A table that would take more is not made.
    pub(super) const TABLE_SHARE: u64 = 2;

    /// Subgroups up to which tables have several of them lie in more than one cell of a domain. Beyond, they are searched.
    pub(super) const WIDE: u32 = 4;

    /// Domains of which `search` makes a table, at most. Beyond, nothing is exhausted.
    pub(super) const TABLES: usize = 64;

    /// Cells looked at that count as one step of `search`.
    pub(super) const STEP: u64 = 8;

    /// Domains of one tier that `search` begins in, the tightest first. Beyond, the others are not tried.
    pub(super) const SEARCHED: usize = 8;

    /// Domains that `search` goes on with, those where it began best.
    pub(super) const DEEPENED: usize = 3;

    /// Constructions that `search` begins with in a domain, at least and at most.
    pub(super) const LEAST_STARTS: usize = 2;
    /// See [`Limits::LEAST_STARTS`].
    pub(super) const STARTS: usize = 24;

    /// Steps of ruin and recreate that better nothing, after which `search` goes back to the best.
    pub(super) const IDLE: u64 = 64;

    /// Constructions of a gang whose pods depend on each other's places, after one of them has placed all.
    pub(super) const COUPLED_STARTS: usize = 24;

    /// Of the steps of `search`, one in so many is taken before it gives up a gang whose minima it has not met.
    pub(super) const REFUSED: u64 = 4;

    /// Of the steps of `search`, one in so many is taken where it is asked what would be, if.
    pub(super) const SUPPOSED: u64 = 64;

    /// Placements that are looked at before `search`, where the case is small. Beyond, `search` comes first.
    pub(super) const EXACT_FIRST: u64 = 1_000;

    /// Pods and nodes up to which every placement is looked at. Beyond, that has no prospect of an end.
    pub(super) const EXACT_PODS: u64 = 32;
    /// See [`Limits::EXACT_PODS`].
    pub(super) const EXACT_NODES: usize = 64;
}
