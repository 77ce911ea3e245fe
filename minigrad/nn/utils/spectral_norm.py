"""Spectral normalization by a hook: the older form, for scripts and checkpoints that have it."""

from __future__ import annotations

from typing import Any

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.nn.module import M, Module
from minigrad.nn.parameter import Parameter
from minigrad.nn.utils.norms import default_dim, unit, weight_matrix, write

__all__ = [
    "SpectralNorm", "SpectralNormLoadStateDictPreHook", "SpectralNormStateDictHook",
    "remove_spectral_norm", "spectral_norm",
]  # fmt: skip


class SpectralNorm:
    """The hook that divides the weight by its largest singular value before each call.

    Parameters
    ----------
    name : str
        Of the parameter.
    n_power_iterations : int
        Steps of power iteration at each call in training.
    dim : int
        The dimension of the outputs.
    eps : float
        What norms count as at least.
    """

    _version: int = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix with a row for each output."""
        return weight_matrix(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """``W / (u^T W v)``; power iteration changes the buffers u and v in place."""
        weight, u, v = (getattr(module, self.name + s) for s in ("_orig", "_u", "_v"))
        matrix = weight_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    write(v, unit(matrix.mT @ u, self.eps))
                    write(u, unit(matrix @ v, self.eps))
                u, v = u.clone(), v.clone()  # what this call used stays as it is
        return weight / (u @ (matrix @ v))  # type: ignore[no-any-return]

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        """Compute the weight anew, before `module` is called."""
        setattr(module, self.name, self.compute_weight(module, module.training))

    def _solve_v_and_rescale(self, matrix: Tensor, u: Tensor, sigma: Tensor) -> Tensor:
        """A v with ``u = W v / ||W v||`` and ``u^T W v = sigma``."""
        v = (matrix.mT @ matrix).pinverse() @ (matrix.mT @ u)
        return v * (sigma / (u @ (matrix @ v)))

    @staticmethod
    def apply(
        module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Put the hooks on a module."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook.function, SpectralNorm) and hook.function.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        made = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        with no_grad():
            rows, columns = weight_matrix(weight, dim).shape
            u, v = (unit(weight.new_empty(n).normal_(), eps) for n in (rows, columns))
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, Tensor(weight.array))  # so that it is there before the first call
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(made)
        module.register_state_dict_post_hook(SpectralNormStateDictHook(made))
        module.register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(made))
        return made


class SpectralNormStateDictHook:
    """Notes the version of the hook beside what the module saves."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: Any) -> None:
        """Add the version to `local_metadata`."""
        versions = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


class SpectralNormLoadStateDictPreHook:
    """Reads what early versions saved: the divided weight, and no v."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self, module: Module, state_dict: Any, prefix: str, local_metadata: Any, strict: bool,
        missing_keys: list[str], *rest: Any,
    ) -> None:  # fmt: skip
        """Turn an early `state_dict` into one of today."""
        fn = self.fn
        version = local_metadata.get("spectral_norm", {}).get(f"{fn.name}.version")
        key = prefix + fn.name
        whole = all(key + suffix in state_dict for suffix in ("_orig", "_u", "_v"))
        if version is not None or (whole and key not in state_dict):
            return
        missing = [key + s for s in ("_orig", "", "_u") if key + s not in state_dict]
        if missing:
            missing_keys += missing if strict else []
            return
        with no_grad():
            original, divided = state_dict[f"{key}_orig"], state_dict.pop(key)
            sigma = (original / divided).mean()
            matrix = fn.reshape_weight_to_matrix(original)
            state_dict[f"{key}_v"] = fn._solve_v_and_rescale(matrix, state_dict[f"{key}_u"], sigma)


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> M:  # fmt: skip
    """Divide a weight by its largest singular value (Miyato et al. 2018).

    The parameter is ``weight_orig``, the singular vectors that power iteration follows are the
    buffers ``weight_u`` and ``weight_v``, and a hook sets ``weight`` before each call.
    :func:`minigrad.nn.utils.parametrizations.spectral_norm` is the newer form.

    Parameters
    ----------
    module : Module
    name : str
    n_power_iterations : int
        Steps of power iteration at each call in training.
    eps : float
        What norms count as at least.
    dim : int, optional
        The dimension of the outputs: 0, and 1 for transposed convolutions, by default.

    Returns
    -------
    Module
        `module`.

    Raises
    ------
    RuntimeError
        If the parameter has such a hook already.
    ValueError
        If the parameter is None, or `n_power_iterations` is not positive.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.utils.spectral_norm(mg.nn.Linear(20, 40))
    >>> layer
    Linear(in_features=20, out_features=40, bias=True)
    >>> layer.weight_u.shape
    minigrad.Size([40])
    """
    along = default_dim(module) if dim is None else dim
    SpectralNorm.apply(module, name, n_power_iterations, along, eps)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make a parameter that :func:`spectral_norm` replaced a plain one again.

    Raises
    ------
    ValueError
        If there is no such hook.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook.function, SpectralNorm) and hook.function.name == name:
            hook.function.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
        for key, hook in list(hooks.items()):
            fn: Any = getattr(hook.function, "fn", None)
            if isinstance(fn, SpectralNorm) and fn.name == name:
                del hooks[key]
    return module
