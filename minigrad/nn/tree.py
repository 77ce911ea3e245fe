"""What a notebook shows of a module: a tree that opens, with the parameters of each part."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["tree_html"]


def tree_html(name: str, module: Module) -> str:
    """A module and what is in it, as nested lists that open and close."""
    own = "".join(
        f"<li><code>{escape(key)}</code> {' × '.join(map(str, p.shape)) or 'scalar'}"
        f"{'' if p.requires_grad else ' (frozen)'}</li>"
        for key, p in module._parameters.items()
        if p is not None
    )
    inner = "".join(f"<li>{tree_html(key, m)}</li>" for key, m in module._modules.items() if m)
    count = sum(p.numel() for p in module.parameters())
    extra = module.extra_repr().replace("\n", ", ")
    head = f"{f'<code>{escape(name)}</code>: ' if name else ''}<b>{module._get_name()}</b>"
    head += f"({escape(extra)})" if extra else ""
    head += f" &middot; {count:,} parameters" if count else ""
    if not (own or inner):
        return f"<span>{head}</span>"
    opened = "" if name and "." in name else " open"
    return f"<details{opened}><summary>{head}</summary><ul>{own}{inner}</ul></details>"
