//! Files that were damaged at random: each is read or refused, without a panic and without more memory than the file
//! accounts for. In a binary of its own, because it counts every allocation.
//!
//! `PROPTEST_CASES` sets how many cases there are; `DOMFREQ_FUZZ_SECONDS=3600` goes on for an hour.

mod arrays;
mod changes;
mod images;
mod memory;
mod shards;
mod weights;
