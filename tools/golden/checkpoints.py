"""The tiny checkpoints: one of every family, seeded, saved by transformers."""

import shutil
from dataclasses import dataclass, field

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

import reference
import vocab
import weights

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
    return {"hidden_size": hidden, "intermediate_size": ffn, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "head_dim": head_dim}


def rope(kind="default", theta=10000.0, **rest):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta} | rest}


LLAMA3_ROPE = rope("llama3", 500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)
TIED = {"tie_word_embeddings": True}
SMALL = shape(64, 160, 4, 2, 16)
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


CHECKPOINTS = {
    "llama3-tied": Checkpoint(
        "Llama", llama3_base, shape(256, 512, 4, 2, 64) | LLAMA3_ROPE | TIED),
    "llama3-chat": Checkpoint(
        "Llama", llama3_chat, shape(64, 192, 4, 1, 16) | LLAMA3_ROPE, torch.bfloat16,
        generation={"do_sample": True, "temperature": 0.6, "top_p": 0.9},
        stops=("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")),
    "qwen3": Checkpoint(
        "Qwen3", qwen3_chat, shape(256, 512, 4, 1, 128) | rope(theta=1000000.0) | TIED,
        vocab_size=512, stops=("<|im_end|>", "<|endoftext|>"),
        generation={"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95}),
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
    weights.fill(model, name)
    ids = {key: getattr(config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    stops = {"eos_token_id": tok.convert_tokens_to_ids(recipe.stops)} if recipe.stops else {}
    model.generation_config = GenerationConfig(**(ids | recipe.generation | stops))
    shutil.rmtree(folder, ignore_errors=True)
    model.to(recipe.dtype).save_pretrained(folder, max_shard_size=recipe.shard)
    tok.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)


def load(folder, dtype=torch.float32):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def make(name, folder):
    """Saves a checkpoint, reads it back in float32 and writes its goldens beside it."""
    save(name, folder)
    model, tok = load(folder)
    cases = prompts(tok, model.config.vocab_size)
    kind = str(CHECKPOINTS[name].dtype).removeprefix("torch.")
    done = reference.write(folder, model, cases, CHECKPOINTS[name].stepwise, kind)
    reference.summary(name, done)
