//! Lines on steps and on points of metrics.

use serde::{Deserialize, Serialize};

use super::words::{PathText, digest, node, path_text, word};
use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Evidence, Generated, Metric, MetricValue, Parameter, Removed, Role, Step,
    StepAct, StepStatus, Timestamp, Used,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepLine {
    id: String,
    run: String,
    name: String,
    subject: String,
    status: String,
    reason: Option<String>,
    started_at_us: i64,
    ended_at_us: i64,
    parameters: Vec<Parameter>,
    key: Option<String>,
    cached_from: Option<String>,
    used: Vec<EdgeLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unchanged_since_us: Vec<(u32, i64)>,
    generated: Vec<EdgeLine>,
    /// Left out where it is `made`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    act: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<RemovedLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeLine {
    path: PathText,
    digest: String,
    size_bytes: u64,
    at_us: i64,
    evidence: String,
    role: String,
}

/// A file that was taken away; digest and size where its bytes are known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedLine {
    path: PathText,
    digest: Option<String>,
    size_bytes: Option<u64>,
    at_us: i64,
    evidence: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsLine {
    owner: String,
    points: Vec<PointLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PointLine {
    name: String,
    step: i64,
    at_us: i64,
    value: f64,
}

pub(super) fn step_line(step: &Step) -> StepLine {
    let edge = |artifact: &Artifact, at: Timestamp, evidence: Evidence, role: Role| EdgeLine {
        path: path_text(&artifact.path),
        digest: artifact.digest.to_string(),
        size_bytes: artifact.size_bytes,
        at_us: at.micros(),
        evidence: evidence.as_str().to_owned(),
        role: role.as_str().to_owned(),
    };
    StepLine {
        id: step.id.to_string(),
        run: step.run.to_string(),
        name: step.name.clone(),
        subject: step.subject.clone(),
        status: step.status.as_str().to_owned(),
        reason: step.reason.clone(),
        started_at_us: step.started_at.micros(),
        ended_at_us: step.ended_at.micros(),
        parameters: step.parameters.clone(),
        key: step.key.map(|key| key.to_string()),
        cached_from: step.cached_from.map(|from| from.to_string()),
        used: step.used.iter().map(|used| edge(&used.artifact, used.at, used.evidence, used.role)).collect(),
        unchanged_since_us: step.unchanged_since.iter().map(|(number, at)| (*number, at.micros())).collect(),
        generated: step
            .generated
            .iter()
            .map(|generated| edge(&generated.artifact, generated.at, generated.evidence, generated.role))
            .collect(),
        act: Some(step.act).filter(|act| *act != StepAct::Made).map(|act| act.as_str().to_owned()),
        removed: step.removed.iter().map(removed_line).collect(),
    }
}

fn removed_line(removed: &Removed) -> RemovedLine {
    RemovedLine {
        path: path_text(&removed.path),
        digest: removed.content.map(|(digest, _)| digest.to_string()),
        size_bytes: removed.content.map(|(_, size_bytes)| size_bytes),
        at_us: removed.at.micros(),
        evidence: removed.evidence.as_str().to_owned(),
    }
}

pub(super) fn metrics_line(points: &[Metric]) -> MetricsLine {
    let line = |point: &Metric| PointLine {
        name: point.name.clone(),
        step: point.step,
        at_us: point.at.micros(),
        value: point.value.get(),
    };
    MetricsLine {
        owner: points.first().map_or_else(String::new, |point| point.owner.to_string()),
        points: points.iter().map(line).collect(),
    }
}

impl StepLine {
    pub(super) fn into_step(self) -> Result<Step> {
        let used = self.used.into_iter().map(|line| {
            let (artifact, at, evidence, role) = line.into_edge()?;
            Ok(Used { artifact, at, evidence, role })
        });
        let used = used.collect::<Result<Vec<_>>>()?;
        let generated = self.generated.into_iter().map(|line| {
            let (artifact, at, evidence, role) = line.into_edge()?;
            if role.is_data() && role != Role::Data {
                return Err(Error::request("a file that was written is not said to be tracked"));
            }
            Ok(Generated { artifact, at, evidence, role })
        });
        let generated = generated.collect::<Result<Vec<_>>>()?;
        let act = self.act.as_deref().map(|act| word(&StepAct::ALL, StepAct::as_str, act, "act of a step"));
        let act = act.transpose()?.unwrap_or(StepAct::Made);
        if act.is_one_to_one() && used.len() < generated.len() {
            return Err(Error::request("a step moved more files than it read"));
        }
        let since = self.unchanged_since_us.into_iter();
        Ok(Step {
            id: node(&self.id)?,
            run: node(&self.run)?,
            name: self.name,
            subject: self.subject,
            status: word(&StepStatus::ALL, StepStatus::as_str, &self.status, "status of a step")?,
            reason: self.reason,
            started_at: Timestamp::from_micros(self.started_at_us),
            ended_at: Timestamp::from_micros(self.ended_at_us),
            parameters: self.parameters,
            key: digest(self.key.as_deref())?,
            cached_from: self.cached_from.as_deref().map(node).transpose()?,
            used,
            unchanged_since: since.map(|(number, us)| (number, Timestamp::from_micros(us))).collect(),
            generated,
            act,
            removed: self.removed.into_iter().map(RemovedLine::into_removed).collect::<Result<_>>()?,
        })
    }
}

impl RemovedLine {
    fn into_removed(self) -> Result<Removed> {
        let path: ArtifactPath = self.path.into_path()?;
        let content = match (digest(self.digest.as_deref())?, self.size_bytes) {
            (Some(digest), Some(size_bytes)) => Some((digest, size_bytes)),
            (None, None) => None,
            _ => return Err(Error::request(format!("`{path}` has a digest or a size alone"))),
        };
        let evidence = word(&Evidence::RECORDED, Evidence::as_str, &self.evidence, "evidence")?;
        Ok(Removed { path, content, at: Timestamp::from_micros(self.at_us), evidence })
    }
}

impl EdgeLine {
    pub(super) fn into_edge(self) -> Result<(Artifact, Timestamp, Evidence, Role)> {
        let artifact = Artifact {
            path: self.path.into_path()?,
            digest: self.digest.parse()?,
            size_bytes: self.size_bytes,
        };
        let evidence = word(&Evidence::RECORDED, Evidence::as_str, &self.evidence, "evidence")?;
        let role = word(&Role::ALL, Role::as_str, &self.role, "role of a file")?;
        Ok((artifact, Timestamp::from_micros(self.at_us), evidence, role))
    }
}

impl MetricsLine {
    pub(super) fn into_points(self) -> Result<Vec<Metric>> {
        let owner = node(&self.owner)?;
        let point = |line: PointLine| {
            Ok(Metric {
                owner,
                name: line.name,
                step: line.step,
                at: Timestamp::from_micros(line.at_us),
                value: MetricValue::new(line.value)?,
            })
        };
        self.points.into_iter().map(point).collect()
    }
}
