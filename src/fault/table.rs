//! Faults that show in a schedule table.
