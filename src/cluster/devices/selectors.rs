//! Which devices expressions select: each expression is compiled once, and its answer kept for each description of a
//! device, so that equal devices of any number of nodes are asked about once.

use super::cel::{CelError, Program, Value, describe};
use crate::api::device::{Device, DeviceAttribute, DeviceCapacity};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A description of a device: all that an expression can see of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shape(u32);

impl Shape {
    /// Equal for equal descriptions.
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// An expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Expression(u32);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Description {
    driver: String,
    attributes: BTreeMap<String, DeviceAttribute>,
    capacity: BTreeMap<String, DeviceCapacity>,
    is_sharable: bool,
}

/// Expressions, descriptions and the answers so far.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    shapes: FxHashMap<Description, Shape>,
    described: Vec<Result<Value, CelError>>,
    expressions: FxHashMap<Arc<str>, Expression>,
    programs: Vec<(Arc<str>, Result<Program, CelError>)>,
    answers: FxHashMap<(Expression, Shape), Result<bool, CelError>>,
}

impl Selectors {
    /// The description of a device of a driver.
    pub(super) fn shape(&mut self, driver: &str, device: &Device) -> Shape {
        let description = Description {
            driver: driver.to_owned(),
            attributes: device.attributes.clone(),
            capacity: device.capacity.clone(),
            is_sharable: device.is_sharable(),
        };
        let next = Shape(self.described.len() as u32);
        let shape = *self.shapes.entry(description).or_insert(next);
        if shape == next {
            self.described.push(describe(driver, device));
        }
        shape
    }

    /// The expression of this text.
    pub(super) fn expression(&mut self, text: &str) -> Expression {
        if let Some(&known) = self.expressions.get(text) {
            return known;
        }
        let made = Expression(self.programs.len() as u32);
        let text: Arc<str> = text.into();
        self.expressions.insert(Arc::clone(&text), made);
        self.programs.push((Arc::clone(&text), Program::compile(&text)));
        made
    }

    /// The text of an expression.
    pub(super) fn text(&self, expression: Expression) -> &str {
        &self.programs[expression.0 as usize].0
    }

    /// Does an expression select a device of this description?
    pub(super) fn selects(&mut self, expression: Expression, shape: Shape) -> Result<bool, CelError> {
        let (programs, described) = (&self.programs, &self.described);
        let answer = self.answers.entry((expression, shape)).or_insert_with(|| {
            let program = programs[expression.0 as usize].1.as_ref().map_err(CelError::clone)?;
            program.matches(described[shape.0 as usize].as_ref().map_err(CelError::clone)?)
        });
        answer.clone()
    }
}
