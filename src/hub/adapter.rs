//! Adapters as files, in PEFT's layout: a folder with `adapter_config.json` and
//! `adapter_model.safetensors`.

use std::{borrow::Cow, path::Path};

use crate::{
    engine::{AdapterInfo, Engine},
    error::{Error, Result},
};

pub(super) const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// Those that manifests name, compiled in: name, configuration, weights.
const BUILT_IN: [(&str, &str, &[u8]); 1] = [(
    "bengali",
    include_str!("../../models/bengali/adapter_config.json"),
    include_bytes!("../../models/bengali/adapter_model.safetensors"),
)];

/// An adapter, read but not loaded.
#[derive(Debug, Clone)]
pub struct AdapterFiles {
    name: String,
    config: Cow<'static, str>,
    weights: Cow<'static, [u8]>,
}

impl AdapterFiles {
    /// The one that a manifest names.
    ///
    /// # Errors
    /// [`Error::Model`]: there is none of that name.
    pub fn built_in(model: &str, name: &str) -> Result<Self> {
        let found = BUILT_IN.iter().find(|(known, ..)| *known == name);
        let (name, config, weights) = found.ok_or_else(|| Error::Model {
            model: model.to_owned(),
            reason: format!("there is no adapter `{name}`"),
            hint: "mend its manifest, or name a folder with --adapter".into(),
        })?;
        Ok(Self {
            name: (*name).to_owned(),
            config: Cow::Borrowed(config),
            weights: Cow::Borrowed(weights),
        })
    }

    /// The one in `folder`, as PEFT's `save_pretrained` writes it.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file that can't be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|e| Error::io(path, "cannot read the adapter", e))
        };
        let config = String::from_utf8_lossy(&read(CONFIG)?).into_owned();
        Ok(Self {
            name: folder.display().to_string(),
            config: Cow::Owned(config),
            weights: Cow::Owned(read(WEIGHTS)?),
        })
    }

    /// Makes `engine`, which has the weights of `model`, generate with it.
    ///
    /// # Errors
    /// [`Error::Model`]: it is of a kind that isn't supported, damaged, or for another model.
    pub fn load(&self, model: &str, engine: &mut Engine) -> Result<AdapterInfo> {
        let adapter = engine.peft(&self.config, &self.weights).map_err(|reason| Error::Model {
            model: model.to_owned(),
            reason: format!("the adapter {} can't be used: {reason}", self.name),
            hint: "name the model that it was trained over with --model, or another adapter".into(),
        })?;
        engine.adopt(adapter);
        Ok(AdapterInfo { name: self.name.clone(), sha256: crate::sha256::of(&self.weights) })
    }
}
