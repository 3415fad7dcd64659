//! Two clients: one that watches, and one that writes and repeats nothing behind our back.
//!
//! Each call of the one that writes has a connection of HTTP/1.1 to itself while it lasts, so that none waits for
//! another. HTTP/2, with all calls on one connection, cost the API server about twice the processor time per bind.

use super::error::NoCluster;
use kube::{Client, Config};
use std::time::Duration;

/// The clients.
#[derive(Clone)]
pub struct Clients {
    /// Lists and watches; repeats by itself.
    pub watch: Client,
    /// Everything else; repeats nothing.
    pub write: Client,
}

/// Finds the API server: an explicit kubeconfig, else `KUBECONFIG` or `~/.kube/config`, else the pod's service account.
pub async fn connect(kubeconfig: Option<&std::path::Path>) -> Result<Clients, NoCluster> {
    Ok(connect_to(kubeconfig, None).await?.0)
}

/// The same by a context of the kubeconfig, with the namespace that the context names, `default` if it names none.
pub async fn connect_to(
    kubeconfig: Option<&std::path::Path>,
    context: Option<&str>,
) -> Result<(Clients, String), NoCluster> {
    // With `ring` chosen as a feature nothing installs it; the second call in one process is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = kube::config::KubeConfigOptions {
        context: context.map(str::to_owned),
        ..kube::config::KubeConfigOptions::default()
    };
    let config = match kubeconfig {
        Some(path) => {
            let file = kube::config::Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(file, &options).await?
        }
        None if context.is_some() => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    };
    let namespace = config.default_namespace.clone();
    Ok((from_config(config)?, namespace))
}

/// The clients of a configuration.
pub fn from_config(mut config: Config) -> Result<Clients, NoCluster> {
    config.connect_timeout = Some(Duration::from_secs(10));
    let watch = Client::try_from(config.clone())?;
    config.default_retry = false;
    let write = Client::try_from(config)?;
    Ok(Clients { watch, write })
}
