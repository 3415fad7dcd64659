//! The Lease: reads and writes it as [`decide`] says, and lets everybody who writes ask whether they still may.

use super::call::{Answer, Call, DEADLINE};
use super::clock::Clock;
use crate::reservation::lease::{Held, Lease, LeaseDecision, LeaseSettings, Seen, decide};
use kube::Client;
use serde_json::{Value, json};
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

    fn object(&self, epoch: u64, resource_version: Option<&str>, clock: &Clock) -> Value {
        let now = clock.micro_time();
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
                "acquireTime": now, "renewTime": now,
            },
        })
    }

    /// Runs the election until leadership is lost or nobody listens. Never leaves a lapsed leader believing in itself.
    pub async fn run(self, client: Client, clock: Clock, standing: watch::Sender<Standing>) {
        let deadline = self.settings.margin.min(Duration::from_secs(5));
        let mut seen: Option<Seen> = None;
        let mut held: Option<Held> = None;
        let least_epoch = super::recovery::least_epoch(&client).await;
        loop {
            let before = clock.moment();
            let read = match Call::get(self.path(&self.name)).run(&client, deadline).await {
                Answer::Done(value) => Some(Some(parse(&value))),
                Answer::Refused { code: 404, .. } => Some(None),
                other => {
                    tracing::warn!(answer = ?other, "the Lease cannot be read");
                    None
                }
            };
            if let Some(lease) = read {
                match &mut seen {
                    Some(seen) => seen.observe(lease, before),
                    None => seen = Some(Seen::first(lease, before)),
                }
            }
            let now = clock.moment();
            let decision = seen
                .as_ref()
                .map(|seen| decide(&self.settings, &self.identity, seen, held.as_ref(), least_epoch, now));
            let write = match decision {
                Some(LeaseDecision::Acquire { epoch, resource_version }) => {
                    let object = self.object(epoch, resource_version.as_deref(), &clock);
                    let call = match resource_version {
                        Some(_) => Call::put(self.path(&self.name), object),
                        None => Call::post(self.path(""), object),
                    };
                    Some((epoch, call))
                }
                Some(LeaseDecision::Renew { resource_version }) => {
                    let epoch = held.map_or(0, |held| held.epoch);
                    let object = self.object(epoch, Some(&resource_version), &clock);
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
                if let Answer::Done(value) = call.run(&client, deadline).await {
                    renewed = true;
                    if let Some(seen) = &mut seen {
                        seen.observe(Some(parse(&value)), clock.moment());
                    }
                    if held.is_none() {
                        tracing::info!(epoch, identity = %self.identity, "leading");
                    }
                    held = Some(Held { epoch, renewed: sent });
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
        renew_time: text("/spec/renewTime"),
        resource_version: text("/metadata/resourceVersion"),
    }
}
