//! From the syntax tree to a program: names are resolved, types checked.

use super::CelError;
use super::program::{Fold, Node};
use super::signatures::{SIGNATURES, UNSUPPORTED};
use super::types::{Letters, Type};
use super::value::Value;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr,
};
use std::sync::Arc;

/// Variables in reach, innermost last; the place of one is its place when the program runs.
#[derive(Default)]
pub(super) struct Checker {
    pub(super) scope: Vec<(String, Type)>,
}

pub(super) type Checked = Result<(Type, Node), CelError>;

pub(super) fn wrong<T>(message: String) -> Result<T, CelError> {
    Err(CelError::Compile(message))
}

impl Checker {
    /// The type of an expression, and what computes it.
    pub(super) fn check(&mut self, expression: &IdedExpr) -> Checked {
        match &expression.expr {
            Expr::Literal(literal) => Ok(constant(literal)),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                let (type_, operand) = self.check(&select.operand)?;
                let (found, node) = select_from(&type_, operand, &select.field, select.test)?;
                Ok((if select.test { Type::Bool } else { found }, node))
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(fold) => self.fold(fold),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Struct(it) => wrong(format!("undeclared type {:?}", it.type_name)),
            Expr::Unspecified => wrong("the expression is incomplete".to_owned()),
        }
    }

    fn variable(&self, name: &str) -> Checked {
        if let Some(at) = self.scope.iter().rposition(|(known, _)| known == name) {
            return Ok((self.scope[at].1.clone(), Node::Local(at)));
        }
        let types = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];
        match name {
            "device" => Ok((Type::Device, Node::Device)),
            _ => match types.into_iter().find(|type_| *type_ == name) {
                Some(type_) => Ok((Type::Kind, Node::Constant(Value::Type(type_)))),
                None => wrong(format!("undeclared reference to {name:?}; the only variable is device")),
            },
        }
    }

    fn list(&mut self, list: &ListExpr) -> Checked {
        let (mut of, mut nodes) = (Type::Nothing, Vec::new());
        for (at, element) in list.elements.iter().enumerate() {
            let (type_, node) = self.check(element)?;
            let is_optional = list.optional_indices.contains(&at);
            let type_ = if is_optional { within_optional(type_)? } else { type_ };
            of = match of.join(&type_) {
                Some(joined) => joined,
                None => return wrong(format!("a list has elements of types {of} and {type_}")),
            };
            nodes.push((node, is_optional));
        }
        Ok((Type::list(of), Node::List(nodes)))
    }

    fn map(&mut self, map: &MapExpr) -> Checked {
        let (mut keys, mut values, mut nodes) = (Type::Nothing, Type::Nothing, Vec::new());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return wrong("a map has a field where a key belongs".to_owned());
            };
            let (key, key_node) = self.check(&entry.key)?;
            let (value, value_node) = self.check(&entry.value)?;
            let value = if entry.optional { within_optional(value)? } else { value };
            let (Some(joined_keys), Some(joined_values)) = (keys.join(&key), values.join(&value)) else {
                return wrong(format!("a map has entries of types ({keys}, {values}) and ({key}, {value})"));
            };
            (keys, values) = (joined_keys, joined_values);
            nodes.push((key_node, value_node, entry.optional));
        }
        Ok((Type::map(keys, values), Node::Map(nodes)))
    }

    pub(super) fn fold(&mut self, fold: &ComprehensionExpr) -> Checked {
        let (range, range_node) = self.check(&fold.iter_range)?;
        let (first, second) = match &range {
            Type::List(of) if fold.iter_var2.is_some() => (Type::Int, (**of).clone()),
            Type::List(of) => ((**of).clone(), Type::Nothing),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Nothing => (Type::Dyn, Type::Dyn),
            other => {
                return wrong(format!(
                    "an expression of type {other} cannot be gone through; a list or map can"
                ));
            }
        };
        let (initial, start) = self.check(&fold.accu_init)?;
        let base = self.scope.len();
        self.scope.push((fold.accu_var.clone(), initial.clone()));
        self.scope.push((fold.iter_var.clone(), first));
        if let Some(name) = &fold.iter_var2 {
            self.scope.push((name.clone(), second));
        }
        let inner = self.check(&fold.loop_cond).and_then(|cond| Ok((cond, self.check(&fold.loop_step)?)));
        self.scope.truncate(base);
        let ((_, goes_on), (stepped, step)) = inner?;
        let Some(joined) = initial.join(&stepped) else {
            return wrong(format!(
                "an expression of type {stepped} stands where one of type {initial} belongs"
            ));
        };
        self.scope.push((fold.accu_var.clone(), joined));
        let result = self.check(&fold.result);
        self.scope.truncate(base);
        let (type_, result) = result?;
        let has_two = fold.iter_var2.is_some();
        Ok((type_, Node::Fold(Box::new(Fold { range: range_node, has_two, start, goes_on, step, result }))))
    }

    fn call(&mut self, call: &CallExpr) -> Checked {
        let name = call.func_name.as_str();
        match (name, &call.target, &*call.args) {
            ("_&&_", None, [a, b]) => {
                let (a, b) = (self.bool_of(a, name)?, self.bool_of(b, name)?);
                Ok((Type::Bool, Node::And(Box::new((a, b)))))
            }
            ("_||_", None, [a, b]) => {
                let (a, b) = (self.bool_of(a, name)?, self.bool_of(b, name)?);
                Ok((Type::Bool, Node::Or(Box::new((a, b)))))
            }
            ("!_", None, [a]) => Ok((Type::Bool, Node::Not(Box::new(self.bool_of(a, name)?)))),
            ("@not_strictly_false", None, [a]) => {
                Ok((Type::Bool, Node::NotFalse(Box::new(self.bool_of(a, name)?))))
            }
            ("_?_:_", None, [condition, yes, no]) => {
                let condition = self.bool_of(condition, name)?;
                let ((yes, yes_node), (no, no_node)) = (self.check(yes)?, self.check(no)?);
                match yes.join(&no) {
                    Some(joined) => Ok((joined, Node::Choice(Box::new((condition, yes_node, no_node))))),
                    None => wrong(format!("the two sides of ?: are of types {yes} and {no}")),
                }
            }
            ("_?._", None, [operand, field]) => {
                let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                    return wrong("a field is chosen by something else than its name".to_owned());
                };
                let (type_, operand) = self.check(operand)?;
                let (found, _) = select_from(&type_, Node::Device, field.inner(), false)?;
                let found = if matches!(found, Type::Optional(_)) { found } else { Type::optional(found) };
                Ok((found, Node::OptionalSelect(Box::new(operand), Value::text(field.inner()))))
            }
            (_, Some(target), arguments) => {
                if let Some(expanded) = self.expand(name, target, arguments)? {
                    return Ok(expanded);
                }
                if let Expr::Ident(space) = &target.expr
                    && !self.scope.iter().any(|(known, _)| known == space)
                {
                    let full = format!("{space}.{name}");
                    if SIGNATURES.contains_key(&full) {
                        return self.function(&full, &full, None, arguments);
                    }
                    if UNSUPPORTED.contains(&&*full) {
                        return Err(CelError::Unsupported(full));
                    }
                }
                self.function(&format!(".{name}"), name, Some(target), arguments)
            }
            (_, None, arguments) => self.function(name, name, None, arguments),
        }
    }

    /// Resolves a function by the types of its arguments.
    fn function(
        &mut self,
        key: &str,
        name: &str,
        target: Option<&IdedExpr>,
        arguments: &[IdedExpr],
    ) -> Checked {
        let Some(overloads) = SIGNATURES.get(key) else {
            return match UNSUPPORTED.contains(&name) {
                true => Err(CelError::Unsupported(name.to_owned())),
                false => wrong(format!("undeclared reference to function {name:?}")),
            };
        };
        let (mut types, mut nodes) = (Vec::new(), Vec::new());
        for argument in target.into_iter().chain(arguments) {
            let (type_, node) = self.check(argument)?;
            types.push(type_);
            nodes.push(node);
        }
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|overload| overload.arguments.len() == types.len()) {
            let mut letters: Letters = [None, None];
            let mut pairs = overload.arguments.iter().zip(&types);
            if pairs.all(|(asked, given)| asked.takes(given, &mut letters)) {
                let found = overload.result.filled(&letters);
                result = Some(match result {
                    None => found,
                    Some(known) if known == found => known,
                    Some(_) => Type::Dyn,
                });
            }
        }
        let Some(result) = result else {
            let types: Vec<String> = types.iter().map(Type::to_string).collect();
            return wrong(format!("function {name:?} does not take ({})", types.join(", ")));
        };
        let pattern = match (name, nodes.get(1)) {
            ("matches" | "find" | "findAll", Some(Node::Constant(Value::Text(pattern)))) => {
                match regex::Regex::new(pattern) {
                    Ok(pattern) => Some(pattern),
                    Err(error) => return wrong(format!("{pattern:?} is not a regular expression: {error}")),
                }
            }
            _ => None,
        };
        Ok((result, Node::Call(key.into(), nodes, pattern)))
    }

    fn bool_of(&mut self, expression: &IdedExpr, operator: &str) -> Result<Node, CelError> {
        match self.check(expression)? {
            (Type::Bool | Type::Dyn | Type::Nothing, node) => Ok(node),
            (other, _) => wrong(format!("{operator} takes bool, not {other}")),
        }
    }
}

fn constant(literal: &LiteralValue) -> (Type, Node) {
    let (type_, value) = match literal {
        LiteralValue::Boolean(it) => (Type::Bool, Value::Bool(*it.inner())),
        LiteralValue::Bytes(it) => (Type::Bytes, Value::Bytes(it.inner().into())),
        LiteralValue::Double(it) => (Type::Double, Value::Double(*it.inner())),
        LiteralValue::Int(it) => (Type::Int, Value::Int(*it.inner())),
        LiteralValue::Null => (Type::Null, Value::Null),
        LiteralValue::String(it) => (Type::String, Value::text(it.inner())),
        LiteralValue::UInt(it) => (Type::Uint, Value::Uint(*it.inner())),
    };
    (type_, Node::Constant(value))
}

fn select_from(type_: &Type, operand: Node, field: &str, test: bool) -> Checked {
    let of_domains = |of| Type::map(Type::String, Type::map(Type::String, of));
    let found = match type_ {
        Type::Device => match field {
            "driver" => Type::String,
            "attributes" => of_domains(Type::Dyn),
            "capacity" => of_domains(Type::Quantity),
            "allowMultipleAllocations" => Type::Bool,
            _ => return wrong(format!("undefined field {field:?} of device")),
        },
        Type::Dyn | Type::Nothing => Type::Dyn,
        Type::Map(key, value) if matches!(**key, Type::String | Type::Dyn | Type::Nothing) => {
            (**value).clone()
        }
        Type::Optional(of) => match select_from(of, Node::Device, field, false)?.0 {
            found @ Type::Optional(_) => found,
            found => Type::optional(found),
        },
        other => return wrong(format!("type {other} has no fields; {field:?} is asked for")),
    };
    let operand = Box::new(operand);
    let field = Value::text(field);
    Ok((found, if test { Node::Has(operand, field) } else { Node::Select(operand, field) }))
}

pub(super) fn within_optional(type_: Type) -> Result<Type, CelError> {
    match type_ {
        Type::Optional(of) => Ok(*of),
        Type::Dyn | Type::Nothing => Ok(Type::Dyn),
        other => wrong(format!("an optional value is asked for, not {other}")),
    }
}

/// The name of a function as programs keep it.
pub(super) type Name = Arc<str>;
