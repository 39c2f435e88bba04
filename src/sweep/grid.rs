//! Sweep files: which keys have which values.
//!
//! ```toml
//! name = "speed"
//! config = "base.toml"                  # of all runs, beside this file; may be left out
//!
//! [set]                                 # of all runs
//! "train.steps" = 500
//!
//! [grid]                                # every combination of these
//! "model.kind" = ["fcnn", "lcnn"]
//! "train.eta" = { from = 1e-3, to = 1e-1, count = 5, scale = "log" }
//! "run.seed" = { from = 0, to = 4 }
//!
//! [[zip]]                               # these together, value by value
//! "data.spec" = ["leaves", "shapes"]
//! "data.size" = [16, 24]
//!
//! [[exclude]]                           # but not what has all of these
//! "model.kind" = "fcnn"
//! "data.spec" = "shapes"
//! ```
//!
//! Keys are those of a configuration, as `--set` takes them. Axes vary in the order of the file,
//! the last one fastest; zipped ones come after the grid.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use crate::error::{Error, Result};

/// Runs that one sweep may have.
const MOST: usize = 100_000;

/// A sweep file, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// What it is called: by default as the file.
    pub name: String,
    /// The configuration that all runs begin with.
    pub config: Option<PathBuf>,
    /// Values that all runs have.
    pub set: Vec<(String, Value)>,
    axes: Vec<Axis>,
    exclude: Vec<Table>,
    place: String,
}

/// Values of variables, by their names.
pub type Vars = BTreeMap<String, String>;

/// Keys that vary together.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    keys: Vec<String>,
    /// One value per key.
    points: Vec<Vec<Value>>,
}

/// Values of the keys that vary, in the order of the file.
pub type Point = Vec<(String, Value)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    config: Option<PathBuf>,
    #[serde(default)]
    set: Table,
    grid: Option<Table>,
    #[serde(default)]
    zip: Vec<Table>,
    #[serde(default)]
    exclude: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: Value,
    to: Value,
    step: Option<Value>,
    count: Option<usize>,
    #[serde(default)]
    scale: Scale,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Scale {
    #[default]
    Linear,
    Log,
}

impl File {
    // Puts variables in their places.
    fn fill(&mut self, vars: &Vars, place: &str) -> Result<()> {
        let mut filler = Filler { vars, place, used: BTreeSet::new() };
        let tables = [&mut self.set].into_iter().chain(&mut self.grid);
        for table in tables.chain(&mut self.zip).chain(&mut self.exclude) {
            table.iter_mut().try_for_each(|(_, value)| filler.fill(value))?;
        }
        if let Some(name) = &mut self.name {
            *name = filler.filled(name)?;
        }
        if let Some(config) = &mut self.config
            && let Some(text) = config.to_str()
        {
            *config = filler.filled(text)?.into();
        }
        let Some(unused) = vars.keys().find(|name| !filler.used.contains(*name)) else { return Ok(()) };
        Err(Error::input(
            "--var",
            format!("variables of {place}"),
            format_args!("`{unused}`, which it has not"),
        ))
    }
}

/// Variables on their way into a sweep file.
struct Filler<'a> {
    vars: &'a Vars,
    place: &'a str,
    used: BTreeSet<String>,
}

impl Filler<'_> {
    fn fill(&mut self, value: &mut Value) -> Result<()> {
        match value {
            Value::String(text) => {
                let whole = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
                let filled = self.filled(text)?;
                // What a variable alone stands for may be a number.
                *value = match filled.parse::<Value>() {
                    Ok(number @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_))) if whole => number,
                    _ => Value::String(filled),
                };
            }
            Value::Array(list) => list.iter_mut().try_for_each(|value| self.fill(value))?,
            Value::Table(table) => table.iter_mut().try_for_each(|(_, value)| self.fill(value))?,
            _ => {}
        }
        Ok(())
    }

    fn filled(&mut self, text: &str) -> Result<String> {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                return Err(Error::input(self.place, "a closing brace after ${", format_args!("`{text}`")));
            };
            let Some(value) = self.vars.get(name) else {
                let found = format!("`${{{name}}}` without a value");
                return Err(Error::input(self.place, format!("--var {name}=VALUE"), found));
            };
            self.used.insert(name.to_owned());
            whole += value;
            whole += rest;
        }
        Ok(whole)
    }
}

impl Grid {
    /// Reads a sweep file; where its name, its configuration's path or a text among its values says
    /// `${NAME}` it has the value of that variable, as a number where the text is nothing else and it is one.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] naming the key, for what is no sweep, and naming the
    /// variable, for one that has no value and for a value that nothing asks for.
    pub fn read(path: &Path, vars: &Vars) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let stem = path.file_stem().map_or_else(|| "sweep".to_owned(), |s| s.to_string_lossy().into_owned());
        let mut grid = Self::parse(&text, &path.display().to_string(), &stem, vars)?;
        let beside = path.parent().unwrap_or(Path::new(""));
        grid.config = grid.config.map(|config| beside.join(config));
        Ok(grid)
    }

    /// [`Grid::read`] of a text; `place` names it in errors, and it is called `name` unless it
    /// says otherwise.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str, place: &str, name: &str, vars: &Vars) -> Result<Self> {
        let wrong = |e: toml::de::Error| crate::run::config::explain(&e, text, place);
        let mut file: File = toml::from_str(text).map_err(wrong)?;
        file.fill(vars, place)?;
        let mut axes = Vec::new();
        let name = file.name.clone().unwrap_or_else(|| name.to_owned());
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(Error::input(
                format!("{place}, name"),
                "the name of a folder",
                format_args!("`{name}`"),
            ));
        }
        if file.grid.as_ref().is_some_and(Table::is_empty) {
            return Err(Error::input(format!("{place}, [grid]"), "keys with values", "none"));
        }
        if file.grid.is_none() && file.zip.is_empty() && file.set.is_empty() && file.config.is_none() {
            return Err(Error::input(place, "[grid], [[zip]], [set] or config", "none of them"));
        }
        for (key, values) in file.grid.iter().flatten() {
            let list = values_of(values, key, place)?;
            if let Some((i, value)) = list.iter().enumerate().find(|(i, v)| list[..*i].contains(v)) {
                let found = format!("{value} again, at {}", i + 1);
                return Err(Error::input(format!("{place}, `{key}`"), "each value once", found));
            }
            axes.push(Axis { keys: vec![key.clone()], points: list.into_iter().map(|v| vec![v]).collect() });
        }
        for (i, table) in file.zip.iter().enumerate() {
            axes.push(Axis::zipped(table, &format!("{place}, [[zip]] {}", i + 1))?);
        }
        let mut seen: Vec<&String> = file.set.keys().collect();
        for key in axes.iter().flat_map(|axis| &axis.keys) {
            if seen.contains(&key) {
                return Err(Error::input(place, "each key once", format_args!("`{key}` again")));
            }
            seen.push(key);
        }
        for (i, table) in file.exclude.iter().enumerate() {
            let unknown = table.keys().find(|key| !seen.contains(key));
            if let Some(key) = unknown {
                let expected = "keys of [grid], [[zip]] or [set]";
                let place = format!("{place}, [[exclude]] {}", i + 1);
                return Err(Error::input(place, expected, format_args!("`{key}`")));
            }
        }
        Ok(Self {
            name,
            config: file.config,
            set: file.set.into_iter().collect(),
            axes,
            exclude: file.exclude,
            place: place.to_owned(),
        })
    }

    /// Keys that vary, in order.
    pub fn keys(&self) -> Vec<String> {
        self.axes.iter().flat_map(|axis| axis.keys.clone()).collect()
    }

    /// Every combination that is not excluded.
    ///
    /// # Errors
    /// [`Error::Input`] for none, and for too many.
    pub fn points(&self) -> Result<Vec<Point>> {
        let count = self.axes.iter().try_fold(1usize, |n, axis| n.checked_mul(axis.points.len()));
        if count.is_none_or(|n| n > MOST) {
            let found = count.map_or_else(|| "more than can be counted".to_owned(), |n| n.to_string());
            return Err(Error::input(&self.place, format!("at most {MOST} combinations"), found));
        }
        let mut all: Vec<Point> = vec![Vec::new()];
        for axis in &self.axes {
            all = all
                .iter()
                .flat_map(|point| {
                    axis.points.iter().map(|values| {
                        let more = axis.keys.iter().cloned().zip(values.iter().cloned());
                        point.iter().cloned().chain(more).collect()
                    })
                })
                .collect();
        }
        let matched = |table: &Table, point: &Point| {
            let of = |key: &String| point.iter().chain(&self.set).find(|(name, _)| name == key);
            table.iter().all(|(key, value)| of(key).is_some_and(|(_, v)| v == value))
        };
        if let Some(i) = self.exclude.iter().position(|table| !all.iter().any(|point| matched(table, point)))
        {
            let place = format!("{}, [[exclude]] {}", self.place, i + 1);
            return Err(Error::input(place, "values of some combination", inline(&self.exclude[i])));
        }
        all.retain(|point| !self.exclude.iter().any(|table| matched(table, point)));
        if all.is_empty() {
            let expected = "at least one combination";
            return Err(Error::input(&self.place, expected, "all of them excluded"));
        }
        Ok(all)
    }
}

impl Axis {
    fn zipped(table: &Table, place: &str) -> Result<Self> {
        let columns =
            table.iter().map(|(key, values)| values_of(values, key, place)).collect::<Result<Vec<_>>>()?;
        let Some(first) = columns.first() else { return Err(Error::input(place, "keys", "none")) };
        let length = first.len();
        if let Some(((key, _), other)) = table.iter().zip(&columns).find(|(_, column)| column.len() != length)
        {
            let expected = format!("{length} values of each key");
            return Err(Error::input(place, expected, format_args!("{} of `{key}`", other.len())));
        }
        let points: Vec<Vec<Value>> =
            (0..length).map(|i| columns.iter().map(|column| column[i].clone()).collect()).collect();
        if let Some((i, _)) = points.iter().enumerate().find(|(i, point)| points[..*i].contains(point)) {
            let found = format!("those at {} again", i + 1);
            return Err(Error::input(place, "each set of values once", found));
        }
        Ok(Self { keys: table.keys().cloned().collect(), points })
    }
}

fn values_of(values: &Value, key: &str, place: &str) -> Result<Vec<Value>> {
    let place = format!("{place}, `{key}`");
    match values {
        Value::Array(list) if list.is_empty() => Err(Error::input(place, "at least one value", "none")),
        Value::Array(list) => Ok(list.clone()),
        Value::Table(table) => range(table, &place),
        one => {
            let expected = "a list of values, or { from, to, … }; what all runs have goes to [set]";
            Err(Error::input(place, expected, one))
        }
    }
}

fn inline(table: &Table) -> String {
    format!("{{ {} }}", table.to_string().trim().replace('\n', ", "))
}

fn range(table: &Table, place: &str) -> Result<Vec<Value>> {
    let expected = "{ from, to } with `step`, or with `count` and scale = \"linear\" or \"log\"";
    let range: Range = Value::Table(table.clone())
        .try_into()
        .map_err(|e: toml::de::Error| Error::input(place, expected, e.message().replace('\n', " ")))?;
    let whole = |value: &Value| value.as_integer();
    let number = |value: &Value| {
        let number = value.as_float().or_else(|| value.as_integer().map(|v| v as f64));
        number.filter(|v| v.is_finite()).ok_or_else(|| Error::input(place, "finite numbers", value))
    };
    if let (Some(from), Some(to), None) = (whole(&range.from), whole(&range.to), range.count) {
        let step = range.step.as_ref().map_or(Some(1), whole).filter(|step| *step >= 1);
        let Some(step) = step else {
            return Err(Error::input(place, "a step of at least 1 between whole numbers", inline(table)));
        };
        if range.scale == Scale::Log {
            return Err(Error::input(place, "`count` of a logarithmic range", inline(table)));
        }
        if !to.checked_sub(from).is_some_and(|d| d >= 0 && d / step < MOST as i64) {
            return Err(Error::input(place, format!("from {from} upwards, at most {MOST} values"), to));
        }
        return Ok((0..=(to - from) / step).map(|i| Value::Integer(from + i * step)).collect());
    }
    let (from, to) = (number(&range.from)?, number(&range.to)?);
    let Some(count) = range.count.filter(|count| (2..=MOST).contains(count) && range.step.is_none()) else {
        let expected = format!("`count`, 2 to {MOST}, of numbers that are not whole");
        return Err(Error::input(place, expected, inline(table)));
    };
    if range.scale == Scale::Log && (from <= 0.0 || to <= 0.0) {
        return Err(Error::input(place, "positive ends of a logarithmic range", inline(table)));
    }
    let at = |i: usize| {
        let t = i as f64 / (count - 1) as f64;
        match range.scale {
            // The ends to the bit.
            _ if i == 0 => from,
            _ if i == count - 1 => to,
            Scale::Linear => from + t * (to - from),
            Scale::Log => (from.ln() + t * (to.ln() - from.ln())).exp(),
        }
    };
    // Twelve digits say as much, and can be read.
    let short = |v: f64| format!("{v:.11e}").parse().unwrap_or(v);
    Ok((0..count).map(|i| Value::Float(short(at(i)))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(text: &str) -> Result<Grid> {
        Grid::parse(text, "x.toml", "x", &Vars::new())
    }

    fn refusal(text: &str) -> String {
        match grid(text).and_then(|grid| grid.points()) {
            Ok(points) => panic!("{points:?}"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn every_combination_the_last_axis_fastest() {
        let grid = grid(
            "[set]\n\"train.steps\" = 5\n[grid]\n\"model.kind\" = [\"fcnn\", \"lcnn\"]\n\"run.seed\" = { from = 0, to = 2 }\n\
             [[zip]]\n\"data.spec\" = [\"leaves\", \"shapes\"]\n\"data.size\" = [8, 16]\n\
             [[exclude]]\n\"model.kind\" = \"fcnn\"\n\"data.size\" = 16\n\"train.steps\" = 5",
        )
        .unwrap();
        let points = grid.points().unwrap();
        assert_eq!(
            (grid.name.as_str(), grid.keys().join(" ")),
            ("x", "model.kind run.seed data.spec data.size".into())
        );
        // 2 · 3 · 2 less the three of fcnn with 16.
        assert_eq!(points.len(), 9);
        let text = |point: &Point| point.iter().map(|(_, v)| v.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(text(&points[0]), "\"fcnn\" 0 \"leaves\" 8");
        assert_eq!(text(&points[1]), "\"fcnn\" 1 \"leaves\" 8");
        assert_eq!(text(&points[4]), "\"lcnn\" 0 \"shapes\" 16");
        // Without axes there is one run.
        assert_eq!(
            Grid::parse("[set]\na = 1", "x", "x", &Vars::new()).unwrap().points().unwrap(),
            [Vec::new()]
        );
    }

    #[test]
    fn variables_are_put_in_their_places() {
        let vars = |pairs: &[(&str, &str)]| -> Vars {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let of = |text: &str, pairs: &[(&str, &str)]| Grid::parse(text, "x.toml", "x", &vars(pairs));
        let text = "[set]\na = \"${x}-${y}${x}\"\n[[zip]]\nb = [\"over=${y}\", 3]";
        let grid = of(text, &[("x", "1"), ("y", "p:q=$2")]).unwrap();
        assert_eq!(grid.set[0].1.as_str(), Some("1-p:q=$21"));
        assert_eq!(grid.points().unwrap()[0][0].1.as_str(), Some("over=p:q=$2"));
        let grid = of("[set]\na = \"${x}\"\nb = \"${y}\"", &[("x", "40"), ("y", "4 x")]).unwrap();
        assert_eq!((grid.set[0].1.as_integer(), grid.set[1].1.as_str()), (Some(40), Some("4 x")));
        let grid = of("name = \"on ${x}\"\nconfig = \"${y}/c.toml\"", &[("x", "a"), ("y", "b")]).unwrap();
        assert_eq!((grid.name.as_str(), grid.config.unwrap().to_str()), ("on a", Some("b/c.toml")));
        for (text, pairs, parts) in [
            ("name = \"${x}\"", &[][..], ["x.toml", "--var x", "`${x}`"]),
            (text, &[("x", "1")][..], ["x.toml", "--var y=VALUE", "`${y}`"]),
            (text, &[("x", "1"), ("y", ""), ("z", "")], ["--var", "variables of x.toml", "`z`"]),
            ("[set]\na = \"${x\"", &[("x", "1")], ["x.toml", "closing brace", "`${x`"]),
        ] {
            let said = of(text, pairs).unwrap_err().to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }

    #[test]
    fn ranges_by_hand() {
        let of = |text: &str| -> Vec<String> {
            let points = grid(&format!("[grid]\nk = {text}")).unwrap().points().unwrap();
            points.iter().map(|point| point[0].1.to_string()).collect()
        };
        assert_eq!(of("{ from = 1, to = 7, step = 3 }"), ["1", "4", "7"]);
        assert_eq!(of("{ from = 0, to = 1, count = 3 }"), ["0.0", "0.5", "1.0"]);
        assert_eq!(of("{ from = 1e-3, to = 0.1, count = 3, scale = \"log\" }"), ["0.001", "0.01", "0.1"]);
    }

    #[test]
    fn what_is_no_sweep_is_named() {
        for (text, parts) in [
            ("[grid]\nk = []", &["`k`", "at least one value"][..]),
            ("[grid]\nk = 3", &["`k`", "[set]", "found 3"]),
            ("[grid]\nk = [1, 2, 1]", &["`k`", "each value once", "1 again"]),
            ("[grid]\nk = { from = 0 }", &["`k`", "`step`", "to"]),
            ("[grid]\nk = { from = 0.5, to = 2 }", &["`count`"]),
            ("[grid]\nk = { from = 3, to = 2 }", &["from 3 upwards"]),
            ("[grid]\nk = { from = 0, to = 2, step = 0 }", &["a step of at least 1"]),
            ("[grid]\nk = { from = 0.0, to = 2.0, count = 3, scale = \"log\" }", &["positive ends"]),
            ("[grid]\nk = { from = 0, to = 99999999 }", &["at most 100000"]),
            ("[set]\nk = 1\n[grid]\nk = [1]", &["each key once", "`k`"]),
            ("[[zip]]\na = [1, 2]\nb = [1]", &["[[zip]] 1", "2 values", "1 of `b`"]),
            ("[[zip]]", &["[[zip]] 1", "keys"]),
            ("[[zip]]\na = [1, 2, 1]\nb = [3, 3, 3]", &["[[zip]] 1", "each set of values once", "at 3"]),
            ("[grid]\n", &["x.toml, [grid]", "keys with values"]),
            ("name = \"s\"", &["[grid], [[zip]], [set] or config"]),
            ("[grid]\nk = [1]\n[[exclude]]\nj = 1", &["[[exclude]] 1", "`j`"]),
            ("[grid]\nk = [1]\n[[exclude]]\nk = 1", &["all of them excluded"]),
            ("[grid]\nk = [1]\n[[exclude]]\nk = 1.0", &["[[exclude]] 1", "{ k = 1.0 }"]),
            ("[grid]\nk = { from = 1, to = 9, scale = \"log\" }", &["`count` of a logarithmic range"]),
            ("[grid]\nk = { from = -9223372036854775808, to = 9223372036854775807 }", &["at most 100000"]),
            ("grids = 3", &["grids", "nearest: `grid`"]),
            ("name = \"../x\"", &["name", "folder"]),
            (
                "[grid]\na = { from = 1, to = 1000 }\nb = { from = 1, to = 1000 }",
                &["at most 100000", "1000000"],
            ),
        ] {
            let said = refusal(text);
            assert!(
                parts.iter().all(|part| said.contains(part)) && said.lines().count() == 1,
                "{text}: {said}"
            );
        }
    }
}
