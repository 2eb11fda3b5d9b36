"""Pure frames in, frames out: indicators, crosses, triggers, pivots, profiles, levels; compiled loops beside them."""
