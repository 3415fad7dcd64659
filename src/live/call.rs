//! One call to the API server, with a deadline and an honest answer.
//!
//! The client that writes retries nothing by itself: whether a write is repeated is for the state machines to say,
//! since they know what a lost reply means. [`Answer::Unknown`] is that lost reply.

use crate::engine::request::Verb;
use http::{Method, Request};
use kube::Client;
use serde_json::Value;
use std::time::Duration;

pub use crate::engine::Answer;

/// How long one call for a reservation may take.
pub const DEADLINE: Duration = Duration::from_secs(4);

/// What to ask.
#[derive(Clone, Debug)]
pub struct Call {
    /// The verb.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body; a text is JSON already, and is sent as it is.
    pub body: Option<Value>,
}

impl Call {
    /// Reads an object.
    pub fn get(path: String) -> Self {
        Call { method: Method::GET, path, content_type: "application/json", body: None }
    }

    /// Creates an object, or posts to a subresource.
    pub fn post(path: String, body: Value) -> Self {
        Call { method: Method::POST, path, content_type: "application/json", body: Some(body) }
    }

    /// Merges a patch into an object; fields that it does not name stay as they are.
    pub fn merge(path: String, body: Value) -> Self {
        Call { method: Method::PATCH, path, content_type: "application/merge-patch+json", body: Some(body) }
    }

    /// Replaces an object; the API server checks `metadata.resourceVersion`.
    pub fn put(path: String, body: Value) -> Self {
        Call { method: Method::PUT, path, content_type: "application/json", body: Some(body) }
    }

    /// Makes the call; gives up after `deadline`.
    pub async fn run(self, client: &Client, deadline: Duration) -> Answer {
        let asked = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (self.method.clone(), self.path.clone(), tokio::time::Instant::now()));
        let answer = match tokio::time::timeout(deadline, self.send(client)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Unknown(format!("no answer within {} s", deadline.as_secs())),
        };
        if let Some((method, path, sent)) = asked {
            let code = match &answer {
                Answer::Done(_) => 200,
                Answer::Refused { code, .. } => *code,
                Answer::Unknown(_) => 0,
            };
            tracing::debug!(%method, path, code, milliseconds = sent.elapsed().as_millis(), "call");
        }
        answer
    }

    async fn send(self, client: &Client) -> Answer {
        let body = match &self.body {
            Some(Value::String(text)) => text.clone().into_bytes(),
            Some(body) => body.to_string().into_bytes(),
            None => Vec::new(),
        };
        let request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(http::header::CONTENT_TYPE, self.content_type)
            .header(http::header::ACCEPT, "application/json")
            .body(kube::client::Body::from(body));
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                let message = format!("not a valid request: {error}");
                return Answer::Refused {
                    code: 400,
                    reason: "BadRequest".into(),
                    message,
                    retry_after: None,
                };
            }
        };
        let response = match client.send(request).await {
            Ok(response) => response,
            Err(error) => return Answer::Unknown(error.to_string()),
        };
        let code = response.status();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let bytes = match http_body_util::BodyExt::collect(response.into_body()).await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Answer::Unknown(error.to_string()),
        };
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if code.is_success() {
            return Answer::Done(value);
        }
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        Answer::Refused { code: code.as_u16(), reason: text("reason"), message: text("message"), retry_after }
    }
}

impl From<crate::engine::Request> for Call {
    fn from(request: crate::engine::Request) -> Call {
        let (method, content_type) = match request.verb {
            Verb::Get => (Method::GET, "application/json"),
            Verb::Create => (Method::POST, "application/json"),
            Verb::Merge => (Method::PATCH, "application/merge-patch+json"),
            Verb::Strategic => (Method::PATCH, "application/strategic-merge-patch+json"),
            Verb::JsonPatch => (Method::PATCH, "application/json-patch+json"),
            Verb::Delete => (Method::DELETE, "application/json"),
        };
        let path = request.path();
        Call { method, path, content_type, body: Some(request.body).filter(|body| !body.is_null()) }
    }
}
