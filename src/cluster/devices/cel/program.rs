//! A checked expression, and how it is computed.
//!
//! Semantics: cel-spec. `&&` and `||` absorb an error of one side where the other decides; a missing domain of a device
//! reads as empty, any other missing name is an error. Each node costs one step, making a list ten and a map thirty, and
//! texts cost by their length: beyond [`COST_LIMIT`] the computation stops with an error, as the API server's would.

use super::check::Name;
use super::functions;
use super::value::{Map, Value};
use super::{COST_LIMIT, CelError};
use crate::words::counted;
use regex::Regex;
use std::sync::Arc;

/// What computes a value.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Value),
    /// A variable by its place.
    Local(usize),
    Device,
    Select(Box<Node>, Value),
    Has(Box<Node>, Value),
    OptionalSelect(Box<Node>, Value),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Not(Box<Node>),
    NotFalse(Box<Node>),
    Choice(Box<(Node, Node, Node)>),
    /// Elements, and whether each is optional.
    List(Vec<(Node, bool)>),
    Map(Vec<(Node, Node, bool)>),
    Call(Name, Vec<Node>, Option<Regex>),
    Fold(Box<Fold>),
    Bind(Box<(Node, Node)>),
    /// Value and body; flat if the body is optional itself.
    OptionalMap(Box<(Node, Node)>, bool),
}

/// A loop: what is accumulated, and how.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) range: Node,
    /// Key and value, or index and element, instead of one of them.
    pub(super) has_two: bool,
    pub(super) start: Node,
    pub(super) goes_on: Node,
    pub(super) step: Node,
    pub(super) result: Node,
}

/// One computation.
pub(super) struct Machine<'a> {
    pub(super) device: &'a Value,
    pub(super) cost: u64,
    locals: Vec<Result<Value, CelError>>,
}

type Computed = Result<Value, CelError>;

fn fails<T>(message: impl Into<String>) -> Result<T, CelError> {
    Err(CelError::Runtime(message.into()))
}

impl<'a> Machine<'a> {
    pub(super) fn new(device: &'a Value) -> Self {
        Machine { device, cost: 0, locals: Vec::new() }
    }

    /// Takes so many steps.
    pub(super) fn pay(&mut self, cost: u64) -> Result<(), CelError> {
        self.cost = self.cost.saturating_add(cost);
        match self.cost > COST_LIMIT {
            true => fails(format!("the expression takes more than {}", counted(COST_LIMIT, "step"))),
            false => Ok(()),
        }
    }

    pub(super) fn run(&mut self, node: &Node) -> Computed {
        self.pay(1)?;
        match node {
            Node::Constant(value) => Ok(value.clone()),
            Node::Local(at) => self.locals[*at].clone(),
            Node::Device => Ok(self.device.clone()),
            Node::Select(operand, field) => select(&self.run(operand)?, field),
            Node::Has(operand, field) => has(&self.run(operand)?, field),
            Node::OptionalSelect(operand, field) => optional_select(&self.run(operand)?, field),
            Node::And(sides) => self.absorbing(&sides.0, &sides.1, false),
            Node::Or(sides) => self.absorbing(&sides.0, &sides.1, true),
            Node::Not(operand) => match self.run(operand)? {
                Value::Bool(it) => Ok(Value::Bool(!it)),
                other => fails(format!("! takes bool, not {}", other.kind())),
            },
            Node::NotFalse(operand) => {
                let value = self.run(operand);
                self.pay(0)?;
                Ok(Value::Bool(!matches!(value, Ok(Value::Bool(false)))))
            }
            Node::Choice(parts) => match self.run(&parts.0)? {
                Value::Bool(true) => self.run(&parts.1),
                Value::Bool(false) => self.run(&parts.2),
                other => fails(format!("?: takes bool, not {}", other.kind())),
            },
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Call(name, arguments, pattern) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.run(argument)?);
                }
                functions::call(self, name, &values, pattern.as_ref())
            }
            Node::Fold(fold) => self.fold(fold),
            Node::Bind(parts) => {
                let value = self.run(&parts.0);
                self.with(value, |machine| machine.run(&parts.1))
            }
            Node::OptionalMap(parts, is_flat) => match self.run(&parts.0)? {
                Value::Optional(None) => Ok(Value::Optional(None)),
                Value::Optional(Some(value)) => {
                    let made = self.with(Ok((*value).clone()), |machine| machine.run(&parts.1))?;
                    Ok(if *is_flat { made } else { Value::Optional(Some(Arc::new(made))) })
                }
                other => fails(format!("an optional value is asked for, not {}", other.kind())),
            },
        }
    }

    fn with<R>(&mut self, value: Computed, run: impl FnOnce(&mut Self) -> R) -> R {
        self.locals.push(value);
        let result = run(self);
        self.locals.pop();
        result
    }

    /// `&&` (decided by false) or `||` (decided by true).
    fn absorbing(&mut self, left: &Node, right: &Node, decides: bool) -> Computed {
        let first = self.run(left);
        if matches!(first, Ok(Value::Bool(it)) if it == decides) {
            return first;
        }
        self.pay(0)?;
        let second = self.run(right);
        match (first, second) {
            (_, Ok(Value::Bool(it))) if it == decides => Ok(Value::Bool(it)),
            (Ok(Value::Bool(_)), Ok(Value::Bool(it))) => Ok(Value::Bool(it)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(Value::Bool(_)), Ok(other)) | (Ok(other), _) => {
                fails(format!("&& and || take bool, not {}", other.kind()))
            }
        }
    }

    fn list(&mut self, elements: &[(Node, bool)]) -> Computed {
        self.pay(10)?;
        let mut values = Vec::with_capacity(elements.len());
        for (element, is_optional) in elements {
            let value = self.run(element)?;
            match (is_optional, value) {
                (false, value) => values.push(value),
                (true, Value::Optional(value)) => values.extend(value.map(|value| (*value).clone())),
                (true, other) => {
                    return fails(format!("an optional value is asked for, not {}", other.kind()));
                }
            }
        }
        Ok(Value::list(values))
    }

    fn map(&mut self, entries: &[(Node, Node, bool)]) -> Computed {
        self.pay(30)?;
        let mut map = Map::default();
        for (key, value, is_optional) in entries {
            let key = self.run(key)?;
            if !matches!(key, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Text(_)) {
                return fails(format!("a key of a map cannot be of type {}", key.kind()));
            }
            let value = match (is_optional, self.run(value)?) {
                (false, value) => value,
                (true, Value::Optional(Some(value))) => (*value).clone(),
                (true, Value::Optional(None)) => continue,
                (true, other) => {
                    return fails(format!("an optional value is asked for, not {}", other.kind()));
                }
            };
            if map.get(&key).is_some() {
                return fails("a key of a map is there twice");
            }
            map.entries.push((key, value));
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn fold(&mut self, fold: &Fold) -> Computed {
        let range = self.run(&fold.range)?;
        let start = self.run(&fold.start);
        let accumulated = self.locals.len();
        self.locals.push(start);
        let pairs: Vec<(Value, Option<Value>)> = match &range {
            Value::List(list) if fold.has_two => {
                list.iter().enumerate().map(|(at, it)| (Value::Int(at as i64), Some(it.clone()))).collect()
            }
            Value::List(list) => list.iter().map(|it| (it.clone(), None)).collect(),
            Value::Map(map) => {
                let second = |value: &Value| fold.has_two.then(|| value.clone());
                map.entries.iter().map(|(key, value)| (key.clone(), second(value))).collect()
            }
            other => {
                self.locals.truncate(accumulated);
                return fails(format!("a value of type {} cannot be gone through", other.kind()));
            }
        };
        for (first, second) in pairs {
            self.locals.push(Ok(first));
            self.locals.extend(second.map(Ok));
            let goes_on = self.run(&fold.goes_on);
            let step = match goes_on {
                Ok(Value::Bool(false)) => None,
                _ => Some(self.run(&fold.step)),
            };
            self.locals.truncate(accumulated + 1);
            self.pay(0)?;
            match step {
                Some(step) => self.locals[accumulated] = step,
                None => break,
            }
        }
        let result = self.run(&fold.result);
        self.locals.truncate(accumulated);
        result
    }
}

/// A field of a map.
fn select(operand: &Value, field: &Value) -> Computed {
    match operand {
        Value::Map(map) => functions::look_up(map, field),
        Value::Optional(_) => optional_select(operand, field),
        other => fails(format!("a value of type {} has no fields", other.kind())),
    }
}

fn has(operand: &Value, field: &Value) -> Computed {
    match operand {
        Value::Map(map) => Ok(Value::Bool(map.reads_empty || map.get(field).is_some())),
        Value::Optional(None) => Ok(Value::Bool(false)),
        Value::Optional(Some(inner)) => has(inner, field),
        other => fails(format!("a value of type {} has no fields", other.kind())),
    }
}

fn optional_select(operand: &Value, field: &Value) -> Computed {
    match operand {
        Value::Map(map) if map.reads_empty || map.get(field).is_some() => {
            Ok(Value::Optional(Some(Arc::new(functions::look_up(map, field)?))))
        }
        Value::Map(_) | Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => optional_select(inner, field),
        other => fails(format!("a value of type {} has no fields", other.kind())),
    }
}
