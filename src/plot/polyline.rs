//! Lines of points: gaps in them, what nobody would see of them, and their parts
//! inside a rectangle.

/// Runs of consecutive points without a NaN in them.
pub(super) fn split_at_gaps(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let mut runs = vec![Vec::new()];
    for (x, y) in points {
        if x.is_nan() || y.is_nan() {
            runs.push(Vec::new());
        } else if let Some(run) = runs.last_mut() {
            run.push((x, y));
        }
    }
    runs.retain(|r| !r.is_empty());
    runs
}

/// A line that runs to the right, in pixels, without the points nobody would
/// see: of those in each half pixel the first, the last, the highest and the
/// lowest stay, so that no peak is lost.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let column = |x: f64| (2.0 * x).floor();
    points
        .chunk_by(|a, b| column(a.0) == column(b.0))
        .flat_map(|group| {
            let by_height = |&a: &usize, &b: &usize| group[a].1.total_cmp(&group[b].1);
            let low = (0..group.len()).min_by(by_height).unwrap_or(0);
            let high = (0..group.len()).max_by(by_height).unwrap_or(0);
            let mut keep = [0, low, high, group.len() - 1];
            keep.sort_unstable();
            let mut last = None;
            keep.into_iter()
                .filter(move |&i| last.replace(i) != Some(i))
                .map(|i| group[i])
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The parts of a polyline inside a rectangle (Liang and Barsky).
pub(super) fn clip(points: &[(f64, f64)], low: (f64, f64), high: (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let inside = |p: &(f64, f64)| p.0 >= low.0 && p.0 <= high.0 && p.1 >= low.1 && p.1 <= high.1;
    if points.iter().all(inside) {
        return if points.is_empty() { Vec::new() } else { vec![points.to_vec()] };
    }
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0f64, 1f64);
        for (step, room) in
            [(-dx, from.0 - low.0), (dx, high.0 - from.0), (-dy, from.1 - low.1), (dy, high.1 - from.1)]
        {
            if step == 0.0 {
                if room < 0.0 {
                    leave = -1.0;
                }
            } else if step < 0.0 {
                enter = enter.max(room / step);
            } else {
                leave = leave.min(room / step);
            }
        }
        if enter > leave {
            open = false;
            continue;
        }
        let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
        match pieces.last_mut() {
            Some(piece) if open && enter == 0.0 => piece.push(at(leave)),
            _ => pieces.push(vec![at(enter), at(leave)]),
        }
        open = leave == 1.0;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::check::range;
    use super::*;

    #[test]
    fn series_splits_at_gaps() {
        let series = [(0.0, f64::NAN), (1.0, 1.0), (2.0, 2.0), (3.0, f64::NAN), (4.0, f64::NAN), (5.0, 5.0)];
        assert_eq!(split_at_gaps(series), [vec![(1.0, 1.0), (2.0, 2.0)], vec![(5.0, 5.0)]]);
        assert!(split_at_gaps([]).is_empty());
    }

    #[test]
    fn thinning_keeps_a_spike() {
        let line: Vec<_> = (0..100_000)
            .map(|i| (f64::from(i) * 1e-3, if i == 54_321 { 9.0 } else { (f64::from(i) * 0.7).sin() }))
            .collect();
        let thinned = thin(&line);
        assert!(thinned.len() <= 4 * 200, "{}", thinned.len());
        assert!(thinned.contains(&line[54_321]));
    }

    #[test]
    fn lines_are_cut_at_the_axes() {
        let cut = |points: &[(f64, f64)]| clip(points, (0.0, 0.0), (10.0, 10.0));
        assert_eq!(cut(&[(1.0, 1.0), (2.0, 2.0)]), [vec![(1.0, 1.0), (2.0, 2.0)]]);
        assert_eq!(cut(&[(-5.0, 5.0), (15.0, 5.0)]), [vec![(0.0, 5.0), (10.0, 5.0)]]);
        // Out above and in again.
        let there_and_back = cut(&[(0.0, 5.0), (5.0, 15.0), (10.0, 5.0)]);
        assert_eq!(there_and_back, [vec![(0.0, 5.0), (2.5, 10.0)], vec![(7.5, 10.0), (10.0, 5.0)]]);
        assert!(cut(&[(-1.0, -1.0), (-1.0, 20.0)]).is_empty());
        assert!(cut(&[]).is_empty() && cut(&[(20.0, 20.0)]).is_empty());
    }

    proptest! {
        #[test]
        fn thinning_keeps_ends_and_extremes(values in prop::collection::vec(-1e3f64..1e3, 1..400), step in 0.01f64..3.0) {
            let line: Vec<_> = values.iter().enumerate().map(|(i, v)| (i as f64 * step, *v)).collect();
            let thinned = thin(&line);
            prop_assert_eq!(thinned.first(), line.first());
            prop_assert_eq!(thinned.last(), line.last());
            let extremes = |l: &[(f64, f64)]| range("line", l.iter().map(|p| p.1)).unwrap();
            prop_assert_eq!(extremes(&thinned), extremes(&line));
            prop_assert!(thinned.windows(2).all(|w| w[0].0 < w[1].0), "runs to the right, nothing twice");
        }

        #[test]
        fn what_is_cut_lies_inside(points in prop::collection::vec((-30f64..30.0, -30f64..30.0), 0..20)) {
            for piece in clip(&points, (-10.0, -5.0), (10.0, 5.0)) {
                prop_assert!(!piece.is_empty());
                for (x, y) in piece {
                    prop_assert!(x.abs() <= 10.0 + 1e-9 && y.abs() <= 5.0 + 1e-9, "{x} {y}");
                }
            }
        }
    }
}
