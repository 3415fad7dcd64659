//! Expressions that select devices (CEL, as `k8s.io/dynamic-resource-allocation/cel` sets it up).
//!
//! Crate `cel` parses. Its interpreter knows no type check, no limit of cost and none of Kubernetes' types, and evaluates
//! no loop over keys and values; so its syntax tree is checked (`check`) and computed (`program`) here. Nothing is read
//! but the device: the same expression and device always give the same answer, and whoever asks often keeps it.

mod check;
mod functions;
mod macros;
mod program;
mod quantity;
mod semver;
mod signatures;
#[cfg(test)]
mod tests;
mod texts;
mod types;
mod value;

use crate::api::device::Device;
use check::Checker;
use program::{Machine, Node};
use types::Type;
pub(super) use value::{Value, describe};

/// Steps after which a computation stops: the API server's limit for selectors of devices.
const COST_LIMIT: u64 = 1_000_000;
/// Characters that an expression has at most, as the API server allows.
const LENGTH_LIMIT: usize = 10 * 1024;

/// Why an expression gives no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CelError {
    /// It is wrong, whatever the device.
    #[error("does not compile: {0}")]
    Compile(String),
    /// It is right, and this version does not evaluate a function that it uses.
    #[error("uses function {0}, which is not supported")]
    Unsupported(String),
    /// It fails on a device.
    #[error("{0}")]
    Runtime(String),
}

/// An expression that was parsed and checked.
#[derive(Debug)]
pub struct Program {
    root: Node,
}

impl Program {
    /// Parses and checks an expression over `device` that is true or false.
    pub fn compile(text: &str) -> Result<Program, CelError> {
        if text.len() > LENGTH_LIMIT {
            let message = format!("it has {} bytes; {LENGTH_LIMIT} are allowed", text.len());
            return Err(CelError::Compile(message));
        }
        let parser = cel::parser::Parser::new().enable_optional_syntax(true);
        let tree = parser.parse(text).map_err(|errors| {
            let all: Vec<String> = errors
                .errors
                .iter()
                .map(|error| format!("at {}:{}: {}", error.pos.0, error.pos.1, error.msg))
                .collect();
            CelError::Compile(all.join("; "))
        })?;
        match Checker::default().check(&tree)? {
            (Type::Bool | Type::Dyn, root) => Ok(Program { root }),
            (other, _) => Err(CelError::Compile(format!("it gives a {other}; a selector must give a bool"))),
        }
    }

    /// Does a device of a driver match?
    pub fn selects(&self, driver: &str, device: &Device) -> Result<bool, CelError> {
        self.matches(&describe(driver, device)?)
    }

    /// Does a device match? See [`describe`].
    pub(super) fn matches(&self, device: &Value) -> Result<bool, CelError> {
        match Machine::new(device).run(&self.root)? {
            Value::Bool(it) => Ok(it),
            other => Err(CelError::Runtime(format!("it gives a {}, not a bool", other.kind()))),
        }
    }
}
