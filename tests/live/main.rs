//! Tests against a real kube-apiserver and etcd with simulated kubelets. They need the binaries that
//! `tests/cluster/binaries` builds once; without them each says on standard error that it was skipped.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these tests are a shell: they run programs and wait"
)]

mod cluster;
#[cfg(feature = "cluster")]
mod conformance;
mod deploy;
#[cfg(feature = "cluster")]
mod double;
#[cfg(feature = "cluster")]
mod e2e;
#[cfg(feature = "cluster")]
mod failover;
#[cfg(feature = "cluster")]
mod faults;
#[cfg(feature = "cluster")]
mod gateway;
#[cfg(feature = "cluster")]
mod hostile;
#[cfg(feature = "cluster")]
mod kill;
#[cfg(feature = "cluster")]
mod nominated;
#[cfg(feature = "cluster")]
mod phalanx;
#[cfg(feature = "cluster")]
mod series;
mod simulated;
#[cfg(feature = "cluster")]
mod sparing;
#[cfg(feature = "cluster")]
mod told;
#[cfg(feature = "cluster")]
mod volumes;
#[cfg(feature = "cluster")]
mod walkthrough;
