//! The one seam to the world: files, clock, randomness and threads, real or simulated.
