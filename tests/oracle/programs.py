"""Short programs whose values PyTorch has computed, for those who do not have it installed.

Each is an expression that reads the same for both libraries: ``m`` is the library, ``F`` its
functional, ``nn`` and ``optim``; ``x, y, z`` are (3, 4) and need gradients, ``u, v`` are (3,) and
(4,), ``i`` is (6,) of indices below 3, ``b`` is (2, 3, 5, 6), ``c`` is (2, 3, 7). `tools/oracle.py`
writes `values.json`; `test_oracle.py` compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SIGN = "((y > 0) * 2 - 1).to(x.dtype)"
SIGNS = "((u > 0) * 2 - 1).to(x.dtype)"
LABELS = "m.tensor([[1, 3, -1, 0], [0, -1, 1, 2], [-1, 0, 1, 2]])"

FAMILIES: dict[str, str] = {
    "margins": f"""
F.soft_margin_loss(x, {SIGN}) | F.hinge_embedding_loss(x, {SIGN}, margin=0.3)
F.margin_ranking_loss(x, y, {SIGN}, margin=0.7) | F.multi_margin_loss(x, i[:3], p=2)
F.multi_margin_loss(x, i[:3], 1, 0.5, v.abs().detach()) | F.multilabel_margin_loss(x, {LABELS})
F.multilabel_soft_margin_loss(x, y.sigmoid().detach(), v.abs().detach())
F.cosine_embedding_loss(x, y, {SIGNS}, margin=0.3) | F.triplet_margin_loss(x, y, z, 3.0, 3.0)
F.triplet_margin_with_distance_loss(x, y, z, margin=4.0, swap=True)
F.multi_margin_loss(x, i[:3], reduction='none') | F.pdist(x, 3.0)
""",
    "losses": """
F.mse_loss(x, y) | F.l1_loss(x, y, reduction='sum') | F.smooth_l1_loss(x, y, beta=0.5)
F.huber_loss(x, y, delta=0.3) | F.kl_div(x.log_softmax(1), y.softmax(1))
F.kl_div(x.log_softmax(1), y.log_softmax(1), reduction='batchmean', log_target=True)
F.binary_cross_entropy(x.sigmoid(), y.sigmoid()) | F.poisson_nll_loss(x, y.abs(), full=True)
F.binary_cross_entropy_with_logits(x, y.sigmoid(), pos_weight=v.abs().detach())
F.gaussian_nll_loss(x, y, z.abs(), full=True) | F.cross_entropy(x, i[:3])
F.cross_entropy(x, i[:3], weight=v.abs().detach(), label_smoothing=0.2)
F.cross_entropy(x, y.softmax(1)) | F.cross_entropy(x, m.tensor([0, -100, 2]))
F.nll_loss(x.log_softmax(1), i[:3], reduction='none')
F.ctc_loss(m.stack([x, y, z, x, y], 0).log_softmax(2), m.tensor([[1, 2], [3, 3], [2, 0]]),
    m.tensor([5, 5, 4]), m.tensor([2, 2, 1]))
""",
    "promotion": """
(x + i[:4]) * 2 | m.ones(2, dtype=m.int32) / 2 | m.ones(2, dtype=m.uint8) + 1.5
m.ones(2, dtype=m.int8) * m.ones(2, dtype=m.int64) | m.ones(2, dtype=m.bool) + 1
m.tensor(3) + m.ones(2, dtype=m.int32) | m.tensor(2.5) * m.ones(2, dtype=m.int64)
m.ones(2, dtype=m.float16) + m.ones((), dtype=m.float64) | m.arange(5) // 2 | m.arange(-5, 5) % 3
m.true_divide(m.arange(4), 4) | m.ones(2, dtype=m.float16) * 3 | m.arange(3).sum()
m.arange(4, dtype=m.uint8).cumsum(0) | m.arange(4, dtype=m.int32).prod() | m.tensor([True]).sum()
m.where(i > 1, i, 0.5) | m.cat([i, v]) | m.arange(3).float().mean() | m.pow(m.arange(4), 2)
m.pow(2, m.arange(4)) | m.pow(m.arange(1, 4).float(), -1) | m.arange(6).clamp(1.5, 4)
m.bitwise_and(m.arange(8), 5) | m.arange(4) == 2.0 | m.full((2,), 3) | m.full((2,), 3.0)
m.arange(0, 1, 0.25) | m.linspace(0, 1, 5, dtype=m.float64) | (m.arange(4) > 1) | (i[:3] < u)
m.floor_divide(m.arange(-4, 4), 3) | m.remainder(v, -0.7) | m.fmod(v, 0.7) | -m.arange(3)
""",
    "interpolation": """
F.interpolate(b, scale_factor=2) | F.interpolate(b, (7, 4), mode='bilinear')
F.interpolate(b, (7, 4), mode='bilinear', align_corners=True)
F.interpolate(b, (3, 9), mode='area')
F.interpolate(b, (8, 5), mode='bicubic')
F.interpolate(b, (8, 5), mode='bicubic', align_corners=True)
F.interpolate(b, (3, 3), mode='bilinear', antialias=True) | F.interpolate(c, 11, mode='linear')
F.interpolate(c, scale_factor=1.7, mode='nearest-exact') | F.interpolate(b[:, :, None], (3, 4, 5),
    mode='trilinear')
F.interpolate(c, scale_factor=1.3, mode='linear', recompute_scale_factor=True)
F.grid_sample(b, m.stack([x[:2, :3], y[:2, :3]], -1)[:, None])
F.grid_sample(b, m.stack([x[:2, :3], y[:2, :3]], -1)[:, None], 'bicubic', 'reflection', True)
F.grid_sample(b, m.stack([x[:2, :3], y[:2, :3]], -1)[:, None], 'nearest', 'border', False)
F.affine_grid(m.stack([x[:2, :3], y[:2, :3]], 1), (2, 1, 3, 4), align_corners=False)
F.pixel_shuffle(b.repeat(1, 4, 1, 1), 2) | F.pad(b, (1, 2, 2, 1), 'reflect')
F.pad(b, (1, 2, 2, 1), 'circular') | F.pad(b, (-1, 2), value=0.5) | F.pad(c, (3, 1), 'replicate')
""",
    "layers": """
F.conv2d(b, b[:, :, :3, :2] * 0.3, v[:2], stride=2, padding=1)
F.conv1d(c, c[:, :, :3], padding='same')
F.conv_transpose2d(b, b[:1, :, :2, :3].transpose(0, 1), stride=2, padding=1, output_padding=1)
F.max_pool2d(b, 3, 2, 1, ceil_mode=True) | F.avg_pool2d(b, 3, 2, 1, count_include_pad=False)
F.adaptive_avg_pool2d(b, (2, 4)) | F.adaptive_max_pool1d(c, 3) | F.lp_pool2d(b.abs(), 2, 2)
F.layer_norm(x, (4,), v, v * 2) | F.group_norm(b, 3, u, u * 2) | F.instance_norm(b)
F.batch_norm(b, None, None, u, u * 2, True) | F.rms_norm(x, (4,), v) | F.local_response_norm(b, 2)
F.normalize(x, 3.0, 1) | F.softmax(x, 0) | F.gelu(x, approximate='tanh') | F.glu(x) | F.mish(x)
F.scaled_dot_product_attention(b, b * 2, b + 1, is_causal=True) | F.embedding(i, x, 1)
F.embedding_bag(i, x, m.tensor([0, 2, 5]), mode='max') | F.unfold(b, (2, 3), padding=1)
F.fold(b[:, :, :4, :4].reshape(2, 12, 4), (3, 3), (2, 2))
F.bilinear(x, y, m.stack([x.T @ x, y.T @ y, z.T @ z]), u)
F.cosine_similarity(x, y, 0) | F.pairwise_distance(x, y, 3.0) | m.cdist(x, y, 1.0)
""",
    "matrices": """
m.linalg.svd(x)[1] | m.linalg.qr(x)[1].abs() | m.linalg.eigh(x @ x.T)[0]
m.linalg.inv(x @ x.T + m.eye(3))
m.linalg.det(x @ x.T) | m.linalg.slogdet(x @ x.T + m.eye(3))[1]
m.linalg.cholesky(x @ x.T + m.eye(3))
m.linalg.solve(x @ x.T + m.eye(3), y) | m.linalg.lstsq(x.T, y.T)[0] | m.linalg.pinv(x)
m.linalg.matrix_exp((x @ x.T) / 5) | m.linalg.norm(x, 'nuc') | m.linalg.matrix_norm(x, 2)
m.linalg.vector_norm(x, 3) | m.einsum('ij,kj->ik', x, y) | m.kron(x, y[:2, :2])
m.tensordot(x, y, 2)
m.linalg.matrix_power(x @ x.T, 3) | m.trace(x) | m.logdet(x @ x.T + m.eye(3))
m.cross(x[:, :3], y[:, :3], dim=1)
""",
}  # fmt: skip

#: Optimizers, by the arguments besides the parameters; five steps from the same start.
OPTIMIZERS = """
SGD(lr=0.1) | SGD(lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01)
SGD(lr=0.1, momentum=0.9, nesterov=True) | SGD(lr=0.1, maximize=True) | Adam() | Adam(amsgrad=True)
Adam(lr=0.05, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1) | AdamW() | AdamW(amsgrad=True, lr=0.1)
Adamax(lr=0.1) | NAdam(lr=0.1) | NAdam(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)
RAdam(lr=0.1) | Adagrad(lr=0.1, lr_decay=0.1, initial_accumulator_value=0.2)
Adadelta(rho=0.8) | RMSprop(lr=0.1) | RMSprop(lr=0.1, centered=True, momentum=0.5)
Rprop(lr=0.1) | ASGD(lr=0.1, lambd=0.01) | LBFGS(lr=0.5, max_iter=3)
LBFGS(line_search_fn='strong_wolfe', max_iter=4)
"""

SCHEDULERS = """
StepLR(2, 0.5) | MultiStepLR([1, 3]) | ExponentialLR(0.8) | CosineAnnealingLR(4)
CosineAnnealingWarmRestarts(2, 2) | LinearLR(0.2, 1.0, 3) | ConstantLR(0.5, 2)
PolynomialLR(4, 2.0)
CyclicLR(0.1, 0.5, 2, cycle_momentum=False) | OneCycleLR(0.5, 6) | LambdaLR(lambda e: 0.9**e)
MultiplicativeLR(lambda e: 0.9)
"""


def listed(text: str) -> list[str]:
    """The expressions of a family: one behind each bar; a line that is indented goes on."""
    joined = text.strip().replace("\n    ", " ").replace("\n", " | ")
    parts: list[str] = []
    for part in joined.split(" | "):  # a bar inside of brackets belongs to the expression
        open_ = parts and parts[-1].count("(") > parts[-1].count(")")
        if open_:
            parts[-1] += f" | {part}"
        else:
            parts.append(part)
    return [p.strip() for p in parts]


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """The inputs, the same in both libraries."""
    rng = np.random.default_rng(7)
    shapes = {
        "x": (3, 4), "y": (3, 4), "z": (3, 4), "u": (3,), "v": (4,), "b": (2, 3, 5, 6),
        "c": (2, 3, 7),
    }  # fmt: skip
    found = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**found, "i": np.array([2, 0, 1, 1, 2, 0])}


def evaluated(m: Any, expression: str) -> dict[str, Any]:
    """The value of an expression, its type, and the gradients of a weighted sum of it."""
    tensors = {k: m.tensor(a) for k, a in arrays().items()}
    for t in tensors.values():
        if t.is_floating_point():
            t.requires_grad_()
    scope = {"m": m, "F": m.nn.functional, **tensors}
    y = eval(expression, scope)
    row = {"dtype": str(y.dtype).partition(".")[2], "shape": list(y.shape)}
    row["value"] = _numbers(y.detach())
    if y.requires_grad:
        weights = np.cos(np.arange(y.numel(), dtype=np.float64)).reshape(tuple(y.shape))
        (y * m.tensor(weights.astype(np.float32))).sum().backward()
        row["grads"] = {k: _numbers(t.grad) for k, t in tensors.items() if t.grad is not None}
    return row


def trained(m: Any, text: str) -> dict[str, Any]:
    """Where five steps of an optimizer lead from a fixed start on a fixed valley."""
    name, _, arguments = text.partition("(")
    w, b = m.tensor(arrays()["x"], requires_grad=True), m.tensor(arrays()["u"], requires_grad=True)
    target = m.tensor(arrays()["y"])
    optimizer: Any = eval(f"o.{name}([w, b], {arguments}", {"o": m.optim, "w": w, "b": b})

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((w - target) ** 2).sum() * 0.5 + ((w.sum(1) + b) ** 2).sum() + b.cos().sum()
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    return {"w": _numbers(w.detach()), "b": _numbers(b.detach())}


def scheduled(m: Any, text: str) -> dict[str, Any]:
    """The learning rates of eight epochs."""
    name, _, arguments = text.partition("(")
    optimizer = m.optim.SGD([m.ones(1, requires_grad=True)], lr=0.4)
    scheduler: Any = eval(f"s.{name}(o, {arguments}", {"s": m.optim.lr_scheduler, "o": optimizer})
    rates = []
    for _ in range(6):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return {"lr": [float(f"{r:.7g}") for r in rates]}


def _numbers(t: Any) -> list[Any]:
    return [float(f"{v:.7g}") for v in np.asarray(t.detach().numpy(), np.float64).reshape(-1)]


def rows() -> dict[str, tuple[Callable[..., dict[str, Any]], str]]:
    """All programs by a name that is their text."""
    found: dict[str, tuple[Callable[..., dict[str, Any]], str]] = {}
    for family, text in FAMILIES.items():
        found |= {f"{family}: {e}": (evaluated, e) for e in listed(text)}
    found |= {f"optimizers: {e}": (trained, e) for e in listed(OPTIMIZERS)}
    return found | {f"schedulers: {e}": (scheduled, e) for e in listed(SCHEDULERS)}
