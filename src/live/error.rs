//! How the shell fails as a whole. What goes wrong with one call or one object is a value elsewhere.

/// No client could be made for the cluster.
#[derive(Debug, thiserror::Error)]
pub enum NoCluster {
    /// The kubeconfig file cannot be read, or does not say enough.
    #[error(transparent)]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Neither a kubeconfig nor a service account is here.
    #[error(transparent)]
    Nothing(#[from] kube::config::InferConfigError),
    /// The configuration is there, and no client can be made of it.
    #[error(transparent)]
    Client(#[from] kube::Error),
}

/// Why a leader ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Nothing is heard of the cluster any more.
    #[error("every watch has ended")]
    Watches,
    /// A task without which nothing goes on has ended.
    #[error("the task {name} has ended: {exit}")]
    Task {
        /// What it was for.
        name: &'static str,
        /// How it ended.
        exit: super::tasks::Exit,
    },
    /// Another may lead from now on.
    #[error("the lease is lost")]
    Lease,
    /// Another leads, and has sealed the journal.
    #[error("{holder} has sealed the journal in epoch {epoch}, and leads")]
    Sealed {
        /// Its epoch.
        epoch: u64,
        /// Who it is.
        holder: String,
    },
}
