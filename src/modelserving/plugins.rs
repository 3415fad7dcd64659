//! Plugins: named steps that change a pod before it is created. A new one is a file with a [`Plugin`] and a line in
//! `BUILT_IN`. Source: kthena `pkg/model-serving-controller/plugins`.

mod demo_pod_tweaks;
mod lws;

use super::names::PodKey;
use crate::api::model_serving::{ModelServing, PluginScope, PluginSpec, PluginTarget, PluginType, Role};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Every plugin that there is.
const BUILT_IN: &[&dyn Plugin] = &[&demo_pod_tweaks::DemoPodTweaks, &lws::StandardLabels, &lws::Environment];

/// A step that changes pods before they are created.
pub trait Plugin: Sync {
    /// The name in `spec.plugins[].name`.
    fn name(&self) -> &'static str;
    /// Changes one pod. `config` is the plugin's own.
    fn pod_created(
        &self,
        config: Option<&Value>,
        pod: &PodContext<'_>,
        draft: &mut PodDraft,
    ) -> Result<(), String>;
}

/// Which pod it is.
#[derive(Clone, Copy, Debug)]
pub struct PodContext<'a> {
    /// The ModelServing.
    pub object: &'a ModelServing,
    /// The role.
    pub role: &'a Role,
    /// The place in it.
    pub key: PodKey<'a>,
}

/// A pod that is about to be created.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodDraft {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// The PodSpec.
    pub spec: Map<String, Value>,
}

/// A plugin that cannot do its work; no pod is created without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin}: {message}")]
pub struct PluginError {
    /// The plugin.
    pub plugin: String,
    /// What is wrong.
    pub message: String,
}

/// Runs the chain, in the order of `spec.plugins`. Controller keys stay what they are.
pub(crate) fn pod_created(
    object: &ModelServing,
    role: &Role,
    key: PodKey<'_>,
    draft: &mut PodDraft,
) -> Result<(), PluginError> {
    let context = PodContext { object, role, key };
    for spec in &object.spec.plugins {
        let fail = |message: String| PluginError { plugin: spec.name.clone(), message };
        let plugin = find(spec).map_err(fail)?;
        if !in_scope(spec.scope.as_ref(), &context) {
            continue;
        }
        let before = draft.clone();
        plugin.pod_created(spec.config.as_ref(), &context, draft).map_err(fail)?;
        keep_protected(&before.labels, &mut draft.labels);
        keep_protected(&before.annotations, &mut draft.annotations);
    }
    Ok(())
}

fn find(spec: &PluginSpec) -> Result<&'static dyn Plugin, String> {
    match &spec.type_ {
        None | Some(PluginType::BuiltIn) => {}
        Some(other) => return Err(format!("unsupported type {other}; the only one is BuiltIn")),
    }
    BUILT_IN.iter().copied().find(|plugin| plugin.name() == spec.name).ok_or_else(|| {
        let names: Vec<&str> = BUILT_IN.iter().map(|plugin| plugin.name()).collect();
        format!("unknown; there are {}", names.join(", "))
    })
}

fn in_scope(scope: Option<&PluginScope>, pod: &PodContext<'_>) -> bool {
    let Some(scope) = scope else { return true };
    let role = scope.roles.is_empty() || scope.roles.contains(&pod.role.name);
    role && match &scope.target {
        None | Some(PluginTarget::All) => true,
        Some(PluginTarget::Entry) => pod.key.index == 0,
        Some(PluginTarget::Worker) => pod.key.index > 0,
        Some(PluginTarget::Other(text)) => text.is_empty(),
    }
}

fn keep_protected(before: &BTreeMap<String, String>, after: &mut BTreeMap<String, String>) {
    after.retain(|key, _| !super::pods::is_protected(key));
    let own = before.iter().filter(|(key, _)| super::pods::is_protected(key));
    after.extend(own.map(|(key, value)| (key.clone(), value.clone())));
}

#[cfg(test)]
mod tests;
