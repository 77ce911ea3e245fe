"""Numbers of parameters, and weights from files."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg
from minigrad import models, nn
from minigrad.models.weights import load_weights

COUNTS = {
    "alexnet": 61_100_840, "vgg11": 132_863_336, "vgg11_bn": 132_868_840, "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736, "vgg16": 138_357_544, "vgg16_bn": 138_365_992, "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248, "googlenet": 13_004_888, "inception_v3": 27_161_264,
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032,
    "resnet101": 44_549_160, "resnet152": 60_192_808, "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336, "resnext101_64x4d": 83_455_272, "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696, "se_resnet18": 11_778_592, "se_resnet34": 21_958_868,
    "se_resnet50": 28_088_024, "se_resnet101": 49_326_872, "se_resnet152": 66_821_848,
    "se_resnext50_32x4d": 27_559_896, "cifar_resnet20": 269_722, "cifar_resnet32": 464_154,
    "cifar_resnet44": 658_586, "cifar_resnet56": 853_018, "cifar_resnet110": 1_727_962,
    "cifar_plain20": 269_722, "cifar_plain32": 464_154, "cifar_plain44": 658_586,
    "cifar_plain56": 853_018, "cifar_plain110": 1_727_962, "cifar_preact_resnet20": 269_722,
    "cifar_preact_resnet56": 853_018, "cifar_preact_resnet110": 1_727_962,
    "cifar_preact_resnet164": 1_703_258, "cifar_fixup_resnet110": 1_720_138,
    "cifar_se_resnet20": 272_095,
    "cifar_se_resnet56": 860_137, "wide_resnet16_8": 10_961_370, "wide_resnet28_10": 36_479_194,
    "wide_resnet40_4": 8_949_210, "alexnet_2012": 60_965_224, "plain18": 11_515_688,
    "plain34": 21_623_848, "plain50": 22_780_456, "cifar_densenet100": 769_162,
}  # fmt: skip


def count(model: nn.Module) -> int:
    return sum(math.prod(p.shape) for p in model.parameters())


@pytest.mark.parametrize(("name", "parameters"), COUNTS.items())
def test_parameters(name: str, parameters: int, undrawn_init: None) -> None:
    make = getattr(models, name)
    assert count(make()) == parameters
    assert f" {parameters:,} " in make.__doc__


def test_the_page_gives_the_same_numbers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([\d,]+) \|", page, re.M))
    given = {name: int(number.replace(",", "")) for name, number in rows.items()}
    assert {name: n for name, n in given.items() if name in COUNTS} == {
        name: n for name, n in COUNTS.items() if name in given
    }
    left_out = {"cifar_plain32", "cifar_plain44", "cifar_plain110"}
    assert set(COUNTS) - set(given) == left_out


def test_parameters_without_auxiliary_heads(undrawn_init: None) -> None:
    assert count(models.googlenet(aux_logits=False)) == 6_624_904
    assert count(models.inception_v3(aux_logits=False)) == 23_834_568


def test_models_are_imported_when_they_are_asked_for() -> None:
    code = (
        "import sys, minigrad as mg; assert 'minigrad.models' not in sys.modules; "
        "print(mg.models.resnet18.__name__); from minigrad.models import vgg16"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "resnet18\n"


def test_weights_are_loaded_from_a_file(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    mg.manual_seed(0)
    first = models.cifar_resnet(8)
    path = tmp_path / "resnet8.safetensors"
    mg.save(first.state_dict(), path)
    for given in (path, str(path)):
        second = models.cifar_resnet(8, weights=given, progress=False)
        for key, value in second.state_dict().items():
            assert mg.equal(value, first.state_dict()[key])
    with pytest.raises(RuntimeError, match=r"layer1\.1"):
        models.cifar_resnet(14, weights=path)
    mg.save([1, 2], path)
    with pytest.raises(RuntimeError, match="holds list"):
        models.cifar_resnet(8, weights=path)


def test_weights_of_parts_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    whole = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    path = tmp_path / "whole.safetensors"
    mg.save(whole.state_dict(), path)
    part = load_weights(nn.Sequential(nn.Linear(2, 2)), path, without=("1.",))
    assert mg.equal(part[0].weight, whole[0].weight)
    with pytest.raises(RuntimeError, match=r"1\.weight"):
        load_weights(nn.Sequential(nn.Linear(2, 2)), path)


@pytest.mark.parametrize("weights", ["DEFAULT", "missing.safetensors", True, 3])
def test_other_weights_are_refused(weights: object) -> None:
    with pytest.raises(ValueError, match="names no file: no trained weights come with minigrad"):
        models.cifar_resnet(8, weights=weights)
