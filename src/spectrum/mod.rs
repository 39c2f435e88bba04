//! Spectral analyser.
