//! A synthetic survey with the real columns: seeded, in constant memory, written straight to a warehouse.
