"""Records what small random encoders give in transformers: embeddings as sentence-transformers' modules
make them (mean or first token, a dense layer, length 1), and what classifiers find of pairs.

    pip install torch transformers tokenizers safetensors
    python tests/reference/encoders/record.py

The configurations are the real models' but for their sizes: intfloat/multilingual-e5-small, BAAI/bge-m3,
sentence-transformers/LaBSE, joeddav/xlm-roberta-large-xnli, and of DeBERTa-v3
MoritzLaurer/mDeBERTa-v3-base-xnli-multilingual-nli-2mil7 (three classes) and
MoritzLaurer/deberta-v3-base-zeroshot-v2.0 (two). Tokens are characters.
"""

import json
import pathlib

import safetensors.torch
import tokenizers
import torch
import transformers

HERE = pathlib.Path(__file__).parent
CHARACTERS = [chr(c) for c in range(0x20, 0x7F)] + list("äöüß铁路桥ভা্")
SIZES = {"hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
TEXTS = [
    "The bridge is closed.",
    "Die Brücke über den Fluß ist zu, ließ die Bahn wissen.",
    "铁路桥",
    "x",
    "",
    "Three of the 84 passengers, police said, were not hurt, and the others were taken to two hospitals.",
    "</s> and [SEP] are no ends.",
]
PAIRS = [
    ("The bridge is closed until May.", "The bridge is not open."),
    ("The bridge is closed until May.", "The bridge is open."),
    ("x", "y"),
    ("", "Nothing says so."),
    ("Three of the 84 passengers, police said, were not hurt, and the others were taken to two hospitals.", "81 hurt"),
    ("One [SEP] two </s>", "Two."),
    ("A claim that is longer than what the model reads", "is cut off as well, since nothing else would be left of what it is compared with."),
]


def tokenizer(specials, single, pair, longest, **where):
    vocabulary = {piece: i for i, piece in enumerate([*specials, *CHARACTERS])}
    unknown = next(piece for piece in specials if "unk" in piece.lower())
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token=unknown))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("."), "isolated")
    ids = [(piece, vocabulary[piece]) for piece in specials]
    made.post_processor = tokenizers.processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids)
    made.add_special_tokens([tokenizers.AddedToken(piece, special=True, normalized=False) for piece in specials])
    return made, longest, len(vocabulary)


def bert(longest):
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "</s>"]
    return tokenizer(specials, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", longest)


def roberta(longest):
    specials = ["<s>", "<pad>", "</s>", "<unk>", "[SEP]"]
    return tokenizer(specials, "<s> $A </s>", "<s> $A </s> </s> $B </s>", longest)


def cut(made, longest, *texts):
    """Ids without control tokens from the text."""
    made.encode_special_tokens = True
    made.enable_truncation(longest, strategy="longest_first")
    ids = made.encode(*texts).ids
    made.no_truncation()
    return ids


def randomise(model):
    for name, tensor in model.named_parameters():
        if "LayerNorm.weight" in name:
            tensor.copy_(1 + torch.randn_like(tensor) * 0.2)
        elif tensor.dim() == 1:
            tensor.copy_(torch.randn_like(tensor) * 0.2)


def write(name, made, model, record, labels=None):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    model.config.architectures = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(model.config.to_dict(), indent=1) + "\n")
    tensors = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    (folder / "expected.json").write_text(json.dumps(record, ensure_ascii=False) + "\n")
    return folder


def rounded(values):
    return [round(value, 6) for value in values]


def embeds(name, kind, cutter, pooling, dense=False, **config):
    torch.manual_seed(len(name))
    made, longest, vocabulary = cutter
    config = kind.config_class(vocab_size=vocabulary, initializer_range=0.25, **SIZES, **config)
    model = kind(config).eval()
    layer = torch.nn.Linear(24, 24)
    with torch.no_grad():
        randomise(model)
        out = []
        for text in TEXTS:
            ids = torch.tensor([cut(made, longest, text)])
            states = model(ids).last_hidden_state[0]
            pooled = states.mean(0) if pooling == "mean_tokens" else states[0]
            if dense:
                pooled = torch.tanh(layer(pooled))
            out.append(rounded((pooled / pooled.norm()).tolist()))
    folder = write(name, made, model, {"version": transformers.__version__, "texts": TEXTS, "embeddings": out})
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {f"pooling_mode_{mode}": mode == pooling for mode in ["cls_token", "mean_tokens", "max_tokens"]}
    (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 24, **modes}) + "\n")
    if dense:
        (folder / "2_Dense").mkdir(exist_ok=True)
        activation = {"activation_function": "torch.nn.modules.activation.Tanh"}
        dense = {"in_features": 24, "out_features": 24, "bias": True, **activation}
        (folder / "2_Dense/config.json").write_text(json.dumps(dense) + "\n")
        tensors = {f"linear.{key}": tensor.detach() for key, tensor in layer.named_parameters()}
        safetensors.torch.save_file(tensors, folder / "2_Dense/model.safetensors")


def judges(name, kind, cutter, labels, **config):
    torch.manual_seed(len(name))
    made, longest, vocabulary = cutter
    names = dict(enumerate(labels))
    config = kind.config_class(
        vocab_size=vocabulary, initializer_range=0.25, id2label=names, label2id={v: k for k, v in names.items()},
        **SIZES, **config,
    )
    model = kind(config).eval()
    follows = next(i for i, label in names.items() if label.lower() == "entailment")
    with torch.no_grad():
        randomise(model)
        out = []
        for pair in PAIRS:
            ids = torch.tensor([cut(made, longest, *pair)])
            out.append(model(ids).logits[0].softmax(-1)[follows].item())
    write(name, made, model, {"version": transformers.__version__, "pairs": PAIRS, "probabilities": rounded(out)})


DEBERTA = {
    "relative_attention": True, "position_buckets": 8, "max_relative_positions": -1, "max_position_embeddings": 64,
    "norm_rel_ebd": "layer_norm", "share_att_key": True, "pos_att_type": "p2c|c2p", "position_biased_input": False,
    "type_vocab_size": 0, "layer_norm_eps": 1e-7, "hidden_act": "gelu", "pad_token_id": 0,
}
XLM_R = {"max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}

if __name__ == "__main__":
    positions = {"max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
    embeds("e5", transformers.BertModel, roberta(64), "mean_tokens", **positions)
    embeds("labse", transformers.BertModel, bert(64), "cls_token", dense=True, **positions)
    embeds("bge-m3", transformers.XLMRobertaModel, roberta(64), "cls_token", **XLM_R)
    three = ["entailment", "neutral", "contradiction"]
    judges("xnli", transformers.XLMRobertaForSequenceClassification, roberta(64), three[::-1], **XLM_R)
    judges("deberta", transformers.DebertaV2ForSequenceClassification, bert(64), three, **DEBERTA)
    two = ["not_entailment", "entailment"]
    judges("deberta-two", transformers.DebertaV2ForSequenceClassification, bert(64), two, **DEBERTA)
