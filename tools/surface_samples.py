"""How `surface` makes layers, models and optimizers to write down what they are."""

from __future__ import annotations

#: Layers that only others are made from.
ABSTRACT = {"LazyModuleMixin", "RNNBase", "RNNCellBase"}

_PLAIN = """
BCELoss BCEWithLogitsLoss CELU CTCLoss CosineEmbeddingLoss CosineSimilarity CrossEntropyLoss
ELU GELU GLU GaussianNLLLoss Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss
KLDivLoss L1Loss LeakyReLU LogSigmoid LogSoftmax MSELoss MarginRankingLoss
Mish Module ModuleDict ModuleList MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss
NLLLoss NLLLoss2d PReLU PairwiseDistance ParameterDict ParameterList PoissonNLLLoss RReLU ReLU
ReLU6 SELU Sequential SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d Softmin Softplus
Softshrink Softsign Tanh Tanhshrink TripletMarginLoss TripletMarginWithDistanceLoss
AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout Flatten Identity
GaussianNoise LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyInstanceNorm1d LazyInstanceNorm2d
LazyInstanceNorm3d Upsample
""".split()

#: The arguments of every layer, as text; most have one set, and a second where it shows more.
LAYERS: dict[str, list[str]] = {name: [""] for name in _PLAIN} | {
    "AdaptiveLogSoftmaxWithLoss": ["8, 12, [4, 8]"],
    "Bilinear": ["2, 3, 4"],
    "ChannelShuffle": ["2"],
    "CrossEntropyLoss": ["", "weight=mg.ones(3), label_smoothing=0.1"],
    "DataParallel": ["nn.Linear(2, 3)"],
    "ELU": ["", "0.5, inplace=True"],
    "Embedding": ["4, 3", "4, 3, padding_idx=1, max_norm=2.0"],
    "EmbeddingBag": ["4, 3", "4, 3, mode='max'"],
    "Fold": ["(4, 5), (2, 2)"],
    "GELU": ["", "'tanh'"],
    "GRU": ["2, 3", "2, 3, 2, bidirectional=True, batch_first=True"],
    "GRUCell": ["2, 3"],
    "GroupNorm": ["2, 4"],
    "LinearCrossEntropyLoss": ["4, 3"],
    "LSTM": ["2, 3", "2, 3, 2, bidirectional=True", "2, 4, proj_size=3"],
    "LSTMCell": ["2, 3"],
    "LayerNorm": ["4", "(2, 3), bias=False"],
    "LazyLinear": ["3"],
    "LeakyReLU": ["", "0.2, True"],
    "Linear": ["2, 3", "2, 3, bias=False"],
    "LocalResponseNorm": ["2"],
    "Maxout": ["2, 3, 2"],
    "ModuleDict": ["", "{'a': nn.ReLU(), 'b': nn.Linear(2, 3)}"],
    "ModuleList": ["", "[nn.ReLU(), nn.ReLU(), nn.Linear(2, 3)]"],
    "MultiheadAttention": ["4, 2", "4, 2, kdim=3, vdim=5, add_bias_kv=True"],
    "ParameterDict": ["", "{'a': mg.ones(2)}"],
    "ParameterList": ["", "[mg.ones(2), mg.ones(3)]"],
    "PixelShuffle": ["2"],
    "PixelUnshuffle": ["2"],
    "RMSNorm": ["4"],
    "RNN": ["2, 3", "2, 3, nonlinearity='relu', bias=False"],
    "RNNCell": ["2, 3", "2, 3, nonlinearity='relu'"],
    "ReLU": ["", "True"],
    "Sequential": ["", "nn.Linear(2, 3), nn.ReLU()"],
    "Softmax": ["", "dim=1"],
    "SyncBatchNorm": ["3"],
    "Threshold": ["0.1, 20"],
    "Transformer": ["4, 2, 1, 1, 8"],
    "TransformerDecoder": ["nn.TransformerDecoderLayer(4, 2, 8), 2"],
    "TransformerDecoderLayer": ["4, 2, 8"],
    "TransformerEncoder": ["nn.TransformerEncoderLayer(4, 2, 8), 2, nn.LayerNorm(4)"],
    "TransformerEncoderLayer": ["4, 2, 8"],
    "TransposedLinear": ["nn.Linear(2, 3)"],
    "Unflatten": ["1, (2, 3)"],
    "Unfold": ["(2, 2), padding=1"],
    "Upsample": ["scale_factor=2", "(5, 5), mode='bilinear'"],
    "UpsamplingBilinear2d": ["scale_factor=2"],
    "UpsamplingNearest2d": ["(4, 5)"],
}
for _n in (1, 2, 3):
    LAYERS |= {
        f"AdaptiveAvgPool{_n}d": ["2"],
        f"AdaptiveMaxPool{_n}d": ["2"],
        f"AvgPool{_n}d": ["2"],
        f"BatchNorm{_n}d": ["3", "3, affine=False"],
        f"CircularPad{_n}d": ["1"],
        f"ConstantPad{_n}d": ["1, 3.5"],
        f"Conv{_n}d": ["2, 4, 3", "4, 4, 3, 2, 1, groups=2, bias=False"],
        f"ConvTranspose{_n}d": ["2, 4, 3", "2, 4, 3, stride=2, output_padding=1"],
        f"InstanceNorm{_n}d": ["3", "3, affine=True, track_running_stats=True"],
        f"LPPool{_n}d": ["2, 3"],
        f"LazyConv{_n}d": ["4, 3"],
        f"LazyConvTranspose{_n}d": ["4, 3"],
        f"MaxPool{_n}d": ["2"],
        f"MaxUnpool{_n}d": ["2"],
        f"ReflectionPad{_n}d": ["1"],
        f"ReplicationPad{_n}d": ["1"],
        f"ZeroPad{_n}d": ["1"],
    }

#: Models at small sizes.
MODELS = [
    "AlexNet(5, hidden=8)",
    "Autoencoder([4, 3, 2])",
    "Autoencoder([4, 3, 2], tied=True)",
    "CIFARResNet(1)",
    "CIFARResNet(1, shortcut='B')",
    "CharRNN(5, 4, num_layers=2)",
    "CharRNN(5, 4, cell='gru', tie_weights=True)",
    "Conv2dNormActivation(2, 3)",
    "DenseNet(4, (2, 3), 8, num_classes=5)",
    "EfficientNet([models.MBConvConfig(1, 3, 1, 8, 8, 1), models.MBConvConfig(6, 5, 2, 8, 16, 1)], "
    "0.0, num_classes=5)",
    "FixupResNet(1)",
    "GPT(models.GPTConfig(block_size=4, vocab_size=5, n_layer=2, n_head=2, n_embd=4))",
    "GoogLeNet(5, init_weights=False)",
    "LeNet5()",
    "MLP([4, 3, 2])",
    "MLP([4, 3, 2], norm=nn.BatchNorm1d, dropout=0.1)",
    "MNISTNet()",
    "MobileNetV1(5, 0.25)",
    "MobileNetV2(5, 0.25, [(1, 16, 1, 1), (6, 24, 2, 2)])",
    "NASNetA(1, 48, 5, stem_channels=8)",
    "OriginalLeNet5()",
    "Perceptron(3)",
    "PerceptronLoss()",
    "PositionalEncoding(4, max_len=6)",
    "PreActResNet(1)",
    "ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], 5)",
    "ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], 5, groups=2, width_per_group=32)",
    "Seq2SeqTransformer(5, 6, 4, 2, 1, 1, 8)",
    "SqueezeExcitation(4, 2)",
    "StackedAutoencoder([4, 3, 2])",
    "StochasticDepth(0.5)",
    "VGG(nn.Sequential(nn.Conv2d(3, 4, 3)), 5, hidden=8)",
]

#: What makes a model at its full size.
FACTORIES = [
    f"{name}()"
    for name in """
    alexnet cifar_fixup_resnet110 cifar_plain20 cifar_plain32 cifar_plain44 cifar_plain56
    cifar_plain110 cifar_preact_resnet20 cifar_preact_resnet56 cifar_preact_resnet110
    cifar_preact_resnet164 cifar_resnet20 cifar_resnet32 cifar_resnet44 cifar_resnet56
    cifar_resnet110 cifar_se_resnet20 cifar_se_resnet56 densenet121 densenet161 densenet169
    densenet201 efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4
    efficientnet_b5 efficientnet_b6 efficientnet_b7 mobilenet_v1 mobilenet_v2 nasnet_a_cifar
    nasnet_a_mobile resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d
    resnext101_64x4d se_resnet18 se_resnet34 se_resnet50 se_resnet101 se_resnet152
    se_resnext50_32x4d vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn wide_resnet16_8
    wide_resnet28_10 wide_resnet40_4 wide_resnet50_2 wide_resnet101_2
    """.split()
]
FACTORIES += ["googlenet(init_weights=False)", "inception_v3(init_weights=False)"]

OPTIMIZERS = [
    "ASGD([w])", "Adadelta([w])", "Adagrad([w])", "Adam([w])", "Adam([w], amsgrad=True)",
    "AdamW([w])", "Adamax([w])", "BacktrackingGD([w])", "LBFGS([w])", "NAdam([w])", "RAdam([w])",
    "RMSprop([w])", "RMSprop([w], momentum=0.9, centered=True)", "Rprop([w])", "SGD([w])",
    "SGD([w], momentum=0.9)", "SeveralRatesGD([w])",
]  # fmt: skip

SCHEDULERS = [
    "ConstantLR(optimizer)", "CosineAnnealingLR(optimizer, 10)",
    "CosineAnnealingWarmRestarts(optimizer, 10)", "CyclicLR(optimizer, 0.1, 1.0)",
    "ExponentialLR(optimizer, 0.9)", "HalveOnWorse(optimizer)", "InverseTimeLR(optimizer, 10)",
    "LambdaLR(optimizer, lambda t: 0.9**t)", "LinearLR(optimizer)",
    "MomentumSchedule(optimizer)", "MultiStepLR(optimizer, [2, 4])",
    "MultiplicativeLR(optimizer, lambda t: 0.9)", "OneCycleLR(optimizer, 1.0, 10)",
    "PolynomialLR(optimizer)", "ReduceLROnPlateau(optimizer)", "StepLR(optimizer, 2)",
    "ChainedScheduler([StepLR(optimizer, 2), ExponentialLR(optimizer, 0.9)])",
    "SequentialLR(optimizer, [StepLR(optimizer, 2), StepLR(optimizer, 3)], [2])",
]  # fmt: skip
