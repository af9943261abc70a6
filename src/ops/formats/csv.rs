//! A table as a CSV file (RFC 4180), for whoever wants to look at it.
//!
//! A text that a spreadsheet would take for a formula stands behind an apostrophe.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::not_written;
use super::tables::cells::Cell;
use super::tables::{Shape, TableFile};
use crate::error::Result;

/// A file that is being written.
pub(super) struct CsvFile {
    name: String,
    out: BufWriter<File>,
    rows: u64,
}

impl TableFile for CsvFile {
    fn create(folder: &Path, shape: &'static Shape) -> Result<Self> {
        let name = format!("{}.csv", shape.name);
        let file = File::create_new(folder.join(&name)).map_err(not_written)?;
        let mut table = CsvFile { name, out: BufWriter::new(file), rows: 0 };
        table.write(shape.columns.iter().map(|(column, _)| column_name(shape, column).to_owned()))?;
        Ok(table)
    }

    fn put(&mut self, row: Vec<Cell>) -> Result<()> {
        self.rows += 1;
        self.write(row.into_iter().map(Cell::into_text))
    }

    fn finish(self) -> Result<(String, u64)> {
        let file = self.out.into_inner().map_err(|error| not_written(error.into_error()))?;
        file.sync_all().map_err(not_written)?;
        Ok((self.name, self.rows))
    }
}

impl CsvFile {
    fn write(&mut self, fields: impl Iterator<Item = String>) -> Result<()> {
        let mut line = String::new();
        for (at, field) in fields.enumerate() {
            if at > 0 {
                line.push(',');
            }
            line.push_str(&cell(&field));
        }
        line.push_str("\r\n");
        self.out.write_all(line.as_bytes()).map_err(not_written)
    }
}

/// Returns what a column is called here: the keys of runs and steps were published under another name than in Parquet.
fn column_name(shape: &Shape, column: &'static str) -> &'static str {
    match (shape.name, column) {
        ("runs", "run") | ("steps", "step") => "id",
        (_, column) => column,
    }
}

/// Writes one field: quoted where it must be, and behind an apostrophe where a spreadsheet would calculate it.
fn cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_one_text_and_no_formula() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("a \"b\"\nc", "\"a \"\"b\"\"\nc\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("-1.5", "-1.5"),
            ("-rf", "'-rf"),
            ("@SUM(1,2)", "\"'@SUM(1,2)\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
