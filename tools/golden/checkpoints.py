"""The tiny checkpoints: one of every family, seeded, saved by transformers."""

import shutil
from dataclasses import dataclass, field

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

import reference
import vocab
import weights

EAGER = {"attn_implementation": "eager", "experts_implementation": "eager"}
TESTDATA = vocab.ROOT / "testdata"
STORY = ("Once upon a time there was a little girl who liked to read books in the old park by the "
         "lake, and one day she saw a big red ball under the tree, so she asked her mom if they "
         "could take it home and play with it in the garden before it was too dark to see.")
CHAT = [{"role": "system", "content": "You answer in one word."},
        {"role": "user", "content": "Which day comes after Sunday?"}]


@dataclass
class Checkpoint:
    """A config class of transformers with its settings, a tokenizer and how to store it."""

    family: str
    tokenizer: callable
    settings: dict
    dtype: torch.dtype = torch.bfloat16
    vocab_size: int = 0            # default: that of the tokenizer
    shard: str = "1GB"
    stepwise: bool = False
    keep: bool = True              # False: only a source for GGUF files, not stored
    generation: dict = field(default_factory=dict)
    seed: str = ""                 # default: the checkpoint's name
    stops: tuple = ()              # end-of-sequence tokens of the generation config, when several

    def config(self, tok):
        common = {
            "vocab_size": self.vocab_size or len(tok), "bos_token_id": tok.bos_token_id,
            "eos_token_id": tok.eos_token_id, "pad_token_id": tok.pad_token_id,
            "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "num_hidden_layers": 2,
            "tie_word_embeddings": False,
        }
        return getattr(transformers, self.family + "Config")(**(common | self.settings))


def shape(hidden, ffn, heads, kv_heads, head_dim):
    sizes = {"hidden_size": hidden, "intermediate_size": ffn, "num_attention_heads": heads,
             "num_key_value_heads": kv_heads}
    return sizes | ({"head_dim": head_dim} if head_dim else {})


def rope(kind="default", theta=10000.0, **rest):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta} | rest}


LLAMA3_ROPE = rope("llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)
TIED = {"tie_word_embeddings": True}
LLAMA3_CHAT = "meta-llama-Llama-3.1-8B-Instruct.jinja"
QWEN3_CHAT = "Qwen-Qwen3-0.6B.jinja"


def llama3_chat():
    return vocab.llama3(1200, LLAMA3_CHAT)


def llama3_base():
    return vocab.llama3(249)


def qwen3_chat():
    return vocab.qwen(243, QWEN3_CHAT)


def qwen2_chat():
    return vocab.qwen(500, "Qwen-Qwen2.5-7B-Instruct.jinja")


def small(heads=4, kv_heads=2, head_dim=32):
    return shape(64, 160, heads, kv_heads, head_dim)


SP, SP_OLD = vocab.sentencepiece, vocab.sentencepiece_normalized
QWEN3_SAMPLING = {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95}
QWEN_STOPS = ("<|im_end|>", "<|endoftext|>")

CHECKPOINTS = {
    "llama2": Checkpoint("Llama", SP, shape(64, 172, 4, 4, 16), torch.float32),
    "llama3-tied": Checkpoint(
        "Llama", llama3_base, shape(256, 512, 4, 2, 64) | LLAMA3_ROPE | TIED),
    "llama3-chat": Checkpoint(
        "Llama", llama3_chat, shape(64, 192, 4, 1, 16) | LLAMA3_ROPE,
        generation={"do_sample": True, "temperature": 0.6, "top_p": 0.9},
        stops=("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")),
    "llama-linear": Checkpoint("Llama", SP, small() | rope("linear", factor=4.0)),
    "llama-dynamic": Checkpoint(
        "Llama", SP, small() | rope("dynamic", factor=4.0) | {"max_position_embeddings": 128},
        stepwise=True),
    "llama-yarn": Checkpoint(
        "Llama", SP, small() | rope("yarn", factor=4.0, original_max_position_embeddings=128)),
    "mistral": Checkpoint(
        "Mistral", SP_OLD, shape(128, 256, 4, 2, 32) | rope() | {"sliding_window": 32}),
    "qwen2": Checkpoint(
        "Qwen2", qwen2_chat, shape(64, 160, 4, 2, None) | rope(theta=1000000.0), torch.float16,
        vocab_size=768, stops=QWEN_STOPS,
        generation={"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8,
                    "repetition_penalty": 1.05}),
    "qwen3": Checkpoint(
        "Qwen3", qwen3_chat, shape(256, 256, 4, 1, 128) | rope(theta=1000000.0) | TIED,
        vocab_size=512, stops=QWEN_STOPS, generation=QWEN3_SAMPLING),
    "mixtral": Checkpoint(
        "Mixtral", SP_OLD, shape(64, 96, 4, 2, 16) | rope(theta=1000000.0) | {
            "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
        shard="150KB", seed="mixtral-1"),
    "qwen3-moe": Checkpoint(
        "Qwen3Moe", qwen3_chat, shape(64, 128, 4, 2, 32) | rope(theta=1000000.0) | {
            "moe_intermediate_size": 48, "num_experts": 9, "num_experts_per_tok": 3,
            "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []},
        vocab_size=512, stops=QWEN_STOPS, generation=QWEN3_SAMPLING, seed="qwen3-moe-1"),
    "qwen3-moe-wide": Checkpoint(
        "Qwen3Moe", qwen3_chat, shape(256, 512, 4, 2, 64) | rope(theta=1000000.0) | TIED | {
            "moe_intermediate_size": 256, "num_experts": 4, "num_experts_per_tok": 2,
            "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [],
            "num_hidden_layers": 1},
        vocab_size=512, stops=QWEN_STOPS, generation=QWEN3_SAMPLING, keep=False),
}


def prompts(tok, vocab_size):
    """Ids with their text: a short prompt, one longer than any window, a chat, and random ids."""
    cases = [("short", tok.encode("Once upon a time"), "Once upon a time"),
             ("long", tok.encode(STORY), STORY)]
    if tok.chat_template:
        text = tok.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
        cases.append(("chat", tok.encode(text, add_special_tokens=False), text))
    draw = weights.generator("prompt", str(vocab_size))
    cases.append(("random", draw.integers(0, vocab_size, 33).tolist(), None))
    return cases


def save(name, folder):
    """Writes the checkpoint's files: weights, configs and tokenizer."""
    recipe = CHECKPOINTS[name]
    tok = recipe.tokenizer()
    config = recipe.config(tok)
    model = getattr(transformers, recipe.family + "ForCausalLM")(config)
    weights.fill(model, recipe.seed or name)
    ids = {key: getattr(config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    stops = {"eos_token_id": tok.convert_tokens_to_ids(recipe.stops)} if recipe.stops else {}
    model.generation_config = GenerationConfig(**(ids | recipe.generation | stops))
    shutil.rmtree(folder, ignore_errors=True)
    model.to(recipe.dtype).save_pretrained(folder, max_shard_size=recipe.shard)
    tok.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)


def load(folder, dtype=torch.float32):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **EAGER)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def make(name, folder):
    """Saves a checkpoint, reads it back in float32 and writes its goldens beside it."""
    save(name, folder)
    model, tok = load(folder)
    cases = prompts(tok, model.config.vocab_size)
    kind = str(CHECKPOINTS[name].dtype).removeprefix("torch.")
    done = reference.write(folder, model, cases, CHECKPOINTS[name].stepwise, kind)
    reference.summary(name, done)
