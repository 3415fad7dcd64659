//! Allocations and counts of random small worlds, against a reference that tries everything and judges each arrangement
//! as a whole.

use super::{Allocated, Catalogue, NodeView, Rules, Usage, Wanted, allocate, count};
use crate::api::device::{AllocationResult, DeviceClaim, DeviceClass, ResourceSlice};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A device: kind, root, unit of the counter that it charges, tainted, sharable with so much, in use.
#[derive(Clone, Debug)]
struct Gadget {
    kind: u8,
    root: u8,
    charge: u8,
    tainted: bool,
    shares: Option<u8>,
    used: bool,
}

/// What one entry of a request asks for.
#[derive(Clone, Debug)]
struct Entry {
    /// `None`: any kind.
    kind: Option<u8>,
    count: u8,
    tolerates: bool,
    /// Of the capacity of sharable devices.
    amount: Option<u8>,
}

/// Requests with entries by preference; what constrains all devices of the claim.
#[derive(Clone, Debug)]
struct Wish {
    requests: Vec<Vec<Entry>>,
    matches: bool,
    differs: bool,
}

#[derive(Clone, Debug)]
struct World {
    gadgets: Vec<Gadget>,
    budget: u8,
    wishes: Vec<Wish>,
}

fn gadget() -> impl Strategy<Value = Gadget> {
    let shares = prop_oneof![4 => Just(None), 1 => (1..4u8).prop_map(Some)];
    (0..2u8, 0..3u8, 0..3u8, prop::bool::weighted(0.2), shares, prop::bool::weighted(0.15)).prop_map(
        |(kind, root, charge, tainted, shares, used)| Gadget { kind, root, charge, tainted, shares, used },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let amount = prop_oneof![3 => Just(None), 1 => (1..3u8).prop_map(Some)];
    (prop::option::of(0..2u8), 1..3u8, prop::bool::weighted(0.3), amount)
        .prop_map(|(kind, count, tolerates, amount)| Entry { kind, count, tolerates, amount })
}

fn wish(requests: usize) -> impl Strategy<Value = Wish> {
    let entries = prop_oneof![3 => prop::collection::vec(entry(), 1), 1 => prop::collection::vec(entry(), 2)];
    let requests = prop::collection::vec(entries, 1..=requests);
    (requests, prop::bool::weighted(0.3), prop::bool::weighted(0.2))
        .prop_map(|(requests, matches, differs)| Wish { requests, matches, differs })
}

fn world(wishes: usize, requests: usize) -> impl Strategy<Value = World> {
    (prop::collection::vec(gadget(), 1..5), 0..5u8, prop::collection::vec(wish(requests), 1..=wishes))
        .prop_map(|(gadgets, budget, wishes)| World { gadgets, budget, wishes })
}

/// A device as an arrangement has it: wish, request, entry, device.
type Seat = (usize, usize, usize, usize);

impl World {
    fn catalogue(&self) -> Catalogue {
        let mut catalogue = Catalogue::default();
        let class = json!({ "metadata": { "name": "c" }, "spec": {} });
        catalogue.put_class(&serde_json::from_value::<DeviceClass>(class).unwrap());
        let devices = self.gadgets.iter().enumerate().map(|(at, it)| {
            let mut device = json!({
                "name": format!("d{at}"),
                "attributes": { "kind": { "int": it.kind }, "root": { "int": it.root } },
            });
            if it.charge > 0 {
                let counters = json!({ "units": { "value": it.charge.to_string() } });
                device["consumesCounters"] = json!([{ "counterSet": "set", "counters": counters }]);
            }
            if it.tainted {
                device["taints"] = json!([{ "key": "broken", "effect": "NoSchedule" }]);
            }
            if let Some(shares) = it.shares {
                device["allowMultipleAllocations"] = json!(true);
                device["capacity"] = json!({ "room": { "value": shares.to_string(),
                    "requestPolicy": { "default": "1", "validRange": { "min": "1" } } } });
            } else {
                device["capacity"] = json!({ "room": { "value": "2" } });
            }
            device
        });
        let pool = json!({ "name": "n", "generation": 1, "resourceSliceCount": 2 });
        let slices = [
            json!({ "driver": "x", "pool": pool, "nodeName": "n", "devices": devices.collect::<Vec<_>>() }),
            json!({ "driver": "x", "pool": pool, "nodeName": "n", "sharedCounters": [
                { "name": "set", "counters": { "units": { "value": self.budget.to_string() } } }] }),
        ];
        for (at, spec) in slices.into_iter().enumerate() {
            let slice = json!({ "metadata": { "name": format!("s{at}") }, "spec": spec });
            catalogue.put_slice(&serde_json::from_value::<ResourceSlice>(slice).unwrap());
        }
        catalogue
    }

    fn usage(&self) -> Usage {
        let used = self.gadgets.iter().enumerate().filter(|(_, it)| it.used);
        let results = used.map(|(at, _)| json!({ "driver": "x", "pool": "n", "device": format!("d{at}") }));
        let allocation = json!({ "devices": { "results": results.collect::<Vec<_>>() } });
        let mut usage = Usage::default();
        usage.add(&serde_json::from_value::<AllocationResult>(allocation).unwrap());
        usage
    }

    fn claims(&self) -> Vec<DeviceClaim> {
        let entry = |it: &Entry, name: Option<usize>| {
            let mut entry = json!({ "deviceClassName": "c", "count": it.count });
            if let Some(kind) = it.kind {
                let expression = format!("device.attributes[\"x\"].kind == {kind}");
                entry["selectors"] = json!([{ "cel": { "expression": expression } }]);
            }
            if it.tolerates {
                entry["tolerations"] = json!([{ "operator": "Exists" }]);
            }
            if let Some(amount) = it.amount {
                entry["capacity"] = json!({ "requests": { "room": amount.to_string() } });
            }
            if let Some(name) = name {
                entry["name"] = json!(format!("e{name}"));
            }
            entry
        };
        let claim = |wish: &Wish| {
            let requests = wish.requests.iter().enumerate().map(|(at, entries)| match &**entries {
                [one] => json!({ "name": format!("r{at}"), "exactly": entry(one, None) }),
                more => {
                    let all: Vec<Value> =
                        more.iter().enumerate().map(|(at, it)| entry(it, Some(at))).collect();
                    json!({ "name": format!("r{at}"), "firstAvailable": all })
                }
            });
            let mut constraints = Vec::new();
            if wish.matches {
                constraints.push(json!({ "matchAttribute": "x/root" }));
            }
            if wish.differs {
                constraints.push(json!({ "distinctAttribute": "x/root" }));
            }
            json!({ "requests": requests.collect::<Vec<_>>(), "constraints": constraints })
        };
        self.wishes.iter().map(|wish| serde_json::from_value(claim(wish)).unwrap()).collect()
    }

    /// Is an arrangement of all wishes right?
    fn is_right(&self, wishes: &[&Wish], seats: &[Seat]) -> bool {
        let mut times: BTreeMap<usize, u8> = BTreeMap::new();
        let mut room: BTreeMap<usize, u8> = BTreeMap::new();
        for &(wish, request, entry, device) in seats {
            let (entry, it) = (&wishes[wish].requests[request][entry], &self.gadgets[device]);
            let selected = entry.kind.is_none_or(|kind| kind == it.kind) && (!it.tainted || entry.tolerates);
            if !selected || it.used {
                return false;
            }
            *times.entry(device).or_default() += 1;
            match it.shares {
                Some(_) => *room.entry(device).or_default() += entry.amount.unwrap_or(1),
                None if entry.amount.is_some_and(|amount| amount > 2) => return false,
                None => {}
            }
        }
        let whole = times.iter().all(|(&device, &times)| self.gadgets[device].shares.is_some() || times == 1);
        let enough =
            room.iter().all(|(&device, &room)| self.gadgets[device].shares.is_some_and(|all| room <= all));
        let used = self.gadgets.iter().filter(|it| it.used).map(|it| it.charge);
        let charged: u8 = times.keys().map(|&device| self.gadgets[device].charge).chain(used).sum();
        let charges = times.keys().any(|&device| self.gadgets[device].charge > 0);
        let constrained = (0..wishes.len()).all(|at| {
            let roots = seats.iter().filter(|seat| seat.0 == at).map(|seat| self.gadgets[seat.3].root);
            let roots: Vec<u8> = roots.collect();
            let same = roots.windows(2).all(|pair| pair[0] == pair[1]);
            let differ = roots.iter().enumerate().all(|(at, root)| !roots[..at].contains(root));
            (!wishes[at].matches || same) && (!wishes[at].differs || differ)
        });
        whole && enough && constrained && (!charges || charged <= self.budget)
    }

    /// The first right arrangement: wishes and requests in order, entries by preference, devices ascending.
    fn first(&self, wishes: &[&Wish]) -> Option<Vec<Seat>> {
        let requests: Vec<(usize, usize)> = wishes
            .iter()
            .enumerate()
            .flat_map(|(at, wish)| (0..wish.requests.len()).map(move |request| (at, request)))
            .collect();
        self.try_all(wishes, &requests, &mut Vec::new())
    }

    fn try_all(&self, wishes: &[&Wish], left: &[(usize, usize)], seats: &mut Vec<Seat>) -> Option<Vec<Seat>> {
        let Some((&(wish, request), rest)) = left.split_first() else {
            return Some(seats.clone());
        };
        for (at, entry) in wishes[wish].requests[request].iter().enumerate() {
            let all = self.gadgets.len();
            let ones = (0..all).map(|a| vec![a]);
            let pairs = (0..all).flat_map(|a| (a + 1..all).map(move |b| vec![a, b]));
            let choices: Vec<Vec<usize>> = if entry.count == 1 { ones.collect() } else { pairs.collect() };
            for choice in choices {
                let before = seats.len();
                seats.extend(choice.into_iter().map(|device| (wish, request, at, device)));
                // What is wrong stays wrong, whatever comes.
                let found = self.is_right(wishes, seats).then(|| self.try_all(wishes, rest, seats)).flatten();
                seats.truncate(before);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }
}

fn on_node<R>(run: impl FnOnce(NodeView<'_>) -> R) -> R {
    run(NodeView { name: "n", label: &|_| None })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn an_allocation_is_the_first_of_all_that_are_right(world in world(2, 2)) {
        let claims = world.claims();
        let names: Vec<String> = (0..claims.len()).map(|at| format!("claim{at}")).collect();
        let wanted = names.iter().zip(&claims).map(|(name, devices)| Wanted { name, uid: name, devices });
        let wanted: Vec<Wanted<'_>> = wanted.collect();
        let found = on_node(|node| {
            allocate(&world.catalogue(), node, &world.usage(), &wanted, Rules::default())
        });
        let wishes: Vec<&Wish> = world.wishes.iter().collect();
        let given = match found {
            Ok(Allocated::All(results)) => Some(results.iter().flat_map(|result| &result.devices.results).map(|it| {
                (it.request.clone(), it.device.clone())
            }).collect::<Vec<_>>()),
            Ok(Allocated::No) => None,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        let asked = world.first(&wishes).map(|seats| {
            seats.iter().map(|&(wish, request, entry, device)| {
                let many = wishes[wish].requests[request].len() > 1;
                let entry = if many { format!("/e{entry}") } else { String::new() };
                (format!("r{request}{entry}"), format!("d{device}"))
            }).collect::<Vec<_>>()
        });
        prop_assert_eq!(given, asked);
    }

    #[test]
    fn a_count_is_what_fits_and_no_more(world in world(1, 2)) {
        let claims = world.claims();
        let wanted = [Wanted { name: "claim", uid: "u", devices: &claims[0] }];
        const LIMIT: u32 = 3;
        let counted = on_node(|node| {
            count(&world.catalogue(), node, &world.usage(), &[], &wanted, LIMIT, Rules::default())
        }).unwrap();
        let fits = |pods: u32| world.first(&vec![&world.wishes[0]; pods as usize]).is_some();
        let most = (1..=LIMIT).take_while(|&pods| fits(pods)).last().unwrap_or(0);
        prop_assert!(counted.is_exact);
        prop_assert_eq!(counted.pods, most);
    }
}
