"""Muon for the matrices (Jordan et al. 2024, with Polar Express coefficients)."""

import torch

# Amsel et al. 2025, "The Polar Express": one polynomial for each step.
POLAR = [(8.28721201814563, -23.595886519098837, 17.300387312530933),
         (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
         (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
         (3.3184196573706015, -2.488488024314874, 0.51004894012372)]


def orthogonal(g):
    """The nearest semi-orthogonal matrices of a batch [n, rows, cols], approximately."""
    tall = g.shape[1] > g.shape[2]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.01 + 1e-7)
    for a, b, c in POLAR:
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return x.mT if tall else x


class Muon:
    """Momentum, then orthogonal updates; matrices of one shape are treated together."""

    def __init__(self, matrices, lr, momentum=0.95, decay=0.02):
        self.lr, self.momentum, self.decay = lr, momentum, decay
        self.groups = {}
        for parameter, sizes in matrices:
            at = 0
            for n in sizes:
                shape = (min(n, parameter.shape[1]), max(n, parameter.shape[1]))
                self.groups.setdefault(shape, []).append((parameter, at, n))
                at += n
        self.state = {id(p): torch.zeros_like(p) for p in self.parameters()}

    def parameters(self):
        seen = {}
        for group in self.groups.values():
            seen |= {id(p): p for p, _, _ in group}
        return list(seen.values())

    @torch.no_grad()
    def step(self, scale, run=map):
        """One update of all matrices; run maps the orthogonalisation over workers."""
        update = {}
        for p in self.parameters():
            m = self.state[id(p)]
            m.lerp_(p.grad, 1 - self.momentum)
            update[id(p)] = p.grad.lerp(m, self.momentum)
            p.mul_(1 - self.lr * scale * self.decay)
        jobs = [group[i:i + 4] for group in self.groups.values() for i in range(0, len(group), 4)]
        for job, done in zip(jobs, run(lambda job: self.directions(job, update), jobs)):
            for (p, at, n), d in zip(job, done):
                gain = max(1, n / p.shape[1]) ** 0.5
                p[at:at + n].sub_(d, alpha=self.lr * scale * gain)

    @torch.no_grad()
    def directions(self, job, update):
        wide = [update[id(p)][at:at + n] for p, at, n in job]
        flip = [w.shape[0] > w.shape[1] for w in wide]
        done = orthogonal(torch.stack([w.mT if f else w for w, f in zip(wide, flip)]))
        return [d.mT if f else d for d, f in zip(done, flip)]

    def state_list(self):
        return [self.state[id(p)] for p in self.parameters()]

    def load(self, tensors):
        for p, t in zip(self.parameters(), tensors):
            self.state[id(p)].copy_(t)
