//! The `rustdb` command.

fn main() {}
