"""Trains the model in runs that can be cut at any second: a checkpoint every few minutes, and the
data of a step depends on the seed and the step alone.

    python train.py --dir DIR [--until HH:MM] [--shape box|draft] [--device cpu|cuda]
"""

import argparse
import datetime
import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import chatformat
import mixture
from model import Decoder
from optimizer import Muon

HERE = Path(__file__).parent
POOL_TOKENS = 60000  # tokens drawn at once, then sorted by length into batches


class Data:
    """Batches of equally long rows. Pool number n depends on (seed, n, the plan's stage) alone."""

    def __init__(self, tokenizer, seed, plan):
        self.tok, self.seed = tokenizer, seed
        self.batch_tokens, self.parts = plan["batch_tokens"], plan["batches_a_step"]
        self.end = tokenizer.token_to_id("<|end|>")

    def encode(self, parts):
        ids, learnt = [], []
        for text, learn in parts:
            new = self.tok.encode(text, add_special_tokens=False).ids
            ids += new
            learnt += [learn] * len(new)
        return ids, learnt

    def pool(self, n, weights, level):
        """Steps of batches: each batch of one length, each step of several lengths."""
        rng = random.Random(f"{self.seed}|{n}")
        rows, total = [], 0
        while total < POOL_TOKENS:
            ids, learnt = self.encode(chatformat.pieces(*mixture.conversation(rng, weights, level)))
            if len(ids) <= 2048:
                rows.append((ids, learnt))
                total += len(ids)
        rows.sort(key=lambda r: len(r[0]))
        batches, batch = [], []
        for row in rows:
            if batch and (len(batch) + 1) * len(row[0]) > self.batch_tokens:
                batches.append(batch)
                batch = []
            batch.append(row)
        batches.append(batch)
        rng.shuffle(batches)
        batches = [self.tensors(b) for b in batches]
        return [batches[i:i + self.parts] for i in range(0, len(batches), self.parts)]

    def tensors(self, rows):
        """ids [B, T], flat positions whose next token is learnt, and those tokens."""
        width = max(len(ids) for ids, _ in rows) - 1
        inputs = torch.full((len(rows), width), self.end)
        at, want = [], []
        for r, (ids, learnt) in enumerate(rows):
            inputs[r, :len(ids) - 1] = torch.tensor(ids[:-1])
            for i in range(1, len(ids)):
                if learnt[i]:
                    at.append(r * width + i - 1)
                    want.append(ids[i])
        return inputs, torch.tensor(at), torch.tensor(want)


class Run:
    def __init__(self, args):
        self.args, self.dir = args, Path(args.dir)
        self.ckpt = self.dir / "ckpt" / f"{args.shape}.pt"
        self.ckpt.parent.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(args.seed)
        tok = Tokenizer.from_file(str(self.dir / "tokenizer.json"))
        self.plan = json.loads((HERE / f"plan-{args.shape}.json").read_text())
        self.data = Data(tok, args.seed, self.plan)
        self.workers = ThreadPoolExecutor(args.workers)
        self.model = Decoder(args.shape).to(args.device)
        self.muon = Muon(self.model.matrices(), self.plan["muon_lr"])
        mine = {id(p) for p in self.muon.parameters()}
        rest = [p for p in self.model.parameters() if id(p) not in mine]
        self.adam = torch.optim.AdamW(rest, lr=self.plan["adam_lr"], betas=(0.9, 0.98),
                                      weight_decay=0.0, fused=True)
        self.ema = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.step, self.pool, self.tokens, self.seconds = 0, 0, 0, 0.0
        self.errors = {f: 1.0 for f in mixture.FAMILIES}
        self.stop = False

    def save(self):
        state = dict(model=self.model.state_dict(), ema=self.ema, muon=self.muon.state_list(),
                     adam=self.adam.state_dict(), step=self.step, pool=self.pool,
                     tokens=self.tokens, seconds=self.seconds, errors=self.errors)
        new = self.ckpt.with_suffix(".new")
        torch.save(state, new)
        os.replace(new, self.ckpt)

    def load(self):
        if not self.ckpt.exists():
            return
        state = torch.load(self.ckpt, map_location=self.args.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.ema = state["ema"]
        self.muon.load(state["muon"])
        self.adam.load_state_dict(state["adam"])
        for name in ("step", "pool", "tokens", "seconds"):
            setattr(self, name, state[name])
        self.errors |= state["errors"]

    def stage(self):
        return [s for s in self.plan["stages"] if s["from"] <= self.step][-1]

    def level(self, stage):
        """The stage's level; what the last scoring found weak is mostly drawn easy."""
        ease = {f: min(stage["ease"], e) for f, e in self.errors.items()}
        return mixture.Level(rows=tuple(stage["rows"]), most_questions=stage["questions"],
                             turns=stage["turns"], two_words=0.5, ease=ease)

    def weights(self, stage):
        """The plan's weights, shifted to what the last scoring found weak."""
        return {f: w * (0.2 + min(1.0, 2 * self.errors[f])) for f, w in stage["weights"].items()}

    def scale(self, stage):
        """The learning rate's factor: warm-up, then constant; a stage may let it fall linearly."""
        warm = min(1.0, (self.step + 1) / self.plan["warmup"])
        high, low = stage["lr"]
        done = (self.step - stage["from"]) / max(1, stage.get("steps", 1))
        return warm * (high + (low - high) * min(1.0, done))

    def gradients(self, batch, bits, total):
        """Sum of the losses of a batch, and the gradients of its share of the step's mean."""
        inputs, at, want = (t.to(self.args.device) for t in batch)
        logits = self.model(inputs, at, bits)
        loss = F.cross_entropy(logits, want, reduction="sum") / total
        return loss.item(), torch.autograd.grad(loss, list(self.model.parameters()))

    def learn(self, batches, stage):
        """One step. Workers take batches as they come free; the sum has a fixed order."""
        total, bits = sum(len(b[2]) for b in batches), stage.get("bits", 0)
        done = list(self.workers.map(lambda b: self.gradients(b, bits, total), batches))
        for p, *grads in zip(self.model.parameters(), *(g for _, g in done)):
            p.grad = grads[0] if len(grads) == 1 else torch.stack(grads).sum(0)
        scale = self.scale(stage)
        self.muon.step(scale, self.workers.map)
        for group in self.adam.param_groups:
            group["lr"] = self.plan["adam_lr"] * scale
        self.adam.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += sum(b[0].numel() for b in batches)
        keep = min(0.995, 1 - 1 / (1 + self.step / 4))
        with torch.no_grad():
            for k, v in self.model.state_dict().items():
                self.ema[k].lerp_(v, 1 - keep)
        return sum(loss for loss, _ in done)

    @torch.no_grad()
    def score(self, stage, n=40):
        """Share of held-out items whose whole reply is the most likely one, token by token: the
        same as greedy decoding giving exactly that reply."""
        live = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.ema)
        level, result = mixture.Level(rows=tuple(stage["rows"])), {}
        for family in mixture.FAMILIES:
            right = 0
            for item in mixture.scored(family, n, level):
                prompt, reply = chatformat.prompt_and_answer(item)
                inputs, at, want = (t.to(self.args.device) for t in self.data.tensors(
                    [self.data.encode([(prompt, False), (reply, True)])]))
                got = self.model(inputs, at).argmax(-1)
                right += int((got == want).all())
            result[family] = right / n
        self.model.load_state_dict(live)
        self.errors = {f: 1 - r for f, r in result.items()}
        return result

    def log(self, **what):
        what = dict(step=self.step, tokens=self.tokens, seconds=round(self.seconds), **what)
        with open(self.dir / f"log-{self.args.shape}.jsonl", "a") as f:
            f.write(json.dumps(what) + "\n")
        print(json.dumps(what), flush=True)

    def until(self):
        if not self.args.until:
            return float("inf")
        now = datetime.datetime.now(datetime.timezone.utc)
        h, m = map(int, self.args.until.split(":"))
        end = now.replace(hour=h, minute=m, second=0)
        return (end if end > now else end + datetime.timedelta(days=1)).timestamp()

    def train(self):
        end, saved, scored, losses = self.until(), time.time(), time.time(), []
        if self.step >= self.plan["steps"]:
            return  # a run that has ended stays as it is
        while not self.stop:
            stage = self.stage()
            for batch in self.data.pool(self.pool, self.weights(stage), self.level(stage)):
                began = time.time()
                losses.append(self.learn(batch, stage))
                self.seconds += time.time() - began
                if len(losses) == 20:
                    self.log(loss=round(sum(losses) / 20, 4))
                    losses = []
                if time.time() - saved > self.args.save_seconds:
                    self.save()
                    saved = time.time()
                if time.time() > end or self.step >= self.plan["steps"]:
                    self.stop = True
                if self.stop:
                    break
            else:
                self.pool += 1
            if time.time() - scored > self.args.score_seconds or self.stop:
                self.log(score=self.score(stage))
                scored = time.time()
        self.save()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--shape", default="box")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--save-seconds", type=int, default=180)
    parser.add_argument("--score-seconds", type=int, default=420)
    args = parser.parse_args()
    torch.set_num_threads(1)
    run = Run(args)
    run.load()

    def ask_to_stop(*_):
        run.stop = True

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    (run.dir / "train.pid").write_text(str(os.getpid()))
    run.train()


if __name__ == "__main__":
    main()
