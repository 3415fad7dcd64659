//! From a request to an answer: what a path and a verb mean, and the ways of one object in and out.

use super::body::{body_object, named};
use super::request::{Body, Request, Response, Target, Verb};
use super::resource::{self, Resource, resources};
use super::watch::Watch;
use super::{Key, Object, Store};
use serde_json::{Value, json};

/// What a request comes to.
#[derive(Debug)]
pub enum Answer {
    /// It is answered.
    Done(Response),
    /// It is a watch: [`Store::next_events`] says what is to be sent.
    Watching(Box<Watch>),
}

/// What the API server has beneath objects and this one has not.
const NOT_DONE: [&str; 12] = [
    "scale",
    "log",
    "exec",
    "attach",
    "portforward",
    "proxy",
    "ephemeralcontainers",
    "resize",
    "token",
    "approval",
    "finalize",
    "ephemeral-containers",
];

impl Store {
    /// Answers a request.
    pub fn serve(&mut self, request: &Request) -> Answer {
        let Some(target) = Target::read(&request.path) else {
            return Answer::Done(Response::no_such_page());
        };
        if request.verb == Verb::Get
            && target.is_watch()
            && target.name.is_empty()
            && !target.plural.is_empty()
        {
            let watch = served(&target).and_then(|resource| self.watch(resource, &target));
            return watch.map_or_else(Answer::Done, |watch| Answer::Watching(Box::new(watch)));
        }
        let answer = self.answer(request, &target);
        Answer::Done(answer.unwrap_or_else(|refusal| refusal))
    }

    fn answer(&mut self, request: &Request, target: &Target) -> Result<Response, Response> {
        if target.plural.is_empty() {
            return if request.verb == Verb::Get { discover(target) } else { Err(Response::not_allowed()) };
        }
        let resource = served(target)?;
        let is_one = !target.name.is_empty();
        let by = request.by;
        match (request.verb, is_one, target.subresource.as_str()) {
            (_, true, "binding") if resource.name == "Pod" && request.verb == Verb::Post => {
                self.no_dry_run(target)?;
                self.bind_request(target, &request.body, by)
            }
            (_, true, "eviction") if resource.name == "Pod" && request.verb == Verb::Post => {
                self.no_dry_run(target)?;
                self.evict_request(target, &request.body, by)
            }
            (_, true, "status") if !resource.habits.status => Err(Response::no_such_resource()),
            (_, true, "binding" | "eviction") if resource.name == "Pod" => Err(Response::not_allowed()),
            (_, true, subresource) if !["", "status"].contains(&subresource) => {
                let known = NOT_DONE.contains(&subresource);
                Err(if known { Response::not_done(subresource) } else { Response::no_such_resource() })
            }
            (Verb::Get, false, _) => self.list(resource, target),
            (Verb::Get, true, _) => {
                self.not_in_the_future(target)?;
                let object = self.found(resource, &target.key(resource))?;
                Ok(Response::object(200, &object.value))
            }
            (Verb::Post, false, _) if !resource.namespaced || !target.namespace.is_empty() => {
                self.no_dry_run(target)?;
                self.create_request(resource, target, &request.body, by)
            }
            (Verb::Put, true, subresource) => {
                self.no_dry_run(target)?;
                let key = target.key(resource);
                let next = body_object(resource, target, &request.body)?;
                named(&next, target)?;
                if self.get(&key).is_none() && resource.habits.created_by_update && subresource.is_empty() {
                    return self.create_request(resource, target, &request.body, by);
                }
                self.replace(resource, &key, next, subresource, false, by)
            }
            (Verb::Patch, true, subresource) => {
                self.no_dry_run(target)?;
                self.patch_request(resource, target, request, subresource)
            }
            (Verb::Delete, true, "") => {
                let options = options(&request.body)?;
                self.delete_request(resource, target, &options, by)
            }
            (Verb::Delete, false, _) if !resource.namespaced || !target.namespace.is_empty() => {
                let options = options(&request.body)?;
                self.delete_collection(resource, target, &options, by)
            }
            _ => Err(Response::not_allowed()),
        }
    }

    fn no_dry_run(&self, target: &Target) -> Result<(), Response> {
        match target.parameter("dryRun") {
            None => Ok(()),
            Some(_) => Err(Response::not_done("a dry run")),
        }
    }

    pub(super) fn found(&self, resource: &Resource, key: &Key) -> Result<&Object, Response> {
        self.get(key).ok_or_else(|| Response::not_found(resource, &key.name))
    }
}

fn served(target: &Target) -> Result<&'static Resource, Response> {
    let is_known = resources().any(|resource| resource.has_version(&target.api_version));
    let unknown = || if is_known { Response::no_such_resource() } else { Response::no_such_page() };
    let resource = resource::served(&target.api_version, &target.plural).ok_or_else(unknown)?;
    if resource.namespaced == target.namespace.is_empty() && (resource.namespaced != target.name.is_empty()) {
        return Err(Response::no_such_resource());
    }
    Ok(resource)
}

fn options(body: &Body) -> Result<Value, Response> {
    match body {
        Body::None => Ok(Value::Null),
        Body::Json(options) => Ok(options.clone()),
        Body::Malformed(why) => Err(Response::bad_request(why.clone())),
    }
}

/// GET of a `group/version`.
fn discover(target: &Target) -> Result<Response, Response> {
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let mut resources = Vec::new();
    for resource in super::resource::resources().filter(|resource| resource.has_version(&target.api_version))
    {
        let mut row = json!({
            "name": resource.plural, "singularName": resource.name.to_lowercase(), "namespaced": resource.namespaced,
            "kind": resource.name, "verbs": verbs,
        });
        resources.push(row.clone());
        if resource.habits.status {
            row["name"] = format!("{}/status", resource.plural).into();
            row["singularName"] = "".into();
            row["verbs"] = json!(["get", "patch", "update"]);
            resources.push(row);
        }
    }
    if resources.is_empty() {
        return Err(Response::no_such_page());
    }
    let body = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": target.api_version, "resources": resources,
    });
    Ok(Response { code: 200, body })
}
