//! A table as an Apache Parquet file, for DuckDB, Polars, pandas and Spark. Times are microseconds in UTC.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::not_written;
use super::tables::cells::{Cell, Kind};
use super::tables::{Shape, TableFile};
use crate::error::Result;

/// As many rows are held before they are written.
const GROUP_ROWS: usize = 100_000;
/// As many bytes of text are held before they are written.
const GROUP_TEXT_BYTES: usize = 64 << 20;

/// The values of a column that wait to be written.
enum Column {
    Text(Vec<Option<String>>),
    Whole(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
    Truth(Vec<Option<bool>>),
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Column::Text(Vec::new()),
            Kind::Whole | Kind::Time => Column::Whole(Vec::new()),
            Kind::Real => Column::Real(Vec::new()),
            Kind::Truth => Column::Truth(Vec::new()),
        }
    }

    fn put(&mut self, cell: Cell) {
        match (self, cell) {
            (Column::Text(values), Cell::Text(value)) => values.push(value),
            (Column::Whole(values), Cell::Whole(value) | Cell::Time(value)) => values.push(value),
            (Column::Real(values), Cell::Real(value)) => values.push(value),
            (Column::Truth(values), Cell::Truth(value)) => values.push(value),
            _ => debug_assert!(false, "a cell of another kind than its column"),
        }
    }

    fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, File>) -> Result<()> {
        let Some(mut column) = group.next_column().map_err(not_written)? else {
            return Err(crate::error::Error::bug("a table has more columns than its schema"));
        };
        match self {
            Column::Text(values) => {
                let (levels, values) = split(values, |text| ByteArray::from(text.into_bytes()));
                column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)
            }
            Column::Whole(values) => {
                let (levels, values) = split(values, |value| value);
                column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)
            }
            Column::Real(values) => {
                let (levels, values) = split(values, |value| value);
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)
            }
            Column::Truth(values) => {
                let (levels, values) = split(values, |value| value);
                column.typed::<BoolType>().write_batch(&values, Some(&levels), None)
            }
        }
        .map_err(not_written)?;
        column.close().map_err(not_written)
    }
}

/// Takes the values that are there, and for each whether it is.
fn split<T, V>(values: &mut Vec<Option<T>>, turn: impl Fn(T) -> V) -> (Vec<i16>, Vec<V>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (levels, values.drain(..).flatten().map(turn).collect())
}

/// A file that is being written.
pub(super) struct ParquetFile {
    name: String,
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    /// Rows that wait to be written, and those that are.
    rows: usize,
    written: u64,
    /// Bytes of text in the rows that wait.
    text_bytes: usize,
}

impl TableFile for ParquetFile {
    fn create(folder: &Path, shape: &'static Shape) -> Result<Self> {
        let Shape { name, columns } = shape;
        let fields = columns.iter().map(|(name, kind)| field(name, *kind).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let schema = Type::group_type_builder(name).with_fields(fields).build().map_err(not_written)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(format!("lineage {}", env!("CARGO_PKG_VERSION")))
            .build();
        let name = format!("{name}.parquet");
        let file = File::create_new(folder.join(&name)).map_err(not_written)?;
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(ParquetFile {
            name,
            writer: writer.map_err(not_written)?,
            columns: columns.iter().map(|(_, kind)| Column::new(*kind)).collect(),
            rows: 0,
            written: 0,
            text_bytes: 0,
        })
    }

    fn put(&mut self, row: Vec<Cell>) -> Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(row) {
            if let Cell::Text(Some(text)) = &cell {
                self.text_bytes += text.len();
            }
            column.put(cell);
        }
        self.rows += 1;
        let is_full = self.rows == GROUP_ROWS || self.text_bytes >= GROUP_TEXT_BYTES;
        if is_full { self.flush() } else { Ok(()) }
    }

    fn finish(mut self) -> Result<(String, u64)> {
        self.flush()?;
        self.writer.finish().map_err(not_written)?;
        self.writer.inner().sync_all().map_err(not_written)?;
        Ok((self.name, self.written))
    }
}

impl ParquetFile {
    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.written += self.rows as u64;
        (self.rows, self.text_bytes) = (0, 0);
        let mut group = self.writer.next_row_group().map_err(not_written)?;
        self.columns.iter_mut().try_for_each(|column| column.write(&mut group))?;
        group.close().map_err(not_written)?;
        Ok(())
    }
}

fn field(name: &str, kind: Kind) -> Result<Type> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Whole => (Physical::INT64, None),
        Kind::Real => (Physical::DOUBLE, None),
        Kind::Truth => (Physical::BOOLEAN, None),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
        .map_err(not_written)
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    use super::*;

    #[test]
    fn rows_with_much_text_do_not_wait_for_many_others() {
        const SHAPE: Shape = Shape { name: "t", columns: &[("text", Kind::Text)] };
        let folder = tempfile::tempdir().unwrap();
        let mut file = ParquetFile::create(folder.path(), &SHAPE).unwrap();
        for length in [40 << 20, 30 << 20, 1] {
            file.put(vec![Cell::Text(Some("x".repeat(length)))]).unwrap();
        }
        assert_eq!(file.finish().unwrap(), ("t.parquet".to_owned(), 3));
        let file = File::open(folder.path().join("t.parquet")).unwrap();
        let groups = SerializedFileReader::new(file).unwrap();
        let rows: Vec<i64> = groups.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [2, 1]);
    }
}
