//! Every random draw of the project: `rng(run, purpose, epoch)`.
//!
//! The three values are the key of a ChaCha8 stream, so a draw depends on
//! nothing but its name: neither on the thread that makes it, nor on the
//! device that uses it, nor on what was drawn before. A resumed run draws what
//! the uninterrupted one would have drawn.

use rand::SeedableRng;
pub use rand_chacha::ChaCha8Rng;

/// The generator for one purpose ("weights/w1", "batches") in one epoch (or
/// for one index) of a run.
pub fn rng(run: u64, purpose: &str, epoch: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&run.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    key[16..].copy_from_slice(&fnv1a128(purpose.as_bytes()).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

// FNV-1a: not for security, only to turn a name into a key that never changes.
fn fnv1a128(bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for &b in bytes {
        hash = (hash ^ u128::from(b)).wrapping_mul(PRIME);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn fnv_matches_published_vectors() {
        assert_eq!(fnv1a128(b""), 0x6c62272e07bb014262b821756295c58d);
        assert_eq!(fnv1a128(b"a"), 0xd228cb696f1a8caf78912b704e4a8964);
    }

    #[test]
    fn draws_depend_on_the_whole_name_and_on_nothing_else() {
        let draw = |r, p, e| rng(r, p, e).random::<u64>();
        assert_eq!(draw(1, "weights", 0), draw(1, "weights", 0));
        let all =
            [draw(1, "weights", 0), draw(2, "weights", 0), draw(1, "batches", 0), draw(1, "weights", 1)];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
