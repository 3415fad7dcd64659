//! Tests against a real kube-apiserver and etcd with simulated kubelets. They need the binaries that
//! `tests/cluster/binaries` builds once; without them each says on standard error that it was skipped.

mod cluster;
mod deploy;
mod simulated;
