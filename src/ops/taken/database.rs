//! A database of MLflow in an SQLite file, opened for reading alone.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, Statement};

use crate::error::{Error, Result};
use crate::ops::taken::TakenOver;
use crate::ops::taken::mlflow::{MlData, MlLogged, MlModel, MlPoint, MlRun, MlStore};

/// The database.
pub(super) struct Store {
    connection: Connection,
    folder: PathBuf,
}

fn unreadable(cause: rusqlite::Error) -> Error {
    Error::request("cannot read the database of MLflow").because(cause).hint("nothing of it was changed")
}

impl Store {
    /// Opens the file.
    pub fn open(file: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(unreadable)?;
        let has_runs = connection.prepare("SELECT run_uuid, start_time FROM runs LIMIT 1").is_ok();
        if !has_runs {
            return Err(Error::request(format!(
                "`{}` holds no runs of MLflow",
                file.display().to_string().escape_debug()
            ))
            .hint("name the file of MLflow's tracking database, such as `mlflow.db`"));
        }
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Store { connection, folder })
    }

    /// Prepares a query; `None` where the table, or a column of it, is not there, as in a database of an older MLflow.
    fn query(&self, sql: &str) -> Option<Statement<'_>> {
        self.connection.prepare(sql).ok()
    }

    /// Returns the data sets that a run read.
    fn data(&self, run: &str) -> Result<Vec<MlData>> {
        let sql = "SELECT DISTINCT d.name, d.digest, d.dataset_source FROM inputs i \
                   JOIN datasets d ON d.dataset_uuid = i.source_id \
                   WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = ?1 \
                   ORDER BY d.name, d.digest";
        let Some(mut statement) = self.query(sql) else {
            return Ok(Vec::new());
        };
        let rows = statement.query_map([run], |row| {
            Ok(MlData { name: text(row, 0), digest: text(row, 1), source: text(row, 2) })
        });
        rows.map_err(unreadable)?.collect::<rusqlite::Result<_>>().map_err(unreadable)
    }

    fn pairs(&self, sql: &str, of: &[&dyn rusqlite::ToSql]) -> Result<Vec<(String, String)>> {
        let Some(mut statement) = self.query(sql) else {
            return Ok(Vec::new());
        };
        let rows = statement.query_map(of, |row| Ok((text(row, 0), text(row, 1)))).map_err(unreadable)?;
        rows.collect::<rusqlite::Result<_>>().map_err(unreadable)
    }
}

/// Reads a cell as text, whatever SQLite keeps there: its types are those of values, not of columns.
fn text(row: &Row<'_>, at: usize) -> String {
    match row.get_ref(at) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Ok(ValueRef::Integer(number)) => number.to_string(),
        Ok(ValueRef::Real(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn whole(row: &Row<'_>, at: usize) -> Option<i64> {
    match row.get_ref(at) {
        Ok(ValueRef::Integer(number)) => Some(number),
        _ => text(row, at).parse().ok(),
    }
}

/// Reads a point of a metric: name, value, step, milliseconds. MLflow writes what is infinite as the largest number there is.
fn point(row: &Row<'_>) -> MlPoint {
    let value = match row.get_ref(1) {
        Ok(ValueRef::Real(value)) if value.abs() == f64::MAX => f64::INFINITY.copysign(value),
        Ok(ValueRef::Real(value)) => value,
        Ok(ValueRef::Integer(value)) => value as f64,
        _ => f64::NAN,
    };
    MlPoint {
        name: text(row, 0),
        value,
        step: whole(row, 2).unwrap_or_default(),
        at_ms: whole(row, 3).unwrap_or_default(),
    }
}

impl MlStore for Store {
    fn runs(
        &mut self,
        report: &mut TakenOver,
        visit: &mut dyn FnMut(MlRun, &mut TakenOver) -> Result<()>,
    ) -> Result<()> {
        let sql = "SELECT r.run_uuid, r.name, e.name, r.status, r.start_time, r.end_time, r.user_id, r.artifact_uri, \
                   r.lifecycle_stage, e.lifecycle_stage, r.experiment_id \
                   FROM runs r LEFT JOIN experiments e ON e.experiment_id = r.experiment_id ORDER BY r.run_uuid";
        let mut statement = self.connection.prepare(sql).map_err(unreadable)?;
        let mut rows = statement.query([]).map_err(unreadable)?;
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(()),
                Err(cause) => {
                    report.leave_out(format!("the table of runs cannot be read to its end: {cause}"));
                    return Ok(());
                }
            };
            let uuid = text(row, 0);
            let beside = self.folder.join("mlruns").join(text(row, 10)).join(&uuid).join("artifacts");
            let run = MlRun {
                name: text(row, 1),
                experiment: text(row, 2),
                status: text(row, 3),
                start_ms: whole(row, 4),
                end_ms: whole(row, 5),
                user: text(row, 6),
                artifact_uri: text(row, 7),
                artifacts_beside: Some(beside),
                is_deleted: text(row, 8) == "deleted" || text(row, 9) == "deleted",
                parameters: self
                    .pairs("SELECT key, value FROM params WHERE run_uuid = ?1 ORDER BY key", &[&uuid])?,
                tags: self.pairs("SELECT key, value FROM tags WHERE run_uuid = ?1 ORDER BY key", &[&uuid])?,
                data: self.data(&uuid)?,
                uuid,
            };
            visit(run, report)?;
        }
    }

    fn points(&mut self, run: &MlRun, report: &mut TakenOver) -> Result<Vec<MlPoint>> {
        // A value that is not a number is kept as 0 beside a mark.
        let sql = "SELECT key, value, step, timestamp, is_nan FROM metrics WHERE run_uuid = ?1";
        let Some(mut statement) = self.query(sql) else {
            return Ok(Vec::new());
        };
        let mut rows = statement.query([&run.uuid]).map_err(unreadable)?;
        let mut points = Vec::new();
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let mut point = point(row);
                    if whole(row, 4) == Some(1) {
                        point.value = f64::NAN;
                    }
                    points.push(point);
                }
                Ok(None) => return Ok(points),
                Err(cause) => {
                    report.leave_out(format!(
                        "metrics of run {} cannot be read to their end: {cause}",
                        run.uuid
                    ));
                    return Ok(points);
                }
            }
        }
    }

    fn logged(&mut self, _report: &mut TakenOver) -> Result<Vec<MlLogged>> {
        let sql = "SELECT model_id, source_run_id, artifact_location, experiment_id FROM logged_models \
                   WHERE lifecycle_stage IS NOT 'deleted' ORDER BY model_id";
        let Some(mut statement) = self.query(sql) else {
            return Ok(Vec::new());
        };
        let rows = statement.query_map([], |row| {
            let id = text(row, 0);
            let beside = self.folder.join("mlruns").join(text(row, 3)).join("models").join(&id);
            Ok(MlLogged {
                run_uuid: text(row, 1),
                location: text(row, 2),
                beside: Some(beside.join("artifacts")),
                points: Vec::new(),
                id,
            })
        });
        let mut logged: Vec<MlLogged> =
            rows.map_err(unreadable)?.collect::<rusqlite::Result<_>>().map_err(unreadable)?;
        // What is not a number is not marked here, and stands as 0: so it is taken from the run, if at all.
        let sql = "SELECT l.metric_name, l.metric_value, l.metric_step, l.metric_timestamp_ms FROM logged_model_metrics l \
                   WHERE l.model_id = ?1 AND NOT EXISTS (SELECT 1 FROM metrics m WHERE m.run_uuid = l.run_id \
                   AND m.key = l.metric_name AND m.step = l.metric_step AND m.is_nan)";
        let Some(mut statement) = self.query(sql) else {
            return Ok(logged);
        };
        for model in &mut logged {
            let rows = statement.query_map([&model.id], |row| Ok(point(row))).map_err(unreadable)?;
            model.points = rows.collect::<rusqlite::Result<_>>().map_err(unreadable)?;
        }
        Ok(logged)
    }

    fn models(&mut self, _report: &mut TakenOver) -> Result<Vec<MlModel>> {
        let sql = "SELECT name, version, creation_time, last_updated_time, description, current_stage, source, run_id \
                   FROM model_versions ORDER BY name, version";
        let Some(mut statement) = self.query(sql) else {
            return Ok(Vec::new());
        };
        let rows = statement.query_map([], |row| {
            Ok(MlModel {
                name: text(row, 0),
                version: text(row, 1),
                created_ms: whole(row, 2).unwrap_or_default(),
                updated_ms: whole(row, 3).unwrap_or_default(),
                description: text(row, 4),
                stage: text(row, 5),
                source: text(row, 6),
                run_uuid: Some(text(row, 7)).filter(|uuid| !uuid.is_empty()),
                tags: Vec::new(),
                aliases: Vec::new(),
            })
        });
        let mut models: Vec<MlModel> =
            rows.map_err(unreadable)?.collect::<rusqlite::Result<_>>().map_err(unreadable)?;
        for model in &mut models {
            let of: [&dyn rusqlite::ToSql; 2] = [&model.name, &model.version];
            model.tags = self.pairs(
                "SELECT key, value FROM model_version_tags WHERE name = ?1 AND CAST(version AS TEXT) = ?2 ORDER BY key",
                &of,
            )?;
            let aliases = self.pairs(
                "SELECT alias, version FROM registered_model_aliases WHERE name = ?1 AND CAST(version AS TEXT) = ?2 ORDER BY alias",
                &of,
            )?;
            model.aliases = aliases.into_iter().map(|(alias, _)| alias).collect();
        }
        Ok(models)
    }
}
