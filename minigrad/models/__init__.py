"""Well-known architectures, each in a file of its own, to read, to train and to take apart.

Names, arguments and the keys of ``state_dict()`` are torchvision's where it has the model, so that
its checkpoints load. What is made here starts untrained.

Examples
--------
>>> import minigrad as mg
>>> model = mg.models.cifar_resnet20()
>>> model(mg.zeros(1, 3, 16, 16)).shape
minigrad.Size([1, 10])
"""

from minigrad.models.alexnet import AlexNet, AlexNet2012, alexnet, alexnet_2012
from minigrad.models.autoencoder import Autoencoder, StackedAutoencoder
from minigrad.models.blocks import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from minigrad.models.charrnn import CharRNN
from minigrad.models.cifar_resnet import (
    CIFARResNet,
    PreActResNet,
    cifar_plain20,
    cifar_plain32,
    cifar_plain44,
    cifar_plain56,
    cifar_plain110,
    cifar_preact_resnet20,
    cifar_preact_resnet56,
    cifar_preact_resnet110,
    cifar_preact_resnet164,
    cifar_resnet,
    cifar_resnet20,
    cifar_resnet32,
    cifar_resnet44,
    cifar_resnet56,
    cifar_resnet110,
    cifar_wide_resnet,
    wide_resnet16_8,
    wide_resnet28_10,
    wide_resnet40_4,
)
from minigrad.models.densenet import (
    CIFARDenseNet,
    DenseNet,
    cifar_densenet100,
    densenet121,
    densenet161,
    densenet169,
    densenet201,
)
from minigrad.models.efficientnet import (
    EfficientNet,
    MBConvConfig,
    efficientnet_b0,
    efficientnet_b1,
    efficientnet_b2,
    efficientnet_b3,
    efficientnet_b4,
    efficientnet_b5,
    efficientnet_b6,
    efficientnet_b7,
)
from minigrad.models.fixup import FixupResNet, cifar_fixup_resnet, cifar_fixup_resnet110
from minigrad.models.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from minigrad.models.gpt import GPT, GPTConfig, weight_decay_groups
from minigrad.models.inception import Inception3, InceptionOutputs, inception_v3
from minigrad.models.lenet import LeNet5, MNISTNet, OriginalLeNet5
from minigrad.models.mlp import MLP, initialize
from minigrad.models.mobilenet import MobileNetV1, MobileNetV2, mobilenet_v1, mobilenet_v2
from minigrad.models.nas import CellSpace, Controller
from minigrad.models.nasnet import NASNetA, nasnet_a_cifar, nasnet_a_mobile
from minigrad.models.perceptron import Perceptron, PerceptronLoss
from minigrad.models.resnet import (
    ResNet,
    plain18,
    plain34,
    plain50,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from minigrad.models.senet import (
    cifar_se_resnet,
    cifar_se_resnet20,
    cifar_se_resnet56,
    se_resnet18,
    se_resnet34,
    se_resnet50,
    se_resnet101,
    se_resnet152,
    se_resnext50_32x4d,
)
from minigrad.models.transformer import PositionalEncoding, Seq2SeqTransformer, sinusoidal_positions
from minigrad.models.vgg import (
    VGG,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)
from minigrad.models.weights import load_weights

__all__ = [
    "GPT", "MLP", "VGG", "AlexNet", "AlexNet2012", "Autoencoder", "CIFARDenseNet", "CIFARResNet",
    "CellSpace", "CharRNN", "Controller", "Conv2dNormActivation", "DenseNet", "EfficientNet",
    "FixupResNet", "GPTConfig", "GoogLeNet", "GoogLeNetOutputs", "Inception3", "InceptionOutputs",
    "LeNet5", "MBConvConfig", "MNISTNet", "MobileNetV1", "MobileNetV2", "NASNetA",
    "OriginalLeNet5", "Perceptron", "PerceptronLoss", "PositionalEncoding", "PreActResNet",
    "ResNet", "Seq2SeqTransformer", "SqueezeExcitation", "StackedAutoencoder", "StochasticDepth",
    "alexnet", "alexnet_2012", "cifar_densenet100", "cifar_fixup_resnet", "cifar_fixup_resnet110",
    "cifar_plain20", "cifar_plain32", "cifar_plain44", "cifar_plain56", "cifar_plain110",
    "cifar_preact_resnet20", "cifar_preact_resnet56", "cifar_preact_resnet110",
    "cifar_preact_resnet164", "cifar_resnet", "cifar_resnet20", "cifar_resnet32",
    "cifar_resnet44", "cifar_resnet56", "cifar_resnet110", "cifar_se_resnet", "cifar_se_resnet20",
    "cifar_se_resnet56", "cifar_wide_resnet", "densenet121", "densenet161", "densenet169",
    "densenet201", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "googlenet",
    "inception_v3", "initialize", "load_weights", "mobilenet_v1", "mobilenet_v2",
    "nasnet_a_cifar", "nasnet_a_mobile", "plain18", "plain34", "plain50", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "se_resnet18", "se_resnet34", "se_resnet50", "se_resnet101",
    "se_resnet152", "se_resnext50_32x4d", "sinusoidal_positions", "vgg11", "vgg11_bn", "vgg13",
    "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "weight_decay_groups",
    "wide_resnet16_8", "wide_resnet28_10", "wide_resnet40_4", "wide_resnet50_2",
    "wide_resnet101_2",
]  # fmt: skip
