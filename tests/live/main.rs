//! Tests against a real kube-apiserver and etcd with simulated kubelets. They need the binaries that
//! `tests/cluster/binaries` builds once; without them each says on standard error that it was skipped.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these tests are a shell: they run programs and wait"
)]

mod cluster;
#[cfg(feature = "live")]
mod conformance;
mod deploy;
#[cfg(feature = "live")]
mod devices;
#[cfg(feature = "live")]
mod dialects;
#[cfg(feature = "live")]
mod double;
#[cfg(feature = "live")]
mod e2e;
#[cfg(feature = "live")]
mod failover;
#[cfg(feature = "live")]
mod faults;
#[cfg(feature = "live")]
mod forged;
#[cfg(feature = "live")]
mod gateway;
#[cfg(feature = "live")]
mod hostile;
#[cfg(feature = "live")]
mod kill;
#[cfg(feature = "live")]
mod nominated;
#[cfg(feature = "live")]
mod phalanx;
mod queues;
#[cfg(feature = "live")]
mod series;
mod simulated;
#[cfg(feature = "live")]
mod sparing;
#[cfg(feature = "live")]
mod told;
#[cfg(feature = "live")]
mod volumes;
#[cfg(feature = "live")]
mod walkthrough;
