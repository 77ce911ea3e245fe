"""What stands in for small files of ``torch.nn.utils``."""
