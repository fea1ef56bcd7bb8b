//! What packagers ask the binary for: shell completions and the manual page.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Result;

/// Prints the script that completes `rustdb` in `shell`.
pub fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rustdb", &mut script);
    print(&script)
}

/// Prints the manual page, for `man -l -` or `man1/rustdb.1`: one page for all commands.
pub fn manual() -> Result<()> {
    let command = Arguments::command();
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for command in command.get_subcommands() {
        let name = format!("rustdb {}", command.get_name());
        let command = command.clone().bin_name(&name).disable_help_flag(true);
        let help = command.term_width(78).render_long_help().to_string();
        writeln!(page, ".SH {}\n.nf", name.to_uppercase())?;
        for line in help.lines() {
            writeln!(page, "{}", preformatted(line))?;
        }
        writeln!(page, ".fi")?;
    }
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    print(&page)
}

/// A line of text as roff takes it: what it would read as a request or an escape is disarmed.
fn preformatted(line: &str) -> String {
    let text = line.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(bytes)?;
    Ok(output.flush()?)
}
