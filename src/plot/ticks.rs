//! Where ticks stand on linear and logarithmic axes, and what they say.

/// Round positions inside `low..=high`, about `count` of them, 1, 2 or 5 times
/// a power of ten apart. Empty for a range that is empty or not finite.
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) || count == 0 {
        return Vec::new();
    }
    let rough = span / count as f64;
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * decade).into_iter().find(|s| *s >= 0.999 * rough);
    let Some(step) = step.filter(|s| s.is_normal()) else { return Vec::new() };
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    // No round position inside, or steps lost in the rounding of the ends.
    if !(0.0..=4.0 * count as f64).contains(&(last - first)) || first.abs() > 1e15 {
        return Vec::new();
    }
    (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect()
}

/// Labels of [`ticks`]: the same number of decimals for all, thin spaces
/// between thousands, a true minus sign.
pub fn tick_labels(ticks: &[f64]) -> Vec<String> {
    let largest = ticks.iter().fold(0f64, |m, t| m.max(t.abs()));
    let step = ticks.windows(2).map(|w| w[1] - w[0]).next().unwrap_or(largest);
    ticks
        .iter()
        .map(|&t| {
            if largest >= 1e7 || (largest > 0.0 && largest < 1e-3) {
                return scientific_label(t, largest);
            }
            let decimals = if step > 0.0 { (-step.log10().floor()).max(0.0) as usize } else { 0 };
            let plain = format!("{:.decimals$}", t.abs());
            let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
            let mut text = String::new();
            if t < 0.0 {
                text.push('−');
            }
            for (i, digit) in whole.chars().enumerate() {
                if i > 0 && whole.len() > 4 && (whole.len() - i).is_multiple_of(3) {
                    text.push('\u{2009}');
                }
                text.push(digit);
            }
            if !fraction.is_empty() {
                text.push('.');
                text.push_str(fraction);
            }
            text
        })
        .collect()
}

fn scientific_label(t: f64, largest: f64) -> String {
    if t == 0.0 {
        return "0".to_owned();
    }
    let exponent = largest.log10().floor();
    let digits = format!("{:.1}", t / 10f64.powf(exponent)).replace('-', "−");
    format!("{}×{}", digits.strip_suffix(".0").unwrap_or(&digits), power_of_ten(exponent as i32))
}

/// "10⁻³" for −3: the labels of a logarithm drawn on a linear axis.
pub fn power_of_ten(exponent: i32) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        // The others are contiguous: ⁰ is U+2070, ⁴ is U+2074.
        d => char::from_u32(0x2070 + d.to_digit(10).unwrap_or(0)).unwrap_or(d),
    };
    "10".chars().chain(exponent.to_string().chars().map(raised)).collect()
}

/// Ticks of an axis, in its even coordinate.
pub(super) struct Ticks {
    pub major: Vec<(f64, String)>,
    pub minor: Vec<f64>,
}

/// Powers of ten that are written out.
const PLAIN: std::ops::RangeInclusive<i32> = -3..=4;

/// "0.02", "5", "20 000" for m·10^k.
fn plain(mantissa: u32, exponent: i32) -> String {
    let value = f64::from(mantissa) * 10f64.powi(exponent);
    if exponent >= 0 { tick_labels(&[value]).concat() } else { format!("{value:.*}", -exponent as usize) }
}

/// "10⁶", "2×10⁶".
fn scientific(mantissa: u32, exponent: i32) -> String {
    let power = power_of_ten(exponent);
    if mantissa == 1 { power } else { format!("{mantissa}×{power}") }
}

/// Ticks of a logarithmic axis from `low` to `high`, both exponents of ten.
pub(super) fn log_ticks(low: f64, high: f64, count: usize) -> Ticks {
    let (first, last) = ((low - 1e-9).ceil() as i64, (high + 1e-9).floor() as i64);
    let inside = |v: f64| (low - 1e-9..=high + 1e-9).contains(&v);
    let mantissas = |from: i64, to: i64| {
        (from..=to).flat_map(|k| (1..10u32).map(move |m| (m, k as i32))).map(|(m, k)| {
            let at = f64::from(m).log10() + f64::from(k);
            (m, k, at)
        })
    };
    let all: Vec<_> = if high - low < 3.0 {
        mantissas(first - 1, last).filter(|t| inside(t.2)).collect()
    } else {
        Vec::new()
    };
    // The densest of these that leaves room for its labels.
    let named = |set: &[u32]| all.iter().filter(|t| set.contains(&t.0)).count();
    let set = [&[1, 2, 5][..], &[1, 3], &[1]].into_iter().find(|s| named(s) <= count + 1).unwrap_or(&[1]);
    if last - first >= 2 || high - low >= 3.0 || (set.len() == 1 && last > first) {
        let step = ((last - first + 1) as usize).div_ceil(count.max(2)).max(1);
        // Plain numbers only if all of them are.
        let (lowest, highest) = (first as i32, last as i32);
        let far = !PLAIN.contains(&lowest) || !PLAIN.contains(&highest);
        let write = |k: i32| if far { power_of_ten(k) } else { plain(1, k) };
        let major = (lowest..=highest).step_by(step).map(|k| (f64::from(k), write(k))).collect();
        let minor = if step > 1 {
            (first..=last).map(|k| k as f64).collect()
        } else if high - low <= 8.0 {
            mantissas(first - 1, last).filter(|t| t.0 > 1).map(|t| t.2).filter(|&v| inside(v)).collect()
        } else {
            Vec::new()
        };
        return Ticks { major, minor };
    }
    // Two labels do not show that the axis is logarithmic, nor where it is.
    if high - low >= 1.0 || (high - low >= 0.4 && named(set) >= 3) {
        let named: Vec<_> = all.iter().filter(|t| set.contains(&t.0)).collect();
        // Plain numbers only if all of them are.
        let far = named.iter().any(|t| !PLAIN.contains(&t.1));
        let write = |m, k| if far { scientific(m, k) } else { plain(m, k) };
        let major = named.iter().map(|&&(m, k, at)| (at, write(m, k))).collect();
        return Ticks { major, minor: all.iter().map(|t| t.2).collect() };
    }
    let values = ticks(10f64.powf(low), 10f64.powf(high), count);
    let major = values.iter().map(|v| v.log10()).zip(tick_labels(&values));
    Ticks { major: major.filter(|t| t.0.is_finite()).collect(), minor: Vec::new() }
}

/// The largest regular selection of labels, the first among them, that do not
/// touch; `extent` is how much of the axis each takes.
pub(super) fn sparse(places: &[f64], extent: &[f64]) -> usize {
    (1..places.len().max(2))
        .find(|&step| {
            let kept: Vec<usize> = (0..places.len()).step_by(step).collect();
            kept.windows(2)
                .all(|w| (places[w[1]] - places[w[0]]).abs() >= 0.5 * (extent[w[0]] + extent[w[1]]) + 12.0)
        })
        .unwrap_or(places.len().max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_by_hand() {
        assert_eq!(ticks(0.0, 3000.0, 5), [0.0, 1000.0, 2000.0, 3000.0]);
        assert_eq!(tick_labels(&ticks(0.0, 3000.0, 6)), ["0", "500", "1000", "1500", "2000", "2500", "3000"]);
        assert_eq!(tick_labels(&ticks(-0.05, 1.1, 6)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(tick_labels(&ticks(-1.0, 1.0, 4)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(tick_labels(&ticks(0.0, 123_456.0, 3)), ["0", "50\u{2009}000", "100\u{2009}000"]);
        assert_eq!(tick_labels(&ticks(0.0, 3e8, 3)), ["0", "1×10⁸", "2×10⁸", "3×10⁸"]);
        assert_eq!(tick_labels(&[-16.0]), ["−16"]);
        assert_eq!(tick_labels(&[0.0]), ["0"]);
        for (low, high) in [(1.0, 1.0), (2.0, 1.0), (0.0, f64::INFINITY), (f64::NAN, 1.0), (-1e308, 1e308)] {
            assert!(ticks(low, high, 5).is_empty(), "{low} {high}");
        }
        assert_eq!([power_of_ten(0), power_of_ten(-4), power_of_ten(123)], ["10⁰", "10⁻⁴", "10¹²³"]);
    }

    fn texts(t: &Ticks) -> Vec<&str> {
        t.major.iter().map(|t| t.1.as_str()).collect()
    }

    #[test]
    fn logarithmic_ticks_by_hand() {
        assert_eq!(texts(&log_ticks(-2.0, 1.0, 6)), ["0.01", "0.1", "1", "10"]);
        assert_eq!(texts(&log_ticks(0.0, 4.1, 6)), ["1", "10", "100", "1000", "10\u{2009}000"]);
        assert_eq!(texts(&log_ticks(-7.0, -3.9, 6)), ["10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴"]);
        assert_eq!(texts(&log_ticks(-0.8, 0.5, 6)), ["0.2", "0.5", "1", "2"]);
        assert_eq!(texts(&log_ticks(5.1, 6.2, 6)), ["2×10⁵", "5×10⁵", "10⁶"]);
        assert_eq!(texts(&log_ticks(1.0, 1.2, 4)), ["10", "12", "14"]);
        assert_eq!(texts(&log_ticks(0.0, 0.5, 5)), ["1.0", "1.5", "2.0", "2.5", "3.0"]);
        assert_eq!(texts(&log_ticks(0.0, 300.0, 5)).len(), 5);
        let minor = log_ticks(0.0, 2.0, 6).minor;
        assert_eq!(minor.len(), 16);
        assert!(minor.iter().all(|m| (0.0..=2.0).contains(m)));
        assert!(log_ticks(f64::NAN, f64::NAN, 5).major.is_empty());
    }

    proptest! {
        #[test]
        fn ticks_are_few_even_and_inside(low in -1e6f64..1e6, span in 1e-6f64..1e9, count in 1usize..12) {
            let found = ticks(low, low + span, count);
            prop_assert!(found.len() <= count + 1, "{found:?}");
            prop_assert_eq!(tick_labels(&found).len(), found.len());
            for pair in found.windows(2) {
                prop_assert!(pair[0] < pair[1]);
            }
            for t in &found {
                let slack = 1e-6 * span + 1e-9 * low.abs();
                prop_assert!(*t >= low - slack && *t <= low + span + slack);
            }
        }

        #[test]
        fn logarithmic_ticks_are_few_and_inside(low in -300f64..300.0, span in 1e-9f64..300.0, count in 1usize..12) {
            let found = log_ticks(low, low + span, count);
            prop_assert!(found.major.len() <= count.max(2) + 1, "{:?}", texts(&found));
            let slack = 1e-6 * span + 1e-8;
            for at in found.major.iter().map(|t| t.0).chain(found.minor) {
                prop_assert!(at >= low - slack && at <= low + span + slack, "{at}");
            }
            prop_assert!(found.major.windows(2).all(|w| w[0].0 < w[1].0));
        }
    }
}
