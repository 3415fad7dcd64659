//! Functions of texts. Positions count characters.

use super::CelError;
use super::functions::fails;
use super::value::Value;
use regex::Regex;

type Computed = Result<Value, CelError>;

/// The functions of texts; `None` if this is none. The pattern is the second argument where that is a constant.
pub(super) fn call(name: &str, arguments: &[Value], pattern: Option<&Regex>) -> Option<Computed> {
    let bool = |it: bool| Ok(Value::Bool(it));
    Some(match (name, arguments) {
        (".contains", [Value::Text(text), Value::Text(part)]) => bool(text.contains(&**part)),
        (".startsWith", [Value::Text(text), Value::Text(part)]) => bool(text.starts_with(&**part)),
        (".endsWith", [Value::Text(text), Value::Text(part)]) => bool(text.ends_with(&**part)),
        ("matches" | ".matches", [Value::Text(text), Value::Text(it)]) => {
            with(pattern, it, |pattern| bool(pattern.is_match(text)))
        }
        (".find", [Value::Text(text), Value::Text(it)]) => with(pattern, it, |pattern| {
            Ok(Value::text(pattern.find(text).map_or("", |found| found.as_str())))
        }),
        (".findAll", [Value::Text(text), Value::Text(it)]) => {
            with(pattern, it, |pattern| all(pattern, text, -1))
        }
        (".findAll", [Value::Text(text), Value::Text(it), Value::Int(limit)]) => {
            with(pattern, it, |pattern| all(pattern, text, *limit))
        }
        (".charAt", [Value::Text(text), Value::Int(at)]) => {
            let characters: Vec<char> = text.chars().collect();
            match usize::try_from(*at) {
                Ok(at) if at < characters.len() => Ok(Value::text(&characters[at].to_string())),
                Ok(at) if at == characters.len() => Ok(Value::text("")),
                _ => fails(format!("index out of range: {at}")),
            }
        }
        (".indexOf", [Value::Text(text), Value::Text(part)]) => position(text, part, 0),
        (".indexOf", [Value::Text(text), Value::Text(part), Value::Int(from)]) => position(text, part, *from),
        (".lastIndexOf", [Value::Text(text), Value::Text(part)]) => last_position(text, part, None),
        (".lastIndexOf", [Value::Text(text), Value::Text(part), Value::Int(from)]) => {
            last_position(text, part, Some(*from))
        }
        (".join", [Value::List(list)]) => join(list, ""),
        (".join", [Value::List(list), Value::Text(between)]) => join(list, between),
        (".lowerAscii", [Value::Text(text)]) => Ok(Value::text(&text.to_ascii_lowercase())),
        (".upperAscii", [Value::Text(text)]) => Ok(Value::text(&text.to_ascii_uppercase())),
        (".trim", [Value::Text(text)]) => Ok(Value::text(text.trim())),
        ("strings.quote", [Value::Text(text)]) => Ok(Value::text(&format!("{text:?}"))),
        (".replace", [Value::Text(text), Value::Text(from), Value::Text(to)]) => {
            Ok(Value::text(&text.replace(&**from, to)))
        }
        (".replace", [Value::Text(text), Value::Text(from), Value::Text(to), Value::Int(limit)]) => {
            Ok(match usize::try_from(*limit) {
                Ok(limit) => Value::text(&text.replacen(&**from, to, limit)),
                Err(_) => Value::text(&text.replace(&**from, to)),
            })
        }
        (".split", [Value::Text(text), Value::Text(by)]) => Ok(split(text, by, -1)),
        (".split", [Value::Text(text), Value::Text(by), Value::Int(limit)]) => Ok(split(text, by, *limit)),
        (".substring", [Value::Text(text), Value::Int(from)]) => cut(text, *from, None),
        (".substring", [Value::Text(text), Value::Int(from), Value::Int(to)]) => cut(text, *from, Some(*to)),
        _ => return None,
    })
}

fn with(known: Option<&Regex>, text: &str, run: impl FnOnce(&Regex) -> Computed) -> Computed {
    match known {
        Some(pattern) => run(pattern),
        None => match Regex::new(text) {
            Ok(pattern) => run(&pattern),
            Err(error) => fails(format!("{text:?} is not a regular expression: {error}")),
        },
    }
}

fn all(pattern: &Regex, text: &str, limit: i64) -> Computed {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Value::list(pattern.find_iter(text).take(limit).map(|found| Value::text(found.as_str())).collect()))
}

/// The place of a character in bytes.
fn place(text: &str, at: i64) -> Result<usize, CelError> {
    let length = text.chars().count();
    match usize::try_from(at) {
        Ok(at) if at <= length => Ok(text.char_indices().nth(at).map_or(text.len(), |(place, _)| place)),
        _ => fails(format!("index out of range: {at}")),
    }
}

fn count(text: &str) -> Value {
    Value::Int(text.chars().count() as i64)
}

fn position(text: &str, part: &str, from: i64) -> Computed {
    let start = place(text, from)?;
    Ok(text[start..].find(part).map_or(Value::Int(-1), |at| count(&text[..start + at])))
}

fn last_position(text: &str, part: &str, from: Option<i64>) -> Computed {
    let limit = match from {
        Some(from) => place(text, from)?,
        None => text.len(),
    };
    let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let found = places.rfind(|&at| at <= limit && text[at..].starts_with(part));
    Ok(found.map_or(Value::Int(-1), |at| count(&text[..at])))
}

fn join(list: &[Value], between: &str) -> Computed {
    let mut texts = Vec::with_capacity(list.len());
    for value in list {
        match value {
            Value::Text(text) => texts.push(&**text),
            other => return fails(format!("join takes texts, not {}", other.kind())),
        }
    }
    Ok(Value::text(&texts.join(between)))
}

fn split(text: &str, by: &str, limit: i64) -> Value {
    let parts: Vec<String> = if by.is_empty() {
        let mut characters: Vec<String> = text.chars().map(|it| it.to_string()).collect();
        if let Ok(limit) = usize::try_from(limit)
            && characters.len() > limit
        {
            let rest = characters.split_off(limit.saturating_sub(1)).concat();
            characters.extend((limit > 0).then_some(rest));
        }
        characters
    } else {
        match usize::try_from(limit) {
            Ok(limit) => text.splitn(limit, by).map(str::to_owned).collect(),
            Err(_) => text.split(by).map(str::to_owned).collect(),
        }
    };
    Value::list(parts.iter().map(|part| Value::text(part)).collect())
}

fn cut(text: &str, from: i64, to: Option<i64>) -> Computed {
    let start = place(text, from)?;
    let end = match to {
        Some(to) => place(text, to)?,
        None => text.len(),
    };
    match start <= end {
        true => Ok(Value::text(&text[start..end])),
        false => fails("substring ends before it begins"),
    }
}
