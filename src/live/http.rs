//! `/livez`, `/readyz` and `/metrics`.
//!
//! Alive: the engine has gone round its loop recently. Ready: every watch has said all there is, and the Lease can be read.
//! Leadership is neither.

use super::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the engine tells the outside.
#[derive(Debug, Default)]
pub struct Health {
    /// What is in the way of being ready, by who says so.
    unready: Mutex<BTreeMap<&'static str, String>>,
    /// Seconds since the start of the process at which the engine last went round.
    pub beat: AtomicU64,
    /// Everything that is counted.
    pub metrics: Metrics,
}

impl Health {
    /// Somebody says what is in the way of being ready, or that nothing is.
    pub fn set_unready(&self, who: &'static str, why: Option<String>) {
        let mut unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(unready.insert(who, why)),
            None => drop(unready.remove(who)),
        }
    }

    /// What is in the way of being ready; empty if nothing is.
    pub fn unready(&self) -> Vec<String> {
        self.unready.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[derive(Clone)]
struct Shared {
    health: Arc<Health>,
    started: tokio::time::Instant,
}

/// A loop that has not gone round for this long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// Serves until the process ends.
pub async fn serve(
    address: std::net::SocketAddr,
    health: Arc<Health>,
    started: tokio::time::Instant,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving health and metrics");
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shared { health, started });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn livez(State(shared): State<Shared>) -> impl IntoResponse {
    let beat = Duration::from_secs(shared.health.beat.load(Ordering::Relaxed));
    if shared.started.elapsed().saturating_sub(beat) > DEAD_AFTER {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the engine has stopped\n");
    }
    (StatusCode::OK, "ok\n")
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    let unready = shared.health.unready();
    if unready.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, unready.join("\n") + "\n")
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], shared.health.metrics.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ready(health: &Arc<Health>) -> (StatusCode, String) {
        let shared = Shared { health: Arc::clone(health), started: tokio::time::Instant::now() };
        let answer = readyz(State(shared)).await.into_response();
        let status = answer.status();
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Ready only while nothing is in the way, and what is in the way is said.
    #[tokio::test]
    async fn not_ready_while_something_is_in_the_way() {
        let health = Arc::new(Health::default());
        assert_eq!(ready(&health).await.0, StatusCode::OK);
        health.set_unready("lease", Some("the Lease phalanx cannot be read".to_owned()));
        health.set_unready("watches", Some("not listed yet: csinodes".to_owned()));
        let (status, text) = ready(&health).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "the Lease phalanx cannot be read\nnot listed yet: csinodes\n");
        health.set_unready("watches", None);
        assert_eq!(ready(&health).await.0, StatusCode::SERVICE_UNAVAILABLE);
        health.set_unready("lease", None);
        assert_eq!(ready(&health).await.0, StatusCode::OK);
    }
}
