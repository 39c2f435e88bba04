use super::*;
use crate::data::Samples;
use crate::spectrum;
use crate::theory::closed::Closed;
use crate::theory::linear::{Draw, Layout, Padding};
use crate::theory::tests_support::{
    alone, cosine_samples, disjoint, drawn, lcnn, random_samples, sums_of_cosines,
};
use crate::theory::{Moments, naive};
use ndarray::array;
use proptest::prelude::*;

#[test]
fn by_hand() {
    // One pixel, x = 2, y = 1, one hidden unit of b and c: s = 2, λ = 4,
    // a(τ) = ½·4·½ [(b + c)² e^{2τ} − (c − b)² e^{−2τ}], τ(a = s) by the quadratic formula.
    let mut samples = random_samples(1, [1, 1, 1], 1, 1);
    (samples.x, samples.y) = (array![[2.0]], array![[1.0]]);
    let modes = Modes::new(&samples).unwrap();
    let weights = Weights::Fcnn { w1: array![[0.5]], w2: array![[0.5]] };
    let theory = ModeTheory::new(&modes, &weights, None).unwrap();
    // Balanced: 2/(1 + e^{−4t}).
    assert_eq!(theory.time_to(0, 0.5), Some(0.0));
    for t in [0.0f64, 0.1, 0.5, 1.0, 3.0, 8.0, 20.0] {
        let want = 2.0 / (1.0 + (-4.0 * t).exp());
        assert!((theory.strengths(t)[0] - want).abs() < 1e-10, "{t}");
    }
    let law = Law { kappa: vec![1.0], grow: vec![0f64.ln()], decay: vec![1f64.ln()] };
    assert_eq!((law.root(1.0), law.at(0.0)), (None, -1.0));
    let weights = Weights::Fcnn { w1: array![[0.1]], w2: array![[0.2]] };
    let theory = ModeTheory::new(&modes, &weights, None).unwrap();
    assert!((theory.strengths(0.0)[0] - 4.0 * 0.02).abs() < 1e-15);
    let law = &theory.list[0].law;
    let y: f64 = (2.0 + (4.0 + 4.0 * 0.09 * 0.01f64).sqrt()) / (2.0 * 0.09);
    assert!((2.0 * law.root(2.0).unwrap() - y.ln()).abs() < 1e-13);
    // One step of gradient descent, η = 0.1: r = 1.92; (0.3·1.192)², (0.1·0.808)².
    let stepped = ModeTheory::new(&modes, &weights, Some(0.1)).unwrap();
    let want = (0.3f64 * 1.192).powi(2) - (0.1f64 * 0.808).powi(2);
    assert!((stepped.strengths(0.1)[0] - want).abs() < 1e-14);
}

#[test]
fn pure_cosines_from_a_matched_start_follow_the_closed_form() {
    let samples = cosine_samples((8, 6), &[(1, 2, 2.0, 0.3), (-3, 1, 1.0, 1.1), (4, 0, 0.7, 0.0)]);
    let modes = Modes::new(&samples).unwrap();
    for layout in [lcnn(&modes, 1), Layout::Fcnn { hidden: 4 }] {
        let weights = drawn(&modes, layout, Draw::Matched(0.01), 1);
        let theory = ModeTheory::new(&modes, &weights, None).unwrap();
        for (i, mode) in modes.list.iter().enumerate() {
            let gain = mode.gain(!matches!(layout, Layout::Fcnn { .. }));
            let closed = Closed::new(mode.s, 0.01 * mode.s, gain).unwrap();
            for share in [0.1, 0.5, 0.9, 0.999] {
                let (got, want) = (theory.time_to(i, share).unwrap(), closed.time_to(share));
                assert!((got / want - 1.0).abs() < 1e-6, "{i} {share}: {got} {want}");
                let (got, want) = (theory.strengths(want)[i], share * mode.s);
                assert!((got - want).abs() < 1e-6 * mode.s);
            }
            let eta = 0.002 / (gain * mode.s);
            let stepped = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
            let (got, want) = (stepped.time_to(i, 0.5).unwrap(), closed.step_to(0.5, eta) * eta);
            assert!((got / want - 1.0).abs() < 1e-3, "{got} {want}");
        }
    }
}

#[test]
fn one_mode_alone_is_followed_exactly() {
    for (shape, layout, scale) in [
        ([2, 4, 6], None, 0.05),
        ([2, 4, 6], None, 1e-4),
        ([1, 5, 3], None, 0.3),
        ([2, 4, 6], Some(Layout::Fcnn { hidden: 5 }), 0.01),
    ] {
        let (modes, moments) = alone(shape, 7);
        let layout = layout.unwrap_or(lcnn(&modes, 3));
        let start = drawn(&modes, layout, Draw::Gaussian(scale), 2);
        let (s, gain) = (modes.list[0].s, modes.list[0].gain(!matches!(layout, Layout::Fcnn { .. })));
        let eta = 0.02 / (gain * s);
        let flow = ModeTheory::new(&modes, &start, None).unwrap();
        let stepped = ModeTheory::new(&modes, &start, Some(eta)).unwrap();
        let (mut exact, mut descended) = (start.clone(), start.clone());
        let mut worst = [0.0f64; 2];
        for i in 0..1500 {
            let t = f64::from(i) * eta;
            let a = [&exact, &descended].map(|w| naive::strengths(&modes, w, &moments)[0]);
            worst[0] = worst[0].max((flow.strengths(t)[0] - a[0]).abs() / s);
            worst[1] = worst[1].max((stepped.strengths(t)[0] - a[1]).abs() / s);
            for _ in 0..10 {
                exact = naive::rk4(&exact, &moments, eta / 10.0);
            }
            descended = naive::moved(&descended, &naive::descent(&descended, &moments), eta);
        }
        println!("{shape:?} {scale}: flow {:.1e}, descent {:.1e}", worst[0], worst[1]);
        assert!(worst[0] < 1e-8 && worst[1] < 1e-9, "{worst:?}");
        assert!(flow.strengths(1500.0 * eta)[0] > 0.999 * s);
    }
}

#[test]
fn the_template_is_that_of_training() {
    let (modes, moments) = alone([2, 4, 6], 7);
    for layout in [lcnn(&modes, 3), Layout::Fcnn { hidden: 5 }] {
        let convolutional = !matches!(layout, Layout::Fcnn { .. });
        let mut weights = drawn(&modes, layout, Draw::Gaussian(1e-4), 2);
        let s = modes.list[0].s;
        let eta = 0.006 / (modes.list[0].gain(convolutional) * s);
        let theory = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
        for i in 0..6000 {
            weights = naive::moved(&weights, &naive::descent(&weights, &moments), eta);
            // Once it has left the initial weights.
            if i % 200 == 199 && naive::strengths(&modes, &weights, &moments)[0] > 0.02 * s {
                let e = weights.end_to_end().into_shape_with_order((2, 4, 6)).unwrap();
                let want = Energies::of_image(e.view()).unwrap();
                let got = theory.template(0, f64::from(i + 1) * eta).unwrap();
                let error = (&got.values() - &want.values()).mapv(f64::abs).sum();
                // What is not along v, an amplitude of the order of the initial weights.
                let v = &modes.list[0].v;
                let rest = &e - &(v * (&e * v).sum());
                let rest = rest.iter().map(|x| x * x).sum::<f64>() * if convolutional { 0.0 } else { 1.0 };
                let allowed = 1e-3 * want.total() + 2.0 * (rest * want.total()).sqrt();
                assert!(rest < 1e-3 * want.total() && error < allowed, "{i}: {error} of {}", want.total());
            }
        }
    }
    // From small weights fewer frequencies are used than the mode has.
    let weights = drawn(&modes, lcnn(&modes, 3), Draw::Gaussian(1e-12), 2);
    let theory = ModeTheory::new(&modes, &weights, None).unwrap();
    let used = theory.discovered_with(0).unwrap();
    assert!(used.participation() < 0.5 * modes.list[0].participation);
    assert_eq!(used.dominant(), modes.list[0].dominant);
}

#[test]
fn the_frequency_of_the_largest_single_entry_grows_fastest() {
    // Shares of .128 in (0,0), .087 in each of ±(1,2), .0349 in each of two entries of ten others.
    let rest = [(0, 1), (1, 1), (2, 1), (3, 1), (-1, 1), (-2, 1), (-3, 1), (0, 2), (2, 2), (3, 2)];
    let mut waves = vec![(0, 0, 0.128f64.sqrt(), 0.0), (1, 2, 2.0 * 0.087f64.sqrt(), 0.3)];
    waves.extend(rest.map(|(r, c)| (r, c, 2.0 * 0.0349f64.sqrt(), 0.7)));
    let samples = sums_of_cosines((8, 8), &[&waves]);
    let modes = Modes::new(&samples).unwrap();
    let mode = &modes.list[0];
    assert!((mode.rho - (64.0 * 0.128f64).sqrt()).abs() < 1e-6);
    assert_eq!((<[i32; 2]>::from(mode.dominant), mode.energies.dominant_set(0.17).len()), ([0, 0], 1));
    assert_ne!(mode.energies.dominant_set(0.17), [mode.dominant]);
    let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(1e-12), 2);
    let used = ModeTheory::new(&modes, &weights, None).unwrap().discovered_with(0).unwrap();
    assert_eq!((used.dominant(), used.dominant_set(0.5)), (mode.dominant, vec![mode.dominant]));
}

#[test]
fn modes_of_disjoint_frequencies_follow_their_own_theory() {
    for (shape, channels, hidden) in [([1, 4, 6], 1, None), ([2, 4, 6], 3, None), ([1, 4, 6], 0, Some(256))] {
        let samples = disjoint(shape, 3, 11);
        let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
        let layout = hidden.map_or(lcnn(&modes, channels), |hidden| Layout::Fcnn { hidden });
        let mut weights = drawn(&modes, layout, Draw::Gaussian(1e-4), 5);
        let theory = ModeTheory::new(&modes, &weights, None).unwrap();
        let h = 0.05 / (modes.list[0].s * modes.list[0].gain(hidden.is_none()));
        let mut curves = vec![vec![]; modes.len()];
        let mut worst = 0.0f64;
        for i in 0..1000 {
            let got = naive::strengths(&modes, &weights, &moments);
            let want = theory.strengths(f64::from(i) * h);
            for ((curve, (a, b)), mode) in curves.iter_mut().zip(got.iter().zip(want)).zip(&modes.list) {
                curve.push(*a);
                worst = worst.max((a - b).abs() / mode.s);
            }
            weights = naive::rk4(&weights, &moments, h);
        }
        let mut off = 0.0f64;
        for (i, (curve, mode)) in curves.iter().zip(&modes.list).enumerate() {
            let ratio = theory.time_to(i, 0.5).unwrap() / naive::half_time(curve, mode.s, h);
            off = off.max((ratio - 1.0).abs());
        }
        println!("{shape:?} {layout:?}: curves {worst:.1e} s, half-times {off:.1e}");
        // Hidden directions of two modes are orthogonal only to 1/√h.
        let allowed = if hidden.is_some() { (0.02, 3e-3) } else { (1e-4, 1e-4) };
        assert!(worst < allowed.0 && off < allowed.1, "{shape:?} {layout:?}: {worst} {off}");
    }
}

#[test]
fn starts_without_a_discovery() {
    let (modes, moments) = alone([1, 4, 6], 3);
    let s = modes.list[0].s;
    let drawn = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(0.1), 2);
    let still = naive::moved(&drawn, &drawn, -1.0);
    let theory = ModeTheory::new(&modes, &still, Some(0.1)).unwrap();
    assert_eq!((theory.strengths(3.0), theory.time_to(0, 0.5)), (vec![0.0], None));
    assert!(theory.discovered_with(0).is_none());
    // b = 0.2 and z = −b̄ everywhere: a starts below zero, nothing grows but rounding.
    let (hat, norm) = modes.list[0].spectrum();
    let plane =
        |z: Array2<Complex<f64>>| spectrum::irfft2(z.view(), 6).into_shape_with_order((1, 1, 4, 6)).unwrap();
    let along = Array2::from_shape_fn(norm.dim(), |(r, q)| hat[[0, r, q]] / norm[[r, q]] * 0.2);
    let flat = Array2::from_elem(norm.dim(), Complex::from(-0.2 * modes.list[0].u[0]));
    let (kernels, dense) = (vec![plane(along)], plane(flat));
    let against = Weights::Lcnn { kernels, dense, padding: Padding::Circular };
    let theory = ModeTheory::new(&modes, &against, None).unwrap();
    let start = naive::strengths(&modes, &against, &moments)[0];
    assert!(start < 0.0 && (theory.strengths(0.0)[0] - start).abs() < 1e-9 * start.abs());
    assert!(theory.time_to(0, 0.5).is_none_or(|t| t > 30.0 / (2.0 * s * modes.list[0].rho)));
    // Beyond s: it decays towards s.
    let mut beyond = naive::moved(&drawn, &drawn, 0.0);
    for _ in 0..4000 {
        let change = naive::descent(&beyond, &moments);
        beyond = naive::moved(&beyond, &change, 0.01 / (s * modes.list[0].rho));
    }
    beyond = naive::moved(&beyond, &beyond, 0.5);
    let theory = ModeTheory::new(&modes, &beyond, None).unwrap();
    assert_eq!(theory.time_to(0, 0.5), Some(0.0));
    let mut before = theory.strengths(0.0)[0];
    assert!(before > 2.0 * s);
    let h = 0.002 / (s * modes.list[0].rho);
    for i in 1..2000 {
        beyond = naive::rk4(&beyond, &moments, h);
        let a = theory.strengths(f64::from(i) * h)[0];
        assert!(a >= s && a <= before, "{i}: {a}");
        assert!((a - naive::strengths(&modes, &beyond, &moments)[0]).abs() < 1e-6 * s, "{i}");
        before = a;
    }
}

#[test]
fn other_networks_are_refused() {
    let (modes, _) = alone([1, 4, 6], 3);
    let refused = |layout| {
        let weights = drawn(&modes, layout, Draw::Gaussian(0.1), 1);
        ModeTheory::new(&modes, &weights, None).unwrap_err().to_string()
    };
    let layout = |layers, size, padding| Layout::Lcnn { channels: 2, layers, size, padding };
    assert!(refused(layout(1, (3, 3), Padding::Circular)).starts_with("model.kernel"));
    assert!(refused(layout(1, (4, 6), Padding::Zero)).starts_with("model.padding"));
    assert!(refused(layout(2, (4, 6), Padding::Circular)).starts_with("model.layers"));
    let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(0.1), 1);
    assert!(ModeTheory::new(&modes, &weights, Some(-1.0)).is_err());
    let (others, _) = alone([1, 6, 4], 3);
    assert!(ModeTheory::new(&others, &weights, None).is_err());
    let bad = naive::moved(&weights, &weights, f64::NAN);
    assert!(ModeTheory::new(&modes, &bad, None).unwrap_err().to_string().contains("finite"));
    let theory = ModeTheory::new(&modes, &weights, None).unwrap();
    assert!(theory.time_to(1, 0.5).is_none() && theory.template(1, 0.0).is_none());
    assert!(theory.time_to(0, 1.0).is_none() && theory.time_to(0, f64::NAN).is_none());
    assert!(theory.strengths(f64::NAN)[0].is_finite() && theory.strengths(f64::INFINITY)[0].is_finite());
}

// Whether actual descent, of step `eta`, overflows.
fn diverges(weights: &Weights, samples: &Samples, eta: f64) -> bool {
    let moments = Moments::new(samples);
    let mut weights = weights.clone();
    (0..1000).any(|_| {
        weights = naive::moved(&weights, &naive::descent(&weights, &moments), eta);
        !weights.end_to_end().iter().all(|x| x.is_finite())
    })
}

#[test]
fn a_descent_that_diverges_discovers_nothing() {
    // Weights of 0.1 before targets of 1e-6: the first step is ten times too large.
    let mut samples = random_samples(1, [1, 3, 4], 1, 853);
    samples.y *= 1e-6;
    let modes = Modes::new(&samples).unwrap();
    let weights = drawn(&modes, lcnn(&modes, 2), Draw::Gaussian(0.1), 853);
    let eta = 1e-4 / (modes.list[0].s * modes.list[0].rho);
    assert!(diverges(&weights, &samples, eta) && !diverges(&weights, &samples, 1e-3 * eta));
    let (large, small) = (Some(eta), Some(1e-3 * eta));
    let time = |eta| ModeTheory::new(&modes, &weights, eta).unwrap().time_to(0, 0.5);
    assert!(time(large).is_none() && time(small).is_some(), "{:?} {:?}", time(large), time(small));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn curves_rise_and_times_invert_them(
        exponent in -150f64..-1.0, size in -6f64..6.0, seed in 0u64..1000, step in prop::option::of(1e-4f64..0.3),
    ) {
        let mut samples = random_samples(1, [1, 3, 4], 1, seed);
        samples.y *= 10f64.powf(size);
        let modes = Modes::new(&samples).unwrap();
        let weights = drawn(&modes, lcnn(&modes, 2), Draw::Gaussian(10f64.powf(exponent)), seed);
        let (s, rate) = (modes.list[0].s, modes.list[0].s * modes.list[0].rho);
        // Descent can step past s where it starts with weights that are not small against s.
        let smooth = step.is_none() || exponent < -3.0;
        let eta = step.map(|x| x / rate);
        let theory = ModeTheory::new(&modes, &weights, eta).unwrap();
        let Some(half) = theory.time_to(0, 0.5) else {
            prop_assert!(eta.is_some_and(|eta| diverges(&weights, &samples, eta)));
            return Ok(());
        };
        prop_assert!(half.is_finite());
        let mut before = theory.strengths(0.0)[0];
        let above = before >= s;
        for i in 1..400 {
            let a = theory.strengths(f64::from(i) / 100.0 * half.max(1e-3 / rate))[0];
            prop_assert!(a.is_finite());
            if smooth && size > 2.0 * exponent + 2.0 {
                let ordered = if above { a <= before } else { a >= before - 1e-12 * s };
                prop_assert!(ordered, "{}: {} {}", i, before, a);
            }
            before = a;
        }
        if smooth && size > 2.0 * exponent + 2.0 {
            let end = theory.strengths(100.0 * half + 100.0 / rate)[0];
            prop_assert!((end / s - 1.0).abs() < 1e-6, "{end} of {s}");
        }
        for share in [1e-4, 0.1, 0.5, 0.9, 0.9999] {
            let t = theory.time_to(0, share).unwrap();
            let a = theory.strengths(t)[0];
            let met = if t > 0.0 { (a / s - share).abs() < 1e-8 } else { a >= share * s };
            prop_assert!(met, "{}: {} of {}", share, a, s);
        }
    }
}
