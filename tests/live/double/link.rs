//! The way from one instance to an API server, and everything that can go wrong on it. The server is the double or a real
//! one: what happens to requests, answers and watches on the way is the same.

use super::devices::DEVICE_CLAIMS;
use super::dice::Dice;
use super::server::{Server, Target, refusal};
use axum::body::{Body, Bytes};
use futures::StreamExt;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use phalanx::live::client::Clients;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Who answers in the end.
#[derive(Clone)]
pub(crate) enum Upstream {
    Double(Server),
    Real(kube::Client),
}

/// Is the instance alive?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    /// It stands still: nothing leaves it and nothing reaches it, until it goes on.
    Paused,
    /// It is gone.
    Dead,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection breaks before it arrives.
    Lost,
    /// The connection breaks when it has taken effect.
    AnswerLost,
    /// It never arrives, and nobody says so.
    Hung,
    /// It takes effect, and nobody says so.
    AnswerHung,
    /// It takes effect so many milliseconds later, and nobody says so.
    Late(u64),
    /// 429 with `Retry-After`.
    TooMany,
    /// 503.
    Unavailable,
    /// It takes effect, and the answer is 500.
    ErrorAfter,
    /// 409, though nothing has changed.
    Conflict,
    /// 403.
    Forbidden,
}

/// All faults that a gang must outlive.
pub(crate) const FAULTS: [Fault; 10] = [
    Fault::Lost,
    Fault::AnswerLost,
    Fault::Hung,
    Fault::AnswerHung,
    Fault::Late(10_000),
    Fault::TooMany,
    Fault::Unavailable,
    Fault::ErrorAfter,
    Fault::Conflict,
    Fault::Forbidden,
];

/// How often things go wrong, in thousandths, for all links of a run.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    pub(crate) calls: AtomicU64,
    pub(crate) watches: AtomicU64,
    pub(crate) lag: AtomicU64,
    /// What has happened, to see that what should have been tried was.
    pub(crate) counts: Mutex<BTreeMap<String, u64>>,
}

impl Rates {
    pub(crate) fn add(&self, what: &str) {
        *self.counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }
}

pub(crate) struct Link {
    upstream: Upstream,
    condition: watch::Sender<Condition>,
    dice: Mutex<Dice>,
    rates: Arc<Rates>,
    /// Kinds whose next watch is told that its version has expired.
    expired: Mutex<BTreeSet<String>>,
    /// Kinds whose lists are served as of an earlier version, until they are watched.
    behind: Mutex<BTreeMap<String, u64>>,
    /// Binds, evictions and writes of the journal and of device claims so far, and what is to become of some.
    writes: AtomicU32,
    script: Mutex<BTreeMap<u32, Fault>>,
    /// At this write the instance begins to stand still: before it leaves, or when it is under way.
    pause_at: Mutex<Option<u32>>,
    latency: u64,
}

/// As the client's read timeout: a stream or an answer that has been silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(75);

fn broken() -> Error {
    Error::new(ErrorKind::ConnectionReset, "the connection is broken")
}

impl Link {
    pub(crate) fn new(upstream: Upstream, rates: Arc<Rates>, seed: u64) -> Arc<Self> {
        let mut dice = Dice::new(seed);
        let latency = [1, 10, 60, 300][dice.below(4)];
        Arc::new(Link {
            upstream,
            condition: watch::channel(Condition::Running).0,
            dice: Mutex::new(dice),
            rates,
            expired: Mutex::default(),
            behind: Mutex::default(),
            writes: AtomicU32::new(0),
            script: Mutex::default(),
            pause_at: Mutex::default(),
            latency,
        })
    }

    pub(crate) fn clients(self: &Arc<Self>) -> Clients {
        Clients { watch: self.client(), write: self.client() }
    }

    pub(crate) fn client(self: &Arc<Self>) -> kube::Client {
        let link = Arc::clone(self);
        let service = tower::service_fn(move |request| Arc::clone(&link).carry(request));
        kube::Client::new(service, "default")
    }

    pub(crate) fn set(&self, condition: Condition) {
        self.condition.send_if_modified(|now| {
            let dead = *now == Condition::Dead;
            std::mem::replace(now, if dead { *now } else { condition }) != *now
        });
    }

    pub(crate) fn is(&self, condition: Condition) -> bool {
        *self.condition.borrow() == condition
    }

    /// The first lists of these kinds are as of an earlier version, though nobody has allowed them to be: the caches of
    /// the API server are behind and it does not know.
    pub(crate) fn lists_as_of(&self, kinds: &[&str], version: u64) {
        self.behind.lock().unwrap().extend(kinds.iter().map(|kind| ((*kind).to_owned(), version)));
    }
    /// What is to become of the n-th write of a pod or of the journal from now, counted from 0.
    pub(crate) fn script(&self, n: u32, fault: Fault) {
        self.script.lock().unwrap().insert(self.writes.load(Ordering::SeqCst) + n, fault);
    }

    /// The instance stands still from its n-th write on, which is under way.
    pub(crate) fn pause_at(&self, n: u32) {
        *self.pause_at.lock().unwrap() = Some(self.writes.load(Ordering::SeqCst) + n);
    }

    /// It goes on, and will not stand still at a later write either.
    pub(crate) fn resume(&self) {
        *self.pause_at.lock().unwrap() = None;
        self.set(Condition::Running);
    }

    pub(crate) fn writes(&self) -> u32 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Waits while the instance stands still; for ever if it is gone.
    pub(crate) async fn go_on(&self) {
        let mut condition = self.condition.subscribe();
        let _ = condition.wait_for(|condition| *condition == Condition::Running).await;
    }

    async fn travel(&self) {
        let time = self.dice.lock().unwrap().range(0, self.latency);
        if time > 0 && matches!(self.upstream, Upstream::Double(_)) {
            sleep(Duration::from_millis(time)).await;
        }
    }

    async fn carry(self: Arc<Self>, request: Request<kube::client::Body>) -> Result<Response<Body>, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(Error::other)?.to_bytes();
        let mut target = Target::of(&parts.uri);
        if target.watch {
            self.behind.lock().unwrap().remove(&target.plural);
            return self.watch(parts, body, target).await;
        }
        if parts.method == Method::GET && target.name.is_empty() {
            target.as_of = self.behind.lock().unwrap().get(&target.plural).copied();
        }
        // Records, binds, evictions and device claims; statuses of others are not counted.
        let content = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
        let writes = parts.method != Method::GET
            && ["pods", "configmaps", DEVICE_CLAIMS].contains(&target.plural.as_str())
            && (target.subresource != "status" || target.plural == DEVICE_CLAIMS)
            && content.is_none_or(|content| !content.contains("json-patch"));
        let number = writes.then(|| self.writes.fetch_add(1, Ordering::SeqCst));
        if self.pause_at.lock().unwrap().is_some_and(|at| number.is_some_and(|number| number >= at)) {
            *self.pause_at.lock().unwrap() = None;
            self.set(Condition::Paused);
        }
        let fault = match number.and_then(|number| self.script.lock().unwrap().remove(&number)) {
            None => self.chance(&target, &parts.method),
            scripted => scripted,
        };
        if let Some(fault) = fault {
            let name = format!("{fault:?}");
            self.rates.add(&format!("calls: {}", name.split('(').next().unwrap_or_default()));
        }
        // Whoever asked may give up; what has left arrives all the same.
        let way = tokio::spawn(async move {
            self.go_on().await;
            self.travel().await;
            let answer = Arc::clone(&self).meet(fault, parts, body, target).await;
            self.travel().await;
            self.go_on().await;
            answer
        });
        way.await.map_err(Error::other)?
    }

    fn chance(&self, target: &Target, method: &Method) -> Option<Fault> {
        let mut dice = self.dice.lock().unwrap();
        if !dice.chance(self.rates.calls.load(Ordering::Relaxed)) {
            return None;
        }
        let fault = FAULTS[dice.below(FAULTS.len())];
        Some(match fault {
            Fault::Late(_) => Fault::Late(dice.range(100, 30_000)),
            Fault::Conflict if target.subresource != "binding" && *method != Method::PATCH => {
                Fault::Unavailable
            }
            Fault::Forbidden if target.plural == "leases" || *method == Method::GET => Fault::TooMany,
            fault => fault,
        })
    }

    async fn meet(
        self: Arc<Self>,
        fault: Option<Fault>,
        parts: Parts,
        body: Bytes,
        target: Target,
    ) -> Result<Response<Body>, Error> {
        match fault {
            None => self.forward(parts, body, &target).await,
            Some(Fault::Lost) => Err(broken()),
            Some(Fault::AnswerLost) => {
                self.forward(parts, body, &target).await?;
                Err(broken())
            }
            Some(Fault::Hung) => self.silence().await,
            Some(Fault::AnswerHung) => {
                self.forward(parts, body, &target).await?;
                self.silence().await
            }
            Some(Fault::Late(time)) => {
                sleep(Duration::from_millis(time)).await;
                self.forward(parts, body, &target).await?;
                self.silence().await
            }
            Some(Fault::TooMany) => {
                let mut answer = refusal(429, "TooManyRequests", "the server is busy");
                answer.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
                Ok(answer)
            }
            Some(Fault::Unavailable) => Ok(refusal(503, "ServiceUnavailable", "the server is not ready")),
            Some(Fault::ErrorAfter) => {
                self.forward(parts, body, &target).await?;
                Ok(refusal(500, "InternalError", "etcdserver: request timed out"))
            }
            Some(Fault::Conflict) => Ok(refusal(409, "Conflict", "please try again")),
            Some(Fault::Forbidden) => Ok(refusal(403, "Forbidden", "a webhook says no")),
        }
    }

    async fn silence(&self) -> Result<Response<Body>, Error> {
        sleep(SILENCE).await;
        Err(broken())
    }

    async fn forward(&self, parts: Parts, body: Bytes, target: &Target) -> Result<Response<Body>, Error> {
        match &self.upstream {
            Upstream::Double(server) => {
                let content =
                    parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
                Ok(server.serve(&parts.method, target, content, &body))
            }
            Upstream::Real(client) => {
                let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
                let answer = client.send(request).await.map_err(Error::other)?;
                let (parts, body) = answer.into_parts();
                if target.watch {
                    return Ok(Response::from_parts(parts, Body::new(body)));
                }
                // To the end, lest what came after a fault go on by itself.
                let body = body.collect().await.map_err(Error::other)?.to_bytes();
                Ok(Response::from_parts(parts, Body::from(body)))
            }
        }
    }

    async fn watch(
        self: Arc<Self>,
        parts: Parts,
        body: Bytes,
        target: Target,
    ) -> Result<Response<Body>, Error> {
        self.go_on().await;
        self.travel().await;
        if self.expired.lock().unwrap().remove(&target.plural) {
            self.rates.add("watches: expired");
            return Ok(refusal(410, "Expired", "too old resource version"));
        }
        let rate = self.rates.watches.load(Ordering::Relaxed);
        let refused = self.dice.lock().unwrap().chance(rate);
        if refused {
            self.rates.add("watches: refused");
            let which = self.dice.lock().unwrap().below(3);
            return match which {
                0 => Err(broken()),
                1 => Ok(refusal(503, "ServiceUnavailable", "the server is not ready")),
                _ => Ok(refusal(410, "Expired", "too old resource version")),
            };
        }
        let answer = self.forward(parts, body, &target).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let state = (self, body.into_data_stream(), target.plural, false);
        let stream = futures::stream::unfold(state, |(link, mut frames, plural, ended)| async move {
            if ended {
                return None;
            }
            let frame = match tokio::time::timeout(Duration::from_secs(300), frames.next()).await {
                Ok(Some(Ok(frame))) => frame,
                _ => return None,
            };
            let (lag, cut) = {
                let mut dice = link.dice.lock().unwrap();
                let lag = dice.chance(link.rates.lag.load(Ordering::Relaxed)).then(|| dice.range(100, 4_000));
                let cut = dice.chance(link.rates.watches.load(Ordering::Relaxed)).then(|| dice.below(5));
                (lag, cut)
            };
            if let Some(lag) = lag {
                link.rates.add("watches: lag");
                sleep(Duration::from_millis(lag)).await;
            }
            link.go_on().await;
            let half = frame.slice(..frame.len() / 2);
            let (frame, ended) = match cut {
                None => (Ok(frame), false),
                // Ends in good order, breaks, breaks in mid-line, ...
                Some(0) => (Ok(frame), true),
                Some(1) => (Err(broken()), true),
                Some(2) => (Ok(half), true),
                // ... leaves a gap that only a new list shows, or falls silent.
                Some(3) => {
                    link.expired.lock().unwrap().insert(plural.clone());
                    (Err(broken()), true)
                }
                Some(_) => {
                    sleep(SILENCE).await;
                    (Err(broken()), true)
                }
            };
            if let Some(cut) = cut {
                let name = ["ended", "broken", "cut in mid-line", "gap", "silent"][cut];
                link.rates.add(&format!("watches: {name}"));
            }
            Some((frame, (link, frames, plural, ended)))
        });
        Ok(Response::from_parts(head, Body::from_stream(stream)))
    }
}

/// The rates of a run.
pub(crate) fn rates(calls: u64, watches: u64, lag: u64) -> Arc<Rates> {
    Arc::new(Rates {
        calls: AtomicU64::new(calls),
        watches: AtomicU64::new(watches),
        lag: AtomicU64::new(lag),
        counts: Mutex::default(),
    })
}

impl Rates {
    /// From now on all is well.
    pub(crate) fn heal(&self) {
        [&self.calls, &self.watches, &self.lag].iter().for_each(|rate| rate.store(0, Ordering::Relaxed));
    }
}
