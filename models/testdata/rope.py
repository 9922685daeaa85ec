"""Writes rope.json: configs as they lie in config.json, and what transformers computes from them.

Run with the packages of tools/golden/requirements.txt: python rope.py > rope.json
"""

import copy
import json

import transformers
from transformers import AutoConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

BASE = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64,
    "hidden_size": 256, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
}
# name -> keys of config.json that differ from BASE
CASES = {
    "nothing said": {},
    "theta, old style": {"rope_theta": 500000.0},
    "theta, new style": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    "narrow head": {"head_dim": 8, "rope_theta": 10000.0},
    "wide head": {"head_dim": 128, "rope_theta": 1e6},
    "linear, old style": {"rope_theta": 1e4, "rope_scaling": {"type": "linear", "factor": 2.5}},
    "linear, partial": {"rope_parameters": {
        "rope_type": "linear", "factor": 4.0, "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
    "linear, partial outside": {"rope_theta": 1e4, "partial_rotary_factor": 0.25,
                                "rope_scaling": {"type": "linear", "factor": 8.0}},
    "scaling wins over parameters": {
        "rope_scaling": {"rope_type": "linear", "factor": 2.0, "rope_theta": 3e4},
        "rope_parameters": {"rope_type": "linear", "factor": 16.0, "rope_theta": 1e4}},
    "dynamic": {"rope_theta": 1e4, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}},
    "llama 3.1": {"head_dim": 128, "rope_theta": 500000.0, "max_position_embeddings": 131072,
                  "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                   "original_max_position_embeddings": 8192, "rope_type": "llama3"}},
    "llama 3.2": {"max_position_embeddings": 131072, "rope_parameters": {
        "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 500000.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3"}},
    "llama3, original not said": {"rope_theta": 1e4, "rope_scaling": {
        "factor": 4.0, "low_freq_factor": 1.5, "high_freq_factor": 6.0, "rope_type": "llama3"}},
    "yarn": {"head_dim": 128, "rope_theta": 1e6, "max_position_embeddings": 40960, "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
    "yarn, old style": {"rope_theta": 1e4, "rope_scaling": {
        "type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096,
        "finetuned": True}},
    "yarn, original not said": {"rope_theta": 1e4,
                                "rope_scaling": {"rope_type": "yarn", "factor": 2.0}},
    "yarn, original outside": {"rope_theta": 1e4, "original_max_position_embeddings": 1024,
                               "rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
    "yarn, factor not said": {"rope_theta": 1e4, "max_position_embeddings": 16384, "rope_scaling": {
        "rope_type": "yarn", "factor": None, "original_max_position_embeddings": 2048}},
    "yarn, attention factor": {"rope_theta": 1e4, "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "attention_factor": 0.75,
        "original_max_position_embeddings": 2048}},
    "yarn, both mscales": {"rope_theta": 1e4, "rope_scaling": {
        "rope_type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1, "mscale": 0.707,
        "mscale_all_dim": 1.4, "original_max_position_embeddings": 4096}},
    "yarn, one mscale": {"rope_theta": 1e4, "rope_scaling": {
        "rope_type": "yarn", "factor": 40, "mscale": 0.5,
        "original_max_position_embeddings": 4096}},
    "yarn, betas": {"rope_theta": 1e5, "rope_scaling": {
        "rope_type": "yarn", "factor": 8, "beta_fast": 64.0, "beta_slow": 0.5,
        "original_max_position_embeddings": 4096}},
    "yarn, not truncated": {"rope_theta": 150000.0, "rope_scaling": {
        "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
        "original_max_position_embeddings": 4096}},
    "yarn, short": {"rope_theta": 1e4, "head_dim": 16, "max_position_embeddings": 64,
                    "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                                     "original_max_position_embeddings": 16}},
}
LENGTHS = [4096, 4097, 6000, 20000]  # of dynamic scaling


def config_of(data):
    data = copy.deepcopy(data)
    return AutoConfig.for_model(data.pop("model_type"), **data)


def main():
    cases = []
    for name, change in CASES.items():
        data = BASE | change
        config = config_of(data)
        rotary = LlamaRotaryEmbedding(config)
        case = {
            "name": name, "config": data, "scale": rotary.attention_scaling,
            "inv_freq": rotary.inv_freq.tolist(),
        }
        if rotary.rope_type == "dynamic":
            case["at_length"] = {
                str(n): ROPE_INIT_FUNCTIONS["dynamic"](config, seq_len=n)[0].tolist()
                for n in LENGTHS}
        cases.append(case)
    print('{"transformers": %s, "cases": [' % json.dumps(transformers.__version__))
    print(",\n".join(json.dumps(case) for case in cases))
    print("]}")


main()
