//! Which network, and which images.

use serde::{Deserialize, Serialize};

/// What tells a network with its images from others: 128-bit hashes (XXH3,
/// hexadecimal), equal where nothing differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// What the network is made of, in words.
    pub network: String,
    /// Names, shapes and values of its tensors.
    pub weights: String,
    /// Shape and values of the images.
    pub pixels: String,
    /// Classes of the images; null where they are not known.
    pub labels: Option<String>,
    /// What is subtracted from pixels and what they are divided by.
    pub normalisation: String,
}
