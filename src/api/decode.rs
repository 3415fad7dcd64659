//! From a JSON object to a type of this room, with an error that a person can act on: which object, which field, what is
//! wrong, what would be right. A malformed object never stops others: whoever reads many reports this and goes on.

#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object that is not what its kind should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The object as far as it says what it is: `Pod default/worker-0`; empty if it says nothing.
    pub object: String,
    /// The field, as `spec.members[0].type`; empty for the whole object.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub remedy: String,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [&self.object, &self.path] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {}

/// Reads an object. Fields that the type does not know are ignored, values of enums that it does not know are kept.
pub fn decode<T: DeserializeOwned>(object: &Value) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(object).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        DecodeError {
            object: identity(object),
            path: if path == "." { String::new() } else { path },
            remedy: remedy(&message),
            message,
        }
    })
}

/// `Kind namespace/name`, as far as the object says.
pub fn identity(object: &Value) -> String {
    let text =
        |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = match (text("/metadata/namespace"), text("/metadata/name")) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        (_, name) => name.map(str::to_owned),
    };
    let parts = [text("/kind").map(str::to_owned), name];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What to write instead, read off the decoder's message.
fn remedy(message: &str) -> String {
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("add {}", field.trim_matches('`'));
    }
    if message.contains("untagged enum IntOrString") {
        return "write a number or a percentage such as 25%".to_owned();
    }
    let Some((_, expected)) = message.rsplit_once("expected ") else { return String::new() };
    let expected = expected.split(" at line ").next().unwrap_or(expected);
    match expected {
        "a string" if !message.contains("map") && !message.contains("sequence") => {
            "put it in quotes".to_owned()
        }
        "a string" => "write a text".to_owned(),
        "a boolean" => "write true or false, without quotes".to_owned(),
        "i32" => "write a whole number from -2147483648 to 2147483647, without quotes".to_owned(),
        "i64" | "u32" | "u64" => "write a whole number, without quotes".to_owned(),
        "a sequence" => "write a list".to_owned(),
        "a map" => "write keys and values".to_owned(),
        _ if expected.starts_with("struct ") => "write keys and values".to_owned(),
        _ => format!("write {expected}"),
    }
}
