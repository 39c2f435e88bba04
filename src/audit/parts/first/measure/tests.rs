use ndarray::{Array4, array};
use proptest::prelude::*;
use rand::Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::weights::Data;

// The predicted profile with the constants of the paper's code: of components with
// singular values `lambda` of the matrix of patches, from N images (`images`), after
// `steps` steps `eta` of gradient descent, e_i ∝ λ_i |1 − (1 − x_i)^t| / x_i with
// x_i = ηλ_i²/(2N), over its largest entry.
// Fails for a step beyond x_1 = 2, where descent diverges, and for values that are
// negative or not finite.
fn analytic_profile(lambda: &[f64], images: usize, eta: f64, steps: u64) -> Result<Vec<f64>> {
    let rate = eta / (2.0 * images as f64);
    if let Some(bad) = lambda.iter().find(|l| !(l.is_finite() && **l >= 0.0)) {
        return Err(Error::input("energy profile", "finite singular values, not negative", bad));
    }
    let largest = lambda.iter().copied().fold(0.0, f64::max).powi(2) * rate;
    if !(rate > 0.0 && largest <= 2.0) {
        let expected = "a step with 0 < ηλ²/(2N) ≤ 2, where gradient descent converges";
        return Err(Error::input("energy profile", expected, format!("{largest} at the largest λ")));
    }
    let t = steps as f64;
    let entry = |&l: &f64| {
        let x = rate * l * l;
        if x == 0.0 {
            return t * l;
        }
        // 1 − (1 − x)^t, exact for small x; a step beyond x = 1 changes the sign each time.
        let grown = if x < 1.0 {
            -(t * (-x).ln_1p()).exp_m1()
        } else {
            let power = (x - 1.0).powf(t);
            1.0 - if steps.is_multiple_of(2) { power } else { -power }
        };
        grown.abs() / x * l
    };
    Ok(by_largest(lambda.iter().map(entry).collect()))
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{found:?} is not {expected:?}");
    }
}

#[test]
fn the_profile_of_twelve_weights() {
    let w = Array2::from_shape_fn((3, 4), |(i, j)| (4 * i + j) as f64);
    let found = energy_profile(w.view(), Array2::eye(4).view());
    close(&found, &[0.6685, 0.7732, 0.8844, 1.0], 5e-5);
    // √80, √107, √140, √179.
    close(&found, &[80.0, 107.0, 140.0, 179.0].map(|e: f64| (e / 179.0).sqrt()), 1e-15);
    assert_eq!(energy_profile(Array2::zeros((3, 4)).view(), Array2::eye(4).view()), [0.0; 4]);
}

#[test]
fn the_analytic_profile_of_the_papers_code() {
    let found = analytic_profile(&[10.0, 5.0, 2.0, 1.0], 100, 1e-3, 1000).unwrap();
    close(&found, &[1.0, 0.5972, 0.2516, 0.1267], 5e-5);
}

#[test]
fn descent_itself_has_the_analytic_profile() {
    // w ← w + η(b − λ²w)/(2N) from 0, b = λ: each component of the mean filter.
    let (lambda, images, eta) = ([9.0f64, 4.0, 1.5, 0.2], 7, 0.1);
    for steps in [0u64, 1, 2, 3, 50, 1001] {
        let mut w = [0.0f64; 4];
        for _ in 0..steps {
            for (w, l) in w.iter_mut().zip(lambda) {
                *w += eta / (2.0 * images as f64) * (l - l * l * *w);
            }
        }
        let expected = by_largest(w.iter().map(|w| w.abs()).collect());
        close(&analytic_profile(&lambda, images, eta, steps).unwrap(), &expected, 1e-12);
    }
    // Steps beyond 1/λ² overshoot, beyond 2/λ² they diverge.
    let far = analytic_profile(&[1.0, 0.5], 1, 3.0, 3).unwrap();
    // x = 1.5 and 0.375: (1 + 0.125)/1.5 and (1 − 0.625³)/0.375 · 0.5.
    let expected = by_largest(vec![1.125 / 1.5, (1.0 - 0.625f64.powi(3)) / 0.375 * 0.5]);
    close(&far, &expected, 1e-15);
    for (lambda, eta) in [([1.0, 0.5], 5.0), ([1.0, 0.5], 0.0), ([f64::NAN, 1.0], 0.1), ([-1.0, 1.0], 0.1)] {
        assert!(analytic_profile(&lambda, 1, eta, 3).is_err());
    }
}

#[test]
fn small_steps_only_have_a_time() {
    let lambda = [10.0, 5.0, 2.0, 1.0, 0.0];
    // τ = tηλ_1²/(2N).
    for (steps, tau) in [(10_000u64, 0.005), (2_000_000, 1.0), (400_000_000, 200.0)] {
        let found = analytic_profile(&lambda, 100, 1e-6, steps).unwrap();
        close(&predicted_profile(&lambda, tau), &found, 1e-6);
    }
    // First as the patches, in the end their inverse.
    close(&predicted_profile(&lambda, 1e-9), &[1.0, 0.5, 0.2, 0.1, 0.0], 1e-8);
    close(&predicted_profile(&lambda, 1e9), &[0.1, 0.2, 0.5, 1.0, 0.0], 1e-12);
}

#[test]
fn components_by_hand() {
    // Patches (x, y) of 1×2, all of the images: pixels ±1 along (1, 1), ±¼ along (1, −1).
    let images =
        Array4::from_shape_vec((4, 1, 1, 2), vec![1.0, 1.0, -1.0, -1.0, 0.25, -0.25, -0.25, 0.25f32])
            .unwrap();
    let shifted = images.mapv(|v| 0.5 + 0.2 * v);
    let found = Components::new(shifted.view(), (&[0.3], &[0.2]), [1, 2], 100, 0).unwrap();
    assert_eq!((found.shape, found.patches, found.images), ([1, 1, 2], 4, 4));
    // Mean squares along them: 2·2/4 and 2·(1/8)/4.
    close(&found.lambda, &[1.0, 0.25], 1e-6);
    let u = found.vectors.column(0);
    assert!((u[0] * u[1] - 0.5).abs() < 1e-6 && (found.vectors.column(1).product() + 0.5).abs() < 1e-6);
}

#[test]
fn components_are_those_of_all_patches() {
    let images = images(6, 2, 9, 7);
    let (mean, std) = ([0.4, 0.1], [0.3, 0.7]);
    let found = Components::new(images.view(), (&mean, &std), [3, 2], 1_000_000, 0).unwrap();
    assert_eq!(found.patches, 6 * 7 * 6);
    // Patch by patch, in the order of a filter's weights.
    let mut patches = Vec::new();
    for (n, y, x) in (0..6).flat_map(|n| (0..7).flat_map(move |y| (0..6).map(move |x| (n, y, x)))) {
        for (c, i, j) in (0..2).flat_map(|c| (0..3).flat_map(move |i| (0..2).map(move |j| (c, i, j)))) {
            patches.push((f64::from(images[[n, c, y + i, x + j]]) - mean[c]) / std[c]);
        }
    }
    let mut patches = Array2::from_shape_vec((252, 12), patches).unwrap();
    patches -= &patches.mean_axis(Axis(0)).unwrap();
    let along = patches.dot(&found.vectors);
    let covariance = along.t().dot(&along) / 252.0;
    for ((i, j), &c) in covariance.indexed_iter() {
        let expected = if i == j { found.lambda[i].powi(2) } else { 0.0 };
        assert!((c - expected).abs() < 1e-12, "({i}, {j}): {c}");
    }
    assert!(found.lambda.is_sorted_by(|a, b| a >= b));
    // A part of them, and another part.
    let part = |seed| Components::new(images.view(), (&mean, &std), [3, 2], 200, seed).unwrap();
    assert_eq!(part(1).patches, 200);
    assert_eq!(part(1).lambda, part(1).lambda);
    assert_ne!(part(1).lambda, part(2).lambda);
    close(&part(1).lambda[..1], &found.lambda[..1], 0.1 * found.lambda[0]);
}

/// Smooth, like photographs: sums of waves with 1/f amplitudes.
fn images(n: usize, c: usize, h: usize, w: usize) -> Array4<f32> {
    let mut rng = seed::rng(0, "test/images", 0);
    let mut images = Array4::zeros((n, c, h, w));
    for mut image in images.outer_iter_mut() {
        for _ in 0..12 {
            let (fy, fx, phase) = (rng.random::<f64>(), rng.random::<f64>(), 6.3 * rng.random::<f64>());
            let gains: Vec<f64> = (0..c).map(|_| 1.0 + 0.3 * rng.sample::<f64, _>(StandardNormal)).collect();
            for ((c, y, x), v) in image.indexed_iter_mut() {
                let wave = (3.0 * (fy * y as f64 + (fx - 0.5) * x as f64) + phase).cos();
                *v += (0.04 * gains[c] * wave / (0.1 + fy.hypot(fx))) as f32;
            }
        }
        image.mapv_inplace(|v| v + 0.5 + 0.02 * (rng.random::<f32>() - 0.5));
    }
    images
}

/// Filters that have exactly this energy profile along the components.
fn filters(components: &Components, profile: &[f64], k: usize) -> Array4<f64> {
    let p = profile.len();
    assert!(k > p);
    // Σ_k q_ki q_kj = δ_ij: cosines.
    let q = Array2::from_shape_fn((k, p), |(k_, i)| {
        (std::f64::consts::PI * (i as f64 + 1.0) * (2 * k_ + 1) as f64 / (2 * k) as f64).cos()
    });
    let w = (q * &Array1::from(profile.to_vec())).dot(&components.vectors.t());
    let [c, r, s] = components.shape;
    w.into_shape_with_order((k, c, r, s)).unwrap()
}

fn some_components() -> Components {
    Components::new(images(40, 3, 12, 12).view(), (&[0.5; 3], &[0.25; 3]), [3, 3], 4000, 0).unwrap()
}

#[test]
fn filters_made_by_the_formula_are_found_at_their_time() {
    let components = some_components();
    for tau in [3.0, 40.0, 900.0] {
        let made = filters(&components, &predicted_profile(&components.lambda, tau), 32);
        let found = fit(made.view(), None, &components, 0).unwrap();
        // As near as the times that are tried.
        assert!((found.tau / tau).ln().abs() < 1.2 * 10f64.ln() / PER_DECADE, "{} {tau}", found.tau);
        assert!(found.correlation > 0.999 && found.end == End::Inside, "{}", found.correlation);
        close(&found.measured, &predicted_profile(&components.lambda, tau), 1e-10);
        assert!(found.correlation > found.random[1]);
        let [low, high] = found.interval.unwrap();
        assert!(0.0 < low && low < high && high <= 1.0 + 1e-12, "{low} {high}");
        assert_eq!((found.filters, found.shape, found.patches, found.initial), (32, [3, 3, 3], 4000, false));
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), found);
    }
    let at =
        |profile: Vec<f64>| fit(filters(&components, &profile, 28).view(), None, &components, 0).unwrap().end;
    assert_eq!(at(components.lambda.clone()), End::Early);
    assert_eq!(at(components.lambda.iter().map(|l| 1.0 / l).collect()), End::Late);
}

#[test]
fn initial_weights_are_taken_off() {
    let components = some_components();
    let made = filters(&components, &predicted_profile(&components.lambda, 50.0), 30);
    let mut rng = seed::rng(0, "test/initial", 0);
    let initial = made.mapv(|_| 0.3 * rng.sample::<f64, _>(StandardNormal));
    let trained = &made + &initial;
    let with = fit(trained.view(), Some(initial.view()), &components, 0).unwrap();
    let without = fit(trained.view(), None, &components, 0).unwrap();
    assert!(with.initial && with.correlation > 0.999 && without.correlation < with.correlation);
    let wrong = initial.slice(s![..3, .., .., ..]);
    assert!(
        fit(trained.view(), Some(wrong), &components, 0).unwrap_err().to_string().contains("[K, 3, 3, 3]")
    );
}

#[test]
fn random_filters_correlate_as_random_filters_do() {
    // 40 layers: 2 are expected outside of the middle 95 %, more than 7 have p < 1e-3.
    let components = some_components();
    let outside = (0..40).filter(|&i| {
        let mut rng = seed::rng(i, "test/random filters", 0);
        let filters = Array4::from_shape_simple_fn((16, 3, 3, 3), || rng.sample(StandardNormal));
        let found = fit(filters.view(), None, &components, i).unwrap();
        !(found.random[0] <= found.correlation && found.correlation <= found.random[1])
    });
    assert!(outside.count() <= 7);
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let all = images(2, 3, 5, 5);
    let refused = |images: ArrayView4<f32>, mean: &[f64], std: &[f64], kernel, count| {
        Components::new(images, (mean, std), kernel, count, 0).err().unwrap().to_string()
    };
    let usual = ([0.5; 3], [0.2; 3]);
    assert!(refused(all.view(), &usual.0, &usual.1, [7, 3], 9).contains("at least 7x3"));
    assert!(refused(all.slice(s![..0, .., .., ..]), &usual.0, &usual.1, [3, 3], 9).contains("0 images"));
    assert!(refused(all.view(), &usual.0, &usual.1, [3, 3], 0).contains("0 patches"));
    assert!(refused(all.view(), &[0.5], &usual.1, [3, 3], 9).contains("each of 3 channels"));
    assert!(refused(all.view(), &usual.0, &[0.0; 3], [3, 3], 9).contains("each of 3 channels"));
    let grey = Array4::from_elem((2, 3, 5, 5), 0.5f32);
    assert!(refused(grey.view(), &usual.0, &usual.1, [3, 3], 9).contains("all alike"));
    let broken = all.mapv(|v| if v > 0.5 { f32::NAN } else { v });
    assert!(refused(broken.view(), &usual.0, &usual.1, [3, 3], 99).contains("finite"));

    let components = some_components();
    let no = |filters: Array4<f64>| fit(filters.view(), None, &components, 0).err().unwrap().to_string();
    assert!(no(Array4::zeros((4, 3, 5, 5))).contains("filters [K, 3, 3, 3]"));
    assert!(no(Array4::zeros((0, 3, 3, 3))).contains("filters [K, 3, 3, 3]"));
    assert!(no(Array4::zeros((4, 3, 3, 3))).contains("energy varies"));
    assert!(no(Array4::from_elem((4, 3, 3, 3), f64::NAN)).contains("finite"));
    // Filters of white noise itself: alike along all components.
    let white = Array2::<f64>::eye(27).into_shape_with_order((27, 3, 3, 3)).unwrap();
    assert!(no(white).contains("energy varies"));
    let few = Components::new(images(9, 1, 4, 4).view(), (&[0.5], &[0.2]), [1, 2], 99, 0).unwrap();
    let error = fit(Array4::ones((4, 1, 1, 2)).view(), None, &few, 0).err().unwrap().to_string();
    assert!(error.contains("three components"), "{error}");
    let four = filters(&components, &components.lambda, 28).slice_move(s![..4, .., .., ..]);
    assert_eq!(fit(four.view(), None, &components, 0).unwrap().interval, None);
}

#[test]
fn the_first_convolution_sees_the_channels() {
    let mut weights = StateDict::new();
    for (name, shape) in [
        ("fc.weight", vec![10, 3]),
        ("mix", vec![3, 3, 1, 1]),
        ("stem", vec![8, 3, 7, 7]),
        ("next", vec![8, 3, 3, 3]),
        ("depthwise", vec![8, 1, 3, 3]),
    ] {
        let data = Data::F32(vec![0.5; shape.iter().product()]);
        weights.push(NamedTensor::new(name, shape, data).unwrap()).unwrap();
    }
    assert_eq!(first_convolution(&weights, 3).unwrap().name(), "stem");
    assert_eq!(first_convolution(&weights, 1).unwrap().name(), "depthwise");
    assert!(first_convolution(&weights, 4).unwrap_err().to_string().contains("[K,4,r,s]"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn profiles_know_neither_scale_nor_order_of_filters(
        k in 1usize..6, p in 1usize..8, scale in 1e-3f64..1e3, seed in 0u64..1000,
    ) {
        let mut rng = seed::rng(seed, "test/profile", 0);
        let w = Array2::from_shape_simple_fn((k, p), || rng.sample::<f64, _>(StandardNormal));
        let reference = energy_profile(w.view(), Array2::eye(p).view());
        let mut changed = &w * -scale;
        changed.invert_axis(Axis(0));
        for (a, b) in energy_profile(changed.view(), Array2::eye(p).view()).iter().zip(&reference) {
            prop_assert!((a - b).abs() < 1e-12);
        }
        prop_assert!(reference.iter().all(|e| (0.0..=1.0).contains(e)));
    }

    #[test]
    fn predictions_are_profiles(tau in 1e-6f64..1e9, mut lambda in proptest::collection::vec(0.0f64..10.0, 1..20)) {
        lambda.push(1.0);
        let found = predicted_profile(&lambda, tau);
        prop_assert!(found.iter().all(|e| (0.0..=1.0).contains(e)) && found.contains(&1.0));
    }
}

#[test]
fn a_turned_layer_has_the_profile_of_its_components() {
    // By hand: u = (1, ±1)/√2; filters (1, 1) and (3, −1): (√2, 0) and (√2, 2√2) along them.
    let half = 0.5f64.sqrt();
    let u = array![[half, half], [half, -half]];
    let w = array![[1.0, 1.0], [3.0, -1.0]];
    close(&energy_profile(w.view(), u.view()), &[0.5f64.sqrt(), 1.0], 1e-15);
}
