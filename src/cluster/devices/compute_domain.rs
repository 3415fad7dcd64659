//! What is known of ComputeDomains, NVIDIA's multi-node NVLink: claims to a channel name the domain that they are for, and a
//! node serves one domain at a time.
//!
//! Semantics: `kubernetes-sigs/dra-driver-nvidia-gpu`. The node gets its label after the first channel pod is bound to it, so
//! that nothing may wait for the label; a node that has it for another domain refuses to prepare the claim until the label is
//! gone. Nothing else but that label tells a scheduler so. The driver's daemon pod comes after the bind, and takes a pod's place.

use crate::api::core::{NodeSelector, NodeSelectorTerm};
use crate::api::device::DeviceClaim;
use crate::api::meta::{LabelSelectorRequirement, SelectorOperator};

/// The driver that gives channels.
const DRIVER: &str = "compute-domain.nvidia.com";
/// Label of nodes: the ComputeDomain that it serves, by uid.
const LABEL: &str = "resource.nvidia.com/computeDomain";

/// The uid of the ComputeDomain that a claim asks a channel of.
fn domain(claim: &DeviceClaim) -> Option<&str> {
    claim.config.iter().find_map(|config| {
        let opaque = config.opaque.as_ref()?;
        let parameters = &opaque["parameters"];
        let is_channel = opaque["driver"] == DRIVER && parameters["kind"] == "ComputeDomainChannelConfig";
        parameters["domainID"].as_str().filter(|id| is_channel && !id.is_empty())
    })
}

/// Which nodes may serve the claim, as far as ComputeDomains go: those that serve its own or none.
pub(super) fn selector(claim: &DeviceClaim) -> Option<NodeSelector> {
    let domain = domain(claim)?;
    let term = |operator, values| NodeSelectorTerm {
        match_expressions: vec![LabelSelectorRequirement { key: LABEL.to_owned(), operator, values }],
        match_fields: Vec::new(),
    };
    Some(NodeSelector {
        node_selector_terms: vec![
            term(SelectorOperator::DoesNotExist, Vec::new()),
            term(SelectorOperator::In, vec![domain.to_owned()]),
        ],
    })
}
