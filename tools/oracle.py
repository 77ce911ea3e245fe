"""Write the values that PyTorch gives for the programs of `tests/oracle/programs.py`.

    python tools/oracle.py

Needs PyTorch; the table is committed, so that those who do not have it compare with it, too.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Write the table."""
    import torch

    from tests.oracle.programs import rows

    table = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (run, text) in rows().items():
            table[name] = run(torch, text)
    path = ROOT / "tests" / "oracle" / "values.json"
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in table.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(table)} programs by PyTorch {torch.__version__} in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
