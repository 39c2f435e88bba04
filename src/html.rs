//! Pages of HTML, from the templates in `assets/templates`.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;

/// `template` filled in with `value`; all text is escaped.
///
/// # Panics
/// If the template does not fit the value: every page has a test.
pub fn page(template: &'static str, value: &impl Serialize) -> String {
    const NAME: &str = "page.html";
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates
        .add_template(NAME, template)
        .and_then(|()| templates.get_template(NAME)?.render(Value::from(Serde(value))))
        .expect("the template fits the page")
}
