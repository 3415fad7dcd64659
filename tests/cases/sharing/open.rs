//! Cases that are not right yet, each with its reason.

/// Running gangs are not moved yet.
const MOVES: &str = "gangs are not moved yet (sharing.consolidate)";

/// The report shows the classes after what was decided.
const LATER: &str = "the class of a gang that stays is shown as it is after the decisions, not before";

/// The case, and what it waits for.
pub(crate) const OPEN: [(&str, &str); 13] = [
    ("CON-04", MOVES),
    ("CON-05", MOVES),
    ("CON-08", MOVES),
    ("CON-12", MOVES),
    ("CON-13", MOVES),
    ("CON-15", MOVES),
    ("CON-17", MOVES),
    ("CON-18", MOVES),
    ("CON-19", MOVES),
    ("RCL-07", LATER),
    ("ELA-09", LATER),
    ("MINRT-12", LATER),
    ("NEV-12", "a gang without a class has the highest priority of its pods, here system-node-critical"),
];
