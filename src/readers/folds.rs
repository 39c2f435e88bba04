//! Parts of the images, each of which is answered for by a fit to the others.

use std::collections::HashMap;

use ndarray::ArrayView2;
use rand::Rng;
use rand::seq::SliceRandom;
use xxhash_rust::xxh3::xxh3_128;

/// How many.
pub(crate) const FOLDS: usize = 5;

/// The rows `[P, p]` in an order that `rng` draws, and where each fold of it begins and the last
/// one ends. Rows that are alike to the bit are in one fold: a copy of an image would otherwise
/// be answered for by a fit to itself. (Not where few rows differ: all would be in one.)
pub(crate) fn folds(rows: ArrayView2<f64>, rng: &mut impl Rng) -> (Vec<usize>, [usize; FOLDS + 1]) {
    let count = rows.nrows();
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(rng);
    let mut bounds: [usize; FOLDS + 1] = std::array::from_fn(|f| f * count / FOLDS);
    let keys: Vec<u128> = rows
        .outer_iter()
        .map(|row| xxh3_128(&row.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()))
        .collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut at: HashMap<u128, usize> = HashMap::new();
    for &i in &order {
        let group = *at.entry(keys[i]).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    if groups.len() < 2 * FOLDS {
        return (order, bounds);
    }
    order = groups.concat();
    for bound in &mut bounds[1..FOLDS] {
        while *bound < count && keys[order[*bound]] == keys[order[*bound - 1]] {
            *bound += 1;
        }
    }
    (order, bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn copies_are_together_and_every_row_is_there(
            kinds in proptest::collection::vec(0usize..40, 10..80), seed in 0u64..50
        ) {
            let rows = Array2::from_shape_fn((kinds.len(), 2), |(i, j)| (kinds[i] * (j + 1)) as f64);
            let (order, bounds) = folds(rows.view(), &mut seed::rng(seed, "test/folds", 0));
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..kinds.len()).collect::<Vec<_>>());
            prop_assert!(bounds[0] == 0 && bounds[FOLDS] == kinds.len() && bounds.is_sorted());
            let mut different = kinds.clone();
            different.sort_unstable();
            different.dedup();
            if different.len() >= 2 * FOLDS {
                let fold = |kind: usize| -> Vec<usize> {
                    let of = |f: &usize| (bounds[*f]..bounds[f + 1]).any(|at| kinds[order[at]] == kind);
                    (0..FOLDS).filter(of).collect()
                };
                prop_assert!(different.iter().all(|kind| fold(*kind).len() == 1));
            }
        }
    }

    #[test]
    fn rows_that_differ_are_divided_evenly() {
        let rows = Array2::from_shape_fn((52, 1), |(i, _)| i as f64);
        let (order, bounds) = folds(rows.view(), &mut seed::rng(1, "test/folds", 0));
        let mut plain: Vec<usize> = (0..52).collect();
        plain.shuffle(&mut seed::rng(1, "test/folds", 0));
        assert_eq!((order, bounds), (plain, [0, 10, 20, 31, 41, 52]));
    }
}
