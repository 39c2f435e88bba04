//! Files that schedulers read, from templates.

use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;

use crate::error::{Error, Result};

/// A text as one word of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// `template` filled in with `value`; a line break ends it.
///
/// # Errors
/// [`Error::Input`] for a template that does not fit `value`; `place` names it.
pub fn filled<T: Serialize>(template: &str, value: &T, place: &str) -> Result<String> {
    let wrong = |e: minijinja::Error| {
        let whole = serde_json::to_value(value).unwrap_or_default();
        let known: Vec<&str> =
            whole.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let expected = format!("a template of {}", known.join(", "));
        Error::input(place, expected, format!("{e:#}").replace('\n', " "))
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.add_template("script", template).map_err(wrong)?;
    let text = environment.get_template("script").and_then(|t| t.render(Value::from(Serde(value))));
    Ok(text.map_err(wrong)?.trim_end().to_owned() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell() {
        assert_eq!(quoted("a'b"), "'a'\\''b'");
    }
}
