//! Views (placeholder until written)
