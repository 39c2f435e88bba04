//! The full plane of a spectrum, as it is looked at.

use ndarray::{Array2, ArrayView2};

/// The full plane of a real image's energies from its half plane `[H, W/2 + 1]`,
/// unshifted: the entry at (−r, −c) is that at (r, c).
pub fn mirror(half: ArrayView2<'_, f64>, width: usize) -> Array2<f64> {
    let (height, stored) = half.dim();
    Array2::from_shape_fn((height, width), |(r, c)| {
        if c < stored { half[[r, c]] } else { half[[(height - r) % height, width - c]] }
    })
}

/// Moves frequency zero to row H/2 and column W/2, as numpy's fftshift.
pub fn shift_to_centre(plane: ArrayView2<'_, f64>) -> Array2<f64> {
    let (height, width) = plane.dim();
    Array2::from_shape_fn((height, width), |(r, c)| {
        plane[[(r + height.div_ceil(2)) % height, (c + width.div_ceil(2)) % width]]
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mirror_by_hand_even_width() {
        // 3 × 4: columns 0, 1, 2 are stored, 3 is −1.
        let half = array![[0.0, 1.0, 2.0], [10.0, 11.0, 12.0], [20.0, 21.0, 22.0]];
        let full = array![[0.0, 1.0, 2.0, 1.0], [10.0, 11.0, 12.0, 21.0], [20.0, 21.0, 22.0, 11.0]];
        assert_eq!(mirror(half.view(), 4), full);
        // Rows −1, 0, 1; columns −2, −1, 0, 1.
        let centred = array![[22.0, 11.0, 20.0, 21.0], [2.0, 1.0, 0.0, 1.0], [12.0, 21.0, 10.0, 11.0]];
        assert_eq!(shift_to_centre(full.view()), centred);
    }

    #[test]
    fn mirror_by_hand_odd_width() {
        // 4 × 5: columns 0, 1, 2 are stored, 3 is −2 and 4 is −1.
        let half = array![[0.0, 1.0, 2.0], [10.0, 11.0, 12.0], [20.0, 21.0, 22.0], [30.0, 31.0, 32.0]];
        let full = array![
            [0.0, 1.0, 2.0, 2.0, 1.0],
            [10.0, 11.0, 12.0, 32.0, 31.0],
            [20.0, 21.0, 22.0, 22.0, 21.0],
            [30.0, 31.0, 32.0, 12.0, 11.0]
        ];
        assert_eq!(mirror(half.view(), 5), full);
        // Rows −2, −1, 0, 1; columns −2 … 2.
        let centred = array![
            [22.0, 21.0, 20.0, 21.0, 22.0],
            [12.0, 11.0, 30.0, 31.0, 32.0],
            [2.0, 1.0, 0.0, 1.0, 2.0],
            [32.0, 31.0, 10.0, 11.0, 12.0]
        ];
        assert_eq!(shift_to_centre(full.view()), centred);
    }

    /// |DFT|² of one channel by the definition, all frequencies.
    fn energies(image: &Array2<f64>) -> Array2<f64> {
        let (h, w) = image.dim();
        Array2::from_shape_fn((h, w), |(kr, kc)| {
            let (mut re, mut im) = (0.0, 0.0);
            for ((r, c), v) in image.indexed_iter() {
                let turns = (kr * r) as f64 / h as f64 + (kc * c) as f64 / w as f64;
                let (sin, cos) = (std::f64::consts::TAU * turns).sin_cos();
                re += v * cos;
                im -= v * sin;
            }
            (re * re + im * im) / (h * w) as f64
        })
    }

    proptest! {
        #[test]
        fn mirrored_half_is_the_whole(h in 1usize..7, w in 1usize..8, seed in prop::collection::vec(-1f64..1.0, 49)) {
            let image = Array2::from_shape_fn((h, w), |(r, c)| seed[7 * r + c]);
            let whole = energies(&image);
            let half = whole.slice(ndarray::s![.., ..w / 2 + 1]);
            let mirrored = mirror(half, w);
            for (a, b) in mirrored.iter().zip(&whole) {
                prop_assert!((a - b).abs() < 1e-12, "{mirrored} {whole}");
            }
            let centred = shift_to_centre(mirrored.view());
            prop_assert_eq!(centred[[h / 2, w / 2]], whole[[0, 0]]);
        }
    }
}
