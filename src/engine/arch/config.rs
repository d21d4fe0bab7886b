//! A decoder's shape, from a GGUF header or a hub folder's `config.json`.

use candle_core::{Device, bail, quantized::gguf_file::Content};
use serde_json::Value;

use super::{
    super::{gguf, kernels::Activation},
    delta::DeltaShape,
    weights::Weights,
};

/// The architectures that load, by GGUF's `general.architecture`.
pub const SUPPORTED: [&str; 8] =
    ["qwen2", "qwen3", "qwen35", "llama", "gemma3", "gemma4", "hunyuan-dense", "smollm3"];

/// What GGUF files have among [`Rotary::factors`] for what isn't turned.
pub(in super::super) const UNTURNED: f32 = 1e30;
/// GGUF's name of the tensor with [`Rotary::factors`].
pub(in super::super) const ROPE_FACTORS: &str = "rope_freqs.weight";

const EXPERTS: &str = "it is a mixture of experts, or no decoder, which is not supported yet";

/// Which pairs of a head's floats rotate together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Rope {
    /// `(i, i + half)`.
    Halves,
    /// `(2i, 2i + 1)`.
    Neighbours,
}

/// What a model's file says of it that others may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// GGUF's name of the architecture; the hub's, where GGUF has none.
    pub architecture: String,
    /// Layers.
    pub layers: usize,
    /// Floats of a hidden row.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads, of most layers.
    pub kv_heads: usize,
    /// Floats of a head, in most layers.
    pub head_size: usize,
    /// Tokens that the model was trained on.
    pub context_length: usize,
}

impl Shape {
    /// The most layers that are believed.
    const LAYERS: usize = 1 << 12;

    /// Whether anything can be computed with it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(super) fn plausible(self) -> std::result::Result<Self, String> {
        let Self { layers, hidden, heads, kv_heads, head_size, .. } = self;
        if layers > Self::LAYERS {
            return Err(format!("it says that it has {layers} layers"));
        }
        let parts = [hidden, heads, kv_heads, head_size];
        if parts.contains(&0) || !heads.is_multiple_of(kv_heads) || !head_size.is_multiple_of(2) {
            return Err(format!(
                "it says that it has {heads} heads of {head_size} floats, {kv_heads} of keys and \
                 values, and rows of {hidden}"
            ));
        }
        Ok(self)
    }
}

/// What a decoder's file says of how it is computed.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its shape.
    pub shape: Shape,
    pub(super) eps: f32,
    pub(super) rope: Rope,
    /// How positions are told; one for each way that layers do it.
    pub(in super::super) rotary: Vec<Rotary>,
    /// What each layer's attention does; none where the delta rule stands in its place.
    pub(in super::super) attention: Vec<Option<LayerAttention>>,
    /// That of the layers without attention.
    pub(in super::super) delta: Option<DeltaShape>,
    /// Queries come with a gate for what each head says.
    pub(super) heads_gated: bool,
    /// Queries and keys are normalised after they were turned, not before.
    pub(super) norm_after_rope: bool,
    pub(super) activation: Activation,
    pub(super) embedding_scale: Option<f32>,
    pub(super) scale: f32,
    /// Values are normalised, without a weight.
    pub(super) values_normed: bool,
    /// Floats of the embedding that each layer has of its own; 0 where there are none.
    pub(in super::super) per_layer: usize,
    /// Logits are bent so that none is larger.
    pub(in super::super) logit_cap: Option<f32>,
}

/// What differs between the attention of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct LayerAttention {
    /// Which of [`Config::rotary`] it turns by; none where positions aren't told.
    pub rotary: Option<usize>,
    /// Tokens that it sees, with its own.
    pub window: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Floats of a head.
    pub head_size: usize,
    /// The layer whose keys and values it reads; none where they are its own.
    pub reads: Option<usize>,
}

impl LayerAttention {
    /// Sees all tokens.
    fn global(shape: &Shape) -> Self {
        let Shape { kv_heads, head_size, .. } = *shape;
        Self { rotary: Some(0), window: usize::MAX, kv_heads, head_size, reads: None }
    }
}

/// Rotary position embeddings (Su et al. 2021, arXiv:2104.09864): pair i of a head's floats turns by
/// `base ^ (-2i / head_size)` radians from one position to the next, divided by `linear` and by its
/// factor.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Rotary {
    pub base: f32,
    pub linear: f32,
    /// Floats of a head that it turns.
    pub head_size: usize,
    /// `[head_size / 2]`; empty where all are 1. What is divided by infinity isn't turned.
    pub factors: Vec<f32>,
}

impl Rotary {
    fn of(base: f32, head_size: usize) -> Self {
        Self { base, linear: 1.0, head_size, factors: Vec::new() }
    }

    /// In radians a token, `[head_size / 2]`.
    pub fn frequencies(&self) -> Vec<f32> {
        let size = self.head_size;
        let factor = |i: usize| self.linear * self.factors.get(i).copied().unwrap_or(1.0);
        let frequency = |i: usize| self.base.powf(-(2.0 * i as f32) / size as f32) / factor(i);
        (0..size / 2).map(frequency).collect()
    }
}

/// All layers with attention.
fn attending(layers: Vec<LayerAttention>) -> Vec<Option<LayerAttention>> {
    layers.into_iter().map(Some).collect()
}

/// Qwen3.5's layers: those that aren't global are of the delta rule.
fn qwen35_layers(shape: &Shape, global: impl Fn(usize) -> bool) -> Vec<Option<LayerAttention>> {
    (0..shape.layers).map(|i| global(i).then(|| LayerAttention::global(shape))).collect()
}

/// Gemma 3's layers: all but every `every`th see a window, and turn by frequencies of their own.
fn gemma_layers(shape: &Shape, window: usize, every: usize) -> Vec<LayerAttention> {
    let global = LayerAttention::global(shape);
    let local = LayerAttention { rotary: Some(1), window, ..global };
    (0..shape.layers).map(|i| if (i + 1).is_multiple_of(every) { global } else { local }).collect()
}

/// What Gemma 4's files say of its layers.
struct Gemma4 {
    /// Which layers see all tokens.
    global: Vec<bool>,
    /// Tokens that the others see.
    window: usize,
    /// Heads of keys and values, in global layers.
    kv_heads: usize,
    /// Floats of a head, in global layers.
    head_size: usize,
    /// How many layers at the end have no keys and values.
    readers: usize,
}

impl Gemma4 {
    /// Gemma 4's layers, as transformers' `modeling_gemma4.py` has them: global ones have heads of
    /// their own, and the last layers read the keys and values of the last one of their kind that has
    /// some. The first way of telling positions is that of global layers.
    fn layers(&self, shape: &Shape) -> std::result::Result<Vec<Option<LayerAttention>>, String> {
        let Self { window, kv_heads, head_size, .. } = *self;
        // Of other shapes nothing can be computed.
        Shape { kv_heads, head_size, ..shape.clone() }.plausible()?;
        if self.global.len() != shape.layers {
            return Err("it doesn't say of each layer what it sees".into());
        }
        let first_reader = shape.layers - self.readers.min(shape.layers);
        let layer = |(i, is_global): (usize, &bool)| {
            let mut writers = self.global.iter().take(first_reader);
            let reads = match writers.rposition(|other| other == is_global) {
                _ if i < first_reader => None,
                None => return Err(format!("its layer {i} reads keys that no layer writes")),
                read => read,
            };
            let whole = LayerAttention { reads, ..LayerAttention::global(shape) };
            Ok(Some(match is_global {
                true => LayerAttention { kv_heads, head_size, ..whole },
                false => LayerAttention { rotary: Some(1), window, ..whole },
            }))
        };
        self.global.iter().enumerate().map(layer).collect()
    }
}

/// Gemma 4's layers from a hub folder (transformers, `configuration_gemma4.py`). Of a global head a part
/// is turned.
fn gemma4_hub(
    shape: &Shape,
    json: &Value,
) -> std::result::Result<(Vec<Rotary>, Vec<Option<LayerAttention>>), String> {
    let number = |name: &str| json.get(name).and_then(Value::as_u64).map(|v| v as usize);
    let kinds = json.get("layer_types").and_then(Value::as_array);
    let global: Vec<bool> =
        kinds.into_iter().flatten().map(|kind| kind.as_str() == Some("full_attention")).collect();
    let window = number("sliding_window").ok_or("config.json: `sliding_window` is missing")?;
    // transformers 5 writes what is a layer's own by the layers' numbers.
    let own = json.get("per_layer_config").and_then(Value::as_object);
    let own = |name: &str| -> Option<usize> {
        let is_global =
            |layer: &str| layer.parse().is_ok_and(|i: usize| global.get(i) == Some(&true));
        let layers = own?.iter().filter(|(layer, _)| is_global(layer));
        layers.filter_map(|(_, own)| own.get(name)?.as_u64()).next().map(|v| v as usize)
    };
    let head_size = number("global_head_dim").or(own("head_dim")).unwrap_or(512);
    let tied = json.get("attention_k_eq_v").and_then(Value::as_bool) == Some(true);
    let kv_heads = number("num_global_key_value_heads").filter(|_| tied);
    let kv_heads = kv_heads.or(own("num_key_value_heads")).unwrap_or(shape.kv_heads);
    let readers = number("num_kv_shared_layers").unwrap_or(0);
    let layers = Gemma4 { global, window, kv_heads, head_size, readers }.layers(shape)?;

    let rope = |kind: &str| json.get("rope_parameters").and_then(|rope| rope.get(kind));
    let theta = |kind, default| {
        rope(kind).and_then(|rope| real(rope, "rope_theta")).unwrap_or(default) as f32
    };
    let mut global = Rotary::of(theta("full_attention", 1_000_000.0), head_size);
    match rope("full_attention") {
        Some(rope) if rope.get("rope_type").and_then(Value::as_str) == Some("proportional") => {
            let share = real(rope, "partial_rotary_factor").unwrap_or(1.0);
            let turned = (share * head_size as f64 / 2.0) as usize;
            global.linear = real(rope, "factor").unwrap_or(1.0) as f32;
            global.factors =
                (0..head_size / 2).map(|i| if i < turned { 1.0 } else { f32::INFINITY }).collect();
        }
        Some(rope) => global = scaled(global.base, head_size, rope)?,
        None => return Err("config.json: `rope_parameters` is missing".into()),
    }
    let local = match rope("sliding_attention") {
        Some(rope) => scaled(theta("sliding_attention", 10_000.0), shape.head_size, rope)?,
        None => Rotary::of(10_000.0, shape.head_size),
    };
    Ok((vec![global, local], layers))
}

/// Gemma 4's layers from a GGUF file (llama.cpp, `src/models/gemma4.cpp`). `global` is how positions
/// are told in global layers; what of a head is turned, the factors among the tensors say.
fn gemma4_gguf(
    shape: &Shape,
    content: &Content,
    global: Rotary,
    kv_heads: &[usize],
) -> std::result::Result<(Vec<Rotary>, Vec<Option<LayerAttention>>), String> {
    let number = |name: &str| gguf::u32(content, &format!("gemma4.{name}")).map(|v| v as usize);
    if number("expert_count").is_ok_and(|experts| experts > 0) {
        return Err(EXPERTS.into());
    }
    if number("rope.dimension_count_swa").is_ok_and(|turned| turned != shape.head_size) {
        return Err("a part of its local heads is turned, which is not supported yet".into());
    }
    let base = gguf::f32(content, "gemma4.rope.freq_base_swa")?;
    let pattern = gguf::array(content, "gemma4.attention.sliding_window_pattern")?;
    let is_global: Vec<bool> =
        pattern.iter().map(|local| !local.to_bool().unwrap_or(true)).collect();
    // There is one number for all layers, or one for each.
    let heads = |is: bool| -> Vec<usize> {
        let each = kv_heads.iter().cycle().zip(&is_global);
        each.filter(|(_, is_global)| **is_global == is).map(|(heads, _)| *heads).collect()
    };
    let (local, whole) = (heads(false), heads(true));
    let of_global = whole.first().copied().unwrap_or(shape.kv_heads);
    if local.iter().any(|heads| *heads != shape.kv_heads)
        || whole.iter().any(|heads| *heads != of_global)
    {
        return Err("its layers of one kind differ in heads, which is not supported yet".into());
    }
    let layers = Gemma4 {
        window: number("attention.sliding_window")?,
        kv_heads: of_global,
        head_size: number("attention.key_length")?,
        readers: number("attention.shared_kv_layers").unwrap_or(0),
        global: is_global,
    };
    Ok((vec![global, Rotary::of(base, shape.head_size)], layers.layers(shape)?))
}

impl Config {
    /// Reads the shape from a GGUF header.
    ///
    /// # Errors
    /// The architecture isn't supported, or a key is missing.
    pub fn from_gguf(content: &Content) -> std::result::Result<Self, String> {
        let architecture = gguf::string(content, "general.architecture")?;
        if !SUPPORTED.contains(&architecture.as_str()) {
            return Err(unsupported(&architecture));
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str| gguf::u32(content, &key(name)).map(|v| v as usize);
        let (gemma, gemma4) = (architecture.starts_with("gemma"), architecture == "gemma4");
        let qwen35 = architecture == "qwen35";
        // Those that draft tokens stand behind the others, and are left alone.
        let drafting = number("nextn_predict_layers").ok().filter(|_| qwen35).unwrap_or(0);
        let layers = number("block_count")?.saturating_sub(drafting);
        let heads = number("attention.head_count")?;
        let hidden = number("embedding_length")?;
        let whole_size = number("attention.key_length").unwrap_or(hidden / heads.max(1));
        let head_size = if gemma4 { number("attention.key_length_swa")? } else { whole_size };
        let kv_heads = gguf::of_layers(content, &key("attention.head_count_kv"))?;
        let shape = Shape {
            layers,
            hidden,
            heads,
            // Gemma 4's global layers have fewer.
            kv_heads: kv_heads.iter().copied().max().unwrap_or(heads),
            head_size,
            context_length: number("context_length")?,
            architecture: architecture.clone(),
        };
        let shape = shape.plausible()?;
        if !gemma4 && kv_heads.iter().any(|heads| *heads != shape.kv_heads) {
            return Err("its layers differ in heads, which is not supported yet".into());
        }
        let base = gguf::f32(content, &key("rope.freq_base")).unwrap_or(10_000.0);
        let turned = number("rope.dimension_count").ok().filter(|_| qwen35);
        let mut global = Rotary::of(base, part_of(turned.unwrap_or(whole_size), whole_size)?);
        match gguf::string(content, &key("rope.scaling.type")).as_deref() {
            Ok("linear") => global.linear = gguf::f32(content, &key("rope.scaling.factor"))?,
            Ok("none") | Err(_) => {}
            Ok(other) => return Err(unsupported_rope(other)),
        }
        // What files don't say of Gemma 3 and SmolLM3 llama.cpp sets to the same constants.
        let (rotary, attention) = match architecture.as_str() {
            "gemma3" => {
                let window = number("attention.sliding_window")?;
                let local = Rotary::of(10_000.0, head_size);
                (vec![global, local], attending(gemma_layers(&shape, window, 6)))
            }
            "gemma4" => gemma4_gguf(&shape, content, global, &kv_heads)?,
            "qwen35" => {
                let every = number("full_attention_interval").unwrap_or(4).max(1);
                let listed = gguf::array(content, &key("attention.recurrent_layers")).ok();
                let is_global = |i: usize| match listed.and_then(|list| list.get(i)) {
                    Some(recurrent) => !recurrent.to_bool().unwrap_or(true),
                    None => (i + 1).is_multiple_of(every),
                };
                (vec![global], qwen35_layers(&shape, is_global))
            }
            "smollm3" => (vec![global], attending(unturned(&shape, |i| (i + 1).is_multiple_of(4)))),
            _ => (vec![global], vec![Some(LayerAttention::global(&shape)); layers]),
        };
        let delta = match qwen35 {
            true => {
                let value_heads = number("ssm.time_step_rank")?;
                let shape = DeltaShape {
                    key_heads: number("ssm.group_count")?,
                    value_heads,
                    key_size: number("ssm.state_size")?,
                    value_size: number("ssm.inner_size")? / value_heads.max(1),
                    kernel: number("ssm.conv_kernel")?,
                    tiled: true,
                };
                Some(shape.plausible()?)
            }
            false => None,
        };
        Ok(Self {
            eps: gguf::f32(content, &key("attention.layer_norm_rms_epsilon"))?,
            rope: Self::gguf_rope(&architecture),
            rotary,
            attention,
            delta,
            heads_gated: qwen35,
            norm_after_rope: architecture == "hunyuan-dense",
            activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
            embedding_scale: gemma.then(|| (hidden as f32).sqrt()),
            // As llama.cpp does: the 27B alone, by its layers, has another scale.
            scale: match (architecture.as_str(), layers) {
                // Queries and keys are normalised.
                ("gemma4", _) => 1.0,
                ("gemma3", 62) => 1.0 / (hidden as f32 / heads as f32).sqrt(),
                _ => 1.0 / (head_size as f32).sqrt(),
            },
            values_normed: gemma4,
            per_layer: match gemma4 {
                true => number("embedding_length_per_layer_input")?,
                false => 0,
            },
            logit_cap: match gemma4 {
                true => gguf::f32(content, &key("final_logit_softcapping")).ok(),
                false => None,
            },
            shape,
        })
    }

    /// Reads the shape from a hub folder's `config.json` (transformers' `PretrainedConfig`).
    ///
    /// # Errors
    /// The architecture or a part of it isn't supported, or a key is missing.
    pub fn from_hub(json: &Value) -> std::result::Result<Self, String> {
        // Multimodal checkpoints keep the decoder's shape apart.
        let json = json.get("text_config").unwrap_or(json);
        let architecture = hub_architecture(json)?;
        if !SUPPORTED.contains(&architecture.as_str()) {
            return Err(unsupported(&architecture));
        }
        let number = |name: &str| {
            let value = json.get(name).and_then(Value::as_u64);
            value.map(|v| v as usize).ok_or_else(|| format!("config.json: `{name}` is missing"))
        };
        let (gemma, gemma4) = (architecture.starts_with("gemma"), architecture == "gemma4");
        let (hidden, heads) = (number("hidden_size")?, number("num_attention_heads")?);
        let layers = number("num_hidden_layers")?;
        let head_size = number("head_dim").unwrap_or(hidden / heads.max(1));
        let shape = Shape {
            layers,
            hidden,
            heads,
            kv_heads: number("num_key_value_heads").unwrap_or(heads),
            head_size,
            context_length: number("max_position_embeddings")?,
            architecture,
        };
        let shape = shape.plausible()?;
        let architecture = shape.architecture.as_str();
        // transformers 5 keeps rotary settings together, per kind of layer for Gemma; before, the
        // scaling stood apart.
        let own = json.get("rope_parameters").filter(|rope| rope.is_object());
        let scaling = json.get("rope_scaling").filter(|scaling| scaling.is_object());
        let global = own.map(|rope| rope.get("full_attention").unwrap_or(rope)).or(scaling);
        let theta = global.and_then(|rope| real(rope, "rope_theta")).or(real(json, "rope_theta"));
        let theta = theta.unwrap_or(if gemma { 1_000_000.0 } else { 10_000.0 });
        let qwen35 = architecture == "qwen35";
        let share = global.and_then(|rope| real(rope, "partial_rotary_factor"));
        let share = share.or(real(json, "partial_rotary_factor")).filter(|_| !gemma4);
        let share = share.unwrap_or(if qwen35 { 0.25 } else { 1.0 });
        if share != 1.0 && !qwen35 {
            return Err("it turns a part of its heads, which is not supported yet".into());
        }
        let turned = part_of((share * head_size as f64) as usize, head_size)?;
        let scaled = match global {
            Some(_) if gemma4 => Rotary::of(theta as f32, turned),
            Some(global) => scaled(theta as f32, turned, global)?,
            None => Rotary::of(theta as f32, turned),
        };
        let (rotary, attention) = match architecture {
            "gemma3" => {
                let local = own.and_then(|rope| real(rope.get("sliding_attention")?, "rope_theta"));
                let local = local.or(real(json, "rope_local_base_freq")).unwrap_or(10_000.0);
                let local = Rotary::of(local as f32, head_size);
                let every = number("sliding_window_pattern").unwrap_or(6);
                let layers = gemma_layers(&shape, number("sliding_window")?, every);
                (vec![scaled, local], attending(layers))
            }
            "gemma4" => gemma4_hub(&shape, json)?,
            "qwen35" => {
                let every = number("full_attention_interval").unwrap_or(4).max(1);
                let kinds = json.get("layer_types").and_then(Value::as_array);
                let is_global = |i: usize| match kinds.and_then(|kinds| kinds.get(i)) {
                    Some(kind) => kind.as_str() == Some("full_attention"),
                    None => (i + 1).is_multiple_of(every),
                };
                (vec![scaled], qwen35_layers(&shape, is_global))
            }
            "smollm3" => {
                let every = number("no_rope_layer_interval").unwrap_or(4).max(1);
                let listed = json.get("no_rope_layers").and_then(Value::as_array);
                // Of each layer the list says whether positions turn it.
                let unturned_at = |i: usize| match listed.and_then(|list| list.get(i)) {
                    Some(turned) => turned.as_u64() == Some(0),
                    None => (i + 1).is_multiple_of(every),
                };
                (vec![scaled], attending(unturned(&shape, unturned_at)))
            }
            _ => (vec![scaled], vec![Some(LayerAttention::global(&shape)); layers]),
        };
        let delta = match qwen35 {
            true => {
                let shape = DeltaShape {
                    key_heads: number("linear_num_key_heads")?,
                    value_heads: number("linear_num_value_heads")?,
                    key_size: number("linear_key_head_dim")?,
                    value_size: number("linear_value_head_dim")?,
                    kernel: number("linear_conv_kernel_dim")?,
                    tiled: false,
                };
                Some(shape.plausible()?)
            }
            false => None,
        };
        if json.get("use_sliding_window").and_then(Value::as_bool) == Some(true) {
            return Err("it uses a sliding window, which is not supported yet".into());
        }
        let kinds = json.get("layer_types").and_then(Value::as_array);
        for (layer, (kind, own)) in kinds.into_iter().flatten().zip(&attention).enumerate() {
            let done = match own {
                Some(own) if own.window == usize::MAX => "full_attention",
                Some(_) => "sliding_attention",
                None => "linear_attention",
            };
            if kind.as_str() != Some(done) {
                return Err(format!("its layer {layer} has {kind}, which is not supported yet"));
            }
        }
        let logit_cap = real(json, "final_logit_softcapping").filter(|_| gemma4);
        for cap in ["attn_logit_softcapping", "final_logit_softcapping"] {
            if real(json, cap).is_some() && logit_cap.is_none() {
                return Err(format!("its config.json sets `{cap}`, which is not supported yet"));
            }
        }
        let experts = json.get("enable_moe_block").and_then(Value::as_bool) == Some(true);
        if experts || json.get("use_bidirectional_attention").is_some_and(|v| v == "all") {
            return Err(EXPERTS.into());
        }
        let scale = real(json, "query_pre_attn_scalar").filter(|_| gemma);
        Ok(Self {
            eps: real(json, "rms_norm_eps").unwrap_or(1e-6) as f32,
            // Unlike GGUF's, the hub's llama weights are not rearranged.
            rope: Rope::Halves,
            rotary,
            attention,
            delta,
            heads_gated: qwen35,
            norm_after_rope: architecture == "hunyuan-dense",
            activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
            embedding_scale: gemma.then(|| (hidden as f32).sqrt()),
            scale: match gemma4 {
                // Queries and keys are normalised.
                true => 1.0,
                false => 1.0 / scale.map_or(head_size as f32, |s| s as f32).sqrt(),
            },
            values_normed: gemma4,
            per_layer: number("hidden_size_per_layer_input").ok().filter(|_| gemma4).unwrap_or(0),
            logit_cap: logit_cap.map(|cap| cap as f32),
            shape,
        })
    }

    /// Divides the frequencies of most layers by the factors among a GGUF file's tensors, `[head_size
    /// / 2]`, if there are any (llama 3's long contexts).
    ///
    /// # Errors
    /// They can't be read, or are of another number.
    pub(in super::super) fn take_factors(
        &mut self,
        weights: &mut dyn Weights,
    ) -> candle_core::Result<()> {
        if !weights.has(ROPE_FACTORS) {
            return Ok(());
        }
        let factors: Vec<f32> = weights.vector(ROPE_FACTORS, &Device::Cpu)?.to_vec1()?;
        // llama.cpp's converter writes a large number for infinity.
        let endless = |factor: f32| if factor >= UNTURNED { f32::INFINITY } else { factor };
        let factors: Vec<f32> = factors.into_iter().map(endless).collect();
        let ours = self.rotary.first().map_or(0, |global| global.head_size / 2);
        let theirs = factors.len();
        if ours != theirs {
            bail!("{theirs} factors of its rotary positions, which are {ours}")
        }
        if let Some(global) = self.rotary.first_mut() {
            global.factors = factors;
        }
        Ok(())
    }

    /// Which floats turn together in GGUF files of an architecture: llama.cpp's converter rearranges
    /// the weights of some.
    pub(in super::super) fn gguf_rope(architecture: &str) -> Rope {
        if matches!(architecture, "llama" | "smollm3") { Rope::Neighbours } else { Rope::Halves }
    }

    /// Where another shape is computed in another way, whatever its weights' arrangement.
    pub(in super::super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs();
        let like =
            |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(*a, *b));
        let turns =
            |a: &Self| -> Vec<f32> { a.rotary.iter().flat_map(Rotary::frequencies).collect() };
        // The order of heads is the files' matter.
        let untiled = |a: &Self| a.delta.map(|delta| DeltaShape { tiled: false, ..delta });
        let scales = |a: &Self| [a.scale, a.embedding_scale.unwrap_or(1.0), a.eps];
        if self.shape != other.shape {
            Some("its shape")
        } else if !like(&turns(self), &turns(other)) {
            Some("how positions are told")
        } else if self.attention != other.attention || untiled(self) != untiled(other) {
            Some("which layers see what")
        } else if !like(&scales(self), &scales(other)) {
            Some("by what something is multiplied")
        } else if (self.norm_after_rope, self.activation, self.values_normed, self.per_layer)
            != (other.norm_after_rope, other.activation, other.values_normed, other.per_layer)
            || self.logit_cap != other.logit_cap
        {
            Some("what is done in a layer")
        } else {
            None
        }
    }
}

/// Layers that see all tokens, and those among them that aren't told positions.
fn unturned(shape: &Shape, which: impl Fn(usize) -> bool) -> Vec<LayerAttention> {
    let global = LayerAttention::global(shape);
    let layer = |i| match which(i) {
        true => LayerAttention { rotary: None, ..global },
        false => global,
    };
    (0..shape.layers).map(layer).collect()
}

/// So many floats of a head, if they are a part of it that can be turned.
fn part_of(turned: usize, head_size: usize) -> std::result::Result<usize, String> {
    match (1..=head_size).contains(&turned) && turned.is_multiple_of(2) {
        true => Ok(turned),
        false => Err(format!("it says that {turned} of a head's {head_size} floats are turned")),
    }
}

fn real(from: &Value, name: &str) -> Option<f64> {
    from.get(name).and_then(Value::as_f64)
}

fn unsupported_rope(kind: &str) -> String {
    format!("it scales its rotary positions by `{kind}`, which is not supported yet")
}

/// Rotary positions as transformers' `modeling_rope_utils.py` has them, and Hunyuan's own.
fn scaled(base: f32, head_size: usize, rope: &Value) -> std::result::Result<Rotary, String> {
    let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str);
    let need = |name: &str| {
        let value = real(rope, name).filter(|v| *v > 0.0).map(|v| v as f32);
        value.ok_or_else(|| format!("config.json: `{name}` of its rotary positions is missing"))
    };
    let plain = Rotary::of(base, head_size);
    match kind.unwrap_or("default") {
        "default" => Ok(plain),
        "linear" => Ok(Rotary { linear: need("factor")?, ..plain }),
        // Hunyuan's: a fixed alpha, which only stretches the base.
        "dynamic" if rope.get("alpha").is_some() => {
            let size = head_size as f32;
            let base = base * need("alpha")?.powf(size / (size - 2.0));
            Ok(Rotary::of(base, head_size))
        }
        "llama3" => {
            let (factor, low, high) =
                (need("factor")?, need("low_freq_factor")?, need("high_freq_factor")?);
            let trained = need("original_max_position_embeddings")?;
            let slower = |f: f32| {
                let turns = trained * f / std::f32::consts::TAU;
                let share = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                1.0 / (share + (1.0 - share) / factor)
            };
            let factors = plain.frequencies().into_iter().map(slower).collect();
            Ok(Rotary { factors, ..plain })
        }
        other => Err(unsupported_rope(other)),
    }
}

/// Says that an architecture isn't supported, and which are.
#[must_use]
pub fn unsupported(architecture: &str) -> String {
    format!(
        "its architecture `{architecture}` is not supported; supported are {}",
        SUPPORTED.join(", ")
    )
}

/// The architecture that a hub folder's `config.json` names, as GGUF would call it.
fn hub_architecture(json: &Value) -> std::result::Result<String, String> {
    let kind = json.get("model_type").and_then(Value::as_str);
    match kind.map(|k| k.trim_end_matches("_text")) {
        Some("hunyuan_v1_dense") => Ok("hunyuan-dense".to_owned()),
        Some("qwen3_5") => Ok("qwen35".to_owned()),
        Some(kind) => Ok(kind.to_owned()),
        None => Err("config.json names no `model_type`".to_owned()),
    }
}
