//! Macros that the parser does not know: `cel.bind`, `optMap` and `optFlatMap`, and loops over keys and values.

use super::CelError;
use super::check::{Checked, Checker, within_optional, wrong};
use super::program::Node;
use super::types::Type;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue};

impl Checker {
    /// Macros that stand for other expressions: `cel.bind`, `optMap`, and loops over keys and values.
    pub(super) fn expand(
        &mut self,
        name: &str,
        target: &IdedExpr,
        arguments: &[IdedExpr],
    ) -> Result<Option<(Type, Node)>, CelError> {
        let is_cel = matches!(&target.expr, Expr::Ident(space) if space == "cel");
        Ok(match (name, arguments) {
            ("bind", [variable, value, body]) if is_cel => {
                let (type_, value) = self.check(value)?;
                let (type_, body) = self.within(variable, type_, body)?;
                Some((type_, Node::Bind(Box::new((value, body)))))
            }
            ("optMap" | "optFlatMap", [variable, body]) => {
                let (type_, value) = self.check(target)?;
                let (type_, body) = self.within(variable, within_optional(type_)?, body)?;
                let is_flat = name == "optFlatMap";
                let type_ = if is_flat { type_ } else { Type::optional(type_) };
                Some((type_, Node::OptionalMap(Box::new((value, body)), is_flat)))
            }
            ("all" | "exists" | "existsOne" | "exists_one", [key, value, test]) => {
                Some(self.fold(&pairwise(name, target, key, value, test.clone())?)?)
            }
            ("transformList", [key, value, element]) => {
                let step = |result| call("_+_", vec![result, list(vec![element.clone()])]);
                Some(self.fold(&loop_over(target, key, value, list(Vec::new()), literal(true), step)?)?)
            }
            ("transformList", [key, value, test, element]) => {
                let step = |result: IdedExpr| {
                    let longer = call("_+_", vec![result.clone(), list(vec![element.clone()])]);
                    call("_?_:_", vec![test.clone(), longer, result])
                };
                Some(self.fold(&loop_over(target, key, value, list(Vec::new()), literal(true), step)?)?)
            }
            _ => None,
        })
    }

    /// The body of a macro that names a variable.
    fn within(&mut self, variable: &IdedExpr, type_: Type, body: &IdedExpr) -> Checked {
        self.scope.push((name_of(variable)?, type_));
        let body = self.check(body);
        self.scope.pop();
        body
    }
}

fn name_of(variable: &IdedExpr) -> Result<String, CelError> {
    match &variable.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => wrong("a macro takes the name of a variable here".to_owned()),
    }
}

const RESULT: &str = "@result";

fn node(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    node(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn list(elements: Vec<IdedExpr>) -> IdedExpr {
    node(Expr::List(ListExpr::new(elements)))
}

fn literal(value: bool) -> IdedExpr {
    node(Expr::Literal(LiteralValue::Boolean(value.into())))
}

fn number(value: i64) -> IdedExpr {
    node(Expr::Literal(LiteralValue::Int(value.into())))
}

fn result() -> IdedExpr {
    node(Expr::Ident(RESULT.to_owned()))
}

fn loop_over(
    target: &IdedExpr,
    key: &IdedExpr,
    value: &IdedExpr,
    start: IdedExpr,
    goes_on: IdedExpr,
    step: impl FnOnce(IdedExpr) -> IdedExpr,
) -> Result<ComprehensionExpr, CelError> {
    Ok(ComprehensionExpr {
        iter_range: target.clone(),
        iter_var: name_of(key)?,
        iter_var2: Some(name_of(value)?),
        accu_var: RESULT.to_owned(),
        accu_init: start,
        loop_cond: goes_on,
        loop_step: step(result()),
        result: result(),
    })
}

/// `all`, `exists` and `existsOne` over keys and values, as the parser expands them over one variable.
fn pairwise(
    name: &str,
    target: &IdedExpr,
    key: &IdedExpr,
    value: &IdedExpr,
    test: IdedExpr,
) -> Result<ComprehensionExpr, CelError> {
    let holds = |condition| call("@not_strictly_false", vec![condition]);
    match name {
        "all" => {
            let step = |result| call("_&&_", vec![result, test]);
            loop_over(target, key, value, literal(true), holds(result()), step)
        }
        "exists" => {
            let step = |result| call("_||_", vec![result, test]);
            loop_over(target, key, value, literal(false), holds(call("!_", vec![result()])), step)
        }
        _ => {
            let step = |result: IdedExpr| {
                let more = call("_+_", vec![result.clone(), number(1)]);
                call("_?_:_", vec![test, more, result])
            };
            let mut fold = loop_over(target, key, value, number(0), literal(true), step)?;
            fold.result = call("_==_", vec![result(), number(1)]);
            Ok(fold)
        }
    }
}
