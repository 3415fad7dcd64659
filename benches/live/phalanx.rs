//! The release binary as a child process.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running `phalanx run`. Dropping it ends it.
pub(crate) struct Phalanx(Child);

impl Phalanx {
    /// Starts it; it alone works on the cluster, so it need not ask for the lease.
    pub(crate) fn start(kubeconfig: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_phalanx"))
            .args(["run", "--leader-elect=false", "--listen-address", "", "--kubeconfig"])
            .arg(kubeconfig)
            .stdin(Stdio::null())
            .stderr(match std::env::var_os("PHALANX_LOG") {
                Some(_) => Stdio::inherit(),
                None => Stdio::null(),
            })
            .spawn()
            .expect("phalanx starts");
        Phalanx(child)
    }

    /// What the kernel says of its memory, peak included.
    pub(crate) fn resident(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let value = |key: &str| {
            let kib = status.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB"));
            kib.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default() / 1024
        };
        format!("{} MiB, at most {} MiB", value("VmRSS:"), value("VmHWM:"))
    }
}

impl Phalanx {
    /// Time on the processor so far, in hundredths of a second (USER_HZ), as the kernel counts it.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        // the second field, the name, may have spaces
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks =
            after_name.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }
}

impl Drop for Phalanx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
