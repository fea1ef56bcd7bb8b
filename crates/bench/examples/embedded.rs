//! The least that a program needs to keep pairs on disk. Built with the profile `small`, its size
//! is a figure of the benchmarks.

#![forbid(unsafe_code)]

fn main() -> Result<(), rustdb::Error> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "data".to_owned());
    let database = rustdb::Database::open(directory)?;
    database.put("greeting", "hello")?;
    for pair in database.iter() {
        let (key, value) = pair?;
        println!(
            "{} = {}",
            String::from_utf8_lossy(&key),
            String::from_utf8_lossy(&value)
        );
    }
    database.close()
}
