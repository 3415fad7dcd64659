//! The Lease: reads and writes it as [`decide`] says, and lets everybody who writes ask whether they still may.

use super::call::{Answer, Call, DEADLINE};
use super::clock::Clock;
use super::http::Health;
use crate::reservation::lease::{Held, Lease, LeaseDecision, LeaseSettings, Seen, decide};
use kube::Client;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Where this instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody else leads, or nobody yet.
    Candidate,
    /// We lead.
    Leading(Held),
    /// We led, and no longer do: the process must end.
    Lost,
}

/// Says whether a write may be sent now.
#[derive(Clone)]
pub struct Gate {
    standing: watch::Receiver<Standing>,
    settings: LeaseSettings,
    clock: Clock,
    /// Without an election every write is allowed.
    always: bool,
}

impl Gate {
    /// A gate that follows an election.
    pub fn new(standing: watch::Receiver<Standing>, settings: LeaseSettings, clock: Clock) -> Self {
        Gate { standing, settings, clock, always: false }
    }

    /// A gate that is open for good: leader election is switched off.
    pub fn open(clock: Clock) -> Self {
        let (sender, standing) = watch::channel(Standing::Candidate);
        drop(sender);
        Gate { standing, settings: LeaseSettings::default(), clock, always: true }
    }

    /// How long a write may take: no longer than a successor waits after our last word.
    pub fn deadline(&self) -> Duration {
        DEADLINE.min(if self.always { Duration::MAX } else { self.settings.margin })
    }

    /// To be asked immediately before each write.
    pub fn may_write(&self) -> bool {
        if self.always {
            return true;
        }
        match *self.standing.borrow() {
            Standing::Leading(held) => held.may_write(&self.settings, self.clock.moment()),
            Standing::Candidate | Standing::Lost => false,
        }
    }
}

/// Which Lease, and who we are.
#[derive(Clone, Debug)]
pub struct Election {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// Differs between processes, restarts included.
    pub identity: String,
    /// Durations.
    pub settings: LeaseSettings,
}

impl Election {
    fn path(&self, name: &str) -> String {
        let base = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace);
        if name.is_empty() { base } else { format!("{base}/{name}") }
    }

    /// The Lease as it is to be. `acquired`: the acquireTime of a lease that is renewed.
    fn object(&self, epoch: u64, resource_version: Option<&str>, acquired: Option<&str>, now: &str) -> Value {
        let acquired = acquired.filter(|time| !time.is_empty()).unwrap_or(now);
        let mut metadata = json!({ "name": self.name, "namespace": self.namespace });
        if let Some(version) = resource_version {
            metadata["resourceVersion"] = version.into();
        }
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self.settings.duration.as_secs(),
                "leaseTransitions": epoch,
                "acquireTime": acquired, "renewTime": now,
            },
        })
    }

    /// Runs the election until leadership is lost, nobody listens, or `give_back` says that nothing of what was sent is on its
    /// way any more: then a lease that is ours is given back, and another may lead at once. Never leaves a lapsed leader
    /// believing in itself.
    pub async fn run(
        self,
        client: Client,
        clock: Clock,
        standing: watch::Sender<Standing>,
        health: Arc<Health>,
        give_back: impl Future<Output = ()>,
    ) {
        let mut held = None;
        tokio::select! {
            biased;
            () = give_back => {}
            () = self.lead(&client, clock, &standing, &health, &mut held) => return,
        }
        let _ = standing.send(Standing::Lost);
        if let Some(held) = held {
            self.give_back(&client, clock, held).await;
        }
    }

    /// Writes that nobody holds the Lease, if we still do.
    async fn give_back(&self, client: &Client, clock: Clock, held: Held) {
        let deadline = self.settings.margin.min(Duration::from_secs(2));
        let path = self.path(&self.name);
        let Answer::Done(value) = Call::get(path.clone()).run(client, deadline).await else { return };
        let lease = parse(&value);
        if lease.holder != self.identity || lease.transitions != held.epoch {
            return;
        }
        let (version, acquired) = (Some(lease.resource_version.as_str()), Some(lease.acquire_time.as_str()));
        let mut object = self.object(held.epoch, version, acquired, &clock.micro_time());
        // As client-go gives it back.
        object["spec"]["holderIdentity"] = "".into();
        object["spec"]["leaseDurationSeconds"] = 1.into();
        match Call::put(path, object).run(client, deadline).await {
            Answer::Done(_) => tracing::info!("the lease is given back"),
            answer => tracing::info!(?answer, "the lease is left to run out"),
        }
    }

    async fn lead(
        &self,
        client: &Client,
        clock: Clock,
        standing: &watch::Sender<Standing>,
        health: &Health,
        held: &mut Option<Held>,
    ) {
        let deadline = self.settings.margin.min(Duration::from_secs(5));
        let mut seen: Option<Seen> = None;
        health.set_unready("lease", Some(format!("the Lease {} has not been read yet", self.name)));
        loop {
            let read = match Call::get(self.path(&self.name)).run(client, deadline).await {
                Answer::Done(value) => Some(Some(parse(&value))),
                Answer::Refused { code: 404, .. } => Some(None),
                other => {
                    tracing::warn!(answer = ?other, "the Lease cannot be read");
                    health.set_unready("lease", Some(format!("the Lease {} cannot be read", self.name)));
                    None
                }
            };
            let now = clock.moment();
            if let Some(lease) = read {
                health.set_unready("lease", None);
                match &mut seen {
                    Some(seen) => seen.observe(lease, now),
                    None => seen = Some(Seen::first(lease, now)),
                }
            }
            let decision =
                seen.as_ref().map(|seen| decide(&self.settings, &self.identity, seen, held.as_ref(), now));
            let write = match decision {
                Some(LeaseDecision::Acquire { epoch, resource_version }) => {
                    let object = self.object(epoch, resource_version.as_deref(), None, &clock.micro_time());
                    let call = match resource_version {
                        Some(_) => Call::put(self.path(&self.name), object),
                        None => Call::post(self.path(""), object),
                    };
                    Some((epoch, call))
                }
                Some(LeaseDecision::Renew { resource_version }) => {
                    let epoch = held.map_or(0, |held| held.epoch);
                    let lease = seen.as_ref().and_then(|seen| seen.lease.as_ref());
                    let acquired = lease.map(|lease| lease.acquire_time.as_str());
                    let object = self.object(epoch, Some(&resource_version), acquired, &clock.micro_time());
                    Some((epoch, Call::put(self.path(&self.name), object)))
                }
                Some(LeaseDecision::Lost) => {
                    tracing::error!("leadership is lost");
                    let _ = standing.send(Standing::Lost);
                    return;
                }
                Some(LeaseDecision::WaitUntil(until)) => {
                    let wait = until.saturating_sub(clock.elapsed()).min(self.settings.renew_every);
                    tokio::time::sleep(wait.max(Duration::from_millis(50))).await;
                    continue;
                }
                None => None,
            };
            let mut renewed = false;
            if let Some((epoch, call)) = write {
                let sent = clock.moment();
                if let Answer::Done(value) = call.run(client, deadline).await {
                    renewed = true;
                    if let Some(seen) = &mut seen {
                        seen.observe(Some(parse(&value)), clock.moment());
                    }
                    if held.is_none() {
                        tracing::info!(epoch, identity = %self.identity, "leading");
                    }
                    *held = Some(Held { epoch, renewed: sent });
                    if standing.send(Standing::Leading(Held { epoch, renewed: sent })).is_err() {
                        return;
                    }
                }
            }
            let pause = if renewed { self.settings.renew_every } else { Duration::from_millis(500) };
            tokio::time::sleep(pause).await;
            if standing.is_closed() {
                return;
            }
        }
    }
}

fn parse(value: &Value) -> Lease {
    let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |path: &str| value.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    Lease {
        holder: text("/spec/holderIdentity"),
        transitions: number("/spec/leaseTransitions"),
        duration: Duration::from_secs(number("/spec/leaseDurationSeconds")),
        acquire_time: text("/spec/acquireTime"),
        renew_time: text("/spec/renewTime"),
        resource_version: text("/metadata/resourceVersion"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    fn election() -> Election {
        Election {
            namespace: "n".into(),
            name: "phalanx".into(),
            identity: "me".into(),
            settings: LeaseSettings::default(),
        }
    }

    /// A renewal says since when the lease has been held, and not that it has just been acquired.
    #[test]
    fn a_renewal_keeps_the_time_of_acquisition() {
        let first = election().object(3, None, None, "2026-08-21T10:00:00.000000Z");
        let lease = parse(&first);
        let now = "2026-08-21T10:00:02.000000Z";
        let renewed = election().object(3, Some("7"), Some(&lease.acquire_time), now);
        assert_eq!(renewed["spec"]["acquireTime"], "2026-08-21T10:00:00.000000Z");
        assert_eq!(renewed["spec"]["renewTime"], now);
        assert_eq!(renewed["metadata"]["resourceVersion"], "7");
    }

    /// Its holder may have renewed it just before the API server read it, however long ago the read was sent: a candidate
    /// that counted from there took over up to 5 s early.
    #[tokio::test(start_paused = true)]
    async fn a_lease_lasts_from_the_answer_that_shows_it() {
        let (taken, mut told) = tokio::sync::mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let taken = taken.clone();
            async move {
                let (code, body) = if request.method() == http::Method::GET {
                    sleep(Duration::from_secs(4)).await;
                    let mut lease = election().object(3, Some("7"), None, "t");
                    lease["spec"]["holderIdentity"] = "you".into();
                    (200, lease)
                } else {
                    let _ = taken.send(Instant::now());
                    (409, json!({}))
                };
                let body = kube::client::Body::from(body.to_string().into_bytes());
                let answer = http::Response::builder().status(code).body(body);
                Ok::<_, std::convert::Infallible>(answer.expect("a response"))
            }
        });
        let (standing, _leads) = watch::channel(Standing::Candidate);
        let began = Instant::now();
        let (client, health) = (Client::new(service, "n"), Arc::new(Health::default()));
        let run =
            election().run(client, Clock::start(), standing, Arc::clone(&health), std::future::pending());
        let election = tokio::spawn(run);
        let after = told.recv().await.expect("it takes over") - began;
        assert!(after >= Duration::from_secs(4 + 15), "after {after:?}");
        assert_eq!(health.unready(), [""; 0], "it can read the Lease");
        election.abort();
    }

    /// Who ends in order gives the lease back, and only its own: the epoch stays, and the next may lead at once.
    #[tokio::test(start_paused = true)]
    async fn a_lease_is_given_back() {
        let lease = Arc::new(std::sync::Mutex::new((json!({ "metadata": { "resourceVersion": "1" } }), 1)));
        let service = tower::service_fn({
            let lease = Arc::clone(&lease);
            move |request: http::Request<kube::client::Body>| {
                let lease = Arc::clone(&lease);
                async move {
                    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
                    let sent = request.into_body().collect_bytes().await.expect("a body");
                    let mut kept = lease.lock().expect("one thread");
                    let (code, body) = if path.contains("podgroups") {
                        (404, json!({}))
                    } else {
                        if method != http::Method::GET {
                            let version = kept.1 + 1;
                            let mut object: Value = serde_json::from_slice(&sent).expect("JSON");
                            object["metadata"]["resourceVersion"] = version.to_string().into();
                            *kept = (object, version);
                        }
                        (200, kept.0.clone())
                    };
                    let body = kube::client::Body::from(body.to_string().into_bytes());
                    let answer = http::Response::builder().status(code).body(body);
                    Ok::<_, std::convert::Infallible>(answer.expect("a response"))
                }
            }
        });
        let (client, health) = (Client::new(service, "n"), Arc::new(Health::default()));
        let (standing, mut leads) = watch::channel(Standing::Candidate);
        let (end, ends) = tokio::sync::oneshot::channel::<()>();
        let ends = async { drop(ends.await) };
        let run = tokio::spawn(election().run(client, Clock::start(), standing, health, ends));
        let is_leading = |standing: &Standing| matches!(standing, Standing::Leading(_));
        leads.wait_for(is_leading).await.expect("it leads");
        let epoch = lease.lock().expect("one thread").0["spec"]["leaseTransitions"].clone();
        end.send(()).expect("it listens");
        run.await.expect("it ends");
        assert_eq!(*leads.borrow(), Standing::Lost, "nothing is written any more");
        let left = &lease.lock().expect("one thread").0;
        assert_eq!(
            (&left["spec"]["holderIdentity"], &left["spec"]["leaseTransitions"]),
            (&"".into(), &epoch)
        );
        let seen = Seen::first(Some(parse(left)), Clock::start().moment());
        let settings = LeaseSettings::default();
        let next = decide(&settings, "next", &seen, None, Clock::start().moment());
        assert!(matches!(next, LeaseDecision::Acquire { .. }), "{next:?}");
    }

    /// Who may not read the Lease is not ready, and says so.
    #[tokio::test(start_paused = true)]
    async fn a_lease_that_cannot_be_read_is_said() {
        let service = tower::service_fn(|request: http::Request<kube::client::Body>| async move {
            let code = if request.uri().path().contains("podgroups") { 404 } else { 403 };
            let body = json!({ "kind": "Status", "reason": "Forbidden", "message": "no", "code": code });
            let body = kube::client::Body::from(body.to_string().into_bytes());
            let answer = http::Response::builder().status(code).body(body);
            Ok::<_, std::convert::Infallible>(answer.expect("a response"))
        });
        let (standing, _leads) = watch::channel(Standing::Candidate);
        let (client, health) = (Client::new(service, "n"), Arc::new(Health::default()));
        let (shown, never) = (Arc::clone(&health), std::future::pending());
        let run = tokio::spawn(election().run(client, Clock::start(), standing, health, never));
        sleep(Duration::from_secs(30)).await;
        assert_eq!(shown.unready(), ["the Lease phalanx cannot be read"]);
        run.abort();
    }
}
