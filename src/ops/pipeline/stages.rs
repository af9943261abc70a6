//! The stages of the pipeline: their order, their outputs, and the key under which a step's result is found again.

use crate::error::{Error, Result};
use crate::filings::{self, Section};
use crate::model::{ArtifactPath, Digest, Run};
use crate::projection::names::{self, OutputFolder};

/// A stage of the pipeline. Each works on the output of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PipelineStage {
    /// Filing to elements.
    Parse,
    /// Elements to the text of a section.
    Extract,
    /// The text without page numbers and the like.
    Clean,
    /// The text in segments, one risk factor each.
    Segment,
}

impl PipelineStage {
    /// Every stage, in order.
    pub const ALL: [PipelineStage; 4] =
        [PipelineStage::Parse, PipelineStage::Extract, PipelineStage::Clean, PipelineStage::Segment];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            PipelineStage::Parse => "parse",
            PipelineStage::Extract => "extract",
            PipelineStage::Clean => "clean",
            PipelineStage::Segment => "segment",
        }
    }

    /// Finds a stage by its word.
    ///
    /// # Errors
    /// A request error that lists the stages.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name).ok_or_else(|| {
            Error::request(format!("unknown stage `{}`", name.escape_debug()))
                .hint("stages are parse, extract, clean, segment; each includes those before it")
        })
    }

    /// Returns the folder of its outputs.
    pub fn folder(self) -> OutputFolder {
        OutputFolder::of_stage(self.as_str())
    }
}

/// A stage, and the section it is about; parsing is about all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The stage.
    pub stage: PipelineStage,
    /// The section.
    pub section: Option<Section>,
}

impl Part {
    /// Parsing: the first part of every filing, and the first in order.
    pub const FIRST: Part = Part { stage: PipelineStage::Parse, section: None };

    /// Returns the type of its output, the last part of the file's name: `parsed`, `extracted_risks`, for other sections
    /// than Item 1A of either form with the section in it: `extracted_part2item7`.
    fn output(self) -> String {
        let verb = match self.stage {
            PipelineStage::Parse => return "parsed".to_owned(),
            PipelineStage::Extract => "extracted",
            PipelineStage::Clean => "cleaned",
            PipelineStage::Segment => "segmented",
        };
        match self.section {
            Some(section) if !section.is_risk_factors() => format!("{verb}_{}", section.identifier()),
            _ => format!("{verb}_risks"),
        }
    }

    /// Returns where its output goes.
    pub fn path(self, run: &Run, stem: &str) -> Result<ArtifactPath> {
        names::stage_file(self.stage.folder(), run, stem, &self.output())
    }

    /// Returns the key of a step: equal keys promise equal outputs.
    pub fn key(self, input: &Digest) -> Digest {
        self.key_of(input, filings::VERSION)
    }

    fn key_of(self, input: &Digest, version: u32) -> Digest {
        let section = self.section.map_or_else(String::new, |section| section.identifier().to_string());
        let text = format!("pipeline step\n{}\n{section}\n{version}\n{input}\n", self.stage.as_str(),);
        Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn another_input_stage_section_or_tool_version_makes_another_key() {
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let part = |stage, section: &str| Part { stage, section: Some(section.parse().unwrap()) };
        let clean = part(PipelineStage::Clean, "1A");
        let keys: BTreeSet<Digest> = [
            clean.key_of(&one, 1),
            clean.key_of(&two, 1),
            clean.key_of(&one, 2),
            part(PipelineStage::Segment, "1A").key_of(&one, 1),
            part(PipelineStage::Clean, "7").key_of(&one, 1),
            Part::FIRST.key_of(&one, 1),
        ]
        .into();
        assert_eq!(keys.len(), 6);
        assert_eq!(clean.key_of(&one, filings::VERSION), clean.key(&one));
    }
}
