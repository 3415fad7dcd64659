//! How much memory this process takes, as the operating system counts it.

/// Resident memory in KiB, as Linux counts it; 0 elsewhere.
pub(crate) fn resident() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a bench measures the process it runs in")]
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
