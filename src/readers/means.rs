//! The mean of each channel: what is left of an image when nothing of its places is.

use super::{Features, Reader};

pub(super) const READER: Reader =
    Reader { name: "means", about: "mean of each channel", features: |shape| Box::new(Means { shape }) };

struct Means {
    shape: [usize; 3],
}

impl Features for Means {
    fn count(&self) -> usize {
        self.shape[0]
    }

    fn of(&self, image: &[f32], out: &mut [f64]) {
        let [_, h, w] = self.shape;
        for (out, plane) in out.iter_mut().zip(image.chunks_exact(h * w)) {
            *out = plane.iter().map(|v| f64::from(*v)).sum::<f64>() / (h * w) as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn means_by_hand() {
        let images = array![[1.0f32, 2.0, 3.0, 6.0, -1.0, -1.0, 0.0, 0.0]];
        assert_eq!(READER.features(images.view(), [2, 2, 2]), array![[3.0, -0.5]]);
    }
}
